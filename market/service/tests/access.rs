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
async fn a_console_that_other_machines_reach_is_warned_of() {
    let world = World::new().await;
    let warned = |host: &str| {
        let config = world.config().replace("console = \"127.0.0.1:0\"", &format!("console = \"{host}:0\""));
        let market = Process::start(&world.write("market.toml", &config));
        market.said_first.contains("can be reached from other machines and has no login")
    };
    assert!(!warned("127.0.0.1"));
    assert!(warned("0.0.0.0"));
}
