//! One interval's readings of ten thousand devices, through a real broker into the real program, with duplicates and
//! bad ones among them: every good one is settled once, every bad one is refused under its name, and memory stays
//! bounded.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use protocol::{
    answer::{Announcement, Answer, Outcome, Refusal},
    commit::Validator,
    envelope::Signed,
    genesis::{Genesis, GenesisMember, Rules},
    hash::Hash,
    interval::Interval,
    key::SecretKey,
    limits::MEMBERS_MAX,
    member::MemberId,
    reading::{Reading, Registers, SignedReading},
    topic::Topics,
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use support::fake_ledger::FakeLedger;
use testkit::{community::write_secret, mosquitto::Mosquitto};
use tokio::sync::mpsc;

const DEVICES: usize = MEMBERS_MAX;
const SEED: u64 = 20_260_601;
/// Clients that publish at the same time, each for many devices.
const PUBLISHERS: usize = 4;
/// Only something that hangs takes so long.
const PATIENCE: Duration = Duration::from_secs(300);
/// As in the example configuration of the broker, and a queue for all there is.
const BROKER: &str = "max_inflight_messages 4096\nmax_queued_messages 0\n";
/// Far more than the market needs for ten thousand members, and far less than it would hold if a queue had no bound for
/// long.
const MEMORY_KIB_MAX: u64 = 256 * 1_024;

fn interval(number: i64) -> Interval {
    "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(number).unwrap()
}

fn key(kind: u8, number: usize) -> SecretKey {
    let mut seed = [kind; 32];
    seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
    SecretKey::from_seed(&seed)
}

fn market_key() -> SecretKey {
    SecretKey::from_seed(&[21; 32])
}

fn genesis(devices: &[SecretKey]) -> Genesis {
    let member = |(number, device): (usize, &SecretKey)| GenesisMember {
        member: MemberId::from_bytes((number as u128).to_be_bytes()),
        key: key(1, number).public(),
        device: device.public(),
        rated_power_w: 10_000,
        bus: None,
        import_wh: 0,
        export_wh: 0,
        technology: None,
    };
    Genesis {
        community: "Ten thousand".into(),
        currency: "EUR".into(),
        first_interval: interval(0),
        rules: Rules::new("0.30".parse().unwrap(), "0.08".parse().unwrap(), "uniform"),
        market: market_key().public(),
        validators: vec![Validator { key: key(2, 0).public(), power: 1 }],
        members: devices.iter().enumerate().map(member).collect(),
        grid: None,
        time_zone: None,
    }
}

/// The reading of a device that ends interval `number`: two of three draw energy, one feeds in.
fn reading(device: usize, number: i64, previous: Hash, chain: &Hash, key: &SecretKey) -> SignedReading {
    let sequence = number as u64 + 1;
    let wh = sequence * (1 + device as u64 % 500);
    let (import_wh, export_wh) = if device.is_multiple_of(3) { (0, wh) } else { (wh, 0) };
    let registers = Registers { import_wh, export_wh };
    let salt = (device as u128).to_be_bytes();
    Signed::sign(Reading { interval: interval(number), sequence, previous, registers, salt }, chain, key)
}

/// What somebody sends, and what should become of it.
#[derive(Debug, Clone)]
struct Message {
    topic: String,
    bytes: Vec<u8>,
    kind: &'static str,
    /// Nothing if it is good.
    refusal: Option<Refusal>,
}

/// Every device's next reading once to three times, and for one device of a hundred something bad beside it, once to
/// three times as well; all in a random order.
fn messages(
    topics: &Topics,
    chain: &Hash,
    devices: &[SecretKey],
    settled: &[SignedReading],
    next: &[SignedReading],
) -> Vec<Message> {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut below = |bound: usize| (random.next_u64() % bound as u64) as usize;
    let mut messages = Vec::new();
    for number in 0..devices.len() {
        let topic = topics.reading(&devices[number].public());
        let good = next[number].bytes();
        let message = Message { topic, bytes: good.to_vec(), kind: "good", refusal: None };
        messages.extend(vec![message.clone(); 1 + below(3)]);
        if below(100) > 0 {
            continue;
        }
        let mut forged = good.to_vec();
        let bit = below(64 * 8);
        let last = forged.len() - 1;
        forged[last - bit / 8] ^= 1 << (bit % 8);
        let noise: Vec<u8> = (0..below(1_025)).map(|_| below(256) as u8).collect();
        let stranger = Signed::sign(next[number].payload().clone(), chain, &key(9, number));
        let neighbour = &next[(number + 1 + below(devices.len() - 1)) % devices.len()];
        let (kind, bytes, refusal) = match below(9) {
            0 => ("noise", noise, Refusal::Malformed),
            1 => ("cut", good[..1 + below(good.len() - 1)].to_vec(), Refusal::Malformed),
            2 => ("deeply nested", vec![0x81; 1_024], Refusal::Malformed),
            3 => ("too large", [good, &[0; 10_000]].concat(), Refusal::Malformed),
            4 => ("forged", forged, Refusal::BadSignature),
            5 => ("of a neighbour", neighbour.bytes().to_vec(), Refusal::BadSignature),
            6 => ("of a stranger", stranger.bytes().to_vec(), Refusal::UnknownDevice),
            7 => ("replayed", settled[number].bytes().to_vec(), Refusal::IntervalClosed),
            _ => ("on nobody's topic", good.to_vec(), Refusal::UnknownDevice),
        };
        let topic = match kind {
            "on nobody's topic" => message.topic.replace("/devices/z", "/devices/zz"),
            _ => message.topic,
        };
        messages.extend(vec![Message { topic, bytes, kind, refusal: Some(refusal) }; 1 + below(3)]);
    }
    for number in (1..messages.len()).rev() {
        messages.swap(number, below(number + 1));
    }
    messages
}

/// `market serve`, killed when the test ends.
struct Market {
    process: Child,
    console: String,
}

impl Market {
    fn start(config: &Path) -> Market {
        let mut command = Command::new(env!("CARGO_BIN_EXE_market"));
        command.arg("serve").arg("--config").arg(config).env("RUST_LOG", "warn,market_service::cli=info");
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
        let console = log.find_map(|line| Some(line.split_once("console: ")?.1.to_owned()));
        std::thread::spawn(move || log.for_each(|line| println!("market: {line}")));
        Market { process, console: console.expect("the market says where its console is") }
    }

    /// How often it refused messages, by name.
    async fn refused(&self) -> BTreeMap<String, u64> {
        let metrics = reqwest::get(format!("{}/metrics", self.console)).await.unwrap().text().await.unwrap();
        let refusal = |line: &str| {
            let (name, count) = line.split_once("refusals_total{refusal=\"")?.1.split_once("\"} ")?;
            Some((name.to_owned(), count.parse().unwrap()))
        };
        metrics.lines().filter_map(refusal).filter(|(_, count)| *count > 0).collect()
    }

    /// The most memory it ever had, in KiB.
    fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Market {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Connects, and hands every message that arrives to the channel.
fn connect(port: u16, name: &str) -> (AsyncClient, mpsc::UnboundedReceiver<rumqttc::Publish>) {
    let mut options = MqttOptions::new(name, "127.0.0.1", port);
    options.set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut event_loop) = AsyncClient::new(options, 64);
    let (sender, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        // Ends with the broker.
        while let Ok(event) = event_loop.poll().await {
            if let Event::Incoming(Packet::Publish(publish)) = event {
                sender.send(publish).ok();
            }
        }
    });
    (client, heard)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn ten_thousand_devices_are_settled_once_each_and_all_that_is_bad_is_refused_by_name() {
    println!("seed {SEED}");
    let broker = Mosquitto::start_with(BROKER);
    let devices: Vec<SecretKey> = (0..DEVICES).map(|number| key(0, number)).collect();
    let genesis = genesis(&devices);
    let chain = genesis.chain();
    let topics = Topics::new(&chain);
    let ledger = FakeLedger::start(&genesis).await;

    // Two intervals are settled already, so that there is something to replay.
    let read = |number, before: Option<&[SignedReading]>| -> Vec<SignedReading> {
        let previous = |device: usize| before.map_or(Hash::ZERO, |before| before[device].hash());
        let of = |device: usize| reading(device, number, previous(device), &chain, &devices[device]);
        (0..DEVICES).map(of).collect()
    };
    let first = read(0, None);
    let second = read(1, Some(&first));
    let third = read(2, Some(&second));
    for (number, readings) in [(0, &first), (1, &second)] {
        let mut readings = readings.clone();
        readings.sort_by_key(|reading| reading.signer());
        ledger.settle(interval(number), &readings, &market_key());
    }
    let messages = messages(&topics, &chain, &devices, &first, &third);

    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for message in &messages {
        *kinds.entry(message.kind).or_default() += 1;
        if let Some(refusal) = message.refusal {
            *expected.entry(refusal.name().into()).or_default() += 1;
        }
    }
    let duplicates = (kinds["good"] - DEVICES) as u64;
    expected.insert(Refusal::Duplicate.name().into(), duplicates);
    println!("{} messages: {kinds:?}", messages.len());
    assert_eq!(kinds.len(), 10, "every kind of bad message is there");
    assert!(kinds.values().all(|count| *count >= 5) && duplicates > DEVICES as u64 / 2);
    assert!(messages.len() - kinds["good"] > DEVICES / 100);

    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("genesis.json", &serde_json::to_string(&genesis).unwrap());
    write_secret(&directory.path().join("key"), &format!("{}\n", Hash::from_bytes(market_key().seed())));
    let config = format!(
        "genesis = \"genesis.json\"\nkey = \"key\"\nstate = \"state\"\nbroker = \"mqtt://127.0.0.1:{}\"\n\
         ledger = [\"{}\"]\nconsole = \"127.0.0.1:0\"\ngate_delay_ms = 3600000\n[clock]\nkind = \"replay\"\nuntil = \"{}\"\n",
        broker.port,
        ledger.url(),
        interval(2).start_text(),
    );
    write("market.toml", &config);
    let market = Market::start(&directory.path().join("market.toml"));

    let (listener, mut heard) = connect(broker.port, "listener");
    let answers = topics.answer(&devices[0].public()).replace(&devices[0].public().multibase(), "+");
    for topic in [topics.gate(), answers] {
        listener.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
    }
    let patience = tokio::time::Instant::now() + PATIENCE;
    loop {
        let publish = tokio::time::timeout_at(patience, heard.recv()).await.expect("the market opens").unwrap();
        let gate: Announcement = serde_json::from_slice(&publish.payload).unwrap();
        if gate.open == Some(interval(2)) {
            break;
        }
    }
    let mut publishing = Vec::new();
    for (number, share) in messages.chunks(messages.len().div_ceil(PUBLISHERS)).enumerate() {
        let (client, _) = connect(broker.port, &format!("publisher-{number}"));
        let share = share.to_vec();
        publishing.push(tokio::spawn(async move {
            for Message { topic, bytes, .. } in share {
                client.publish(topic, QoS::AtLeastOnce, false, bytes).await.unwrap();
            }
            client
        }));
    }

    // What each message is answered with, as often as it was sent.
    let mut answered: HashMap<(String, Hash), Vec<Option<Refusal>>> = HashMap::new();
    let awaited = messages.len() - kinds["on nobody's topic"];
    let mut count = 0;
    while count < awaited {
        let publish = tokio::time::timeout_at(patience, heard.recv()).await;
        let publish = publish.unwrap_or_else(|_| panic!("{count} of {awaited} answers")).unwrap();
        if publish.topic == topics.gate() {
            continue;
        }
        let Answer { message, outcome } = serde_json::from_slice(&publish.payload).unwrap();
        let refusal = match outcome {
            Outcome::Accepted => None,
            Outcome::Refused { refusal, .. } => Some(refusal),
        };
        answered.entry((publish.topic, message)).or_default().push(refusal);
        count += 1;
    }
    for Message { topic, bytes, kind, refusal } in messages.iter().filter(|message| message.kind != "on nobody's topic")
    {
        let topic = topic.replace("/reading", "/answer");
        let answers = answered.get_mut(&(topic, Hash::of(bytes))).unwrap_or_else(|| panic!("no answer: {kind}"));
        match refusal {
            None => assert_eq!(answers[0], None, "the first one is taken"),
            Some(_) => assert_eq!(answers.pop(), Some(*refusal), "{kind}"),
        }
    }
    for ((topic, message), answers) in &answered {
        let duplicates = answers.iter().skip(1);
        assert!(
            duplicates.clone().all(|refusal| *refusal == Some(Refusal::Duplicate)),
            "{topic} {message} {answers:?}"
        );
    }

    let settled = async {
        while ledger.settlements().len() < 3 || market.refused().await != expected {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    if tokio::time::timeout_at(patience, settled).await.is_err() {
        assert_eq!(market.refused().await, expected);
        panic!("{} intervals are settled", ledger.settlements().len());
    }
    let mut of_the_third: Vec<Hash> = third.iter().map(Signed::hash).collect();
    of_the_third.sort_unstable();
    let mut in_the_settlement = ledger.settlements()[2].readings.clone();
    in_the_settlement.sort_unstable();
    assert_eq!(in_the_settlement, of_the_third, "every good one, once");
    assert_eq!(ledger.settlements()[2].interval, interval(2));
    assert_eq!(ledger.refused(), [""; 0]);

    let memory_kib = market.memory_kib();
    println!("the market had at most {memory_kib} KiB");
    assert!(memory_kib < MEMORY_KIB_MAX, "{memory_kib} KiB");
}
