//! Who runs a community is told: the shipped rules in a real Prometheus, and the market's list, beside a neighbourhood
//! of real processes that stop and come back.
//!
//! Not provoked here are the alert of contradicting validators, which takes a key that runs twice, as in the node's
//! `byzantine`, where it fires and clears; and those of witnesses, whose figures the node's `checkpoints` looks at.
//!
//! Needs root on Linux, for a small file system in memory.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/disk.rs"]
#[allow(dead_code, reason = "it is small, and not full")]
mod disk;
#[path = "support/spread.rs"]
mod spread;
#[path = "support/truth.rs"]
#[allow(dead_code, reason = "only the profile is needed")]
mod truth;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use disk::Disk;
use protocol::{genesis::Genesis, key::SecretKey, topic::Topics};
use serde_json::Value;
use spread::{Neighbourhood, Process, agents, eventually, get, program, value};
use testkit::{agent::Agent, mosquitto::Mosquitto, prometheus::Prometheus};

/// More than the test takes: at most one in a second and a half.
const INTERVALS: usize = 140;
const INTERVAL_MS: u64 = 1_500;

fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(shipped(path)).unwrap()
}

/// The names of the alerts.
fn alerts() -> Vec<String> {
    let rules = read("prometheus/voisin.rules.yml");
    let names: Vec<String> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect();
    assert!(!names.is_empty());
    names
}

#[test]
fn every_alert_is_explained_and_seen_to_fire_and_to_clear() {
    let (tests, page) = (read("prometheus/voisin.tests.yml"), read("../docs/operator.md"));
    for alert in alerts() {
        assert!(page.contains(&format!("`{alert}`")), "docs/operator.md does not explain {alert}");
        let looked: Vec<&str> =
            tests.split("- eval_time:").filter(|look| look.contains(&format!("alertname: {alert}\n"))).collect();
        let fires = looked.iter().position(|look| !look.contains("exp_alerts: []"));
        let fires = fires.unwrap_or_else(|| panic!("{alert} is not seen to fire"));
        assert!(looked[fires + 1..].iter().any(|look| look.contains("exp_alerts: []")), "{alert} is not seen to clear");
    }
}

/// The market's list of alarms.
struct List {
    console: String,
    config: PathBuf,
}

impl List {
    fn get(&self, path: &str) -> Value {
        eventually("the console answers", || get(&format!("http://{}{path}", self.console)))
    }

    fn on(&self, name: &str) -> Option<Value> {
        self.get("/api/v1/alarms")["on"].as_array().unwrap().iter().find(|alarm| alarm["name"] == name).cloned()
    }

    fn has(&self, name: &str) -> Value {
        eventually(&format!("{name} is on the list"), || self.on(name))
    }

    fn was(&self, name: &str) -> Value {
        eventually(&format!("{name} is over"), || {
            let history = self.get("/api/v1/alarms")["history"].as_array().unwrap().clone();
            history.into_iter().find(|alarm| alarm["name"] == name)
        })
    }

    /// `market alarms`: the exit code, and what it says.
    fn command(&self, more: &[&str]) -> (Option<i32>, String) {
        let mut market = Command::new(program("market"));
        let found = market.arg("alarms").args(more).arg("--config").arg(&self.config).output().unwrap();
        (found.status.code(), String::from_utf8([found.stdout, found.stderr].concat()).unwrap())
    }
}

/// A validator whose clock is a minute ahead, by a library that answers for the system's.
fn ahead(neighbourhood: &Neighbourhood, number: usize) -> Process {
    let library = |directory: fs::DirEntry| directory.path().join("faketime/libfaketime.so.1");
    let mut libraries = fs::read_dir("/usr/lib").unwrap().map(|entry| library(entry.unwrap()));
    let library = libraries.find(|library| library.exists()).unwrap_or_else(|| panic!("libfaketime is not installed"));
    let (preload, config) = (format!("LD_PRELOAD={}", library.display()), neighbourhood.validator_config(number));
    let ledger = program("ledger");
    let serve = [ledger.to_str().unwrap(), "serve", "--config", config.to_str().unwrap()];
    let arguments = [&[&preload, "FAKETIME=+60s", "FAKETIME_DONT_FAKE_MONOTONIC=1"], &serve[..]].concat();
    Process::start(Path::new("/usr/bin/env"), &arguments, &neighbourhood.root.join("ahead.log"))
}

/// Sends messages that are none.
fn send_nonsense(neighbourhood: &Neighbourhood, port: u16) {
    let genesis = Genesis::from_json(&fs::read(neighbourhood.run.join("genesis.json")).unwrap()).unwrap();
    let device = SecretKey::from_seed(&[77; 32]).public();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut stranger = Agent::connect(port, &Topics::new(&genesis.chain()), device).await;
        for number in 0..20 {
            assert!(stranger.send(format!("nonsense {number}").as_bytes()).await.is_some());
        }
    });
}

#[test]
#[ignore = "needs Mosquitto, Prometheus, libfaketime and root, which .ci/run has"]
fn each_alert_fires_and_clears_as_parts_of_a_real_neighbourhood_stop_and_come_back() {
    let broker = Mosquitto::start();
    let directory = tempfile::tempdir().unwrap();
    let summer = truth::built_in("summer");
    let neighbourhood = Neighbourhood::init(directory.path(), &summer, broker.port, INTERVALS, INTERVAL_MS);
    neighbourhood.wait_for_readings(1_000);
    let config = neighbourhood.market_config();
    let console = value(&config, "console").as_str().unwrap().to_owned();
    let small = Disk::mount(directory.path().join("small"), 64);
    let state = format!("state = \"{}\"", small.0.join("state").display());
    Neighbourhood::configure(&config, "state = \"data\"", &state);
    let list = List { console: console.clone(), config };

    let mut validators: Vec<Option<Process>> = (0..4).map(|number| Some(neighbourhood.validator(number))).collect();
    let market = neighbourhood.market();
    let mut households = neighbourhood.agents();
    neighbourhood.settled(0, 3);
    let apis = (0..4).map(|number| neighbourhood.api(number).trim_start_matches("http://").to_owned());
    let prometheus = Prometheus::start(&console, &apis.collect::<Vec<_>>());

    // The disk is small from the beginning. Two of four validators go: too few are left.
    for number in [1, 2] {
        validators[number].take().unwrap().kill();
    }
    prometheus.fire(&["VoisinDiskLow", "VoisinValidatorAway", "VoisinHeightAge", "VoisinMarketStopped"]);
    list.has("disk_low");
    assert!(list.has("no_quorum")["cause"].as_str().unwrap().contains("2 of 4 validators answer"));
    let (code, said) = list.command(&["acknowledge", "broker_lost", "--by", "ada"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("expected an alarm that is on (no_quorum, disk_low"), "{said}");
    let (code, said) = list.command(&["acknowledge", "no_quorum", "--by", "ada"]);
    assert_eq!(code, Some(0), "{said}");
    let known =
        eventually("the market takes it", || list.on("no_quorum").filter(|alarm| !alarm["acknowledged"].is_null()));
    assert_eq!(known["acknowledged"]["by"], "ada");

    // Both come back, one of them with a clock that is a minute ahead. A household's agent goes, and a stranger comes.
    validators[2] = Some(neighbourhood.validator(2));
    let wrong = ahead(&neighbourhood, 1);
    households.remove(0).kill();
    prometheus.clear(&["VoisinValidatorAway", "VoisinHeightAge", "VoisinMarketStopped"]);
    send_nonsense(&neighbourhood, broker.port);
    prometheus.fire(&["VoisinRefusals", "VoisinClock", "VoisinMetersUnread", "VoisinProvisionalInterval"]);
    for name in ["refusals", "clock", "meters_unread"] {
        list.has(name);
    }
    assert!(list.has("clock")["cause"].as_str().unwrap().contains("1 of 4 validators"));

    // Every panel of the dashboard has something to show.
    let dashboard: Value = serde_json::from_str(&read("grafana/voisin.json")).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            prometheus.has_series(target["expr"].as_str().unwrap(), 1);
        }
    }

    // All is mended.
    wrong.stop();
    validators[1] = Some(neighbourhood.validator(1));
    households.push(neighbourhood.agent(&agents(&neighbourhood.run)[0]));
    small.grow(1_024);
    prometheus.clear(&[
        "VoisinRefusals",
        "VoisinClock",
        "VoisinMetersUnread",
        "VoisinProvisionalInterval",
        "VoisinDiskLow",
    ]);

    let over = list.was("no_quorum");
    assert_eq!(over["acknowledged"]["by"], "ada");
    assert!(over["cleared"].as_str().unwrap() > over["since"].as_str().unwrap(), "{over}");
    let (_, said) = list.command(&[]);
    assert!(said.contains("over, the latest first:") && said.contains("no_quorum  2"), "{said}");
    assert!(!said.contains("not running"), "{said}");

    // The market itself.
    market.stop();
    let (_, said) = list.command(&[]);
    assert!(said.starts_with("the market is not running; it has left this list, last changed at 2"), "{said}");
    prometheus.fire(&["VoisinMarketAway"]);
    let _market = neighbourhood.market();
    prometheus.clear(&["VoisinMarketAway"]);
    assert_eq!(list.was("no_quorum"), over, "the list outlives the program");
}
