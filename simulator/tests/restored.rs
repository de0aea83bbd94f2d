//! A validator and the market lose their disks and come back from backups: real processes with a real Mosquitto in the
//! middle. The validator catches up and signs again, and nothing is signed or settled twice.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/spread.rs"]
mod spread;
#[path = "support/truth.rs"]
mod truth;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use settings::owner_only::read_key;
use spread::{Neighbourhood, Process, audits, eventually, get, profile_of_a_day, program};
use testkit::mosquitto::Mosquitto;

const INTERVALS: usize = 24;
/// The validator that loses its disk.
const LOSER: usize = 3;
/// What its owner keeps elsewhere.
const KEPT_APART: [&str; 3] = ["validator.toml", "validator.key", "network.key"];

fn run(name: &str, arguments: &[&str], paths: &[&Path]) -> Output {
    // Paths stand in the arguments as `{}`.
    let mut paths = paths.iter();
    let mut command = Command::new(program(name));
    for argument in arguments {
        match *argument {
            "{}" => command.arg(paths.next().unwrap()),
            argument => command.arg(argument),
        };
    }
    command.output().unwrap()
}

fn backup(name: &str, config: &Path, to: &Path) -> Output {
    run(name, &["backup", "--config", "{}", "--to", "{}"], &[config, to])
}

fn restore(name: &str, from: &Path, config: &Path) -> Output {
    run(name, &["restore", "{}", "--config", "{}"], &[from, config])
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// One line with exit code 2.
fn refused(output: &Output, expected: &str) {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(stderr.contains(expected) && stderr.lines().count() == 1, "expected {expected:?}, found {stderr}");
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

/// A counter or gauge of a node.
fn metric(api: &str, name: &str) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let text = runtime.block_on(async { reqwest::get(format!("{api}/metrics")).await.unwrap().text().await.unwrap() });
    let line = text.lines().find(|line| line.split(' ').next() == Some(name));
    line.unwrap_or_else(|| panic!("{name}: {text}")).rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
fn a_validator_and_a_market_that_lose_their_disks_come_back_from_backups() {
    let broker = Mosquitto::start();
    let directory = tempfile::tempdir().unwrap();
    let summer = truth::built_in("summer");
    let truth = truth::of(profile_of_a_day(&summer).as_bytes(), INTERVALS);
    let neighbourhood = Neighbourhood::init(directory.path(), &summer, broker.port, INTERVALS, 300);
    let mut validators: Vec<Option<Process>> = (0..4).map(|n| Some(neighbourhood.validator(n))).collect();
    let mut market = neighbourhood.market();
    let agents = neighbourhood.agents();
    let (loser, market_config) = (neighbourhood.validator_config(LOSER), neighbourhood.market_config());
    let home = loser.parent().unwrap();
    let (of_validator, of_market) = (directory.path().join("backup-validator"), directory.path().join("backup-market"));

    // Whoever runs is not backed up, and whoever stands still is.
    neighbourhood.settled(LOSER, 4);
    refused(&backup("ledger", &loser, &of_validator), "in use; stop the program first");
    refused(&backup("market", &market_config, &of_market), "in use; stop the program first");
    assert!(!of_validator.exists() && !of_market.exists());
    validators[LOSER].take().unwrap().stop();
    let told = said(&backup("ledger", &loser, &of_validator));
    assert!(told.contains("validator.key: keep it apart") && told.contains("votes.wal: never copy it"), "{told}");
    validators[LOSER] = Some(neighbourhood.validator(LOSER));
    market.stop();
    let told = said(&backup("market", &market_config, &of_market));
    assert!(told.contains("market.key: keep it apart") && told.contains("members.csv: keep it apart"), "{told}");
    let state = market_config.with_file_name("data");
    let in_backup: Vec<String> = names(&of_market).into_iter().filter(|name| !name.ends_with(".json")).collect();
    assert_eq!(names(&state), in_backup, "all that the market keeps is in its backup");
    // An old log of look-ups would contradict what households were shown, and the last checkpoint is asked for again.
    let left_out = ["validator.key.signed", "votes.wal", "genesis.json", "accesses", "checkpoint.tlog-proof"];
    let known = [&KEPT_APART[..], &left_out, &["drafts", "evidence", "ledger"]].concat();
    assert!(names(home).iter().all(|name| known.contains(&name.as_str())), "{:?}", names(home));
    market = neighbourhood.market();
    neighbourhood.settled(0, 8);

    // The disks are lost in mid-run.
    validators[LOSER].take().unwrap().kill();
    market.kill();
    for name in names(home).into_iter().filter(|name| !KEPT_APART.contains(&name.as_str())) {
        let path = home.join(name);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
    fs::remove_dir_all(&state).unwrap();

    // What is damaged is not put back, and an audit changes nothing of a backup.
    let in_order = run("ledger", &["audit", "{}"], &[&of_validator]);
    assert!(said(&in_order).contains("in order"));
    let database = of_validator.join("ledger/db");
    let whole = fs::read(&database).unwrap();
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    fs::write(&database, changed).unwrap();
    refused(&restore("ledger", &of_validator, &loser), "ledger/db: damaged: expected the SHA-256 ");
    assert_eq!(names(home).len(), KEPT_APART.len(), "something was written");
    fs::write(&database, whole).unwrap();
    refused(&restore("market", &of_validator, &market_config), "expected a backup of `market`, found one of `ledger`");

    let told = said(&restore("ledger", &of_validator, &loser));
    assert!(told.contains("validator.key.signed is not there, and must not come from a copy"), "{told}");
    refused(&restore("ledger", &of_validator, &loser), "expected nothing there, found something");
    said(&restore("market", &of_market, &market_config));
    refused(&restore("market", &of_market, &market_config), "expected nothing there, found something");

    let lost_at = neighbourhood.status(0).unwrap()["height"].as_u64().unwrap();
    validators[LOSER] = Some(neighbourhood.validator(LOSER));
    market = neighbourhood.market();

    // It catches up, and a later block has its signature.
    let last = neighbourhood.settled(LOSER, INTERVALS);
    assert_eq!(
        (&last["settlements"], &last["balances_sum"]),
        (&INTERVALS.into(), &"0".into()),
        "settled twice, or past the end"
    );
    let key = read_key(&home.join("validator.key")).unwrap().public().to_string();
    let mut height = lost_at + 1;
    eventually("a signature of the restored validator", || {
        let block = get(&format!("{}/v1/blocks/{height}", neighbourhood.api(0)))?;
        let signatures = block["certificate"]["signatures"].as_array()?;
        height += 1;
        signatures.iter().any(|it| it["validator"] == key.as_str()).then_some(())
    });
    let log = neighbourhood.log(&format!("validator-{LOSER}.log"));
    assert!(log.contains("not voting until the others have told where they stand"), "{log}");
    for n in 0..4 {
        let api = neighbourhood.api(n);
        assert_eq!(metric(&api, "voisin_ledger_consensus_equivocations_total"), 0, "validator {n}");
    }
    assert_eq!(metric(&neighbourhood.api(LOSER), "voisin_ledger_consensus_silent"), 0);

    // Everything was settled as if nothing had happened.
    let page = get(&format!("{}/v1/settlements", neighbourhood.api(LOSER))).unwrap();
    let lines = || page.as_array().unwrap().iter().flat_map(|settled| settled["lines"].as_array().unwrap());
    let sum = |field: &str| lines().map(|line| line[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("bought"), sum("sold")), (truth.traded_wh, truth.traded_wh));
    assert_eq!((sum("imported"), sum("exported")), (truth.imported_wh, truth.exported_wh));
    agents.into_iter().for_each(Process::stop);
    market.stop();
    validators.into_iter().flatten().for_each(Process::stop);
    assert!(audits(&neighbourhood.run).iter().all(|report| report["settlements"] == INTERVALS));
}
