//! How fast a ledger is audited, beside the least that any audit must do: verify the signatures of its readings.
//!
//! `cargo bench -p ledger-node --bench audit` makes a year of 41 members (some minutes) and audits it;
//! `cargo bench -p ledger-node --bench audit -- 1000 500` does so with 1,000 intervals of 500 members.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic, and prints")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    env,
    num::NonZero,
    thread,
    time::{Duration, Instant},
};

use indicatif::ProgressBar;
use ledger_node::{audit::audit, store::Store};
use protocol::{
    block::{Block, Transaction},
    cbor,
    envelope::{ChainId, Signed},
    key::PublicKey,
    reading::Reading,
};
use support::{Community, ledger_of};

const MEMBERS: usize = 41;
const VALIDATORS: usize = 4;
/// Quarter hours.
const YEAR: u64 = 35_040;
const BLOCKS_PER_BATCH: usize = 64;
const ROUNDS: usize = 3;

fn main() {
    let mut numbers = env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let intervals = numbers.next().unwrap_or(YEAR);
    let members = numbers.next().and_then(|members| members.try_into().ok()).unwrap_or(MEMBERS);
    let mut community = Community::new(members, VALIDATORS);
    let progress = ProgressBar::new(intervals);
    let (store, _) = ledger_of(&mut community, intervals, || progress.inc(1));
    progress.finish_and_clear();
    let chain = community.genesis.chain();
    let blocks: Vec<Block> =
        (1..=intervals).map(|height| cbor::decode(&store.block(height).unwrap().unwrap().body).unwrap()).collect();

    let (mut bare, mut whole) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        bare = bare.min(time(|| verify(&chain, &blocks)));
        whole = whole.min(time(|| {
            let report = audit(&community.genesis, &store, &ProgressBar::hidden()).unwrap();
            assert_eq!(report.settlements, intervals);
        }));
    }
    let per_interval = |time: Duration| time.as_secs_f64() * 1e6 / intervals as f64;
    println!("{intervals} intervals of {members} members, {VALIDATORS} validators, best of {ROUNDS}");
    println!("bare batched verification  {:>8.1} µs an interval", per_interval(bare));
    println!("audit                      {:>8.1} µs an interval", per_interval(whole));
    println!("ratio                      {:>8.2}", whole.as_secs_f64() / bare.as_secs_f64());
    println!("a year at that rate        {:>8.1} s", per_interval(whole) * YEAR as f64 / 1e6);
}

fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// The signatures of all readings, in batches, on all cores.
fn verify(chain: &ChainId, blocks: &[Block]) {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for number in 0..threads {
            let mut batches = blocks.chunks(BLOCKS_PER_BATCH).skip(number).step_by(threads);
            let verify = |batch: &[Block]| {
                let readings = batch.iter().flat_map(|block| &block.transactions).flat_map(Transaction::readings);
                Signed::<Reading>::open_all(readings, chain, PublicKey::from_bytes).is_ok()
            };
            scope.spawn(move || assert!(batches.all(verify)));
        }
    });
}
