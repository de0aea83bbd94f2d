//! A Mosquitto of a test's own; the tests of several crates include this file.
//!
//! Who clones this has Rust and a C compiler, and `cargo test` must neither fail for want of more nor pass over
//! anything in silence. So whatever needs Mosquitto, Chromium or a network of its own is `#[ignore]`d with that as the
//! reason, which `cargo test` shows and counts; `.ci/run` installs what is needed and runs those too, as `cargo test
//! --workspace --tests -- --ignored` does.

#![allow(clippy::expect_used, reason = "a test may panic")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::ports::free_port;

const MOSQUITTO: &str = "/usr/sbin/mosquitto";
/// Other tests open ports at the same time, so a free one may be taken when the broker asks for it.
const ATTEMPTS: usize = 100;

pub struct Mosquitto {
    pub port: u16,
    directory: tempfile::TempDir,
    config: String,
    process: Option<Child>,
}

impl Mosquitto {
    /// One on a free port.
    #[allow(dead_code, reason = "some tests need another configuration")]
    pub fn start() -> Mosquitto {
        Mosquitto::start_with("")
    }

    /// The same, with more lines of configuration.
    pub fn start_with(more: &str) -> Mosquitto {
        Mosquitto::start_as(&format!("listener {{port}} 127.0.0.1\nallow_anonymous true\n{more}"))
    }

    /// One with this configuration, in which `{port}` stands for its port.
    pub fn start_as(config: &str) -> Mosquitto {
        assert!(Path::new(MOSQUITTO).exists(), "expected {MOSQUITTO}, found nothing: apt-get install mosquitto");
        let directory = tempfile::tempdir().expect("a directory");
        for _ in 0..ATTEMPTS {
            let port = free_port();
            if let Ok(process) = listen(directory.path(), port, config) {
                return Mosquitto { port, directory, config: config.into(), process: Some(process) };
            }
        }
        panic!("the broker found no free port");
    }

    #[allow(dead_code, reason = "not every test kills its broker")]
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it runs");
            process.wait().expect("it has ended");
        }
    }

    /// Kills it, and starts it again on the same port.
    #[allow(dead_code, reason = "not every test restarts its broker")]
    pub fn restart(&mut self) {
        self.kill();
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            match listen(self.directory.path(), self.port, &self.config) {
                Ok(process) => {
                    self.process = Some(process);
                    return;
                }
                Err(said) => last = said,
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("the broker does not start again: {last}");
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The process once it says that it listens, or what it said before it ended.
fn listen(directory: &Path, port: u16, config: &str) -> Result<Child, String> {
    let file = directory.join("mosquitto.conf");
    fs::write(&file, config.replace("{port}", &port.to_string())).expect("a file");
    let mut command = Command::new(MOSQUITTO);
    command.arg("-c").arg(&file).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("Mosquitto starts");
    let mut log = BufReader::new(process.stderr.take().expect("a pipe was asked for")).lines();
    let mut said = String::new();
    while let Some(Ok(line)) = log.next() {
        if line.ends_with("running") {
            // Read on, or the broker waits for room in the pipe.
            thread::spawn(move || log.for_each(drop));
            return Ok(process);
        }
        said.push_str(&line);
        said.push('\n');
    }
    process.wait().expect("it has ended");
    Err(said)
}
