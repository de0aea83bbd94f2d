//! Who is told of alarms, by receivers that nobody here wrote: httpbin takes the webhook, aiosmtpd the mail, both over
//! TLS.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
};

use serde_json::Value;
use support::{process::Process, world::World};
use testkit::{
    agent::PATIENCE,
    certificates::{Authority, Until},
    ports::free_port,
};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const PASSWORD: &str = "s3cret pass";

/// Somebody who is told, and says so.
struct Told {
    process: Child,
    port: u16,
    received: Receiver<Value>,
}

impl Told {
    fn start(kind: &str, port: u16, world: &World) -> Told {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(here.join("../../target/meters/bin/python"));
        command.arg(here.join("tests/notices.py")).args([kind, &port.to_string()]);
        command.args(["certificate.pem", "certificate.key"].map(|name| world.directory.path().join(name)));
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let port = lines.next().unwrap_or_else(|| panic!("{kind} does not start")).parse().unwrap();
        let (tell, received) = channel();
        std::thread::spawn(move || {
            for line in lines {
                tell.send(serde_json::from_str(&line).unwrap()).ok();
            }
        });
        Told { process, port, received }
    }

    fn next(&self) -> Value {
        // An alarm is over when it has been quiet for a minute.
        self.received.recv_timeout(4 * PATIENCE).unwrap()
    }

    /// What the webhook was told next: how, and of which alarm.
    fn notice(&self) -> (String, String) {
        let Value::Object(body) = self.next()["body"].take() else { panic!("no object") };
        (body["kind"].as_str().unwrap().into(), body["alarm"]["name"].as_str().unwrap().into())
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A community whose receivers have certificates of an authority in `ca.pem`, and who logs in there.
async fn world() -> World {
    let world = World::new().await;
    let authority = Authority::new("an authority");
    let identity = authority.issue("localhost", Until::Later);
    world.write("ca.pem", &authority.pem());
    world.write("other.pem", &Authority::new("another authority").pem());
    world.write("certificate.pem", &identity.certificate);
    world.write("certificate.key", &identity.key);
    world.write("token", &format!("{TOKEN}\n"));
    world.write("password", &format!("{PASSWORD}\n"));
    world.write("wrong", "s3cret too\n");
    world
}

fn hook(port: u16) -> String {
    format!("[notices.webhook]\nurl = \"https://localhost:{port}/post\"\nca = \"ca.pem\"\ntoken = \"token\"\n")
}

fn mail(port: u16, security: &str) -> String {
    format!(
        "[notices.mail]\nserver = \"localhost:{port}\"\nsecurity = \"{security}\"\nca = \"ca.pem\"\n\
         from = \"Voisin <voisin@market.example>\"\nto = [\"ada@a.example\", \"Bob <bob@b.example>\"]\n\
         user = \"voisin\"\npassword_file = \"password\"\n"
    )
}

/// `market alarms try`: its exit code and all that it says.
fn try_out(world: &World, notices: &str) -> (Option<i32>, String) {
    let config = world.write("try.toml", &(world.config() + notices));
    let market = Command::new(env!("CARGO_BIN_EXE_market")).args(["alarms", "try", "--config"]).arg(config).output();
    let found = market.unwrap();
    let said = String::from_utf8([found.stdout, found.stderr].concat()).unwrap();
    for secret in [TOKEN, PASSWORD, "s3cret", "/post"] {
        assert!(!said.contains(secret), "{said}");
    }
    (found.status.code(), said)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, httpbin and aiosmtpd, which .ci/run installs"]
async fn a_test_arrives_or_it_is_said_what_went_wrong() {
    let world = world().await;
    let (webhook, starttls, tls) =
        (Told::start("hook", 0, &world), Told::start("mail", 0, &world), Told::start("mails", 0, &world));

    let (code, said) = try_out(&world, &(hook(webhook.port) + &mail(starttls.port, "starttls")));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("webhook: a test was delivered to https://localhost:{}\n", webhook.port)), "{said}");
    assert!(said.contains(&format!("mail: a test was delivered to localhost:{}\n", starttls.port)), "{said}");
    let posted = webhook.next();
    assert_eq!((&posted["path"], &posted["type"]), (&"/post".into(), &"application/json".into()));
    assert_eq!(posted["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!((&posted["body"]["kind"], &posted["body"]["community"]), (&"test".into(), &"Test".into()));
    let letter = starttls.next();
    assert_eq!(letter["to"], serde_json::json!(["ada@a.example", "bob@b.example"]));
    assert_eq!((&letter["from"], &letter["tls"]), (&"voisin@market.example".into(), &true.into()));
    assert_eq!(letter["subject"], "Test: a test");
    assert!(letter["text"].as_str().unwrap().contains("nothing has happened"), "{letter}");
    let id = posted["body"]["id"].as_str().unwrap().split_once('-').unwrap().1;
    assert!(letter["id"].as_str().unwrap().ends_with(&format!("-{id}@market.example>")), "{letter}");
    assert_eq!(try_out(&world, &mail(tls.port, "tls")).0, Some(0));
    assert_eq!(tls.next()["subject"], "Test: a test");

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (notices, expected) in [
        (hook(webhook.port).replace("/post", "/status/503"), "expected an answer of 2xx, found 503"),
        (hook(webhook.port).replace("/post", "/redirect/1"), "expected an answer of 2xx, found 405"),
        (hook(webhook.port).replace("ca.pem", "other.pem"), "UnknownIssuer"),
        (hook(nobody), "Connection refused"),
        (mail(nobody, "starttls"), "Connection refused"),
        (mail(starttls.port, "starttls").replace("ca.pem", "other.pem"), "UnknownIssuer"),
        (mail(starttls.port, "starttls").replace("\"password\"", "\"wrong\""), "535"),
    ] {
        let (code, said) = try_out(&world, &notices);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("localhost:") && said.contains(expected), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }

    let webhook = hook(webhook.port);
    let good = mail(starttls.port, "starttls");
    for (notices, expected) in [
        (String::new(), "expected [notices.webhook] or [notices.mail] in the configuration, found neither"),
        (webhook.replace("ca = \"ca.pem\"\n", ""), "notices.webhook: https://localhost"),
        (webhook.replace("\"token\"", "\"nowhere\""), "notices.webhook: token file"),
        (webhook.replace("\"token\"", "\"password\""), "expected one line with a token of at least 32"),
        (good.replace("user = \"voisin\"\n", ""), "notices.mail: expected `user` and `password_file`, or neither"),
        (good.replace("starttls", "none").replace("localhost", "mail.example"), "in the open nothing leaves it"),
        (good.replace("ca = \"ca.pem\"\n", ""), "notices.mail: expected the certificates to trust"),
        (good.replace("\"ca.pem\"", "\"token\""), "expected certificates in PEM, found none"),
        (good.replace("\"password\"", "\"nowhere\""), "notices.mail: password_file: "),
        (
            good.replace("to = [\"ada@a.example\", \"Bob <bob@b.example>\"]", "to = []"),
            "to: expected 1 to 20 addresses",
        ),
    ] {
        let (code, said) = try_out(&world, &notices);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(expected) && said.lines().count() == 1, "{said}\nexpected: {expected}");
    }
}

async fn metric(market: &Process, name: &str) -> f64 {
    let metrics = reqwest::get(format!("http://{}/metrics", market.console)).await.unwrap().text().await.unwrap();
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("voisin_market_notices_{name} ")));
    line.unwrap_or_else(|| panic!("{name}: {metrics}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, httpbin and aiosmtpd, which .ci/run installs"]
async fn killed_and_started_again_the_market_tells_nothing_twice_and_forgets_nothing() {
    let world = world().await;
    let webhook = Told::start("hook", 0, &world);
    // Nobody takes the mail yet.
    let port = free_port();
    let notices = hook(webhook.port) + &mail(port, "starttls");
    let market = Process::start(&world.write("market.toml", &(world.config() + &notices)));
    let raised = |name: &str| ("raised".to_owned(), name.to_owned());
    assert_eq!(webhook.notice(), raised("no_quorum"), "one of the two nodes is nobody's");
    assert_eq!(webhook.notice(), raised("mail_undelivered"), "what one channel cannot deliver is told by the other");
    let alarms = reqwest::get(format!("http://{}/api/v1/alarms", market.console)).await.unwrap();
    let alarms: Value = alarms.json().await.unwrap();
    let alarm = alarms["on"].as_array().unwrap().iter().find(|alarm| alarm["name"] == "mail_undelivered").unwrap();
    let cause = alarm["cause"].as_str().unwrap();
    assert!(cause.contains("Connection refused") && cause.ends_with("waits: no_quorum (critical)."), "{cause}");
    assert_eq!(metric(&market, "waiting{channel=\"mail\"}").await, 1.0);
    assert!(metric(&market, "failed_total{channel=\"mail\"}").await >= 2.0);
    // What was delivered in the moment in which the market is killed, it would deliver again.
    while metric(&market, "delivered_total{channel=\"webhook\"}").await < 2.0 {}
    drop(market);

    // Nor is there a broker any more: the one thing that is new.
    let broker = world.config().lines().find(|line| line.starts_with("broker")).unwrap().to_owned();
    let without = world.config().replace(&broker, "broker = \"mqtt://127.0.0.1:1\"");
    let mails = Told::start("mail", port, &world);
    let market = Process::start(&world.write("market.toml", &(without + &notices)));
    assert_eq!(webhook.notice(), raised("broker_lost"));
    let letters: Vec<Value> = (0..2).map(|_| mails.next()).collect();
    assert_eq!(letters[0]["subject"], "Test: no_quorum (critical)");
    assert_eq!(letters[1]["subject"], "Test: broker_lost (critical)");
    assert!(letters[1]["text"].as_str().unwrap().contains("What to do: Start the broker"), "{}", letters[1]);

    // The mail arrives again, and the broker is back: what has been over for a while is told as such, but for what is
    // the matter with a channel by that channel itself.
    for (channel, notices) in [("webhook", 1.0), ("mail", 2.0)] {
        while metric(&market, &format!("delivered_total{{channel=\"{channel}\"}}")).await < notices {}
    }
    drop(market);
    let _market = Process::start(&world.write("market.toml", &(world.config() + &notices)));
    let over = |name: &str| ("cleared".to_owned(), name.to_owned());
    assert_eq!(
        BTreeSet::from([webhook.notice(), webhook.notice()]),
        ["mail_undelivered", "broker_lost"].map(over).into()
    );
    let letter = mails.next();
    assert_eq!(letter["subject"], "Test: broker_lost is over");
    assert!(letter["text"].as_str().unwrap().contains("The alarm broker_lost is over. It was on from"), "{letter}");
}
