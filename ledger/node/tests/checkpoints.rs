//! The log of headers and its checkpoints at real nodes: cosigned by validators, shown to witnesses that answer,
//! refuse, babble or are silent; and made anew for a ledger from before there was one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::UNIX_EPOCH,
};

use axum::{Router, extract::State, http::StatusCode, routing::post};
use ledger::{
    logged::{LogFault, Policy},
    proof::Verifier,
};
use ledger_node::node::{CHECKPOINT_FILE, Config, Ledger, Running, start};
use protocol::{
    checkpoint::{SignedCheckpoint, log_key},
    key::SecretKey,
    log::{LogProof, Tile, grows, header_leaf},
    merkle::MerkleTree,
    note::NoteKey,
};
use support::{Community, history::History, ledger_of, nodes::NodeFiles, ports::free_port, until};
use testkit::{told::Told, witness::Witness};
use tokio::{net::TcpListener, task::JoinHandle};

const HEARTBEAT_MS: u64 = 300;

/// Configurations of validators that tell each other of transactions and cosignatures.
fn configured(directory: &Path, community: &Community, witnesses: &str) -> Vec<Config> {
    let ports: Vec<(u16, u16)> = community.validators.iter().map(|_| (free_port(), free_port())).collect();
    let address = |port: u16| format!("/ip4/127.0.0.1/tcp/{port}");
    let others = |own: usize, of: fn(&(u16, u16)) -> u16| {
        let others = ports.iter().enumerate().filter(|(number, _)| *number != own);
        others.map(|(_, ports)| address(of(ports))).collect::<Vec<_>>()
    };
    let configured = ports.iter().enumerate().map(|(number, (listen, gossip))| {
        let files = NodeFiles {
            number: number as u8,
            validator: Some(number),
            listen: &address(*listen),
            peers: &others(number, |(listen, _)| *listen),
            gossip_listen: &address(*gossip),
            gossip_peers: &others(number, |(_, gossip)| *gossip),
            api: "127.0.0.1:0",
            heartbeat_ms: HEARTBEAT_MS,
            propose_ms: 2_000,
        };
        let path = files.write(directory, community);
        // The first one alone shows its log to witnesses.
        if number == 0 {
            fs::write(&path, fs::read_to_string(&path).unwrap() + witnesses).unwrap();
        }
        Config::load(&path).unwrap()
    });
    configured.collect()
}

async fn started(configs: &[Config]) -> Vec<Running> {
    let mut nodes = Vec::new();
    for config in configs {
        nodes.push(start(config.clone()).await.unwrap());
    }
    nodes
}

/// How a witness of the tests answers.
#[derive(Clone)]
enum Manner {
    Honest(Arc<Mutex<Witness>>),
    /// The same for everything: a status, and a body.
    Says(u16, &'static str),
    Silent,
}

/// A witness at a port of its own.
async fn serve(manner: Manner) -> (String, JoinHandle<()>) {
    let answer = async |State(manner): State<Manner>, body: String| {
        let (status, body) = match manner {
            Manner::Honest(witness) => witness.lock().unwrap().add_checkpoint(&body),
            Manner::Says(status, body) => (status, body.to_owned()),
            Manner::Silent => std::future::pending().await,
        };
        (StatusCode::from_u16(status).unwrap(), body)
    };
    let router = Router::new().route("/add-checkpoint", post(answer)).with_state(manner);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (url, tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }))
}

fn section(url: &str, key: &NoteKey) -> String {
    format!("\n[[witnesses]]\nurl = \"{url}\"\nkey = \"{key}\"\nevery_s = 1\n")
}

async fn get(node: &Running, path: &str) -> (StatusCode, Vec<u8>) {
    let answer = reqwest::get(format!("http://{}{path}", node.api)).await.unwrap();
    (StatusCode::from_u16(answer.status().as_u16()).unwrap(), answer.bytes().await.unwrap().to_vec())
}

/// The proof of a height, as soon as the node has one that as many have seen as the policy demands.
fn now_s() -> i64 {
    UNIX_EPOCH.elapsed().unwrap().as_secs() as i64
}

/// A figure of a node's metrics, by its name and labels.
fn metric(metrics: &str, name: &str, labels: &[(&str, &str)]) -> i64 {
    let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    let series = format!("voisin_ledger_{name}{{{}}} ", labels.join(","));
    let figure = metrics.lines().find_map(|line| line.strip_prefix(&series));
    figure.unwrap_or_else(|| panic!("{series} is not in {metrics}")).parse().unwrap()
}

async fn proof(node: &Running, height: u64, verifier: &Verifier, policy: &Policy) -> LogProof {
    until("a proof that is seen by all", async || {
        let (status, body) = get(node, &format!("/v1/log/proof/{height}")).await;
        if status != StatusCode::OK {
            assert_eq!(status, StatusCode::NOT_FOUND);
            return None;
        }
        let proof: LogProof = String::from_utf8(body).unwrap().parse().unwrap();
        let header = node.ledger.block(height).unwrap().unwrap().header;
        match verifier.check_logged(&header, &proof, policy) {
            Ok(seen) => {
                assert_eq!(seen.size, proof.checkpoint.checkpoint().root.leaves);
                Some(proof)
            }
            Err(LogFault::TooFewWitnesses { .. }) => None,
            Err(fault) => panic!("{fault}"),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn validators_cosign_witnesses_see_and_one_that_babbles_or_is_silent_holds_up_nobody() {
    let community = Community::new(2, 4);
    let chain = community.genesis.chain();
    let directory = tempfile::tempdir().unwrap();
    // The seed of the first node's connections, as its files have it.
    let log = log_key(&chain, &SecretKey::from_seed(&[200; 32])).1;
    let honest = Arc::new(Mutex::new(Witness::new("witness.example/honest", 90, vec![log.clone()])));
    let key = |name: &str, seed| Witness::new(name, seed, vec![]).key;
    let manners = [
        (Manner::Honest(honest.clone()), honest.lock().unwrap().key.clone(), None),
        (Manner::Says(200, "<html>hello</html>\n"), key("babbles", 91), Some("nonsense")),
        (Manner::Says(409, "99999999\n"), key("is-ahead", 92), Some("ahead")),
        (Manner::Says(422, ""), key("saw-another", 93), Some("other_history")),
        (Manner::Says(404, ""), key("knows-none", 94), Some("unknown_log")),
        (Manner::Says(403, ""), key("knows-another-key", 95), Some("unknown_key")),
        (Manner::Silent, key("silent", 96), Some("unreachable")),
    ];
    let (mut sections, mut servers, mut expected) = (String::new(), Vec::new(), Vec::new());
    for (manner, key, fault) in manners {
        let (url, server) = serve(manner).await;
        sections += &section(&url, &key);
        servers.push(server);
        expected.push((key.name().to_owned(), fault));
    }
    let configs = configured(directory.path(), &community, &sections);
    let started_s = now_s();
    let nodes = started(&configs).await;
    let verifier = Verifier::new(&community.genesis);
    let honest_key = honest.lock().unwrap().key.clone();
    let seen_by_it = Policy::new(vec![honest_key.clone()], 1).unwrap();
    let first = proof(&nodes[0], 1, &verifier, &seen_by_it).await;
    // The other nodes serve what the validators have cosigned, too.
    let of_another = proof(&nodes[2], 1, &verifier, &Policy::default()).await;
    assert_ne!(
        of_another.checkpoint.note().signatures()[0],
        first.checkpoint.note().signatures()[0],
        "its own log key"
    );

    // Every fault is said, and the chain goes on.
    let status = until("the fault of each witness", async || {
        let (_, body) = get(&nodes[0], "/v1/status").await;
        let status: protocol::api::Status = serde_json::from_slice(&body).unwrap();
        let found: Vec<_> = status.witnesses.iter().map(|it| (it.witness.clone(), it.fault.clone())).collect();
        let wanted: Vec<_> = expected.iter().map(|(name, fault)| (name.clone(), fault.map(str::to_owned))).collect();
        (found == wanted && status.witnesses[0].size > 0).then_some(status)
    })
    .await;
    assert_eq!(status.log_key.as_ref(), Some(&log));
    assert!(status.witnesses.iter().all(|it| it.fault.is_some() == it.detail.is_some()));
    let (_, metrics) = get(&nodes[0], "/metrics").await;
    let metrics = String::from_utf8(metrics).unwrap();
    let mut seen_at = Vec::new();
    for (name, fault) in &expected {
        let line = format!(
            "voisin_ledger_witness_answers_total{{witness=\"{name}\",outcome=\"{}\"}}",
            fault.unwrap_or("cosigned")
        );
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
        // What the shipped alerts go by.
        let refusals = metric(&metrics, "witness_answers_total", &[("witness", name), ("outcome", "other_history")]);
        assert_eq!(refusals > 0, *fault == Some("other_history"), "{name}: {refusals}");
        let seen_s = metric(&metrics, "witness_seen_seconds", &[("witness", name)]);
        assert!((started_s..=now_s()).contains(&seen_s), "{name}: {started_s}, {seen_s}");
        seen_at.push(seen_s);
    }
    until("the honest one sees another", async || {
        let metrics = String::from_utf8(get(&nodes[0], "/metrics").await.1).unwrap();
        let seen = expected.iter().map(|(name, _)| metric(&metrics, "witness_seen_seconds", &[("witness", name)]));
        let seen: Vec<i64> = seen.collect();
        assert_eq!(seen[1..], seen_at[1..], "who has seen nothing has not since the node started");
        (seen[0] > seen_at[0]).then_some(())
    })
    .await;
    assert_eq!(metric(&metrics, "log_faults_total", &[("fault", "other_history")]), 0);
    let height = nodes[0].ledger.head().tip.height;
    until("more blocks", async || (nodes[0].ledger.head().tip.height > height + 2).then_some(())).await;

    // Checkpoints grow, and that is proved.
    let later = proof(&nodes[0], height + 1, &verifier, &seen_by_it).await;
    let [old, new] = [&first, &later].map(|proof| proof.checkpoint.checkpoint().root);
    let (status, body) = get(&nodes[1], &format!("/v1/log/consistency?from={}&to={}", old.leaves, new.leaves)).await;
    assert_eq!(status, StatusCode::OK);
    let consistency: protocol::api::Consistency = serde_json::from_slice(&body).unwrap();
    assert_eq!([consistency.from, consistency.to], [old, new]);
    assert!(grows(&old, &new, &consistency.path));
    let (status, _) = get(&nodes[1], "/v1/log/consistency?from=9&to=3").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "it does not shrink");

    // Its tiles are those of the tree over its headers.
    let headers: Vec<_> = (1..=old.leaves).map(|it| nodes[3].ledger.block(it).unwrap().unwrap().header).collect();
    let width = old.leaves;
    let (status, hashes) = get(&nodes[3], &format!("/v1/log/tile/0/000.p/{width}")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(hashes, headers.iter().flat_map(|it| *header_leaf(it).as_bytes()).collect::<Vec<_>>());
    let (_, entries) = get(&nodes[3], &format!("/v1/log/tile/entries/000.p/{width}")).await;
    let mut rest = &entries[..];
    for header in &headers {
        let (length, after) = rest.split_first_chunk().unwrap();
        let (entry, after) = after.split_at(u16::from_be_bytes(*length).into());
        assert_eq!(entry, protocol::cbor::encode(header));
        rest = after;
    }
    assert!(rest.is_empty());
    for (tile, expected) in [("0/999", 404), ("0/000.p/0", 400), ("9/000", 400), ("entries/x001/000", 404)] {
        assert_eq!(get(&nodes[3], &format!("/v1/log/tile/{tile}")).await.0.as_u16(), expected, "{tile}");
    }
    assert_eq!(get(&nodes[3], "/v1/log/proof/999999").await.0, StatusCode::NOT_FOUND);

    // What a witness has seen is served again after a restart, before any block is new.
    for node in nodes {
        node.stop().await.unwrap();
    }
    servers.iter().for_each(JoinHandle::abort);
    let text = fs::read_to_string(configs[0].state.join(CHECKPOINT_FILE)).unwrap();
    let kept: LogProof = text.parse().unwrap();
    let alone = start(configs[0].clone()).await.unwrap();
    let served = until("the checkpoint of before", async || {
        let (status, body) = get(&alone, "/v1/log/checkpoint").await;
        let text = String::from_utf8(body).unwrap();
        let signed: SignedCheckpoint = text.parse().ok().filter(|_| status == StatusCode::OK)?;
        signed.note().signed_by(&honest_key).map(|_| signed)
    })
    .await;
    assert_eq!(served, kept.checkpoint);
    alone.stop().await.unwrap();
}

#[test]
fn a_ledger_from_before_there_was_a_log_gets_it_from_its_blocks() {
    let mut history = History::eventful();
    let store = Arc::new(std::mem::take(&mut history.store));
    let (ledger, _) = Ledger::open(history.community.genesis.clone(), store, None).unwrap();
    assert_eq!(ledger.log_size().unwrap(), 0);
    assert_eq!(ledger.checkpoint().unwrap(), None);
    let height = ledger.head().tip.height;
    assert_eq!(ledger.extend_log().unwrap(), height);
    let headers = (1..=height).map(|height| ledger.block(height).unwrap().unwrap().header);
    let tree: MerkleTree = headers.map(|header| protocol::cbor::encode(&header)).collect();
    let all = ledger.consistency(0, height).unwrap().unwrap();
    assert_eq!((all.to, all.path), (tree.root(), vec![]));
    assert_eq!(ledger.consistency(0, height + 1).unwrap(), None);
    assert_eq!(ledger.extend_log().unwrap(), height, "nothing to do");
    let tile: Tile = format!("0/000.p/{height}").parse().unwrap();
    assert_eq!(ledger.tile(&tile).unwrap().unwrap().len() as u64, 32 * height);
}

#[test]
fn a_long_ledger_gets_its_log_in_parts_and_it_is_the_same() {
    const BLOCKS: u64 = 300;
    let mut community = Community::new(1, 1);
    let (store, _) = ledger_of(&mut community, BLOCKS, || {});
    let (ledger, _) = Ledger::open(community.genesis.clone(), Arc::new(store), None).unwrap();
    assert_eq!([ledger.extend_log().unwrap(), ledger.extend_log().unwrap()], [256, BLOCKS]);
    let headers = (1..=BLOCKS).map(|height| ledger.block(height).unwrap().unwrap().header);
    let tree: MerkleTree = headers.map(|header| protocol::cbor::encode(&header)).collect();
    let grown = ledger.consistency(200, BLOCKS).unwrap().unwrap();
    assert_eq!(grown.to, tree.root());
    assert!(grows(&grown.from, &grown.to, &grown.path));
}

#[test]
fn the_program_verifies_offline_that_witnesses_have_seen_a_receipts_block() {
    let mut told = Told::new(Community::new(2, 4));
    let log = log_key(&told.community.genesis.chain(), &told.network).1;
    let mut witness = Witness::new("witness.example/w1", 90, vec![log]);
    let mut forged = told.clone();
    let (honest, lie) = (told.settle(0, 100).remove(0), forged.settle(0, 1_000).remove(0));
    let (status, seen) = told.show(&mut witness, 0);
    assert_eq!(status, 200);
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(directory.path().join(name), bytes).unwrap();
    write("genesis.json", &serde_json::to_vec(&told.community.genesis).unwrap());
    write("honest.json", &honest.to_json());
    write("lie.json", &lie.to_json());
    let proof = told.proof(1, seen).to_string();
    write("seen.tlog-proof", proof.as_bytes());
    write("cut.tlog-proof", &proof.as_bytes()[..proof.len() - 9]);
    write("forgers.tlog-proof", forged.proof(1, forged.checkpoint(4)).to_string().as_bytes());
    let verify = |receipt: &str, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ledger"));
        command.current_dir(directory.path()).args(["verify", receipt, "--genesis", "genesis.json"]).args(more);
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let key = witness.key.to_string();
    let demand = |proof: &'static str| ["--log-proof", proof, "--witness", &key].map(str::to_owned);
    for (receipt, more, code, said) in [
        ("honest.json", demand("seen.tlog-proof").to_vec(), 0, "witnesses  witness.example/w1\nproved"),
        ("lie.json", vec![], 0, "proved"),
        ("lie.json", demand("seen.tlog-proof").to_vec(), 1, "seen.tlog-proof: not_in_log: block 1 of the ledger"),
        ("lie.json", demand("forgers.tlog-proof").to_vec(), 1, "forgers.tlog-proof: too_few_witnesses: expected 1"),
        ("honest.json", demand("cut.tlog-proof").to_vec(), 2, "cut.tlog-proof: malformed_proof: expected"),
        ("honest.json", demand("nowhere").to_vec(), 2, "nowhere: "),
        (
            "honest.json",
            [&demand("seen.tlog-proof")[..], &["--witnesses".into(), "2".into()]].concat(),
            2,
            "at most 1 witnesses",
        ),
        ("honest.json", vec!["--witness".into(), key.clone()], 2, "--log-proof"),
        ("honest.json", vec!["--log-proof".into(), "seen.tlog-proof".into(), "--witness".into(), "w1".into()], 2, "w1"),
    ] {
        let (found, stdout, stderr) = verify(receipt, &more.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(found, Some(code), "{receipt} {more:?}: {stdout}{stderr}");
        assert!(format!("{stdout}{stderr}").contains(said), "{receipt} {more:?}: {stdout}{stderr}");
        assert!(code == 0 || (stdout.is_empty() && stderr.trim_end().lines().count() == 1), "{stdout}{stderr}");
    }
}

#[tokio::test]
async fn a_configuration_of_witnesses_that_cannot_be_is_bad_input() {
    let community = Community::new(1, 1);
    let directory = tempfile::tempdir().unwrap();
    let key = Witness::new("witness.example/w1", 90, vec![]).key;
    let log = log_key(&community.genesis.chain(), &SecretKey::from_seed(&[1; 32])).1;
    let files = NodeFiles {
        number: 0,
        validator: Some(0),
        listen: "/ip4/127.0.0.1/tcp/0",
        peers: &[],
        gossip_listen: "/ip4/127.0.0.1/tcp/0",
        gossip_peers: &[],
        api: "127.0.0.1:0",
        heartbeat_ms: HEARTBEAT_MS,
        propose_ms: 2_000,
    };
    let path = files.write(directory.path(), &community);
    let plain = fs::read_to_string(&path).unwrap();
    let load = |text: &str| {
        fs::write(&path, format!("{plain}{text}")).unwrap();
        Config::load(&path)
    };
    let good = section("http://127.0.0.1:1", &key);
    assert_eq!(load(&good).unwrap().witnesses.len(), 1);
    for (text, reason) in [
        (good.repeat(2), "expected each witness once"),
        (section("http://127.0.0.1:1", &log), "expected the key of a witness, of type 0x04"),
        (good.replace("every_s = 1", "every_s = 0"), "`every_s` of witness.example/w1: expected at least 1, found 0"),
        (good.replace("+", "+0"), "expected the key of a log or a witness"),
        (good.replace("url", "address"), "unknown field `address`"),
    ] {
        let error = load(&text).unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains('\n'), "{error}");
    }
    // Where only starting shows it.
    let config = load(&section("https://127.0.0.1:1", &key)).unwrap();
    let Err(error) = start(config).await else { panic!("it started") };
    assert!(error.to_string().starts_with("[[witnesses]] witness.example/w1: "), "{error}");
}
