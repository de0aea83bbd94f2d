//! A household comes back after a day: its 96 readings wait at a real Mosquitto, oldest first, and meet the real market
//! at once; then a true-up makes up for the day.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/spread.rs"]
mod spread;
#[path = "support/true_up.rs"]
mod true_up;
#[path = "support/truth.rs"]
mod truth;

use std::{fs, sync::mpsc, thread};

use protocol::{envelope::Sealed, genesis::Genesis, reading::Reading, topic::Topics};
use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use spread::{Neighbourhood, Process, agents, audits, eventually, get, value};
use testkit::mosquitto::Mosquitto;
use true_up::{in_force, sum, true_up};

/// A day of quarter hours, in which one household is away.
const AWAY: usize = 96;
const INTERVALS: usize = AWAY + 4;

/// Who listens in on the broker: the sequence numbers of the readings that are published, as they come.
fn readings(port: u16, genesis: &Genesis) -> mpsc::Receiver<u64> {
    let (chain, topics) = (genesis.chain(), Topics::new(&genesis.chain()));
    let (client, mut connection) = Client::new(MqttOptions::new("listener", "127.0.0.1", port), 8);
    client.subscribe(topics.all_readings(), QoS::AtLeastOnce).unwrap();
    let listens = |event| matches!(event, Ok(Event::Incoming(Packet::SubAck(_))));
    assert!(connection.iter().any(listens), "the broker lets it listen");
    let (sender, heard) = mpsc::channel();
    thread::spawn(move || {
        // Ends with the broker.
        for event in connection.iter().map_while(Result::ok) {
            if let Event::Incoming(Packet::Publish(publish)) = event {
                let sealed = Sealed::from(publish.payload.to_vec());
                sender.send(sealed.open::<Reading>(&chain, |_| true).unwrap().sequence).ok();
            }
        }
        drop(client);
    });
    heard
}

#[test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
fn a_backlog_of_a_day_is_settled_oldest_first_and_none_of_it_lost_or_doubled() {
    let broker = Mosquitto::start();
    let directory = tempfile::tempdir().unwrap();
    let summer = truth::built_in("summer");
    let neighbourhood = Neighbourhood::init(directory.path(), &summer, broker.port, INTERVALS, 0);
    let truth = truth::of(spread::profile_of_days(&summer).as_bytes(), INTERVALS);
    Neighbourhood::configure(&neighbourhood.market_config(), "gate_delay_ms = 60000", "gate_delay_ms = 100");
    let configs = agents(&neighbourhood.run);
    let (away, present) = configs.split_last().unwrap();

    let validators: Vec<Process> = (0..4).map(|n| neighbourhood.validator(n)).collect();
    eventually("the validators", || neighbourhood.status(3));
    let market = neighbourhood.market();
    let mut processes: Vec<Process> = present.iter().map(|config| neighbourhood.agent(config)).collect();
    neighbourhood.settled(0, AWAY);
    // The broker has the market's session: what comes now waits for it.
    market.stop();
    let genesis = Genesis::from_json(&fs::read(neighbourhood.run.join("genesis.json")).unwrap()).unwrap();
    let published = readings(broker.port, &genesis);
    processes.push(neighbourhood.agent(away));
    let status = || get(&format!("http://{}/status", value(away, "status").as_str().unwrap()));
    eventually("a backlog", || status().filter(|status| status["outbox"].as_u64() >= Some(AWAY as u64)));
    let mut in_order: Vec<u64> = Vec::new();
    eventually("all of it at the broker", || {
        in_order.extend(published.try_iter());
        (in_order.iter().max() >= Some(&(AWAY as u64))).then_some(())
    });
    in_order.retain({
        let mut newest = 0;
        move |sequence| {
            let is_first = *sequence > newest;
            newest = newest.max(*sequence);
            is_first
        }
    });
    assert_eq!(in_order, (1..=in_order.len() as u64).collect::<Vec<_>>(), "oldest first, and none left out");
    let settled_before = neighbourhood.status(0).unwrap()["settlements"].as_u64().unwrap();
    assert!(settled_before < INTERVALS as u64, "there is an interval left to settle the backlog with");

    let market = neighbourhood.market();
    neighbourhood.settled(0, INTERVALS);
    eventually("the end of the backlog", || status().filter(|status| status["outbox"] == 0));
    let lines = in_force(&neighbourhood.api(0));
    let sum = |field| sum(&lines, field);
    // What came late was settled with the supplier; not a Wh more or less than was metered.
    assert!(sum("bought") < truth.traded_wh, "the neighbours could not trade with who was away");
    assert_eq!(sum("bought"), sum("sold"));
    assert_eq!(sum("bought") + sum("imported"), truth.traded_wh + truth.imported_wh);
    assert_eq!(sum("sold") + sum("exported"), truth.traded_wh + truth.exported_wh);
    let first = genesis.first_interval.to_string();
    let after = true_up(&neighbourhood, first.split('/').next().unwrap());
    for (field, expected) in [
        ("bought", truth.traded_wh),
        ("sold", truth.traded_wh),
        ("imported", truth.imported_wh),
        ("exported", truth.exported_wh),
    ] {
        assert_eq!(true_up::sum(&after, field), expected, "{field}, as if all had come in time");
    }
    let log = neighbourhood.log("market.log");
    assert!(!log.contains("ERROR"), "{log}");

    processes.into_iter().for_each(Process::stop);
    market.stop();
    validators.into_iter().for_each(Process::stop);
    assert!(audits(&neighbourhood.run).iter().all(|report| report["settlements"] == INTERVALS));
}
