//! One of four real validators is Byzantine, and so is its network.
//!
//! It runs twice with one key, each twin with a log and ideas of its own, so that it signs contradicting votes and
//! proposals, the more so as each is told another order of the same member; and whatever it says or hears passes
//! through relays that delay, lose and garble it by a seeded dice. Its peers must agree, go on, and count the evidence.
//!
//! The seed fixes the dice of every connection, not how TCP cuts the bytes nor how threads run: a replay is the same
//! weather, not the same second. No test asserts a time: the one timeout makes a hung test fail.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use ledger::evidence::{Evidence, Said};
use ledger_node::{
    consensus::new_record,
    node::{Config, Running, evidence_files, start},
};
use protocol::{
    hash::Hash,
    key::{SecretKey, ValidatorId},
    order::Order,
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use support::{Community, nodes::NodeFiles, ports::free_port};
use tempfile::TempDir;
use testkit::prometheus::Prometheus;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::block_in_place,
    time::{error::Elapsed, timeout},
};

const HONEST: usize = 3;
/// Both are the last validator.
const TWINS: [usize; 2] = [3, 4];
const HEARTBEAT_MS: u64 = 20;
/// Blocks that must be decided in bad weather.
const BLOCKS: u64 = 30;
/// After this a test counts as hung.
const PATIENCE: Duration = Duration::from_secs(180);
const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/seeds/byzantine.txt");

/// What the relays did.
#[derive(Debug, Default)]
struct Weather {
    delayed: AtomicU64,
    lost: AtomicU64,
    garbled: AtomicU64,
}

impl Weather {
    fn has_been_bad(&self) -> bool {
        [&self.delayed, &self.lost, &self.garbled].iter().all(|count| count.load(Relaxed) > 0)
    }
}

/// Passes bytes on, more or less.
async fn blow(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut dice: ChaCha8Rng,
    weather: Arc<Weather>,
) {
    let mut buffer = [0; 4_096];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        match dice.next_u32() % 256 {
            0 => {
                weather.lost.fetch_add(1, Relaxed);
                continue;
            }
            1 => {
                weather.garbled.fetch_add(1, Relaxed);
                buffer[dice.next_u32() as usize % length] ^= 1 << (dice.next_u32() % 8);
            }
            2..64 => {
                weather.delayed.fetch_add(1, Relaxed);
                tokio::time::sleep(Duration::from_millis(u64::from(dice.next_u32() % 40))).await;
            }
            _ => {}
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// A relay before this port; returns its own port.
async fn relay(port: u16, seed: u64, weather: Arc<Weather>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        for connection in 0_u64.. {
            let Ok((near, _)) = listener.accept().await else { return };
            // A node that is not there yet: the caller's connection closes, and it tries again.
            let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
            let dice = |direction| {
                let mut dice = ChaCha8Rng::seed_from_u64(seed);
                dice.set_stream(2 * connection + direction);
                dice
            };
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            tokio::spawn(blow(near_in, far_out, dice(0), weather.clone()));
            tokio::spawn(blow(far_in, near_out, dice(1), weather.clone()));
        }
    });
    own
}

fn count(node: &Running, name: &str) -> u64 {
    let text = node.ledger.metrics_text().unwrap();
    let line = text.lines().find(|line| line.contains(name) && !line.starts_with('#')).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn equivocations(node: &Running) -> u64 {
    count(node, "consensus_equivocations_total ")
}

/// Starts a silent twin anew, with a record which says that its key has signed nothing.
async fn lie(twins: &mut Vec<Running>, index: usize, config: &Config, key: ValidatorId) {
    twins.remove(index).stop().await.unwrap();
    new_record(&config.signed_path().unwrap(), key, 0).unwrap();
    twins.insert(index, start(config.clone()).await.unwrap());
}

fn blocks(node: &Running) -> Vec<Hash> {
    (1..=node.ledger.status().height).map(|height| node.ledger.block(height).unwrap().unwrap().block).collect()
}

fn order(sequence: u64, community: &Community, buy: &str) -> Order {
    let valid_from = community.genesis.first_interval.offset(1).unwrap();
    let buy = Some(buy.parse().unwrap());
    Order { sequence, valid_from, buy, sell: None, buy_cap: None, sell_cap: None }
}

/// Three honest nodes and the twins, in bad weather.
struct Storm {
    community: Community,
    directory: TempDir,
    weather: Arc<Weather>,
    honest: Vec<Running>,
    twins: Vec<Running>,
    configs: Vec<Config>,
}

impl Storm {
    async fn start(seed: u64) -> Storm {
        println!("seed {seed}");
        let community = Community::new(1, HONEST + 1);
        let directory = TempDir::new().unwrap();
        let weather = Arc::new(Weather::default());
        let ports: Vec<u16> = (0..HONEST + TWINS.len()).map(|_| free_port()).collect();
        let mut relays = Vec::new();
        for (port, number) in ports.iter().zip(0..) {
            relays.push(relay(*port, seed.wrapping_add(number), weather.clone()).await);
        }
        let (mut honest, mut configs) = (Vec::new(), Vec::new());
        for index in 0..ports.len() {
            // Honest nodes reach each other in fair weather; all else passes through relays, and the twins never meet.
            let peers = (0..ports.len()).filter(|peer| *peer != index && (*peer < HONEST || index < HONEST));
            let port = |peer: usize| if peer < HONEST && index < HONEST { ports[peer] } else { relays[peer] };
            let peers: Vec<_> = peers.map(|peer| format!("/ip4/127.0.0.1/tcp/{}", port(peer))).collect();
            let files = NodeFiles {
                number: index as u8,
                validator: Some(index.min(HONEST)),
                listen: &format!("/ip4/127.0.0.1/tcp/{}", ports[index]),
                peers: &peers,
                gossip_listen: &format!("/ip4/127.0.0.1/tcp/{}", free_port()),
                // Nobody hears of a transaction but in a proposal: so the twins go on knowing different ones.
                gossip_peers: &[],
                api: "127.0.0.1:0",
                heartbeat_ms: HEARTBEAT_MS,
                propose_ms: 1_000,
            };
            let config = Config::load(&files.write(directory.path(), &community)).unwrap();
            honest.push(start(config.clone()).await.unwrap());
            configs.push(config);
        }
        let twins = honest.split_off(HONEST);
        Storm { community, directory, weather, honest, twins, configs }
    }

    fn is_bad_enough(&self) -> bool {
        self.honest.iter().all(|node| node.ledger.status().height >= BLOCKS)
            && self.honest.iter().any(|node| equivocations(node) > 0)
            && self.weather.has_been_bad()
    }

    /// Until there are blocks, evidence and bad weather.
    async fn rage(&mut self) {
        let mut told = None;
        while !self.is_bad_enough() {
            // A twin that finds a vote of the other in the ledger keeps silent. Its owner lies that it is in order.
            for (index, config) in self.configs[HONEST..].iter().enumerate() {
                if count(&self.twins[index], "consensus_silent ") > 0 {
                    lie(&mut self.twins, index, config, self.community.validators[HONEST].public()).await;
                }
            }
            let height = self.honest[0].ledger.status().height;
            if told.replace(height) != Some(height) {
                for (twin, buy) in self.twins.iter().zip(["0.10", "0.20"]) {
                    // Refused where the other order came first: then the twins agree for once.
                    let order = order(height + 1, &self.community, buy);
                    let _ = twin.ledger.submit(self.community.order(0, order));
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Stops all, and looks whether they agree and what the honest have seen; `waited` is why it is over.
    async fn end(self, waited: Result<(), Elapsed>) {
        let evidence: Vec<_> = self.honest.iter().map(equivocations).collect();
        let nodes: Vec<_> = self.honest.into_iter().chain(self.twins).collect();
        let heights: Vec<_> = nodes.iter().map(|node| node.ledger.status().height).collect();
        println!("heights {heights:?}, evidence {evidence:?}, {:?}", self.weather);
        // Agreement is looked at first, whether or not the nodes got on.
        let chains: Vec<_> = nodes.iter().map(blocks).collect();
        for (index, chain) in chains.iter().enumerate() {
            let common = chain.len().min(chains[0].len());
            assert!(chain[..common] == chains[0][..common], "node {index} forked from node 0");
        }
        waited.expect("waited in vain for blocks, evidence and bad weather");
        for node in nodes {
            node.stop().await.unwrap();
        }
        for (config, seen) in self.configs[..HONEST].iter().zip(evidence) {
            check_evidence(&config.state, &self.community, seen);
        }
        drop(self.directory);
    }
}

async fn run(seed: u64) {
    let mut storm = Storm::start(seed).await;
    let waited = timeout(PATIENCE, storm.rage()).await;
    storm.end(waited).await;
}

/// What a node has seen is kept as files, which anybody can check with the genesis alone, and nobody can make up.
fn check_evidence(state: &Path, community: &Community, seen: u64) {
    let files = evidence_files(state).unwrap();
    assert_eq!(files.is_empty(), seen == 0, "{seen} seen, {files:?}");
    let genesis = state.join("genesis.json");
    let program = |path: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ledger"));
        let output = command.arg("evidence").arg(path).arg("--genesis").arg(&genesis).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), text)
    };
    let liar = community.validators[HONEST].public();
    let (code, printed) = program(state);
    assert_eq!(code, Some(0), "{printed}");
    assert_eq!(printed.matches("\nproved").count(), files.len(), "{printed}");
    let Some(file) = files.first() else { return };
    assert!(printed.contains(&format!("validator  {liar}, a validator of the genesis")), "{printed}");

    let json = fs::read(file).unwrap();
    let evidence = Evidence::from_json(&json).unwrap();
    assert_eq!((evidence.validator, evidence.verify(&community.genesis)), (liar, Ok(())));
    let mut other = community.genesis.clone();
    other.community = "another".into();
    let name = |evidence: &Evidence, genesis| evidence.verify(genesis).unwrap_err().name();
    assert_eq!(name(&evidence, &other), "other_chain");
    let changed = |change: fn(&mut Evidence)| {
        let mut changed = evidence.clone();
        change(&mut changed);
        changed
    };
    let twice = changed(|evidence| evidence.statements[1] = evidence.statements[0].clone());
    assert_eq!(name(&twice, &community.genesis), "no_contradiction");
    let slandered = changed(|evidence| evidence.validator = SecretKey::from_seed(&[1; 32]).public());
    assert_eq!(name(&slandered, &community.genesis), "bad_signature");
    let later = changed(|evidence| evidence.height += 1);
    assert_eq!(name(&later, &community.genesis), "bad_signature");
    let of_nothing = changed(|evidence| {
        evidence.said = Said::Proposal;
        evidence.statements[0].block = None;
    });
    assert_eq!(name(&of_nothing, &community.genesis), "no_proposal");

    let forged = state.join("forged.json");
    fs::write(&forged, later.to_json()).unwrap();
    let (code, printed) = program(&forged);
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("forged.json: bad_signature: the validator's signature under message 1"), "{printed}");
    fs::write(&forged, &json[..json.len() - 9]).unwrap();
    let (code, printed) = program(&forged);
    assert_eq!(code, Some(2), "{printed}");
    assert!(printed.contains("forged.json: expected evidence in JSON"), "{printed}");
    fs::write(&forged, vec![b' '; 5_000]).unwrap();
    assert!(program(&forged).1.contains("expected evidence of at most 4096 bytes, found 5000"));
}

#[test]
fn one_byzantine_validator_of_four_forks_nothing_stops_nothing_and_is_seen() {
    let known = fs::read_to_string(SEEDS).unwrap();
    let known = known.lines().filter(|line| !line.starts_with('#')).map(|line| (line.parse().unwrap(), true));
    let new = getrandom::u64().unwrap();
    for (seed, is_known) in known.chain([(new, false)]) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(run(seed))));
        if let Err(panic) = outcome {
            if !is_known {
                let seeds = fs::read_to_string(SEEDS).unwrap();
                fs::write(SEEDS, format!("{seeds}{seed}\n")).unwrap();
            }
            eprintln!("failed with seed {seed}");
            resume_unwind(panic);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Prometheus, which .ci/run installs"]
async fn whoever_runs_the_community_is_told_of_a_key_that_runs_twice() {
    let mut storm = Storm::start(getrandom::u64().unwrap()).await;
    let apis: Vec<_> = storm.honest.iter().map(|node| node.api.to_string()).collect();
    let prometheus = Prometheus::start("127.0.0.1:1", &apis);
    // An increase is one over what was seen before.
    block_in_place(|| prometheus.has_series("voisin_ledger_consensus_equivocations_total", HONEST));
    let waited = timeout(PATIENCE, storm.rage()).await;
    block_in_place(|| prometheus.fire(&["VoisinEquivocation"]));
    for twin in storm.twins.drain(..) {
        twin.stop().await.unwrap();
    }
    block_in_place(|| prometheus.clear(&["VoisinEquivocation"]));
    storm.end(waited).await;
}
