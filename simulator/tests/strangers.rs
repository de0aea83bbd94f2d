//! The neighbourhood at a broker of strangers: the real programs, each with a certificate of its own, and a real
//! Mosquitto with the files that come with Voisin.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/spread.rs"]
mod spread;
#[path = "support/truth.rs"]
mod truth;

use std::{fs, path::Path};

use meter_agent::{Config, read_key};
use spread::{Neighbourhood, Process, agents, eventually, get, profile_of_a_day, value};
use testkit::secure_broker::SecureBroker;

const INTERVALS: usize = 4;

/// Has a program log in with a certificate of this name.
fn log_in(broker: &SecureBroker, config: &Path, name: &str) {
    let plain = value(config, "broker");
    Neighbourhood::configure(config, plain.as_str().unwrap(), &broker.address());
    let text = fs::read_to_string(config).unwrap();
    fs::write(config, format!("{text}\n{}", broker.login(name))).unwrap();
}

#[test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
fn each_with_its_certificate_all_trade_as_without() {
    let broker = SecureBroker::with_certificates();
    let directory = tempfile::tempdir().unwrap();
    let summer = truth::built_in("summer");
    let truth = truth::of(profile_of_a_day(&summer).as_bytes(), INTERVALS);
    assert!(truth.traded_wh > 0, "{truth:?}");
    let neighbourhood = Neighbourhood::init(directory.path(), &summer, broker.broker.port, INTERVALS, 300);
    let configs = agents(&neighbourhood.run);
    for config in &configs {
        let device = read_key(&Config::load(config).unwrap().device_key()).unwrap().public();
        log_in(&broker, config, &device.multibase());
    }
    log_in(&broker, &neighbourhood.market_config(), "market");

    let validators: Vec<Process> = (0..4).map(|number| neighbourhood.validator(number)).collect();
    let market = neighbourhood.market();
    let agents = neighbourhood.agents();
    neighbourhood.settled(0, INTERVALS);
    let page = get(&format!("{}/v1/settlements", neighbourhood.api(0))).unwrap();
    let lines = page.as_array().unwrap().iter().flat_map(|settled| settled["lines"].as_array().unwrap());
    let (bought, sold) = lines.fold((0, 0), |(bought, sold), line| {
        (bought + line["bought"].as_u64().unwrap(), sold + line["sold"].as_u64().unwrap())
    });
    assert_eq!((bought, sold), (truth.traded_wh, truth.traded_wh));
    for config in &configs {
        let url = format!("http://{}/status", value(config, "status").as_str().unwrap());
        eventually("all receipts of an agent", || {
            get(&url).filter(|status| status["receipts_verified"].as_u64().unwrap() >= INTERVALS as u64)
        });
    }
    agents.into_iter().for_each(Process::stop);
    market.stop();
    validators.into_iter().for_each(Process::stop);
}
