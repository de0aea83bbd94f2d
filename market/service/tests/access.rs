//! Who else can read what is a market's own: its key, its state, its console.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    process::Command,
};

use support::{process::Process, world::World};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_key_that_others_may_read_is_refused_and_a_new_state_is_its_owners_alone() {
    let world = World::new().await;
    let config = world.write("market.toml", &world.config());
    let at = |name: &str| world.directory.path().join(name);
    fs::set_permissions(at("key"), Permissions::from_mode(0o666)).unwrap();
    let refused =
        Command::new(env!("CARGO_BIN_EXE_market")).arg("serve").arg("--config").arg(&config).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let line = String::from_utf8(refused.stderr).unwrap();
    assert!(line.starts_with("market: ") && line.contains("0666") && line.contains("chmod 600"), "{line}");
    assert!(!at("state").exists(), "nothing was done before");

    fs::set_permissions(at("key"), Permissions::from_mode(0o600)).unwrap();
    drop(Process::start(&config));
    assert_eq!(fs::metadata(at("state")).unwrap().permissions().mode() & 0o777, 0o700);
    fs::set_permissions(at("state"), Permissions::from_mode(0o755)).unwrap();
    let market = Process::start(&config);
    assert!(
        market.said_first.contains("lets in others") && market.said_first.contains("chmod 700"),
        "{}",
        market.said_first
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_console_that_other_machines_reach_has_tls_and_tokens_or_does_not_start() {
    let world = World::new().await;
    let started = |console: &str| {
        let config = world.config().replace("console = \"127.0.0.1:0\"", console);
        let config = world.write("market.toml", &config);
        let run =
            Command::new(env!("CARGO_BIN_EXE_market")).arg("serve").arg("--config").arg(&config).output().unwrap();
        (run.status.code(), String::from_utf8(run.stderr).unwrap())
    };
    for (console, expected) in [
        ("console = \"0.0.0.0:0\"", "needs TLS: set `certificate_chain` and `private_key` in [console_tls], or listen"),
        (
            "console = \"0.0.0.0:0\"\nconsole_tls = { certificate_chain = \"a\", private_key = \"b\" }",
            "needs tokens: set the SHA-256 of at least one in [console_tokens]",
        ),
        (
            "console = \"127.0.0.1:0\"\nconsole_tokens = { read = [\"secret\"] }",
            "[console_tokens] read: expected the SHA-256",
        ),
        (
            "console = \"127.0.0.1:0\"\nconsole_tls = { certificate_chain = \"a\", private_key = \"b\" }",
            "[console_tls] cannot read ",
        ),
    ] {
        let (code, said) = started(console);
        assert_eq!(code, Some(2), "{said}");
        let last = said.lines().last().unwrap();
        assert!(last.starts_with("market: ") && last.contains(expected), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
    assert!(!world.directory.path().join("state").exists(), "nothing was done before");
}
