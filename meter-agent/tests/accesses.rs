//! `meter-agent accesses`, as a program, beside a node that keeps a log: what it shows, and what it says of a node that
//! takes something back.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    collections::BTreeMap,
    process::{Command, Output},
    sync::{Arc, Mutex},
};

use access_log::{Accesses, Call, Log, Looked, read_question};
use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use protocol::{
    envelope::{ChainId, Signed},
    key::{PublicKey, SecretKey},
    member::MemberId,
};
use support::Home;
use tokio::net::TcpListener;

/// A node, as far as its log goes.
#[derive(Clone)]
struct Node {
    chain: ChainId,
    member: MemberId,
    keys: [PublicKey; 2],
    log: Arc<Mutex<Log>>,
}

async fn answer(State(node): State<Node>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let asked = read_question(query.get("question").map(String::as_str), &node.chain, node.member, &node.keys, now);
    if let Err(fault) = asked {
        return (StatusCode::FORBIDDEN, fault.to_string()).into_response();
    }
    let log = node.log.lock().unwrap();
    let key = SecretKey::from_seed(&[77; 32]);
    let number = |name: &str| query[name].parse::<u64>().unwrap();
    let (entries, next) = log.of(node.member, number("since"));
    let head = Signed::sign(log.head(now), &node.chain, &key);
    let consistency = log.consistency(number("seen")).unwrap_or_default();
    Json(Accesses { key: key.public(), head: (&head).into(), entries, next, consistency }).into_response()
}

impl Node {
    fn note(&self, hour: i64, who: &str, call: Call, member: Option<MemberId>) {
        self.log.lock().unwrap().note(hour * 3_600, who, "read", Looked { call, member });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_once_has_to_be_there_the_next_time() {
    let home = Home::new(1, &[(1, 0)]);
    let member = home.genesis.members[0].member;
    let keys = [home.member.public(), home.device.public()];
    let node = Node { chain: home.genesis.chain(), member, keys, log: Arc::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let path = format!("/v1/members/{member}/accesses");
    let router = Router::new().route(&path, get(answer)).with_state(node.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let config = home.path("agent.toml");
    let ask = || -> Output {
        let mut agent = Command::new(env!("CARGO_BIN_EXE_meter-agent"));
        agent.args(["accesses", "--node", &url, "--config"]).arg(&config).output().unwrap()
    };
    let shown = || {
        let output = ask();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    node.note(0, "5f2c9a01", Call::Statement, Some(member));
    node.note(0, "5f2c9a01", Call::Statement, Some(MemberId::from_bytes([99; 16])));
    node.note(1, "00c0ffee", Call::Receipts, None);
    let expected = [
        "1970-01-01T00:00:00Z  statement     you        role read    5f2c9a01",
        "1970-01-01T01:00:00Z  receipts      everybody  role read    00c0ffee",
    ];
    let said = shown();
    assert!(said.starts_with(&format!("{url}: 3 look-ups")) && said.lines().skip(1).eq(expected), "{said}");
    // More than one page of them.
    for hour in 2..2_100 {
        node.note(hour, "00c0ffee", Call::Receipts, None);
    }
    assert_eq!(shown().lines().count(), 2_101);
    let running = meter_agent::start(home.config()).await.unwrap();
    let address = running.status_addr.unwrap();
    let page = async |language: &str| support::get(address, &format!("/accesses?lang={language}")).await;
    for (language, said) in [
        ("en", ["Who looked you up", "Thursday, 26 March 1970", "receipts of an interval", "everybody"]),
        ("fr", ["Qui vous a consulté", "jeudi 26 mars 1970", "reçus d’un intervalle", "tous"]),
        ("de", ["Wer Sie nachgeschlagen hat", "Donnerstag, 26. März 1970", "Belege eines Intervalls", "allen"]),
    ] {
        let page = page(language).await;
        let [title, day, call, of] = said;
        let row = format!("</th><td>{call}</td><td>{of}</td><td><code>read</code></td><td><code>00c0ffee</code></td>");
        assert!(page.contains(title) && page.contains(day) && page.contains(&row) && page.contains(&url), "{page}");
        assert!(!page.contains("role=\"alert\""), "{page}");
    }
    // A node that has forgotten some.
    let before = std::mem::take(&mut *node.log.lock().unwrap());
    node.note(0, "00c0ffee", Call::Receipts, None);
    for reason in ["expected at least the 2101 look-ups that there were, found 1: some were taken back"; 2] {
        let refused = ask();
        let line = String::from_utf8(refused.stderr).unwrap();
        assert_eq!((refused.status.code(), line.lines().count()), (Some(2), 1), "{line}");
        assert!(line.contains(reason) && line.contains(&url), "{line}");
    }
    let refused = page("en").await;
    assert!(refused.contains("some were taken back") && refused.contains("00c0ffee"), "{refused}");
    *node.log.lock().unwrap() = before;
    assert_eq!(shown().lines().count(), 2_101);
    assert!(!page("en").await.contains("some were taken back"));
    running.stop().await;
}
