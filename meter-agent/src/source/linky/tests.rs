//! Frames over a real socket, and streams with every kind of damage.

use proptest::prelude::*;
use protocol::reading::Registers;
use tokio::{io::AsyncWriteExt, net::TcpListener};

use super::{
    super::{
        MeterClock, SourceConfig,
        damage::{damaged_once, is_sent, try_damaged},
        line::{Framer, NOISE_BYTES},
        watching::{placement, sees},
    },
    frame::checksum,
    *,
};

/// A frame of a meter with one phase that feeds in, with these registers in Wh.
fn sent(import_wh: u64, export_wh: u64) -> Vec<u8> {
    let energy = |label: &str, wh: u64| format!("{label}\t{wh:09}");
    let tariffs = (2..=10).map(|count| energy(&format!("EASF{count:02}"), 0));
    let groups =
        ["ADSC\t041662343035", "VTIC\t02", "DATE\th260601120000\t", "NGTF\t   PRODUCTEUR   "].map(String::from);
    let energies = [energy("EAST", import_wh), energy("EASF01", import_wh)];
    let more = [energy("EAIT", export_wh), energy("ERQ1", 31), energy("ERQ2", 32_145)];
    let power = ["IRMS1\t008", "URMS1\t236", "PREF\t12", "SINSTS\t00000", "SINSTI\t01907", "STGE\t013A0301"];
    let rest = power.map(String::from).into_iter().chain(["RELAIS\t000".to_owned()]);
    let all = groups.into_iter().chain(energies).chain(tariffs).chain(more).chain(rest);
    let groups: String = all.map(|group| format!("\n{group}\t{}\r", checksum(&format!("{group}\t")))).collect();
    format!("\x02{groups}\x03").into_bytes()
}

/// The registers that are read from a stream.
fn read(bytes: &[u8]) -> Vec<(u64, u64)> {
    let mut frames = TicFrames::default();
    let groups = bytes.iter().filter_map(|byte| frames.push(*byte)?.ok());
    let samples = groups.filter_map(|groups| registers::read(&groups, true).ok());
    samples.map(|sample| (sample.registers.import_wh, sample.registers.export_wh)).collect()
}

/// What is sent, one after the other; each register is another in each frame.
const SENT: [(u64, u64); 3] = [(1_234_567, 89_012), (1_234_571, 89_013), (1_236_000, 89_999)];

fn stream() -> Vec<u8> {
    SENT.iter().flat_map(|(import_wh, export_wh)| sent(*import_wh, *export_wh)).collect()
}

/// Both registers apart. Where bytes are lost or come twice, a frame may be made of two that were sent, with a register
/// of each: but each is one that the meter showed.
fn apart(pairs: &[(u64, u64)]) -> [Vec<u64>; 2] {
    [pairs.iter().map(|(import_wh, _)| *import_wh).collect(), pairs.iter().map(|(_, export_wh)| *export_wh).collect()]
}

#[test]
fn no_flipped_bit_no_cut_and_no_glue_gives_another_value() {
    let whole = stream();
    assert_eq!(read(&whole), SENT);
    for (damage, damaged) in damaged_once(&whole, 0) {
        let found = read(&damaged);
        let ([imports, exports], [sent_imports, sent_exports]) = (apart(&found), apart(&SENT));
        assert!(is_sent(&imports, &sent_imports) && is_sent(&exports, &sent_exports), "{damage}: {found:?}");
    }
}

#[test]
fn streams_with_any_damage_neither_panic_nor_give_another_value() {
    let strange = "[\x02\x03\t\n\r 0-9EASTIF*]{1,40}".prop_map(String::into_bytes);
    let [imports, exports] = apart(&SENT);
    try_damaged(&stream(), 0, strange, move |damaged| {
        let found = read(damaged);
        let was_sent = |(import_wh, export_wh): &(u64, u64)| imports.contains(import_wh) && exports.contains(export_wh);
        if found.iter().all(was_sent) { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

fn config(text: &str) -> SourceConfig {
    toml::from_str(&format!("kind = \"linky\"\n{text}")).unwrap()
}

#[tokio::test]
async fn over_a_socket_frames_are_believed_and_damage_is_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("address = \"tcp://{}\"", listener.local_addr().unwrap());
    let meter = config(&address).open(&placement()).unwrap();
    assert_eq!(meter.clock(), MeterClock::Real);
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut damaged = sent(2_001, 600);
    damaged[70] ^= 1;
    stream
        .write_all(&[&sent(2_000, 600)[100..], &sent(2_000, 600), &damaged, &sent(2_001, 601)].concat())
        .await
        .unwrap();
    let sight = sees(&*meter, |sight| sight.believed == 2).await;
    assert_eq!(sight.registers, Some(Registers { import_wh: 2_001, export_wh: 601 }));
    assert_eq!((sight.power_w, sight.serial.as_deref(), sight.fault), (Some(-1_907), Some("041662343035"), None));
    assert_eq!(sight.refused, 1);
}

#[tokio::test]
async fn a_meter_that_cannot_be_read_is_named_with_what_to_do() {
    for (bytes, expected) in [
        (vec![0x55; NOISE_BYTES], "is the meter in the historic mode (1200 baud)?"),
        (b"\x02\nADCO 012345678910 E\r\nBASE 123456789 8\r\x03".to_vec(), "ask your supplier, or Enedis, to switch"),
        (b"\x02\nEAST\t003519702\t*\r\x03".to_vec(), "expected EAIT, the register of what is fed in"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("address = \"tcp://{}\"", listener.local_addr().unwrap());
        let meter = config(&address).open(&placement()).unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let fault = sees(&*meter, |sight| sight.fault.is_some()).await.fault.unwrap();
        assert!(fault.contains(expected), "{fault}");
    }
}

#[tokio::test]
async fn settings_that_can_never_work_are_refused_with_what_to_do() {
    let refused = |text: &str| match config(text).open(&placement()) {
        Ok(_) => panic!("{text}: it opens"),
        Err(error) => error.to_string(),
    };
    for (text, expected) in [
        ("address = \"tcp://h:1\"\nframing = \"7E1\"", "`baud` and `framing` are of a serial port"),
        ("address = \"serial:///dev/null\"\nbaud = 1", "without it, it is 9600"),
        ("address = \"serial:///nowhere/ttyUSB0\"", "expected a serial port at /nowhere/ttyUSB0, found none"),
    ] {
        let error = refused(text);
        assert!(error.contains(expected) && !error.contains('\n'), "{text}: {error}");
    }
    let unread =
        |text: &str| toml::from_str::<SourceConfig>(&format!("kind = \"linky\"\n{text}")).unwrap_err().to_string();
    assert!(unread("address = \"tcp://h:1\"\nwinter_utc_h = 1").contains("unknown field `winter_utc_h`"));
    assert!(unread("meter_time = true").contains("missing field `address`"));
    assert!(unread("address = \"tcp://h:1\"\nmax_age_s = 301").contains("expected `max_age_s` from 1 to 300"));
}
