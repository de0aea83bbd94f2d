//! The quickstarts of docs/operator.md, by the commands that stand there: real programs, a real Mosquitto with the
//! shipped access rules, the real clock at the shortest interval.
//!
//! They run in a network of their own, in which the addresses and ports of the page are free, and as a user who is not
//! root. What the page says in words (who sends what to whom) the test does between the commands. It waits until an
//! agent has a verified receipt: five minutes at most are the interval's, and nothing is measured.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// Only so that a hang fails: of these 20 minutes, 5 are the longest wait for an interval's end.
const PATIENCE: Duration = Duration::from_secs(1_200);

/// The shell commands of a section of the page, block by block.
fn blocks(section: &str) -> Vec<String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operator.md")).unwrap();
    let (_, rest) = page.split_once(&format!("\n## {section}\n")).expect("the section is there");
    let section = rest.split("\n## ").next().unwrap();
    section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// A network with nothing but its loopback interface and these addresses, and a shell in it that is not root. All that
/// it starts ends with it.
struct Town {
    directory: tempfile::TempDir,
    shell: Child,
}

impl Town {
    fn start(script: &str, addresses: &[&str]) -> Town {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("script"), script).unwrap();
        let add: String = addresses.iter().map(|it| format!("ip address add {it}/32 dev lo && ")).collect();
        let inside = format!("ip link set lo up && {add}exec unshare --user --map-user=1000 --map-group=1000 \"$@\"");
        let bin = PathBuf::from(env!("CARGO_BIN_EXE_simulator"));
        let bin = bin.parent().unwrap();
        for name in ["ledger", "market", "meter-agent"] {
            assert!(bin.join(name).exists(), "{name} is not built: run `cargo test --workspace`");
        }
        let path = format!("{}:/usr/sbin:/sbin:{}", bin.display(), std::env::var("PATH").unwrap());
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let mut command = Command::new("unshare");
        command
            .args(["--net", "--map-root-user", "--pid", "--fork", "--kill-child", "sh", "-c", &inside, "sh"])
            // Whatever fails ends it, and what a variable is missing.
            .args(["bash", "-eu", "-o", "pipefail", "script"])
            .current_dir(directory.path())
            .env("PATH", path)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0);
        let shell = command.spawn().expect("unshare is there: apt-get install util-linux iproute2");
        Town { directory, shell }
    }

    /// What everyone has said, once the script is done.
    fn done(mut self) -> String {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.shell.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < PATIENCE, "gave up waiting\n{}", self.said());
            sleep(Duration::from_millis(200));
        };
        let said = self.said();
        assert!(status.success(), "{status}\n{said}");
        said
    }

    /// What was printed, and the end of every log.
    fn said(&self) -> String {
        let mut logs: Vec<PathBuf> = Vec::new();
        let mut open = vec![self.directory.path().to_owned()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    open.push(entry);
                } else if entry.extension().is_some_and(|extension| extension == "log") {
                    logs.push(entry);
                }
            }
        }
        logs.sort();
        let mut said = fs::read_to_string(self.directory.path().join("log")).unwrap();
        for log in logs {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let last: Vec<&str> = text.lines().rev().take(15).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            said += &format!("\n== {}\n{}\n", log.display(), last.join("\n"));
        }
        said
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        // The shell is the first process of its own namespace: with it all others end.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

#[test]
#[ignore = "needs Mosquitto and a network of its own, which .ci/run has; waits up to five minutes for the interval's end"]
fn a_community_runs_on_one_machine_by_the_commands_of_the_page() {
    let blocks = blocks("Five minutes, on one machine");
    assert_eq!(blocks.len(), 5, "keys, founding, handing out, start, look");
    let [keys, founding, handing_out, start, look]: [String; 5] = blocks.try_into().unwrap();
    // While the first interval runs, another household is taken in.
    let [init, draft, approve, broker, run]: [String; 5] =
        self::blocks("Take in a household").try_into().expect("five steps");
    let nodes: String = (0..4).map(|node| until_it_listens(&format!("127.0.0.1/2600{node}"))).collect();
    let arrived = "until ledger drafts --url http://127.0.0.1:26002 | grep 'take in '; do sleep 0.1; done\n";
    let decided = "until ledger drafts | grep 'no decision waits'; do sleep 0.1; done\n";
    let join = [&*init, &nodes, &draft, arrived, &approve, decided, &broker, &run].concat();
    let said = Town::start(&[keys, founding, handing_out, start, join, look].concat(), &[]).done();
    assert!(said.contains("draft 1: 1 of 4 voting power approve"), "{said}");
    assert!(said.contains("wait   not registered yet") || said.contains("ok     registered"), "the check\n{said}");
    assert!(said.lines().any(|line| line.starts_with("20") && line.contains("/PT5M ")), "a receipt\n{said}");
    assert!(said.contains("\nin order"), "the audit\n{said}");
    assert!(said.contains(", every clearing computed again"), "{said}");
}

/// Nobody on the page is as fast as a script: who needs a program comes when it runs.
fn until_it_listens(place: &str) -> String {
    format!("until (echo > /dev/tcp/{place}) 2> listens.log; do sleep 0.1; done\n")
}

/// What one of them does in a directory of its own.
fn at(place: &str, commands: &str) -> String {
    format!("mkdir -p {place}; pushd {place} > pushed.log\n{commands}\npopd > popped.log\n")
}

#[test]
#[ignore = "needs Mosquitto and a network of its own, which .ci/run has; waits up to five minutes for the interval's end"]
fn four_owners_found_a_community_by_the_commands_of_the_page() {
    let blocks: [String; 9] = blocks("An afternoon, with four owners").try_into().expect("nine blocks");
    let [keys, household, founding, broker, token, serve, market, agent, health] = blocks;
    let owners = [("town", "192.0.2.12"), ("school", "192.0.2.13"), ("coop", "192.0.2.14")];
    let on_the_page = "name=town host=192.0.2.12\n";
    assert!(keys.starts_with(on_the_page), "{keys}");

    // Everyone has a directory of their own, and what is sent is copied.
    let mut script = String::new();
    for (name, host) in owners {
        script += &at(name, &keys.replace(on_the_page, &format!("name={name} host={host}\n")));
    }
    script += &at("household", &household);
    script += "mkdir founder\n";
    for (name, _) in owners {
        script += &format!(
            "cp {name}/{name}/public.toml founder/{name}.toml; cp {name}/{name}/chain.pem founder/{name}.pem\n"
        );
    }
    script += "cp household/ada/enrolment.json founder/ada.json; cp household/ada/broker-login.csr founder/ada.csr\n";
    script += &at("founder", &format!("{founding}{broker}"));
    for (name, _) in owners {
        script += &format!("cp founder/community/{name}/* {name}/{name}/\n");
    }
    script +=
        "cp founder/community/household/* household/ada/; mv household/ada/ada.pem household/ada/broker-login.pem\n";
    for (name, _) in owners {
        script += &at(name, &format!("name={name}\n{token}{serve}"));
    }
    script += &at("founder", &format!("name=grid\n{serve}{market}"));
    script += &until_it_listens("192.0.2.11/8883");
    script += &at("household", &agent);
    for (name, host) in owners {
        script += &until_it_listens(&format!("{host}/26000"));
        script += &at(name, &format!("name={name} host={host}\n{health}"));
    }
    let addresses = ["192.0.2.11", "192.0.2.12", "192.0.2.13", "192.0.2.14"];
    let said = Town::start(&script, &addresses).done();

    assert!(said.lines().any(|line| line.starts_with("20") && line.contains("/PT5M ")), "a receipt\n{said}");
    // The founder and all owners see the same chain, and all nodes are well.
    let chains: Vec<&str> = said.lines().filter(|line| line.starts_with("chain        ")).collect();
    assert!(chains.len() == 5 && chains.iter().all(|chain| *chain == chains[0]), "{chains:?}\n{said}");
    assert_eq!(said.matches("\"healthy\":true").count(), 3, "{said}");
    assert_eq!(said.matches("no decision waits for approvals").count(), 3, "each owner's token lets it in\n{said}");
}

#[test]
#[ignore = "needs Mosquitto and a network of its own, which .ci/run has"]
fn a_community_that_begins_with_nobody_settles_empty_intervals_and_takes_a_household_in() {
    let blocks = blocks("Five minutes, on one machine");
    let [keys, founding, handing_out, start, _] = <[String; 5]>::try_from(blocks).expect("five blocks");
    // Nobody is a member, and no agent runs; market time runs as fast as intervals are settled.
    let founding = founding.replace("; s/^# members = /members = /", "");
    let (nodes_and_market, _) = handing_out.split_once("for home in").unwrap();
    let (_, broker) = handing_out.split_once("bob/agent.toml\n").unwrap();
    let (start, _) = start.split_once("for home in").unwrap();
    let replay = "sed -i 's/^kind = \"system\"/kind = \"replay\"/' market/market.toml\n";
    let settled =
        "until ledger status 2> status.log | grep -E '\"settlements\": ([3-9]|[1-9][0-9]+)'; do sleep 0.1; done\n";
    // No agent has a password yet: the broker lets in nobody else.
    let decided = "meter-agent check --config ada/agent.toml || true
        ledger draft register-member ada/enrolment.json --import-wh 0 --export-wh 0 --rated-power-w 17250 \\
            --name ada --directory market/members.csv --config validator-0/validator.toml
        for n in 1 2; do
            until ledger drafts --url http://127.0.0.1:2600$n | grep '^1  '; do sleep 0.1; done
            ledger approve 1 --config validator-$n/validator.toml
        done
        until curl -s http://127.0.0.1:26000/v1/members | grep -q did:key; do sleep 0.1; done
        kill $(cat pids) && wait
        ledger audit validator-0 --genesis community/genesis.json\n";
    let listens = until_it_listens("127.0.0.1/1883");
    let script = [&keys, &founding, nodes_and_market, broker, replay, start, &listens, settled, decided].concat();
    let said = Town::start(&script, &[]).done();
    assert!(said.contains("members      0\n"), "{said}");
    assert!(said.contains("it lets in nobody without a user and a password"), "{said}");
    assert!(said.contains("\nin order") && said.contains("balances     sum to 0"), "{said}");
}
