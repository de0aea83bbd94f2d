//! A true-up, as an operator makes one: drafted, approved by three validators, submitted.

use std::{fs, process::Command};

use serde_json::Value;

use super::spread::{Neighbourhood, eventually, get, program};

/// What a command prints, if it succeeds.
fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Settled intervals, each with its lines in force.
pub(crate) fn in_force(api: &str) -> Vec<(Value, Vec<Value>)> {
    let settled = get(&format!("{api}/v1/settlements?limit=200")).unwrap();
    let lines = |settled: &Value| -> Vec<Value> {
        let corrections = &settled["corrections"];
        if *corrections == 0 {
            return settled["lines"].as_array().unwrap().clone();
        }
        let start = settled["interval"].as_str().unwrap().split('/').next().unwrap().to_owned();
        let receipts = get(&format!("{api}/v1/settlements/{start}/corrections")).unwrap();
        let last = receipts.as_array().unwrap().iter().filter(|receipt| receipt["entry"]["correction"] == *corrections);
        last.map(|receipt| receipt["entry"]["line"].clone()).collect()
    };
    settled.as_array().unwrap().iter().map(|settled| (settled.clone(), lines(settled))).collect()
}

/// All that these lines say of a field.
pub(crate) fn sum(settled: &[(Value, Vec<Value>)], field: &str) -> u64 {
    settled.iter().flat_map(|(_, lines)| lines).map(|line| line[field].as_u64().unwrap()).sum()
}

/// Makes up for what came late since `from`; what is in force then.
pub(crate) fn true_up(neighbourhood: &Neighbourhood, from: &str) -> Vec<(Value, Vec<Value>)> {
    let (run, api) = (&neighbourhood.run, neighbourhood.api(0));
    let draft = neighbourhood.root.join("draft.json");
    let ledger = || Command::new(program("ledger"));
    fs::write(&draft, succeeds(ledger().args(["true-up", "--from", from, "--url", &api]))).unwrap();
    for n in 0..3 {
        let key = run.join(format!("validator-{n}/validator.key"));
        let mut approve = ledger();
        approve.arg("approve").arg(&draft).arg("--key").arg(key).arg("--genesis").arg(run.join("genesis.json"));
        let approved = succeeds(&mut approve);
        fs::write(&draft, approved).unwrap();
    }
    succeeds(ledger().arg("submit").arg(&draft).args(["--url", &api]));
    eventually("the true-up", || {
        let after = in_force(&api);
        after.iter().any(|(settled, _)| settled["corrections"] == 1).then_some(after)
    })
}
