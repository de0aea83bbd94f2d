//! Counterparts that others wrote, in the Python that `.ci/run` makes ready.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

/// A program of Python, which ends with this.
pub(crate) struct Python(Child);

impl Python {
    /// Starts it, and waits for its first line.
    pub(crate) fn start(script: &str, arguments: &[&str]) -> (Python, String) {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(here.join("../target/meters/bin/python"));
        command.arg(here.join("tests").join(script)).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (Python(child), line)
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // Gone already, if it failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
