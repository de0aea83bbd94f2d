//! A node's store under `kill -9`: stopped at every write of a short run, and at any moment of a long one. What was
//! acknowledged is there, the audit passes, and the run goes on to the same end as one that was never stopped.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use indicatif::ProgressBar;
use ledger::{
    audit::{AuditError, audit},
    chain::Tip,
    node::{commit_of, prune_next},
    store::{SledStore, Store, StoreError, StoredCandidate},
};
use protocol::hash::Hash;
use support::Community;

const MEMBERS: usize = 5;
const SIGKILL: i32 = 9;
/// Long enough for the store to write all of the state's entries, and to begin anew.
const SHORT_RUN: u64 = 18;
const LONG_RUN: u64 = 400;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["run", directory, last, stop] => run(Path::new(directory), last.parse().unwrap(), stop.parse().unwrap()),
        _ => {
            killed_at_every_write();
            killed_at_any_moment();
            damage_is_found();
        }
    }
}

fn community() -> Community {
    Community::new(MEMBERS, 1)
}

/// sled may close its files from a thread of its own, a little after the last handle is dropped.
fn opened(directory: &Path) -> Result<SledStore, StoreError> {
    loop {
        match SledStore::open(directory, &community().genesis.chain()) {
            Err(StoreError::InUse(_)) => thread::sleep(Duration::from_millis(2)),
            opened => return opened,
        }
    }
}

fn open(directory: &Path) -> SledStore {
    opened(directory).unwrap()
}

/// The process that is killed: goes on from what is stored to the height `last`. It kills itself before its write
/// number `stop`, and says after each commit what it may rely on.
fn run(directory: &Path, last: u64, stop: usize) {
    let store = open(directory);
    let stored = store.height().unwrap();
    let mut writes = 0;
    let mut before_write = || {
        if writes == stop {
            Command::new("kill").args(["-9", &std::process::id().to_string()]).status().unwrap();
            unreachable!("killed");
        }
        writes += 1;
    };
    let mut community = community();
    let mut state = community.state();
    let mut tip = Tip { height: 0, block: community.genesis.chain() };
    for height in 1..=last {
        let (block, whole, executed) = community.next_block(&state, tip);
        tip = Tip { height, block: whole.certificate.block };
        if height > stored {
            let proposer = community.validators[0].public();
            let candidate =
                StoredCandidate { block: tip.block, height, round: 0, proposer, valid_round: None, valid: true };
            before_write();
            store.put_candidate(&candidate, &whole.body).unwrap();
            before_write();
            store.commit(&commit_of(&state, &block, &whole, &executed)).unwrap();
            while store.unpruned_from().unwrap() < height {
                before_write();
                assert!(prune_next(&store, &community.genesis).unwrap().is_some());
            }
            println!("{height}");
            std::io::stdout().flush().unwrap();
        }
        state = executed.state;
    }
    before_write();
}

fn start(directory: &Path, last: u64, stop: usize) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.arg("run").arg(directory).args([last.to_string(), stop.to_string()]).stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// The root of the state after a run that nobody stopped.
fn expected_root(last: u64) -> Hash {
    community().ledger(last, || {}).1.root().hash
}

fn check(store: &dyn Store) -> Hash {
    audit(&community().genesis, store, &ProgressBar::hidden()).unwrap().state_root
}

/// What a run writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Candidate,
    Commit,
    /// The readings of the block before are forgotten.
    Prune,
}

fn writes(last: u64) -> Vec<Step> {
    let of_block = |height| match height {
        1 => vec![Step::Candidate, Step::Commit],
        _ => vec![Step::Candidate, Step::Commit, Step::Prune],
    };
    (1..=last).flat_map(of_block).collect()
}

fn killed_at_every_write() {
    let writes = writes(SHORT_RUN);
    for stop in 0..=writes.len() {
        let directory = tempfile::tempdir().unwrap();
        let status = start(directory.path(), SHORT_RUN, stop).wait().unwrap();
        assert_eq!(status.signal(), Some(SIGKILL), "before write {stop}");

        let store = open(directory.path());
        let height = store.height().unwrap();
        let done = |kind: Step| writes[..stop].iter().filter(|write| **write == kind).count() as u64;
        assert_eq!(height, done(Step::Commit), "before write {stop}");
        assert_eq!(store.unpruned_from().unwrap(), done(Step::Prune) + 1, "before write {stop}");
        check(&store);
        let candidates = store.candidates(height + 1).unwrap();
        assert_eq!(candidates.len() as u64, done(Step::Candidate) - done(Step::Commit), "before write {stop}");
        for candidate in candidates {
            let body = store.candidate_body(height + 1, &candidate.block).unwrap();
            assert!(body.is_some(), "a candidate is stored with its body, before write {stop}");
        }
        drop(store);

        start(directory.path(), SHORT_RUN, usize::MAX).wait().unwrap();
        let store = open(directory.path());
        assert_eq!(store.height().unwrap(), SHORT_RUN);
        assert_eq!(check(&store), expected_root(SHORT_RUN), "before write {stop}");
    }
    println!("killed at every write ... ok");
}

fn killed_at_any_moment() {
    let directory = tempfile::tempdir().unwrap();
    let mut height = 0;
    let mut kills = 0;
    while height < LONG_RUN {
        let mut child = start(directory.path(), LONG_RUN, usize::MAX);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = height;
        // Let it commit some blocks, then kill it while it works on the next; a different while each time.
        for line in lines.by_ref().take(20 + kills % 7) {
            acknowledged = line.unwrap().parse().unwrap();
        }
        thread::sleep(Duration::from_micros(137 * kills as u64 % 2_000));
        child.kill().unwrap();
        kills += usize::from(child.wait().unwrap().signal() == Some(SIGKILL));
        acknowledged = lines.map(|line| line.unwrap().parse().unwrap()).last().unwrap_or(acknowledged);

        let store = open(directory.path());
        height = store.height().unwrap();
        assert!((acknowledged..=acknowledged + 1).contains(&height), "{acknowledged} was acknowledged, {height} found");
        check(&store);
    }
    assert!(kills > 5, "the run was stopped again and again: {kills} times");
    let store = open(directory.path());
    assert_eq!(check(&store), expected_root(LONG_RUN));
    println!("killed at any moment, {kills} times ... ok");
}

/// Bits flipped all over the file, and the file cut short: a store that still opens says nothing but what was written,
/// up to some block; where it does not, that is named.
fn damage_is_found() {
    let directory = tempfile::tempdir().unwrap();
    start(directory.path(), SHORT_RUN, usize::MAX).wait().unwrap();
    let store = open(directory.path());
    let block = store.block(2).unwrap().unwrap().body;
    drop(store);
    let file = directory.path().join("db");
    let clean = fs::read(&file).unwrap();
    let block_at = clean.windows(64).position(|window| window == &block[..64]).expect("the block is in the file");
    let written = clean.iter().rposition(|byte| *byte != 0).unwrap();

    let flip = |position: usize| {
        let mut flipped = clean.clone();
        flipped[position] ^= 0x10;
        flipped
    };
    let in_block = (0..40).map(|step| ("flipped in a block", flip(block_at + step * block.len() / 40)));
    let anywhere = (0..40).map(|step| ("flipped anywhere", flip(step * written / 40)));
    let cut = (0..40).map(|step| ("cut short", clean[..step * written / 40].to_vec()));
    let mut outcomes: BTreeMap<(&str, String), u32> = BTreeMap::new();
    for (damage, bytes) in in_block.chain(anywhere).chain(cut) {
        fs::write(&file, bytes).unwrap();
        let outcome = match opened(directory.path()) {
            Ok(store) => {
                let height = store.height().unwrap();
                match audit(&community().genesis, &store, &ProgressBar::hidden()) {
                    Ok(report) => {
                        assert_eq!(report.state_root, expected_root(height), "{damage}");
                        format!("block {height} of {SHORT_RUN}")
                    }
                    Err(AuditError::Store(StoreError::Damaged { .. })) => "named by the audit".into(),
                    Err(error) => panic!("{damage}: {error}"),
                }
            }
            Err(StoreError::Damaged { .. }) => "named at the start".into(),
            Err(error) => panic!("{damage}: {error}"),
        };
        *outcomes.entry((damage, outcome)).or_default() += 1;
    }
    println!("{outcomes:?}");
    assert_eq!(outcomes.get(&("flipped in a block", format!("block {SHORT_RUN} of {SHORT_RUN}"))), None);
}
