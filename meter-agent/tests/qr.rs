//! The QR code in a real terminal, which `script` gives to the program, as a reader that others wrote sees it.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use protocol::enrolment::EnrolmentRequest;

#[test]
#[ignore = "needs zxing-cpp, which .ci/run installs"]
fn a_phone_reads_the_request_from_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_meter-agent");
    let longest = "n".repeat(64);
    let line = format!("exec {program} init --dir {} --request-name {longest}", dir.path().display());
    let shown = Command::new("script").args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
    assert!(shown.status.success(), "{shown:?}");

    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut reader = Command::new(here.join("../target/meters/bin/python"));
    reader.arg(here.join("tests/qr_texts.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut reader = reader.spawn().unwrap();
    reader.stdin.take().unwrap().write_all(&shown.stdout).unwrap();
    let read = String::from_utf8(reader.wait_with_output().unwrap().stdout).unwrap();
    let request = EnrolmentRequest::read(&read).unwrap();
    assert_eq!(request.name(), Some(longest.as_str()));
    assert!(String::from_utf8_lossy(&shown.stdout).contains(&request.device().to_string()));
}
