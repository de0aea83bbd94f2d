//! Four validators get another program, one after the other, while the market settles: real processes with a real
//! Mosquitto in the middle. Old and new stand side by side, nothing is lost, and nothing is settled twice.
//!
//! The old program is the one that `VOISIN_OLD_LEDGER` names, built from an earlier commit. Without it this very
//! program is the old one, too: then the test shows that replacing a program loses nothing, and says nothing of
//! formats.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/spread.rs"]
mod spread;
#[path = "support/truth.rs"]
mod truth;

use std::{env, fs, path::PathBuf};

use spread::{Neighbourhood, Process, audits, eventually, get, profile_of_a_day, program};
use testkit::mosquitto::Mosquitto;

const INTERVALS: usize = 24;

#[test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
fn validators_get_another_program_one_by_one_while_the_market_settles() {
    let broker = Mosquitto::start();
    let directory = tempfile::tempdir().unwrap();
    let summer = truth::built_in("summer");
    let truth = truth::of(profile_of_a_day(&summer).as_bytes(), INTERVALS);
    let neighbourhood = Neighbourhood::init(directory.path(), &summer, broker.port, INTERVALS, 300);

    // Each validator has a program of its own, where it is replaced as a package replaces it: by another file.
    let old = env::var_os("VOISIN_OLD_LEDGER").map_or_else(|| program("ledger"), PathBuf::from);
    let place = |n: usize| directory.path().join(format!("ledger-{n}"));
    let start = |n: usize| {
        let config = neighbourhood.validator_config(n);
        let log = directory.path().join(format!("validator-{n}.log"));
        Process::start(&place(n), &["serve", "--config", config.to_str().unwrap()], &log)
    };
    let install = |from: &PathBuf, n: usize| {
        let draft = place(n).with_extension("new");
        fs::copy(from, &draft).unwrap();
        fs::rename(draft, place(n)).unwrap();
    };
    (0..4).for_each(|n| install(&old, n));
    let mut validators: Vec<Option<Process>> = (0..4).map(|n| Some(start(n))).collect();
    let market = neighbourhood.market();
    let agents = neighbourhood.agents();

    for (n, validator) in validators.iter_mut().enumerate() {
        // The others settle while this one is away, and with it when it is back.
        let other = (n + 1) % 4;
        neighbourhood.settled(other, 5 * n + 2);
        validator.take().unwrap().stop();
        install(&program("ledger"), n);
        neighbourhood.settled(other, 5 * n + 4);
        *validator = Some(start(n));
        neighbourhood.settled(n, 5 * n + 5);
    }
    for n in 0..4 {
        let last = neighbourhood.settled(n, INTERVALS);
        assert_eq!(last["settlements"], INTERVALS, "settled twice, or past the end");
        assert_eq!(last["balances_sum"], "0");
    }
    let page = get(&format!("{}/v1/settlements", neighbourhood.api(3))).unwrap();
    let lines = || page.as_array().unwrap().iter().flat_map(|settled| settled["lines"].as_array().unwrap());
    let sum = |field: &str| lines().map(|line| line[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("bought"), sum("sold")), (truth.traded_wh, truth.traded_wh));
    assert_eq!((sum("imported"), sum("exported")), (truth.imported_wh, truth.exported_wh));

    for config in spread::agents(&neighbourhood.run) {
        let url = format!("http://{}/status", spread::value(&config, "status").as_str().unwrap());
        eventually("all receipts of an agent", || {
            get(&url).filter(|status| status["receipts_verified"].as_u64() >= Some(INTERVALS as u64))
        });
    }
    agents.into_iter().for_each(Process::stop);
    market.stop();
    validators.into_iter().flatten().for_each(Process::stop);
    assert!(audits(&neighbourhood.run).iter().all(|report| report["settlements"] == INTERVALS));
}
