//! A community of two households with its market, its broker and its ledger.

use std::{fmt::Debug, path::PathBuf, time::Duration};

use market_service::{Config, Running, start};
use protocol::{
    answer::Refusal,
    envelope::Signed,
    genesis::Genesis,
    hash::Hash,
    member::MemberId,
    reading::{Reading, SignedReading},
    topic::Topics,
};

#[allow(unused_imports, reason = "each test file uses its own part of this")]
pub(crate) use testkit::households::{genesis, interval, key, readings, readings_in};
use testkit::{
    agent::{Agent, PATIENCE},
    community::write_secret,
    mosquitto::Mosquitto,
};

use super::fake_ledger::FakeLedger;

pub(crate) struct World {
    pub(crate) directory: tempfile::TempDir,
    broker: Mosquitto,
    pub(crate) ledger: FakeLedger,
    topics: Topics,
}

impl World {
    pub(crate) async fn new() -> World {
        World::of(&genesis("Test")).await
    }

    pub(crate) async fn of(genesis: &Genesis) -> World {
        let directory = tempfile::tempdir().unwrap();
        let broker = Mosquitto::start();
        let ledger = FakeLedger::start(genesis).await;
        let world = World { directory, broker, ledger, topics: Topics::new(&genesis.chain()) };
        world.write("genesis.json", &serde_json::to_string(genesis).unwrap());
        world.write("key", &format!("{}\n", Hash::from_bytes([21; 32])));
        world.write("names.csv", &format!("member,name\n{},Ada\n", MemberId::from_bytes([1; 16])));
        world
    }

    /// Kills the broker, and starts it again.
    pub(crate) fn restart_broker(&mut self) {
        self.broker.restart();
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        // One of them is a key, which nobody else may read.
        write_secret(&path, text);
        path
    }

    /// A market that opens two intervals.
    pub(crate) fn config(&self) -> String {
        format!(
            "genesis = \"genesis.json\"\nkey = \"key\"\nstate = \"state\"\ndirectory = \"names.csv\"\n\
             broker = \"mqtt://127.0.0.1:{}\"\nledger = [\"http://127.0.0.1:1\", \"{}\"]\nconsole = \"127.0.0.1:0\"\n\
             gate_delay_ms = 3600000\n[clock]\nkind = \"replay\"\nuntil = \"{}\"\n",
            self.broker.port,
            self.ledger.url(),
            interval(1).start_text(),
        )
    }

    pub(crate) async fn market(&self) -> Running {
        let path = self.write("market.toml", &self.config());
        start(Config::load(&path).unwrap()).await.unwrap()
    }

    pub(crate) async fn agent(&self, number: u8) -> Agent {
        Agent::connect(self.broker.port, &self.topics, key(number).public()).await
    }

    /// Both households' readings of the first interval, which the market has taken in.
    pub(crate) async fn read_first_interval(&self) {
        for number in [1, 2] {
            let mut agent = self.agent(number).await;
            agent.wait_open(Some(interval(0))).await;
            assert_eq!(agent.send(readings(number, 1)[0].bytes()).await, None);
        }
    }
}

/// Waits until something is as expected, and shows how it is where it does not become so.
pub(crate) async fn until<T: PartialEq + Debug>(found: impl Fn() -> T, expected: T) {
    let reached = async {
        while found() != expected {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(PATIENCE / 2, reached).await.is_err() {
        assert_eq!(found(), expected);
    }
}

/// Waits until the market has refused this often.
pub(crate) async fn refused(market: &Running, expected: &[(Refusal, u64)]) {
    until(|| market.refused(), expected.iter().copied().collect()).await;
}

pub(crate) fn changed(reading: &SignedReading, number: u8, change: impl FnOnce(&mut Reading)) -> Vec<u8> {
    let mut reading = reading.payload().clone();
    change(&mut reading);
    Signed::sign(reading, &genesis("Test").chain(), &key(number)).bytes().to_vec()
}
