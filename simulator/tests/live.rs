//! The whole live neighbourhood, through the real program and its real sockets, against sums that are computed here.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/truth.rs"]
mod truth;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use protocol::{
    block::Transaction,
    cbor::{self, Encoded},
    decision::{Action, Decision},
    genesis::{Genesis, Rules},
    hash::Hash,
    interval::Interval,
    key::SecretKey,
    topic::Topics,
};
use serde_json::Value;
use truth::Truth;

fn assert_summary(summary: &Path, truth: &Truth, participants: usize, intervals: usize, validators: usize) {
    let summary: Value = serde_json::from_slice(&fs::read(summary).unwrap()).unwrap();
    let found = Truth {
        consumption_wh: summary["consumption_wh"].as_u64().unwrap(),
        production_wh: summary["production_wh"].as_u64().unwrap(),
        self_consumed_alone_wh: summary["self_consumed_alone_wh"].as_u64().unwrap(),
        traded_wh: summary["traded_wh"].as_u64().unwrap(),
        imported_wh: summary["imported_wh"].as_u64().unwrap(),
        exported_wh: summary["exported_wh"].as_u64().unwrap(),
    };
    assert_eq!(&found, truth);
    assert_eq!(summary["participants"], participants);
    assert_eq!(summary["intervals"], intervals);
    assert_eq!(summary["settlements"], intervals);
    assert_eq!(summary["receipts_verified"], intervals * participants);
    assert_eq!(summary["balances_sum"], 0);
    assert_eq!(summary["ledger"]["validators"], validators);
    assert!(summary["ledger"]["height"].as_u64().unwrap() >= 1);
    assert_eq!(summary["ledger"]["state_root"].as_str().unwrap().len(), 64);
}

fn simulator(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simulator"));
    command.current_dir(directory).args(["live", "--console", "off", "--state", "state", "--summary", "summary.json"]);
    command.args(arguments);
    command
}

fn succeed(directory: &Path, arguments: &[&str]) -> String {
    let output = simulator(directory, arguments).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}\n{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    stdout
}

/// The sums of the first intervals of the built-in summer.
fn summer(intervals: usize) -> Truth {
    truth::of(truth::built_in("summer").as_bytes(), intervals)
}

/// Lines of the terminal view that show a settled interval.
fn settled_lines(stdout: &str) -> usize {
    stdout.lines().filter(|line| line.contains("from supplier")).count()
}

#[test]
fn the_mechanism_is_told_its_parameters_and_the_same_again_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("fees.csv"), "class,fee\nsame_feeder,0.02\nbeyond_transformer,0.05\n").unwrap();
    let feeder = ["--mechanism", "feeder", "--fees", "fees.csv", "--derate", "0.05"];
    let live = ["--interval-ms", "0", "--intervals", "28", "--validators", "1"];
    succeed(directory.path(), &[&feeder[..], &live[..]].concat());
    let genesis: Value =
        serde_json::from_slice(&fs::read(directory.path().join("state/genesis.json")).unwrap()).unwrap();
    let expected = serde_json::json!({"derate_ppm": 50_000, "fees": {"between_buses": "0.02", "transformer": "0.03"}});
    assert_eq!(genesis["rules"]["parameters"], expected);
    let summary: Value = serde_json::from_slice(&fs::read(directory.path().join("summary.json")).unwrap()).unwrap();
    assert_eq!((&summary["settlements"], &summary["receipts_verified"]), (&28.into(), &(28 * 41).into()));
    assert!(summary["traded_wh"].as_u64().unwrap() > 0, "what the fees leave is still worth trading");
    let output = simulator(directory.path(), &[&feeder[..4], &live[..]].concat()).output().unwrap();
    let line = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{line}");
    assert!(line.contains("the parameters of the mechanism"), "{line}");
}

#[test]
fn a_prefix_of_the_summer_is_settled_exactly_and_a_second_start_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let summary = directory.path().join("summary.json");
    // Until 07:00 UTC: the sun is up, and neighbours trade.
    let (first, second) = (12, 28);
    assert!(summer(second).traded_wh > 0);

    let stdout = succeed(directory.path(), &["--interval-ms", "0", "--intervals", "12"]);
    assert_eq!(settled_lines(&stdout), first, "{stdout}");
    assert_summary(&summary, &summer(first), 41, first, 4);

    let stdout = succeed(directory.path(), &["--interval-ms", "0", "--intervals", "28"]);
    assert_eq!(settled_lines(&stdout), second - first, "{stdout}");
    assert_summary(&summary, &summer(second), 41, second, 4);

    fs::remove_file(&summary).unwrap();
    let stdout = succeed(directory.path(), &["--interval-ms", "0", "--intervals", "28"]);
    assert_eq!(settled_lines(&stdout), 0, "{stdout}");
    assert_summary(&summary, &summer(second), 41, second, 4);
}

#[test]
fn who_starts_in_the_middle_settles_exactly_what_is_played() {
    let directory = tempfile::tempdir().unwrap();
    let summary = directory.path().join("summary.json");
    const FROM: &str = "2016-07-04T09:00:00Z";
    let truth = |intervals| truth::from(FROM, truth::built_in("summer").as_bytes(), intervals);
    assert!(truth(5).traded_wh > 0);
    let options = ["--from", FROM, "--validators", "1", "--interval-ms", "0", "--intervals"];

    let stdout = succeed(directory.path(), &[&options[..], &["5"]].concat());
    assert!(stdout.contains("5 intervals of 15 minutes from 2016-07-04T09:00:00Z"), "{stdout}");
    assert_eq!(settled_lines(&stdout), 5, "{stdout}");
    assert_summary(&summary, &truth(5), 41, 5, 1);

    let stdout = succeed(directory.path(), &[&options[..], &["8", "--orders", "none"]].concat());
    assert_eq!(settled_lines(&stdout), 3, "{stdout}");
    assert_summary(&summary, &truth(8), 41, 8, 1);

    let output = simulator(directory.path(), &[&options[2..], &["8"]].concat()).output().unwrap();
    let line = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{line}");
    assert!(line.contains("(--profile, --from) of 2016-07-04T09:00:00Z/PT15M as it was started with"), "{line}");
}

/// A neighbourhood of other names, half hours and no grid, in a directory of its own.
fn other_neighbourhood(directory: &Path) -> (PathBuf, String) {
    let names = ["Oak Street 1", "Müller & Co.", "a-b_c", "7"];
    let mut participants = String::from("kind,participant_id\n");
    let mut profile = String::from("production_wh,timestamp,consumption_wh,participant_id\n");
    for (index, name) in names.iter().enumerate() {
        participants.push_str(&format!("home,{name}\n"));
        for step in 0..10u64 {
            // Every hour of the two halves of a day is in it: deficits, surpluses, and nothing at all.
            let production = [0, 0, 900, 40][index] * (step % 5);
            let consumption = [333, 1, 100, 0][index] * (step % 3);
            let time = format!("2027-03-28T{:02}:{:02}:00Z", step / 2, step % 2 * 30);
            profile.push_str(&format!("{production},{time},{consumption},{name}\n"));
        }
    }
    let data = directory.join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("participants.csv"), participants).unwrap();
    fs::write(data.join("profiles_x.csv"), &profile).unwrap();
    (data, profile)
}

#[test]
fn another_neighbourhood_with_one_validator() {
    let directory = tempfile::tempdir().unwrap();
    let (_, profile) = other_neighbourhood(directory.path());
    let truth = truth::of(profile.as_bytes(), 10);
    assert!(truth.traded_wh > 0 && truth.imported_wh > 0 && truth.exported_wh > 0, "{truth:?}");
    succeed(directory.path(), &["--data", "data", "--profile", "x", "--validators", "1", "--interval-ms", "0"]);
    assert_summary(&directory.path().join("summary.json"), &truth, 4, 10, 1);
}

#[test]
fn orders_of_a_file_reach_the_ledger_and_stand() {
    let directory = tempfile::tempdir().unwrap();
    let (_, profile) = other_neighbourhood(directory.path());
    // Nobody buys above 0.10, nobody sells below 0.20: as soon as these stand, nothing is traded.
    let orders = "participant_id,buy,sell\nOak Street 1,0.10,\nMüller & Co.,0.10,0.20\na-b_c,0.10,0.20\n7,,0.20\n";
    fs::write(directory.path().join("orders.csv"), orders).unwrap();
    let options = ["--data", "data", "--profile", "x", "--validators", "1", "--interval-ms", "500"];
    let stdout = succeed(directory.path(), &[&options[..], &["--orders", "orders.csv"]].concat());
    let truth = truth::of(profile.as_bytes(), 10);
    let summary: Value = serde_json::from_slice(&fs::read(directory.path().join("summary.json")).unwrap()).unwrap();
    let [traded, imported, exported] =
        ["traded_wh", "imported_wh", "exported_wh"].map(|key| summary[key].as_u64().unwrap());
    assert!(traded < truth.traded_wh, "{stdout}");
    assert_eq!(traded + imported, truth.traded_wh + truth.imported_wh);
    assert_eq!(traded + exported, truth.traded_wh + truth.exported_wh);
    assert_eq!(summary["balances_sum"], 0);
}

/// What a validator answers over HTTP.
fn ask(request: impl FnOnce(reqwest::Client) -> reqwest::RequestBuilder) -> Option<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { request(reqwest::Client::new()).send().await.ok()?.json().await.ok() })
}

#[test]
fn rules_decided_while_it_runs_are_followed_by_all_and_no_agent_refuses_an_honest_receipt() {
    let directory = tempfile::tempdir().unwrap();
    let (_, profile) = other_neighbourhood(directory.path());
    let options = ["--data", "data", "--profile", "x", "--validators", "1", "--interval-ms", "1000"];
    let mut child = simulator(directory.path(), &options).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    while settled_lines(&seen) < 1 {
        assert_ne!(stdout.read_line(&mut seen).unwrap(), 0, "{seen}");
    }

    let validator = directory.path().join("state/validator-0");
    let config: toml::Table = fs::read_to_string(validator.join("validator.toml")).unwrap().parse().unwrap();
    let url = format!("http://{}/v1", config["api"].as_str().unwrap());
    let seed: Hash = fs::read_to_string(validator.join("validator.key")).unwrap().trim_end().parse().unwrap();
    let genesis = Genesis::from_json(&fs::read(directory.path().join("state/genesis.json")).unwrap()).unwrap();
    let rules = Rules::new("0.36".parse().unwrap(), "0.05".parse().unwrap(), "pay_as_bid");
    let in_force = ask(|client| client.get(format!("{url}/rules"))).unwrap();
    let from = in_force["interval"].as_str().unwrap().parse::<Interval>().unwrap().offset(3).unwrap();
    let action = Action::SetRules { from, rules: rules.clone(), grid: None };
    let decision = Decision { sequence: 1, action };
    let approvals = vec![decision.approve(&genesis.chain(), &SecretKey::from_seed(seed.as_bytes()))];
    let transaction = cbor::encode(&Transaction::Decide { decision: Encoded::of(&decision), approvals });
    let answer = ask(|client| {
        client.post(format!("{url}/transactions")).header("content-type", "application/cbor").body(transaction)
    })
    .unwrap();
    assert_eq!(answer["outcome"], "pending", "{answer}");

    stdout.read_to_string(&mut seen).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{seen}");
    // Price takers trade as much under either mechanism; and every agent has verified each of its receipts.
    assert_summary(&directory.path().join("summary.json"), &truth::of(profile.as_bytes(), 10), 4, 10, 1);
    let ledger_node::audit::Opened { genesis, store, .. } = ledger_node::audit::open(&validator).unwrap();
    let old = genesis.rules.tariffs();
    let (ledger, _) = ledger_node::node::Ledger::open(genesis, Arc::new(store), None).unwrap();
    let settled = ledger.settlements(ledger.genesis().first_interval, 10).unwrap();
    assert_eq!(settled.len(), 10);
    let mut traded = [0, 0];
    for found in &settled {
        let is_new = found.interval >= from;
        assert_eq!(found.tariffs, if is_new { rules.tariffs() } else { old }, "{}", found.interval);
        traded[usize::from(is_new)] += found.trades.len();
    }
    assert!(traded.iter().all(|trades| *trades > 0), "neighbours trade under both: {traded:?}");
}

/// Announces an interval that no recording here reaches, retained, as anyone who reaches the broker could.
fn forge_announcement(client: &mut rumqttc::Client, connection: &mut rumqttc::Connection, genesis: &Genesis) {
    let topic = Topics::new(&genesis.chain()).gate();
    let forged = br#"{"open":"2091-07-17T00:00:00Z/PT30M","orders_from":"2091-07-17T00:30:00Z/PT30M"}"#;
    client.publish(topic, rumqttc::QoS::AtLeastOnce, true, forged).unwrap();
    let taken = |event| matches!(event, Ok(rumqttc::Event::Incoming(rumqttc::Packet::PubAck(_))));
    assert!(connection.iter().any(taken), "the broker takes it");
}

#[test]
fn forged_announcements_hold_up_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (_, profile) = other_neighbourhood(directory.path());
    let options = ["--data", "data", "--profile", "x", "--validators", "1", "--interval-ms", "300"];
    let mut child = simulator(directory.path(), &options).stdout(Stdio::piped()).spawn().unwrap();
    let (lines, seen) = mpsc::channel();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
    let mut broker = None;
    let (mut settled, mut forged) = (0, 0);
    // Whether intervals are settled counts, not how fast: the timeout only ends a neighbourhood that stands still.
    loop {
        match seen.recv_timeout(Duration::from_secs(60)) {
            Ok(line) => settled += settled_lines(&line),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                child.kill().unwrap();
                panic!("after {forged} forged announcements nothing was settled any more: {settled} intervals of 10");
            }
        }
        if settled > forged && settled < 9 {
            let state = directory.path().join("state");
            let genesis = Genesis::from_json(&fs::read(state.join("genesis.json")).unwrap()).unwrap();
            let (client, connection) = broker.get_or_insert_with(|| {
                let config: toml::Table =
                    fs::read_to_string(state.join("market/market.toml")).unwrap().parse().unwrap();
                let (_, port) = config["broker"].as_str().unwrap().rsplit_once(':').unwrap();
                let options = rumqttc::MqttOptions::new("mallory", "127.0.0.1", port.parse().unwrap());
                rumqttc::Client::new(options, 8)
            });
            forge_announcement(client, connection, &genesis);
            forged = settled;
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(forged >= 2, "{forged}");
    assert_summary(&directory.path().join("summary.json"), &truth::of(profile.as_bytes(), 10), 4, 10, 1);
}

#[cfg(unix)]
#[test]
fn who_is_interrupted_sums_up_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (_, profile) = other_neighbourhood(directory.path());
    let options = ["--data", "data", "--profile", "x", "--validators", "1"];
    let mut child = simulator(directory.path(), &[&options[..], &["--interval-ms", "1000"]].concat())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    while settled_lines(&seen) < 2 {
        assert_ne!(stdout.read_line(&mut seen).unwrap(), 0, "{seen}");
    }
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    stdout.read_to_string(&mut seen).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{seen}");
    let settled = settled_lines(&seen);
    assert!((2..10).contains(&settled), "{seen}");
    let summary = directory.path().join("summary.json");
    let json: Value = serde_json::from_slice(&fs::read(&summary).unwrap()).unwrap();
    assert_eq!(json["settlements"], settled, "{seen}");

    let rest = succeed(directory.path(), &[&options[..], &["--interval-ms", "0"]].concat());
    assert_eq!(settled_lines(&rest), 10 - settled, "{rest}");
    assert_summary(&summary, &truth::of(profile.as_bytes(), 10), 4, 10, 1);
}
