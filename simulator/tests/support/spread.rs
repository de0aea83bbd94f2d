//! The neighbourhood spread over processes: what the tests of it share.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::panicking,
};

use ledger_node::{
    node::{GENESIS_FILE, STORE_DIRECTORY, prune_next, read_genesis},
    store::SledStore,
};
use serde_json::Value;
pub(crate) use testkit::waiting::{eventually, get};

/// How much of a log is worth reading in the output of a test.
const SHOWN_LINES: usize = 20;

/// The agents' configurations, in the order of the participants' names.
pub(crate) fn agents(run: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run.join("agents")).unwrap();
    let mut configs: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path().join("agent.toml")).collect();
    configs.sort();
    configs
}

/// A process that dies with its test; a test that fails shows the end of what it said.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    pub(crate) fn start(program: &Path, arguments: &[&str], log: &Path) -> Process {
        let said = fs::File::options().create(true).append(true).open(log).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Process { child, log: log.to_owned() }
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The exit code, once it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<Option<i32>> {
        self.child.try_wait().unwrap().map(|status| status.code())
    }

    /// Asks it to stop, and waits for its exit code.
    pub(crate) fn stopped(mut self) -> Option<i32> {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        self.child.wait().unwrap().code()
    }

    pub(crate) fn stop(mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let ended = self.child.try_wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
        if panicking() {
            let said = fs::read_to_string(&self.log).unwrap_or_default();
            let last = said.lines().skip(said.lines().count().saturating_sub(SHOWN_LINES));
            eprintln!("{}, {ended:?}:\n{}", self.log.display(), last.collect::<Vec<_>>().join("\n"));
        }
    }
}

/// Eight households, four validators and a market, ready to run as processes.
pub(crate) struct Neighbourhood {
    pub(crate) root: PathBuf,
    pub(crate) run: PathBuf,
}

impl Neighbourhood {
    /// Made by `simulator init` in `root`, from a morning of the summer on.
    pub(crate) fn init(
        root: &Path,
        summer: &str,
        broker_port: u16,
        intervals: usize,
        interval_ms: u64,
    ) -> Neighbourhood {
        write_data(&root.join("data"), &profile_of_days(summer));
        let run = root.join("run");
        let init = Command::new(program("simulator"))
            .args(["init", "--profile", "day", "--console", "127.0.0.1:0"])
            .args(["--interval-ms", &interval_ms.to_string(), "--intervals", &intervals.to_string()])
            .args(["--broker", &format!("mqtt://127.0.0.1:{broker_port}")])
            .arg("--data")
            .arg(root.join("data"))
            .arg("--state")
            .arg(&run)
            .output()
            .unwrap();
        assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
        Neighbourhood { root: root.into(), run }
    }

    pub(crate) fn validator_config(&self, number: usize) -> PathBuf {
        self.run.join(format!("validator-{number}/validator.toml"))
    }

    pub(crate) fn market_config(&self) -> PathBuf {
        self.run.join("market/market.toml")
    }

    /// Changes a line of a configuration.
    pub(crate) fn configure(config: &Path, from: &str, to: &str) {
        let text = fs::read_to_string(config).unwrap();
        assert!(text.contains(from), "{from}: {text}");
        fs::write(config, text.replace(from, to)).unwrap();
    }

    /// Has the market wait so long for readings, once an interval is over.
    pub(crate) fn wait_for_readings(&self, gate_delay_ms: u64) {
        let text = fs::read_to_string(self.market_config()).unwrap();
        let delay = text.lines().find(|line| line.starts_with("gate_delay_ms")).unwrap();
        Neighbourhood::configure(&self.market_config(), delay, &format!("gate_delay_ms = {gate_delay_ms}"));
    }

    fn start(&self, name: &str, subcommand: &str, config: &Path, log: &str) -> Process {
        Process::start(&program(name), &[subcommand, "--config", config.to_str().unwrap()], &self.root.join(log))
    }

    pub(crate) fn validator(&self, number: usize) -> Process {
        self.start("ledger", "serve", &self.validator_config(number), &format!("validator-{number}.log"))
    }

    pub(crate) fn market(&self) -> Process {
        self.start("market", "serve", &self.market_config(), "market.log")
    }

    pub(crate) fn agent(&self, config: &Path) -> Process {
        self.start("meter-agent", "run", config, "agents.log")
    }

    pub(crate) fn agents(&self) -> Vec<Process> {
        agents(&self.run).iter().map(|config| self.agent(config)).collect()
    }

    pub(crate) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.root.join(name)).unwrap()
    }

    /// Has a stopped validator forget all readings.
    pub(crate) fn prune(&self, number: usize) {
        let directory = self.run.join(format!("validator-{number}"));
        let genesis = read_genesis(&directory.join(GENESIS_FILE)).unwrap();
        let store = SledStore::open(&directory.join(STORE_DIRECTORY), &genesis.chain()).unwrap();
        while prune_next(&store, &genesis).unwrap().is_some() {}
    }

    /// A validator's API.
    pub(crate) fn api(&self, number: usize) -> String {
        format!("http://{}", value(&self.validator_config(number), "api").as_str().unwrap())
    }

    pub(crate) fn status(&self, number: usize) -> Option<Value> {
        get(&format!("{}/v1/status", self.api(number)))
    }

    /// Waits until a validator has settled so many intervals.
    pub(crate) fn settled(&self, number: usize, count: usize) -> Value {
        eventually(&format!("{count} settlements"), || {
            self.status(number).filter(|status| status["settlements"].as_u64() >= Some(count as u64))
        })
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

const HOUSEHOLDS: [&str; 8] = ["d001", "d002", "d005", "d007", "d011", "d034", "d038", "d039"];

/// Eight households of a profile, from the morning on, when they trade.
pub(crate) fn profile_of_a_day(all: &str) -> String {
    profile_until(all, "2016-07-04T14:00:00Z")
}

/// The same, until the evening of the next day.
pub(crate) fn profile_of_days(all: &str) -> String {
    profile_until(all, "2016-07-05T18:00:00Z")
}

fn profile_until(all: &str, end: &str) -> String {
    let mut profile = String::from("timestamp,participant_id,consumption_wh,production_wh\n");
    for line in all.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let is_then = fields[0] >= "2016-07-04T06:00:00Z" && fields[0] < end;
        if is_then && HOUSEHOLDS.contains(&fields[1]) {
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
