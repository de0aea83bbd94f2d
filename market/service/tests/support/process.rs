//! The program `market serve`, as a process that can be killed.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use testkit::descriptors::Descriptors;

use super::world::World;

/// A world whose market runs as a process.
pub(crate) async fn started() -> (World, Process) {
    let world = World::new().await;
    let market = Process::start(&world.write("market.toml", &world.config()));
    (world, market)
}

/// A running `market serve`, killed (SIGKILL: no goodbye, as in a power cut) when it is dropped.
pub(crate) struct Process {
    process: Child,
    pub(crate) console: SocketAddr,
    /// What it said before it said where its console is.
    pub(crate) said_first: String,
}

impl Process {
    /// Starts it with as many open files at most, the usual limit.
    pub(crate) fn start(config: &Path) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 1024; exec \"$0\" serve --config \"$1\"", env!("CARGO_BIN_EXE_market")]);
        let mut process = command.arg(config).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
        let mut said_first = String::new();
        let console = log.find_map(|line| {
            said_first += &format!("{line}\n");
            Some(line.split_once("console: http://")?.1.parse().unwrap())
        });
        std::thread::spawn(move || log.for_each(|line| println!("market: {line}")));
        let console = console.unwrap_or_else(|| panic!("the market says where its console is: {said_first}"));
        Process { process, console, said_first }
    }

    /// The most memory it ever had, in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn descriptors(&self) -> Descriptors {
        Descriptors::watch(self.process.id())
    }

    /// How often it refused messages by this name.
    pub(crate) async fn refused(&self, name: &str) -> u64 {
        let metrics = reqwest::get(format!("http://{}/metrics", self.console)).await.unwrap().text().await.unwrap();
        let line = format!("refusals_total{{refusal=\"{name}\"}} ");
        metrics.lines().find_map(|found| found.split_once(&line)?.1.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
