//! What strangers can take from a market through its console: the real program under the usual limit of open files, a
//! real Mosquitto.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::net::{IpAddr, Ipv4Addr};

use public_http::{DESCRIPTORS_RESERVED, raise_descriptors};
use support::{
    process::{self, Process},
    world::until,
};
use testkit::agent::PATIENCE;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

async fn connect(market: &Process, from: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((IpAddr::from(Ipv4Addr::new(127, 0, 1, from)), 0).into()).unwrap();
    socket.connect(market.console).await.unwrap()
}

/// The answer to a request with this head, which is the last on its connection.
async fn ask(market: &Process, head: &str) -> String {
    let mut stream = connect(market, 200).await;
    stream.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    rest(&mut stream).await
}

/// Everything until the connection is closed, by whichever side and however.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("a connection stays open");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn eleven_hundred_idle_connections_stop_no_settlement_and_slow_heads_are_closed() {
    assert!(raise_descriptors() > 2_000, "this test opens more than a thousand connections");
    let (mut world, market) = process::started().await;
    let descriptors = market.descriptors();
    let mut idle = Vec::new();
    for number in 0..1_100_u32 {
        idle.push(connect(&market, (number % 100) as u8).await);
    }
    // With no descriptor left, the market would not come back to its broker.
    world.restart_broker();
    world.read_first_interval().await;
    until(|| world.ledger.settlements().len(), 1).await;
    drop(idle);
    // A market that waited until the idle ones are closed would go on, too.
    let most = descriptors.most();
    let others = (1_024 - DESCRIPTORS_RESERVED) as usize;
    assert!(most > 200 && most < others, "strangers leave {DESCRIPTORS_RESERVED} descriptors, found {most} in use");

    let mut slow = Vec::new();
    for number in 0..200_u8 {
        let mut stream = connect(&market, number % 4).await;
        stream.write_all(b"GET / HTTP/1.1\r\nx: ").await.ok();
        slow.push(stream);
    }
    let answer = ask(&market, "GET /api/v1/state HTTP/1.1\r\nhost: localhost").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for stream in &mut slow {
        let answer = rest(stream).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }

    // Nothing is read that nobody has to send, and no stranger's name is answered to.
    for (head, status) in [
        ("GET /api/v1/state HTTP/1.1\r\nhost: evil.example", 421),
        ("GET /api/v1/state HTTP/1.1", 421),
        ("POST /api/v1/state HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0", 405),
        ("GET / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", 413),
    ] {
        let answer = ask(&market, head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head}: {answer}");
        assert!(answer.contains("x-content-type-options: nosniff"), "{head}: {answer}");
    }
    let long = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}", "y".repeat(20_000));
    assert!(ask(&market, &long).await.starts_with("HTTP/1.1 431 "));
}
