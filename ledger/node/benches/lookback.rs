//! How long a day of the past is waited for, whatever lies after it: a day of a long ledger on disk beside that of a
//! ledger of three days, asked of real nodes over HTTP.
//!
//! `cargo bench -p ledger-node --bench lookback` makes a year of 118 members, which takes most of an hour and 3 GB;
//! `cargo bench -p ledger-node --bench lookback -- 960 8` makes ten days of 8 members.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic, and prints")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    env,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use indicatif::ProgressBar;
use ledger_node::{
    node::{Config, Running, STORE_DIRECTORY, start},
    store::SledStore,
};
use serde_json::Value;
use support::{Community, fill, nodes::NodeFiles, ports::free_port};

const MEMBERS: usize = 118;
const VALIDATORS: usize = 4;
/// Quarter hours.
const DAY: u64 = 96;
const YEAR: u64 = 365 * DAY;
const SHORT: u64 = 3 * DAY;
const ROUNDS: usize = 10;

#[tokio::main]
async fn main() {
    let mut numbers = env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let intervals = numbers.next().unwrap_or(YEAR).max(SHORT);
    let members = numbers.next().and_then(|members| members.try_into().ok()).unwrap_or(MEMBERS);
    println!("{members} members, best of {ROUNDS}");
    let mut short = None;
    for intervals in [SHORT, intervals] {
        let directory = tempfile::tempdir().unwrap();
        let mut community = Community::new(members, VALIDATORS);
        let node = node_with(directory.path(), &mut community, intervals).await;
        for (name, day) in [("second", 1), ("middle", intervals / DAY / 2), ("last", intervals / DAY - 1)] {
            let from = community.genesis.first_interval.offset((day * DAY) as i64).unwrap().start_text();
            let took = ask(node.api, &from).await;
            let ratio = took.as_secs_f64() / short.get_or_insert(took).as_secs_f64();
            let days = intervals / DAY;
            println!("the {name} day of {days:>4}  {:>8.1} ms, {ratio:>5.2}", took.as_secs_f64() * 1e3);
        }
        node.stop().await.unwrap();
    }
}

/// A node, started on a ledger of so many settled intervals.
async fn node_with(directory: &Path, community: &mut Community, intervals: u64) -> Running {
    let files = NodeFiles {
        number: 0,
        validator: Some(0),
        listen: &format!("/ip4/127.0.0.1/tcp/{}", free_port()),
        peers: &[],
        gossip_listen: "/ip4/127.0.0.1/tcp/0",
        gossip_peers: &[],
        api: "127.0.0.1:0",
        heartbeat_ms: 60_000,
        propose_ms: 2_000,
    };
    let config = Config::load(&files.write(directory, community)).unwrap();
    let progress = ProgressBar::new(intervals);
    let store = SledStore::open(&config.state.join(STORE_DIRECTORY), &community.genesis.chain()).unwrap();
    fill(&store, community, intervals, || progress.inc(1));
    progress.finish_and_clear();
    drop(store);
    start(config).await.unwrap()
}

/// What a day takes, whole and as it stands.
async fn ask(api: SocketAddr, from: &str) -> Duration {
    let url = format!("http://{api}/v1/settlements?from={from}&limit={DAY}&in_force=true");
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let settled: Vec<Value> = reqwest::get(&url).await.unwrap().json().await.unwrap();
        best = best.min(start.elapsed());
        assert_eq!(settled.len() as u64, DAY);
        assert_eq!(settled[0]["interval"]["start"].as_str().unwrap_or(from), from);
    }
    best
}
