//! From readings that come late, and from the grid operator's validated values, to corrections on the ledger: with a
//! real node, the program's own commands, and an audit at the end.
//!
//! No test asserts a time: the one timeout makes a hung test fail.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use ledger::{proof::Verifier, state::State};
use protocol::{
    api::{Correctable, MemberStatus, Settled, Status},
    cbor,
    genesis::TransformerMeter,
    interval::Interval,
    money::Amount,
    reading::SignedReading,
    receipt::Receipt,
};
use serde::de::DeserializeOwned;
use support::{Community, nodes::NodeFiles, ports::free_port};
use tempfile::TempDir;

/// After this a test counts as hung.
const PATIENCE: Duration = Duration::from_secs(300);
/// Of five meters the last is the transformer's.
const TRANSFORMER: usize = 4;

fn community() -> Community {
    let mut community = Community::new(5, 1);
    let member = community.members[TRANSFORMER].id;
    community.genesis.rules.transformer = Some(TransformerMeter { member, tolerance_wh: 20, tolerance_ppm: 0 });
    community.genesis.check().unwrap();
    community
}

/// A node of its own, and a market that hands it what the test says.
struct World {
    directory: TempDir,
    config: PathBuf,
    node: Option<Child>,
    url: String,
    community: Community,
    state: State,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}

impl World {
    async fn start() -> World {
        let community = community();
        let directory = tempfile::tempdir().unwrap();
        let [listen, gossip, api] = [(); 3].map(|()| free_port());
        let files = NodeFiles {
            number: 0,
            validator: Some(0),
            listen: &format!("/ip4/127.0.0.1/tcp/{listen}"),
            peers: &[],
            gossip_listen: &format!("/ip4/127.0.0.1/tcp/{gossip}"),
            gossip_peers: &[],
            api: &format!("127.0.0.1:{api}"),
            heartbeat_ms: 1_000,
            propose_ms: 1_000,
        };
        let config = files.write(directory.path(), &community);
        let log = fs::File::create(directory.path().join("node.log")).unwrap();
        let node = Command::new(env!("CARGO_BIN_EXE_ledger"))
            .args(["serve", "--config"])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let state = community.state();
        let url = format!("http://127.0.0.1:{api}");
        let world = World { directory, config, node: Some(node), url, community, state };
        world.wait("the node to answer", async || world.ask::<Status>("/v1/status").await).await;
        world
    }

    fn stop(&mut self) {
        if let Some(mut node) = self.node.take() {
            node.kill().unwrap();
            node.wait().unwrap();
        }
    }

    async fn wait<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let log = || fs::read_to_string(self.directory.path().join("node.log")).unwrap_or_default();
        tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("in vain for {what}: {}", log()))
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str) -> Option<T> {
        let answer = reqwest::get(format!("{}{path}", self.url)).await.ok()?;
        answer.json().await.ok()
    }

    fn interval(&self, number: i64) -> Interval {
        self.community.genesis.first_interval.offset(number).unwrap()
    }

    /// Settles the next interval with these readings.
    async fn settle(&mut self, mut readings: Vec<SignedReading>) {
        readings.sort_by_key(|reading| (reading.signer(), reading.sequence));
        let settlement = self.community.settlement(&self.state, &readings);
        let transaction = self.community.transaction(settlement, &readings);
        self.state.apply(&transaction).unwrap();
        let client = reqwest::Client::new();
        let post = client.post(format!("{}/v1/transactions", self.url));
        let post = post.header("content-type", "application/cbor").body(cbor::encode(&transaction));
        assert!(post.send().await.unwrap().status().is_success());
        let expected = self.state.settlements();
        self.wait("an interval to be settled", async || {
            self.ask::<Status>("/v1/status").await.filter(|status| status.settlements == expected)
        })
        .await;
    }

    async fn ledger(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ledger"));
        command.args(arguments).current_dir(self.directory.path());
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    async fn succeeds(&self, arguments: &[&str]) -> (String, String) {
        let Output { status, stdout, stderr } = self.ledger(arguments).await;
        let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(status.success(), "{arguments:?}: {stderr}");
        (stdout, stderr)
    }

    /// One line on stderr, and exit code 2.
    async fn refuses(&self, arguments: &[&str], said: &str) {
        let Output { status, stderr, .. } = self.ledger(&[&["true-up", "--url", &self.url], arguments].concat()).await;
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said) && stderr.lines().count() == 1, "{arguments:?}: {stderr}\nexpected: {said}");
    }

    /// Said on stderr, with no draft on stdout.
    async fn finds_nothing_to_do(&self, arguments: &[&str]) {
        let (draft, told) = self.succeeds(&[&["true-up", "--url", &self.url], arguments].concat()).await;
        assert_eq!(draft, "", "{arguments:?}");
        assert!(told.contains("nothing to true up, all energy is booked; no draft was written"), "{told}");
    }

    /// Drafts, approves and hands in a true-up, waits until it is booked, and says what the draft's maker was told.
    async fn true_up(&self, arguments: &[&str], corrections: &[(i64, u32)]) -> String {
        let (draft, told) = self.succeeds(&[&["true-up", "--url", &self.url], arguments].concat()).await;
        fs::write(self.directory.path().join("draft.json"), draft).unwrap();
        let genesis = self.config.with_file_name("genesis.json");
        let key = self.config.with_file_name("validator.key");
        let [genesis, key] = [genesis, key].map(|path| path.display().to_string());
        let (approved, _) = self.succeeds(&["approve", "draft.json", "--key", &key, "--genesis", &genesis]).await;
        fs::write(self.directory.path().join("next.json"), approved).unwrap();
        self.succeeds(&["submit", "next.json", "--url", &self.url]).await;
        for (number, expected) in corrections {
            let start = self.interval(*number).start_text();
            self.wait("a correction", async || {
                let path = format!("/v1/settlements?from={start}&limit=1");
                self.ask::<Vec<Settled>>(&path).await.filter(|settled| settled[0].corrections == *expected)
            })
            .await;
        }
        told
    }

    async fn in_force(&self, number: i64) -> Correctable {
        let start = self.interval(number).start_text();
        self.ask(&format!("/v1/settlements/{start}/inputs")).await.unwrap()
    }

    async fn balances(&self) -> BTreeMap<String, Amount> {
        let members: Vec<MemberStatus> = self.ask("/v1/members").await.unwrap();
        members.into_iter().map(|member| (member.member.to_string(), member.balance)).collect()
    }
}

/// What each meter counted in each interval: one roof that feeds more than all others draw, and the sum of all.
const FLOWS: [[i64; 5]; 4] = [
    [-2_000, 300, 900, 100, -700],
    [-2_000, 310, 50, 120, -1_520],
    [-1_800, 20, 60, 100, -1_620],
    [-1_800, 20, 60, 140, -1_580],
];

/// The members' balances where every meter is read in time.
fn punctual() -> BTreeMap<String, Amount> {
    let mut community = community();
    let mut state = community.state();
    for flows in FLOWS {
        let interval = state.next();
        let mut readings: Vec<_> =
            flows.iter().enumerate().map(|(member, flow)| community.read(member, interval, *flow)).collect();
        readings.sort_by_key(|reading| (reading.signer(), reading.sequence));
        let settlement = community.settlement(&state, &readings);
        assert_eq!(settlement.provisional, None);
        state.apply(&community.transaction(settlement, &readings)).unwrap();
    }
    state.members().map(|(id, member)| (id.to_string(), member.balance())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_late_is_made_up_for_until_all_is_as_if_it_had_come_in_time() {
    let mut world = World::start().await;
    let [late, gone] = [2, 3];
    let mut kept = Vec::new();
    for (number, flows) in FLOWS.iter().enumerate() {
        let interval = world.interval(number as i64);
        let mut readings = Vec::new();
        for (member, flow) in flows.iter().enumerate() {
            match (number, member) {
                // Signed in time, but it arrives with the next one.
                (0, member) if member == late => kept.push(world.community.read(member, interval, *flow)),
                // Not read at all; the next reading is over both intervals.
                (2, member) if member == gone => {}
                (3, member) if member == gone => {
                    readings.push(world.community.read(member, interval, FLOWS[2][gone] + flow));
                }
                _ => readings.push(world.community.read(member, interval, *flow)),
            }
        }
        if number == 1 {
            readings.append(&mut kept);
        }
        world.settle(readings).await;
    }
    let [late, gone] = [late, gone].map(|member: usize| world.community.members[member].id);
    let settled: Vec<Settled> = world.ask("/v1/settlements").await.unwrap();
    let unread: Vec<_> =
        settled.iter().map(|settled| settled.provisional.clone().map(|provisional| provisional.unread)).collect();
    assert_eq!(unread, [Some(vec![late]), None, Some(vec![gone]), Some(vec![gone])]);
    let balance = settled[0].provisional.as_ref().unwrap().balance.unwrap();
    assert_eq!((balance.expected_wh, balance.found_wh), (Some(-700), -1_600));
    assert_ne!(world.balances().await, punctual());

    let [first, second, third] = [0, 1, 2].map(|number| world.interval(number).start_text());
    world.finds_nothing_to_do(&["--from", &second, "--until", &second]).await;
    let told = world.true_up(&["--from", &first], &[(0, 1), (1, 1)]).await;
    assert_eq!(told.matches("closes").count(), 2, "{told}");
    for number in [0, 1] {
        assert_eq!(world.in_force(number).await.settlement.provisional, None);
    }
    world.finds_nothing_to_do(&["--from", &first]).await;

    // What the gap hides only the grid operator knows.
    let header = "interval,member,import_kwh,export_kwh\n";
    let values =
        |name: &str, rows: &str| fs::write(world.directory.path().join(name), format!("{header}{rows}")).unwrap();
    values("gap.csv", &format!("{third},{gone},0.1,0\n"));
    // More than the meter counted over the whole gap: whoever would sign it is told.
    values("more.csv", &format!("{third},{gone},0.3,0\n"));
    let (_, told) = world.succeeds(&["true-up", "--url", &world.url, "--values", "more.csv"]).await;
    assert!(told.contains("than its meter counted: 300 Wh of 240 Wh drawn"), "{told}");
    let told = world.true_up(&["--values", "gap.csv"], &[(2, 1), (3, 1)]).await;
    assert_eq!(told.matches("closes").count() + told.matches("still provisional").count(), 2, "{told}");
    assert_eq!(world.in_force(2).await.settlement.provisional, None);
    assert_eq!(world.in_force(3).await.settlement.provisional.unwrap().unread, [gone]);
    let fourth = world.interval(3).start_text();
    values("rest.csv", &format!("{third},{gone},0.100,0.0\n{fourth},{gone},0.14,0\n"));
    world.true_up(&["--values", "rest.csv"], &[(3, 2)]).await;
    assert_eq!(world.in_force(3).await.settlement.provisional, None);
    assert_eq!(world.balances().await, punctual(), "as if all had come in time");

    // Corrected once more, by less than the transformer's meter can tell.
    let buyer = world.community.members[1].id;
    values("other.csv", &format!("{second},{buyer},0.3,0\n"));
    world.true_up(&["--values", "other.csv"], &[(1, 2)]).await;
    let verifier = Verifier::new(&world.community.genesis);
    let receipts: Vec<Receipt> = world.ask(&format!("/v1/settlements/{second}/corrections")).await.unwrap();
    assert!(receipts.iter().all(|receipt| verifier.verify(receipt).is_ok() && !receipt.entry.provisional));
    let of_buyer = receipts.iter().filter(|receipt| receipt.entry.line.member == buyer);
    let bought: Vec<_> = of_buyer.map(|receipt| (receipt.entry.correction, receipt.entry.line.bought.wh())).collect();
    assert_eq!(bought, [(1, 310), (2, 300)]);

    let stranger = "00".repeat(16);
    let never = world.interval(9).start_text();
    for (rows, said) in [
        (format!("{second},{buyer},0.3001,0\n"), "bad.csv, line 2: column import_kwh: expected kWh in digits"),
        (format!("{second},{buyer},0.3,0\n{second},{buyer},0.3,0\n"), "bad.csv, line 3: expected one value of"),
        (
            format!("{second},{buyer},0.2,0\n{second},{stranger},0,0\n"),
            "bad.csv, line 3: expected a member of the time",
        ),
        (format!("{second},{buyer},26,0\n"), "bad.csv, line 2: expected at most 25000 Wh"),
        (format!("{never},{buyer},0.3,0\n"), "expected a period up to"),
        (String::new(), "expected --from START, or --values FILE with at least one row"),
    ] {
        values("bad.csv", &rows);
        world.refuses(&["--values", "bad.csv"], said).await;
    }
    values("again.csv", &format!("{second},{buyer},0.3,0\n"));
    world.finds_nothing_to_do(&["--values", "again.csv"]).await;
    // By the name that the operator knows.
    values("named.csv", &format!("{second},\"Ada, 2nd floor\",0.3,0\n"));
    fs::write(world.directory.path().join("names.csv"), format!("member,name\n{buyer},\"Ada, 2nd floor\"\n")).unwrap();
    world.finds_nothing_to_do(&["--values", "named.csv", "--names", "names.csv"]).await;
    world.refuses(&["--values", "named.csv"], "named.csv, line 2: column member: expected a pseudonym").await;
    values("never.csv", &format!("{second},{buyer},0.2,0\n{never},{buyer},0.3,0\n"));
    world.refuses(&["--values", "never.csv"], "never.csv, line 3: expected a settled interval").await;
    world.refuses(&["--values", "nowhere.csv"], "nowhere.csv: ").await;
    world.refuses(&["--from", "2026-06-01T12:01:00Z"], "expected the start of a 15-minute interval").await;

    let status: Status = world.ask("/v1/status").await.unwrap();
    assert_eq!(status.balances_sum, Amount::ZERO);
    world.stop();
    let state = world.config.with_file_name("state");
    fs::copy(world.config.with_file_name("genesis.json"), state.join("genesis.json")).unwrap();
    let (report, _) = world.succeeds(&["audit", "--json", state.to_str().unwrap()]).await;
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["settlements"], &report["corrections"]), (&4.into(), &6.into()), "{report}");
}
