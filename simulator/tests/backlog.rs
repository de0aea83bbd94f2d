//! A household comes back after a day: its 96 readings wait at a real Mosquitto, and meet the real market at once.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/spread.rs"]
mod spread;
#[path = "support/truth.rs"]
mod truth;

use spread::{Neighbourhood, Process, agents, audits, eventually, get, value};
use testkit::mosquitto::Mosquitto;

/// A day of quarter hours, in which one household is away.
const AWAY: usize = 96;
const INTERVALS: usize = AWAY + 4;

#[test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
fn a_backlog_of_a_day_is_settled_oldest_first_and_none_of_it_lost_or_doubled() {
    let broker = Mosquitto::start();
    let directory = tempfile::tempdir().unwrap();
    let summer = truth::built_in("summer");
    let neighbourhood = Neighbourhood::init(directory.path(), &summer, broker.port, INTERVALS, 0);
    let truth = truth::of(spread::profile_of_days(&summer).as_bytes(), INTERVALS);
    Neighbourhood::configure(&neighbourhood.market_config(), "gate_delay_ms = 60000", "gate_delay_ms = 100");
    let configs = agents(&neighbourhood.run);
    let (away, present) = configs.split_last().unwrap();

    let validators: Vec<Process> = (0..4).map(|n| neighbourhood.validator(n)).collect();
    eventually("the validators", || neighbourhood.status(3));
    let market = neighbourhood.market();
    let mut processes: Vec<Process> = present.iter().map(|config| neighbourhood.agent(config)).collect();
    neighbourhood.settled(0, AWAY);
    // The broker has the market's session: what comes now waits for it.
    market.stop();
    processes.push(neighbourhood.agent(away));
    let status = || get(&format!("http://{}/status", value(away, "status").as_str().unwrap()));
    eventually("a backlog", || status().filter(|status| status["outbox"].as_u64() >= Some(AWAY as u64)));
    let settled_before = neighbourhood.status(0).unwrap()["settlements"].as_u64().unwrap();
    assert!(settled_before < INTERVALS as u64, "there is an interval left to settle the backlog with");

    let market = neighbourhood.market();
    neighbourhood.settled(0, INTERVALS);
    eventually("the end of the backlog", || status().filter(|status| status["outbox"] == 0));
    let page = get(&format!("{}/v1/settlements?limit=200", neighbourhood.api(0))).unwrap();
    let sum = |field: &str| {
        let lines = page.as_array().unwrap().iter().flat_map(|settled| settled["lines"].as_array().unwrap());
        lines.map(|line| line[field].as_u64().unwrap()).sum::<u64>()
    };
    // What came late was settled with the supplier; not a Wh more or less than was metered.
    assert!(sum("bought") < truth.traded_wh, "the neighbours could not trade with who was away");
    assert_eq!(sum("bought"), sum("sold"));
    assert_eq!(sum("bought") + sum("imported"), truth.traded_wh + truth.imported_wh);
    assert_eq!(sum("sold") + sum("exported"), truth.traded_wh + truth.exported_wh);
    let log = neighbourhood.log("market.log");
    assert!(!log.contains("ERROR"), "{log}");

    processes.into_iter().for_each(Process::stop);
    market.stop();
    validators.into_iter().for_each(Process::stop);
    assert!(audits(&neighbourhood.run).iter().all(|report| report["settlements"] == INTERVALS));
}
