//! The log of real validators, followed and witnessed by programs that nobody here wrote: Go's reader of its checksum
//! database, and a witness from PyPI. It cosigns what grows, and refuses the history that all validators forge.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output},
};

use ledger::{
    logged::{LogFault, Policy},
    proof::Verifier,
};
use ledger_node::node::{Config, Running, start};
use protocol::{
    api::Status,
    checkpoint::{add_checkpoint, log_key},
    key::SecretKey,
    log::LogProof,
    note::NoteKey,
};
use support::{Community, nodes::NodeFiles, ports::free_port, until};
use testkit::told::Told;

/// Where the programs are, beside the directory for the tests' files; another place is named by the variable.
const WITNESS: (&str, &str) = ("WITNESS_BIN", "witness/bin");

fn bin(program: &str) -> PathBuf {
    let (variable, installed) = WITNESS;
    let beside = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(installed);
    std::env::var_os(variable).map_or(beside, PathBuf::from).join(program)
}

fn ran(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// The witness as its own command line makes and runs it.
struct Foreign {
    config: PathBuf,
    url: String,
    key: NoteKey,
    serving: Child,
}

impl Foreign {
    async fn start(directory: &Path, log: &NoteKey) -> Foreign {
        let config = directory.join("witness.json");
        let listen = format!("127.0.0.1:{}", free_port());
        let command = |arguments: &[&str]| {
            let mut command = Command::new(bin("aics-witness"));
            command.args(arguments).arg("--config").arg(&config);
            command
        };
        let said = ran(&mut command(&["init", "--name", "witness.example/w1", "--listen", &listen]));
        let key = said.split_whitespace().find_map(|word| word.parse::<NoteKey>().ok()).unwrap();
        ran(&mut command(&["add-log", "--origin", log.name(), "--vkey", &log.to_string()]));
        let serving = command(&["serve"]).spawn().unwrap();
        let url = format!("http://{listen}");
        let health = format!("{url}/healthz");
        until("the witness", async || reqwest::get(&health).await.ok()).await;
        Foreign { config, url, key, serving }
    }

    /// Its answer to a log, in its protocol.
    async fn asked(&self, body: String) -> (u16, String) {
        let post = reqwest::Client::new().post(format!("{}/add-checkpoint", self.url)).body(body);
        let answer = post.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    fn evidence(&self) -> String {
        ran(Command::new(bin("aics-witness")).arg("evidence").arg("--config").arg(&self.config))
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.serving.kill();
        let _ = self.serving.wait();
    }
}

/// One validator, which has its own heartbeat, and shows its log to a witness if there is one.
async fn validator(directory: &Path, community: &Community, witnesses: &str) -> Running {
    let files = NodeFiles {
        number: 0,
        validator: Some(0),
        listen: "/ip4/127.0.0.1/tcp/0",
        peers: &[],
        gossip_listen: "/ip4/127.0.0.1/tcp/0",
        gossip_peers: &[],
        api: "127.0.0.1:0",
        heartbeat_ms: 200,
        propose_ms: 2_000,
    };
    let path = files.write(directory, community);
    fs::write(&path, fs::read_to_string(&path).unwrap() + witnesses).unwrap();
    start(Config::load(&path).unwrap()).await.unwrap()
}

/// The key of that validator's connections, as its files have it.
fn network() -> SecretKey {
    SecretKey::from_seed(&[200; 32])
}

async fn text(node: &Running, path: &str) -> String {
    reqwest::get(format!("http://{}{path}", node.api)).await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs aics-witness, which .ci/run installs"]
async fn a_witness_that_nobody_here_wrote_cosigns_growth_and_refuses_what_all_validators_forge() {
    let community = Community::new(2, 1);
    let chain = community.genesis.chain();
    let directory = tempfile::tempdir().unwrap();
    let log = log_key(&chain, &network()).1;
    let witness = Foreign::start(directory.path(), &log).await;
    let section = format!("\n[[witnesses]]\nurl = \"{}\"\nkey = \"{}\"\nevery_s = 1\n", witness.url, witness.key);
    let node = validator(directory.path(), &community, &section).await;

    // It cosigns, and again what has grown.
    let seen = async || {
        let status: Status = serde_json::from_str(&text(&node, "/v1/status").await).unwrap();
        assert_eq!(status.witnesses[0].fault, None, "{:?}", status.witnesses[0].detail);
        status.witnesses[0].size
    };
    let first = until("a first cosignature", async || Some(seen().await).filter(|size| *size > 0)).await;
    until("one of a longer log", async || (seen().await > first).then_some(())).await;
    let verifier = Verifier::new(&community.genesis);
    let policy = Policy::new(vec![witness.key.clone()], 1).unwrap();
    let proof: LogProof = text(&node, "/v1/log/proof/1").await.parse().unwrap();
    let header = node.ledger.block(1).unwrap().unwrap().header;
    let good = verifier.check_logged(&header, &proof, &policy).unwrap();
    assert_eq!(good.witnesses[0].0, witness.key.name());
    let size = seen().await;
    node.stop().await.unwrap();

    // A log that it knows says again what it said before.
    let mut forged = Told::new(community.clone());
    forged.network = network();
    let receipt = forged.settle(0, 1_000).remove(0);
    assert_eq!(verifier.verify(&receipt), Ok(()), "all validators have signed it");
    let (status, at) = witness.asked(add_checkpoint(0, &[], &forged.checkpoint(1))).await;
    assert_eq!(status, 409, "{at}");
    let at: u64 = at.trim_end().parse().unwrap();
    assert!(at >= size);
    // A shorter log, whose old size cannot be the witness'.
    assert_eq!(witness.asked(add_checkpoint(at, &[], &forged.checkpoint(1))).await.0, 400);
    // All validators forge a history for one household that is longer than what the witness has seen.
    while (forged.headers.len() as u64) <= at {
        let _ = forged.settle(0, 1_000);
    }
    let proof = forged.log(forged.headers.len()).prove_growth(at).unwrap().unwrap();
    let (status, body) = witness.asked(add_checkpoint(at, &proof, &forged.checkpoint(1))).await;
    assert_eq!(status, 422, "{body}");
    assert!(witness.evidence().contains(log.name()), "it keeps what was forged");
    // So the household that was told it sees that nobody else was.
    let fault = verifier.check_logged(&receipt.header, &forged.proof(1, forged.checkpoint(1)), &policy).unwrap_err();
    assert!(matches!(fault, LogFault::TooFewWitnesses { .. }), "{fault}");
    let node = validator(directory.path(), &community, &section).await;
    let honest: LogProof =
        until("the proof of before", async || text(&node, "/v1/log/proof/1").await.parse().ok()).await;
    let fault = verifier.check_logged(&receipt.header, &honest, &policy).unwrap_err();
    assert_eq!(fault, LogFault::NotInLog { height: 1, witnesses: vec![witness.key.name().into()] });
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs golang-go and golang-golang-x-mod-dev, which .ci/run installs"]
async fn gos_reader_of_its_checksum_database_follows_the_log_by_its_tiles() {
    let community = Community::new(2, 1);
    let directory = tempfile::tempdir().unwrap();
    let node = validator(directory.path(), &community, "").await;
    let log = log_key(&community.genesis.chain(), &network()).1.to_string();
    let program = directory.path().join("follow");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/follow/main.go");
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(&program).arg(source).env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode");
    ran(build.env("GOCACHE", directory.path().join("go")).env("GOFLAGS", "-mod="));
    let url = format!("http://{}", node.api);
    let follow = |known: &[&str]| {
        let mut command = Command::new(&program);
        command.args([&url, &log]).args(known);
        command
    };
    until("a checkpoint", async || (node.ledger.log_size().unwrap() >= 3).then_some(())).await;
    let said = tokio::task::spawn_blocking({
        let mut command = follow(&[]);
        move || ran(&mut command)
    });
    let said = said.await.unwrap();
    let [size, root, opened, unknown] = said.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{said}") };
    assert_eq!(
        (opened, unknown),
        ("1", "1"),
        "the log's signature, and the validator's, of a kind that it does not know"
    );
    let before: u64 = size.parse().unwrap();
    until("a longer log", async || (node.ledger.log_size().unwrap() > before + 3).then_some(())).await;
    let mut command = follow(&[size, root]);
    let later = tokio::task::spawn_blocking(move || ran(&mut command)).await.unwrap();
    assert!(later.split_whitespace().next().unwrap().parse::<u64>().unwrap() > before, "{later}");
    // A fork from what was seen before is none that it takes for growth.
    let mut command = follow(&[size, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]);
    let refused = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(!refused.status.success());
    node.stop().await.unwrap();
}
