//! Decisions on their way from node to node: four validators as programs, each asked by its own owner's commands.
//!
//! No test asserts a time: the one timeout makes a hung test fail.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use protocol::{
    api::{MemberStatus, OpenDraft, RulesInForce, Status},
    enrolment::EnrolmentRequest,
    key::SecretKey,
    member::MemberId,
};
use serde::de::DeserializeOwned;
use support::{Community, nodes::NodeFiles, ports::free_port};
use tempfile::TempDir;

/// After this a test counts as hung.
const PATIENCE: Duration = Duration::from_secs(300);

struct World {
    directory: TempDir,
    community: Community,
    configs: Vec<PathBuf>,
    urls: Vec<String>,
    nodes: Vec<Option<Child>>,
}

impl Drop for World {
    fn drop(&mut self) {
        (0..self.nodes.len()).for_each(|number| self.kill(number));
    }
}

impl World {
    async fn start() -> World {
        let community = Community::new(5, 4);
        let directory = tempfile::tempdir().unwrap();
        let ports: Vec<[u16; 3]> = (0..4).map(|_| [(); 3].map(|()| free_port())).collect();
        let address = |port: u16| format!("/ip4/127.0.0.1/tcp/{port}");
        let others = |own: usize, which: usize| {
            let others = ports.iter().enumerate().filter(|(number, _)| *number != own);
            others.map(|(_, ports)| address(ports[which])).collect::<Vec<_>>()
        };
        let config = |(number, [listen, gossip, api]): (usize, &[u16; 3])| {
            let files = NodeFiles {
                number: u8::try_from(number).unwrap(),
                validator: Some(number),
                listen: &address(*listen),
                peers: &others(number, 0),
                gossip_listen: &address(*gossip),
                gossip_peers: &others(number, 1),
                api: &format!("127.0.0.1:{api}"),
                heartbeat_ms: 60_000,
                propose_ms: 1_000,
            };
            files.write(directory.path(), &community)
        };
        let configs: Vec<PathBuf> = ports.iter().enumerate().map(config).collect();
        let urls = ports.iter().map(|[.., api]| format!("http://127.0.0.1:{api}")).collect();
        let mut world = World { directory, community, configs, urls, nodes: (0..4).map(|_| None).collect() };
        (0..4).for_each(|number| world.run(number));
        for number in 0..4 {
            world.wait("a node to answer", async || world.ask::<Status>(number, "/v1/status").await).await;
        }
        world
    }

    fn run(&mut self, number: usize) {
        let log = self.directory.path().join(format!("node-{number}.log"));
        let log = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut serve = Command::new(env!("CARGO_BIN_EXE_ledger"));
        serve.args(["serve", "--config"]).arg(&self.configs[number]).stdout(Stdio::null()).stderr(log);
        self.nodes[number] = Some(serve.spawn().unwrap());
    }

    /// As a power cut would.
    fn kill(&mut self, number: usize) {
        if let Some(mut node) = self.nodes[number].take() {
            node.kill().unwrap();
            node.wait().unwrap();
        }
    }

    async fn wait<T>(&self, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        let answer = tokio::time::timeout(PATIENCE, async {
            loop {
                match ask().await {
                    Some(answer) => return answer,
                    None => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        answer.await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }

    async fn ask<T: DeserializeOwned>(&self, number: usize, path: &str) -> Option<T> {
        reqwest::get(format!("{}{path}", self.urls[number])).await.ok()?.json().await.ok()
    }

    async fn drafts(&self, number: usize) -> Vec<OpenDraft> {
        self.wait("a node's drafts", async || self.ask(number, "/v1/drafts").await).await
    }

    /// Waits until all nodes that run have as many drafts.
    async fn all_have(&self, count: usize) {
        for number in (0..4).filter(|number| self.nodes[*number].is_some()) {
            let has = async || (self.drafts(number).await.len() == count).then_some(());
            self.wait("drafts to arrive", has).await;
        }
    }

    /// Waits until all nodes have the decision of this number.
    async fn decided(&self, sequence: u64) {
        for number in 0..4 {
            let is_decided = async || {
                let rules: RulesInForce = self.ask(number, "/v1/rules").await?;
                (rules.decision_sequence == sequence).then_some(())
            };
            self.wait("a decision", is_decided).await;
        }
    }

    fn ledger(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_ledger")).args(arguments).current_dir(&self.directory).output().unwrap()
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.ledger(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// One line on stderr, and exit code 2.
    fn refuses(&self, arguments: &[&str], said: &str) {
        let output = self.ledger(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said) && stderr.lines().count() == 1, "{arguments:?}: {stderr}");
    }

    /// `ledger draft …` by the owner of a node.
    fn draft(&self, number: usize, arguments: &[&str]) -> String {
        self.succeeds(&[&["draft"], arguments, &["--config", &self.config(number)]].concat())
    }

    /// `ledger approve …` by the owner of a node.
    fn approve(&self, number: usize, draft: &str) -> String {
        self.succeeds(&["approve", draft, "--config", &self.config(number)])
    }

    fn config(&self, number: usize) -> String {
        format!("node-{number}/validator.toml")
    }

    fn member(&self, number: usize) -> String {
        self.community.members[number].id.to_string()
    }

    fn kept(&self, number: usize) -> usize {
        fs::read_dir(self.directory.path().join(format!("node-{number}/state/drafts"))).unwrap().count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_household_is_taken_in_by_owners_who_pass_no_file_around() {
    let mut world = World::start().await;
    let [key, device] = [70, 71].map(|seed| SecretKey::from_seed(&[seed; 32]));
    let request = EnrolmentRequest::sign(&key, &device, None).unwrap();
    fs::write(world.directory.path().join("enrolment.json"), serde_json::to_string(&request).unwrap()).unwrap();
    fs::write(world.directory.path().join("members.csv"), "member,name\n").unwrap();
    let registers = ["--import-wh", "17", "--export-wh", "3", "--rated-power-w", "43470"];
    let called = ["--name", "Ada, Rossi", "--directory", "members.csv"];
    let register = [&["register-member", "enrolment.json"][..], &registers, &called].concat();
    let said = world.draft(0, &register);
    assert!(
        said.contains("draft 1: 1 of 4 voting power approve as far as this node knows, more than two thirds"),
        "{said}"
    );
    assert!(said.contains("`ledger approve 1` goes on"), "{said}");
    let names = fs::read_to_string(world.directory.path().join("members.csv")).unwrap();
    let (member, name) = names.lines().nth(1).unwrap().split_once(',').unwrap();
    assert_eq!(name, "\"Ada, Rossi\"");
    let member: MemberId = member.parse().unwrap();

    // Every owner finds it at the own node, also after a power cut.
    world.all_have(1).await;
    let drafts = world.drafts(1).await;
    world.kill(1);
    world.run(1);
    assert_eq!(world.drafts(1).await, drafts);
    let shown = world.succeeds(&["drafts", "--url", &world.urls[1]]);
    assert!(shown.starts_with("1  1 of 4 voting power approve"), "{shown}");
    assert!(shown.contains(&format!("take in {member}\n")) && shown.contains("17 Wh drawn, 3 Wh fed in"), "{shown}");
    let shown = world.succeeds(&["drafts", "1", "--names", "members.csv", "--url", &world.urls[1]]);
    assert!(shown.contains(&format!("take in Ada, Rossi ({member})\n")), "{shown}");
    let exact = world.succeeds(&["drafts", "1", "--json", "--url", &world.urls[1]]);
    assert_eq!(serde_json::from_str::<OpenDraft>(&exact).unwrap(), drafts[0]);
    world.refuses(&["drafts", "two", "--url", &world.urls[1]], "expected the number of a draft, such as 5 or");
    // Who approves it is named by what the node calls itself, once it has proved its key.
    let named = async || {
        let shown = world.succeeds(&["drafts", "1", "--url", &world.urls[1]]);
        shown.contains(&format!("approved by node-0 ({})", world.community.validators[0].public())).then_some(())
    };
    world.wait("a validator's name", named).await;

    // Who approves twice approves once.
    for _ in 0..2 {
        let said = world.approve(1, "1");
        assert!(said.contains("2 of 4 voting power approve"), "{said}");
    }
    // A third approval is enough, as soon as the second has come to that node.
    let has_two = async || (world.drafts(2).await.first()?.signed == 2).then_some(());
    world.wait("the second approval", has_two).await;
    world.approve(2, "1");
    world.decided(1).await;
    world.all_have(0).await;
    assert_eq!([0, 1, 2, 3].map(|number| world.kept(number)), [0; 4]);
    let statement = format!("/v1/members/{member}/statement");
    assert!(world.ask::<serde_json::Value>(3, &statement).await.unwrap().is_array());
    world.refuses(&["approve", "1", "--config", &world.config(3)], "expected a draft that waits for approvals");
    assert_eq!(world.succeeds(&["drafts", "--url", &world.urls[3]]), "no decision waits for approvals\n");

    // Slips are found before anything is drafted.
    let again = |meter: [&str; 6], name: &[&str], said: &str| {
        let config = world.config(0);
        let draft =
            [&["draft", "register-member", "enrolment.json"][..], &meter, name, &["--config", &config]].concat();
        world.refuses(&draft, said);
    };
    again(
        ["--import-wh", "17", "--export-wh", "3", "--rated-power-w", "43"],
        &[],
        "expected 1000 to 1000000 W, found 43; ",
    );
    again(registers, &called, "expected a name that nobody has, found Ada, Rossi of ");

    // It moves.
    let [key, device] = [72, 73].map(|seed| SecretKey::from_seed(&[seed; 32]));
    let request = EnrolmentRequest::sign(&key, &device, None).unwrap();
    fs::write(world.directory.path().join("moved.json"), serde_json::to_string(&request).unwrap()).unwrap();
    let from = member.to_string();
    let name = ["--name", "Ada, Mill Lane", "--directory", "members.csv"];
    let said = world.draft(0, &[&["move-member", &from, "moved.json"][..], &registers, &name].concat());
    assert!(said.contains("draft 2: 1 of 4") && said.contains("draft 3: 1 of 4"), "{said}");
    world.all_have(2).await;
    for number in [1, 2] {
        let said = world.approve(number, "2");
        assert!(said.contains(&format!("take no more readings of the device of {from}")), "{said}");
        world.approve(number, "3");
    }
    world.decided(3).await;
    let members: Vec<MemberStatus> = world.ask(0, "/v1/members").await.unwrap();
    let moved = members.iter().find(|member| member.key == key.public()).unwrap();
    assert_eq!(moved.device, Some(device.public()));
    let names = fs::read_to_string(world.directory.path().join("members.csv")).unwrap();
    assert!(names.ends_with(&format!("{},\"Ada, Mill Lane\"\n", moved.member)), "{names}");
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_are_decided_by_their_numbers_and_of_two_with_one_number_one_is() {
    let world = World::start().await;
    let new_key = SecretKey::from_seed(&[80; 32]).public().to_string();
    // The second waits for the first, however many approve it; the third wants what the first takes.
    world.draft(0, &["replace-key", &world.member(0), "--to", &new_key]);
    world.draft(0, &["revoke-device", &world.member(1)]);
    world.draft(0, &["replace-key", &world.member(2), "--to", &new_key]);
    world.all_have(3).await;
    for number in [1, 2, 3] {
        world.approve(number, "2");
    }
    let is_approved = async || world.drafts(0).await.iter().any(|draft| draft.signed == 4).then_some(());
    world.wait("all approvals", is_approved).await;
    assert_eq!(world.ask::<RulesInForce>(0, "/v1/rules").await.unwrap().decision_sequence, 0);
    for number in [1, 2] {
        world.approve(number, "1");
    }
    world.decided(2).await;
    world.all_have(1).await;
    let approve = ["approve", "3", "--config", &world.config(1)];
    world.refuses(&approve, "draft 3 cannot be carried out any more: key_in_use: ");
    let shown = world.succeeds(&["drafts", "--url", &world.urls[1]]);
    assert!(shown.contains("cannot be carried out now: key_in_use: "), "{shown}");

    // Another takes its number; which is meant has to be said.
    world.draft(1, &["revoke-device", &world.member(2), "--instead-of", "3"]);
    world.all_have(2).await;
    world.refuses(&["approve", "3", "--config", &world.config(2)], "expected 3-");
    let drafts = world.drafts(2).await;
    let wanted = drafts.iter().find(|draft| draft.obstacle.is_none()).unwrap();
    let name = format!("3-{}", &wanted.id.to_string()[..8]);
    assert!(world.succeeds(&["drafts", "--url", &world.urls[2]]).contains(&name));
    world.approve(2, &name);
    world.approve(3, &name);
    world.decided(3).await;
    world.all_have(0).await;

    // What can be seen to be wrong is no draft.
    let draft = |arguments: &[&str], said: &str| {
        world.refuses(&[&["draft"], arguments, &["--config", &world.config(0)]].concat(), said);
    };
    draft(&["replace-key", &world.member(2), "--to", &new_key], "refused as key_in_use: ");
    draft(&["revoke-device", &"00".repeat(16)], "refused as unknown_member: ");
    draft(&["revoke-device", &world.member(3), "--instead-of", "3"], "--instead-of: expected 4 to 4, found 3");
    draft(&["set-validators", "--remove", &new_key], "--remove: expected a validator, found did:key:");
    draft(&["set-validators", "--add", "did:key:z6Mk"], "expected KEY or KEY=POWER");
    draft(&["set-rules", "--from", "2026-07-01T00:00:00Z"], "expected rules that differ from those in force");
    let rules = ["set-rules", "--from", "2026-07-01T00:00:00Z", "--feed-in-price", "5"];
    draft(&rules, "refused as bad_rules: ");
    let transfer = ["transfer", "--from", "bank", "--to", "operator", "--amount", "1"];
    draft(&transfer, "expected a pseudonym of 32 hex digits, supplier or operator, found `bank`");
    draft(&["transfer", "--from", "supplier", "--to", "supplier", "--amount", "1"], "refused as same_account: ");
    assert!(world.drafts(0).await.is_empty());
    // Without a key it is a file.
    let file = world.succeeds(&["draft", "revoke-device", &world.member(3), "--url", &world.urls[0]]);
    assert!(file.contains("\"revoke_device\"") && file.contains("\"sequence\": 4"), "{file}");

    // Who is to validate is shown by who comes and who goes.
    let [gone, stays] = [3, 2].map(|number: usize| world.community.validators[number].public());
    world.draft(0, &["set-validators", "--remove", &gone.to_string(), "--add", &format!("{new_key}=2")]);
    let named = async || {
        let shown = world.succeeds(&["drafts", "4", "--url", &world.urls[0]]);
        shown.contains(&format!("remove      node-3 ({gone}), power 1")).then_some(shown)
    };
    let shown = world.wait("a validator's name", named).await;
    assert!(shown.contains(&format!("add         {new_key}, power 2")), "{shown}");
    assert!(shown.contains(&format!("({stays}), power 1")), "{shown}");
    assert!(shown.contains("then        4 validators of power 5; each block needs 4"), "{shown}");
    world.refuses(&["approve", "1", "--url", &world.urls[0]], "expected a validator's key, found none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_away_hears_of_drafts_when_it_is_back() {
    let mut world = World::start().await;
    world.kill(3);
    world.draft(0, &["revoke-device", &world.member(0)]);
    world.all_have(1).await;
    world.run(3);
    world.all_have(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_says_who_is_up_and_warns_where_drafts_cannot_travel() {
    let mut world = World::start().await;
    let status = |number: usize| {
        let output = world.ledger(&["status", "--url", &world.urls[number]]);
        assert!(output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        (serde_json::from_slice::<Status>(&output.stdout).unwrap().reach.unwrap(), said)
    };
    let all = async || {
        let (reach, said) = status(0);
        (reach.validators_up == 4 && reach.gossip_peers == 3).then_some((reach, said))
    };
    let (reach, said) = world.wait("all to be up", all).await;
    assert_eq!((reach.power_up, reach.power_needed, reach.power), (4, 3, 4));
    assert!(said.contains("4 of 4 validators are up") && said.contains("gossip peers: 3"), "{said}");
    let mut names: Vec<_> = reach.nodes.iter().map(|node| node.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["node-1", "node-2", "node-3"]);

    [1, 2, 3].into_iter().for_each(|number| world.kill(number));
    let status = |number: usize| {
        let output = world.ledger(&["status", "--url", &world.urls[number]]);
        String::from_utf8(output.stderr).unwrap()
    };
    let alone = async || {
        Some(status(0)).filter(|said| said.contains("1 of 4 validators are up") && said.contains("no gossip peer"))
    };
    let said = world.wait("one to be alone", alone).await;
    assert!(said.contains("no block until more of them are"), "{said}");
    let draft = ["draft", "revoke-device", &world.member(0), "--config", &world.config(0)];
    let output = world.ledger(&draft);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("warning: this node has no gossip peer"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_withdrawn_by_whoever_stands_behind_it_and_then_its_number_is_free() {
    let mut world = World::start().await;
    let [key, device] = [70, 71].map(|seed| SecretKey::from_seed(&[seed; 32]));
    let request = EnrolmentRequest::sign(&key, &device, None).unwrap();
    fs::write(world.directory.path().join("enrolment.json"), serde_json::to_string(&request).unwrap()).unwrap();
    let register =
        ["register-member", "enrolment.json", "--import-wh", "17", "--export-wh", "3", "--rated-power-w", "9000"];
    world.draft(0, &register);
    world.all_have(1).await;
    let first = world.drafts(0).await.remove(0);

    // The same household again, under another pseudonym, is no second draft; with the same number it is another word.
    let again = |number: usize, more: &[&str]| {
        let config = world.config(number);
        [&["draft"], &register[..], more, &["--config", &config]]
            .concat()
            .iter()
            .map(|it| (*it).to_owned())
            .collect::<Vec<_>>()
    };
    let repeated: Vec<String> = again(1, &[]);
    world.refuses(
        &repeated.iter().map(String::as_str).collect::<Vec<_>>(),
        "refused as repeats_draft: expected a household that no draft takes in, found the key or the device of draft 1",
    );
    assert_eq!(world.drafts(1).await.len(), 1);

    // Nobody withdraws for another, nor what is not there.
    let withdraw =
        |number: usize, draft: &str| ["withdraw", draft, "--config", &world.config(number)].map(str::to_owned);
    let refuses = |number: usize, draft: &str, said: &str| {
        world.refuses(&withdraw(number, draft).each_ref().map(String::as_str), said);
    };
    refuses(1, "1", "draft 1 is not this validator's to withdraw: expected an approval of did:key:");
    refuses(0, "2", "expected 1, found 2");
    refuses(0, "one", "expected the number of a draft, such as 5 or 5-3fa2c1d9, found `one`");

    // One that is away hears of it when it is back.
    world.kill(3);
    let said = world.succeeds(&["withdraw", "1", "--config", &world.config(0)]);
    assert!(said.contains("draft 1 is withdrawn: nobody approves it any more"), "{said}");
    world.all_have(0).await;
    world.run(3);
    world.all_have(0).await;
    world.kill(0);
    world.run(0);
    world.all_have(0).await;

    // A file with the approval brings it back nowhere.
    let file = protocol::decision::Draft { decision: first.decision, approvals: first.approvals };
    fs::write(world.directory.path().join("kept.json"), serde_json::to_string(&file).unwrap()).unwrap();
    for number in 0..4 {
        let submit = ["submit", "kept.json", "--url", &world.urls[number]];
        world.refuses(&submit, "refused as approval_withdrawn: expected an approval, found one that its validator has");
    }

    // The number is free, and the household may be drafted again. It stays open for as long as anybody approves it.
    let said = world.draft(1, &register);
    assert!(said.contains("draft 1: 1 of 4"), "{said}");
    world.all_have(1).await;
    world.approve(2, "1");
    let has_two = async || (world.drafts(1).await.first()?.signed == 2).then_some(());
    world.wait("the second approval", has_two).await;
    let said = world.succeeds(&["withdraw", "1", "--config", &world.config(1)]);
    assert!(said.contains("1 of 4 voting power still approve, so it stays open"), "{said}");
    for number in 0..4 {
        let has_one = async || (world.drafts(number).await.first()?.signed == 1).then_some(());
        world.wait("a withdrawn approval to count nowhere", has_one).await;
    }
    world.refuses(&["approve", "1", "--config", &world.config(1)], "refused as approval_withdrawn");
    // The other three can decide it; then nothing is left of it on disk.
    world.approve(0, "1");
    let has_two = async || (world.drafts(3).await.first()?.signed == 2).then_some(());
    world.wait("the second approval", has_two).await;
    world.approve(3, "1");
    world.decided(1).await;
    world.all_have(0).await;
    assert_eq!([0, 1, 2, 3].map(|number| world.kept(number)), [0; 4]);
}
