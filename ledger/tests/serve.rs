//! The program itself: a damaged vote log ends it with one clear line, without the log the validator keeps silent, and
//! it runs on when nobody reads what it logs.

#![cfg(feature = "node")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use ledger::{consensus::new_record, node::signed_path};
use protocol::{hash::Hash, key::SecretKey};
use support::{Community, ports::free_port};

/// One of four validators: alone it votes and decides nothing, so that its log keeps its votes.
fn validator(directory: &Path) {
    let community = Community::new(3, 4);
    let write = |name: &str, text: String| fs::write(directory.join(name), text).unwrap();
    let key_text = |key: &SecretKey| format!("{}\n", Hash::from_bytes(key.seed()));
    write("genesis.json", serde_json::to_string(&community.genesis).unwrap());
    write("validator.key", key_text(&community.validators[0]));
    write("network.key", key_text(&SecretKey::from_seed(&[77; 32])));
    let path = signed_path(&directory.join("validator.key"));
    new_record(&path, community.validators[0].public(), 0).unwrap();
    let [listen, gossip] = [(); 2].map(|()| free_port());
    write(
        "validator.toml",
        format!(
            "name = \"alone\"\ngenesis = \"genesis.json\"\nkey = \"validator.key\"\nnetwork_key = \"network.key\"\n\
             state = \".\"\nlisten = \"/ip4/127.0.0.1/tcp/{listen}\"\npeers = []\napi = \"127.0.0.1:0\"\n\
             gossip_listen = \"/ip4/127.0.0.1/tcp/{gossip}\"\ngossip_peers = []\n"
        ),
    );
}

fn serve(directory: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ledger"));
    command.arg("serve").arg("--config").arg(directory.join("validator.toml"));
    // What the engine's network says tells when a vote was made.
    command.env("RUST_LOG", "info,libp2p=error");
    command.stderr(Stdio::piped()).spawn().unwrap()
}

fn vouch(directory: &Path, signed: &str) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ledger"));
    command.arg("vouch").arg("--config").arg(directory.join("validator.toml")).args(["--signed", signed]);
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn kill(mut node: Child) {
    node.kill().unwrap();
    node.wait().unwrap();
}

/// Reads what a node says until a line has all of `words`; from then on nobody reads it, and the pipe is closed.
fn hear(node: &mut Child, words: &[&str]) -> String {
    let lines = BufReader::new(node.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut heard = String::new();
    for line in lines {
        if words.iter().all(|word| line.contains(word)) {
            return line;
        }
        heard += &format!("{line}\n");
    }
    panic!("expected {words:?}, heard\n{heard}");
}

#[test]
fn a_node_whose_log_nobody_reads_any_more_runs_on_and_stops_in_order() {
    let directory = tempfile::tempdir().unwrap();
    validator(directory.path());
    let mut node = serve(directory.path());
    hear(&mut node, &["node started"]);
    // It logs that it stops before it does.
    let asked = Command::new("kill").args(["-TERM", &node.id().to_string()]).status().unwrap();
    assert!(asked.success());
    assert_eq!(node.wait().unwrap().code(), Some(0));
}

#[test]
fn an_answer_that_nobody_reads_to_its_end_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ledger"));
    command.arg("init").arg(directory.path());
    let mut program = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(program.stdout.take());
    assert_eq!(program.wait().unwrap().code(), Some(0));
}

#[test]
fn a_damaged_vote_log_ends_the_program_and_a_lost_one_silences_it() {
    let directory = tempfile::tempdir().unwrap();
    validator(directory.path());
    let wal = directory.path().join("votes.wal");
    let mut node = serve(directory.path());
    // A vote is in the log before it is published, here to nobody.
    hear(&mut node, &["NoPeersSubscribedToTopic", "Consensus"]);
    kill(node);

    let mut bytes = fs::read(&wal).unwrap();
    let place = bytes.len() - 10;
    bytes[place] ^= 1;
    fs::write(&wal, &bytes).unwrap();
    let mut node = serve(directory.path());
    let line = hear(&mut node, &["ledger: ", "corrupted"]);
    assert_eq!(node.wait().unwrap().code(), Some(1));
    assert!(line.contains("votes.wal") && line.contains("move it away"), "{line}");

    fs::rename(&wal, directory.path().join("votes.wal.damaged")).unwrap();
    let mut node = serve(directory.path());
    hear(&mut node, &["not voting until the others have decided this height", "height 1"]);
    let (code, line) = vouch(directory.path(), "1");
    assert_eq!(code, Some(2));
    assert!(line.contains("in use"), "{line}");
    kill(node);

    // Without its record, too, it asks the others; there are none. Whoever knows better may say so.
    fs::remove_file(signed_path(&directory.path().join("validator.key"))).unwrap();
    let mut node = serve(directory.path());
    hear(&mut node, &["not voting until the others have told where they stand", "no record"]);
    kill(node);
    assert_eq!(vouch(directory.path(), "1"), (Some(0), String::new()));
    let mut node = serve(directory.path());
    // What was vouched for is not signed: at once, if the log is no older, or when the engine asks for it.
    hear(&mut node, &["not voting until the others have decided this height", "height 1"]);
    kill(node);
}
