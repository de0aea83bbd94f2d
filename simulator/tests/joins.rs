//! A household that joins a running neighbourhood and copies nothing by hand: real processes, a real Mosquitto, four
//! validators that decide. It waits, learns from a proof how it was registered, believes no false one, and trades; and
//! everybody's agent knows whose roof its energy came from.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/spread.rs"]
mod spread;
#[path = "support/truth.rs"]
#[allow(dead_code, reason = "only the data are used")]
mod truth;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use protocol::{genesis::Genesis, topic::Topics};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::Value;
use settings::owner_only::read_key;
use spread::{Neighbourhood, Process, agents, audits, eventually, get, program};
use testkit::mosquitto::Mosquitto;

const INTERVALS: usize = 24;
const INTERVAL_MS: u64 = 400;

fn said(program: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// What a program writes to stdout, if all is well.
fn written(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The household that joins, with nothing but what `init` makes, the genesis, and a meter.
struct Newcomer {
    directory: PathBuf,
}

impl Newcomer {
    fn init(neighbourhood: &Neighbourhood, broker_port: u16) -> Newcomer {
        let directory = neighbourhood.root.join("newcomer");
        let broker = format!("mqtt://127.0.0.1:{broker_port}");
        written(&program("meter-agent"), &["init", "--dir", directory.to_str().unwrap(), "--broker", &broker]);
        let newcomer = Newcomer { directory };
        fs::copy(neighbourhood.run.join("genesis.json"), newcomer.path("genesis.json")).unwrap();
        let meter = agents(&neighbourhood.run)[0].with_file_name("meter.csv");
        fs::copy(meter, newcomer.path("meter.csv")).unwrap();
        Neighbourhood::configure(&newcomer.config(), "127.0.0.1:8787", "127.0.0.1:0");
        newcomer
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("agent.toml")
    }

    /// What a command of the agent says.
    fn says(&self, subcommand: &str) -> (Option<i32>, String) {
        said(&program("meter-agent"), &[subcommand, "--config", self.config().to_str().unwrap()])
    }

    /// What its page says of it; none if there is no page yet.
    fn status(&self) -> Option<Value> {
        let address = fs::read_to_string(self.path("state/status.addr")).ok()?;
        get(&format!("http://{}/status", address.trim()))
    }

    fn waits(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually("the newcomer waits", || {
            self.status()
                .filter(|status| status["waiting"].is_string() && status["connected"] == true && wanted(status))
        })
    }
}

/// Hands the request to the validators, who decide; the pseudonym is drawn.
fn enrol(neighbourhood: &Neighbourhood, newcomer: &Newcomer) {
    let ledger = program("ledger");
    let node = neighbourhood.api(0);
    let request = newcomer.path("enrolment.json");
    let meter = ["--import-wh", "0", "--export-wh", "0", "--rated-power-w", "17000", "--technology", "solar"];
    let enrol = ["draft", "register-member", request.to_str().unwrap(), "--url", &node];
    let draft = neighbourhood.root.join("draft.json");
    fs::write(&draft, written(&ledger, &[&enrol[..], &meter[..]].concat())).unwrap();
    let genesis = neighbourhood.run.join("genesis.json");
    for number in 0..3 {
        let key = neighbourhood.run.join(format!("validator-{number}/validator.key"));
        let [draft_text, key, genesis] = [&draft, &key, &genesis].map(|path| path.to_str().unwrap());
        let approved = written(&ledger, &["approve", draft_text, "--key", key, "--genesis", genesis]);
        fs::write(&draft, approved).unwrap();
    }
    written(&ledger, &["submit", draft.to_str().unwrap(), "--url", &node]);
}

/// The proof of how a member is registered, as a node writes it.
fn proof_of(node: &str, member: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = format!("{node}/v1/members/{member}/registration");
    runtime.block_on(async { reqwest::get(url).await.unwrap().text().await.unwrap() })
}

/// Somebody retains something else on a topic.
async fn forge(port: u16, topic: &str, payload: Vec<u8>) {
    let (client, mut events) = AsyncClient::new(MqttOptions::new("a-forger", "127.0.0.1", port), 8);
    client.publish(topic, QoS::AtLeastOnce, true, payload).await.unwrap();
    while !matches!(events.poll().await.unwrap(), Event::Incoming(Packet::PubAck(_))) {}
}

/// Wh bought and sold by interval and neighbour.
type Traded = BTreeMap<(String, String), (u64, u64)>;

/// With whom a household traded, by its own agent's word.
fn neighbours(config: &Path) -> Traded {
    let arguments = ["statement", "--neighbours", "--csv", "--config", config.to_str().unwrap()];
    let csv = written(&program("meter-agent"), &arguments);
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let [bought, sold] = [2, 3].map(|at| fields[at].parse().unwrap());
        assert!(!fields[1].is_empty(), "all are told: {line}");
        ((fields[0].to_owned(), fields[1].to_owned()), (bought, sold))
    };
    csv.lines().skip(1).map(row).collect()
}

#[test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
fn a_household_learns_its_registration_from_a_proof_and_everyone_whose_roof_it_came_from() {
    let broker = Mosquitto::start();
    let directory = tempfile::tempdir().unwrap();
    let summer = truth::built_in("summer");
    let neighbourhood = Neighbourhood::init(directory.path(), &summer, broker.port, INTERVALS, INTERVAL_MS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let newcomer = Newcomer::init(&neighbourhood, broker.port);
    let device = read_key(&newcomer.path("state/device.key")).unwrap().public();
    let genesis = Genesis::from_json(&fs::read(newcomer.path("genesis.json")).unwrap()).unwrap();
    let topic = Topics::new(&genesis.chain()).registration(&device);

    // Nobody knows it: it waits, and says for what.
    let waiting = neighbourhood.agent(&newcomer.config());
    newcomer.waits(|_| true);
    for subcommand in ["check", "status"] {
        let (code, said) = newcomer.says(subcommand);
        let expected = [
            "not registered yet: hand enrolment.json to your operator, unless you have",
            "no proof of a decision has come here",
        ];
        assert!(code == Some(0) && expected.iter().all(|text| said.contains(text)), "{subcommand}: {said}");
    }
    // What is no proof is refused by name, and it goes on waiting.
    runtime.block_on(forge(broker.port, &topic, b"you are welcome".to_vec()));
    newcomer.waits(|status| status["registrations_refused"]["Malformed"] == 1);

    let validators: Vec<Process> = (0..4).map(|n| neighbourhood.validator(n)).collect();
    eventually("the validators", || neighbourhood.status(3));
    // Who has decided to take in somebody waits for its readings.
    neighbourhood.wait_for_readings(60_000);
    let market = neighbourhood.market();
    let running = neighbourhood.agents();
    neighbourhood.settled(0, 3);
    // Another's proof is another's, also with this device's name on it.
    let founder = genesis.members[0].clone();
    let proof = proof_of(&neighbourhood.api(1), &founder.member.to_string());
    let renamed = proof.replace(&founder.device.to_string(), &device.to_string());
    assert_ne!(proof, renamed);
    for (forged, name) in [(proof, "OtherDevice"), (renamed, "NotProved")] {
        runtime.block_on(forge(broker.port, &topic, forged.into_bytes()));
        newcomer.waits(|status| status["registrations_refused"][name] == 1);
    }

    // It hears of the decision although it was stopped.
    waiting.stop();
    enrol(&neighbourhood, &newcomer);
    let joined = neighbourhood.agent(&newcomer.config());
    let status = eventually("it is registered", || newcomer.status().filter(|status| status["member"].is_string()));
    let member = status["member"].as_str().unwrap().to_owned();
    let kept: Value = serde_json::from_slice(&fs::read(newcomer.path("state/registration.json")).unwrap()).unwrap();
    assert_eq!(kept["member"], member.as_str());
    let (_, checked) = newcomer.says("check");
    assert!(checked.contains(&format!("registered as member {member} by a decision, which is proved")), "{checked}");

    // After a restart it knows by itself; and it trades from its first interval on.
    joined.stop();
    let joined = neighbourhood.agent(&newcomer.config());
    let last = neighbourhood.settled(0, INTERVALS);
    assert_eq!((&last["settlements"], &last["balances_sum"]), (&INTERVALS.into(), &"0".into()));
    eventually("its receipts", || {
        newcomer.status().filter(|status| status["outbox"] == 0 && status["receipts_verified"].as_u64() > Some(3))
    });
    let configs = agents(&neighbourhood.run);
    eventually("all receipts", || {
        let all = configs.iter().all(|config| {
            let said = said(&program("meter-agent"), &["status", "--config", config.to_str().unwrap()]).1;
            said.contains("without a receipt yet   0 readings")
        });
        all.then_some(())
    });
    running.into_iter().chain([joined]).for_each(Process::stop);
    market.stop();

    // Alone, without a network: it knows who it is.
    drop(broker);
    let alone = neighbourhood.agent(&newcomer.config());
    let status = eventually("it is there alone", || newcomer.status());
    assert_eq!((&status["member"], &status["connected"]), (&member.as_str().into(), &false.into()));
    alone.stop();

    // Both sides of each trade know of it, and nobody of another.
    let settled = get(&format!("{}/v1/settlements", neighbourhood.api(0))).unwrap();
    let mut expected: BTreeMap<String, Traded> = BTreeMap::new();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for settled in settled.as_array().unwrap() {
        for trade in settled["trades"].as_array().unwrap() {
            let [seller, buyer] = ["seller", "buyer"].map(|side| text(&trade[side]));
            let (interval, wh) = (text(&settled["interval"]), trade["energy"].as_u64().unwrap());
            let mut side = |of: &str, with: &str| {
                let traded = expected.entry(of.into()).or_default().entry((interval.clone(), with.into())).or_default();
                *(if of == buyer { &mut traded.0 } else { &mut traded.1 }) += wh;
            };
            side(&buyer, &seller);
            side(&seller, &buyer);
        }
    }
    assert!(expected.contains_key(&member), "the newcomer has traded");
    let after = kept["registration"]["after"].as_str().unwrap();
    assert!(expected[&member].keys().all(|(interval, _)| interval.as_str() > after));
    let members = get(&format!("{}/v1/members", neighbourhood.api(0))).unwrap();
    for config in configs.iter().chain([&newcomer.config()]) {
        let key = ["member.key", "state/member.key"].map(|name| config.with_file_name(name));
        let key = read_key(key.iter().find(|path| path.exists()).unwrap()).unwrap().public().to_string();
        let of = members.as_array().unwrap().iter().find(|member| member["key"] == key.as_str()).unwrap();
        let expected = expected.remove(of["member"].as_str().unwrap()).unwrap_or_default();
        assert_eq!(neighbours(config), expected, "{}", config.display());
    }
    assert_eq!(expected.len(), 0);
    validators.into_iter().for_each(Process::stop);
    audits(&neighbourhood.run);
}
