//! A node's store under `kill -9`: stopped at every write of a short run, and at any moment of a long one. What was
//! acknowledged is there, the audit passes, and the run goes on to the same end as one that was never stopped.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{BufRead, BufReader, Write},
    num::NonZero,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use indicatif::ProgressBar;
use ledger::chain::Tip;
use ledger_node::{
    audit::audit,
    node::{Ledger, commit_of, prune_next},
    store::{SledStore, Store, StoreError, StoredCandidate},
};
use protocol::{genesis::Genesis, hash::Hash};
use support::{Community, ledger_of, next_block};

const MEMBERS: usize = 5;
const SIGKILL: i32 = 9;
/// Blocks of the small store.
const SMALL_RUN: u64 = 2;
/// Long enough for the store to write all of the state's entries, and to begin anew.
const SHORT_RUN: u64 = 18;
const LONG_RUN: u64 = 400;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["run", directory, last, stop] => run(Path::new(directory), last.parse().unwrap(), stop.parse().unwrap()),
        // Nothing here needs more than Rust and a C compiler.
        ["--ignored"] => {}
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
        let (block, whole, executed) = next_block(&mut community, &state, tip);
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
    ledger_of(&mut community(), last, || {}).1.root().hash
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

/// Every byte of every file of a small store, spoilt in turn in four ways: two of its bits flipped, one after the
/// other, and the byte made zero and all ones; each file cut short, emptied, filled and lost. A store that still opens
/// says what was written, all of it; where it does not, the directory and what to do are named. What is over the end of
/// what was written, zeros, is spoilt at every 4,096th byte.
fn damage_is_found() {
    let directory = scratch();
    let small = Small::new(directory.path());
    let files: Vec<PathBuf> = files_below(directory.path());
    let clean: BTreeMap<&PathBuf, Vec<u8>> = files.iter().map(|file| (file, fs::read(file).unwrap())).collect();
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let damages: Vec<(&PathBuf, Damage)> =
        clean.iter().flat_map(|(file, bytes)| damages(bytes).into_iter().map(move |damage| (*file, damage))).collect();
    let outcomes = thread::scope(|scope| {
        let work = |number: usize| {
            let (clean, damages, directory, small) = (&clean, &damages, directory.path(), &small);
            move || {
                let at = |path: &Path| path.strip_prefix(directory).unwrap().to_owned();
                let mut outcomes = BTreeMap::<(String, &str), u32>::new();
                for (file, damage) in damages.iter().skip(number).step_by(workers) {
                    let copy = scratch();
                    fs::create_dir(copy.path().join("blobs")).unwrap();
                    for (other, bytes) in clean {
                        put(&copy.path().join(at(other)), bytes);
                    }
                    damage.apply(&copy.path().join(at(file)), &clean[file]);
                    let outcome = small.outcome(copy.path(), &format!("{} {damage:?}", at(file).display()));
                    let kind = format!("{} {}", at(file).display(), damage.kind());
                    *outcomes.entry((kind, outcome)).or_default() += 1;
                }
                outcomes
            }
        };
        let workers: Vec<_> = (0..workers).map(|number| scope.spawn(work(number))).collect();
        let mut all = BTreeMap::<(String, &str), u32>::new();
        for (kind, count) in workers.into_iter().flat_map(|worker| worker.join().unwrap()) {
            *all.entry(kind).or_default() += count;
        }
        all
    });
    println!("{} damaged stores: {outcomes:#?}", damages.len());
    let count = |outcome: &str| {
        outcomes.iter().filter(|((_, found), _)| *found == outcome).map(|(_, count)| count).sum::<u32>()
    };
    assert!(count(SAME) > 0 && count(NAMED) > 0);
    println!("damage is found ... ok");
}

/// What a damaged store comes to.
const SAME: &str = "the same content";
const NAMED: &str = "directory and remedy named";

#[derive(Debug, Clone, Copy)]
enum Damage {
    Flipped { at: usize, mask: u8 },
    Cut { to: usize },
    Filled { with: u8 },
    Lost,
}

impl Damage {
    fn kind(self) -> &'static str {
        match self {
            Damage::Flipped { .. } => "flipped",
            Damage::Cut { .. } => "cut short",
            Damage::Filled { .. } => "filled",
            Damage::Lost => "lost",
        }
    }

    fn apply(self, file: &Path, clean: &[u8]) {
        let mut bytes = clean.to_vec();
        match self {
            Damage::Flipped { at, mask } => bytes[at] ^= mask,
            Damage::Cut { to } => bytes.truncate(to),
            Damage::Filled { with } => bytes.fill(with),
            Damage::Lost => return fs::remove_file(file).unwrap(),
        }
        put(file, &bytes);
    }
}

/// Writes a file whose end is zeros, most of it, as one that has a hole there.
fn put(file: &Path, bytes: &[u8]) {
    let mut written = fs::File::create(file).unwrap();
    written.write_all(&bytes[..length(bytes)]).unwrap();
    written.set_len(bytes.len() as u64).unwrap();
}

/// Up to the last byte that is not zero.
fn length(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

fn damages(clean: &[u8]) -> Vec<Damage> {
    let written = length(clean);
    let places = (0..written).chain((written..clean.len()).step_by(4_096));
    // Two of its bits, in turn, so that all eight are met all over the file; and what makes it zero, or all ones.
    let masks = |at: usize| [1 << (at % 8), 1 << ((at + 3) % 8), clean[at], !clean[at]];
    let distinct = |at: usize| masks(at).into_iter().filter(|mask| *mask != 0).collect::<BTreeSet<u8>>();
    let flipped = |at: usize| distinct(at).into_iter().map(move |mask| Damage::Flipped { at, mask });
    let mut damages: Vec<Damage> = places.flat_map(flipped).collect();
    damages.extend((0..40).map(|step| Damage::Cut { to: step * written / 40 }));
    damages.extend([0x00, 0xff].map(|with| Damage::Filled { with }));
    damages.push(Damage::Lost);
    damages
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).collect()
}

/// A directory in memory, where there is one: the disk has nothing to do with what is read.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A small store: one member, two settlements, of which one is pruned.
struct Small {
    genesis: Genesis,
    root: Hash,
}

impl Small {
    fn new(directory: &Path) -> Small {
        let mut community = Community::new(1, 1);
        let genesis = community.genesis.clone();
        let store = SledStore::open(directory, &genesis.chain()).unwrap();
        let (mut state, mut tip) = (community.state(), Tip { height: 0, block: genesis.chain() });
        for height in 1..=SMALL_RUN {
            let (block, stored, executed) = next_block(&mut community, &state, tip);
            tip = Tip { height, block: stored.certificate.block };
            store.commit(&commit_of(&state, &block, &stored, &executed)).unwrap();
            state = executed.state;
        }
        prune_next(&store, &genesis).unwrap();
        Small { genesis, root: state.root().hash }
    }

    /// Opens, audits and reads a damaged store as a node does when it starts.
    fn outcome(&self, directory: &Path, damage: &str) -> &'static str {
        let open = || loop {
            match SledStore::open(directory, &self.genesis.chain()) {
                Err(StoreError::InUse(_)) => thread::sleep(Duration::from_millis(1)),
                opened => return opened,
            }
        };
        let found = open().map_err(|error| error.to_string()).and_then(|store| {
            let report = audit(&self.genesis, &store, &ProgressBar::hidden()).map_err(|error| error.to_string())?;
            let opened = Ledger::open(self.genesis.clone(), Arc::new(store), None);
            let (ledger, _) = opened.map_err(|error| error.to_string())?;
            let status = ledger.status();
            assert_eq!((report.blocks, report.state_root), (status.height, status.state_root), "{damage}");
            Ok(report)
        });
        match found {
            Ok(report) => {
                let found = (report.blocks, report.state_root);
                assert_eq!(found, (SMALL_RUN, self.root), "{damage}: in order with other content");
                SAME
            }
            Err(text) => {
                let directory = directory.display().to_string();
                assert!(
                    text.contains(&directory) && text.contains("fetches the ledger from the others"),
                    "{damage}: {text}"
                );
                NAMED
            }
        }
    }
}
