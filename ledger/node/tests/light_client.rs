//! The light client in JavaScript, in Node.js: against the published vectors, and every byte of a receipt changed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;

#[test]
#[ignore = "needs Node.js, which .ci/run installs with npm"]
fn the_light_client_in_javascript_believes_the_vectors_and_nothing_that_was_changed() {
    let test = concat!(env!("CARGO_MANIFEST_DIR"), "/src/page/tests/light_client.mjs");
    let ran = Command::new("node").args(["--test", test]).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}");
    // A run that found no tests succeeds too.
    assert!(said.contains("pass 9"), "{said}");
}
