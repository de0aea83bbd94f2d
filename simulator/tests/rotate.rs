//! Households that go on with another device key, over real processes with a real Mosquitto in the middle: one because
//! it wants to, one because the ledger has suspended its device. Their chains go on, and no energy is lost.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/spread.rs"]
mod spread;
#[path = "support/truth.rs"]
mod truth;

use std::{fs, path::Path, process::Command, time::Duration};

use ledger_client::{Client, api::Node};
use protocol::{
    block::Transaction,
    cbor,
    envelope::Signed,
    genesis::Genesis,
    hash::Hash,
    reading::{Reading, Registers},
};
use settings::owner_only::read_key;
use spread::{Neighbourhood, Process, agents, audits, eventually, get, profile_of_a_day, program, value};
use testkit::mosquitto::Mosquitto;

const INTERVALS: usize = 24;

/// The exit code of a command of the agent, and what it says.
fn agent(subcommand: &[&str], config: &Path, node: &str) -> (Option<i32>, String) {
    let mut command = Command::new(program("meter-agent"));
    let output = command.args(subcommand).args(["--node", node, "--config"]).arg(config).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// What the ledger has of the household with this configuration.
fn member(node: &str, config: &Path) -> serde_json::Value {
    let key = read_key(&config.with_file_name("member.key")).unwrap().public().to_string();
    let members = get(&format!("{node}/v1/members")).unwrap();
    members.as_array().unwrap().iter().find(|member| member["key"] == key.as_str()).unwrap().clone()
}

/// Somebody has the device's key, and signs another reading under the number of the last settled one.
fn suspend(node: &str, config: &Path) {
    let device = read_key(&config.with_file_name("device.key")).unwrap();
    let genesis =
        Genesis::from_json(&fs::read(config.with_file_name(value(config, "genesis").as_str().unwrap())).unwrap());
    let chain = genesis.unwrap().chain();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Where the next reading was settled before the report is in a block, it contradicts nothing, and another is made.
    eventually("a suspension", || {
        let found = member(node, config);
        if found["device"].is_null() {
            return Some(());
        }
        let sequence = found["sequence"].as_u64().filter(|sequence| *sequence > 0)?;
        let interval = found["read"].as_str().unwrap().parse().unwrap();
        let registers = Registers { import_wh: 1, export_wh: 1 };
        let reading = Reading { interval, sequence, previous: Hash::ZERO, registers, salt: [7; 16] };
        let report = Transaction::report_conflict(Signed::sign(reading, &chain, &device).sealed(), None);
        runtime.block_on(async {
            let client = Client::new(node, None, None).unwrap();
            Node::new(client, Duration::from_secs(60)).submit(&cbor::encode(&report)).await.unwrap()
        });
        None
    });
}

#[test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
fn households_go_on_with_another_device_key_also_after_a_suspension() {
    let broker = Mosquitto::start();
    let directory = tempfile::tempdir().unwrap();
    let summer = truth::built_in("summer");
    let truth = truth::of(profile_of_a_day(&summer).as_bytes(), INTERVALS);
    let neighbourhood = Neighbourhood::init(directory.path(), &summer, broker.port, INTERVALS, 300);
    let validators: Vec<Process> = (0..4).map(|n| neighbourhood.validator(n)).collect();
    // A market that waits a while for a household that is away, and then goes on without it.
    neighbourhood.wait_for_readings(4_000);
    let market = neighbourhood.market();
    let configs = agents(&neighbourhood.run);
    let mut running = neighbourhood.agents();
    neighbourhood.settled(0, 3);
    let node = neighbourhood.api(0);
    let (suspended, willing) = (configs[0].as_path(), configs[1].as_path());
    let before = [suspended, willing].map(|config| member(&node, config)["device"].clone());

    suspend(&node, suspended);
    for config in [suspended, willing] {
        let (code, said) = agent(&["rotate", "finish"], config, &node);
        assert!(code == Some(2) && said.contains("begin with `rotate request`"), "{said}");
        for expected in ["The ledger was told to take its readings", "told"] {
            let (code, said) = agent(&["rotate", "request"], config, &node);
            assert!(code == Some(0) && (said.contains(expected) || said.contains("already")), "{said}");
        }
    }
    // In the order of the configurations: the first two.
    let rest = running.split_off(2);
    for (config, old) in [suspended, willing].into_iter().zip(running) {
        // While the agent runs it is not finished, whatever the ledger says.
        eventually("the new key is due", || {
            let (code, said) = agent(&["rotate", "finish"], config, &node);
            assert_eq!(code, Some(2), "{said}");
            assert!(said.contains("takes no readings of") || said.contains("is in use"), "{said}");
            said.contains("is in use").then_some(())
        });
        old.stop();
        let (code, said) = agent(&["rotate", "finish"], config, &node);
        assert!(code == Some(0) && said.contains("Readings are signed with did:key:"), "{said}");
        let registration = value(config, "registration");
        assert_eq!(registration["member"].as_str(), member(&node, config)["member"].as_str());
        assert!(config.with_file_name("device.key.old-1").exists());
    }
    let mut running = rest;
    running.extend([suspended, willing].map(|config| neighbourhood.agent(config)));

    let last = neighbourhood.settled(0, INTERVALS);
    assert_eq!((&last["settlements"], &last["balances_sum"]), (&INTERVALS.into(), &"0".into()));
    for (config, old) in [suspended, willing].into_iter().zip(before) {
        let found = member(&node, config);
        let device = read_key(&config.with_file_name("device.key")).unwrap().public().to_string();
        assert!(found["device"] == device.as_str() && found["device"] != old, "{found}");
    }
    let page = get(&format!("{node}/v1/settlements")).unwrap();
    let lines = || page.as_array().unwrap().iter().flat_map(|settled| settled["lines"].as_array().unwrap());
    let sum = |field: &str| lines().map(|line| line[field].as_u64().unwrap()).sum::<u64>();
    let net = sum("imported") as i64 - sum("exported") as i64;
    assert_eq!(net, truth.imported_wh as i64 - truth.exported_wh as i64, "what was drawn meanwhile is settled, later");
    running.into_iter().for_each(Process::stop);
    market.stop();
    validators.into_iter().for_each(Process::stop);
    audits(&neighbourhood.run);
}
