//! Bad input: one clear line on standard error, exit code 2, and nothing harmed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simulator"));
    command.args(arguments);
    command
}

fn simulator(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn refused(arguments: &[&str], expected: &str) {
    let output = simulator(arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}\n{stderr}");
    assert!(stderr.contains(expected), "{arguments:?}\n{stderr}\nexpected: {expected}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{arguments:?}\n{stderr}");
}

fn data(participants: &str, profile: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("participants.csv"), participants).unwrap();
    fs::write(directory.path().join("profiles_day.csv"), profile).unwrap();
    directory
}

const PARTICIPANTS: &str = "participant_id\na\nb\n";
const PROFILE: &str = "timestamp,participant_id,consumption_wh,production_wh\n\
                       2026-06-01T00:00:00Z,a,10,5\n\
                       2026-06-01T00:00:00Z,b,20,0\n\
                       2026-06-01T00:15:00Z,a,0,7\n\
                       2026-06-01T00:15:00Z,b,30,0\n\
                       2026-06-01T00:30:00Z,a,0,7\n\
                       2026-06-01T00:30:00Z,b,30,0\n";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_bad_data_set_is_refused_before_anything_is_made() {
    for (participants, profile, expected) in [
        (PARTICIPANTS.replace("participant_id", "id"), PROFILE.into(), "expected one column `participant_id`"),
        (PARTICIPANTS.into(), PROFILE.replace("production_wh", "pv"), "expected one column `production_wh`"),
        (PARTICIPANTS.into(), PROFILE.replace("a,10,5", "a,10.5,5"), "profiles_day.csv line 2: expected whole Wh"),
        (PARTICIPANTS.replace("b\n", "a\n"), PROFILE.into(), "expected each participant once, found a again"),
        (PARTICIPANTS.into(), PROFILE.replace("T00:30", "T01:00"), "expected no gap between intervals"),
    ] {
        let data = data(&participants, &profile);
        let state = data.path().join("state");
        let arguments = ["live", "--data", text(data.path()), "--profile", "day", "--state", text(&state)];
        refused(&arguments, expected);
        assert!(!state.exists(), "{expected}");
    }
}

#[test]
fn bad_options_are_refused_before_anything_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("mqtt://{unused}");
    let nowhere = directory.path().join("no/summary.json");
    for (option, value, expected) in [
        ("--profile", "spring", "expected one of the profiles summer, winter"),
        ("--intervals", "1345", "--intervals: expected 1 to 1344"),
        ("--intervals", "none", "none"),
        ("--mechanism", "lottery", "expected a mechanism"),
        ("--validators", "0", "--validators"),
        ("--retail", "NaN", "expected a price per kWh"),
        ("--console", &address, "--console: expected a free port"),
        ("--console", "everywhere", "expected an address such as 127.0.0.1:8080, or off"),
        ("--broker", &nobody, "--broker: expected an MQTT broker at"),
        ("--broker", "tcp://localhost", "expected embedded, or a broker such as"),
        ("--summary", text(&nowhere), "--summary: expected a file that can be written"),
        ("--orders", text(&nowhere), "cannot be read"),
        ("--data", text(&nowhere), "expected a directory of CSV files"),
        ("--unknown", "1", "--unknown"),
    ] {
        let mut arguments = vec!["live", "--state", text(&state), option, value];
        if option != "--console" {
            arguments.extend(["--console", "off"]);
        }
        refused(&arguments, expected);
        assert!(!state.exists(), "{option} {value}");
    }
}

#[test]
fn that_nobody_reads_what_was_prepared_is_no_failure() {
    let data = data(PARTICIPANTS, PROFILE);
    let state = data.path().join("state");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let arguments = ["init", "--data", text(data.path()), "--profile", "day", "--state", text(&state)];
    let output = command(&arguments).stdout(writer).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(state.join("agents/b/agent.toml").is_file());
}

#[test]
fn a_state_directory_of_another_genesis_is_left_as_it_is() {
    let data = data(PARTICIPANTS, PROFILE);
    let state = data.path().join("state");
    let options = ["--data", text(data.path()), "--profile", "day", "--state", text(&state)];
    let output = simulator(&[&["init"], options.as_slice()].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for file in ["genesis.json", "validator-3/validator.toml", "market/market.toml", "agents/b/agent.toml"] {
        assert!(state.join(file).is_file(), "{file}");
    }
    let files = ["genesis.json", "market/market.toml", "agents/a/meter.csv"];
    let before = files.map(|file| fs::read(state.join(file)).unwrap());
    let live = [&["live", "--console", "off"], options.as_slice()].concat();
    refused(&[&live[..], &["--validators", "1"]].concat(), "expected --validators 4 as it was started with, found 1");
    refused(&["live", "--console", "off", "--state", text(&state)], "found 2016-07-04T00:00:00Z/PT15M");
    fs::write(data.path().join("profiles_day.csv"), PROFILE.replace("b,20", "b,21")).unwrap();
    refused(&live, "expected the energy of b in ");
    assert_eq!(files.map(|file| fs::read(state.join(file)).unwrap()), before);

    refused(&["init", "--state", text(data.path())], "expected a new, empty or earlier state directory");
}
