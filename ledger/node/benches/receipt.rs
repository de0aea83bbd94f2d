//! How long a light client takes for one receipt, beside the least that it must do: verify the commit signatures.
//!
//! `cargo bench -p ledger-node --bench receipt`. The target is a receipt in less than a millisecond.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic, and prints")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    env,
    sync::Arc,
    time::{Duration, Instant},
};

use ledger::proof::Verifier;
use ledger_node::node::Ledger;
use protocol::receipt::Receipt;
use support::history::History;

const VALIDATORS: usize = 4;
const ROUNDS: u32 = 500;

fn main() {
    let rounds = env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(ROUNDS);
    println!("{VALIDATORS} validators; best of {rounds}");
    println!("{:>8} {:>8} {:>14} {:>14} {:>8}", "members", "changes", "signatures µs", "receipt µs", "ratio");
    for (members, changes) in [(41, 0), (1_000, 0), (41, 10)] {
        let (verifier, receipt) = receipt(members, changes);
        let chain = receipt.header.chain;
        let certificates = || receipt.steps.iter().map(|step| &step.certificate).chain([&receipt.certificate]);
        let bare = best(rounds, || {
            certificates().all(|certificate| certificate.claims(&chain).iter().all(|claim| claim.holds()))
        });
        let whole = best(rounds, || verifier.verify(&receipt).is_ok());
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let ratio = whole.as_secs_f64() / bare.as_secs_f64();
        println!("{members:>8} {changes:>8} {:>14.0} {:>14.0} {ratio:>8.2}", micros(bare), micros(whole));
    }
}

/// A receipt of a settlement after so many changes of the validators.
fn receipt(members: usize, changes: u8) -> (Verifier, Receipt) {
    let mut history = History::new(members, VALIDATORS);
    for change in 0..changes {
        history.replace_validator(u64::from(change) + 1, 200 + change);
    }
    let interval = history.settle();
    let genesis = history.community.genesis;
    let (ledger, _) = Ledger::open(genesis.clone(), Arc::new(history.store), None).unwrap();
    (Verifier::new(&genesis), ledger.receipts(interval).unwrap().swap_remove(0))
}

fn best(rounds: u32, work: impl Fn() -> bool) -> Duration {
    let once = || {
        let start = Instant::now();
        assert!(work());
        start.elapsed()
    };
    (0..rounds).map(|_| once()).min().unwrap_or_default()
}
