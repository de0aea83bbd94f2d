//! A community of one household, a real broker, and a hand-made market beside them.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test file uses its part; a test may panic"
)]

pub(crate) mod meter;
pub(crate) mod python;

use std::{collections::VecDeque, fs, path::PathBuf, process::Command, time::Duration};

use protocol::{
    answer::{Announcement, Answer, Outcome, Refusal},
    block::{Header, validators_hash},
    cbor,
    commit::{CommitCertificate, CommitSignature, Validator, VoteKind, vote_bytes},
    energy::Energy,
    envelope::Signed,
    genesis::{Genesis, GenesisMember, Rules},
    hash::Hash,
    interval::Interval,
    key::SecretKey,
    member::MemberId,
    merkle::MerkleTree,
    money::Price,
    neighbour::{Neighbour, neighbours_hash},
    order::SignedOrder,
    reading::SignedReading,
    receipt::Receipt,
    settlement::{Entry, Line, Tariffs},
    topic::Topics,
};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use testkit::community::write_secret;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Only so that a hang fails: nothing here takes a fraction of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A household, its community and its files.
pub(crate) struct Home {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) genesis: Genesis,
    pub(crate) device: SecretKey,
    pub(crate) member: SecretKey,
    pub(crate) validator: SecretKey,
}

impl Home {
    /// A household whose meter shows these pairs of consumption and production, from the first interval on.
    pub(crate) fn new(port: u16, meter: &[(u64, u64)]) -> Home {
        Home::in_community(port, meter, |_| {})
    }

    /// The same in a community of which something else is said.
    pub(crate) fn in_community(port: u16, meter: &[(u64, u64)], change: impl FnOnce(&mut Genesis)) -> Home {
        let key = |seed| SecretKey::from_seed(&[seed; 32]);
        let (device, member, validator) = (key(1), key(2), key(3));
        let mut genesis = Genesis {
            community: "test street".into(),
            currency: "EUR".into(),
            first_interval: interval(0),
            rules: Rules::new(Price::from_micro(300_000).unwrap(), Price::from_micro(80_000).unwrap(), "uniform"),
            market: key(4).public(),
            validators: vec![Validator { key: validator.public(), power: 1 }],
            members: vec![GenesisMember {
                member: MemberId::from_bytes([7; 16]),
                key: member.public(),
                device: device.public(),
                rated_power_w: 10_000,
                bus: None,
                import_wh: 1_000,
                export_wh: 500,
                technology: None,
            }],
            grid: None,
            time_zone: None,
        };
        change(&mut genesis);
        let dir = tempfile::tempdir().unwrap();
        let home = Home { dir, genesis, device, member, validator };
        fs::write(home.path("genesis.json"), serde_json::to_vec(&home.genesis).unwrap()).unwrap();
        fs::create_dir(home.path("state")).unwrap();
        #[cfg(unix)]
        fs::set_permissions(home.path("state"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        for (name, key) in [("device", &home.device), ("member", &home.member)] {
            write_secret(&home.path(&format!("state/{name}.key")), &format!("{}\n", Hash::from_bytes(key.seed())));
        }
        meter_agent::new_record(&home.path("state"), home.device.public()).unwrap();
        let mut csv = "timestamp,consumption_wh,production_wh\n".to_string();
        for (count, (consumption, production)) in meter.iter().enumerate() {
            csv += &format!("{},{consumption},{production}\n", interval(count as i64).start_text());
        }
        fs::write(home.path("meter.csv"), csv).unwrap();
        home.configure(port, "");
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes agent.toml, with `more` at its end.
    pub(crate) fn configure(&self, port: u16, more: &str) {
        let text = format!(
            "name = \"Test home\"\ngenesis = \"genesis.json\"\nstate = \"state\"\nbroker = \"mqtt://127.0.0.1:{port}\"\n\
             [source]\nkind = \"replay\"\nfile = \"meter.csv\"\n{more}"
        );
        fs::write(self.path("agent.toml"), text).unwrap();
    }

    /// A household with another meter than a recording, in a community that begins with `first`: `source` is what
    /// `[source]` says.
    pub(crate) fn with_meter(first: Interval, port: u16, source: &str) -> Home {
        Home::with_meter_in(port, source, |genesis| genesis.first_interval = first)
    }

    /// The same in a community of which something else is said.
    pub(crate) fn with_meter_in(port: u16, source: &str, change: impl FnOnce(&mut Genesis)) -> Home {
        let home = Home::in_community(port, &[], change);
        let text = fs::read_to_string(home.path("agent.toml")).unwrap();
        let (before, _) = text.split_once("[source]").unwrap();
        fs::write(home.path("agent.toml"), format!("{before}[source]\n{source}")).unwrap();
        home
    }

    /// What `check` says, of the broker that is not there too.
    pub(crate) fn check(&self) -> String {
        let config = self.path("agent.toml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_meter-agent"));
        let output = command.args(["check", "--config", config.to_str().unwrap()]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Writes agent.toml with this broker, and this section.
    pub(crate) fn configure_broker(&self, address: &str, login: &str) {
        self.configure(1, login);
        let text = fs::read_to_string(self.path("agent.toml")).unwrap();
        fs::write(self.path("agent.toml"), text.replace("mqtt://127.0.0.1:1\"", &format!("{address}\""))).unwrap();
    }

    pub(crate) fn config(&self) -> meter_agent::Config {
        meter_agent::Config::load(&self.path("agent.toml")).unwrap()
    }

    /// The receipt of an interval as the validators would sign it, cleared at 0.19, under the tariffs of the genesis.
    pub(crate) fn receipt(&self, at: i64, bought: u64, sold: u64, imported: u64, exported: u64) -> Receipt {
        self.receipt_under(self.genesis.rules.tariffs(), at, [bought, sold, imported, exported])
    }

    /// The same under other tariffs: energy bought, sold, imported and exported.
    pub(crate) fn receipt_under(&self, tariffs: Tariffs, at: i64, energy: [u64; 4]) -> Receipt {
        let price = Price::from_micro(190_000).unwrap();
        let [bought, sold, imported, exported] = energy.map(Energy::from_wh);
        let line = Line {
            member: self.genesis.members[0].member,
            bought,
            sold,
            imported,
            exported,
            paid: price.cost_of(bought).unwrap(),
            earned: price.cost_of(sold).unwrap(),
            supply_cost: tariffs.retail_price.cost_of(imported).unwrap(),
            supply_revenue: tariffs.feed_in_price.cost_of(exported).unwrap(),
        };
        self.receipt_of(
            Entry {
                interval: interval(at),
                price: Some(price),
                line,
                correction: 0,
                tariffs,
                neighbours: None,
                provisional: false,
            },
            at,
        )
    }

    /// The receipt of an entry of interval `at` that was traded with these neighbours.
    pub(crate) fn receipt_among(&self, entry: Entry, at: i64, neighbours: Vec<Neighbour>) -> Receipt {
        self.signed(Entry { interval: interval(at), ..entry }, at, neighbours)
    }

    /// The receipt of an entry of interval `at`, whatever it says, as the validators would sign it.
    pub(crate) fn receipt_of(&self, entry: Entry, at: i64) -> Receipt {
        self.receipt_of_interval(Entry { interval: interval(at), ..entry }, at)
    }

    /// The receipt of an entry of any interval in the block that settles interval `at`: all that was traded, with one
    /// neighbour.
    pub(crate) fn receipt_of_interval(&self, entry: Entry, at: i64) -> Receipt {
        let Line { bought, sold, .. } = entry.line;
        let traded = !(bought.is_zero() && sold.is_zero());
        let neighbour = Neighbour { member: NEIGHBOUR, bought, sold, technology: None };
        self.signed(entry, at, traded.then_some(neighbour).into_iter().collect())
    }

    fn signed(&self, entry: Entry, at: i64, neighbours: Vec<Neighbour>) -> Receipt {
        let entry = Entry { neighbours: neighbours_hash(&neighbours), ..entry };
        let tree: MerkleTree = [cbor::encode(&entry), b"a neighbour".to_vec()].into_iter().collect();
        let header = Header {
            chain: self.genesis.chain(),
            height: at as u64 + 1,
            previous: Hash::ZERO,
            validators: validators_hash(&self.genesis.validators),
            next_validators: validators_hash(&self.genesis.validators),
            transactions: MerkleTree::default().root(),
            entries: tree.root(),
            state: MerkleTree::default().root(),
        };
        let certificate = self.certificate(&header, 0);
        Receipt { entry, proof: tree.prove(0).unwrap(), header, certificate, steps: Vec::new(), neighbours }
    }

    /// The same receipt, as the validators would have signed it in another round.
    pub(crate) fn in_another_round(&self, receipt: &Receipt) -> Receipt {
        Receipt { certificate: self.certificate(&receipt.header, 3), ..receipt.clone() }
    }

    fn certificate(&self, header: &Header, round: u32) -> CommitCertificate {
        let (height, block) = (header.height, header.hash());
        let message = vote_bytes(&header.chain, VoteKind::Precommit, height, round, Some(&block));
        let signature =
            CommitSignature { validator: self.validator.public(), signature: self.validator.sign(&message) };
        CommitCertificate { height, round, block, signatures: vec![signature] }
    }
}

/// Who everything was traded with, unless a test says otherwise.
pub(crate) const NEIGHBOUR: MemberId = MemberId::from_bytes([0xaa; 16]);

pub(crate) fn interval(count: i64) -> Interval {
    "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(count).unwrap()
}

/// What an agent answers over HTTP, the head too.
pub(crate) async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// What a market hears.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Reading(SignedReading),
    Order(SignedOrder),
}

/// The market's side, played by the test.
pub(crate) struct Market {
    client: AsyncClient,
    connection: EventLoop,
    topics: Topics,
    chain: Hash,
    device: protocol::key::DeviceId,
    member: protocol::key::PublicKey,
    waiting: VecDeque<Heard>,
}

impl Market {
    pub(crate) async fn connect(home: &Home, port: u16) -> Market {
        Market::connect_by(home, MqttOptions::new("market", "127.0.0.1", port)).await
    }

    /// The same by other options, as of a market that has to log in.
    pub(crate) async fn connect_by(home: &Home, mut options: MqttOptions) -> Market {
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (client, connection) = AsyncClient::new(options, 64);
        let (chain, device, member) = (home.genesis.chain(), home.device.public(), home.member.public());
        let mut market =
            Market { client, connection, topics: Topics::new(&chain), chain, device, member, waiting: VecDeque::new() };
        for filter in [market.topics.all_readings(), market.topics.all_orders()] {
            market.client.try_subscribe(filter, QoS::AtLeastOnce).unwrap();
            market.poll_until(|packet, _| matches!(packet, Packet::SubAck(_)).then_some(())).await;
        }
        market
    }

    /// Polls until a packet is as wanted; messages of the household that come before are heard later.
    async fn poll_until<T>(&mut self, mut wanted: impl FnMut(&Packet, &mut VecDeque<Heard>) -> Option<T>) -> T {
        let polling = async {
            loop {
                let Event::Incoming(packet) = self.connection.poll().await.unwrap() else { continue };
                if let Packet::Publish(publish) = &packet {
                    let (chain, device, member) = (self.chain, self.device, self.member);
                    self.waiting.push_back(if publish.topic == self.topics.reading(&device) {
                        Heard::Reading(Signed::open(&publish.payload, &chain, |key| *key == device).unwrap())
                    } else {
                        assert_eq!(publish.topic, self.topics.order(&device));
                        Heard::Order(Signed::open(&publish.payload, &chain, |key| *key == member).unwrap())
                    });
                }
                if let Some(found) = wanted(&packet, &mut self.waiting) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, polling).await.expect("nothing of the kind came")
    }

    /// The next message of the household, its signature verified.
    pub(crate) async fn heard(&mut self) -> Heard {
        match self.waiting.pop_front() {
            Some(heard) => heard,
            None => self.poll_until(|_, waiting| waiting.pop_front()).await,
        }
    }

    pub(crate) async fn reading(&mut self) -> SignedReading {
        match self.heard().await {
            Heard::Reading(reading) => reading,
            Heard::Order(order) => panic!("expected a reading, found {order:?}"),
        }
    }

    pub(crate) async fn order(&mut self) -> SignedOrder {
        match self.heard().await {
            Heard::Order(order) => order,
            Heard::Reading(reading) => panic!("expected an order, found {reading:?}"),
        }
    }

    async fn publish(&mut self, topic: String, retain: bool, payload: Vec<u8>) {
        self.client.try_publish(topic, QoS::AtLeastOnce, retain, payload).unwrap();
        self.poll_until(|packet, _| matches!(packet, Packet::PubAck(_)).then_some(())).await;
    }

    pub(crate) async fn announce(&mut self, at: i64) {
        self.announce_this(Announcement { open: Some(interval(at)), orders_from: Some(interval(at + 1)) }).await;
    }

    pub(crate) async fn announce_end(&mut self) {
        self.announce_this(Announcement { open: None, orders_from: None }).await;
    }

    async fn announce_this(&mut self, announcement: Announcement) {
        self.publish(self.topics.gate(), true, serde_json::to_vec(&announcement).unwrap()).await;
    }

    pub(crate) async fn answer(&mut self, message: Hash, refusal: Option<Refusal>) {
        let outcome = refusal.map_or(Outcome::Accepted, |refusal| Outcome::Refused { refusal, detail: "so".into() });
        let json = serde_json::to_vec(&Answer { message, outcome }).unwrap();
        self.publish(self.topics.answer(&self.device), false, json).await;
    }

    pub(crate) async fn retain(&mut self, topic: String, payload: Vec<u8>) {
        self.publish(topic, true, payload).await;
    }

    pub(crate) async fn forward(&mut self, receipt: Vec<u8>) {
        self.publish(self.topics.receipt(&self.device), false, receipt).await;
    }
}
