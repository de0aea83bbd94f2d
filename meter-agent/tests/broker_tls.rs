//! The agent at a broker of strangers: it logs in as its configuration says, and says in plain words why it cannot.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use meter_agent::start;
use support::{Home, Market, PATIENCE};
use testkit::{community::write_secret, secure_broker::SecureBroker};

/// A household that logs in so.
fn household(address: &str, login: &str) -> Home {
    let home = Home::new(1, &[(300, 100)]);
    home.configure_broker(address, login);
    home
}

fn check(home: &Home, credentials: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meter-agent"));
    command.arg("check").arg("--config").arg(home.path("agent.toml")).env("RUST_LOG", "trace");
    command.env_remove("CREDENTIALS_DIRECTORY").envs(credentials.map(|path| ("CREDENTIALS_DIRECTORY", path)));
    command.output().unwrap()
}

/// Everything that a program said.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// A reading arrives, and its receipt comes back.
async fn assert_settles(home: &Home, mut market: Market) {
    let mut running = start(home.config()).await.unwrap();
    market.announce(0).await;
    let reading = market.reading().await;
    market.answer(reading.hash(), None).await;
    market.forward(home.receipt(0, 150, 0, 50, 0).to_json()).await;
    let settled = running.wait_for(|status| status.totals.bought_wh == 150 && status.outbox == 0);
    assert!(tokio::time::timeout(PATIENCE, settled).await.expect("nothing is settled"));
    assert_eq!(running.status().alarms, [""; 0]);
    running.stop().await;
}

#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn by_a_certificate_and_the_shipped_rules_a_reading_is_settled() {
    let broker = SecureBroker::with_certificates();
    let home = Home::new(1, &[(300, 100)]);
    home.configure_broker(&broker.address(), &broker.login(&home.device.public().multibase()));
    let market = Market::connect_by(&home, broker.options("market")).await;
    assert_settles(&home, market).await;
}

#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn by_a_password_and_the_shipped_rules_a_reading_is_settled() {
    let home = Home::new(1, &[(300, 100)]);
    let device = home.device.public().multibase();
    let broker = SecureBroker::with_passwords(&["market", &device]);
    // The device's own name is what it logs in with where nothing else is said.
    let login = broker.password_login(&device, &format!("{device}-secret"));
    home.configure_broker(&broker.address(), &login.replace(&format!("user = \"{device}\"\n"), ""));
    let market = broker.access(&broker.password_login("market", "market-secret")).options("market".into());
    assert_settles(&home, Market::connect_by(&home, market).await).await;
}

#[test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
fn check_says_which_part_of_the_way_in_is_wrong() {
    let broker = SecureBroker::with_certificates();
    let [here, port] = [broker.address(), broker.broker.port.to_string()];
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let expired = SecureBroker::expired();
    let passwords = SecureBroker::with_passwords(&["ada"]);
    let device = Home::new(1, &[(300, 100)]).device.public().multibase();
    for (address, login, expected) in [
        (here.clone(), broker.login(&device), "reachable"),
        // This broker lets anybody subscribe to anything, and says nothing of it.
        (here.clone(), broker.login("ada"), "expected a certificate of this device"),
        ("mqtts://nowhere.invalid".into(), broker.login("ada"), "its name leads nowhere"),
        (here.replace(&port, &nobody), broker.login("ada"), "nothing listens there"),
        (here.replace("localhost", "127.0.0.1"), broker.login("ada"), "its certificate is for another name"),
        (here.clone(), broker.mistaken_login(), "its certificate leads to none that `ca` of [broker_login] trusts"),
        (expired.address(), expired.login("ada"), "its certificate has expired"),
        (passwords.address(), passwords.anonymous_login(), "it lets in nobody without a user and a password"),
        (passwords.address(), passwords.password_login("ada", "hunter2"), "it refuses the user `ada` or the password"),
        (here.replace("mqtts", "mqtt"), String::new(), "it may want TLS"),
        (here.clone(), "[broker_login]\n".into(), "expected `ca` under [broker_login]"),
        (here.clone(), broker.anonymous_login(), "certificate` "),
        (here.clone(), broker.expired_login("ada"), "certificate` "),
        (here.clone(), broker.foreign_login("ada"), "certificate` "),
    ] {
        let output = check(&household(&address, &login), None);
        assert_eq!(output.status.success(), expected == "reachable", "{}", said(&output));
        let said = said(&output);
        let about = said.lines().find(|line| line.contains("broker") && line.contains(expected));
        assert!(about.is_some(), "{expected}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
fn a_password_may_be_a_services_credential_and_is_never_shown() {
    let broker = SecureBroker::with_passwords(&["ada"]);
    let login = format!("{}user = \"ada\"\npassword_file = \"credential:broker\"\n", broker.anonymous_login());
    let home = household(&broker.address(), &login);
    let credentials = home.path("credentials");
    fs::create_dir(&credentials).unwrap();
    write_secret(&credentials.join("broker"), "ada-secret\n");
    let output = check(&home, Some(&credentials));
    assert!(output.status.success() && said(&output).contains("reachable"), "{}", said(&output));
    assert!(!said(&output).contains("ada-secret"), "{}", said(&output));

    write_secret(&credentials.join("broker"), "ada-secret-of-yesterday\n");
    let output = check(&home, Some(&credentials));
    assert!(said(&output).contains("it refuses the user `ada` or the password"), "{}", said(&output));
    assert!(!said(&output).contains("ada-secret"), "{}", said(&output));

    let output = check(&home, None);
    assert!(said(&output).contains("LoadCredential=broker:FILE"), "{}", said(&output));
}

#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_broker_that_is_not_the_one_is_an_alarm_and_gets_nothing() {
    let broker = SecureBroker::with_certificates();
    let home = household(&broker.address(), &broker.mistaken_login());
    let mut running = start(home.config()).await.unwrap();
    let expected = "broker unreachable: its certificate leads to none that `ca` of [broker_login] trusts";
    let alarmed = running.wait_for(|status| status.alarms.iter().any(|alarm| alarm.starts_with(expected)));
    assert!(tokio::time::timeout(PATIENCE, alarmed).await.expect("no alarm"));
    assert!(!running.status().connected);
    running.stop().await;
}
