//! Households that lose their state while the neighbourhood goes on, over real processes with a real Mosquitto in the
//! middle: one has only its keys left, one a damaged database. Both go on, no number is signed twice, no energy is
//! lost.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/spread.rs"]
mod spread;
#[path = "support/truth.rs"]
mod truth;

use std::{fs, path::Path, process::Command};

use spread::{Neighbourhood, Process, agents, audits, eventually, get, profile_of_a_day, program, value};
use testkit::mosquitto::Mosquitto;

const INTERVALS: usize = 24;

#[test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
fn households_that_lose_their_state_go_on_and_sign_no_number_twice() {
    let broker = Mosquitto::start();
    let directory = tempfile::tempdir().unwrap();
    let summer = truth::built_in("summer");
    let truth = truth::of(profile_of_a_day(&summer).as_bytes(), INTERVALS);
    let neighbourhood = Neighbourhood::init(directory.path(), &summer, broker.port, INTERVALS, 300);
    let validators: Vec<Process> = (0..4).map(|n| neighbourhood.validator(n)).collect();
    // A market that waits a while for a household that is away, and then goes on without it: what is left of the
    // recording is enough for the commands below, also on a busy machine.
    neighbourhood.wait_for_readings(4_000);
    let market = neighbourhood.market();

    let configs = agents(&neighbourhood.run);
    let mut running = neighbourhood.agents();
    neighbourhood.settled(0, 3);

    // Killed with readings on their way. The one has its keys back from a backup, and nothing else.
    let (lost, damaged) = (&configs[0], &configs[1]);
    running.drain(..2).for_each(Process::kill);
    fs::remove_dir_all(lost.with_file_name("data")).unwrap();
    // The end of the database cut off would be a torn write, and mended from the record at once; this one does not
    // open.
    let settings = damaged.with_file_name("data").join("db/conf");
    let length = fs::read(&settings).unwrap().len();
    fs::write(&settings, vec![0xff; length]).unwrap();

    let agent = |subcommand: &str, config: &Path, more: &[&str]| {
        let mut command = Command::new(program("meter-agent"));
        let output = command.arg(subcommand).arg("--config").arg(config).args(more).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, _, error) = agent("run", lost, &[]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("device.signed") && error.contains("meter-agent recover"), "{error}");
    let (code, _, error) = agent("run", damaged, &[]);
    assert!(code == Some(2) && error.contains("/db is damaged") && error.contains("meter-agent recover"), "{error}");

    let nodes = [0, 1, 2].map(|n| neighbourhood.api(n));
    let asked: Vec<&str> = nodes.iter().flat_map(|node| ["--node", node]).collect();
    let (code, told, error) = agent("recover", damaged, &asked);
    assert_eq!(code, Some(0), "{error}");
    assert!(
        told.contains("The database was damaged") && told.contains("The last signature is known: reading "),
        "{told}"
    );
    running.push(neighbourhood.agent(damaged));
    let (code, told, error) = agent("recover", lost, &asked);
    assert_eq!(code, Some(0), "{error}");
    assert!(told.contains("no record of what this device has signed") && told.contains("The ledger says"), "{told}");
    running.push(neighbourhood.agent(lost));

    let last = neighbourhood.settled(0, INTERVALS);
    assert_eq!((&last["settlements"], &last["balances_sum"]), (&INTERVALS.into(), &"0".into()));
    // Nobody was suspended, and what was drawn and fed in while they were away is settled, later.
    let members = get(&format!("{}/v1/members", nodes[0])).unwrap();
    assert!(members.as_array().unwrap().iter().all(|member| member["device"].is_string()), "{members}");
    let page = get(&format!("{}/v1/settlements", nodes[0])).unwrap();
    let lines = || page.as_array().unwrap().iter().flat_map(|settled| settled["lines"].as_array().unwrap());
    let sum = |field: &str| lines().map(|line| line[field].as_u64().unwrap()).sum::<u64>();
    let net = sum("imported") as i64 - sum("exported") as i64;
    assert_eq!(net, truth.imported_wh as i64 - truth.exported_wh as i64);
    let logs = neighbourhood.log("agents.log") + &neighbourhood.log("market.log");
    assert!(!logs.contains("sequence conflict") && !logs.contains("SequenceConflict"), "{logs}");

    // Each has the receipt of every interval that it has a line in, before and after.
    for config in [lost, damaged] {
        let member = eventually("all receipts", || {
            let status = get(&format!("http://{}/status", value(config, "status").as_str().unwrap()))?;
            let member = status["member"].clone();
            let own = lines().filter(|line| line["member"] == member).count() as u64;
            (status["receipts_verified"] == own && status["outbox"] == 0).then_some((member, own))
        });
        assert!(member.1 > 5, "{member:?}");
    }
    running.into_iter().for_each(Process::stop);
    market.stop();
    validators.into_iter().for_each(Process::stop);
    audits(&neighbourhood.run);
}
