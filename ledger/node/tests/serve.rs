//! The program itself: a damaged vote log ends it with one clear line, without the log the validator keeps silent, and
//! it runs on when nobody reads what it logs.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{
    fs::{self, Permissions},
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use ledger::chain::Tip;
use ledger_node::{
    consensus::new_record,
    node::{STORE_DIRECTORY, commit_of, signed_path},
    store::{SledStore, Store},
};
use protocol::{hash::Hash, key::SecretKey};
use support::{Community, next_block, ports::free_port, write_secret};

/// One of four validators: alone it votes and decides nothing, so that its log keeps its votes.
fn validator(directory: &Path) {
    let community = Community::new(3, 4);
    let write = |name: &str, text: String| fs::write(directory.join(name), text).unwrap();
    let key_text = |key: &SecretKey| format!("{}\n", Hash::from_bytes(key.seed()));
    write("genesis.json", serde_json::to_string(&community.genesis).unwrap());
    let secret = |name: &str, key: &SecretKey| write_secret(&directory.join(name), &key_text(key));
    secret("validator.key", &community.validators[0]);
    secret("network.key", &SecretKey::from_seed(&[77; 32]));
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

/// A ledger with two settled intervals, as a node keeps it.
fn settled(directory: &Path) {
    let mut community = Community::new(3, 4);
    fs::write(directory.join("genesis.json"), serde_json::to_string(&community.genesis).unwrap()).unwrap();
    let store = SledStore::open(&directory.join(STORE_DIRECTORY), &community.genesis.chain()).unwrap();
    let (mut state, mut tip) = (community.state(), Tip { height: 0, block: community.genesis.chain() });
    for height in 1..=2 {
        let (block, stored, executed) = next_block(&mut community, &state, tip);
        tip = Tip { height, block: stored.certificate.block };
        store.commit(&commit_of(&state, &block, &stored, &executed)).unwrap();
        state = executed.state;
    }
}

/// Runs a command where `directory` is mounted for reading only.
fn read_only(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mount = "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", mount]).arg(directory).arg(env!("CARGO_BIN_EXE_ledger")).args(arguments);
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
#[ignore = "needs root, to mount a directory for reading only"]
fn a_directory_that_cannot_be_written_to_is_audited_and_exported_and_stays_as_it_is() {
    let (directory, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    settled(directory.path());
    let store = directory.path().join(STORE_DIRECTORY);
    let files = || -> Vec<(PathBuf, Vec<u8>)> {
        let mut paths: Vec<_> = fs::read_dir(&store).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.into_iter().filter(|path| path.is_file()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    };
    let before = files();
    let path = directory.path().to_str().unwrap();
    let (code, told, error) = read_only(directory.path(), &["audit", path]);
    assert_eq!(code, Some(0), "{error}");
    assert!(told.ends_with("in order\n") && told.contains("blocks       2,"), "{told}");
    let tables = out.path().join("tables");
    let (code, _, error) = read_only(directory.path(), &["export", path, "--out", tables.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(files(), before);

    // In use, it is not copied.
    let community = Community::new(3, 4);
    let _open = SledStore::open(&store, &community.genesis.chain()).unwrap();
    let (code, _, error) = read_only(directory.path(), &["audit", path]);
    assert!(code == Some(2) && error.contains("is in use by another process"), "{error}");
}

#[test]
fn a_key_that_others_may_read_is_refused_and_a_new_state_is_its_owners_alone() {
    let directory = tempfile::tempdir().unwrap();
    validator(directory.path());
    let config = directory.path().join("validator.toml");
    let text = fs::read_to_string(&config).unwrap().replace("state = \".\"", "state = \"state\"");
    fs::write(&config, text).unwrap();
    let mode = |name: &str| fs::metadata(directory.path().join(name)).unwrap().permissions().mode() & 0o777;
    for name in ["validator.key", "network.key"] {
        let key = directory.path().join(name);
        fs::set_permissions(&key, Permissions::from_mode(0o666)).unwrap();
        let mut node = serve(directory.path());
        let line = hear(&mut node, &["ledger: ", "chmod 600"]);
        assert_eq!(node.wait().unwrap().code(), Some(2));
        assert!(line.contains(name) && line.contains("0666"), "{line}");
        fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    }
    let mut node = serve(directory.path());
    hear(&mut node, &["node started"]);
    kill(node);
    assert_eq!(mode("state"), 0o700);
    fs::set_permissions(directory.path().join("state"), Permissions::from_mode(0o755)).unwrap();
    let mut node = serve(directory.path());
    let line = hear(&mut node, &["chmod 700"]);
    assert!(line.contains("state lets in others"), "{line}");
    kill(node);
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

    // Its header, of which the engine says no more than that an actor panicked.
    bytes[place] ^= 1;
    bytes[0] ^= 0x10;
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
