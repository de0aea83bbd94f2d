//! The status page, and what strangers can take from an agent through it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    fs,
    net::SocketAddr,
    process::{Child, Command},
    time::Duration,
};

use public_http::{DESCRIPTORS_RESERVED, raise_descriptors};
use support::{Home, Market, PATIENCE};
use testkit::descriptors::Descriptors;
use testkit::mosquitto::Mosquitto;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

async fn connect(page: SocketAddr, from: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 1, from], 0).into()).unwrap();
    socket.connect(page).await.unwrap()
}

/// Everything until the connection is closed, by whichever side and however.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("a connection stays open");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn ask(page: SocketAddr, head: &str) -> String {
    let mut stream = connect(page, 200).await;
    stream.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    rest(&mut stream).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_heads_are_closed_and_strangers_names_not_answered_to() {
    // Nobody listens on this port: the page needs no broker.
    let home = Home::new(1, &[(300, 100)]);
    let mut config = home.config();
    config.status_names = vec!["meter.example".into()];
    let running = meter_agent::start(config).await.unwrap();
    let page = running.status_addr.unwrap();
    let mut slow = Vec::new();
    for number in 0..200_u8 {
        let mut stream = connect(page, number % 4).await;
        stream.write_all(b"GET / HTTP/1.1\r\nx: ").await.ok();
        slow.push(stream);
    }
    for (head, status) in [
        ("GET / HTTP/1.1\r\nhost: localhost", 200),
        ("GET /status HTTP/1.1\r\nhost: meter.example:8787", 200),
        ("GET /status HTTP/1.1\r\nhost: 192.0.2.7", 200),
        ("GET /status HTTP/1.1\r\nhost: evil.example", 421),
        ("GET /status HTTP/1.1", 421),
        ("GET / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", 413),
    ] {
        let answer = ask(page, head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head}: {answer}");
        for header in ["content-security-policy: default-src 'none'", "x-content-type-options: nosniff"] {
            assert!(answer.contains(header), "{head}: {answer}");
        }
    }
    for stream in &mut slow {
        let answer = rest(stream).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_says_where_there_is_no_meter_and_no_other_does() {
    let made_up = "kind = \"synthetic\"\nseed = 7\nyearly_kwh = 3500\npv_peak_w = 5000\n";
    let obis = "kind = \"obis\"\naddress = \"tcp://127.0.0.1:1\"\n";
    let first = support::interval(0);
    for (home, languages) in [
        (
            Home::new(1, &[(300, 100)]),
            Some(["a recording is played", "un enregistrement est rejoué", "Eine Aufzeichnung wird abgespielt"]),
        ),
        (
            Home::with_meter(first, 1, made_up),
            Some(["this home is made up", "ce foyer est inventé", "Dieser Haushalt ist erfunden"]),
        ),
        (Home::with_meter(first, 1, obis), None),
    ] {
        let running = meter_agent::start(home.config()).await.unwrap();
        let page = running.status_addr.unwrap();
        for path in ["/", "/day/2026-06-01", "/month/2026-06", "/prices"] {
            for (at, language) in ["en", "fr", "de"].into_iter().enumerate() {
                let answer = ask(page, &format!("GET {path}?lang={language} HTTP/1.1\r\nhost: localhost")).await;
                assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
                let says = languages.map_or("class=\"no-meter\"", |languages| languages[at]);
                assert_eq!(answer.contains(says), languages.is_some(), "{path} {language}: {answer}");
            }
        }
        running.stop().await;
    }
}

/// The real program with as many open files at most as is usual, killed when it is dropped.
struct Program(Child);

impl Program {
    fn start(home: &Home) -> Program {
        let mut command = Command::new("sh");
        let script = "ulimit -n 1024; exec \"$0\" run --config \"$1\"";
        command.args(["-c", script, env!("CARGO_BIN_EXE_meter-agent")]).arg(home.path("agent.toml"));
        Program(command.spawn().unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn eleven_hundred_idle_connections_stop_no_reading_and_no_receipt() {
    assert!(raise_descriptors() > 2_000, "this test opens more than a thousand connections");
    let mut broker = Mosquitto::start();
    let home = Home::new(broker.port, &[(300, 100), (50, 150)]);
    let program = Program::start(&home);
    let mut market = Market::connect(&home, broker.port).await;
    market.announce(0).await;
    let first = market.reading().await;
    let page: SocketAddr = fs::read_to_string(home.path("state/status.addr")).unwrap().trim_end().parse().unwrap();
    let descriptors = Descriptors::watch(program.0.id());
    let mut idle = Vec::new();
    for number in 0..1_100_u32 {
        idle.push(connect(page, (number % 100) as u8).await);
    }
    // With no descriptor left, the agent would not come back to its broker.
    broker.restart();
    let mut market = Market::connect(&home, broker.port).await;
    market.announce(1).await;
    let mut reading = market.reading().await;
    while reading.sequence == 1 {
        assert_eq!(reading, first, "what no receipt covers is sent again");
        reading = market.reading().await;
    }
    assert_eq!((reading.sequence, reading.previous), (2, first.hash()));
    for receipt in [home.receipt(0, 150, 0, 50, 0), home.receipt(1, 0, 70, 0, 30)] {
        market.forward(receipt.to_json()).await;
    }
    drop(idle);
    // An agent that waited until the idle ones are closed would go on, too.
    let most = descriptors.most();
    let others = (1_024 - DESCRIPTORS_RESERVED) as usize;
    assert!(most > 200 && most < others, "strangers leave {DESCRIPTORS_RESERVED} descriptors, found {most} in use");
    let verified = async {
        while !ask(page, "GET /status HTTP/1.1\r\nhost: localhost").await.contains("\"receipts_verified\":2") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, verified).await.expect("both receipts are verified, and the page says so");
}
