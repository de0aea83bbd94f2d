//! A real Prometheus with the configuration and the alert rules that are shipped.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    ports::free_port,
    waiting::{eventually, get},
};

const PROMETHEUS: &str = "/usr/bin/prometheus";

/// A running Prometheus.
pub struct Prometheus {
    process: Child,
    url: String,
    _directory: TempDir,
}

impl Prometheus {
    /// Starts one that watches a market's console and nodes' APIs, each `HOST:PORT`.
    pub fn start(console: &str, nodes: &[String]) -> Prometheus {
        assert!(Path::new(PROMETHEUS).exists(), "expected {PROMETHEUS}, found nothing: apt-get install prometheus");
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("voisin.rules.yml"), impatient_rules()).unwrap();
        // Each second instead of each fifteen.
        let shipped = shipped("prometheus.yml").replace("15s", "1s").replace("127.0.0.1:8080", console);
        let targets = r#"["127.0.0.1:26000", "127.0.0.1:26001", "127.0.0.1:26002", "127.0.0.1:26003"]"#;
        assert!(shipped.contains(targets), "{shipped}");
        fs::write(at("prometheus.yml"), shipped.replace(targets, &json!(nodes).to_string())).unwrap();
        let listen = format!("127.0.0.1:{}", free_port());
        let log = File::create(at("log")).unwrap();
        let process = Command::new(PROMETHEUS)
            .arg(format!("--config.file={}", at("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", at("data").display()))
            .arg(format!("--web.listen-address={listen}"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Prometheus { process, url: format!("http://{listen}"), _directory: directory }
    }

    /// The series that an expression gives now.
    pub fn query(&self, expression: &str) -> Vec<Value> {
        let url =
            reqwest::Url::parse_with_params(&format!("{}/api/v1/query", self.url), [("query", expression)]).unwrap();
        let answer = eventually("Prometheus answers", || get(url.as_str()));
        answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{expression}: {answer}")).clone()
    }

    /// Waits until an expression gives so many series.
    pub fn has_series(&self, expression: &str, least: usize) {
        eventually(&format!("{least} series of {expression}"), || {
            (self.query(expression).len() >= least).then_some(())
        });
    }

    fn is_firing(&self, alert: &str) -> bool {
        !self.query(&format!("ALERTS{{alertname=\"{alert}\", alertstate=\"firing\"}}")).is_empty()
    }

    /// Waits until each of these alerts has fired.
    pub fn fire(&self, alerts: &[&str]) {
        for alert in alerts {
            eventually(&format!("{alert} fires"), || self.is_firing(alert).then_some(()));
        }
    }

    /// Waits until each of these alerts is over.
    pub fn clear(&self, alerts: &[&str]) {
        for alert in alerts {
            eventually(&format!("{alert} clears"), || (!self.is_firing(alert)).then_some(()));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn shipped(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/prometheus");
    fs::read_to_string(directory.join(name)).unwrap()
}

/// As shipped, but for what the waiting is about: no patience, a block that is late after ten seconds instead of three
/// minutes, and refusals and contradictions of the last ten seconds instead of minutes and an hour.
fn impatient_rules() -> String {
    let mut rules = shipped("voisin.rules.yml");
    for (patient, impatient) in [
        ("job=\"validators\"} > 180", "job=\"validators\"} > 10"),
        ("[10m]) > 10", "[10s]) > 10"),
        ("[1h]) > 0", "[10s]) > 0"),
    ] {
        assert!(rules.contains(patient), "{patient}: {rules}");
        rules = rules.replace(patient, impatient);
    }
    let lines = rules.lines().map(|line| match line.trim_start().starts_with("for: ") {
        true => format!("{}for: 1s\n", &line[..line.len() - line.trim_start().len()]),
        false => format!("{line}\n"),
    });
    lines.collect()
}
