//! How much one client, and all together, may ask of a node, over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod served;
mod support;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use ledger_node::api::{CallLimits, Settings};
use protocol::{
    api::{MEMBERS_PER_PAGE_MAX, MemberStatus},
    limits::TRANSACTION_BYTES_MAX,
};
use public_http::Tls;
use rcgen::{CertificateParams, KeyPair};
use reqwest::{
    Method, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use served::{PATIENCE, Served, assert_refused, client};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

async fn serve(limits: CallLimits) -> Served {
    Served::start(Settings { limits, ..Settings::default() }).await
}

async fn connect(node: &Served, from: IpAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from, 0)).unwrap();
    socket.connect(node.address).await.unwrap()
}

/// Everything until the connection is closed, by whichever side and however.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("a connection stays open");
    String::from_utf8_lossy(&answer).into_owned()
}

fn assert_refused_as(answer: &str, status: u16, refusal: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(answer.contains(&format!("\"refusal\":\"{refusal}\"")), "{answer}");
}

#[tokio::test]
async fn one_who_asks_too_often_has_to_wait_and_others_do_not() {
    let node = serve(CallLimits { requests_per_second_max: 1, requests_burst_max: 5, ..CallLimits::default() }).await;
    let eager = client(HERE);
    let mut answers = Vec::new();
    while answers.last().is_none_or(|(status, _, _)| *status == StatusCode::OK) {
        assert!(answers.len() < 10_000, "nothing is ever refused");
        answers.push(node.call(&eager, Method::GET, "/v1/health", None).await);
    }
    assert!(answers.len() > 5, "the burst is smaller than configured: {}", answers.len());
    let refused = answers.last().unwrap();
    assert_refused(refused, 429, "rate_limited");
    let wait_s: u64 = refused.1[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait_s), "{wait_s}");
    assert_eq!(node.ask(ELSEWHERE, "/v1/health").await.0, StatusCode::OK);
    tokio::time::sleep(Duration::from_secs(wait_s)).await;
    assert_eq!(node.call(&eager, Method::GET, "/v1/health", None).await.0, StatusCode::OK);
    assert!(node.count("rate_limited") > 0);
}

#[tokio::test]
async fn one_who_connects_too_often_over_tls_is_not_even_greeted() {
    let directory = tempfile::tempdir().unwrap();
    let tls = Some(tls_for(HERE, directory.path()));
    let limits = CallLimits { requests_per_second_max: 1, requests_burst_max: 5, ..CallLimits::default() };
    let node = Served::start(Settings { tls, limits, ..Settings::default() }).await;
    let mut connections = 0;
    while node.count("rate_limited") == 0 {
        assert!(connections < 10_000, "nothing is ever refused");
        connections += 1;
        // Plain HTTP is refused, too, but in words.
        let mut stream = connect(&node, HERE).await;
        let _ = stream.write_all(b"GET /v1/health HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        let answer = rest(&mut stream).await;
        assert!(answer.is_empty() || answer.contains("tls_expected"), "{answer}");
    }
    assert!(connections > 5, "the burst is smaller than configured: {connections}");
    assert_eq!(node.count("rate_limited") + node.count("tls_expected"), connections);
    let mut stream = connect(&node, ELSEWHERE).await;
    stream.write_all(b"GET /v1/health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert_refused_as(&rest(&mut stream).await, 400, "tls_expected");
}

fn tls_for(host: IpAddr, directory: &Path) -> Tls {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![host.to_string()]).unwrap().self_signed(&key).unwrap();
    let tls = Tls { certificate_chain: directory.join("chain.pem"), private_key: directory.join("key.pem") };
    std::fs::write(&tls.certificate_chain, certificate.pem()).unwrap();
    support::write_secret(&tls.private_key, &key.serialize_pem());
    tls
}

#[tokio::test]
async fn a_slow_head_is_cut_off_and_others_are_served_meanwhile() {
    let node = serve(CallLimits { head_ms_max: 1_500, ..CallLimits::default() }).await;
    let mut silent = connect(&node, HERE).await;
    // One that goes on sending is no better.
    let (mut reading, mut writing) = connect(&node, HERE).await.into_split();
    writing.write_all(b"GET /v1/health HTTP/1.1\r\nhost: localhost\r\nx: ").await.unwrap();
    let dripping = tokio::spawn(async move {
        while writing.write_all(b"y").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    for _ in 0..10 {
        assert_eq!(node.ask(HERE, "/v1/health").await.0, StatusCode::OK);
    }
    assert_eq!(rest(&mut silent).await, "");
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, reading.read_to_end(&mut answer)).await.expect("a slow head is waited for");
    assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    tokio::time::timeout(PATIENCE, dripping).await.unwrap().unwrap();
    node.until_refused("head_too_slow").await;
}

#[tokio::test]
async fn who_asked_and_then_says_nothing_is_let_go_without_blame() {
    let node = serve(CallLimits { head_ms_max: 1_000, ..CallLimits::default() }).await;
    let mut stream = connect(&node, HERE).await;
    stream.write_all(b"GET /v1/health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
    assert_eq!(node.count("head_too_slow"), 0);
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let node = serve(CallLimits { head_bytes_max: 1_000, ..CallLimits::default() }).await;
    let mut stream = connect(&node, HERE).await;
    let request = format!("GET /v1/health HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(1_000));
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    node.until_refused("head_too_large").await;
}

#[tokio::test]
async fn a_body_is_whole_and_in_time_and_no_larger_than_a_transaction() {
    let (patient, hasty) = (CallLimits::default(), CallLimits { body_ms_max: 200, ..CallLimits::default() });
    let (head, host) = (
        "POST /v1/transactions HTTP/1.1\r\nconnection: close\r\n",
        "host: localhost\r\ncontent-type: application/cbor\r\n",
    );
    for (limits, rest_of_head, body, status, refusal) in [
        (hasty, "content-length: 100\r\n", "y", 408, "body_too_slow"),
        (patient, "transfer-encoding: chunked\r\n", "no length\r\n", 400, "body_broken"),
    ] {
        let node = serve(limits).await;
        let mut stream = connect(&node, HERE).await;
        stream.write_all(format!("{head}{host}{rest_of_head}\r\n{body}").as_bytes()).await.unwrap();
        assert_refused_as(&rest(&mut stream).await, status, refusal);
        assert_eq!(node.count(refusal), 1);
    }
    let node = serve(CallLimits::default()).await;
    let large = reqwest::Client::new().post(node.url("/v1/transactions")).header(CONTENT_TYPE, "application/cbor");
    let answer = large.body(vec![0; TRANSACTION_BYTES_MAX + 1]).send().await.unwrap();
    let found = (answer.status(), answer.headers().clone(), answer.json().await.unwrap());
    assert_refused(&found, 413, "body_too_large");
    assert_eq!(node.count("body_too_large"), 1);
}

/// What a page of another origin can make a browser send without asking: a form's three content types, or none.
#[tokio::test]
async fn a_transaction_that_is_not_said_to_be_cbor_is_not_even_read() {
    let node = serve(CallLimits::default()).await;
    let types =
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain;cbor"];
    let requests = types.map(|kind| format!("content-type: {kind}\r\n")).into_iter().chain([String::new()]);
    for (kind, number) in requests.zip(1..) {
        let mut stream = connect(&node, HERE).await;
        // Were the body awaited, it would be missed.
        let head = format!(
            "POST /v1/transactions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{kind}content-length: 9\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_refused_as(&rest(&mut stream).await, 415, "content_type_not_cbor");
        assert_eq!(node.count("content_type_not_cbor"), number);
    }
    let request = client(HERE).post(node.url("/v1/transactions")).header(CONTENT_TYPE, "application/cbor").body("x");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::BAD_REQUEST, "read, and no transaction");
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_all_together_so_many() {
    let limits = CallLimits {
        connections_per_address_max: 3,
        connections_max: 5,
        head_ms_max: 120_000,
        ..CallLimits::default()
    };
    let node = serve(limits).await;
    let keep = async |from| {
        let mut stream = connect(&node, from).await;
        stream.write_all(b"GET /v1/health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        stream
    };
    let mut kept = vec![keep(HERE).await, keep(HERE).await, keep(HERE).await];
    let refused = node.ask(HERE, "/v1/health").await;
    assert_refused(&refused, 429, "too_many_connections_of_address");
    assert!(refused.1.contains_key(RETRY_AFTER));
    kept.extend([keep(ELSEWHERE).await, keep(ELSEWHERE).await]);
    let refused = node.ask(ELSEWHERE, "/v1/health").await;
    assert_refused(&refused, 503, "too_many_connections");
    assert!(refused.1.contains_key(RETRY_AFTER));
    assert_eq!(["too_many_connections_of_address", "too_many_connections"].map(|name| node.count(name)), [1, 1]);

    // Far more than are told why: they are closed, and those inside notice nothing.
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(connect(&node, ELSEWHERE).await);
    }
    kept[4].write_all(b"GET /v1/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(rest(&mut kept[4]).await.contains("HTTP/1.1 200"));
    drop(crowd);

    drop(kept);
    let room = async { while node.ask(HERE, "/v1/health").await.0 != StatusCode::OK {} };
    tokio::time::timeout(PATIENCE, room).await.expect("who leaves makes no room");
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let node = serve(CallLimits { answer_pause_ms_max: 100, ..CallLimits::default() }).await;
    let mut stream = connect(&node, HERE).await;
    // More than the sockets between them hold.
    let request = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request.repeat(40).as_bytes()).await.unwrap();
    node.until_refused("answer_not_read").await;
    assert_eq!(node.ask(HERE, "/v1/health").await.0, StatusCode::OK);
}

#[tokio::test]
async fn only_its_addresses_and_its_names_are_asked_and_no_browser_does_more_with_an_answer_than_it_should() {
    let node = Served::start(Settings { names: vec!["ledger.example".into()], ..Settings::default() }).await;
    let ask = async |host: &str| {
        let mut stream = connect(&node, HERE).await;
        let request = format!("GET /v1/health HTTP/1.1\r\n{host}connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        rest(&mut stream).await
    };
    for host in ["host: 127.0.0.1:1\r\n", "host: [::1]\r\n", "host: localhost\r\n", "host: LEDGER.example:443\r\n"] {
        let answer = ask(host).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{host}: {answer}");
        for header in ["content-security-policy: default-src 'none'", "x-content-type-options: nosniff"] {
            assert!(answer.contains(header), "{header}: {answer}");
        }
    }
    for host in ["host: evil.example\r\n", "", "host: localhost\r\nhost: evil.example\r\n"] {
        assert_refused_as(&ask(host).await, 421, "host_unknown");
    }
    assert_eq!(node.count("host_unknown"), 3);
}

#[tokio::test]
async fn members_come_in_pages_that_join_without_gap() {
    let node = serve(CallLimits::default()).await;
    let page = async |query: &str| -> Vec<MemberStatus> {
        let (status, _, body) = node.ask(HERE, &format!("/v1/members{query}")).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        serde_json::from_value(body).unwrap()
    };
    let all = page("").await;
    assert_eq!(all.len(), 4);
    let mut pages = page("?limit=3").await;
    assert_eq!(pages.len(), 3);
    pages.extend(page(&format!("?limit=3&after={}", pages[2].member)).await);
    assert_eq!(pages, all);
    assert_eq!(page(&format!("?limit={}", MEMBERS_PER_PAGE_MAX + 1)).await, all);
    assert_refused(&node.ask(HERE, "/v1/members?after=ada").await, 400, "bad_request");
}
