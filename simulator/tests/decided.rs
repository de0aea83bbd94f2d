//! What the validators decide while an interval is open: real processes, a real Mosquitto, a decision at every moment
//! of the market's round. What the market cleared from is what the validators have, so that nothing is refused.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/spread.rs"]
mod spread;
#[path = "support/truth.rs"]
#[allow(dead_code, reason = "only the data are used")]
mod truth;

use std::{fs, thread::sleep, time::Duration};

use protocol::{
    block::Transaction,
    cbor::{self, Encoded},
    commit::CommitSignature,
    decision::{Action, Decision},
    genesis::{Genesis, GenesisMember},
    hash::Hash,
    interval::Interval,
    key::SecretKey,
    member::MemberId,
    reading::Registers,
};
use spread::{Neighbourhood, Process, audits, eventually, get};
use testkit::mosquitto::Mosquitto;

const INTERVALS: usize = 24;
/// Time between two decisions, ms: no divisor of the time between two intervals, so that they fall into all of its
/// phases.
const BETWEEN_MS: u64 = 170;
const INTERVAL_MS: u64 = 400;
const DECISIONS: u8 = 40;
/// Kinds of decisions.
const KINDS: u8 = 5;

fn key(number: u8, of: u8) -> SecretKey {
    let mut seed = [of; 32];
    seed[0] = number;
    SecretKey::from_seed(&seed)
}

/// One household after the other: enrolled, then with another key, then with another meter; new rules; then without
/// a device.
fn action(number: u8, genesis: &Genesis, open: Interval) -> Action {
    let household = number / KINDS;
    let member = MemberId::from_bytes([200 + household; 16]);
    match number % KINDS {
        0 => Action::RegisterMember(Box::new(GenesisMember {
            member,
            key: key(household, 101).public(),
            device: key(household, 102).public(),
            ..genesis.members[0].clone()
        })),
        1 => Action::ReplaceKey { member, key: key(household, 103).public() },
        2 => Action::ReplaceMeter {
            member,
            device: key(household, 104).public(),
            registers: Registers { import_wh: 7, export_wh: 9 },
            rated_power_w: 5_000,
            technology: None,
        },
        3 => Action::RevokeDevice { member },
        // Not so soon that it could be settled before the validators hear of it.
        _ => Action::SetRules { from: open.offset(8).unwrap(), rules: genesis.rules.clone(), grid: None },
    }
}

fn post(url: &str, transaction: Vec<u8>) -> serde_json::Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let request = reqwest::Client::new().post(url).header("content-type", "application/cbor").body(transaction);
    runtime.block_on(async { request.send().await.unwrap().json().await.unwrap() })
}

fn metrics(api: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { reqwest::get(format!("{api}/metrics")).await.unwrap().text().await.unwrap() })
}

#[test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
fn whatever_is_decided_while_an_interval_is_open_no_settlement_is_refused() {
    let broker = Mosquitto::start();
    let directory = tempfile::tempdir().unwrap();
    let summer = truth::built_in("summer");
    let neighbourhood = Neighbourhood::init(directory.path(), &summer, broker.port, INTERVALS, INTERVAL_MS);
    // Nobody reads the meters of the new households: no interval waits long for them.
    Neighbourhood::configure(&neighbourhood.market_config(), "gate_delay_ms = 60000", "gate_delay_ms = 200");
    let run = &neighbourhood.run;
    let validators: Vec<Process> = (0..4).map(|n| neighbourhood.validator(n)).collect();
    eventually("the validators", || neighbourhood.status(3));
    let market = neighbourhood.market();
    let agents = neighbourhood.agents();

    let genesis = Genesis::from_json(&fs::read(run.join("genesis.json")).unwrap()).unwrap();
    let keys: Vec<SecretKey> = (0..4)
        .map(|n| {
            let text = fs::read_to_string(run.join(format!("validator-{n}/validator.key"))).unwrap();
            SecretKey::from_seed(text.trim_end().parse::<Hash>().unwrap().as_bytes())
        })
        .collect();
    let next = || neighbourhood.status(0).unwrap()["next"].as_str().unwrap().parse::<Interval>().unwrap();
    neighbourhood.settled(0, 1);
    for number in 0..DECISIONS {
        let action = action(number, &genesis, next());
        let decision = Decision { sequence: u64::from(number) + 1, action };
        let mut approvals: Vec<CommitSignature> =
            keys.iter().map(|key| decision.approve(&genesis.chain(), key)).collect();
        approvals.sort_by_key(|approval| approval.validator);
        let transaction = cbor::encode(&Transaction::Decide { decision: Encoded::of(&decision), approvals });
        sleep(Duration::from_millis(BETWEEN_MS));
        eventually("a decision", || {
            let answer =
                post(&format!("{}/v1/transactions", neighbourhood.api(usize::from(number % 4))), transaction.clone());
            assert_ne!(answer["outcome"], "refused", "{number}: {answer}");
            Some(()).filter(|()| answer["outcome"] == "exists")
        });
    }
    neighbourhood.settled(0, INTERVALS);
    let members = get(&format!("{}/v1/members", neighbourhood.api(0))).unwrap();
    assert_eq!(members.as_array().unwrap().len(), genesis.members.len() + usize::from(DECISIONS / KINDS));

    let log = neighbourhood.log("market.log");
    assert!(!log.contains("refuses the settlement") && !log.contains("ERROR"), "{log}");
    for n in 0..4 {
        let counted = metrics(&neighbourhood.api(n));
        let refused: Vec<&str> =
            counted.lines().filter(|line| line.contains("clearing_differs") || line.contains("not_next")).collect();
        assert!(refused.iter().all(|line| line.ends_with(" 0")), "validator {n}: {refused:?}");
    }
    agents.into_iter().for_each(Process::stop);
    market.stop();
    validators.into_iter().for_each(Process::stop);
    assert!(audits(run).iter().all(|report| report["settlements"] == INTERVALS));
}
