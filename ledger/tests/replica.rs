//! A full node that does not vote, an operator's read replica, beside the validator that it follows. Real nodes over TCP.

#![cfg(feature = "node")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{path::Path, time::Duration};

use ledger::node::{Config, Running, start};
use protocol::{api::Submitted, block::Transaction, hash::Hash, instruction::MemberAction, key::SecretKey};
use support::{Community, nodes::NodeFiles, ports::free_port};

/// More than a node looks at after one block.
const LOSERS: u8 = 150;

/// A node that knows the others' blocks, and nothing of what waits with them.
async fn node(
    directory: &Path,
    community: &Community,
    number: u8,
    ports: [u16; 2],
    validator: Option<usize>,
) -> Running {
    let address = |port: u16| format!("/ip4/127.0.0.1/tcp/{port}");
    let files = NodeFiles {
        number,
        validator,
        listen: &address(ports[0]),
        peers: &[address(ports[1])],
        gossip_listen: "/ip4/127.0.0.1/tcp/0",
        gossip_peers: &[],
        api: "127.0.0.1:0",
        heartbeat_ms: 50,
        propose_ms: 1_000,
    };
    start(Config::load(&files.write(directory, community)).unwrap()).await.unwrap()
}

fn hand(node: &Running, transaction: Transaction) -> Hash {
    let id = transaction.id();
    assert_eq!(node.ledger.submit(transaction).unwrap(), Submitted::Pending { transaction: id });
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_never_builds_a_block_drops_what_no_longer_applies_and_keeps_the_rest() {
    let community = Community::new(3, 1);
    let directory = tempfile::tempdir().unwrap();
    let ports = [free_port(), free_port()];
    let validator = node(directory.path(), &community, 0, ports, Some(0)).await;
    let replica = node(directory.path(), &community, 1, [ports[1], ports[0]], None).await;
    let rotate = |member, key| {
        let key = SecretKey::from_seed(&[key; 32]).public();
        community.instruct(member, 1, MemberAction::RotateKey { key })
    };

    // All are the member's first instruction, and so is the one that the validator hears of: only one of them can be.
    let losers: Vec<Hash> = (0..LOSERS).map(|key| hand(&replica, rotate(0, key))).collect();
    let other = hand(&replica, rotate(1, 0));
    assert!(losers.iter().all(|loser| replica.ledger.is_waiting(loser)));
    hand(&validator, rotate(0, LOSERS));

    let dropped = async {
        while losers.iter().any(|loser| replica.ledger.is_waiting(loser)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), dropped).await.unwrap();
    assert!(replica.ledger.is_waiting(&other), "what still applies goes on waiting");
    let counted = format!("voisin_ledger_refusals_total{{refusal=\"unknown_signer\"}} {LOSERS}");
    assert!(replica.ledger.metrics_text().unwrap().lines().any(|line| line == counted), "the old key signs no more");
    replica.stop().await.unwrap();
    validator.stop().await.unwrap();
}
