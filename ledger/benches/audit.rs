//! How fast a ledger is audited, beside the least that any audit must do: verify the signatures of its readings.
//!
//! `cargo bench -p ledger --bench audit` makes a year of 41 members (some minutes) and audits it;
//! `cargo bench -p ledger --bench audit -- 1000` does so with 1,000 intervals.

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
use ledger::{
    audit::audit,
    chain::{Tip, build, open_readings},
    store::{Commit, MemoryStore, Store, StoredBlock},
};
use protocol::{block::Block, cbor, envelope::ChainId};
use support::Community;

const MEMBERS: usize = 41;
const VALIDATORS: usize = 4;
/// Quarter hours.
const YEAR: u64 = 35_040;
const BLOCKS_PER_BATCH: usize = 64;
const ROUNDS: usize = 3;

fn main() {
    let intervals = env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(YEAR);
    let mut community = Community::new(MEMBERS, VALIDATORS);
    let store = generate(&mut community, intervals);
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
    println!("{intervals} intervals of {MEMBERS} members, {VALIDATORS} validators, best of {ROUNDS}");
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

/// A ledger with a settlement in every block.
fn generate(community: &mut Community, intervals: u64) -> MemoryStore {
    let progress = ProgressBar::new(intervals);
    let store = MemoryStore::default();
    let mut state = community.state();
    let mut tip = Tip { height: 0, block: community.genesis.chain() };
    for height in 1..=intervals {
        let readings = community.read_all(state.next());
        let transaction = community.transaction(community.settlement(&state, &readings), &readings);
        let (block, executed, refused) = build(&state, tip, [transaction]);
        assert!(refused.is_empty(), "{refused:?}");
        tip = Tip { height, block: block.header.hash() };
        let certificate = community.certificate(height, tip.block);
        let block = &StoredBlock { body: cbor::encode(&block), certificate };
        let intervals = executed.settlements.iter().map(|settlement| settlement.interval).collect();
        store.commit(&Commit { block, entries: executed.state.entries(), intervals }).unwrap();
        state = executed.state;
        progress.inc(1);
    }
    progress.finish_and_clear();
    store
}

/// The signatures of all readings, in batches, on all cores.
fn verify(chain: &ChainId, blocks: &[Block]) {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for number in 0..threads {
            let mut batches = blocks.chunks(BLOCKS_PER_BATCH).skip(number).step_by(threads);
            scope.spawn(move || assert!(batches.all(|batch| open_readings(chain, batch).is_some())));
        }
    });
}
