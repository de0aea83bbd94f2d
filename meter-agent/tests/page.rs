//! The status page, and what strangers can take from an agent through it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[allow(unused_imports, reason = "this page needs no broker")]
mod support;

use std::net::SocketAddr;

use support::{Home, PATIENCE};
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
