//! A validator that lost what it knows about its own votes: it keeps silent until it cannot contradict itself, and then
//! votes again. Real nodes over TCP; no test asserts a time.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod net;

use std::{fs, time::Duration};

use net::{Net, let_time_pass, log, patiently};

/// The node that loses something.
const LOSER: usize = 3;

/// Four validators; two of them are stopped, and the others have voted at a height that is not decided.
async fn undecided() -> Net {
    let mut net = Net::of(4);
    net.start_all();
    net.want(3);
    net.reach(3).await;
    net.stop(0).await;
    net.stop(1).await;
    let record = net.record_path(LOSER);
    let signed = fs::read(&record).unwrap();
    net.want(6);
    let voted = async {
        while fs::read(&record).unwrap() == signed {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    patiently("a vote", voted).await;
    net.stop(LOSER).await;
    net
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_that_lost_its_log_does_not_vote_at_the_height_it_may_have_voted_at() {
    log();
    let mut net = undecided().await;
    fs::remove_file(net.settings(LOSER).wal_path).unwrap();
    let tip = net.tips()[LOSER];
    net.start(LOSER);
    net.is_silent(LOSER).await;
    let signed = fs::read(net.record_path(LOSER)).unwrap();
    let_time_pass().await;
    // Nor does it after another start, when its log is there again, but empty.
    net.stop(LOSER).await;
    net.start(LOSER);
    net.is_silent(LOSER).await;
    let_time_pass().await;
    assert_eq!(net.tips()[LOSER], tip);
    net.stop(LOSER).await;
    assert_eq!(marks(&fs::read(net.record_path(LOSER)).unwrap()), marks(&signed), "it has signed nothing since");

    net.start(LOSER);
    net.start(0);
    net.start(1);
    net.go_on_until_it_votes(LOSER).await;
    assert_eq!(net.nodes[LOSER].metrics.silent.get(), 0);
    net.stop_all().await;
    net.assert_agreement();
    net.assert_no_equivocation();
}

/// What the newer half of a record says, without what changes when nothing is signed: the count of writes.
fn marks(record: &[u8]) -> Vec<u8> {
    // Each half is a checksum, a length and CBOR, in which three triples follow one another.
    let halves = record.chunks(512).map(|half| {
        let content = &half[34..];
        let start = content.windows(2).position(|pair| pair == [0x83, 0x83]).expect("three marks");
        content[start..].to_vec()
    });
    halves.max().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_that_lost_its_record_asks_the_others_before_it_votes() {
    log();
    let mut net = undecided().await;
    fs::remove_file(net.record_path(LOSER)).unwrap();
    let tip = net.tips()[LOSER];
    net.start(LOSER);
    net.is_silent(LOSER).await;
    // Without the others it never knows.
    let_time_pass().await;
    assert_eq!(net.nodes[LOSER].metrics.silent.get(), 1);
    net.start(0);
    net.start(1);
    net.go_on_until_it_votes(LOSER).await;
    net.stop_all().await;
    assert!(net.tips()[LOSER] >= tip + 3, "two heights above what the others had are not voted at");
    net.assert_agreement();
    net.assert_no_equivocation();
}

/// Puts back what a validator had some blocks ago.
async fn rolled_back(in_new_files: bool) {
    log();
    let mut net = Net::of(4);
    net.start_all();
    net.want(3);
    net.reach(3).await;
    net.stop(LOSER).await;
    let copy = net.copy(LOSER);
    net.start(LOSER);
    net.go_on_until_it_votes(LOSER).await;
    net.stop(LOSER).await;
    net.put_back(LOSER, &copy, in_new_files);
    net.start(LOSER);
    net.is_silent(LOSER).await;
    net.go_on_until_it_votes(LOSER).await;
    assert_eq!(net.nodes[LOSER].metrics.silent.get(), 0);
    net.stop_all().await;
    net.assert_agreement();
    net.assert_no_equivocation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_replaced_by_an_old_copy_is_known_for_one() {
    rolled_back(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_put_back_to_an_old_snapshot_finds_its_own_votes_in_the_blocks_of_others() {
    rolled_back(false).await;
}
