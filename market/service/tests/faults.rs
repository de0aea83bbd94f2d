//! What happens to the real program `market`: killed at each point of an interval, and sent what no market should have
//! to read, over a real Mosquitto.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::time::Duration;

use protocol::{answer::Refusal, settlement::Settlement};
use support::{
    fake_ledger::Mode,
    process::{self, Process},
    world::{World, interval, readings, until},
};
use testkit::agent::PATIENCE;

/// Larger than any message, and than what the market lets the broker send at once.
const HUGE: usize = 10 << 20;
const HUGE_ONES: u64 = 4;

/// An interval in which the market is killed while its ledger is like this, and started again with a ledger that
/// commits.
async fn killed(mode: Mode) -> Settlement {
    let world = World::new().await;
    let config = world.write("market.toml", &world.config());
    world.ledger.set(mode);
    let market = Process::start(&config);
    world.read_first_interval().await;
    until(|| world.ledger.handed_in().is_empty(), false).await;
    drop(market);
    let before = world.ledger.handed_in();

    // What waits in the pool waits until it was handed in again.
    let again = if mode == Mode::Hold { Mode::Hold } else { Mode::Commit };
    world.ledger.set(again);
    let market = Process::start(&config);
    if mode == Mode::Hold {
        until(|| world.ledger.handed_in().len() > before.len(), true).await;
        world.ledger.set(Mode::Commit);
    }
    until(|| world.ledger.settlements().len(), 1).await;
    // A receipt is forwarded after the restart, so that the market has seen its settlement.
    let mut agent = world.agent(1).await;
    agent.publish_reading(readings(1, 1)[0].bytes()).await;
    assert_eq!(agent.receipt(interval(0)).await.entry.interval, interval(0));
    drop(market);
    let ids = world.ledger.handed_in();
    assert!(ids.iter().all(|id| *id == ids[0]), "{mode:?}: one interval has one settlement: {ids:?}");
    assert_eq!(world.ledger.refused(), [""; 0], "{mode:?}");
    let settlements = world.ledger.settlements();
    assert_eq!(settlements.len(), 1, "{mode:?}");
    settlements[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn killed_at_any_point_of_an_interval_the_market_settles_it_once_and_the_same() {
    let mut all = Vec::new();
    // Cleared and not handed in; while it is handed in; handed in and not committed; committed and not told so;
    // committed.
    for mode in [Mode::Away, Mode::Deaf, Mode::Hold, Mode::Mute, Mode::Commit] {
        let settlement = killed(mode).await;
        assert_eq!(settlement.trades.len(), 1);
        all.push(settlement);
    }
    assert!(all.iter().all(|settlement| *settlement == all[0]), "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn ten_megabytes_and_other_nonsense_are_refused_by_name_in_bounded_memory() {
    let (world, market) = process::started().await;
    let (mut ada, bob) = (world.agent(1).await, world.agent(2).await);
    ada.wait_open(Some(interval(0))).await;
    assert_eq!(ada.send(readings(1, 1)[0].bytes()).await, None);
    // The one is longer than any message; the other has to be read.
    let nested = |byte: u8| [4_000, 1_000].map(|depth| vec![byte; depth]);
    let nonsense: [Vec<u8>; 6] = [
        Vec::new(),
        b"NaN".to_vec(),
        b"{\"import_wh\": 1e400}".to_vec(),
        b"-1".to_vec(),
        vec![0xff, 0xfe, 0xc3, 0x28],
        // CBOR: a text of 2^64 - 1 bytes; then arrays of known and unknown length, tags and maps within one another.
        [&[0x7b][..], &[0xff; 8]].concat(),
    ];
    let nonsense: Vec<Vec<u8>> =
        nonsense.into_iter().chain([0x81, 0x9f, 0xc6, 0xbf].into_iter().flat_map(nested)).collect();
    let expected = nonsense.len() as u64;
    for bytes in nonsense {
        assert_eq!(ada.send(&bytes).await, Some(Refusal::Malformed), "{:x?}", &bytes[..bytes.len().min(9)]);
    }
    let before_kib = market.memory_kib();
    // What comes while the market has given up its connection is gone with it: the sender tries again, as agents do.
    let refused = async {
        while market.refused("Malformed").await < expected + HUGE_ONES {
            ada.publish_reading(&vec![0x81; HUGE]).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(2 * PATIENCE, refused).await.expect("huge messages are refused by name");
    let grown_kib = market.memory_kib() - before_kib;
    println!("at least {HUGE_ONES} messages of {HUGE} bytes: {grown_kib} KiB more than before");
    assert!(grown_kib < (HUGE as u64) >> 10, "less than one of them: {grown_kib} KiB");
    // It listens as before, as soon as it is back.
    let settled = async {
        while world.ledger.settlements().is_empty() {
            bob.publish_reading(readings(2, 1)[0].bytes()).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.expect("the market listens again");
    assert_eq!(ada.receipt(interval(0)).await.entry.line.bought.wh(), 200);
}
