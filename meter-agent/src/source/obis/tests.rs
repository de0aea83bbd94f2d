//! Telegrams over a real socket, and streams with every kind of damage.

use proptest::prelude::*;
use protocol::reading::Registers;
use tokio::{io::AsyncWriteExt, net::TcpListener, time::timeout};

use super::{
    super::{
        MeterClock, SourceConfig,
        damage::{damaged_once, is_sent, try_damaged},
        line::{Framer, NOISE_BYTES},
        watching::{PATIENCE, placement, sees},
    },
    telegram::crc16_arc,
    *,
};

const DSMR5: &[u8] = include_bytes!("../../../tests/telegrams/dsmr5");
const D0: &[u8] = include_bytes!("../../../tests/telegrams/easymeter_d0");

/// A telegram with these registers, in Wh.
fn telegram(import_wh: u64, export_wh: u64) -> String {
    let kwh = |wh: u64| format!("{:06}.{:03}*kWh", wh / 1_000, wh % 1_000);
    let lines = format!(
        "/VSN5\\2TEST\r\n\r\n1-3:0.2.8(50)\r\n0-0:96.1.1(4B38)\r\n1-0:1.8.1({})\r\n1-0:1.8.2({})\r\n1-0:2.8.1({})\r\n\
         1-0:2.8.2({})\r\n1-0:1.7.0(00.100*kW)\r\n!",
        kwh(import_wh / 2),
        kwh(import_wh - import_wh / 2),
        kwh(export_wh / 2),
        kwh(export_wh - export_wh / 2),
    );
    format!("{lines}{:04X}\r\n", crc16_arc(lines.as_bytes()))
}

/// The registers that are read from a stream.
fn read(bytes: &[u8]) -> Vec<(u64, u64)> {
    let mut telegrams = Telegrams::default();
    let lines = bytes.iter().filter_map(|byte| telegrams.push(*byte)?.ok());
    let samples = lines.filter_map(|lines| registers::read(&lines, Some(1)).ok());
    samples.map(|sample| (sample.registers.import_wh, sample.registers.export_wh)).collect()
}

/// What is sent, one after the other; each register is another in each telegram.
const SENT: [(u64, u64); 3] = [(1_234_567, 89_012), (1_234_571, 89_013), (1_236_000, 89_999)];

fn stream() -> Vec<u8> {
    SENT.iter().flat_map(|(import_wh, export_wh)| telegram(*import_wh, *export_wh).into_bytes()).collect()
}

#[test]
fn no_flipped_bit_no_cut_and_no_glue_gives_another_value() {
    let whole = stream();
    assert_eq!(read(&whole), SENT);
    let second = telegram(SENT[0].0, SENT[0].1).len();
    for (damage, damaged) in damaged_once(&whole, second) {
        assert!(is_sent(&read(&damaged), &SENT), "{damage}");
    }
}

#[test]
fn streams_with_any_damage_neither_panic_nor_give_another_value() {
    let strange = || "[/!()*.:0-9A-Fa-z\r\n-]{1,40}".prop_map(String::into_bytes);
    let first = telegram(SENT[0].0, SENT[0].1).len();
    try_damaged(&stream(), first, strange(), |damaged| {
        let found = read(damaged);
        if found.iter().all(|found| SENT.contains(found)) { Ok(()) } else { Err(format!("{found:?}")) }
    });
    // Without a checksum values can be others; what the sampler believes of them is another matter.
    try_damaged(&[D0, D0].concat(), 0, strange(), |damaged| {
        let _ = read(damaged);
        Ok(())
    });
}

#[test]
fn telegrams_of_the_standards_are_read() {
    assert_eq!(read(DSMR5), [(9_681_017, 3_414_657)]);
    assert_eq!(read(D0), [(52_185_782, 19_949_322)]);
}

fn config(text: &str) -> SourceConfig {
    toml::from_str(&format!("kind = \"obis\"\n{text}")).unwrap()
}

#[tokio::test]
async fn over_a_socket_damage_is_counted_silence_ended_and_the_connection_made_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("address = \"tcp://{}\"", listener.local_addr().unwrap());
    let meter = config(&address).open(&placement()).unwrap();
    assert_eq!(meter.clock(), MeterClock::Real);
    let (mut stream, _) = listener.accept().await.unwrap();
    let send = [telegram(2_000, 600), telegram(2_001, 600).replace("001.000", "001.001"), telegram(2_001, 600)];
    stream.write_all(format!("noise{}", send.concat()).as_bytes()).await.unwrap();
    let sight = sees(&*meter, |sight| sight.believed == 2).await;
    assert_eq!(sight.registers, Some(Registers { import_wh: 2_001, export_wh: 600 }));
    assert_eq!((sight.power_w, sight.serial.as_deref(), sight.fault), (Some(100), Some("4B38"), None));
    assert_eq!(sight.refused, 1);
    drop(stream);
    let sight = sees(&*meter, |sight| sight.fault.is_some()).await;
    assert!(sight.fault.unwrap().contains("closed at the other end"));
    let (mut stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    stream.write_all(telegram(2_002, 600).as_bytes()).await.unwrap();
    assert_eq!(sees(&*meter, |sight| sight.believed == 3).await.fault, None);
    drop(meter);
    let ended = timeout(PATIENCE, tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 8])).await.unwrap();
    assert_eq!(ended.unwrap(), 0, "a meter that is dropped is left alone");
}

#[tokio::test]
async fn bytes_that_are_no_telegrams_are_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let meter = config(&format!("address = \"tcp://{}\"", listener.local_addr().unwrap())).open(&placement()).unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(&[0x55; NOISE_BYTES]).await.unwrap();
    let sight = sees(&*meter, |sight| sight.fault.is_some()).await;
    assert!(sight.fault.unwrap().contains("are `baud` and `framing` right?"));
}

#[tokio::test]
async fn settings_that_can_never_work_are_refused_with_what_to_do() {
    let refused = |text: &str| match config(text).open(&placement()) {
        Ok(_) => panic!("{text}: it opens"),
        Err(error) => error.to_string(),
    };
    for (text, expected) in [
        (
            "address = \"tcp://h:1\"\nbaud = 9600",
            "`baud` and `framing` are of a serial port, found the address tcp://h:1",
        ),
        ("address = \"tcp://h:1\"\nframing = \"7E1\"", "leave them out"),
        ("address = \"tcp://h:1\"\nwinter_utc_h = 60", "expected `winter_utc_h` from -12 to 14, found 60"),
        ("address = \"serial:///dev/null\"\nbaud = 1", "expected `baud` of at least 300, found 1"),
        ("address = \"serial:///nowhere/ttyUSB0\"", "expected a serial port at /nowhere/ttyUSB0, found none"),
        ("address = \"serial:///dev/null\"", "expected a serial port at /dev/null"),
    ] {
        let error = refused(text);
        assert!(error.contains(expected) && !error.contains('\n'), "{text}: {error}");
    }
    let unread =
        |text: &str| toml::from_str::<SourceConfig>(&format!("kind = \"obis\"\n{text}")).unwrap_err().to_string();
    assert!(unread("adress = \"tcp://h:1\"").contains("unknown field `adress`"));
    assert!(unread("address = \"/dev/ttyUSB0\"").contains("expected a meter such as serial:///dev/ttyUSB0"));
    assert!(unread("address = \"tcp://h:1\"\nmax_age_s = 0").contains("expected `max_age_s` from 1 to 300, found 0"));
    assert!(unread("address = \"tcp://h:1\"\nmax_age_s = 301").contains("found 301"));
    assert!(unread("address = \"serial:///dev/x\"\nframing = \"8E2\"").contains("8E2"));
}
