//! Every refusal of the state machine has a row in the documentation and a test that provokes it by name.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;

use protocol::refusal::LedgerRefusal;

const DOCUMENTED: &str = include_str!("../../../docs/protocol.md");
/// Refusals that no test of this crate can provoke, and why.
const UNREACHABLE: [(LedgerRefusal, &str); 5] = [
    (LedgerRefusal::CannotSettle, "needs a bug in a mechanism, or more energy than any connection carries"),
    (LedgerRefusal::AmountOverflow, "needs accounts of 9.2 billion"),
    (
        LedgerRefusal::ReadingsPruned,
        "a pruned ledger is followed only by the audit, which restores what it needs first",
    ),
    (LedgerRefusal::TooManyMembers, "needs 10,000 members"),
    (LedgerRefusal::TooManyScheduled, "needs 1,000 changes in one interval"),
];

/// Whether a text has the name between `quote`s, or the name with a field at its end.
fn names(text: &str, quote: char, refusal: LedgerRefusal) -> bool {
    text.contains(&format!("{quote}{refusal}{quote}"))
        || is_of_field(refusal) && text.contains(&format!("{quote}{refusal}_"))
}

fn is_of_field(refusal: LedgerRefusal) -> bool {
    matches!(refusal, LedgerRefusal::ExistsWithDifferent | LedgerRefusal::Header)
}

#[test]
fn every_refusal_is_described() {
    let missing: Vec<_> = LedgerRefusal::ALL.into_iter().filter(|refusal| !names(DOCUMENTED, '`', *refusal)).collect();
    assert!(missing.is_empty(), "no row in docs/protocol.md: {missing:?}");
}

#[test]
fn every_refusal_is_provoked_by_a_test() {
    let [pure, node] =
        [concat!(env!("CARGO_MANIFEST_DIR"), "/../tests"), concat!(env!("CARGO_MANIFEST_DIR"), "/tests")];
    let mut tests = String::new();
    let files = fs::read_dir(pure).unwrap().chain(fs::read_dir(node).unwrap());
    for file in files.map(|entry| entry.unwrap().path()) {
        if file.extension().is_some_and(|extension| extension == "rs") && !file.ends_with("refusals.rs") {
            tests.push_str(&fs::read_to_string(file).unwrap());
        }
    }
    tests.push_str(include_str!("../../src/state/certificates.rs"));
    tests.push_str(include_str!("../../src/state/decide.rs"));
    let untested: Vec<_> = LedgerRefusal::ALL
        .into_iter()
        .filter(|refusal| !names(&tests, '"', *refusal) && UNREACHABLE.iter().all(|(known, _)| known != refusal))
        .collect();
    assert!(untested.is_empty(), "named by no test: {untested:?}");
}
