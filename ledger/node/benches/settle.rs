//! How fast four validators settle, beside the same engine with an application that only stores the same bytes.
//!
//! `cargo bench -p ledger-node --bench settle` settles 40 intervals of 1,000 members with each, in one process, over
//! real TCP on loopback, every block synced to disk; `-- INTERVALS MEMBERS` takes other numbers. Both decide the very
//! same bodies, one block an interval, the next handed in as soon as the one before is committed everywhere.
//!
//! Four validators on one machine share its cores, so the ratio of their block rates says little of validators that
//! have a machine each. What counts for these is the CPU time of one, beside the least that it needs: to store the same
//! bytes with the same engine, and to verify the signatures of the block's readings in one batch.

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
    chain::{Readings, Tip, build, execute, open_readings_for},
    state::{Opened, State},
};
use ledger_node::{
    consensus::{Application, Candidate, Connected, Halt, Metrics, Settings, Timeouts, Work, new_record, run},
    node::{self, Config},
    store::{Commit, SledStore, Store, StoredBlock, StoredCandidate},
};
use minicbor::bytes::ByteVec;
use protocol::{
    batch::Claims,
    block::{Block, Transaction},
    cbor,
    commit::{CommitCertificate, Validator},
    envelope::Payload,
    hash::Hash,
    key::{SecretKey, Signature, ValidatorId},
    reading::{Reading, SignedReading},
};
use support::{Community, ports::free_port, write_secret};
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
    stored.report("only stored");
    settled.report("recomputed and settled");
    println!("ratio of block rates       {:>8.2}", settled.rate() / stored.rate());
    let bare = work_of_one_node(&community, &blocks);
    let least = bare + stored.cpu_of_a_node();
    println!(
        "one node, CPU time         {:>8.2} ms a block, {:.2} times the {:.2} ms to store it and verify its signatures",
        settled.cpu_of_a_node(),
        settled.cpu_of_a_node() / least,
        least
    );
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

/// What validators took.
struct Run {
    /// Each block, from being wanted to being committed by all.
    times: Vec<Duration>,
    /// CPU time of this program meanwhile.
    cpu: Duration,
}

impl Run {
    fn rate(&self) -> f64 {
        self.times.len() as f64 / self.times.iter().sum::<Duration>().as_secs_f64()
    }

    /// ms a block.
    fn cpu_of_a_node(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e3 / (self.times.len() * VALIDATORS) as f64
    }

    fn report(&self, name: &str) {
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        let at = |percent: usize| sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)].as_secs_f64() * 1e3;
        let (rate, cpu) = (self.rate(), self.cpu_of_a_node());
        print!("{name:<24} {rate:>8.1} blocks/s, latency p50 {:.1}, p95 {:.1}, p99 {:.1} ms", at(50), at(95), at(99));
        println!(", CPU time {cpu:.1} ms a block and node");
    }
}

/// CPU time of all threads of this program so far, as Linux counts it: in steps of 10 ms.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
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

async fn store_only(community: &Community, blocks: Arc<Vec<(Hash, Bytes)>>) -> Run {
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
            connected: Connected::default(),
        };
        let mut stopped = stopped.clone();
        nodes.push(tokio::spawn(run(settings, app, async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        })));
    }
    let (mut times, mut before) = (Vec::new(), Duration::ZERO);
    for height in 1..=blocks.len() as u64 {
        let start = Instant::now();
        want.send_replace(height);
        for tip in &mut tips {
            tip.wait_for(|tip| *tip >= height).await.unwrap();
        }
        times.push(start.elapsed());
        // Until the first block the nodes look for each other.
        if height == 1 {
            times.clear();
            before = cpu_time();
        }
    }
    let cpu = cpu_time() - before;
    stop.send_replace(true);
    for node in nodes {
        node.await.unwrap().unwrap();
    }
    Run { times, cpu }
}

fn write_key(path: &Path, key: &SecretKey) {
    write_secret(path, &format!("{}\n", Hash::from_bytes(key.seed())));
}

/// Each interval is handed in to all nodes.
async fn settle(community: &Community, transactions: &[Transaction]) -> Run {
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
    let (mut times, mut before) = (Vec::new(), Duration::ZERO);
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
        if number == 0 {
            times.clear();
            before = cpu_time();
        }
    }
    let cpu = cpu_time() - before;
    for node in nodes {
        node.stop().await.unwrap();
    }
    Run { times, cpu }
}

/// Where the time of one node goes, block by block, on one core. Returns what bare verification takes of it, ms a
/// block.
fn work_of_one_node(community: &Community, blocks: &[(Hash, Bytes)]) -> f64 {
    let chain = community.genesis.chain();
    let mut state: State = community.state();
    let mut tip = Tip { height: 0, block: chain };
    let [mut decoding, mut bare, mut verifying, mut executing] = [const { Vec::new() }; 4];
    for (hash, body) in blocks {
        let start = Instant::now();
        let block: Block = cbor::decode(body).unwrap();
        decoding.push(start.elapsed());
        let start = Instant::now();
        // As a node does it: the devices of members are known to be keys.
        let open = |transaction: &Transaction| open_readings_for(&state, transaction).unwrap();
        let opened: Vec<Opened> = block.transactions.iter().map(|transaction| open(transaction).into()).collect();
        verifying.push(start.elapsed());
        let claims = claims(&state, opened.iter().flat_map(|of| of.readings.iter()));
        let start = Instant::now();
        assert!(claims.which_hold(usize::MAX).into_iter().all(|holds| holds));
        bare.push(start.elapsed());
        let start = Instant::now();
        state = execute(&state, tip, &block, Readings::Opened(opened)).unwrap().state;
        executing.push(start.elapsed());
        tip = Tip { height: tip.height + 1, block: *hash };
    }
    let [decoding, bare, verifying, executing] = [decoding, bare, verifying, executing].map(median);
    println!(
        "one node, one core: decoding {decoding:.2}, verifying signatures {verifying:.2} (bare {bare:.2}), \
         clearing and booking {executing:.2} ms a block"
    );
    println!("booking / signatures       {:>8.2}", executing / verifying);
    bare
}

/// In ms. Where others use the machine, too, a mean says how much they did.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

/// What the signatures of readings say, by keys whose points are known.
fn claims<'a>(state: &State, readings: impl Iterator<Item = &'a SignedReading>) -> Claims {
    let mut claims = Claims::with_room(0);
    let aad = cbor::encode(&(Reading::DOMAIN, state.chain()));
    for reading in readings {
        let signer = reading.signer();
        // A map of two: the algorithm (1) is EdDSA (-8), the key id (4) 32 bytes.
        let protected = [&[0xa2, 0x01, 0x27, 0x04, 0x58, 0x20], &signer.as_bytes()[..]].concat();
        let signature = Signature::from_bytes(*reading.bytes().last_chunk().unwrap());
        let parts = [protected, aad.clone(), cbor::encode(reading.payload())].map(ByteVec::from);
        let signed = cbor::encode(&("Signature1", &parts[0], &parts[1], &parts[2]));
        claims.add(state.known_device(signer.as_bytes()).unwrap(), &signature, |bytes| bytes.extend(signed));
    }
    claims
}
