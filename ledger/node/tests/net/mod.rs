//! Validators in one process, over real TCP on loopback, with a ledger of plain bytes.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use ledger_node::consensus::{
    Application, Candidate, Connected, Halt, Metrics, Settings, Timeouts, Work, new_record, run,
};
use protocol::{
    commit::{CommitCertificate, Validator},
    hash::Hash,
    key::{SecretKey, ValidatorId},
};
use tempfile::TempDir;
pub(crate) use testkit::ports::free_port;
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

pub(crate) const CHAIN: Hash = Hash::from_bytes([7; 32]);
/// After this a test counts as hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

/// A ledger in memory that outlives its node, as a disk would.
pub(crate) struct Store {
    pub(crate) blocks: Vec<(CommitCertificate, Bytes)>,
    pub(crate) candidates: Vec<(Candidate, Bytes)>,
    pub(crate) tip: watch::Sender<u64>,
}

/// How a toy ledger misbehaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vice {
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
pub(crate) struct Toy {
    pub(crate) name: String,
    pub(crate) id: Option<ValidatorId>,
    pub(crate) validators: Vec<Validator>,
    pub(crate) store: Arc<Mutex<Store>>,
    /// There is work as long as this height isn't decided.
    pub(crate) goal: watch::Receiver<u64>,
    pub(crate) vice: Vice,
}

impl Toy {
    pub(crate) fn judge(&self, height: u64, body: &[u8]) -> Option<bool> {
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
        assert_eq!(Some(proposer), ledger_node::consensus::proposer(&self.validators, height, round));
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

pub(crate) fn block_hash(body: &[u8]) -> Hash {
    Hash::of(body.split(|byte| *byte == b'\n').next().unwrap_or_default())
}

pub(crate) struct Running {
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) done: JoinHandle<Result<(), Halt>>,
}

/// A copy of what a node has on disk.
pub(crate) struct Copied {
    blocks: Vec<(CommitCertificate, Bytes)>,
    candidates: Vec<(Candidate, Bytes)>,
    wal: Vec<u8>,
    record: Vec<u8>,
}

/// One node: what survives it, and perhaps the node itself.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) key: Option<SecretKey>,
    pub(crate) port: u16,
    pub(crate) vice: Vice,
    pub(crate) metrics: Metrics,
    pub(crate) store: Arc<Mutex<Store>>,
    pub(crate) tip: watch::Receiver<u64>,
    pub(crate) goal: watch::Sender<u64>,
    pub(crate) running: Option<Running>,
}

pub(crate) struct Net {
    pub(crate) directory: TempDir,
    pub(crate) validators: Vec<Validator>,
    pub(crate) nodes: Vec<Node>,
}

impl Net {
    /// `keys` gives each node's validator; the set is what they have together.
    pub(crate) fn new(keys: &[Option<u8>]) -> Net {
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
        let net = Net {
            directory: TempDir::new().unwrap(),
            validators: seeds.into_iter().map(|seed| Validator { key: secret(seed).public(), power: 1 }).collect(),
            nodes: keys.iter().zip(&ports).enumerate().map(node).collect(),
        };
        for (index, node) in net.nodes.iter().enumerate() {
            if let Some(key) = &node.key {
                new_record(&net.record_path(index), key.public(), 0).unwrap();
            }
        }
        net
    }

    /// Whether all other nodes hold a node's vote for one block above `height`. Each keeps the votes that it heard
    /// first.
    pub(crate) fn has_vote_above(&self, height: u64, index: usize) -> bool {
        let voter = self.nodes[index].key.as_ref().map(SecretKey::public);
        let voted = |node: &Node| -> BTreeSet<u64> {
            let store = node.store.lock().unwrap();
            let certificates = store.blocks.iter().map(|(certificate, _)| certificate);
            let by_it = certificates.filter(|it| it.signatures.iter().any(|entry| Some(entry.validator) == voter));
            by_it.map(|certificate| certificate.height).filter(|found| *found > height).collect()
        };
        let others = self.nodes.iter().enumerate().filter(|(other, _)| *other != index);
        let common = others.map(|(_, node)| voted(node)).reduce(|a, b| a.intersection(&b).copied().collect());
        common.is_some_and(|heights| !heights.is_empty())
    }

    /// Lets the running nodes decide blocks until one holds a vote of a node.
    pub(crate) async fn go_on_until_it_votes(&self, index: usize) {
        let start = self.tips().into_iter().max().unwrap();
        let mut height = start;
        while !self.has_vote_above(start, index) {
            height += 1;
            self.want(height);
            self.reach(height).await;
        }
    }

    pub(crate) async fn is_silent(&self, index: usize) {
        let gauge = &self.nodes[index].metrics.silent;
        let silent = async {
            while gauge.get() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        patiently("the node to keep silent", silent).await;
    }

    /// No node has seen a validator contradict itself.
    pub(crate) fn assert_no_equivocation(&self) {
        for node in &self.nodes {
            assert_eq!(node.metrics.equivocations.get(), 0, "{}", node.name);
        }
    }

    /// What a stopped node has on disk.
    pub(crate) fn copy(&self, index: usize) -> Copied {
        let store = self.nodes[index].store.lock().unwrap();
        Copied {
            blocks: store.blocks.clone(),
            candidates: store.candidates.clone(),
            wal: fs::read(self.settings(index).wal_path).unwrap(),
            record: fs::read(self.record_path(index)).unwrap(),
        }
    }

    /// Puts a copy back, in new files or, as a snapshot of the whole machine does, in the very same ones.
    pub(crate) fn put_back(&self, index: usize, copy: &Copied, in_new_files: bool) {
        let mut store = self.nodes[index].store.lock().unwrap();
        (store.blocks, store.candidates) = (copy.blocks.clone(), copy.candidates.clone());
        store.tip.send_replace(copy.blocks.len() as u64);
        for (path, bytes) in [(self.settings(index).wal_path, &copy.wal), (self.record_path(index), &copy.record)] {
            if in_new_files {
                fs::remove_file(&path).unwrap();
            }
            fs::write(&path, bytes).unwrap();
        }
    }

    pub(crate) fn record_path(&self, index: usize) -> PathBuf {
        self.directory.path().join(format!("{}.signed", self.nodes[index].name))
    }

    pub(crate) fn of(count: u8) -> Net {
        Net::new(&(1..=count).map(Some).collect::<Vec<_>>())
    }

    pub(crate) fn settings(&self, index: usize) -> Settings {
        let node = &self.nodes[index];
        let address = |node: &Node| format!("/ip4/127.0.0.1/tcp/{}", node.port);
        Settings {
            chain: CHAIN,
            key: node.key.clone(),
            record_path: self.record_path(index),
            network_seed: [100 + index as u8; 32],
            listen: address(node),
            peers: self.nodes.iter().filter(|peer| peer.port != node.port).map(address).collect(),
            wal_path: self.directory.path().join(&node.name).join("wal"),
            timeouts: Timeouts::default(),
            connections_per_ip_max: 100,
            moniker: node.name.clone(),
            metrics: node.metrics.clone(),
            connected: Connected::default(),
        }
    }

    pub(crate) fn toy(&self, index: usize) -> Toy {
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

    pub(crate) fn start(&mut self, index: usize) {
        let (stop, stopped) = oneshot::channel();
        let node = run(self.settings(index), self.toy(index), async {
            let _ = stopped.await;
        });
        let name = self.nodes[index].name.clone();
        let done = tokio::spawn(async move { node.await.inspect_err(|halt| eprintln!("{name} halted: {halt}")) });
        self.nodes[index].running = Some(Running { stop, done });
    }

    pub(crate) fn start_all(&mut self) {
        (0..self.nodes.len()).for_each(|index| self.start(index));
    }

    pub(crate) async fn stop(&mut self, index: usize) {
        let Running { stop, done } = self.nodes[index].running.take().unwrap();
        stop.send(()).expect("the node is still running");
        patiently("the node to stop", done).await.unwrap().unwrap();
        if self.nodes[index].key.is_some() {
            File::open(self.record_path(index)).unwrap().try_lock().expect("nobody holds a stopped node's record");
        }
    }

    pub(crate) async fn stop_all(&mut self) {
        for index in 0..self.nodes.len() {
            if self.nodes[index].running.is_some() {
                self.stop(index).await;
            }
        }
    }

    /// Waits for a node that stops by itself.
    pub(crate) async fn halt(&mut self, index: usize) -> Halt {
        let Running { stop, done } = self.nodes[index].running.take().unwrap();
        let halt = patiently("the node to halt", done).await.unwrap().expect_err("the node halts");
        drop(stop);
        halt
    }

    /// Gives every node work up to this height.
    pub(crate) fn want(&self, height: u64) {
        for node in &self.nodes {
            node.goal.send_replace(height);
        }
    }

    /// Waits until every running node has this height.
    pub(crate) async fn reach(&self, height: u64) {
        for node in &self.nodes {
            let Some(Running { done, .. }) = &node.running else { continue };
            let mut tip = node.tip.clone();
            let what = format!("{} to reach height {height}; it is at {}", node.name, *node.tip.borrow());
            let ended = async {
                while !done.is_finished() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::select! {
                biased;
                reached = patiently(&what, tip.wait_for(|tip| *tip >= height)) => drop(reached.unwrap()),
                () = ended => panic!("{} ended while waiting for height {height}", node.name),
            }
        }
    }

    pub(crate) fn bodies(&self, index: usize) -> Vec<Bytes> {
        self.nodes[index].store.lock().unwrap().blocks.iter().map(|(_, body)| body.clone()).collect()
    }

    pub(crate) fn tips(&self) -> Vec<u64> {
        self.nodes.iter().map(|node| *node.tip.borrow()).collect()
    }

    /// No two nodes have different blocks at one height.
    pub(crate) fn assert_agreement(&self) {
        let mut at: BTreeMap<usize, Bytes> = BTreeMap::new();
        for index in 0..self.nodes.len() {
            for (height, body) in self.bodies(index).into_iter().enumerate() {
                assert_eq!(*at.entry(height).or_insert_with(|| body.clone()), body, "fork at height {}", height + 1);
            }
        }
    }
}

pub(crate) async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, future).await;
    waited.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Lets time pass: as much as a chain of one validator needs for 50 blocks.
pub(crate) async fn let_time_pass() {
    let mut clock = Net::of(1);
    clock.start_all();
    clock.want(50);
    clock.reach(50).await;
    clock.stop_all().await;
}

pub(crate) fn log() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
}
