//! The market at a broker of strangers: it logs in as its configuration says, trusts no other broker, and refuses
//! forged readings whether or not the broker has access rules.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::process::{Command, Stdio};

use market_service::{Config, Running, start};
use protocol::{answer::Refusal, topic::Topics};
use support::world::{World, changed, genesis, interval, key, readings};
use testkit::{
    agent::{Agent, PATIENCE},
    secure_broker::SecureBroker,
};

/// The market's configuration, with this broker and this login.
fn config(world: &World, address: &str, login: &str) -> String {
    let plain = world.config();
    let lines = plain.lines().map(|line| match line.strip_prefix("broker = ") {
        Some(_) => format!("broker = \"{address}\"\n"),
        None => format!("{line}\n"),
    });
    lines.collect::<String>() + login
}

async fn market(world: &World, address: &str, login: &str) -> Running {
    start(Config::load(&world.write("market.toml", &config(world, address, login))).unwrap()).await.unwrap()
}

/// An agent with the certificate of one household that speaks for the device of another, or its own.
async fn agent(broker: &SecureBroker, certificate: u8, device: u8) -> Agent {
    let options = broker.options(&key(certificate).public().multibase());
    Agent::connect_by(options, &Topics::new(&genesis("Test").chain()), key(device).public()).await
}

/// Both households' readings of the first interval are settled, and each has its receipt.
async fn assert_settles(broker: &SecureBroker, world: &World) {
    let (mut ada, mut bob) = (agent(broker, 1, 1).await, agent(broker, 2, 2).await);
    ada.wait_open(Some(interval(0))).await;
    assert_eq!(ada.send(readings(1, 1)[0].bytes()).await, None);
    assert_eq!(bob.send(readings(2, 1)[0].bytes()).await, None);
    assert_eq!(ada.receipt(interval(0)).await.entry.line.bought.wh(), 200);
    assert_eq!(bob.receipt(interval(0)).await.entry.line.sold.wh(), 200);
    assert_eq!(world.ledger.settlements().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn by_certificates_and_the_shipped_rules_an_interval_is_settled() {
    let (world, broker) = (World::new().await, SecureBroker::with_certificates());
    let market = market(&world, &broker.address(), &broker.login("market")).await;
    assert_settles(&broker, &world).await;
    market.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn without_access_rules_a_forged_reading_is_still_refused_by_name() {
    let (world, broker) = (World::new().await, SecureBroker::without_rules());
    let market = market(&world, &broker.address(), &broker.login("market")).await;
    // Bob's certificate, Ada's topics: nothing but signatures is in the way.
    let mut forger = agent(&broker, 2, 1).await;
    forger.wait_open(Some(interval(0))).await;
    let of_ada = readings(1, 1);
    let mut flipped = of_ada[0].bytes().to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    for (case, bytes, refusal) in [
        ("its signature changed", flipped, Refusal::BadSignature),
        ("signed by Bob", changed(&of_ada[0], 2, |_| ()), Refusal::BadSignature),
        ("signed by a stranger", changed(&of_ada[0], 99, |_| ()), Refusal::UnknownDevice),
    ] {
        assert_eq!(forger.send(&bytes).await, Some(refusal), "{case}");
    }
    assert_settles(&broker, &world).await;
    market.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_broker_that_is_not_the_one_is_named_with_what_is_wrong_and_gets_nothing() {
    let world = World::new().await;
    let (broker, expired) = (SecureBroker::with_certificates(), SecureBroker::expired());
    let elsewhere = broker.address().replace("localhost", "127.0.0.1");
    for (address, login, expected) in [
        (broker.address(), broker.mistaken_login(), "its certificate leads to none that `ca` of [broker_login] trusts"),
        (elsewhere, broker.login("market"), "its certificate is for another name"),
        (expired.address(), expired.login("market"), "its certificate has expired"),
    ] {
        let market = market(&world, &address, &login).await;
        let health = format!("http://{}/api/v1/health", market.console_addr.unwrap());
        let said = async {
            while !reqwest::get(&health).await.unwrap().text().await.unwrap().contains(expected) {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, said).await.unwrap_or_else(|_| panic!("nobody says: {expected}"));
        market.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_password_lets_the_market_in_and_is_in_no_line_of_its_log() {
    let world = World::new().await;
    let broker = SecureBroker::with_passwords(&["market"]);
    // The market's own name is what it logs in with where nothing else is said.
    let login = broker.password_login("market", "market-secret").replace("user = \"market\"\n", "");
    let path = world.write("market.toml", &config(&world, &broker.address(), &login));
    let mut command = Command::new(env!("CARGO_BIN_EXE_market"));
    command.arg("serve").arg("--config").arg(path).env("RUST_LOG", "trace").stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let log = process.stderr.take().unwrap();
    let reading = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        for line in std::io::BufRead::lines(std::io::BufReader::new(log)) {
            said += &(line.unwrap() + "\n");
            if said.contains("connected to the broker") {
                break;
            }
        }
        said
    });
    let said = tokio::time::timeout(PATIENCE, reading).await;
    process.kill().unwrap();
    process.wait().unwrap();
    let said = said.expect("the market does not connect").unwrap();
    assert!(said.contains("connected to the broker"), "{said}");
    assert!(!said.contains("market-secret"), "{said}");
}
