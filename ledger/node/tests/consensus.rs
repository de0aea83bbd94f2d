//! Validators in one process, over real TCP on loopback, with a ledger of plain bytes.
//!
//! No test asserts a time: the one timeout makes a hung test fail. Where nothing may happen "for a while", the while is
//! as long as another chain needs for a number of blocks.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod net;

use std::{
    io::{Read, Seek, SeekFrom, Write},
    net::TcpListener,
    time::Duration,
};

use ledger_node::consensus::{Halt, Settings, proposer, run};
use net::{Net, Vice, let_time_pass, log, patiently};
use protocol::key::SecretKey;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_validators_agree_and_rest_when_there_is_no_work() {
    log();
    let mut net = Net::of(4);
    net.start_all();
    net.want(20);
    net.reach(20).await;
    let_time_pass().await;
    assert_eq!(net.tips(), [20; 4]);
    net.want(21);
    net.reach(21).await;
    let_time_pass().await;
    assert_eq!(net.tips(), [21; 4]);
    net.stop_all().await;
    net.assert_agreement();
    // Everyone proposed in turn.
    let first = net.nodes[0].store.lock().unwrap();
    for (certificate, body) in &first.blocks {
        let turn = proposer(&net.validators, certificate.height, certificate.round).unwrap();
        let node = net.nodes.iter().find(|node| node.key.as_ref().map(SecretKey::public) == Some(turn)).unwrap();
        assert!(body.starts_with(
            format!("block {} of round {} by {}", certificate.height, certificate.round, node.name).as_bytes()
        ));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_at_one_validator_is_enough() {
    log();
    let mut net = Net::of(4);
    net.start_all();
    net.want(2);
    net.reach(2).await;
    for (height, node) in (3..).zip(&net.nodes) {
        node.goal.send_replace(height);
        net.reach(height).await;
    }
    net.stop_all().await;
    net.assert_agreement();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_that_was_away_catches_up_even_while_the_others_rest() {
    log();
    let mut net = Net::of(4);
    net.start_all();
    net.want(5);
    net.reach(5).await;
    net.stop(3).await;
    // More than one answer of a peer's history holds.
    net.want(30);
    net.reach(30).await;
    // It has no work of its own: what it starts, it starts because a peer's history says so.
    net.nodes[3].goal.send_replace(0);
    net.start(3);
    net.reach(30).await;
    let_time_pass().await;
    assert_eq!(net.tips(), [30; 4]);
    net.want(35);
    net.reach(35).await;
    net.stop_all().await;
    net.assert_agreement();
    assert!(net.nodes[3].metrics.synced_blocks.get() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spoilt_history_is_asked_of_another_peer() {
    log();
    let mut net = Net::of(4);
    net.nodes[0].vice = Vice::SpoilsHistory;
    net.nodes[1].vice = Vice::SpoilsHistory;
    net.start_all();
    let mut height = 2;
    net.want(height);
    net.reach(height).await;
    // Whom a node asks is random.
    while net.nodes[3].metrics.invalid_bodies.get() == 0 {
        net.stop(3).await;
        height += 3;
        net.want(height);
        net.reach(height).await;
        net.start(3);
        net.reach(height).await;
    }
    net.stop_all().await;
    net.assert_agreement();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_validators_stop_at_any_moment_and_go_on_at_once() {
    log();
    let mut net = Net::of(4);
    for height in [3, 7, 12, 13] {
        net.start_all();
        net.want(height + 100);
        net.reach(height).await;
        net.stop_all().await;
    }
    net.assert_agreement();
    assert!(net.nodes.iter().all(|node| node.metrics.equivocations.get() == 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_validator_is_a_chain() {
    log();
    let mut net = Net::of(1);
    net.start_all();
    net.want(5);
    net.reach(5).await;
    net.stop_all().await;
    assert_eq!(net.tips(), [5]);
    net.start_all();
    net.want(8);
    net.reach(8).await;
    net.stop_all().await;
    assert_eq!(net.tips(), [8]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_block_is_voted_down_and_the_next_proposer_is_heard() {
    log();
    let mut net = Net::of(4);
    net.nodes[2].vice = Vice::ProposesBadBlocks;
    net.start_all();
    net.want(9);
    net.reach(9).await;
    net.stop_all().await;
    net.assert_agreement();
    for body in net.bodies(0) {
        assert!(body.starts_with(b"block "));
    }
    for honest in [0, 1, 3] {
        assert!(net.nodes[honest].metrics.invalid_bodies.get() >= 2);
        assert!(net.nodes[honest].metrics.failed_rounds.get() >= 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_four_decide_nothing_and_heal() {
    log();
    let mut net = Net::of(4);
    net.start_all();
    net.want(3);
    net.reach(3).await;
    net.stop(0).await;
    net.stop(1).await;
    net.want(6);
    let before = net.tips();
    let_time_pass().await;
    // A height for which enough had voted before may still be decided.
    assert!(net.tips().iter().zip(before).all(|(after, before)| *after <= before + 1));
    net.start(0);
    net.start(1);
    net.reach(6).await;
    net.stop_all().await;
    net.assert_agreement();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_that_votes_twice_is_seen_and_forks_nothing() {
    log();
    // The last node is a twin of the first: the same validator, with a log and ideas of its own.
    let mut net = Net::new(&[Some(1), Some(2), Some(3), Some(4), Some(1)]);
    net.start_all();
    let seen = |net: &Net| (1..4).any(|honest| net.nodes[honest].metrics.equivocations.get() > 0);
    for height in (4..).step_by(4) {
        net.want(height);
        for honest in 1..4 {
            let mut tip = net.nodes[honest].tip.clone();
            patiently("honest validators to go on", tip.wait_for(|tip| *tip >= height)).await.unwrap();
        }
        if seen(&net) {
            break;
        }
    }
    net.stop_all().await;
    net.assert_agreement();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_key_follows() {
    log();
    let mut net = Net::new(&[Some(1), Some(2), Some(3), Some(4), None]);
    net.start_all();
    net.want(10);
    net.reach(10).await;
    net.stop_all().await;
    net.assert_agreement();
    assert_eq!(net.bodies(4).len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_body_comes_back_from_the_others() {
    log();
    let mut net = Net::of(4);
    net.nodes[1].vice = Vice::LosesBody(4);
    net.start_all();
    net.want(8);
    net.reach(8).await;
    net.stop_all().await;
    net.assert_agreement();
    assert_eq!(net.nodes[1].metrics.restarted_heights.get(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_can_halt_the_node() {
    log();
    let mut net = Net::of(1);
    net.nodes[0].vice = Vice::FailsToCommit(3);
    net.start_all();
    net.want(9);
    let halt = net.halt(0).await;
    assert!(matches!(&halt, Halt::Storage(reason) if reason == "disk full"), "{halt}");
    assert_eq!(net.tips(), [2]);
    net.nodes[0].vice = Vice::None;
    net.start_all();
    net.reach(9).await;
    net.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taken_ports_and_logs_are_named() {
    log();
    let mut net = Net::of(2);
    let taken = TcpListener::bind(("127.0.0.1", net.nodes[0].port)).unwrap();
    net.start(0);
    let halt = net.halt(0).await;
    assert!(
        matches!(&halt, Halt::Listen { address, .. } if address.contains(&net.nodes[0].port.to_string())),
        "{halt}"
    );
    drop(taken);

    net.start(0);
    net.want(1);
    let settings = Settings { wal_path: net.settings(0).wal_path, ..net.settings(1) };
    // The first node opens its log before it asks for a proposal.
    while net.nodes[0].store.lock().unwrap().candidates.is_empty() && net.nodes[0].metrics.failed_rounds.get() == 0 {
        if settings.wal_path.metadata().is_ok_and(|file| file.len() > 100) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let halt = run(settings, net.toy(1), std::future::pending()).await.unwrap_err();
    assert!(matches!(&halt, Halt::Wal { .. }), "{halt}");
    net.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_log_halts_the_node() {
    log();
    // One of four can vote and decide nothing, so its log keeps its votes.
    let mut net = Net::of(4);
    net.start(0);
    let wal = net.settings(0).wal_path;
    let voted = async || {
        while !wal.metadata().is_ok_and(|file| file.len() > 200) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    patiently("votes in the log", voted()).await;
    net.stop(0).await;

    let mut file = std::fs::File::options().read(true).write(true).open(&wal).unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::End(-10)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::End(-10)).unwrap();
    file.write_all(&[byte[0] ^ 1]).unwrap();
    drop(file);

    net.start(0);
    let halt = net.halt(0).await;
    assert!(matches!(halt, Halt::WalCorrupted { .. }), "{halt}");
}
