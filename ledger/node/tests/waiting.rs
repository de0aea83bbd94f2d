//! What waits for a block, and what no longer does: real nodes in one process, over TCP.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::Duration;

use ledger_node::node::Running;
use protocol::{api::Submitted, block::Transaction, hash::Hash, instruction::MemberAction, key::SecretKey};
use support::{Community, nodes::start_all};

/// After this a test counts as hung.
const PATIENCE: Duration = Duration::from_secs(120);
/// More than a node looks at after one block.
const LOSERS: u8 = 150;
const VALIDATORS: usize = 4;
const INTERVALS: u64 = 20;

fn hand(node: &Running, transaction: Transaction) -> Hash {
    let id = transaction.id();
    assert_eq!(node.ledger.submit(transaction).unwrap(), Submitted::Pending { transaction: id });
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_never_builds_a_block_drops_what_no_longer_applies_and_keeps_the_rest() {
    let community = Community::new(3, 1);
    let directory = tempfile::tempdir().unwrap();
    let nodes = start_all(directory.path(), &community, 2, 50).await;
    let [validator, replica] = &nodes[..] else { unreachable!() };
    let rotate = |member, key| {
        let key = SecretKey::from_seed(&[key; 32]).public();
        community.instruct(member, 1, MemberAction::RotateKey { key })
    };

    // All are the member's first instruction, and so is the one that the validator hears of: only one of them can be.
    let losers: Vec<Hash> = (0..LOSERS).map(|key| hand(replica, rotate(0, key))).collect();
    let other = hand(replica, rotate(1, 0));
    assert!(losers.iter().all(|loser| replica.ledger.is_waiting(loser)));
    hand(validator, rotate(0, LOSERS));

    let dropped = async {
        while losers.iter().any(|loser| replica.ledger.is_waiting(loser)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, dropped).await.unwrap();
    assert!(replica.ledger.is_waiting(&other), "what still applies goes on waiting");
    let counted = format!("voisin_ledger_refusals_total{{refusal=\"unknown_signer\"}} {LOSERS}");
    assert!(replica.ledger.metrics_text().unwrap().lines().any(|line| line == counted), "the old key signs no more");
    for node in nodes {
        node.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_block_is_made_for_a_settlement_that_another_one_has() {
    let mut community = Community::new(200, VALIDATORS);
    let directory = tempfile::tempdir().unwrap();
    // No heartbeat comes while the test runs; the first block alone is made for nothing.
    let nodes = start_all(directory.path(), &community, VALIDATORS, 3_600_000).await;
    for node in &nodes {
        tokio::time::timeout(PATIENCE, node.ledger.committed().wait_for(|height| *height == 1)).await.unwrap().unwrap();
    }
    for interval in 0..INTERVALS {
        let state = nodes[0].ledger.head().state.clone();
        let readings = community.read_all(state.next());
        let transaction = community.transaction(community.settlement(&state, &readings), &readings);
        // Some are still looking at it when the others have decided the block that has it.
        let handed = nodes.iter().map(|node| {
            let (ledger, transaction) = (node.ledger.clone(), transaction.clone());
            tokio::task::spawn_blocking(move || ledger.submit(transaction).unwrap())
        });
        for handed in handed.collect::<Vec<_>>() {
            let answer = handed.await.unwrap();
            assert!(matches!(answer, Submitted::Pending { .. } | Submitted::Exists { .. }), "{answer:?}");
        }
        for node in &nodes {
            let mut committed = node.ledger.committed();
            // The head is there before what waits is cleared; the height is told after both.
            let settled = committed.wait_for(|height| *height >= 2 + interval);
            tokio::time::timeout(PATIENCE, settled).await.unwrap().unwrap();
            assert!(node.ledger.head().state.settlements() > interval);
            assert!(!node.ledger.is_waiting(&transaction.id()));
        }
    }
    for node in nodes {
        assert_eq!(node.ledger.head().tip.height, 1 + INTERVALS);
        node.stop().await.unwrap();
    }
}
