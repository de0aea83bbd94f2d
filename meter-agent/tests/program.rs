//! The program: what it says on bad input, and that it never signs two readings under one number, however it dies.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    process::{Child, Command, Output, Stdio},
};

use protocol::{enrolment::EnrolmentRequest, interval::parse_utc, reading::SignedReading};
use support::{Home, Market, interval};
use testkit::mosquitto::Mosquitto;

fn agent(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meter-agent"));
    command.args(args).env("RUST_LOG", "warn");
    command
}

fn run(args: &[&str]) -> Output {
    agent(args).output().unwrap()
}

/// Exit code 2 and one clear line.
fn assert_refused(output: &Output, expected: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
    assert!(stderr.contains(expected), "{stderr}\nexpected {expected}");
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn bad_input_gets_one_clear_line() {
    let home = Home::new(1883, &[(1, 0)]);
    let config = home.path("agent.toml");
    let config = config.to_str().unwrap();
    let good = fs::read_to_string(config).unwrap();
    let attempt = |text: &str, expected: &str| {
        fs::write(config, text).unwrap();
        assert_refused(&run(&["run", "--config", config]), expected);
    };
    attempt(&good.replace("state = ", "stat = "), "line 3: unknown field `stat`");
    let windows = "[order]\nstrategy = \"time_of_use\"\n[[order.windows]]\nfrom = \"06:00\"\nto = \"06:00\"\n";
    attempt(&format!("{good}{windows}"), "for a whole day write from 00:00 to 24:00");
    attempt(&good.replace("genesis.json", "none.json"), "expected the community's genesis file at");
    attempt(&good.replace("meter.csv", "none.csv"), "none.csv");
    attempt(&good.replace("\"state\"", "\"other\""), "expected a key file at");
    attempt(&format!("device_key = \"state/member.key\"\n{good}"), "is not registered in");
    attempt(&format!("member_key = \"state/device.key\"\n{good}"), "expected the member key did:key:");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    attempt(&format!("status = \"{address}\"\n{good}"), "expected a free address for the status page");
    fs::write(home.path("genesis.json"), "{}").unwrap();
    attempt(&good, "not a genesis");
    assert_refused(&run(&["run", "--config", "/nowhere/agent.toml"]), "`meter-agent init` makes one");
    assert_refused(&run(&["fly"]), "expected one of the commands init, enrolment, keys, check, devices, run, status, ");
    assert_refused(
        &run(&["verify"]),
        "expected --genesis <FILE> and <RECEIPT>, found none; see meter-agent verify --help",
    );
    assert_refused(&run(&["run", "--confg", "x"]), "expected an option that meter-agent run takes, found `--confg`");
}

#[test]
fn keys_may_be_credentials_which_are_read_and_never_written() {
    let home = Home::new(1, &[(1, 0)]);
    let credentials = tempfile::tempdir().unwrap();
    for key in ["device", "member"] {
        fs::rename(home.path(&format!("state/{key}.key")), credentials.path().join(key)).unwrap();
    }
    let config = home.path("agent.toml");
    let keys = "device_key = \"credential:device\"\nmember_key = \"credential:member\"\n";
    fs::write(&config, format!("{keys}{}", fs::read_to_string(&config).unwrap())).unwrap();
    let config = config.to_str().unwrap();
    let with = |args: &[&str]| agent(args).env("CREDENTIALS_DIRECTORY", credentials.path()).output().unwrap();
    let enrolment = with(&["enrolment", "--config", config]);
    assert!(text(&enrolment).contains("did:key:"), "{enrolment:?}");
    assert_refused(
        &run(&["run", "--config", config]),
        "key file credential:device: expected the directory of credentials",
    );
    let rotate = ["rotate", "finish", "--config", config, "--node", "http://127.0.0.1:1"];
    assert_refused(&with(&rotate), "expected a key in a file, to write it, found credential:device");
    let backup = home.path("keys.age");
    let import = ["keys", "import", "--config", config, "--from", backup.to_str().unwrap()];
    assert_refused(&with(&import), "expected a key in a file, to write it, found credential:device");
}

#[test]
#[cfg(unix)]
fn a_key_that_others_may_read_is_refused_and_of_an_open_state_it_is_said_how_to_mend_it() {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};
    let home = Home::new(1, &[(1, 0)]);
    let config = home.path("agent.toml");
    for name in ["device.key", "member.key"] {
        let key = home.path("state").join(name);
        fs::set_permissions(&key, Permissions::from_mode(0o666)).unwrap();
        for command in ["run", "recover"] {
            assert_refused(&run(&[command, "--config", config.to_str().unwrap()]), "found mode 0666; chmod 600 it");
        }
        fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    }
    fs::set_permissions(home.path("state"), Permissions::from_mode(0o755)).unwrap();
    let output = run(&["check", "--config", config.to_str().unwrap()]);
    assert!(text(&output).contains(&format!("chmod 700 {}", home.path("state").display())), "{output:?}");
}

#[test]
fn a_key_without_a_record_signs_nothing_until_the_ledger_is_asked_or_it_is_said_to_be_new() {
    let home = Home::new(1883, &[(1, 0)]);
    let config = home.path("agent.toml");
    let config = config.to_str().unwrap();
    let record = home.path("state/device.signed");
    let copy = home.path("state/device.signed.copy");
    let lose = || [&record, &copy].map(|file| fs::remove_file(file).unwrap());
    lose();
    let refused = run(&["run", "--config", config]);
    assert_refused(&refused, "there is no record of what this device has signed");
    assert_refused(&refused, &record.display().to_string());
    assert_refused(&refused, "meter-agent recover");
    assert_refused(&run(&["recover", "--config", config]), "name nodes with --node");
    let nobody = ["recover", "--config", config, "--node", "http://127.0.0.1:1"];
    assert_refused(&run(&nobody), "expected a ledger node at http://127.0.0.1:1");
    assert!(!record.exists() && !copy.exists());
    for _ in 0..2 {
        assert_eq!(run(&["recover", "--config", config, "--never-signed"]).status.code(), Some(0));
    }
    assert!(record.exists() && copy.exists());

    // What is put back from a backup is known for a copy, and so not new.
    for file in [&record, &copy] {
        let content = fs::read(file).unwrap();
        fs::remove_file(file).unwrap();
        fs::write(file, content).unwrap();
    }
    assert_refused(&run(&["run", "--config", config]), "is a copy, and may be old");
    assert_refused(&run(&["recover", "--config", config, "--never-signed"]), "it is not a new key");
}

#[test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
fn check_says_what_is_right_and_what_is_wrong() {
    let mut broker = Mosquitto::start();
    let home = Home::new(broker.port, &[(1, 0)]);
    let config = home.path("agent.toml");
    let output = run(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines = text(&output);
    for expected in [
        "genesis of test street",
        "registered as member 0707",
        "meter readable",
        "clock plausible",
        "reachable",
        "takes this device's subscriptions",
        "free",
    ] {
        assert!(lines.contains(expected), "{lines}");
    }
    let now = lines.lines().find_map(|line| line.split_once("clock plausible: ")).unwrap().1;
    assert!(parse_utc(now).unwrap() > 1_735_689_600, "{now}");
    broker.kill();
    fs::write(home.path("meter.csv"), "timestamp\n").unwrap();
    let output = run(&["check", "--config", config.to_str().unwrap()]);
    assert_refused(&output, "2 things are wrong");
    assert!(text(&output).contains("WRONG"), "{output:?}");
}

#[test]
fn that_nobody_reads_what_a_command_prints_is_no_failure() {
    let home = Home::new(1883, &[(1, 0)]);
    let (receipt, genesis) = (home.path("receipt.json"), home.path("genesis.json"));
    fs::write(&receipt, home.receipt(0, 150, 0, 50, 0).to_json()).unwrap();
    let fresh = home.path("fresh");
    for args in [
        &["verify", receipt.to_str().unwrap(), "--genesis", genesis.to_str().unwrap()][..],
        &["init", "--dir", fresh.to_str().unwrap()],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = agent(args).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
    }
}

#[test]
fn a_receipt_verifies_offline_and_a_changed_one_does_not() {
    let home = Home::new(1883, &[(1, 0)]);
    let (path, genesis) = (home.path("receipt.json"), home.path("genesis.json"));
    let args = ["verify", path.to_str().unwrap(), "--genesis", genesis.to_str().unwrap()];
    let json = home.receipt(0, 150, 0, 50, 0).to_json();
    fs::write(&path, &json).unwrap();
    let output = run(&args);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output).contains("valid: 1 of 1 validators"), "{output:?}");
    // Any one byte.
    for at in (0..json.len()).step_by(41) {
        let mut changed = json.clone();
        changed[at] ^= 1;
        fs::write(&path, changed).unwrap();
        assert_refused(&run(&args), "receipt.json: ");
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // SIGKILL: no goodbye, as in a power cut.
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn killed_at_any_moment_it_never_signs_two_readings_under_one_number() {
    let broker = Mosquitto::start();
    let meter: Vec<(u64, u64)> = (0..200).map(|wh| (wh, 10)).collect();
    let home = Home::new(broker.port, &meter);
    let config = home.path("agent.toml");
    let mut market = Market::connect(&home, broker.port).await;
    let mut seen: BTreeMap<u64, SignedReading> = BTreeMap::new();
    let mut resent = 0;
    let mut memory = String::new();
    // In all as many intervals as are read ahead of receipts, of which there are none.
    let (rounds, announced) = (8, 12);
    for round in 1..=rounds {
        let child = agent(&["run", "--config", config.to_str().unwrap()]).stderr(Stdio::null()).spawn().unwrap();
        let child = Killed(child);
        let last = round * announced - 1;
        // One announcement after the other, as fast as the broker takes them; the kill comes in between.
        for at in (round - 1) * announced..=last {
            market.announce(at).await;
        }
        let enough = (round * announced - 4) as u64;
        while !seen.contains_key(&enough) {
            let reading = market.reading().await;
            if let Some(before) = seen.get(&reading.sequence) {
                assert_eq!(*before, reading, "round {round}");
                resent += 1;
            }
            seen.insert(reading.sequence, reading);
        }
        let status = fs::read_to_string(format!("/proc/{}/status", child.0.id())).unwrap_or_default();
        memory = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default().to_string();
    }
    assert!(resent > 0, "every start sends again what is unsettled");
    let mut previous = None;
    for (count, (sequence, reading)) in seen.iter().enumerate() {
        assert_eq!((*sequence, reading.interval), (count as u64 + 1, interval(count as i64)));
        if let Some(previous) = previous {
            assert_eq!(reading.previous, previous);
        }
        previous = Some(reading.hash());
    }
    eprintln!("resident memory of the agent in this build: {memory}");
}

#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_torn_tail_is_warned_of_and_the_same_readings_are_sent_again() {
    let broker = Mosquitto::start();
    let home = Home::new(broker.port, &[(20, 10); 7]);
    let config = home.path("agent.toml");
    let start = |log: &str| {
        let log = fs::File::create(home.path(log)).unwrap();
        Killed(agent(&["run", "--config", config.to_str().unwrap()]).stderr(log).spawn().unwrap())
    };
    let database = home.path("state/db/db");
    let mut market = Market::connect(&home, broker.port).await;
    let mut sent: BTreeMap<u64, SignedReading> = BTreeMap::new();
    let running = start("before.log");
    let mut before = Vec::new();
    for at in 0..6 {
        before = fs::read(&database).unwrap_or_default();
        market.announce(at).await;
        while sent.len() <= at as usize {
            let reading = market.reading().await;
            sent.insert(reading.sequence, reading);
        }
    }
    drop(running);
    assert!(!fs::read_to_string(home.path("before.log")).unwrap().contains("torn off"));

    // What was written last is the sixth reading. The half of it is on the disk when the power goes.
    let written = fs::read(&database).unwrap();
    before.resize(written.len(), 0);
    let first = (0..written.len()).find(|at| before[*at] != written[*at]).unwrap();
    let last = written.iter().rposition(|byte| *byte != 0).unwrap();
    fs::File::options().write(true).open(&database).unwrap().set_len(((first + last) / 2) as u64).unwrap();

    let running = start("after.log");
    let mut again: BTreeMap<u64, SignedReading> = BTreeMap::new();
    while again.len() < sent.len() {
        let reading = market.reading().await;
        again.insert(reading.sequence, reading);
    }
    assert_eq!(again, sent, "the same ids");
    let log = fs::read_to_string(home.path("after.log")).unwrap();
    let database = home.path("state/db").display().to_string();
    let warning = log.lines().find(|line| line.contains("WARN") && line.contains(&database)).unwrap_or_default();
    assert!(warning.contains("state damaged") && warning.contains("torn off at its end"), "{log}");
    market.announce(6).await;
    let next = loop {
        match market.reading().await {
            reading if reading.sequence > 6 => break reading,
            reading => assert_eq!(reading, sent[&reading.sequence]),
        }
    };
    assert_eq!((next.sequence, next.previous), (7, sent[&6].hash()), "the chain goes on");
    drop(running);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn status_and_statement_are_to_be_had_from_a_running_agent_and_receipts_from_a_stopped_one() {
    let broker = Mosquitto::start();
    let home = Home::new(broker.port, &[(300, 100), (50, 150)]);
    let mut market = Market::connect(&home, broker.port).await;
    let mut running = meter_agent::start(home.config()).await.unwrap();
    market.announce(1).await;
    let _ = (market.reading().await, market.reading().await);
    let receipts = [home.receipt(0, 150, 0, 50, 0), home.receipt(1, 0, 70, 0, 30)].map(|receipt| receipt.to_json());
    for json in receipts.iter().cloned().chain([b"forged".to_vec()]) {
        market.forward(json).await;
    }
    assert!(running.wait_for(|status| status.totals.receipts_verified == 2 && status.receipts_refused == 1).await);

    let config = home.path("agent.toml");
    let config = config.to_str().unwrap();
    let status = text(&run(&["status", "--config", config]));
    assert!(status.contains("0.150 kWh for 0.0285 EUR") && status.contains("ALARM"), "{status}");
    let url = format!("http://{}", running.status_addr.unwrap());
    assert_eq!(text(&run(&["status", "--url", &url])), status);
    let csv = ["statement", "--config", config, "--csv", "--from", "2026-06-01T12:15:00Z"];
    let one_line = "2026-06-01T12:15:00Z/PT15M,0.19,0,70,0,30,0,0.0133,0,0.0024,2,0,0.0077";
    let asked = text(&run(&csv));
    assert_eq!(asked.lines().skip(1).collect::<Vec<_>>(), [one_line]);
    assert_refused(&run(&["statement", "--config", config, "--export", "x"]), "is in use");

    running.stop().await;
    assert_eq!(text(&run(&csv)), asked);
    let dir = home.path("receipts");
    let table = text(&run(&["statement", "--config", config, "--export", dir.to_str().unwrap()]));
    assert!(table.contains("2 intervals") && table.contains("balance -0.0278 EUR"), "{table}");
    assert_eq!(fs::read(dir.join("2026-06-01T12-00-00Z.json")).unwrap(), receipts[0]);
    assert_eq!(fs::read(dir.join("refused-1.json")).unwrap(), b"forged");
    let genesis = home.path("genesis.json");
    let exported = dir.join("2026-06-01T12-15-00Z.json");
    let verified = run(&["verify", exported.to_str().unwrap(), "--genesis", genesis.to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(0), "{verified:?}");
}

#[test]
fn a_statement_needs_a_state_and_init_prints_two_keys() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(&["init", "--dir", dir.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(text(&output).matches("did:key:z6Mk").count(), 2);
    let config = dir.path().join("agent.toml");
    let again = text(&run(&["enrolment", "--config", config.to_str().unwrap(), "--request-name", "no. 7"]));
    let request = again.lines().find(|line| line.starts_with("VOISIN-ENROLMENT-1:")).unwrap();
    let request = EnrolmentRequest::read(request).unwrap();
    assert_eq!(request.name(), Some("no. 7"));
    assert!(text(&output).contains(&request.key().to_string()), "{output:?}");
    let file = fs::read_to_string(dir.path().join("enrolment.json")).unwrap();
    assert_eq!(EnrolmentRequest::read(&file).unwrap(), request);
    assert_eq!(text(&run(&["enrolment", "--config", config.to_str().unwrap()])), again, "the name is kept");
    assert_refused(&run(&["init", "--dir", dir.path().to_str().unwrap()]), "is not overwritten");
    let home = Home::new(1883, &[(1, 0)]);
    let config = home.path("agent.toml");
    assert_refused(&run(&["statement", "--config", config.to_str().unwrap()]), "run the agent first");
    assert_refused(&run(&["status", "--config", config.to_str().unwrap()]), "expected a running agent");
    assert_refused(
        &run(&["statement", "--from", "soon"]),
        "--from: expected a UTC time or day such as 2026-06-01T12:00:00Z or 2026-06-01, found `soon`",
    );
}
