//! Whatever is delivered again, and whenever the market is killed, an interval is settled once and the same: a real
//! Mosquitto, and real validators over their stores.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    reason = "a test may panic, and uses a part of its support"
)]

#[path = "support/relay.rs"]
mod relay;
#[path = "support/spread.rs"]
mod spread;
#[path = "support/validators.rs"]
mod validators;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use ledger_node::node::Running;
use protocol::{
    answer::Refusal, api::Submitted, commit::Validator, hash::Hash, money::Amount, reading::SignedReading,
    settlement::Settlement, topic::Topics,
};
use relay::{Mode, Relay};
use spread::{Process, program};
use tempfile::TempDir;
use testkit::{
    agent::{Agent, PATIENCE},
    households::{self, genesis, interval, key},
    mosquitto::Mosquitto,
};
use validators::{Community, Validators, write_secret};

/// Two households read so often make a hundred readings, and so one for every number of deliveries.
const INTERVALS: usize = 50;
const DELIVERIES_MIN: usize = 2;
const DELIVERIES_MAX: usize = 100;

/// A community of two households with its broker and its validators.
struct World {
    directory: TempDir,
    broker: Mosquitto,
    validators: Validators,
    topics: Topics,
}

impl World {
    fn new(validators: u8) -> World {
        let keys: Vec<_> = (0..validators).map(|number| key(31 + number)).collect();
        let mut genesis = genesis("Test");
        genesis.validators = keys.iter().map(|key| Validator { key: key.public(), power: 1 }).collect();
        let topics = Topics::new(&genesis.chain());
        let validators = Validators::new(Community { genesis, validators: keys });
        World { directory: tempfile::tempdir().unwrap(), broker: Mosquitto::start(), validators, topics }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    async fn validator(&self, number: u8) -> Running {
        self.validators.start(number, self.path()).await
    }

    /// The configuration of a market that opens so many intervals and asks this node.
    fn market_config(&self, node: SocketAddr, intervals: usize) -> PathBuf {
        let write = |name: &str, text: &str| {
            write_secret(&self.path().join(name), text);
            self.path().join(name)
        };
        write("genesis.json", &serde_json::to_string(&self.validators.community.genesis).unwrap());
        write("key", &format!("{}\n", Hash::from_bytes([21; 32])));
        let config = format!(
            "genesis = \"genesis.json\"\nkey = \"key\"\nstate = \"state\"\nbroker = \"mqtt://127.0.0.1:{}\"\n\
             ledger = [\"http://{node}\"]\nconsole = \"off\"\ngate_delay_ms = 3600000\n\
             [clock]\nkind = \"replay\"\nuntil = \"{}\"\n",
            self.broker.port,
            interval(intervals as i64 - 1).start_text(),
        );
        write("market.toml", &config)
    }

    async fn agent(&self, number: u8) -> Agent {
        Agent::connect(self.broker.port, &self.topics, key(number).public()).await
    }

    /// The readings of a household in this community.
    fn readings(&self, number: u8, count: usize) -> Vec<SignedReading> {
        let flow = if number == 1 { (300, 0) } else { (0, 200) };
        households::readings_in(&self.validators.community.genesis, number, &vec![flow; count])
    }
}

async fn until(what: &str, reached: impl Fn() -> bool) {
    let waited = async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(2 * PATIENCE, waited).await.unwrap_or_else(|_| panic!("gave up waiting: {what}"));
}

/// What a ledger has in the end: the bytes of its blocks, and the root of its state.
type Bytes = (Vec<Vec<u8>>, Hash);

/// All intervals, with each reading delivered as often as is said of its number.
async fn ledger_of(times: impl Fn(usize) -> usize) -> Bytes {
    let world = World::new(1);
    let node = world.validator(0).await;
    // A validator makes its first block as soon as it has started, whether or not there is anything to settle.
    until("the first block", || node.ledger.status().height == 1).await;
    let config = market_service::Config::load(&world.market_config(node.api, INTERVALS)).unwrap();
    let mut market = market_service::start(config).await.unwrap();
    let mut households = Vec::new();
    for number in [1, 2] {
        households.push((world.agent(number).await, world.readings(number, INTERVALS)));
    }
    let mut delivered = 0;
    for at in 0..INTERVALS {
        for (number, (agent, readings)) in households.iter_mut().enumerate() {
            agent.wait_open(Some(interval(at as i64))).await;
            let (bytes, times) = (readings[at].bytes(), times(2 * at + number));
            for _ in 0..times {
                agent.publish_reading(bytes).await;
            }
            assert_eq!(agent.answer(bytes).await, None);
            for _ in 1..times {
                assert_eq!(agent.answer(bytes).await, Some(Refusal::Duplicate));
            }
            delivered += times;
        }
    }
    tokio::time::timeout(PATIENCE, market.finished()).await.unwrap().unwrap();
    let duplicates = (delivered - 2 * INTERVALS) as u64;
    assert_eq!(market.refused().get(&Refusal::Duplicate).copied().unwrap_or_default(), duplicates);
    market.stop().await.unwrap();
    let status = node.ledger.status();
    assert_eq!((status.settlements, status.balances_sum), (INTERVALS as u64, Amount::ZERO));
    node.stop().await.unwrap();
    (world.validators.blocks(0, world.path()), status.state_root)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn whether_readings_come_once_or_two_to_a_hundred_times_the_ledger_has_the_same_bytes() {
    let once = ledger_of(|_| 1).await;
    let often = |reading: usize| DELIVERIES_MIN + reading % (DELIVERIES_MAX - DELIVERIES_MIN + 1);
    let again = ledger_of(often).await;
    // Headers and transactions. A certificate says in which round the validators agreed, which is later on a busy
    // machine, so it is left out; it is the one part of a stored block that is not the block's.
    assert_eq!(once.0.len(), 1 + INTERVALS, "the first block, and one for each settlement");
    for (height, (one, other)) in (1..).zip(once.0.iter().zip(&again.0)) {
        assert!(one == other, "the bytes of block {height} differ");
    }
    assert!(once == again, "the same blocks and the same state");
}

/// Where the market is when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Killed {
    /// It has cleared, and reaches no node.
    Before,
    /// It hands the settlement in, and none has arrived.
    During,
    /// The node has taken the settlement in, and nobody told the market. After the restart the market hands it in
    /// again, and this is so slow that it is committed meanwhile.
    Taken,
    /// The settlement is committed, and nobody told the market.
    Committed,
}

/// An interval in which the market is killed, and started again. The id of its settlement, and the settlement.
async fn settled_though(killed: Killed) -> (Hash, Settlement) {
    let world = World::new(2);
    // Of two validators none decides alone.
    let node = world.validator(0).await;
    let mut other = if killed == Killed::Committed { Some(world.validator(1).await) } else { None };
    let relay = Relay::start(node.api).await;
    relay.set(match killed {
        Killed::Before => Mode::Away,
        Killed::During => Mode::Deaf,
        Killed::Taken | Killed::Committed => Mode::Mute,
    });
    let config = world.market_config(relay.address, 1);
    let start = || {
        let arguments = ["serve", "--config", config.to_str().unwrap()];
        Process::start(&program("market"), &arguments, &world.path().join("market.log"))
    };
    let market = start();
    for number in [1, 2] {
        let mut agent = world.agent(number).await;
        agent.wait_open(Some(interval(0))).await;
        assert_eq!(agent.send(world.readings(number, 1)[0].bytes()).await, None);
    }
    until("the settlement is handed in", || !relay.handed_in().is_empty()).await;
    let (id, bytes) = relay.handed_in().remove(0);
    let settlements = || node.ledger.status().settlements;
    match killed {
        Killed::Before | Killed::During => {}
        Killed::Taken => until("the node takes it in", || node.ledger.is_waiting(&id)).await,
        Killed::Committed => until("it is committed", || settlements() == 1).await,
    }
    market.kill();
    assert_eq!(relay.answers().len(), usize::from(matches!(killed, Killed::Taken | Killed::Committed)), "{killed:?}");

    let before = relay.handed_in().len();
    relay.set(if killed == Killed::Taken { Mode::Slow } else { Mode::Open });
    let market = start();
    if killed != Killed::Committed {
        until("the settlement is handed in again", || relay.handed_in().len() > before).await;
        other = Some(world.validator(1).await);
    }
    until("the interval is settled", || settlements() == 1).await;
    relay.set(Mode::Open);
    // A receipt is forwarded after the restart, so that the market has seen its settlement.
    let mut agent = world.agent(1).await;
    agent.publish_reading(world.readings(1, 1)[0].bytes()).await;
    assert_eq!(agent.receipt(interval(0)).await.entry.line.bought.wh(), 200);
    if killed == Killed::Taken {
        let exists = Submitted::Exists { transaction: id };
        until("the ledger says that it exists", || relay.answers().contains(&exists)).await;
    }
    market.kill();

    let ids: Vec<Hash> = relay.handed_in().into_iter().map(|(id, _)| id).collect();
    assert!(ids.iter().all(|other| *other == id), "{killed:?}: one interval has one settlement: {ids:?}");
    let refused = relay.answers().into_iter().find(|answer| matches!(answer, Submitted::Refused { .. }));
    assert_eq!(refused, None, "{killed:?}");
    let other = other.unwrap();
    until("the other validator has it", || other.ledger.status().settlements == 1).await;
    for validator in [&node, &other] {
        let again = validator.ledger.submit_encoded(&bytes).unwrap().unwrap();
        assert_eq!(again, Submitted::Exists { transaction: id }, "{killed:?}");
        let settled = validator.ledger.settlements(interval(0), 2).unwrap();
        assert_eq!(settled.iter().map(|settled| settled.settlement).collect::<Vec<_>>(), [id], "{killed:?}");
    }
    let status = node.ledger.status();
    assert_eq!((status.settlements, status.balances_sum), (1, Amount::ZERO), "{killed:?}");
    let settlement = node.ledger.settlement(interval(0)).unwrap().unwrap();
    for validator in [node, other] {
        validator.stop().await.unwrap();
    }
    (id, settlement)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn killed_at_any_point_of_a_submission_the_market_hands_in_the_same_and_the_ledger_says_that_it_exists() {
    let mut all = Vec::new();
    for killed in [Killed::Before, Killed::During, Killed::Taken, Killed::Committed] {
        let (id, settlement) = settled_though(killed).await;
        assert_eq!(settlement.trades.len(), 1, "{killed:?}");
        all.push((id, settlement));
    }
    assert!(all.iter().all(|settled| *settled == all[0]), "{all:?}");
}
