//! The neighbourhood spread over real processes, with a real Mosquitto in the middle, as the README shows it: the
//! market and a validator are killed in mid-run, and the totals are the ground truth all the same.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/spread.rs"]
mod spread;
#[path = "support/truth.rs"]
mod truth;

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use spread::{Neighbourhood, Process, agents, audits, eventually, get, profile_of_a_day, program, value};
use testkit::mosquitto::Mosquitto;

const INTERVALS: usize = 24;

#[test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
fn killed_processes_lose_nothing_and_settle_nothing_twice() {
    let broker = Mosquitto::start();
    let directory = tempfile::tempdir().unwrap();
    let summer = truth::built_in("summer");
    let truth = truth::of(profile_of_a_day(&summer).as_bytes(), INTERVALS);
    assert!(truth.traded_wh > 0, "{truth:?}");
    let neighbourhood = Neighbourhood::init(directory.path(), &summer, broker.port, INTERVALS, 300);
    let run = &neighbourhood.run;
    let mut validators: Vec<Option<Process>> = (0..4).map(|n| Some(neighbourhood.validator(n))).collect();
    let mut market = neighbourhood.market();
    let agent_configs = agents(run);
    let agents = neighbourhood.agents();
    assert_eq!(agents.len(), 8);
    let settled = |count| neighbourhood.settled(0, count);

    settled(5);
    market.kill();
    market = neighbourhood.market();
    settled(10);
    validators[1].take().unwrap().kill();
    settled(15);
    validators[1] = Some(neighbourhood.validator(1));
    market.kill();
    market = neighbourhood.market();
    let last = settled(INTERVALS);
    assert_eq!(last["settlements"], INTERVALS, "settled twice, or past the end");
    assert_eq!(last["balances_sum"], "0");
    eventually("the killed validator catches up", || {
        neighbourhood.status(1).filter(|status| status["settlements"] == INTERVALS)
    });

    let page = get(&format!("{}/v1/settlements", neighbourhood.api(2))).unwrap();
    let lines = || page.as_array().unwrap().iter().flat_map(|settled| settled["lines"].as_array().unwrap());
    let sum = |field: &str| lines().map(|line| line[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("bought"), sum("sold")), (truth.traded_wh, truth.traded_wh));
    assert_eq!((sum("imported"), sum("exported")), (truth.imported_wh, truth.exported_wh));

    // Every agent has verified the receipt of every interval, and measured what the data says.
    let told: Vec<Value> = agent_configs
        .iter()
        .map(|config| {
            let url = format!("http://{}/status", value(config, "status").as_str().unwrap());
            eventually("all receipts of an agent", || {
                get(&url).filter(|status| status["receipts_verified"].as_u64().unwrap() >= INTERVALS as u64)
            })
        })
        .collect();
    let sum = |field: &str| told.iter().map(|status| status[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum("receipts_verified"), (INTERVALS * agents.len()) as u64);
    assert_eq!((sum("consumption_wh"), sum("production_wh")), (truth.consumption_wh, truth.production_wh));
    assert_eq!(sum("self_consumed_wh"), truth.self_consumed_alone_wh);

    agents.into_iter().for_each(Process::stop);
    market.stop();
    validators.into_iter().flatten().for_each(Process::stop);
    audit_all(run);
    erase_a_member(run);
}

/// Without its name, a member is a pseudonym that leads nowhere; its old receipts are proofs as before, and so is the
/// ledger.
fn erase_a_member(run: &Path) {
    let names = run.join("market/members.csv");
    let (member, name) = {
        let text = fs::read_to_string(&names).unwrap();
        let (member, name) = text.lines().nth(1).unwrap().split_once(',').unwrap();
        (member.to_owned(), name.trim_matches('"').to_owned())
    };
    let receipt = |of: &str| {
        let mut ledger = Command::new(program("ledger"));
        ledger.arg("receipt").arg(run.join("validator-0")).args(["--member", of, "--interval", "2016-07-04T08:00:00Z"]);
        ledger.output().unwrap()
    };
    let before = receipt(&name);
    assert!(before.status.success(), "{}", String::from_utf8_lossy(&before.stderr));
    let erased = Command::new(program("market")).args(["erase", &name, "--names"]).arg(&names).output().unwrap();
    assert!(erased.status.success(), "{}", String::from_utf8_lossy(&erased.stderr));
    assert!(!fs::read_to_string(&names).unwrap().contains(&member));

    assert_eq!(receipt(&name).status.code(), Some(2), "nothing leads from the name to the pseudonym");
    assert_eq!(receipt(&member).stdout, before.stdout);
    let file = run.join("receipt.json");
    fs::write(&file, &before.stdout).unwrap();
    let mut verify = Command::new(program("ledger"));
    verify.arg("verify").arg(&file).arg("--genesis").arg(run.join("genesis.json"));
    let verified = verify.output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    audit_all(run);
}

/// Every validator's ledger is in order, and where all have arrived they say the same.
fn audit_all(run: &Path) {
    for report in audits(run) {
        assert_eq!(report["settlements"], INTERVALS);
    }
}
