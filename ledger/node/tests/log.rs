//! What a validator logs while others come and go: a line for each, and none for each attempt to reach them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
};

use ledger_node::{consensus::new_record, node::signed_path};
use protocol::{hash::Hash, key::SecretKey};
use support::{Community, ports::free_port, write_secret};

/// Directories of four validators that know each other's addresses.
fn validators(root: &Path) -> Vec<PathBuf> {
    let community = Community::new(3, 4);
    let ports: Vec<[u16; 2]> = (0..4).map(|_| [(); 2].map(|()| free_port())).collect();
    let directory = |index: usize| {
        let directory = root.join(format!("validator-{index}"));
        fs::create_dir(&directory).unwrap();
        let write = |name: &str, text: String| fs::write(directory.join(name), text).unwrap();
        let key_text = |key: &SecretKey| format!("{}\n", Hash::from_bytes(key.seed()));
        write("genesis.json", serde_json::to_string(&community.genesis).unwrap());
        let secret = |name: &str, key: &SecretKey| write_secret(&directory.join(name), &key_text(key));
        secret("validator.key", &community.validators[index]);
        secret("network.key", &SecretKey::from_seed(&[77 + index as u8; 32]));
        let key = community.validators[index].public();
        new_record(&signed_path(&directory.join("validator.key")), key, 0).unwrap();
        let address = |which: usize, of: usize| format!("\"/ip4/127.0.0.1/tcp/{}\"", ports[of][which]);
        let others = |which: usize| {
            let others = (0..4).filter(|other| *other != index);
            others.map(|other| address(which, other)).collect::<Vec<_>>().join(", ")
        };
        write(
            "validator.toml",
            format!(
                "name = \"v{index}\"\ngenesis = \"genesis.json\"\nkey = \"validator.key\"\nnetwork_key = \"network.key\"\n\
                 state = \".\"\nlisten = {}\npeers = [{}]\napi = \"127.0.0.1:0\"\ngossip_listen = {}\ngossip_peers = [{}]\n",
                address(0, index),
                others(0),
                address(1, index),
                others(1),
            ),
        );
        directory
    };
    (0..4).map(directory).collect()
}

/// `ledger serve`, which dies with its test, and what it logs.
struct Node {
    program: Child,
    lines: Lines<BufReader<ChildStderr>>,
    heard: Vec<String>,
}

impl Node {
    fn start(directory: &Path) -> Node {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ledger"));
        command.arg("serve").arg("--config").arg(directory.join("validator.toml")).env_remove("RUST_LOG");
        let mut program = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(program.stderr.take().unwrap()).lines();
        Node { program, lines, heard: Vec::new() }
    }

    fn hear(&mut self, words: &str) {
        loop {
            let Some(line) = self.lines.next() else { panic!("expected {words}, heard {:#?}", self.heard) };
            self.heard.push(line.unwrap());
            if self.heard.last().is_some_and(|line| line.contains(words)) {
                return;
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[test]
fn a_validator_says_once_who_is_connected_and_who_is_not() {
    let root = tempfile::tempdir().unwrap();
    let directories = validators(root.path());
    let mut node = Node::start(&directories[0]);
    node.hear("0 of 3 other nodes have answered; the others are tried again until they do");
    let mut other = Node::start(&directories[1]);
    other.hear("node \"v0\" is connected: 1 of 3 others are");
    node.hear("node \"v1\" is connected: 1 of 3 others are");
    drop(other);
    node.hear("node \"v1\" is gone: 0 of 3 others are connected");
    let _other = Node::start(&directories[1]);
    node.hear("node \"v1\" is connected: 1 of 3 others are");
    // Those, that it started, and that it votes; nothing of all that it tries meanwhile.
    assert!(node.heard.len() <= 10, "{:#?}", node.heard);
    assert!(!node.heard.iter().any(|line| line.contains("ERROR") || line.contains("dial")), "{:#?}", node.heard);
}
