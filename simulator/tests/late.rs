//! A household is offline while its neighbourhood goes on, over real processes with a real Mosquitto in the middle: its
//! readings come late, a true-up makes up for them, and the totals are the ground truth all the same. The console's
//! history has the day as it stands, beside what it was, also after a restart.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/history.rs"]
mod history;
#[path = "support/spread.rs"]
mod spread;
#[path = "support/true_up.rs"]
mod true_up;
#[path = "support/truth.rs"]
mod truth;

use std::fs;

use serde_json::Value;
use spread::{Neighbourhood, Process, agents, audits, eventually, get, profile_of_a_day, value};
use testkit::mosquitto::Mosquitto;
use true_up::{in_force, sum, true_up};

const INTERVALS: usize = 24;
/// Settled while one household is offline, at least.
const WITHOUT: usize = 4;
const FIRST: &str = "2016-07-04T06:00:00Z";
const DATE: &str = "2016-07-04";

#[test]
#[ignore = "needs Mosquitto, Chromium and axe-core, which .ci/run installs"]
fn a_household_that_was_offline_is_made_up_for() {
    let broker = Mosquitto::start();
    let directory = tempfile::tempdir().unwrap();
    let summer = truth::built_in("summer");
    let truth = truth::of(profile_of_a_day(&summer).as_bytes(), INTERVALS);
    let neighbourhood = Neighbourhood::init(directory.path(), &summer, broker.port, INTERVALS, 200);
    let run = &neighbourhood.run;
    let validators: Vec<Process> = (0..4).map(|n| neighbourhood.validator(n)).collect();
    let api = neighbourhood.api(0);

    // A market that waits for nobody, and later one that waits for all.
    let patient = fs::read_to_string(neighbourhood.market_config()).unwrap();
    neighbourhood.wait_for_readings(500);

    let agents = agents(run);
    // The first draws, so without it less is traded. For some who feed in, others would step in.
    let (offline, online) = agents.split_first().unwrap();
    let market = neighbourhood.market();
    let mut running: Vec<Process> = online.iter().map(|config| neighbourhood.agent(config)).collect();
    neighbourhood.settled(0, WITHOUT);
    market.kill();
    fs::write(neighbourhood.market_config(), patient).unwrap();
    let market = neighbourhood.market();
    running.push(neighbourhood.agent(offline));
    let last = neighbourhood.settled(0, INTERVALS);
    assert_eq!(last["balances_sum"], "0");

    let before = in_force(&api);
    let provisional = before.iter().filter(|(settled, _)| !settled["provisional"].is_null()).count();
    assert!(provisional >= WITHOUT, "{provisional} intervals are provisional");
    let log = neighbourhood.log("market.log");
    assert!(log.contains("settled as provisional: not every meter was read"), "{log}");
    // No energy is lost, but the offline household has not traded.
    let net = |settled: &[(Value, Vec<Value>)]| sum(settled, "imported") as i64 - sum(settled, "exported") as i64;
    assert_eq!(net(&before), truth.imported_wh as i64 - truth.exported_wh as i64);
    assert_ne!(sum(&before, "imported"), truth.imported_wh);

    let after = true_up(&neighbourhood, FIRST);
    let corrections = after.iter().filter(|(settled, _)| settled["corrections"] != 0).count();
    let still = |settled: &Value| !settled["provisional"].is_null() && settled["corrections"] == 0;
    assert!(!after.iter().any(|(settled, _)| still(settled)), "one decision corrects them all");
    assert_eq!((sum(&after, "bought"), sum(&after, "sold")), (truth.traded_wh, truth.traded_wh));
    assert_eq!((sum(&after, "imported"), sum(&after, "exported")), (truth.imported_wh, truth.exported_wh));
    let status = get(&format!("{api}/v1/status")).unwrap();
    assert_eq!(status["balances_sum"], "0");

    // The households hear of it: what their agents have verified adds up to the same.
    let proved = |field: &str| -> Option<u64> {
        let of_agent = |config| {
            let address = value(config, "status");
            get(&format!("http://{}/status", address.as_str().unwrap()))?[field].as_u64()
        };
        agents.iter().map(|config| of_agent(config)).sum()
    };
    for field in ["bought", "sold", "imported", "exported"] {
        let expected = Some(sum(&after, field));
        eventually(&format!("all agents to know what was {field}"), || {
            (proved(&format!("{field}_wh")) == expected).then_some(())
        });
    }

    running.into_iter().for_each(Process::stop);

    // The console looks back on it, from the ledger alone: a restart forgets nothing.
    let console = format!("http://{}", value(&neighbourhood.market_config(), "console").as_str().unwrap());
    let day = history::day(&console, DATE);
    history::adds_up(&day, &before, &after);
    market.stop();
    let market = neighbourhood.market();
    assert_eq!(history::day(&console, DATE), day, "after a restart");
    let member = after[0].1[0]["member"].as_str().unwrap();
    history::month_adds_up(&console, &DATE[..7], member, &after);
    history::is_cleared_again(&console, FIRST);
    history::was_decided(&console, corrections);
    history::is_looked_at(&console, DATE, INTERVALS, corrections);
    market.stop();
    let height = status["height"].as_u64().unwrap();
    for n in 1..4 {
        eventually("all validators to have it", || {
            neighbourhood.status(n).filter(|status| status["height"].as_u64().unwrap() >= height)
        });
    }
    validators.into_iter().for_each(Process::stop);
    for report in audits(run) {
        assert_eq!((&report["settlements"], &report["corrections"]), (&INTERVALS.into(), &corrections.into()));
    }

    // The nodes forget the readings: the day keeps its table, and of what can no longer be worked out it says so.
    (0..4).for_each(|n| neighbourhood.prune(n));
    let validators: Vec<Process> = (0..4).map(|n| neighbourhood.validator(n)).collect();
    let market = neighbourhood.market();
    assert_eq!(history::day(&console, DATE), day, "after the readings are gone");
    history::is_looked_at_pruned(&console, DATE, INTERVALS, corrections);
    market.stop();
    validators.into_iter().for_each(Process::stop);
}
