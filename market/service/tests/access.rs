//! Who else can read what is a market's own: its key, its state, its console.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    process::Command,
};

use protocol::hash::Hash;
use reqwest::StatusCode;
use serde_json::Value;
use support::{
    process::Process,
    world::{World, until},
};
use testkit::agent::PATIENCE;

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
        (
            "console = \"127.0.0.1:0\"\nconsole_operators = { ada = \"secret\" }",
            "[console_operators] ada: expected the SHA-256 of a token as 64 lowercase hex digits",
        ),
        ("console = \"127.0.0.1:0\"\nconsole_operators = { \"\" = \"7\" }", "expected names of 1 to 80 printable"),
    ] {
        let (code, said) = started(console);
        assert_eq!(code, Some(2), "{said}");
        let last = said.lines().last().unwrap();
        assert!(last.starts_with("market: ") && last.contains(expected), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
    assert!(!world.directory.path().join("state").exists(), "nothing was done before");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn an_alarm_is_acknowledged_at_the_console_by_who_has_a_name_there() {
    let world = World::new().await;
    let digest = |token: &str| Hash::of(token.as_bytes());
    let known = format!(
        "console_operators = {{ ada = \"{}\" }}\nconsole_tokens = {{ read = [\"{}\"], submit = [\"{}\"] }}\n",
        digest("ada's"),
        digest("reader's"),
        digest("nameless")
    );
    let market = Process::start(&world.write("market.toml", &(known + &world.config())));
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let at = |path: &str| format!("http://{}{path}", market.console);
    let list = async |token: &str| -> Value {
        client.get(at("/api/v1/alarms")).bearer_auth(token).send().await.unwrap().json().await.unwrap()
    };
    let acknowledge = async |token: Option<&str>, form: &'static str| {
        let post = client.post(at("/alarms/acknowledge")).body(form);
        let post = post.header("content-type", "application/x-www-form-urlencoded");
        let post = if let Some(token) = token { post.bearer_auth(token) } else { post };
        let answer = post.send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    // One of the two nodes is nobody's.
    let alarm = async || list("ada's").await["on"].as_array().unwrap().first().cloned();
    tokio::time::timeout(PATIENCE, async { while alarm().await.is_none() {} }).await.unwrap();
    assert_eq!((&list("ada's").await["you"], &list("reader's").await["you"]), (&"ada".into(), &Value::Null));
    for (token, form, status, expected) in [
        (None, "alarm=no_quorum", StatusCode::UNAUTHORIZED, "found none"),
        (Some("else's"), "alarm=no_quorum", StatusCode::UNAUTHORIZED, "not known here"),
        (Some("reader's"), "alarm=no_quorum", StatusCode::FORBIDDEN, "of the role `submit`, found one of `read`"),
        (Some("nameless"), "alarm=no_quorum", StatusCode::FORBIDDEN, "found one without a name"),
        (Some("ada's"), "alarm=fire", StatusCode::BAD_REQUEST, "expected an alarm's name"),
        (Some("ada's"), "name=no_quorum", StatusCode::UNPROCESSABLE_ENTITY, "unknown field"),
        (Some("ada's"), "alarm=unfit", StatusCode::CONFLICT, "expected an alarm that is on and not acknowledged"),
    ] {
        let (found, said) = acknowledge(token, form).await;
        assert_eq!(found, status, "{said}");
        assert!(said.contains(expected), "{said}");
    }
    assert!(alarm().await.unwrap()["acknowledged"].is_null());
    assert_eq!(acknowledge(Some("ada's"), "alarm=no_quorum").await.0, StatusCode::SEE_OTHER);
    assert_eq!(alarm().await.unwrap()["acknowledged"]["by"], "ada");
    assert_eq!(acknowledge(Some("ada's"), "alarm=no_quorum").await.0, StatusCode::CONFLICT, "once");
    let kept = world.directory.path().join("state/alarms/alarms.json");
    until(|| fs::read_to_string(&kept).unwrap().contains("\"by\":\"ada\""), true).await;
}
