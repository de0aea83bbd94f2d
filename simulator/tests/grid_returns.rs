//! The supplier goes, the island holds, the grid returns, everything is settled and nothing is lost: a real Mosquitto,
//! a real market, and four real validators, one of which is away for a while.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/validators.rs"]
mod validators;

use std::{path::Path, time::Duration};

use ledger::proof::Verifier;
use ledger_node::node::Running;
use protocol::{
    block::Transaction,
    cbor,
    commit::Validator,
    energy::Energy,
    envelope::{Sealed, Signed},
    genesis::{Genesis, GenesisMember, TransformerMeter},
    hash::Hash,
    interval::Interval,
    island::{IslandPlan, MemberClaim},
    member::MemberId,
    money::{Amount, Price},
    parameters::Parameters,
    reading::SignedReading,
    status::DeviceStatus,
    topic::Topics,
};
use testkit::{
    agent::{Agent, PATIENCE},
    households::{self, interval, key},
    mosquitto::Mosquitto,
};
use validators::{Community, Validators, write_secret};

/// Draws; feeds in; a clinic, which draws; the transformer's meter.
const METERS: [u8; 4] = [1, 2, 3, 4];
const CLINIC: u8 = 3;
const TRANSFORMER: u8 = 4;
/// Of how many intervals the transformer's meter has to read nothing, or something.
const IN_A_ROW: u32 = 2;

type Flow = (u64, u64);
const ON_GRID: [Flow; 4] = [(300, 0), (0, 200), (100, 0), (200, 0)];
const ON_ISLAND: [Flow; 4] = [(100, 0), (0, 200), (100, 0), (0, 0)];
/// The first draws more than its quota, and the clinic less than its own.
const OVERDRAWN: [Flow; 4] = [(150, 0), (0, 200), (50, 0), (0, 0)];

/// What flows in each interval. The grid goes with the third, and the island begins with the sixth: its quotas are
/// made when the fourth is settled, while the fifth is open. The grid is back with the tenth, so the island ends with
/// the thirteenth.
const FLOWS: [[Flow; 4]; 15] = [
    ON_GRID, ON_GRID, ON_ISLAND, ON_ISLAND, ON_ISLAND, ON_ISLAND, OVERDRAWN, ON_ISLAND, ON_ISLAND, ON_GRID, ON_GRID,
    ON_GRID, ON_GRID, ON_GRID, ON_GRID,
];
const FIRST_ON_ISLAND: usize = 5;
const FIRST_BACK: usize = 12;

fn member(number: u8) -> MemberId {
    MemberId::from_bytes([number; 16])
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn genesis() -> Genesis {
    let mut genesis = households::genesis("Island");
    for number in [CLINIC, TRANSFORMER] {
        let first = genesis.members[0].clone();
        let (key, device) = (key(10 + number).public(), key(number).public());
        genesis.members.push(GenesisMember { member: member(number), key, device, ..first });
    }
    genesis.validators = (31..35).map(|number| Validator { key: key(number).public(), power: 1 }).collect();
    let claim = MemberClaim { life_safety_w: 400, ..MemberClaim::of_one_person(member(CLINIC)) };
    let plan = IslandPlan {
        posted_price: price("0.4"),
        price_cap: price("0.35"),
        zero_intervals: Some(IN_A_ROW),
        basic_w: 100,
        recharge_intervals: 4,
        reserve_ppm: 0,
        claims: vec![claim],
        validators: Vec::new(),
    };
    genesis.rules.parameters = Some(Parameters { island: Some(Box::new(plan)), ..Parameters::default() });
    let meter = TransformerMeter { member: member(TRANSFORMER), tolerance_wh: 0, tolerance_ppm: 0 };
    genesis.rules.transformer = Some(meter);
    genesis.check().unwrap();
    genesis
}

fn market_config(directory: &Path, genesis: &Genesis, broker: u16, nodes: &[&Running]) -> std::path::PathBuf {
    let write = |name: &str, text: &str| {
        write_secret(&directory.join(name), text);
        directory.join(name)
    };
    write("genesis.json", &serde_json::to_string(genesis).unwrap());
    write("key", &format!("{}\n", Hash::from_bytes([21; 32])));
    let ledger: Vec<String> = nodes.iter().map(|node| format!("\"http://{}\"", node.api)).collect();
    let config = format!(
        "genesis = \"genesis.json\"\nkey = \"key\"\nstate = \"state\"\nbroker = \"mqtt://127.0.0.1:{broker}\"\n\
         ledger = [{}]\nconsole = \"off\"\ngate_delay_ms = 3600000\n\
         [clock]\nkind = \"replay\"\nuntil = \"{}\"\n",
        ledger.join(", "),
        interval(FLOWS.len() as i64 - 1).start_text(),
    );
    write("market.toml", &config)
}

async fn until(what: &str, reached: impl Fn() -> bool) {
    let waited = async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(2 * PATIENCE, waited).await.unwrap_or_else(|_| panic!("gave up waiting: {what}"));
}

fn at(number: usize) -> Interval {
    interval(i64::try_from(number).unwrap())
}

/// What the device of the one that feeds in says while an interval is open: its battery is full, and it expects what it
/// feeds in.
fn status(genesis: &Genesis, open: Interval) -> Vec<u8> {
    let status = DeviceStatus {
        interval: open,
        stored_wh: 200,
        capacity_wh: 200,
        max_w: 1_000,
        critical_w: 0,
        forecast: Energy::from_wh(150),
    };
    let signed = Signed::sign(status, &genesis.chain(), &key(2));
    cbor::encode(&Transaction::ReportStatus(Sealed::from(&signed)))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn the_grid_goes_and_returns_and_everything_is_settled() {
    let genesis = genesis();
    let directory = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start();
    let topics = Topics::new(&genesis.chain());
    let keys = (31..35).map(key).collect();
    let community = Validators::new(Community { genesis: genesis.clone(), validators: keys });
    let mut nodes = Vec::new();
    for number in 0..4 {
        nodes.push(community.start(number, directory.path()).await);
    }
    let config = market_config(directory.path(), &genesis, broker.port, &nodes[..2].iter().collect::<Vec<_>>());
    let start = async || market_service::start(market_service::Config::load(&config).unwrap()).await.unwrap();
    let mut market = start().await;
    let mut households: Vec<(Agent, Vec<SignedReading>)> = Vec::new();
    for (place, number) in METERS.into_iter().enumerate() {
        let flows: Vec<Flow> = FLOWS.iter().map(|flows| flows[place]).collect();
        let agent = Agent::connect(broker.port, &topics, key(number).public()).await;
        households.push((agent, households::readings_in(&genesis, number, &flows)));
    }
    let verifier = Verifier::new(&genesis);
    let mut quotas = Vec::new();
    for number in 0..FLOWS.len() {
        for (agent, _) in &mut households {
            agent.wait_open(Some(at(number))).await;
        }
        if (FIRST_ON_ISLAND..FIRST_BACK).contains(&number) {
            // Before anyone has said what it drew, everyone can prove what it may.
            let proved = nodes[0].ledger.standby(member(CLINIC)).unwrap().unwrap();
            verifier.verify_standby(&proved).unwrap();
            let planned = proved.standby.quotas.iter().find(|planned| planned.interval == at(number));
            quotas.push(planned.expect("a quota before the interval is settled").quota);
        }
        if number == 4 {
            nodes[0].ledger.submit_encoded(&status(&genesis, at(number))).unwrap().unwrap();
            until("the device's word is on the ledger", || {
                nodes[0].ledger.head().state.standby(member(2)).is_some_and(|standby| standby.status.is_some())
            })
            .await;
        }
        // On the island, a validator goes; and the market is started again.
        if number == 6 {
            nodes.pop().unwrap().stop().await.unwrap();
            market.stop().await.unwrap();
            market = start().await;
        }
        if number == 9 {
            nodes.push(community.start(3, directory.path()).await);
        }
        for (agent, readings) in &mut households {
            assert_eq!(agent.send(readings[number].bytes()).await, None, "interval {number}");
        }
        until("it is settled", || nodes[0].ledger.status().settlements > number as u64).await;
    }
    tokio::time::timeout(PATIENCE, market.finished()).await.unwrap().unwrap();
    market.stop().await.unwrap();

    // What was fed in last, then what the device says: 150 Wh, and a quarter of what is stored.
    let clinic: Vec<[u64; 4]> = quotas.iter().map(|quota| quota.awards.map(Energy::wh)).collect();
    assert!(clinic.iter().all(|awards| awards[0] == 100), "life-safety comes first: {clinic:?}");
    let node = &nodes[0].ledger;
    for (number, flows) in FLOWS.iter().enumerate() {
        let settlement = node.settlement(at(number)).unwrap().unwrap();
        let on_island = (FIRST_ON_ISLAND..FIRST_BACK).contains(&number);
        let retail = if on_island { "0.35" } else { "0.3" };
        assert_eq!(settlement.tariffs.retail_price, price(retail), "interval {number}");
        assert_eq!(settlement.price.is_some_and(|price| price.to_string() == "0.35"), on_island, "interval {number}");
        let inputs = node.correctable(at(number)).unwrap().unwrap().inputs;
        let entitled: Vec<MemberId> =
            inputs.iter().filter(|input| input.quota.is_some()).map(|input| input.member).collect();
        assert_eq!(entitled, if on_island { vec![member(1), member(2), member(3)] } else { vec![] });
        // Every Wh is on a line, and the transformer's meter agrees.
        for (line, (drawn, fed_in)) in settlement.lines.iter().zip(&flows[..3]) {
            assert_eq!((line.bought.wh() + line.imported.wh(), line.sold.wh() + line.exported.wh()), (*drawn, *fed_in));
        }
        assert_eq!(settlement.provisional, None, "interval {number}");
        let exchange = settlement.exchange.unwrap();
        assert_eq!((exchange.import.wh(), exchange.export.wh()), flows[3]);
    }
    let status = node.status();
    assert_eq!((status.settlements, status.balances_sum), (FLOWS.len() as u64, Amount::ZERO));
    let overdrawn = node.settlement(at(6)).unwrap().unwrap();
    assert_eq!(overdrawn.lines.iter().map(|line| line.bought.wh()).collect::<Vec<_>>(), [150, 0, 50, 0]);
    // The one that was away has the same.
    until("all have it", || nodes[3].ledger.status().height == status.height).await;
    assert_eq!(nodes[3].ledger.status().state_root, status.state_root);
    assert_eq!(nodes[3].ledger.head().state.island(), None);
    for node in nodes {
        node.stop().await.unwrap();
    }
    let blocks = community.blocks(0, directory.path());
    assert_eq!(blocks.len() as u64, status.height);
    for number in 1..4 {
        assert!(community.blocks(number, directory.path()) == blocks, "validator {number} has other blocks");
    }
}
