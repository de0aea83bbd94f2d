//! How fast four validators settle, beside the same engine with an application that only stores the same bytes.
//!
//! `cargo bench -p ledger --bench settle` settles 40 intervals of 1,000 members with each, in one process, over real TCP
//! on loopback, every block synced to disk; `-- INTERVALS MEMBERS` takes other numbers. Both decide the very same bodies,
//! one block an interval, the next handed in as soon as the one before is committed everywhere.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic, and prints")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    env, fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use ledger::{
    chain::{OpenedReadings, Readings, Tip, build, execute, open_readings_for},
    consensus::{Application, Candidate, Halt, Metrics, Settings, Timeouts, Work, new_record, run},
    node::{self, Config},
    state::State,
    store::{Commit, SledStore, Store, StoredBlock, StoredCandidate},
};
use protocol::{
    block::{Block, Transaction},
    cbor,
    certificate::{CommitCertificate, Validator},
    envelope::Signed,
    hash::Hash,
    key::{SecretKey, ValidatorId},
};
use support::{Community, ports::free_port};
use tokio::sync::watch;

const VALIDATORS: usize = 4;
const INTERVALS: usize = 40;
const MEMBERS: usize = 1_000;
/// Bodies of half a megabyte on two cores take their time.
const TIMEOUTS: Timeouts =
    Timeouts { propose_ms: 5_000, prevote_ms: 2_000, precommit_ms: 2_000, step_ms: 500, max_ms: 20_000 };

fn main() {
    let mut numbers = env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let (intervals, members) = (numbers.next().unwrap_or(INTERVALS), numbers.next().unwrap_or(MEMBERS));
    let mut community = Community::new(members, VALIDATORS);
    let (blocks, transactions) = made(&mut community, intervals);
    let bytes: usize = blocks.iter().map(|(_, body)| body.len()).sum();
    println!(
        "{intervals} intervals of {members} members, {VALIDATORS} validators, {} KB a block",
        bytes / intervals / 1_000
    );

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let stored = runtime.block_on(store_only(&community, Arc::new(blocks.clone())));
    let settled = runtime.block_on(settle(&community, &transactions));
    report("only stored", &stored);
    report("recomputed and settled", &settled);
    let rate = |times: &[Duration]| times.len() as f64 / times.iter().sum::<Duration>().as_secs_f64();
    println!("ratio of block rates       {:>8.2}", rate(&settled) / rate(&stored));
    work_of_one_node(&community, &blocks);
}

/// The blocks of a ledger that settles one interval in each, and their transactions.
fn made(community: &mut Community, intervals: usize) -> (Vec<(Hash, Bytes)>, Vec<Transaction>) {
    let mut state = community.state();
    let mut tip = Tip { height: 0, block: community.genesis.chain() };
    let (mut blocks, mut transactions) = (Vec::new(), Vec::new());
    for height in 1..=intervals as u64 {
        let readings = community.read_all(state.next());
        let transaction = community.transaction(community.settlement(&state, &readings), &readings);
        let (block, executed, refused) = build(&state, tip, [(transaction.clone(), Vec::new())]);
        assert!(refused.is_empty(), "{refused:?}");
        tip = Tip { height, block: block.header.hash() };
        blocks.push((tip.block, cbor::encode(&block).into()));
        transactions.push(transaction);
        state = executed.state;
    }
    (blocks, transactions)
}

fn report(name: &str, times: &[Duration]) {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |percent: usize| sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)].as_secs_f64() * 1e3;
    let rate = times.len() as f64 / times.iter().sum::<Duration>().as_secs_f64();
    println!("{name:<24} {rate:>8.1} blocks/s, latency p50 {:.1}, p95 {:.1}, p99 {:.1} ms", at(50), at(95), at(99));
}

fn multiaddr(port: u16) -> String {
    format!("/ip4/127.0.0.1/tcp/{port}")
}

/// The application to compare with: it stores what it is given, and believes all of it.
struct Storing {
    me: ValidatorId,
    validators: Vec<Validator>,
    store: SledStore,
    blocks: Arc<Vec<(Hash, Bytes)>>,
    /// The height up to which there is work.
    wanted: watch::Receiver<u64>,
    tip: watch::Sender<u64>,
}

impl Storing {
    fn height(&self) -> u64 {
        self.store.height().unwrap()
    }

    fn keep(&self, height: u64, round: u32, proposer: ValidatorId, block: Hash, body: &[u8]) -> Candidate {
        let stored = StoredCandidate { block, height, round, proposer, valid_round: None, valid: true };
        self.store.put_candidate(&stored, body).unwrap();
        Candidate { block, height, round, proposer, valid_round: None, valid: true }
    }
}

#[async_trait]
impl Application for Storing {
    fn next_height(&self) -> (u64, Vec<Validator>) {
        (self.height() + 1, self.validators.clone())
    }

    fn work(&mut self) -> Work {
        let (next, mut wanted) = (self.height() + 1, self.wanted.clone());
        Box::pin(async move {
            if wanted.wait_for(|wanted| *wanted >= next).await.is_err() {
                std::future::pending().await
            }
        })
    }

    async fn propose(&mut self, height: u64, round: u32) -> Result<(Candidate, Bytes), Halt> {
        let (block, body) = self.blocks[height as usize - 1].clone();
        Ok((self.keep(height, round, self.me, block, &body), body))
    }

    async fn receive(
        &mut self,
        height: u64,
        round: u32,
        proposer: ValidatorId,
        _: Option<u32>,
        body: Bytes,
    ) -> Result<Option<Candidate>, Halt> {
        let block = self.blocks[height as usize - 1].0;
        Ok(Some(self.keep(height, round, proposer, block, &body)))
    }

    async fn candidates(&mut self, _: u64, _: u32) -> Result<Vec<Candidate>, Halt> {
        Ok(Vec::new())
    }

    async fn body(&mut self, height: u64, block: &Hash) -> Result<Option<Bytes>, Halt> {
        Ok(self.store.candidate_body(height, block).unwrap().map(Bytes::from))
    }

    async fn commit(&mut self, certificate: CommitCertificate) -> Result<bool, Halt> {
        let height = certificate.height;
        let Some(body) = self.store.candidate_body(height, &certificate.block).unwrap() else { return Ok(false) };
        let block = StoredBlock { body, certificate, pruned: None };
        self.store.commit(&Commit::only(&block)).unwrap();
        self.tip.send_replace(height);
        Ok(true)
    }

    fn history_start(&self) -> u64 {
        1
    }

    async fn decided(&mut self, height: u64) -> Result<Option<(CommitCertificate, Bytes)>, Halt> {
        Ok(self.store.block(height).unwrap().map(|stored| (stored.certificate, stored.body.into())))
    }
}

/// How long each block took from being wanted to being committed by all.
async fn store_only(community: &Community, blocks: Arc<Vec<(Hash, Bytes)>>) -> Vec<Duration> {
    let directory = tempfile::tempdir().unwrap();
    let ports: [u16; VALIDATORS] = std::array::from_fn(|_| free_port());
    // The first height starts without work, so there is work for it from the beginning.
    let (want, wanted) = watch::channel(1u64);
    let mut tips = Vec::new();
    let mut nodes = Vec::new();
    let (stop, stopped) = watch::channel(false);
    for (index, key) in community.validators.iter().enumerate() {
        let (tip, seen) = watch::channel(0);
        tips.push(seen);
        let store = SledStore::open(&directory.path().join(format!("{index}")), &community.genesis.chain()).unwrap();
        let validators = community.genesis.validators.clone();
        let app = Storing { me: key.public(), validators, store, blocks: blocks.clone(), wanted: wanted.clone(), tip };
        let record_path = directory.path().join(format!("{index}.signed"));
        new_record(&record_path, key.public(), 0).unwrap();
        let settings = Settings {
            record_path,
            chain: community.genesis.chain(),
            key: Some(key.clone()),
            network_seed: [index as u8 + 1; 32],
            listen: multiaddr(ports[index]),
            peers: ports.iter().filter(|port| **port != ports[index]).map(|port| multiaddr(*port)).collect(),
            wal_path: directory.path().join(format!("{index}.wal")),
            timeouts: TIMEOUTS,
            connections_per_ip_max: 64,
            moniker: format!("storing-{index}"),
            metrics: Metrics::default(),
        };
        let mut stopped = stopped.clone();
        nodes.push(tokio::spawn(run(settings, app, async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        })));
    }
    let mut times = Vec::new();
    for height in 1..=blocks.len() as u64 {
        let start = Instant::now();
        want.send_replace(height);
        for tip in &mut tips {
            tip.wait_for(|tip| *tip >= height).await.unwrap();
        }
        times.push(start.elapsed());
    }
    stop.send_replace(true);
    for node in nodes {
        node.await.unwrap().unwrap();
    }
    // Until the first block the nodes look for each other.
    times.split_off(1)
}

fn write_key(path: &Path, key: &SecretKey) {
    fs::write(path, format!("{}\n", Hash::from_bytes(key.seed()))).unwrap();
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

/// How long each interval took from being handed in to being settled on all nodes.
async fn settle(community: &Community, transactions: &[Transaction]) -> Vec<Duration> {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::write(root.join("genesis.json"), serde_json::to_vec(&community.genesis).unwrap()).unwrap();
    let [ports, gossip]: [[u16; VALIDATORS]; 2] = {
        let all: [u16; 2 * VALIDATORS] = std::array::from_fn(|_| free_port());
        std::array::from_fn(|kind| std::array::from_fn(|index| all[kind * VALIDATORS + index]))
    };
    let others = |ports: &[u16; VALIDATORS], own: usize| -> Vec<String> {
        ports.iter().filter(|port| **port != ports[own]).map(|port| multiaddr(*port)).collect()
    };
    let mut nodes = Vec::new();
    for (index, key) in community.validators.iter().enumerate() {
        let path = root.join(format!("{index}.key"));
        write_key(&path, key);
        new_record(&node::signed_path(&path), key.public(), 0).unwrap();
        write_key(&root.join(format!("{index}.network")), &SecretKey::from_seed(&[index as u8 + 1; 32]));
        let text = format!(
            "genesis = \"genesis.json\"\nkey = \"{index}.key\"\nnetwork_key = \"{index}.network\"\nstate = \"{index}\"\n\
             listen = {:?}\npeers = {:?}\ngossip_listen = {:?}\ngossip_peers = {:?}\napi = \"127.0.0.1:0\"\n\
             name = \"validator-{index}\"\n",
            multiaddr(ports[index]),
            others(&ports, index),
            multiaddr(gossip[index]),
            others(&gossip, index)
        );
        let file = root.join(format!("{index}.toml"));
        fs::write(&file, text).unwrap();
        nodes.push(node::start(Config::load(&file).unwrap()).await.unwrap());
    }
    let mut tips: Vec<_> = nodes.iter().map(|node| node.ledger.committed()).collect();
    for tip in &mut tips {
        tip.wait_for(|tip| *tip >= 1).await.unwrap();
    }
    let mut times = Vec::new();
    for (number, transaction) in transactions.iter().enumerate() {
        let start = Instant::now();
        for node in &nodes {
            let (ledger, transaction) = (node.ledger.clone(), transaction.clone());
            tokio::task::spawn_blocking(move || ledger.submit(transaction).unwrap());
        }
        for (node, tip) in nodes.iter().zip(&mut tips) {
            let settled = || node.ledger.head().state.settlements() > number as u64;
            tip.wait_for(|_| settled()).await.unwrap();
        }
        times.push(start.elapsed());
    }
    for node in nodes {
        node.stop().await.unwrap();
    }
    times.split_off(1)
}

/// Where the time of one node goes, block by block, on one core.
fn work_of_one_node(community: &Community, blocks: &[(Hash, Bytes)]) {
    let chain = community.genesis.chain();
    let mut state: State = community.state();
    let mut tip = Tip { height: 0, block: chain };
    let (mut decoding, mut verifying, mut executing) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    for (hash, body) in blocks {
        let start = Instant::now();
        let block: Block = cbor::decode(body).unwrap();
        decoding += start.elapsed();
        let start = Instant::now();
        // As a node does it: the devices of members are known to be keys.
        let open = |transaction: &Transaction| open_readings_for(&state, transaction).unwrap();
        let opened: Vec<OpenedReadings> = block.transactions.iter().map(open).collect();
        verifying += start.elapsed();
        assert!(opened.iter().flat_map(|of| of.iter()).all(|reading| Signed::hash(reading) != Hash::ZERO));
        let start = Instant::now();
        state = execute(&state, tip, &block, Readings::Opened(opened)).unwrap().state;
        executing += start.elapsed();
        tip = Tip { height: tip.height + 1, block: *hash };
    }
    let each = |time: Duration| time.as_secs_f64() * 1e3 / blocks.len() as f64;
    println!(
        "one node, one core: decoding {:.2}, verifying signatures {:.2}, clearing and booking {:.2} ms a block",
        each(decoding),
        each(verifying),
        each(executing)
    );
}
