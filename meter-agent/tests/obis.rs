//! A meter that sends telegrams, beside the real program: read as others read it, and signed at an interval's end.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use meter_agent::start;
use protocol::interval::{Interval, IntervalLength};
use serde::Deserialize;
use support::{
    Home, Market, PATIENCE, interval,
    meter::{here, serve},
};
use testkit::mosquitto::Mosquitto;
use tokio::time::timeout;

/// What `dsmr_parser` reads of a telegram.
#[derive(Debug, Deserialize)]
struct Read {
    import_wh: u64,
    export_wh: u64,
    at_s: Option<i64>,
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// A household with such a meter.
fn home(port: u16, source: &str) -> Home {
    home_from(interval(0), port, source)
}

/// The same in a community that begins with `first`.
fn home_from(first: Interval, port: u16, source: &str) -> Home {
    Home::with_meter(first, port, &format!("kind = \"obis\"\n{source}"))
}

#[test]
fn check_says_in_plain_words_what_a_meter_shows_and_what_is_wrong_with_it() {
    let telegram = |_| fs::read(here("telegrams/dsmr2")).unwrap();
    let address = serve(Duration::from_millis(20), telegram);
    let said = home(1, &format!("address = \"tcp://{address}\"\n")).check();
    let expected = "ok     meter read twice: import 358023 Wh, export 3003 Wh, drawing 1010 W, serial number 4530";
    assert!(said.contains(expected), "{said}");

    let torn =
        |_| String::from_utf8(fs::read(here("telegrams/dsmr5")).unwrap()).unwrap().replace("4562", "4563").into_bytes();
    let said = home(1, &format!("address = \"tcp://{}\"\n", serve(Duration::from_millis(20), torn))).check();
    assert!(said.contains("WRONG  expected two readings of the meter, found 0: what comes cannot be used"), "{said}");

    let said = home(1, "address = \"tcp://127.0.0.1:1\"\n").check();
    assert!(said.contains("it cannot be reached: "), "{said}");

    let said = home(1, "address = \"serial:///nowhere/ttyUSB0\"\n").check();
    assert!(said.contains("WRONG  expected a serial port at /nowhere/ttyUSB0, found none"), "{said}");
}

#[test]
#[ignore = "needs dsmr_parser, which .ci/run installs"]
fn every_telegram_is_read_as_dsmr_parser_reads_it() {
    let mut names: Vec<PathBuf> = fs::read_dir(here("telegrams")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 9, "{names:?}");
    let python = here("../../target/meters/bin/python");
    let output = Command::new(python).arg(here("dsmr_parser_registers.py")).args(&names).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let read: Vec<Read> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read.len(), names.len());
    thread::scope(|scope| {
        for (name, Read { import_wh, export_wh, at_s }) in names.iter().zip(read) {
            scope.spawn(move || {
                let telegram: &'static [u8] = fs::read(name).unwrap().leak();
                let address = serve(Duration::from_millis(20), |_| telegram.to_vec());
                let said = home(1, &format!("address = \"tcp://{address}\"\nmeter_time = false\n")).check();
                let expected = format!("meter read twice: import {import_wh} Wh, export {export_wh} Wh");
                assert!(said.contains(&expected), "{}: expected {expected}\n{said}", name.display());
                // By their own time they are of long ago, or not yet: by how much, their time tells.
                let Some(at_s) = at_s else { return };
                let said = home(1, &format!("address = \"tcp://{address}\"\n")).check();
                let off_s = (now_s() - at_s).abs();
                let named = (off_s - 30..=off_s + 30).any(|off_s| said.contains(&format!(" {off_s} s ")));
                assert!(named, "{}: expected {off_s} s\n{said}", name.display());
            });
        }
    });
}

/// The interval of five minutes that ended last or, where that will soon be five minutes ago, ends next.
fn ended() -> Interval {
    let now = Interval::containing(now_s() + 20, IntervalLength::Minutes5).unwrap();
    now.offset(-1).unwrap()
}

#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn what_a_meter_sent_at_an_intervals_end_is_signed() {
    /// A telegram without a checksum, of so many seconds after 1970, in UTC.
    fn telegram(at_s: i64, import_wh: u64) -> Vec<u8> {
        let text = protocol::interval::utc_text(at_s);
        let digits: String = text.chars().skip(2).filter(char::is_ascii_digit).collect();
        let (kwh, wh) = (import_wh / 1_000, import_wh % 1_000);
        format!(
            "/VSN5\\2TEST\r\n\r\n0-0:1.0.0({digits}W)\r\n1-0:1.8.0({kwh:06}.{wh:03}*kWh)\r\n\
             1-0:2.8.0(000000.600*kWh)\r\n!\r\n"
        )
        .into_bytes()
    }
    let broker = Mosquitto::start();
    let interval = ended();
    // A telegram a second around the interval's end, sent faster: the one of the end itself shows 1,105 Wh.
    let address = {
        let end_s = interval.end_s();
        let at = move |count: u64| telegram(end_s - 5 + i64::try_from(count).unwrap(), 1_100 + count);
        serve(Duration::from_millis(50), at)
    };
    let source = format!("address = \"tcp://{address}\"\nwinter_utc_h = 0\nmax_age_s = 300\n");
    let home = home_from(interval, broker.port, &source);
    let mut market = Market::connect(&home, broker.port).await;
    let running = start(home.config()).await.unwrap();
    let reading = market.reading().await;
    assert_eq!((reading.sequence, reading.interval), (1, interval));
    assert_eq!((reading.registers.import_wh, reading.registers.export_wh), (1_105, 600));
    running.stop().await;
}

#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_silent_meter_raises_one_alarm_that_ends_when_it_speaks() {
    let broker = Mosquitto::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let source = format!("address = \"tcp://{}\"\nmax_age_s = 1\n", listener.local_addr().unwrap());
    let home = home_from(ended().offset(-2).unwrap(), broker.port, &source);
    let mut running = start(home.config()).await.unwrap();
    let failed = |alarms: &[String]| alarms.iter().filter(|alarm| alarm.starts_with("meter failed")).count();
    let raised = timeout(PATIENCE, running.wait_for(|status| failed(&status.alarms) == 1)).await;
    assert_eq!(raised, Ok(true));
    let alarm = running.status().alarms;
    assert!(alarm[0].contains("the meter is silent since "), "{alarm:?}");

    let (mut stream, _) = listener.accept().unwrap();
    let telegram = fs::read(here("telegrams/dsmr2")).unwrap();
    thread::spawn(move || {
        while stream.write_all(&telegram).is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let over = timeout(PATIENCE, running.wait_for(|status| failed(&status.alarms) == 0)).await;
    assert_eq!(over, Ok(true));
    running.stop().await;
}

/// A pair of terminals, of which one is a serial port; it sends a telegram every 50 ms.
const TERMINAL: &str = "
import os, pathlib, sys, time, tty
here, there = os.openpty()
tty.setraw(here)
tty.setraw(there)
print(os.ttyname(there), flush=True)
telegram = pathlib.Path(sys.argv[1]).read_bytes()
while True:
    os.write(here, telegram)
    time.sleep(0.05)
";

#[test]
#[ignore = "needs Python, which .ci/run installs"]
fn a_serial_port_is_read_by_one_program_at_a_time() {
    let mut python = Command::new("python3")
        .args(["-c", TERMINAL])
        .arg(here("telegrams/dsmr2"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut name = String::new();
    BufReader::new(python.stdout.take().unwrap()).read_line(&mut name).unwrap();
    let home = home(1, &format!("address = \"serial://{}\"\n", name.trim()));
    let said = home.check();
    assert!(said.contains("meter read twice: import 358023 Wh, export 3003 Wh"), "{said}");
    let taken = fs::File::open(name.trim()).unwrap();
    taken.lock().unwrap();
    let said = home.check();
    assert!(said.contains("or a running agent, reads this port: stop it"), "{said}");
    python.kill().unwrap();
    python.wait().unwrap();
}
