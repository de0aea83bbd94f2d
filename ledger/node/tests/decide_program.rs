//! Decisions and instructions from the command line, as validators and members make them: files, keys, a running node.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use axum::{Json, Router, http::Uri, routing::get};
use ledger_node::{api, node::Ledger};
use protocol::{
    api::{MEMBERS_PER_PAGE_MAX, MemberStatus},
    code,
    decision::{Action, Decision},
    enrolment::EnrolmentRequest,
    envelope::Signed,
    hash::Hash,
    instruction::{Instruction, MemberAction},
    interval::Interval,
    key::SecretKey,
    member::MemberId,
};
use support::{Community, history::History, write_secret};
use tempfile::TempDir;

struct World {
    directory: TempDir,
    community: Community,
    first: Interval,
    url: String,
}

impl World {
    /// A node with two settled intervals, and everyone's keys in files.
    async fn start() -> World {
        let mut history = History::new(5, 4);
        let first = history.settle();
        history.settle();
        let History { community, store, .. } = history;
        let (ledger, _) = Ledger::open(community.genesis.clone(), Arc::new(store), None).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = api::router(Arc::new(ledger), u64::MAX);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let directory = tempfile::tempdir().unwrap();
        let world = World { directory, community, first, url };
        world.write("genesis.json", &serde_json::to_string(&world.community.genesis).unwrap());
        for (number, key) in world.community.validators.iter().enumerate() {
            world.write_key(&format!("validator-{number}.key"), key);
        }
        world.write_key("member.key", &world.community.members[0].key);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn write_key(&self, name: &str, key: &SecretKey) {
        write_secret(&self.directory.path().join(name), &format!("{}\n", Hash::from_bytes(key.seed())));
    }

    async fn ledger(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ledger"));
        command.args(arguments).current_dir(&self.directory);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    async fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.ledger(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// One line on stderr, and exit code 2.
    async fn refuses(&self, arguments: &[&str], said: &str) {
        let output = self.ledger(arguments).await;
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said) && stderr.lines().count() == 1, "{arguments:?}: {stderr}");
    }

    /// Lets validators approve a draft, each what the one before has written.
    async fn approve(&self, draft: &Path, validators: &[usize]) {
        for number in validators {
            let key = format!("validator-{number}.key");
            let draft = draft.to_str().unwrap();
            let approved = self.succeeds(&["approve", draft, "--key", &key, "--genesis", "genesis.json"]).await;
            fs::write(draft, approved).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_goes_from_validator_to_validator_and_then_to_the_ledger() {
    let world = World::start().await;
    let member = world.community.members[2].id;
    world.write(
        "draft.json",
        &format!(
            "{{\"decision\": {{\"sequence\": 1, \"action\": {{\"revoke_device\": {{\"member\": \"{member}\"}}}}}}}}"
        ),
    );
    let draft = world.path("draft.json");
    world.approve(&draft, &[2, 0]).await;
    let submit = ["submit", "draft.json", "--url", &world.url];
    let said = world.succeeds(&submit).await;
    assert!(said.contains("2 of 4 voting power approve, more than two thirds are needed"), "{said}");
    // Who approves twice approves once.
    world.approve(&draft, &[0, 3]).await;
    let id = world.succeeds(&submit).await;
    assert_eq!(id, world.succeeds(&submit).await, "handing it in twice is harmless");
    assert!(id.trim().parse::<Hash>().is_ok(), "{id}");

    world.write("typo.json", "{\"decision\": {\"sequence\": 1, \"action\": {\"revoke_devise\": {}}}}");
    let approve = ["approve", "typo.json", "--key", "validator-0.key", "--genesis", "genesis.json"];
    world.refuses(&approve, "typo.json: unknown variant `revoke_devise`").await;
    world.refuses(&["submit", "nowhere.json", "--url", &world.url], "nowhere.json: ").await;
    world.refuses(&["submit"], "expected <DRAFT>, found none; see ledger submit --help").await;
    for moment in [
        &["true-up", "--from", "noon"][..],
        &["export", "x", "--out", "y", "--to", "noon"],
        &["receipt", "x", "--member", "m", "--interval", "noon"],
    ] {
        let expected =
            format!("{}: expected a UTC time such as 2026-06-01T12:00:00Z, found `noon`", moment[moment.len() - 2]);
        world.refuses(moment, &expected).await;
    }
    // Nobody listens at port 1.
    let alone = ["true-up", "--from", "2026-06-01T12:00:00Z", "--url", "http://127.0.0.1:1"];
    world.refuses(&alone, "expected a node at http://127.0.0.1:1, found none: ").await;
    world
        .refuses(&["submit", "draft.json", "--url", "http://127.0.0.1:1"], "start it, or name another with --url")
        .await;
    let vouch = ["vouch", "--config", "validator.toml", "--signed", "-5"];
    world.refuses(&vouch, "--signed: expected a whole number from 0 on, found `-5`").await;
    write_secret(&world.path("no.key"), "secret\n");
    let no_key = "no.key: expected one line of 64 lowercase hex digits";
    world.refuses(&["approve", "draft.json", "--key", "no.key", "--genesis", "genesis.json"], no_key).await;
}

/// The decisions that `docs/operator.md` shows as files.
fn documented() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operator.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, section) = text.split_once("### Each decision, as a file\n").unwrap();
    let section = section.split("\n### ").next().unwrap();
    let blocks = section.split("```json\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned());
    blocks.collect()
}

/// Whether people write it: no command drafts it. A new action does not compile before it is here; it has an example in
/// `docs/operator.md`, and its name is in the list below.
fn is_written_by_hand(action: &Action) -> bool {
    match action {
        Action::RegisterMember(_)
        | Action::ReplaceMeter { .. }
        | Action::RevokeDevice { .. }
        | Action::ReplaceKey { .. }
        | Action::SetRules { .. }
        | Action::SetMarket { .. }
        | Action::SetValidators { .. }
        | Action::Transfer { .. } => true,
        Action::Correct(_) | Action::TrueUp(_) => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_decision_of_the_documentation_is_approved_and_taken() {
    let mut actions = Vec::new();
    for (number, json) in documented().into_iter().enumerate() {
        // A ledger for each, of which every one is the first decision.
        let world = World::start().await;
        let draft = format!("draft-{number}.json");
        world.write(&draft, &json);
        world.approve(&world.path(&draft), &[0, 1, 2]).await;
        let id = world.succeeds(&["submit", &draft, "--url", &world.url]).await;
        assert!(id.trim().parse::<Hash>().is_ok(), "{id}");
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        actions.extend(value["decision"]["action"].as_object().unwrap().keys().cloned());
        let decision: Decision = serde_json::from_value(value["decision"].clone()).unwrap();
        assert!(is_written_by_hand(&decision.action), "{json}");
    }
    actions.sort();
    let expected = [
        "register_member",
        "replace_key",
        "replace_meter",
        "revoke_device",
        "set_market",
        "set_rules",
        "set_validators",
        "transfer",
    ];
    assert_eq!(actions, expected, "each action but those that `ledger correct` and `ledger true-up` draft");
}

#[tokio::test(flavor = "multi_thread")]
async fn validated_values_become_a_correction() {
    let world = World::start().await;
    let members = &world.community.members;
    world.write(
        "values.csv",
        &format!("member,import_wh,export_wh\n{},10,400\n{},420,0\n", members[0].id, members[1].id),
    );
    let start = world.first.start_text();
    let correct = |values| ["correct", &start, "--values", values, "--url", &world.url].map(String::from);
    let arguments = correct("values.csv");
    let draft = world.succeeds(&arguments.each_ref().map(String::as_str)).await;
    world.write("draft.json", &draft);
    world.approve(&world.path("draft.json"), &[0, 1, 2]).await;
    world.succeeds(&["submit", "draft.json", "--url", &world.url]).await;

    let stranger = "00".repeat(16);
    world.write("stranger.csv", &format!("member,import_wh,export_wh\n{stranger},1,0\n"));
    let arguments = correct("stranger.csv");
    world
        .refuses(&arguments.each_ref().map(String::as_str), "expected values of members that the settlement knew")
        .await;
    world.write("half.csv", &format!("member,import_wh\n{},1\n", members[0].id));
    let arguments = correct("half.csv");
    world.refuses(&arguments.each_ref().map(String::as_str), "half.csv: ").await;
}

/// The node of a world, but for its members, of whom there is no end.
async fn lying_node(world: &World, page: impl Fn(u64) -> Vec<MemberStatus> + Clone + Send + Sync + 'static) -> String {
    let (honest, asked) = (world.url.clone(), Arc::new(AtomicU64::new(0)));
    let members = move || async move { Json(page(asked.fetch_add(1, Relaxed))) };
    let others =
        move |uri: Uri| async move { reqwest::get(format!("{honest}{uri}")).await.unwrap().bytes().await.unwrap() };
    let router = Router::new().route("/v1/members", get(members)).fallback(others);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_members_have_no_end_is_named_and_asked_no_more() {
    let world = World::start().await;
    let honest: Vec<MemberStatus> =
        reqwest::get(format!("{}/v1/members", world.url)).await.unwrap().json().await.unwrap();
    world.write("values.csv", &format!("member,import_wh,export_wh\n{},10,400\n", honest[0].member));
    let start = world.first.start_text();
    let correct = async |url: &str, said: &str| {
        world.refuses(&["correct", &start, "--values", "values.csv", "--url", url], said).await;
    };

    // A page that is not full would be the last.
    let same: Vec<MemberStatus> = honest.iter().cloned().cycle().take(MEMBERS_PER_PAGE_MAX).collect();
    let repeats = lying_node(&world, move |_| same.clone()).await;
    let expected =
        format!("{repeats}/v1/members: expected members in ascending order, found {} after", honest[0].member);
    correct(&repeats, &expected).await;

    let invents = lying_node(&world, move |page| {
        let member = |number: u64| {
            let mut id = [0; 16];
            id[8..].copy_from_slice(&number.to_be_bytes());
            MemberStatus { member: MemberId::from_bytes(id), ..honest[0].clone() }
        };
        (page * 1_000..(page + 1) * 1_000).map(member).collect()
    })
    .await;
    correct(&invents, "expected members of at most 10000, found more; ask another node").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_household_is_taken_in_by_the_request_that_both_of_its_keys_signed() {
    let world = World::start().await;
    let [key, device] = [70, 71].map(|seed| SecretKey::from_seed(&[seed; 32]));
    let request = EnrolmentRequest::sign(&key, &device, None).unwrap();
    let json = serde_json::to_string(&request).unwrap();
    world.write("enrolment.json", &json);
    world.write("code.txt", &request.to_code());
    let another = world.community.members[0].device.public().to_string();
    world.write("stolen.json", &json.replace(&device.public().to_string(), &another));
    let registers = ["--import-wh", "17", "--export-wh", "3", "--rated-power-w", "43470", "--url", &world.url];
    let enrol = |file| [&["draft", "register-member", file][..], &registers].concat();
    world.refuses(&enrol("stolen.json"), "stolen.json: the member key did not sign this request").await;
    world.refuses(&[&enrol("code.txt")[..], &["--technology", "coal"]].concat(), "found `coal`").await;
    for file in ["enrolment.json", "code.txt"] {
        let draft = world.succeeds(&enrol(file)).await;
        let value: serde_json::Value = serde_json::from_str(&draft).unwrap();
        let decision: Decision = serde_json::from_value(value["decision"].clone()).unwrap();
        let Action::RegisterMember(member) = decision.action else { panic!("{draft}") };
        assert_eq!((member.key, member.device), (key.public(), device.public()));
        assert_eq!((member.import_wh, member.export_wh, member.rated_power_w), (17, 3, 43_470));
        world.write("draft.json", &draft);
    }
    world.approve(&world.path("draft.json"), &[0, 1, 2]).await;
    world.succeeds(&["submit", "draft.json", "--url", &world.url]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instruction_is_handed_in_for_the_member_that_signed_it() {
    let world = World::start().await;
    let member = &world.community.members[0];
    let action = MemberAction::RotateDevice { device: SecretKey::from_seed(&[72; 32]).public() };
    let instruction = Instruction { member: member.id, sequence: 1, action };
    let signed = Signed::sign(instruction, &world.community.genesis.chain(), &member.key);
    world.write("rotation.txt", &code::write(code::INSTRUCTION, signed.bytes()));
    world.write("torn.txt", "VOISIN-INSTRUCTION-1:ABC");
    let id = world.succeeds(&["submit", "rotation.txt", "--url", &world.url]).await;
    assert_eq!(id.trim().parse::<Hash>().unwrap(), signed.hash());
    world.refuses(&["submit", "torn.txt", "--url", &world.url], "torn.txt: expected pairs of uppercase hex").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_gives_an_instruction() {
    let world = World::start().await;
    let [giver, taker] = [0, 1].map(|number: usize| world.community.members[number].id);
    let transfer = |amount: &str| {
        format!(
            "{{\"member\": \"{giver}\", \"sequence\": 1, \"action\": {{\"transfer\": {{\"to\": {{\"member\": \"{taker}\"}}, \
             \"amount\": \"{amount}\", \"reference\": \"\"}}}}}}"
        )
    };
    world.write("rich.json", &transfer("1000000"));
    world.write("small.json", &transfer("0.000001"));
    let instruct =
        |file| ["instruct", file, "--key", "member.key", "--genesis", "genesis.json", "--url", world.url.as_str()];
    world.refuses(&instruct("rich.json"), "refused as exceeds_balance").await;
    let id = world.succeeds(&instruct("small.json")).await;
    assert!(id.trim().parse::<Hash>().is_ok(), "{id}");
    world.write_key("member.key", &world.community.members[1].key);
    world.refuses(&instruct("small.json"), "refused as unknown_signer").await;
}
