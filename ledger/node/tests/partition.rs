//! Four real validators and a follower, each in a network namespace of its own, behind a switch that can be split.
//!
//! Needs root on Linux, `ip` and `curl`, so it is ignored unless it is asked for; `.ci/run` has them and asks.
//!
//! No test asserts a time: the one timeout makes a hung test fail. That nothing is decided "for a while" is read off
//! the nodes' own age of the last block, a hundred times as long as a block takes.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    fs::File,
    path::PathBuf,
    process::{self, Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use protocol::{
    api::{BlockSummary, Health},
    hash::Hash,
};
use support::{Community, nodes::NodeFiles};
use tempfile::TempDir;

const VALIDATORS: usize = 4;
/// The last has no validator's key.
const NODES: usize = 5;
const FOLLOWER: usize = 4;
/// Milliseconds. Blocks follow each other about as fast as they can be agreed on.
const HEARTBEAT_MS: u64 = 20;
/// Age of the last block from which on a node counts as standing still, milliseconds.
const STILL_MS: u64 = 100 * HEARTBEAT_MS;
/// Milliseconds. Short, because without a validator every fourth height waits in vain for its proposal.
const PROPOSE_MS: u64 = 100;
/// Blocks that a validator and the follower miss while they are stopped.
const BLOCKS_MISSED: u64 = 1_000;
/// After this a test counts as hung.
const PATIENCE: Duration = Duration::from_secs(240);

/// Waits for what `probe` finds.
fn patiently<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn try_ip(arguments: &str) -> Result<(), String> {
    let output = Command::new("ip").args(arguments.split(' ')).output().map_err(|error| format!("ip: {error}"))?;
    let error = || format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim());
    if output.status.success() { Ok(()) } else { Err(error()) }
}

fn ip(arguments: &str) {
    try_ip(arguments).unwrap();
}

/// A namespace for each node, wired to the bridge `whole` of a fifth. Dropped, also by a panic, it leaves nothing
/// behind.
struct Lan {
    directory: TempDir,
    configs: Vec<PathBuf>,
    running: Vec<Option<Child>>,
}

/// The namespace of a node; the one after the last is the switch's. Two runs at once do not share any.
fn namespace(index: usize) -> String {
    format!("voisin-{}-{index}", process::id())
}

impl Lan {
    fn new() -> Lan {
        let community = Community::new(1, VALIDATORS);
        let directory = TempDir::new().unwrap();
        let address = |index: usize| format!("/ip4/10.77.0.{}/tcp/27000", index + 1);
        let gossip = |index: usize| format!("/ip4/10.77.0.{}/tcp/28000", index + 1);
        let configs = (0..NODES)
            .map(|index| {
                let others = || (0..NODES).filter(|peer| *peer != index);
                let (peers, gossip_peers): (Vec<_>, Vec<_>) =
                    (others().map(address).collect(), others().map(gossip).collect());
                let files = NodeFiles {
                    number: index as u8,
                    validator: (index != FOLLOWER).then_some(index),
                    listen: &address(index),
                    peers: &peers,
                    gossip_listen: &gossip(index),
                    gossip_peers: &gossip_peers,
                    api: "127.0.0.1:26000",
                    heartbeat_ms: HEARTBEAT_MS,
                    propose_ms: PROPOSE_MS,
                };
                files.write(directory.path(), &community)
            })
            .collect();
        let lan = Lan { directory, configs, running: (0..NODES).map(|_| None).collect() };
        let switch = namespace(NODES);
        ip(&format!("netns add {switch}"));
        for bridge in ["whole", "half"] {
            ip(&format!("-n {switch} link add {bridge} type bridge"));
            ip(&format!("-n {switch} link set {bridge} up"));
        }
        for index in 0..NODES {
            let node = namespace(index);
            ip(&format!("netns add {node}"));
            ip(&format!("-n {switch} link add port{index} type veth peer name eth0 netns {node}"));
            ip(&format!("-n {switch} link set port{index} master whole up"));
            ip(&format!("-n {node} addr add 10.77.0.{}/24 dev eth0", index + 1));
            ip(&format!("-n {node} link set eth0 up"));
            ip(&format!("-n {node} link set lo up"));
        }
        lan
    }

    /// Plugs the last two validators into this bridge.
    fn plug(&self, bridge: &str) {
        for index in [2, 3] {
            ip(&format!("-n {} link set port{index} master {bridge}", namespace(NODES)));
        }
    }

    fn start(&mut self, index: usize) {
        let log = self.directory.path().join(format!("node-{index}.log"));
        let log = File::options().create(true).append(true).open(log).unwrap();
        let child = Command::new("ip")
            .args(["netns", "exec", &namespace(index), env!("CARGO_BIN_EXE_ledger"), "serve", "--config"])
            .arg(&self.configs[index])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.running[index] = Some(child);
    }

    fn stop(&mut self, index: usize) {
        // `ip netns exec` has become the node itself.
        let mut child = self.running[index].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn curl(index: usize, path: &str) -> Output {
        Command::new("ip")
            .args(["netns", "exec", &namespace(index), "curl", "--silent", "--max-time", "60"])
            .args(["--write-out", "%{stderr}%{http_code} ", &format!("http://127.0.0.1:26000{path}")])
            .output()
            .unwrap()
    }

    /// What a node says of itself, and the status code under which it does: `None` while it does not answer.
    fn health(index: usize) -> Option<(String, Health)> {
        let Output { stdout, stderr, .. } = Lan::curl(index, "/v1/health");
        let health = serde_json::from_slice(&stdout).ok()?;
        Some((String::from_utf8_lossy(&stderr).trim().to_owned(), health))
    }

    fn height(index: usize) -> u64 {
        patiently("an answer", || Lan::health(index)).1.height
    }

    /// Waits until every one of these nodes has this height and says that it is well.
    fn reach(nodes: &[usize], height: u64) {
        for index in nodes {
            patiently(&format!("node {index} to be well at height {height}"), || {
                let (code, health) = Lan::health(*index)?;
                (code == "200" && health.healthy && health.height >= height).then_some(())
            });
        }
    }

    /// Waits until this node's last block is so old, and returns its height.
    fn still(index: usize, age_ms: u64) -> u64 {
        patiently(&format!("node {index} to stand still"), || {
            let (code, health) = Lan::health(index)?;
            let still = health.height_age_ms >= age_ms;
            if still {
                assert_eq!((code.as_str(), health.healthy), ("503", false), "no alarm at node {index}");
            }
            still.then_some(health.height)
        })
    }

    fn hashes(index: usize, last: u64) -> Vec<Hash> {
        let Output { stdout, .. } = Lan::curl(index, &format!("/v1/blocks/[1-{last}]"));
        let blocks = serde_json::Deserializer::from_slice(&stdout).into_iter::<BlockSummary>();
        blocks.map(|block| block.unwrap().block).collect()
    }

    /// All nodes have the same blocks, up to the lowest of their heights.
    fn assert_agreement() {
        let common = (0..NODES).map(Lan::height).min().unwrap();
        let first = Lan::hashes(0, common);
        assert_eq!(first.len() as u64, common);
        for index in 1..NODES {
            assert!(Lan::hashes(index, common) == first, "node {index} has other blocks than node 0");
        }
        println!("{NODES} nodes agree on {common} blocks");
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for child in self.running.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
        for index in 0..=NODES {
            let _ = try_ip(&format!("netns del {}", namespace(index)));
        }
        if thread::panicking() {
            for index in 0..NODES {
                let log = self.directory.path().join(format!("node-{index}.log"));
                let log = std::fs::read_to_string(log).unwrap_or_default();
                let last: Vec<_> = log.lines().rev().take(10).collect();
                eprintln!("node {index}: {last:#?}");
            }
        }
    }
}

#[test]
#[ignore = "needs root, ip and curl, which .ci/run has"]
fn a_split_in_halves_decides_nothing_and_heals_and_nodes_that_missed_a_thousand_blocks_catch_up() {
    let mut lan = Lan::new();
    let all = [0, 1, 2, 3, FOLLOWER];
    all.iter().for_each(|index| lan.start(*index));
    Lan::reach(&all, 10);

    lan.plug("half");
    let still = all.map(|index| Lan::still(index, STILL_MS));
    // One side may have had the votes for a block that the other has not.
    assert!(still.iter().max().unwrap() - still.iter().min().unwrap() <= 1, "{still:?}");
    let later = all.map(|index| Lan::still(index, 2 * STILL_MS));
    // A laggard may still have fetched what others had decided before.
    assert_eq!(still.iter().max(), later.iter().max(), "half of the validators decided a block");
    Lan::assert_agreement();

    lan.plug("whole");
    Lan::reach(&all, still.iter().max().unwrap() + 10);
    Lan::assert_agreement();

    lan.stop(FOLLOWER);
    lan.stop(3);
    let left_at = Lan::height(0);
    Lan::reach(&[0, 1, 2], left_at + BLOCKS_MISSED);
    lan.start(FOLLOWER);
    lan.start(3);
    Lan::reach(&all, left_at + BLOCKS_MISSED);
    // And the validator votes again: nodes 0 and 1 alone would be too few.
    lan.stop(2);
    Lan::reach(&[0, 1, 3, FOLLOWER], Lan::height(3) + 10);
    lan.start(2);
    Lan::reach(&all, Lan::height(3));
    Lan::assert_agreement();
}
