//! What systemd hears of the real program.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    os::unix::net::UnixDatagram,
    process::{Child, Command},
};

use support::{Home, PATIENCE};

/// A broker's port at which nobody answers: an agent without a broker is well enough for systemd.
const NOBODY: u16 = 1;

/// An agent, and the socket on which systemd would listen.
struct Service {
    agent: Child,
    socket: UnixDatagram,
}

impl Service {
    /// Starts an agent that is to be heard of once in so many microseconds.
    fn start(home: &Home, watchdog_usec: &str) -> Service {
        let path = home.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let agent = Command::new(env!("CARGO_BIN_EXE_meter-agent"))
            .args(["run", "--config", home.path("agent.toml").to_str().unwrap()])
            .envs([("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", watchdog_usec), ("RUST_LOG", "warn")])
            .env_remove("WATCHDOG_PID")
            .spawn()
            .unwrap();
        Service { agent, socket }
    }

    fn hear(&self) -> String {
        let mut message = [0; 4_096];
        let length = self.socket.recv(&mut message).expect("the agent has something to say");
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    fn tell_to_stop(&self) {
        assert!(Command::new("kill").args(["-TERM", &self.agent.id().to_string()]).status().unwrap().success());
    }

    /// What is heard until it says that it stops.
    fn hear_until_stopping(&self) -> Vec<String> {
        let heard = std::iter::repeat_with(|| self.hear());
        heard.take_while(|message| message.trim() != "STOPPING=1").collect()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}

#[test]
fn systemd_hears_that_it_runs_that_it_lives_and_that_it_stops() {
    let home = Home::new(NOBODY, &[(1, 0)]);
    let mut service = Service::start(&home, "20000");
    let first = service.hear();
    assert!(
        first.starts_with("READY=1\nSTATUS=not connected to the broker; nothing read yet; without a receipt: 0\n"),
        "{first}"
    );
    let mut beats = 0;
    while beats < 10 {
        let message = service.hear();
        assert!(message == "WATCHDOG=1\n" || message.starts_with("STATUS="), "{message}");
        beats += usize::from(message == "WATCHDOG=1\n");
    }
    service.tell_to_stop();
    service.hear_until_stopping();
    assert_eq!(service.agent.wait().unwrap().code(), Some(0));
}

#[test]
fn it_is_heard_of_no_more_often_than_is_asked() {
    let home = Home::new(NOBODY, &[(1, 0)]);
    for (watchdog_usec, beats) in [("3600000000", 1), ("not a number", 0)] {
        let service = Service::start(&home, watchdog_usec);
        assert!(service.hear().starts_with("READY=1\n"));
        let first = std::iter::repeat_with(|| service.hear()).take(beats);
        let first: Vec<String> = first.collect();
        assert_eq!(first, vec!["WATCHDOG=1\n"; beats]);
        service.tell_to_stop();
        let more = service.hear_until_stopping();
        assert!(more.iter().all(|message| message.starts_with("STATUS=")), "{more:?}");
        drop(service);
        std::fs::remove_file(home.path("notify")).unwrap();
    }
}
