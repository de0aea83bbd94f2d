//! A month without a network: nothing is lost, nothing comes twice, the oldest comes first, and memory stays small.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    process::{Child, Command},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use protocol::{
    hash::Hash,
    interval::{Interval, IntervalLength},
};
use support::{Home, Market, PATIENCE};
use testkit::mosquitto::Mosquitto;

/// Quarters of an hour of thirty days.
const READINGS: i64 = 30 * 96;
/// What a small machine can spare.
const RESIDENT_KB_MAX: u64 = 30 * 1_024;

/// The real program, killed when it is dropped.
struct Program(Child);

impl Program {
    fn start(home: &Home) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meter-agent"));
        Program(command.args(["run", "--config"]).arg(home.path("agent.toml")).spawn().unwrap())
    }

    /// The most memory that it has had at once, kB.
    fn resident_kb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// How many readings wait for a receipt; none as long as the page does not answer.
fn outbox(home: &Home) -> Option<u64> {
    let address = fs::read_to_string(home.path("state/status.addr")).ok()?;
    let mut stream = TcpStream::connect(address.trim()).ok()?;
    stream.write_all(b"GET /status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
    status["outbox"].as_u64()
}

fn until_outbox(home: &Home, expected: u64) {
    let begun = Instant::now();
    while outbox(home).is_none_or(|found| found < expected) {
        assert!(begun.elapsed() < PATIENCE, "expected {expected} readings, found {:?}", outbox(home));
        thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn after_a_month_without_a_network_all_readings_come_once_and_oldest_first() {
    let mut broker = Mosquitto::start();
    broker.kill();
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap();
    let first = Interval::containing(now_s, IntervalLength::Minutes15).unwrap().offset(-READINGS).unwrap();
    let source = "kind = \"synthetic\"\nseed = 7\nyearly_kwh = 3500\npv_peak_w = 5000\n";
    let home = Home::with_meter(first, broker.port, source);

    let half = READINGS as u64 / 2;
    let program = Program::start(&home);
    until_outbox(&home, half);
    // A power cut in the middle of it.
    drop(program);
    let program = Program::start(&home);
    until_outbox(&home, READINGS as u64);
    let resident_kb = program.resident_kb();
    println!("{resident_kb} kB with {READINGS} readings in the outbox");
    assert!(resident_kb < RESIDENT_KB_MAX, "expected at most {RESIDENT_KB_MAX} kB, found {resident_kb}");

    broker.restart();
    let mut market = Market::connect(&home, broker.port).await;
    let (mut heard, mut previous) = (0, Hash::ZERO);
    while heard < READINGS {
        let reading = market.reading().await;
        let sequence = i64::try_from(reading.sequence).unwrap();
        // What nobody answers is sent again, never before what is older.
        if sequence <= heard {
            continue;
        }
        assert_eq!((sequence, reading.interval), (heard + 1, first.offset(heard).unwrap()));
        assert_eq!(reading.previous, previous, "reading {sequence} follows the one before");
        (heard, previous) = (sequence, reading.hash());
    }
    let resident_kb = program.resident_kb();
    assert!(resident_kb < RESIDENT_KB_MAX, "expected at most {RESIDENT_KB_MAX} kB, found {resident_kb}");
}
