//! A node under a flood: thousands of connections, and garbage on those that it lets in. The node is a process of its
//! own, whose memory can be looked at; so is each of those that hold connections, because one process may not open so
//! many.
//!
//! No test asserts a time. That consensus keeps its latency under a flood is read off the blocks: none of them needed a
//! second round, which begins where a proposal or votes are late. How long blocks took is printed beside it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "stranger/large.rs"]
mod large;
mod stranger;
mod support;

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use large::{LargeMessages, swollen};
use ledger_node::{
    node::{
        Config, Gossip, Ledger, Running,
        gossip::{PeerLimits, Settings},
        start,
    },
    store::MemoryStore,
};
use libp2p::{Multiaddr, multiaddr::Protocol};
use protocol::{
    api::Submitted, block::Transaction, cbor, decision::Action, envelope::Sealed, hash::Hash,
    limits::TRANSACTION_BYTES_MAX, order::Order,
};
use stranger::Stranger;
use support::{Community, nodes::NodeFiles, ports::free_port};
use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt,
    net::{TcpSocket, TcpStream},
};

/// Connections in all: these many processes, with these many each.
const FLOODERS: u8 = 12;
const CONNECTIONS_EACH: usize = 900;
/// Peers that send what no honest node sends, and peers that send what does not apply.
const FORGERS: u64 = 6;
const BABBLERS: u64 = 4;
const MESSAGES_EACH: u64 = 300;
/// Peers and callers that send 4 MiB of empty readings, and how often; the peers under a new name each time, so that
/// nobody is cut off for it.
const SWELLERS: u64 = 4;
const SWOLLEN_EACH: u64 = 5;
/// Peers that send a validator frames which are longer than any that it takes.
const STRETCHERS: u64 = 2;
/// What such a message may cost, times its bytes: of a caller while it is answered; of a peer as long as it stays,
/// because its connection keeps the room that the frame took.
const CALLED_TIMES_MAX: u64 = 4;
const FRAMED_TIMES_MAX: u64 = 2;
/// What a connection may cost a node beside the messages that wait: a window of its stream, and room to handshake in.
const BYTES_PER_CONNECTION_MAX: u64 = 512 * 1_024;
/// Validators of equal power: none of them can be missed.
const VALIDATORS: usize = 3;
/// Milliseconds between two blocks while nobody waits for one.
const HEARTBEAT_MS: u64 = 50;
/// Blocks decided in peace, and as many under the flood.
const BLOCKS: u64 = 100;
/// How long one that was shown the door waits before it knocks again.
const KNOCK: Duration = Duration::from_secs(4);
/// After this the test counts as hung.
const PATIENCE: Duration = Duration::from_secs(240);

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["node"] => runtime.block_on(node()),
        ["validator", config] => runtime.block_on(validator(Path::new(config))),
        ["knock", source, targets @ ..] => runtime.block_on(knock(source.parse().unwrap(), targets)),
        ["flood", target, source] => runtime.block_on(flood(target.parse().unwrap(), source.parse().unwrap())),
        // Nothing here needs more than Rust and a C compiler.
        ["--ignored"] => {}
        _ => runtime.block_on(async {
            let flooded = tokio::time::timeout(PATIENCE, a_flooded_node_stays_small_and_hears_its_peers());
            flooded.await.expect("the flooded node answers");
            let flooded = tokio::time::timeout(PATIENCE, a_flooded_validator_takes_part_in_every_block());
            flooded.await.expect("the flooded validator votes");
        }),
    }
}

fn community() -> Community {
    Community::new(4, 1)
}

async fn open(number: u8, peers: Vec<String>) -> (Arc<Ledger>, Gossip) {
    let (ledger, submitted) = Ledger::open(community().genesis, Arc::new(MemoryStore::default()), None).unwrap();
    let ledger = Arc::new(ledger);
    let listen = "/ip4/127.0.0.1/tcp/0".into();
    let settings = Settings { network_seed: [number; 32], listen, peers, limits: PeerLimits::default() };
    let gossip = Gossip::open(settings, ledger.clone(), submitted).await.unwrap();
    (ledger, gossip)
}

/// The value of a counter of gossip, 0 while there is none.
fn counted(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("voisin_ledger_gossip_{name} ")));
    line.map_or(0, |value| value.parse().unwrap())
}

/// Sends messages that swell to a node's peers' port, each under a new name, and stays.
async fn swell_gossip(address: Multiaddr, number: u64) -> Vec<Stranger> {
    let mut strangers = Vec::new();
    for message in number * SWOLLEN_EACH..(number + 1) * SWOLLEN_EACH {
        let mut stranger =
            Stranger::connect(community().genesis.chain(), &address, TRANSACTION_BYTES_MAX + 1_024).await;
        assert!(stranger.send(swollen(&community(), message)).await, "one such message cuts nobody off");
        stranger.flush().await;
        strangers.push(stranger);
    }
    strangers
}

/// Hands such messages to a node's API.
async fn swell_api(url: String, number: u64) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for message in number * SWOLLEN_EACH..(number + 1) * SWOLLEN_EACH {
        let post =
            client.post(&url).header("content-type", "application/cbor").body(swollen(&community(), 1_000 + message));
        let answer: Submitted = post.send().await.unwrap().json().await.unwrap();
        let Submitted::Refused { refusal, .. } = answer else { panic!("{answer:?}") };
        assert_eq!(refusal, "unknown_signer", "who signed comes before what is inside");
    }
}

/// The process that is flooded. For each transaction that it is asked for, it says whether that waits here, and what it
/// counts.
async fn node() {
    let (ledger, gossip) = open(1, vec![]).await;
    println!("{}", gossip.address());
    tokio::spawn(gossip.run(std::future::pending()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let access = ledger_node::api::Settings::default().open(address).unwrap();
    tokio::spawn(ledger_node::api::serve(listener, ledger.clone(), u64::MAX, access, std::future::pending()));
    println!("http://{address}/v1/transactions");
    tokio::task::spawn_blocking(move || {
        for line in std::io::stdin().lines() {
            let metrics = ledger.metrics_text().unwrap();
            let refused = ["too_many_connections", "too_many_connections_of_address"];
            let refused: u64 =
                refused.iter().map(|name| counted(&metrics, &format!("refusals_total{{refusal=\"{name}\"}}"))).sum();
            let (connections, cut_off) = (counted(&metrics, "connections"), counted(&metrics, "peers_cut_off_total"));
            let waiting = u8::from(ledger.is_waiting(&line.unwrap().parse().unwrap()));
            let swollen = counted(&metrics, "messages_total{verdict=\"rejected\",reason=\"unknown_signer\"}");
            println!("{connections} {refused} {cut_off} {waiting} {swollen}");
            std::io::stdout().flush().unwrap();
        }
    })
    .await
    .unwrap();
}

/// A process that opens connections, says nothing on them, and holds them until its input ends.
async fn flood(target: SocketAddr, source: Ipv4Addr) {
    let mut connections: Vec<TcpStream> = Vec::new();
    while connections.len() < CONNECTIONS_EACH {
        let opened = async {
            let socket = TcpSocket::new_v4()?;
            socket.bind((source, 0).into())?;
            socket.connect(target).await
        };
        match opened.await {
            Ok(connection) => connections.push(connection),
            Err(error) => {
                eprintln!("after {} connections: {error}", connections.len());
                break;
            }
        }
    }
    println!("{}", connections.len());
    std::io::stdout().flush().unwrap();
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().lines().count()).await;
}

/// Another process of this test.
struct Other {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Other {
    fn start(arguments: &[&str]) -> Other {
        let mut command = Command::new(env::current_exe().unwrap());
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Other { child, input, output }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "the other process has ended");
        line.trim_end().to_owned()
    }

    /// What a validator has refused: connections, and messages because nobody knows who signed them.
    fn refused(&mut self) -> (u64, u64) {
        writeln!(self.input.as_mut().unwrap()).unwrap();
        let line = self.line();
        let (connections, messages) = line.split_once(' ').unwrap();
        (connections.parse().unwrap(), messages.parse().unwrap())
    }

    fn look(&mut self, transaction: &Hash) -> Look {
        writeln!(self.input.as_mut().unwrap(), "{transaction}").unwrap();
        let numbers: Vec<u64> = self.line().split(' ').map(|number| number.parse().unwrap()).collect();
        let [connections, refused, cut_off, waiting, swollen] = numbers[..] else { panic!("five numbers") };
        Look { connections, refused, cut_off, waiting: waiting == 1, swollen }
    }

    /// Bytes of memory that the process has.
    fn memory(&self) -> u64 {
        self.memory_as("VmRSS:")
    }

    /// The most that it ever had.
    fn memory_peak(&self) -> u64 {
        self.memory_as("VmHWM:")
    }

    fn memory_as(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1_024
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

struct Look {
    connections: u64,
    refused: u64,
    cut_off: u64,
    waiting: bool,
    /// Messages that were rejected because nobody knows who signed them.
    swollen: u64,
}

fn order(community: &Community, member: usize, sequence: u64) -> Transaction {
    let valid_from = community.genesis.first_interval.offset(4).unwrap();
    community.order(member, Order { sequence, valid_from, buy: None, sell: None, buy_cap: None, sell_cap: None })
}

/// An order that can be read, with a bit of its signature flipped.
fn forged(community: &Community, number: u64) -> Vec<u8> {
    let Transaction::PlaceOrder(sealed) = order(community, 0, 1 + number) else { unreachable!("an order") };
    let mut bytes = sealed.bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    cbor::encode(&Transaction::PlaceOrder(Sealed::from(bytes)))
}

/// A decision that all validators approve, and whose turn is not yet.
fn premature(community: &Community, number: u64) -> Vec<u8> {
    let validators = community.genesis.validators.clone();
    cbor::encode(&community.decide(2 + number, Action::SetValidators { validators }))
}

fn socket(address: &Multiaddr) -> SocketAddr {
    let parts: Vec<Protocol<'_>> = address.iter().collect();
    let [Protocol::Ip4(ip), Protocol::Tcp(port)] = parts[..] else { panic!("an address of TCP over IPv4") };
    (ip, port).into()
}

async fn a_flooded_node_stays_small_and_hears_its_peers() {
    let mut node = Other::start(&["node"]);
    let address: Multiaddr = node.line().parse().unwrap();
    let url = node.line();
    let (honest, gossip) = open(2, vec![address.to_string()]).await;
    tokio::spawn(gossip.run(std::future::pending()));
    let first = order(&community(), 1, 1);
    honest.submit(first.clone()).unwrap();
    while !node.look(&first.id()).waiting {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let before = node.memory();

    let chain = community().genesis.chain();
    let mut garbage = Vec::new();
    for number in 0..FORGERS + BABBLERS {
        let mut stranger = Stranger::connect(chain, &address, TRANSACTION_BYTES_MAX).await;
        garbage.push(tokio::spawn(async move {
            let kind = if number < FORGERS { forged } else { premature };
            for message in number * MESSAGES_EACH..(number + 1) * MESSAGES_EACH {
                if !stranger.send(kind(&community(), message)).await {
                    break;
                }
            }
            stranger
        }));
    }
    let peers: Vec<_> = (0..SWELLERS).map(|number| tokio::spawn(swell_gossip(address.clone(), number))).collect();
    let callers: Vec<_> = (0..SWELLERS).map(|number| tokio::spawn(swell_api(url.clone(), number))).collect();
    let (limits, mut memory) = (PeerLimits::default(), before);
    while node.look(&first.id()).swollen < SWELLERS * SWOLLEN_EACH || callers.iter().any(|caller| !caller.is_finished())
    {
        memory = memory.max(node.memory());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for caller in callers {
        caller.await.unwrap();
    }
    for peer in peers {
        drop(peer.await.unwrap());
    }
    // Each from an address of its own, so that no limit of one address hides the limit of all.
    let target = socket(&address).to_string();
    let mut flooders: Vec<Other> =
        (1..=FLOODERS).map(|number| Other::start(&["flood", &target, &format!("127.0.1.{number}")])).collect();
    let connections_max = u64::from(limits.incoming_max + limits.handshakes_max);
    let (mut opened, mut most) = (0, 0);
    for flooder in &mut flooders {
        opened += flooder.line().parse::<u64>().unwrap();
        most = most.max(node.look(&first.id()).connections);
        memory = memory.max(node.memory());
    }
    let second = order(&community(), 2, 1);
    honest.submit(second.clone()).unwrap();
    while !node.look(&second.id()).waiting {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for stranger in garbage {
        drop(stranger.await.unwrap());
    }
    let third = order(&community(), 3, 1);
    honest.submit(third.clone()).unwrap();
    while !node.look(&third.id()).waiting {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let Look { connections, refused, cut_off, .. } = node.look(&third.id());
    most = most.max(connections);
    memory = memory.max(node.memory());
    println!(
        "{opened} connections opened, {most} held at most, {refused} refused; {cut_off} peers cut off; memory {} MiB \
         before, {} MiB at most",
        before >> 20,
        memory >> 20
    );
    assert!(opened > 10 * connections_max, "too few to be a flood");
    assert!(most <= connections_max, "expected at most {connections_max} connections, found {most}");
    assert!(refused >= opened - connections_max - u64::from(FLOODERS), "the others were refused");
    assert_eq!(cut_off, FORGERS, "those that forge, and nobody else");
    let swollen_max = SWELLERS * (CALLED_TIMES_MAX + SWOLLEN_EACH * FRAMED_TIMES_MAX) * TRANSACTION_BYTES_MAX as u64;
    let memory_max =
        before + connections_max * BYTES_PER_CONNECTION_MAX + limits.waiting_bytes_max as u64 + swollen_max;
    assert!(memory <= memory_max, "expected at most {memory_max} bytes of memory, found {memory}");
}

/// A validator that is flooded. Each line that it is sent makes it say how many connections it has refused, and how
/// many messages because nobody knows who signed them.
async fn validator(config: &Path) {
    let running = start(Config::load(config).unwrap()).await.unwrap();
    let ledger = running.ledger.clone();
    println!("running");
    tokio::task::spawn_blocking(move || {
        for _ in std::io::stdin().lines() {
            let metrics = ledger.metrics_text().unwrap();
            let refused = metrics.lines().filter(|line| line.starts_with("voisin_ledger_gossip_refusals_total{"));
            let refused: u64 = refused.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
            let swollen = counted(&metrics, "messages_total{verdict=\"rejected\",reason=\"unknown_signer\"}");
            println!("{refused} {swollen}");
            std::io::stdout().flush().unwrap();
        }
    })
    .await
    .unwrap();
    running.stop().await.unwrap();
}

/// A process that knocks at several doors until its input ends, and knocks again wherever it was shown out. Then it
/// says how often it was let in or shown out.
async fn knock(source: Ipv4Addr, targets: &[&str]) {
    let targets: Vec<SocketAddr> = targets.iter().map(|target| target.parse().unwrap()).collect();
    let opened = Arc::new(AtomicU64::new(0));
    for number in 0..CONNECTIONS_EACH {
        let (target, opened) = (targets[number % targets.len()], opened.clone());
        tokio::spawn(async move {
            loop {
                let socket = TcpSocket::new_v4().unwrap();
                let connected = async {
                    socket.bind((source, 0).into())?;
                    socket.connect(target).await
                };
                if let Ok(mut connection) = connected.await {
                    opened.fetch_add(1, Relaxed);
                    let mut nothing = [0; 256];
                    while connection.read(&mut nothing).await.is_ok_and(|length| length > 0) {}
                }
                tokio::time::sleep(KNOCK).await;
            }
        });
    }
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().lines().count()).await;
    println!("{}", opened.load(Relaxed));
    std::io::stdout().flush().unwrap();
}

/// Sends messages of a kind until told to stop, each time under another name after it was cut off. Returns how many.
async fn babble(
    community: Arc<Community>,
    address: Multiaddr,
    kind: fn(&Community, u64) -> Vec<u8>,
    first: u64,
    stop: Arc<AtomicBool>,
) -> u64 {
    let (chain, mut sent) = (community.genesis.chain(), 0);
    while !stop.load(Relaxed) {
        let Ok(mut stranger) = Stranger::try_connect(chain, &address, TRANSACTION_BYTES_MAX).await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        while !stop.load(Relaxed) && stranger.send(kind(&community, first + sent)).await {
            sent += 1;
        }
    }
    sent
}

/// How long each of the next blocks took, the shortest first.
async fn latencies(node: &Running) -> Vec<Duration> {
    let height = || node.ledger.status().height;
    let last = height() + BLOCKS;
    let mut times = Vec::new();
    let mut since = Instant::now();
    let mut seen = height();
    while seen < last {
        tokio::time::sleep(Duration::from_millis(1)).await;
        if height() > seen {
            seen = height();
            times.push(since.elapsed());
            since = Instant::now();
        }
    }
    times.sort_unstable();
    times
}

async fn a_flooded_validator_takes_part_in_every_block() {
    let community = Arc::new(Community::new(4, VALIDATORS));
    let directory = TempDir::new().unwrap();
    let address = |port: &u16| format!("/ip4/127.0.0.1/tcp/{port}");
    let ports: Vec<u16> = (0..VALIDATORS).map(|_| free_port()).collect();
    let gossip_ports: Vec<u16> = (0..VALIDATORS).map(|_| free_port()).collect();
    let configs: Vec<_> = (0..VALIDATORS)
        .map(|index| {
            let others = |ports: &[u16]| -> Vec<String> {
                ports.iter().filter(|port| **port != ports[index]).map(address).collect()
            };
            let files = NodeFiles {
                number: index as u8,
                validator: Some(index),
                listen: &address(&ports[index]),
                peers: &others(&ports),
                gossip_listen: &address(&gossip_ports[index]),
                gossip_peers: &others(&gossip_ports),
                api: "127.0.0.1:0",
                heartbeat_ms: HEARTBEAT_MS,
                propose_ms: 1_000,
            };
            files.write(directory.path(), &community)
        })
        .collect();
    let mut flooded = Other::start(&["validator", configs[0].to_str().unwrap()]);
    assert_eq!(flooded.line(), "running");
    let mut nodes = Vec::new();
    for config in &configs[1..] {
        nodes.push(start(Config::load(config).unwrap()).await.unwrap());
    }
    while nodes.iter().any(|node| node.ledger.status().height < 10) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let peace = latencies(&nodes[0]).await;
    let before = flooded.memory_peak();

    let stop = Arc::new(AtomicBool::new(false));
    let door: Multiaddr = address(&gossip_ports[0]).parse().unwrap();
    let large = LargeMessages::connect(&community, &door, SWELLERS * SWOLLEN_EACH, STRETCHERS).await;
    let babblers: Vec<_> = (0..FORGERS + BABBLERS)
        .map(|number| {
            let kind = if number < FORGERS { forged } else { premature };
            tokio::spawn(babble(community.clone(), door.clone(), kind, number << 32, stop.clone()))
        })
        .collect();
    let doors = [ports[0], gossip_ports[0]].map(|port| format!("127.0.0.1:{port}"));
    let mut knockers: Vec<Other> = (1..=FLOODERS)
        .map(|number| Other::start(&["knock", &format!("127.0.2.{number}"), &doors[0], &doors[1]]))
        .collect();
    let mut refused = 0;
    // The flood has begun once more was refused than may be let in.
    while refused < 1_000 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        (refused, _) = flooded.refused();
    }
    let first = nodes[0].ledger.status().height + 1;
    large.begin();
    let flood = latencies(&nodes[0]).await;
    let last = first + BLOCKS - 1;
    let (refused_after, mut swollen) = flooded.refused();
    assert!(swollen > 0, "no large message came while the blocks were decided");
    while swollen < SWELLERS * SWOLLEN_EACH {
        tokio::time::sleep(Duration::from_millis(20)).await;
        (_, swollen) = flooded.refused();
    }
    let memory = flooded.memory_peak();
    stop.store(true, Relaxed);
    large.end().await;
    let mut sent = 0;
    for babbler in babblers {
        sent += babbler.await.unwrap();
    }
    let mut opened = 0;
    for knocker in &mut knockers {
        drop(knocker.input.take());
        opened += knocker.line().parse::<u64>().unwrap();
    }

    let block = |node: &Running, height| node.ledger.block(height).unwrap().unwrap();
    let rounds: Vec<u32> = (first..=last).map(|height| block(&nodes[0], height).certificate.round).collect();
    let percentile = |times: &[Duration], percent: usize| times[times.len() * percent / 100].as_micros();
    println!(
        "{opened} connections to a validator, {refused_after} refused; {sent} messages, {swollen} that swell; \
         memory at most {} MiB before, {} MiB under the flood; µs a block: in peace {} median, {} of 99 %; \
         under the flood {} median, {} of 99 %; blocks of a later round: {}",
        before >> 20,
        memory >> 20,
        percentile(&peace, 50),
        percentile(&peace, 99),
        percentile(&flood, 50),
        percentile(&flood, 99),
        rounds.iter().filter(|round| **round > 0).count(),
    );
    assert!(refused_after > refused, "the flood had not ended before the blocks were decided");
    let limits = PeerLimits::default();
    // At each of its two doors.
    let connections_max = 2 * u64::from(limits.incoming_max + limits.handshakes_max);
    let frames_max = SWELLERS * SWOLLEN_EACH * FRAMED_TIMES_MAX * TRANSACTION_BYTES_MAX as u64;
    let memory_max = before + connections_max * BYTES_PER_CONNECTION_MAX + limits.waiting_bytes_max as u64 + frames_max;
    assert!(memory <= memory_max, "expected at most {memory_max} bytes of memory, found {memory}");
    for height in first..=last {
        assert_eq!(block(&nodes[0], height).block, block(&nodes[1], height).block, "a fork at height {height}");
    }
    assert_eq!(rounds, vec![0; rounds.len()], "a proposal or votes came too late");
    for node in nodes {
        node.stop().await.unwrap();
    }
}
