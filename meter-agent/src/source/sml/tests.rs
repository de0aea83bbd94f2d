//! Transmissions over a real socket, and streams with every kind of damage.

use proptest::{collection::vec, prelude::*};
use protocol::reading::Registers;
use sml_rs::transport::encode_streaming;
use tokio::{io::AsyncWriteExt, net::TcpListener};

use super::{
    super::{
        MeterClock, SourceConfig,
        damage::{damaged_once, is_sent, try_damaged},
        line::{Framer, NOISE_BYTES},
        watching::{placement, sees},
    },
    *,
};

/// A meter's id.
pub(super) const SERVER: &[u8] = &[0x0a, 0x01, 0x44];

/// A line of a list of values, whose value is what is sent of it.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) obis: [u8; 6],
    pub(super) status: Option<u32>,
    pub(super) unit: Option<u8>,
    pub(super) scaler: Option<i8>,
    pub(super) value: &'static [u8],
}

/// A transmission of these bytes.
pub(super) fn transmission(messages: &[u8]) -> Vec<u8> {
    encode_streaming(messages).collect()
}

/// The three messages in which a meter with this id sends a list of values.
pub(super) fn messages(server: &[u8], entries: &[Entry]) -> Vec<u8> {
    let open = [&[0x76, 0x01, 0x01, 0x02, 0x31][..], &octets(server), &[0x01, 0x01]].concat();
    let count = 0x70 | u8::try_from(entries.len()).unwrap();
    let start = [&[0x77, 0x01][..], &octets(server), &[0x01, 0x01, count]].concat();
    let entries = entries.iter().flat_map(|entry| {
        let status = entry.status.map_or(vec![0x01], |status| [&[0x65][..], &status.to_be_bytes()].concat());
        let unit = entry.unit.map_or(vec![0x01], |unit| vec![0x62, unit]);
        let scaler = entry.scaler.map_or(vec![0x01], |scaler| vec![0x52, scaler.cast_unsigned()]);
        [&[0x77][..], &octets(&entry.obis), &status, &[0x01], &unit, &scaler, entry.value, &[0x01]].concat()
    });
    let list = [start, entries.collect(), vec![0x01, 0x01]].concat();
    [message(0x0101, &open), message(0x0701, &list), message(0x0201, &[0x71, 0x01])].concat()
}

fn octets(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len() + 1).unwrap()], bytes].concat()
}

fn message(tag: u16, body: &[u8]) -> Vec<u8> {
    let start = [&[0x76, 0x02, 0x37, 0x62, 0x00, 0x62, 0x00, 0x72, 0x63][..], &tag.to_be_bytes(), body].concat();
    let crc = crc16_x25(&start);
    [&start[..], &[0x63], &crc.to_le_bytes(), &[0x00]].concat()
}

/// CRC16 of HDLC (RFC 1662, appendix C.2).
fn crc16_x25(bytes: &[u8]) -> u16 {
    !bytes.iter().fold(0xffff, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x8408 } else { crc >> 1 })
    })
}

/// A transmission with these registers, in tenths of a Wh.
fn sent(import: u32, export: u32) -> Vec<u8> {
    transmission(&both(import, export))
}

/// The messages in it.
fn both(import: u32, export: u32) -> Vec<u8> {
    let energy = |c: u8, tenths: u32| Entry {
        obis: [1, 0, c, 8, 0, 255],
        status: None,
        unit: Some(30),
        scaler: Some(-1),
        value: [&[0x65][..], &tenths.to_be_bytes()].concat().leak(),
    };
    let power =
        Entry { obis: [1, 0, 16, 7, 0, 255], status: None, unit: Some(27), scaler: Some(0), value: &[0x52, 0xf6] };
    messages(SERVER, &[energy(1, import), energy(2, export), power])
}

/// The registers that are read from a stream.
fn read(bytes: &[u8]) -> Vec<(u64, u64)> {
    let mut transmissions = Transmissions::default();
    let messages = bytes.iter().filter_map(|byte| transmissions.push(*byte)?.ok());
    let samples = messages.filter_map(|messages| registers::read(&messages).ok());
    samples.map(|sample| (sample.registers.import_wh, sample.registers.export_wh)).collect()
}

/// What is sent, one after the other; each register is another in each transmission.
const SENT: [(u64, u64); 3] = [(1_234_567, 89_012), (1_234_571, 89_013), (1_236_000, 89_999)];

fn stream() -> Vec<u8> {
    [sent(12_345_671, 890_129), sent(12_345_718, 890_130), sent(12_360_000, 899_999)].concat()
}

#[test]
fn no_flipped_bit_no_cut_and_no_glue_gives_another_value() {
    let whole = stream();
    assert_eq!(read(&whole), SENT);
    for (damage, damaged) in damaged_once(&whole, 0) {
        assert!(is_sent(&read(&damaged), &SENT), "{damage}");
    }
}

#[test]
fn streams_with_any_damage_neither_panic_nor_give_another_value() {
    let of_escapes = prop_oneof![Just(0x1b_u8), Just(0x01), Just(0x1a), Just(0x00), Just(0x76), any::<u8>()];
    try_damaged(&stream(), 0, vec(of_escapes, 1..40), |damaged| {
        let found = read(damaged);
        if found.iter().all(|found| SENT.contains(found)) { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

#[test]
fn messages_with_a_right_checksum_and_any_damage_are_read_without_panic() {
    try_damaged(&both(12_345_671, 890_129), 0, vec(any::<u8>(), 1..40), |damaged| {
        let _ = registers::read(damaged);
        Ok(())
    });
}

fn config(text: &str) -> SourceConfig {
    toml::from_str(&format!("kind = \"sml\"\n{text}")).unwrap()
}

#[tokio::test]
async fn over_a_socket_transmissions_are_believed_and_damage_is_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("address = \"tcp://{}\"", listener.local_addr().unwrap());
    let meter = config(&address).open(&placement()).unwrap();
    assert_eq!(meter.clock(), MeterClock::Real);
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut damaged = sent(20_010, 6_000);
    damaged[40] ^= 1;
    let sending = [&sent(20_000, 6_000)[100..], &sent(20_000, 6_000), &damaged, &sent(20_019, 6_001)].concat();
    stream.write_all(&sending).await.unwrap();
    let sight = sees(&*meter, |sight| sight.believed == 2).await;
    assert_eq!(sight.registers, Some(Registers { import_wh: 2_001, export_wh: 600 }));
    assert_eq!((sight.power_w, sight.serial.as_deref(), sight.fault), (Some(-10), Some("0A0144"), None));
    assert_eq!(sight.refused, 1, "the damaged one, and not the one that had begun before");
}

#[tokio::test]
async fn bytes_that_are_no_transmissions_are_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let meter = config(&format!("address = \"tcp://{}\"", listener.local_addr().unwrap())).open(&placement()).unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(&[0x55; NOISE_BYTES]).await.unwrap();
    let sight = sees(&*meter, |sight| sight.fault.is_some()).await;
    assert!(sight.fault.unwrap().contains("no SML among them: are `baud` and `framing` right"));
}

#[tokio::test]
async fn settings_that_can_never_work_are_refused_with_what_to_do() {
    let refused = |text: &str| match config(text).open(&placement()) {
        Ok(_) => panic!("{text}: it opens"),
        Err(error) => error.to_string(),
    };
    for (text, expected) in [
        ("address = \"tcp://h:1\"\nbaud = 9600", "`baud` and `framing` are of a serial port"),
        ("address = \"serial:///dev/null\"\nbaud = 1", "without it, it is 9600"),
        ("address = \"serial:///nowhere/ttyUSB0\"", "expected a serial port at /nowhere/ttyUSB0, found none"),
    ] {
        let error = refused(text);
        assert!(error.contains(expected) && !error.contains('\n'), "{text}: {error}");
    }
    let unread =
        |text: &str| toml::from_str::<SourceConfig>(&format!("kind = \"sml\"\n{text}")).unwrap_err().to_string();
    assert!(unread("address = \"tcp://h:1\"\nmeter_time = true").contains("unknown field `meter_time`"));
    assert!(unread("baud = 9600").contains("missing field `address`"));
    assert!(unread("address = \"tcp://h:1\"\nmax_age_s = 0").contains("expected `max_age_s` from 1 to 300, found 0"));
}
