//! Every refusal of the state machine has a row in the documentation and a test that provokes it by name.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;

const REFUSALS: &str = include_str!("../src/state/refusal.rs");
const DOCUMENTED: &str = include_str!("../../docs/protocol.md");
/// Refusals that no test of this crate can provoke, and why.
const UNREACHABLE: [(&str, &str); 5] = [
    ("cannot_settle", "needs a bug in a mechanism, or more energy than any connection carries"),
    ("amount_overflow", "needs accounts of 9.2 billion"),
    ("readings_pruned", "a pruned ledger is followed only by the audit, which restores what it needs first"),
    ("too_many_members", "needs 10,000 members"),
    ("too_many_scheduled", "needs 1,000 changes in one interval"),
];

fn names() -> Vec<&'static str> {
    let names = REFUSALS.lines().filter_map(|line| line.split_once("=> \"")?.1.split_once('"')).map(|(name, _)| name);
    names.filter(|name| !name.contains('{')).collect()
}

#[test]
fn every_refusal_is_described() {
    let names = names();
    assert!(names.len() > 40, "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !DOCUMENTED.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "no row in docs/protocol.md: {missing:?}");
}

#[test]
fn every_refusal_is_provoked_by_a_test() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let mut tests = String::new();
    for file in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_some_and(|extension| extension == "rs") && !file.ends_with("refusals.rs") {
            tests.push_str(&fs::read_to_string(file).unwrap());
        }
    }
    tests.push_str(include_str!("../src/state/certificates.rs"));
    let untested: Vec<_> = names()
        .into_iter()
        .filter(|name| !tests.contains(&format!("\"{name}\"")) && UNREACHABLE.iter().all(|(known, _)| known != name))
        .collect();
    assert!(untested.is_empty(), "named by no test: {untested:?}");
}
