//! A disk that is really full, under the market, a validator and an agent, one after the other, in a neighbourhood of
//! real processes: each of them says so and claims no success; with room on the disk all goes on, and the totals are
//! the ground truth.
//!
//! Needs root on Linux, for small file systems in memory.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/disk.rs"]
mod disk;
#[path = "support/spread.rs"]
mod spread;
#[path = "support/truth.rs"]
mod truth;

use std::{path::Path, process::Command};

use disk::Disk;
use spread::{Neighbourhood, Process, agents, eventually, get, program, value};
use testkit::mosquitto::Mosquitto;

/// So many that what is left after the last disk is full would fill it many times over: the last two pages of a file
/// may hold what ten intervals write.
const INTERVALS: usize = 72;

/// Waits until a process has ended by itself.
fn end_of(what: &str, process: &mut Process) -> Option<i32> {
    eventually(&format!("the end of {what}"), || process.ended())
}

fn status_of(agent: &Path) -> Option<serde_json::Value> {
    get(&format!("http://{}/status", value(agent, "status").as_str().unwrap()))
}

#[test]
#[ignore = "needs Mosquitto and root, which .ci/run has"]
fn a_full_disk_ends_what_needs_it_with_a_word_and_nothing_that_was_acknowledged_is_lost() {
    let broker = Mosquitto::start();
    let directory = tempfile::tempdir().unwrap();
    let summer = truth::built_in("summer");
    let neighbourhood = Neighbourhood::init(directory.path(), &summer, broker.port, INTERVALS, 150);
    let truth = truth::of(spread::profile_of_days(&summer).as_bytes(), INTERVALS);
    let agent_configs = agents(&neighbourhood.run);
    let agent = &agent_configs[2];

    let place = |name: &str| directory.path().join(name);
    let market_disk = Disk::mount(place("market-disk"), 4);
    let validator_disk = Disk::mount(place("validator-disk"), 16);
    let agent_disk = Disk::mount(place("agent-disk"), 4);
    let on = |config: &Path, from: &str, disk: &Disk| {
        Neighbourhood::configure(config, from, &format!("state = \"{}\"", disk.0.join("state").display()));
    };
    on(&neighbourhood.market_config(), "state = \"data\"", &market_disk);
    on(&neighbourhood.validator_config(3), "state = \".\"", &validator_disk);
    on(agent, "state = \"data\"", &agent_disk);
    // A record of what the device has signed that is copied there is doubted. There is nothing in it yet.
    let recover = ["recover", "--never-signed", "--config", agent.to_str().unwrap()];
    let recovered = Command::new(program("meter-agent")).args(recover).output().unwrap();
    assert!(recovered.status.success(), "{recovered:?}");

    let mut validators: Vec<Process> = (0..4).map(|n| neighbourhood.validator(n)).collect();
    let mut market = neighbourhood.market();
    let mut processes = neighbourhood.agents();

    neighbourhood.settled(0, 3);
    market_disk.fill();
    assert_eq!(end_of("the market", &mut market), Some(1), "{}", neighbourhood.log("market.log"));
    let log = neighbourhood.log("market.log");
    assert!(log.contains("ended before its time") && log.contains("make room on the disk"), "{log}");
    assert!(!log.contains("all intervals are settled"), "{log}");
    market_disk.make_room();
    market = neighbourhood.market();

    neighbourhood.settled(0, 9);
    validator_disk.fill();
    let ended = end_of("the validator", &mut validators[3]);
    let log = neighbourhood.log("validator-3.log");
    assert_eq!(ended, Some(1), "{log}");
    assert!(log.contains("make room on the disk"), "{log}");
    validator_disk.make_room();
    validators[3] = neighbourhood.validator(3);

    neighbourhood.settled(0, 14);
    agent_disk.fill();
    eventually("the alarm of the agent", || {
        let status = status_of(agent)?;
        let alarms = status["alarms"].as_array()?;
        alarms.iter().any(|alarm| alarm.as_str().is_some_and(|alarm| alarm.starts_with("storage failed"))).then_some(())
    });
    assert_eq!(processes.remove(2).stopped(), Some(1), "{}", neighbourhood.log("agents.log"));
    agent_disk.make_room();
    processes.push(neighbourhood.agent(agent));

    neighbourhood.settled(0, INTERVALS);
    neighbourhood.settled(3, INTERVALS);
    let page = get(&format!("{}/v1/settlements", neighbourhood.api(0))).unwrap();
    let lines = || page.as_array().unwrap().iter().flat_map(|settled| settled["lines"].as_array().unwrap());
    let sum = |field: &str| lines().map(|line| line[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!(
        (sum("bought"), sum("imported"), sum("exported")),
        (truth.traded_wh, truth.imported_wh, truth.exported_wh)
    );
    for config in &agent_configs {
        eventually("all receipts of an agent", || {
            status_of(config).filter(|status| status["receipts_verified"].as_u64() >= Some(INTERVALS as u64))
        });
    }
    eventually("the end of all intervals", || {
        neighbourhood.log("market.log").contains("all intervals are settled").then_some(())
    });
    processes.into_iter().for_each(Process::stop);
    market.stop();
    validators.into_iter().for_each(Process::stop);
}
