//! Validators in one process, over real TCP on loopback, with a ledger of plain bytes.
//!
//! No test asserts a time: the one timeout makes a hung test fail. Where nothing may happen "for a while", the while is
//! as long as another chain needs for a number of blocks.

#![cfg(feature = "node")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Seek, SeekFrom, Write},
    iter,
    net::TcpListener,
    process,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use ledger::consensus::{Application, Candidate, Halt, Metrics, Settings, Timeouts, Work, proposer, run};
use protocol::{
    certificate::{CommitCertificate, Validator},
    hash::Hash,
    key::{SecretKey, ValidatorId},
};
use tempfile::TempDir;
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

const CHAIN: Hash = Hash::from_bytes([7; 32]);
/// After this a test counts as hung.
const PATIENCE: Duration = Duration::from_secs(240);

/// A ledger in memory that outlives its node, as a disk would.
struct Store {
    blocks: Vec<(CommitCertificate, Bytes)>,
    candidates: Vec<(Candidate, Bytes)>,
    tip: watch::Sender<u64>,
}

/// How a toy ledger misbehaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Vice {
    None,
    /// Proposes blocks that the others find invalid, in round 0.
    ProposesBadBlocks,
    /// Has lost the body of this height's block when it comes to commit it, once.
    LosesBody(u64),
    /// Its disk fails when it comes to commit this height.
    FailsToCommit(u64),
    /// Serves decided blocks with the part spoilt that their hash does not cover.
    SpoilsHistory,
}

/// A block is text; its hash covers the first line, as a ledger's covers the header.
struct Toy {
    name: String,
    id: Option<ValidatorId>,
    validators: Vec<Validator>,
    store: Arc<Mutex<Store>>,
    /// There is work as long as this height isn't decided.
    goal: watch::Receiver<u64>,
    vice: Vice,
}

impl Toy {
    fn judge(&self, height: u64, body: &[u8]) -> Option<bool> {
        let text = std::str::from_utf8(body).ok()?;
        let good = text.starts_with(&format!("block {height} ")) && text.contains("\ngood");
        Some(good || self.vice == Vice::ProposesBadBlocks)
    }
}

#[async_trait]
impl Application for Toy {
    fn next_height(&self) -> (u64, Vec<Validator>) {
        (self.store.lock().unwrap().blocks.len() as u64 + 1, self.validators.clone())
    }

    fn work(&mut self) -> Work {
        let (next, _) = self.next_height();
        let mut goal = self.goal.clone();
        Box::pin(async move {
            if goal.wait_for(|goal| *goal >= next).await.is_err() {
                std::future::pending().await
            }
        })
    }

    async fn propose(&mut self, height: u64, round: u32) -> Result<(Candidate, Bytes), Halt> {
        let proposer = self.id.expect("only validators are asked");
        let mut store = self.store.lock().unwrap();
        let mine = |c: &Candidate| (c.height, c.round, c.proposer) == (height, round, proposer);
        if let Some(found) = store.candidates.iter().find(|(candidate, _)| mine(candidate)) {
            return Ok(found.clone());
        }
        let mut body = format!("block {height} of round {round} by {}", self.name);
        if self.vice == Vice::ProposesBadBlocks && round == 0 {
            body.insert_str(0, "bad ");
        }
        if height.is_multiple_of(4) {
            body.push_str(&" ".repeat(200_000));
        }
        body.push_str("\ngood");
        let block = block_hash(body.as_bytes());
        let candidate = Candidate { block, height, round, proposer, valid_round: None, valid: true };
        store.candidates.push((candidate.clone(), body.clone().into()));
        Ok((candidate, body.into()))
    }

    async fn receive(
        &mut self,
        height: u64,
        round: u32,
        proposer: ValidatorId,
        valid_round: Option<u32>,
        body: Bytes,
    ) -> Result<Option<Candidate>, Halt> {
        assert_eq!(height, self.next_height().0);
        assert_eq!(Some(proposer), ledger::consensus::proposer(&self.validators, height, round));
        let Some(valid) = self.judge(height, &body) else { return Ok(None) };
        let candidate = Candidate { block: block_hash(&body), height, round, proposer, valid_round, valid };
        self.store.lock().unwrap().candidates.push((candidate.clone(), body));
        Ok(Some(candidate))
    }

    async fn candidates(&mut self, height: u64, round: u32) -> Result<Vec<Candidate>, Halt> {
        let store = self.store.lock().unwrap();
        let candidates = store.candidates.iter().map(|(candidate, _)| candidate.clone());
        Ok(candidates.filter(|candidate| (candidate.height, candidate.round) == (height, round)).collect())
    }

    async fn body(&mut self, height: u64, block: &Hash) -> Result<Option<Bytes>, Halt> {
        let store = self.store.lock().unwrap();
        let found = store.candidates.iter().find(|(c, _)| c.valid && (c.height, c.block) == (height, *block));
        Ok(found.map(|(_, body)| body.clone()))
    }

    async fn commit(&mut self, certificate: CommitCertificate) -> Result<bool, Halt> {
        assert_eq!(certificate.height, self.next_height().0);
        certificate.verify(&CHAIN, &self.validators).expect("a certificate proves its block");
        match self.vice {
            Vice::FailsToCommit(height) if height == certificate.height => {
                return Err(Halt::Storage("disk full".into()));
            }
            Vice::LosesBody(height) if height == certificate.height => {
                self.vice = Vice::None;
                self.store.lock().unwrap().candidates.clear();
            }
            _ => {}
        }
        let Some(body) = self.body(certificate.height, &certificate.block).await? else { return Ok(false) };
        let mut store = self.store.lock().unwrap();
        let height = certificate.height;
        store.blocks.push((certificate, body));
        store.candidates.clear();
        store.tip.send_replace(height);
        Ok(true)
    }

    fn history_start(&self) -> u64 {
        1
    }

    async fn decided(&mut self, height: u64) -> Result<Option<(CommitCertificate, Bytes)>, Halt> {
        let store = self.store.lock().unwrap();
        let found = usize::try_from(height).ok().and_then(|height| store.blocks.get(height.checked_sub(1)?)).cloned();
        Ok(found.map(|(certificate, body)| match self.vice {
            Vice::SpoilsHistory => (certificate, String::from_utf8_lossy(&body).replace("\ngood", "\nbad").into()),
            _ => (certificate, body),
        }))
    }
}

fn block_hash(body: &[u8]) -> Hash {
    Hash::of(body.split(|byte| *byte == b'\n').next().unwrap_or_default())
}

struct Running {
    stop: oneshot::Sender<()>,
    done: JoinHandle<Result<(), Halt>>,
}

/// One node: what survives it, and perhaps the node itself.
struct Node {
    name: String,
    key: Option<SecretKey>,
    port: u16,
    vice: Vice,
    metrics: Metrics,
    store: Arc<Mutex<Store>>,
    tip: watch::Receiver<u64>,
    goal: watch::Sender<u64>,
    running: Option<Running>,
}

/// A port that this function gives to nobody else, and below those from which systems take outgoing connections.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = process::id() as u16;
    let candidate = || 10_000 + first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
    iter::repeat_with(candidate).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

struct Net {
    directory: TempDir,
    validators: Vec<Validator>,
    nodes: Vec<Node>,
}

impl Net {
    /// `keys` gives each node's validator; the set is what they have together.
    fn new(keys: &[Option<u8>]) -> Net {
        let ports: Vec<u16> = keys.iter().map(|_| free_port()).collect();
        let seeds: BTreeSet<u8> = keys.iter().flatten().copied().collect();
        let secret = |seed: u8| SecretKey::from_seed(&[seed; 32]);
        let node = |(index, (key, port)): (usize, (&Option<u8>, &u16))| {
            let (sender, tip) = watch::channel(0);
            let store = Store { blocks: vec![], candidates: vec![], tip: sender };
            Node {
                name: format!("node-{index}"),
                key: key.map(secret),
                port: *port,
                vice: Vice::None,
                metrics: Metrics::default(),
                store: Arc::new(Mutex::new(store)),
                tip,
                goal: watch::channel(0).0,
                running: None,
            }
        };
        Net {
            directory: TempDir::new().unwrap(),
            validators: seeds.into_iter().map(|seed| Validator { key: secret(seed).public(), power: 1 }).collect(),
            nodes: keys.iter().zip(&ports).enumerate().map(node).collect(),
        }
    }

    fn of(count: u8) -> Net {
        Net::new(&(1..=count).map(Some).collect::<Vec<_>>())
    }

    fn settings(&self, index: usize) -> Settings {
        let node = &self.nodes[index];
        let address = |node: &Node| format!("/ip4/127.0.0.1/tcp/{}", node.port);
        Settings {
            chain: CHAIN,
            key: node.key.clone(),
            network_seed: [100 + index as u8; 32],
            listen: address(node),
            peers: self.nodes.iter().filter(|peer| peer.port != node.port).map(address).collect(),
            wal_path: self.directory.path().join(&node.name).join("wal"),
            timeouts: Timeouts::default(),
            connections_per_ip_max: 100,
            moniker: node.name.clone(),
            metrics: node.metrics.clone(),
        }
    }

    fn toy(&self, index: usize) -> Toy {
        let node = &self.nodes[index];
        Toy {
            name: node.name.clone(),
            id: node.key.as_ref().map(SecretKey::public),
            validators: self.validators.clone(),
            store: node.store.clone(),
            goal: node.goal.subscribe(),
            vice: node.vice,
        }
    }

    fn start(&mut self, index: usize) {
        let toy = self.toy(index);
        self.start_with(index, toy);
    }

    fn start_with(&mut self, index: usize, toy: Toy) {
        let (stop, stopped) = oneshot::channel();
        let node = run(self.settings(index), toy, async {
            let _ = stopped.await;
        });
        self.nodes[index].running = Some(Running { stop, done: tokio::spawn(node) });
    }

    fn start_all(&mut self) {
        (0..self.nodes.len()).for_each(|index| self.start(index));
    }

    async fn stop(&mut self, index: usize) {
        let Running { stop, done } = self.nodes[index].running.take().unwrap();
        stop.send(()).expect("the node is still running");
        patiently("the node to stop", done).await.unwrap().unwrap();
    }

    async fn stop_all(&mut self) {
        for index in 0..self.nodes.len() {
            if self.nodes[index].running.is_some() {
                self.stop(index).await;
            }
        }
    }

    /// Waits for a node that stops by itself.
    async fn halt(&mut self, index: usize) -> Halt {
        let Running { stop, done } = self.nodes[index].running.take().unwrap();
        let halt = patiently("the node to halt", done).await.unwrap().expect_err("the node halts");
        drop(stop);
        halt
    }

    /// Gives every node work up to this height.
    fn want(&self, height: u64) {
        for node in &self.nodes {
            node.goal.send_replace(height);
        }
    }

    /// Waits until every running node has this height.
    async fn reach(&self, height: u64) {
        for node in self.nodes.iter().filter(|node| node.running.is_some()) {
            let mut tip = node.tip.clone();
            let what = format!("{} to reach height {height}; it is at {}", node.name, *node.tip.borrow());
            patiently(&what, tip.wait_for(|tip| *tip >= height)).await.unwrap();
        }
    }

    fn bodies(&self, index: usize) -> Vec<Bytes> {
        self.nodes[index].store.lock().unwrap().blocks.iter().map(|(_, body)| body.clone()).collect()
    }

    fn tips(&self) -> Vec<u64> {
        self.nodes.iter().map(|node| *node.tip.borrow()).collect()
    }

    /// No two nodes have different blocks at one height.
    fn assert_agreement(&self) {
        let mut at: BTreeMap<usize, Bytes> = BTreeMap::new();
        for index in 0..self.nodes.len() {
            for (height, body) in self.bodies(index).into_iter().enumerate() {
                assert_eq!(*at.entry(height).or_insert_with(|| body.clone()), body, "fork at height {}", height + 1);
            }
        }
    }
}

async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, future).await;
    waited.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Lets time pass: as much as a chain of one validator needs for 50 blocks.
async fn let_time_pass() {
    let mut clock = Net::of(1);
    clock.start_all();
    clock.want(50);
    clock.reach(50).await;
    clock.stop_all().await;
}

fn log() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
}

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
    assert!(matches!(halt, Halt::WalCorrupted(_)), "{halt}");
}
