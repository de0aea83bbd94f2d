//! A real Home Assistant that finds the agent by itself, takes its figures into the energy dashboard, and is a meter.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use meter_agent::start;
use serde::Deserialize;
use serde_json::{Value, json};
use support::{Home, Market, PATIENCE, interval};
use testkit::{community::write_secret, mosquitto::Mosquitto};

/// Consumption and production: 200 Wh drawn, 100 Wh fed in, 100 Wh drawn.
const METER: [(u64, u64); 3] = [(250, 50), (0, 100), (130, 30)];

/// A real one. It ends with this.
struct HomeAssistant {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    _directory: tempfile::TempDir,
}

/// What an entity shows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct State {
    state: String,
    attributes: Value,
}

type States = BTreeMap<String, State>;

impl HomeAssistant {
    fn start(broker: &Mosquitto) -> HomeAssistant {
        let directory = tempfile::tempdir().unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut child = Command::new(here.join("../target/home-assistant/bin/python"))
            .arg(here.join("tests/home_assistant.py"))
            .arg(directory.path())
            .arg(broker.port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (questions, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut started = HomeAssistant { child, questions: Some(questions), answers, _directory: directory };
        assert_eq!(started.answer(), "ready");
        started
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: `{line}`"))
    }

    fn ask(&mut self, question: &str) -> Value {
        writeln!(self.questions.as_mut().unwrap(), "{question}").unwrap();
        self.answer()
    }

    /// The agent's entities, once they are as wanted.
    fn until(&mut self, what: &str, wanted: impl Fn(&States) -> bool) -> States {
        let begun = Instant::now();
        loop {
            let mut states: States = serde_json::from_value(self.ask("states")).unwrap();
            states.retain(|id, _| id.contains(".test_home_"));
            if wanted(&states) {
                return states;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: {states:#?}");
            thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for HomeAssistant {
    fn drop(&mut self) {
        // By the end of the questions it knows to end, and ends Home Assistant, too; killed, it could not.
        drop(self.questions.take());
        let _ = self.child.wait();
    }
}

fn shows(states: &States, id: &str, state: &str) -> bool {
    states.get(id).is_some_and(|shown| shown.state == state)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Home Assistant, which .ci/run installs"]
async fn it_finds_the_agent_takes_its_energy_and_money_and_reads_it_as_a_meter() {
    let (broker, at_home) = (Mosquitto::start(), Mosquitto::start());
    let mut seen = HomeAssistant::start(&at_home);
    let home = Home::new(broker.port, &METER);
    let battery = "[battery]\ncapacity_wh = 10000\npower_w = 3000\nround_trip_efficiency = 0.9\n";
    let link = format!("{battery}[home_assistant]\nbroker = \"mqtt://127.0.0.1:{}\"\n", at_home.port);
    home.configure(broker.port, &link);
    let mut market = Market::connect(&home, broker.port).await;

    let running = start(home.config()).await.unwrap();
    market.announce(2).await;
    for _ in 0..3 {
        market.reading().await;
    }
    // What no receipt says yet is unknown, and not nought.
    let states = seen.until("registers", |states| shows(states, "sensor.test_home_grid_import", "1300"));
    assert!(shows(&states, "sensor.test_home_cost", "unknown"), "{states:#?}");
    assert!(shows(&states, "sensor.test_home_proved_until", "unknown"), "{states:#?}");
    market.forward(home.receipt(0, 150, 0, 50, 0).to_json()).await;
    market.forward(home.receipt(1, 0, 60, 0, 40).to_json()).await;

    // 150 Wh at 0.19 and 50 Wh at 0.30; 60 Wh at 0.19 and 40 Wh at 0.08.
    let expected = [
        ("sensor.test_home_grid_import", "1300", json!(["energy", "total_increasing", "Wh"])),
        ("sensor.test_home_grid_export", "600", json!(["energy", "total_increasing", "Wh"])),
        ("sensor.test_home_price_among_neighbours", "0.19", json!([null, "measurement", "EUR/kWh"])),
        ("sensor.test_home_price_from_the_supplier", "0.3", json!([null, "measurement", "EUR/kWh"])),
        ("sensor.test_home_price_to_the_supplier", "0.08", json!([null, "measurement", "EUR/kWh"])),
        ("sensor.test_home_cost", "0.0435", json!(["monetary", "total", "EUR"])),
        ("sensor.test_home_compensation", "0.0146", json!(["monetary", "total", "EUR"])),
        ("sensor.test_home_neighbours_were_worth", "0.0231", json!(["monetary", "total", "EUR"])),
        ("sensor.test_home_proved_until", "2026-06-01T12:30:00+00:00", json!(["timestamp", null, null])),
        ("sensor.test_home_readings_without_a_receipt", "1", json!([null, "measurement", null])),
        // There is no island.
        ("sensor.test_home_island_may_draw", "unknown", json!(["energy", null, "Wh"])),
        ("binary_sensor.test_home_alarm", "off", json!(["problem", null, null])),
        // A price taker says nothing of its battery.
        ("sensor.test_home_battery_set_point_proposed", "0", json!(["power", "measurement", "W"])),
    ];
    let is_there = |states: &States| expected.iter().all(|(id, state, _)| shows(states, id, state));
    let states = seen.until("all figures", is_there);
    assert_eq!(states.len(), expected.len(), "{:?}", states.keys());
    for (id, _, classes) in expected {
        let attributes = &states[id].attributes;
        let found = ["device_class", "state_class", "unit_of_measurement"].map(|name| attributes[name].clone());
        assert_eq!(json!(found), classes, "{id}");
    }
    let until = &states["sensor.test_home_battery_set_point_proposed"].attributes["until"];
    assert_eq!(until, "2026-06-01T13:00:00Z", "the interval after the last that was read");
    let devices = seen.ask("devices");
    let device = devices.as_array().unwrap().iter().find(|device| device["name"] == "Test home").unwrap();
    assert_eq!((&device["manufacturer"], &device["model"]), (&json!("Voisin"), &json!("meter-agent")));

    // An alarm is a problem, with what it says.
    let mut forged = home.receipt(2, 0, 0, 100, 0);
    forged.entry.line.imported = protocol::energy::Energy::from_wh(90);
    market.forward(forged.to_json()).await;
    let states = seen.until("an alarm", |states| shows(states, "binary_sensor.test_home_alarm", "on"));
    let alarm = states["binary_sensor.test_home_alarm"].attributes["alarms"][0].as_str().unwrap();
    assert!(alarm.starts_with("receipt does not verify"), "{alarm}");

    // By the time that Home Assistant says itself, its states are of now.
    as_a_meter(&mut seen);

    let sensors = json!({
        "import": "sensor.test_home_grid_import",
        "export": "sensor.test_home_grid_export",
        "cost": "sensor.test_home_cost",
        "compensation": "sensor.test_home_compensation",
    });
    let energy = seen.ask(&format!("energy {sensors}"));
    assert_eq!(energy, json!({ "saved": true, "issues": [] }));

    // Stopped, and killed: it is not there, and what was last true is not shown as if it were.
    let unavailable = |states: &States| states.values().all(|state| state.state == "unavailable");
    running.stop().await;
    seen.until("a stopped agent", unavailable);
    let running = start(home.config()).await.unwrap();
    seen.until("an agent that runs again", |states| shows(states, "sensor.test_home_grid_export", "600"));
    drop(running);
    seen.until("an agent that was killed", unavailable);

    let config = home.path("agent.toml");
    let mut remove = Command::new(env!("CARGO_BIN_EXE_meter-agent"));
    let removed = remove.args(["remove-from-home-assistant", "--config", config.to_str().unwrap()]).output().unwrap();
    assert!(removed.status.success(), "{removed:?}");
    seen.until("nothing", BTreeMap::is_empty);
    assert_eq!(seen.ask("warnings"), json!([]));
}

/// Two sensors of Home Assistant are the meter of another household.
fn as_a_meter(seen: &mut HomeAssistant) {
    let source = "kind = \"device\"\ntemplate = \"home-assistant\"\naddress = \"http://127.0.0.1:8123\"\npoll_s = 1\n\
                  token_file = \"token\"\nmax_age_s = 300\n\
                  with = { import = \"sensor.test_home_grid_import\", export = \"sensor.test_home_grid_export\" }\n";
    let home = Home::with_meter(interval(0), 1, source);
    write_secret(&home.path("token"), seen.ask("token").as_str().unwrap());
    let said = home.check();
    assert!(said.contains("meter read twice: import 1300 Wh, export 600 Wh"), "{said}");
    write_secret(&home.path("wrong"), "wrong");
    let text = fs::read_to_string(home.path("agent.toml")).unwrap();
    fs::write(home.path("agent.toml"), text.replace("\"token\"", "\"wrong\"")).unwrap();
    let said = home.check();
    assert!(said.contains("the device does not take this password or token"), "{said}");
}
