//! The neighbourhood spread over processes: what the tests of it share.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value;

/// Only so that a hang fails: nothing here is measured against it.
const PATIENCE: Duration = Duration::from_secs(600);

/// The agents' configurations, in the order of the participants' names.
pub(crate) fn agents(run: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run.join("agents")).unwrap();
    let mut configs: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path().join("agent.toml")).collect();
    configs.sort();
    configs
}

/// A process that dies with its test.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(program: &Path, arguments: &[&str], log: &Path) -> Process {
        let log = fs::File::options().create(true).append(true).open(log).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Process(command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display())))
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    pub(crate) fn stop(mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap();
        assert!(asked.success());
        let status = self.0.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One of the project's programs, built beside the simulator by `cargo test --workspace`.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_simulator")).with_file_name(name);
    assert!(path.exists(), "{} is not built: run `cargo test --workspace`", path.display());
    path
}

pub(crate) fn value(config: &Path, key: &str) -> toml::Value {
    fs::read_to_string(config).unwrap().parse::<toml::Table>().unwrap().remove(key).unwrap()
}

pub(crate) fn get(url: &str) -> Option<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { reqwest::get(url).await.ok()?.json().await.ok() })
}

pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "gave up waiting: {what}");
        sleep(Duration::from_millis(50));
    }
}

const HOUSEHOLDS: [&str; 8] = ["d001", "d002", "d005", "d007", "d011", "d034", "d038", "d039"];

/// Eight households of a profile, from the morning on, when they trade.
pub(crate) fn profile_of_a_day(all: &str) -> String {
    let mut profile = String::from("timestamp,participant_id,consumption_wh,production_wh\n");
    for line in all.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let is_day = fields[0] >= "2016-07-04T06:00:00Z" && fields[0] < "2016-07-04T14:00:00Z";
        if is_day && HOUSEHOLDS.contains(&fields[1]) {
            profile.push_str(&fields[..4].join(","));
            profile.push('\n');
        }
    }
    profile
}

/// Writes the files of a data set with this profile, named `day`.
pub(crate) fn write_data(directory: &Path, profile: &str) {
    fs::create_dir(directory).unwrap();
    fs::write(directory.join("participants.csv"), format!("participant_id\n{}\n", HOUSEHOLDS.join("\n"))).unwrap();
    fs::write(directory.join("profiles_day.csv"), profile).unwrap();
}

/// The audits of all four validators, whose ledgers are in order and the same.
pub(crate) fn audits(run: &Path) -> Vec<Value> {
    let report = |n: usize| {
        let audit = Command::new(program("ledger"))
            .args(["audit", "--json"])
            .arg(run.join(format!("validator-{n}")))
            .output()
            .unwrap();
        assert!(audit.status.success(), "validator {n}: {}", String::from_utf8_lossy(&audit.stderr));
        serde_json::from_slice::<Value>(&audit.stdout).unwrap()
    };
    let reports: Vec<Value> = (0..4).map(report).collect();
    assert!(reports.iter().all(|report| report["state_root"] == reports[0]["state_root"]));
    reports
}
