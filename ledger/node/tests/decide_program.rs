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
    parameters::{Parameters, Share},
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
    assert!(
        said.contains("2 of 4 voting power approve as far as this node knows, more than two thirds are needed"),
        "{said}"
    );
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
        // These need more than a decision: settled intervals, or a plan in the rules.
        Action::Correct(_) | Action::TrueUp(_) | Action::DeclareIsland { .. } | Action::EndIsland { .. } => false,
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
    let start = world.first.start_text();
    let header = "interval,member,import_kwh,export_kwh\n";
    world.write(
        "values.csv",
        &format!("{header}{start},{},0.010,0.4\n{start},{},0.42,0\n", members[0].id, members[1].id),
    );
    let correct = |values| ["correct", &start, "--values", values, "--url", &world.url].map(String::from);
    let arguments = correct("values.csv");
    let draft = world.succeeds(&arguments.each_ref().map(String::as_str)).await;
    world.write("draft.json", &draft);
    world.approve(&world.path("draft.json"), &[0]).await;
    world.succeeds(&["submit", "draft.json", "--url", &world.url]).await;
    // Whoever approves it reads who gains and loses.
    world.write("names.csv", &format!("member,name\n{},Ada\n", members[0].id));
    let shown = world.succeeds(&["drafts", "1", "--names", "names.csv", "--url", &world.url]).await;
    let row =
        |name: &str| shown.lines().find(|line| line.trim().starts_with(name)).unwrap_or_else(|| panic!("{shown}"));
    assert!(row("Ada").contains(" -> 0.010") && row("Ada").contains(" -> 0.400"), "{shown}");
    assert!(row(&members[1].id.to_string()).contains(" -> 0.420"), "{shown}");
    assert!(shown.contains(&format!("({start}), for the 1st time: it closes")), "{shown}");
    assert!(shown.contains("together 0") && shown.contains("energy: as much is bought as sold"), "{shown}");
    assert!(!shown.contains("NOT BALANCE") && !shown.contains("\"correct\""), "{shown}");
    let list = world.succeeds(&["drafts", "--url", &world.url]).await;
    assert!(list.contains("who gains and loses by it: `ledger drafts 1`") && list.lines().count() == 4, "{list}");
    let approve = ["approve", "1", "--key", "validator-1.key", "--genesis", "genesis.json", "--url", &world.url];
    let approved = world.succeeds(&[&approve[..], &["--names", "names.csv"]].concat()).await;
    assert!(
        shown.contains(approved.lines().nth(2).unwrap().trim()) && approved.contains("2 of 4 voting"),
        "{approved}"
    );
    let exact = world.succeeds(&[&approve[..], &["--json"]].concat()).await;
    assert!(exact.starts_with("{\"correct\":{\"reversed\":"), "{exact}");

    // What can be seen to be wrong is refused by line and column, and before more is asked for.
    let stranger = "00".repeat(16);
    let (ada, second) = (members[0].id, world.first.next().unwrap().start_text());
    for (text, said) in [
        (format!("{header}{start},{stranger},1,0\n"), "bad.csv, line 2: column member: expected a member, found 0000"),
        (format!("{header}{second},{ada},1,0\n"), "bad.csv, line 2: column interval: expected 2026-"),
        (format!("{header}{start},{ada},1\n"), "bad.csv, line 2: expected 4 columns of text, found 3"),
        (format!("{header}{start},{ada},1000,0\n"), "bad.csv, line 2: expected at most "),
        (format!("member,import_wh\n{ada},1\n"), "bad.csv, line 1: expected the columns interval,member,import_kwh,"),
        (header.to_owned(), "bad.csv: expected at least one row, found none"),
    ] {
        world.write("bad.csv", &text);
        world.refuses(&correct("bad.csv").each_ref().map(String::as_str), said).await;
    }
    let never = world.first.offset(9).unwrap().start_text();
    world.write("never.csv", &format!("{header}{never},{ada},1,0\n"));
    let early = ["correct", &never, "--values", "never.csv", "--url", &world.url];
    world.refuses(&early, &format!("expected a settled interval, {second}/PT15M or one before, found {never}/")).await;
    let before = world.first.offset(-1).unwrap().start_text();
    world.write("before.csv", &format!("{header}{before},{ada},1,0\n"));
    let early = ["correct", &before, "--values", "before.csv", "--url", &world.url];
    world.refuses(&early, "cannot be corrected: this node has its readings no more (`retention_days`)").await;
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
    let start = world.first.start_text();
    let header = "interval,member,import_kwh,export_kwh\n";
    world.write("values.csv", &format!("{header}{start},{},0.01,0.4\n", honest[0].member));
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

fn pack(name: &str) -> String {
    format!("{}/../../config/rules/{name}.toml", env!("CARGO_MANIFEST_DIR"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_pack_is_chosen_by_a_decision_and_what_does_not_fit_is_refused_by_name() {
    let world = World::start().await;
    let [austria, spain, switzerland] = ["at-eeg-local", "es-colectivo", "ch-leg"].map(pack);
    let hash = Hash::of(&fs::read(&austria).unwrap());
    let members: Vec<MemberId> = world.community.members.iter().map(|member| member.id).collect();
    let rows: String = members[..2].iter().zip([80, 40]).map(|(id, weight)| format!("{id},{weight},50\n")).collect();
    world.write("participants.csv", &format!("member,weight,participation\n{rows}"));
    let from = "2026-06-01T14:00:00Z";
    let draft = ["draft", "set-rules", "--url", &world.url, "--from"];
    let with = |more: &[&str]| -> Vec<String> { draft.iter().chain(more).map(|it| (*it).to_owned()).collect() };
    let stated = with(&[
        from,
        "--mechanism",
        "static_key",
        "--pack",
        &austria,
        "--network-price",
        "0.07",
        "--participants",
        "participants.csv",
    ]);
    let stated: Vec<&str> = stated.iter().map(String::as_str).collect();
    let drafted: serde_json::Value = serde_json::from_str(&world.succeeds(&stated).await).unwrap();
    let rules = &drafted["decision"]["action"]["set_rules"]["rules"];
    assert_eq!(rules["pack"]["hash"], hash.to_string());
    assert_eq!(rules["pack"]["network"], serde_json::json!({"price": "0.07", "ppm": 570_000}));
    let ppm = |list: &str| -> Vec<u64> {
        rules["parameters"][list].as_array().unwrap().iter().map(|part| part["ppm"].as_u64().unwrap()).collect()
    };
    assert_eq!((ppm("shares"), ppm("participation")), (vec![666_666, 333_333], vec![500_000; 2]));
    // Without a mechanism the pack's first takes the place of one that it does not allow.
    let plain = with(&[from, "--pack", &austria]);
    let plain: Vec<&str> = plain.iter().map(String::as_str).collect();
    assert!(world.succeeds(&plain).await.contains("\"mechanism\": \"dynamic_key\""));

    for (more, said) in [
        (vec![from, "--pack", &austria, "--pack", &spain], "expected one rule pack"),
        (vec!["2027-01-01T00:00:00Z", "--pack", &austria], "ends with 2026-12-31T22:45:00Z/PT15M"),
        (vec!["2026-06-01T15:00:00Z", "--pack", &spain], "intervals of 15 minutes, found 60"),
        (
            vec![from, "--pack", &austria, "--network-price", "0.07", "--discount", "regional"],
            "(local), found `regional`",
        ),
        (vec![from, "--pack", &austria, "--participants", "participants.csv"], "expected no column `weight`"),
        (vec![from, "--pack", "participants.csv"], "participants.csv: line 1: "),
    ] {
        let more = with(&more);
        world.refuses(&more.iter().map(String::as_str).collect::<Vec<_>>(), said).await;
    }
    // Of the currency a node knows.
    let francs = with(&[from, "--pack", &switzerland]);
    let francs = world.succeeds(&francs.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.write("francs.json", &francs);
    world.approve(&world.path("francs.json"), &[0, 1, 2]).await;
    world.refuses(&["submit", "francs.json", "--url", &world.url], "pack_other_currency").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_limit_excludes_is_named_and_whom_it_does_not_is_not() {
    let world = World::start().await;
    let austria = pack("at-eeg-local");
    let read = market_files::pack::Pack::read(Path::new(&austria)).unwrap();
    let mut genesis = world.community.genesis.clone();
    genesis.rules.mechanism = "dynamic_key".into();
    genesis.rules.pack = Some(Box::new(read.in_rules(None)));
    world.write("follows.json", &genesis.to_json());
    let members: Vec<MemberId> = world.community.members.iter().map(|member| member.id).collect();
    let sites = |of_last: &str| -> String {
        let (last, others) = members.split_last().unwrap();
        let others: String = others.iter().map(|id| format!("{id},T1,Netz\n")).collect();
        format!("member,transformer,grid_operator\n{others}{last},{of_last},Netz\n")
    };
    let check = ["rules", "check", &austria, "--genesis", "follows.json", "--sites", "sites.csv"];
    world.write("sites.csv", &sites("T1"));
    let said = world.succeeds(&check).await;
    assert!(said.contains(&format!("hash         {}", read.hash)) && said.ends_with("in order\n"), "{said}");

    for (of_last, kind, counted) in [
        ("T2", "excluded", "0 of the rules, 1 beyond a limit, 0 not known"),
        ("", "not known", "0 of the rules, 0 beyond a limit, 1 not known"),
    ] {
        world.write("sites.csv", &sites(of_last));
        let output = world.ledger(&check).await;
        let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.contains(counted) && err.lines().count() == 1, "{err}");
        let named: Vec<bool> = members.iter().map(|id| out.contains(&format!("{kind:<12} {id}"))).collect();
        assert_eq!(named, [false, false, false, false, true], "{out}");
    }
    // Spain's file of coefficients, there and back.
    genesis.rules.mechanism = "static_key".into();
    let share = |member: &MemberId, ppm| Share { member: *member, ppm };
    let shares = vec![share(&members[0], 333_333), share(&members[1], 666_667)];
    genesis.rules.parameters = Some(Parameters { shares: Some(shares), ..Parameters::default() });
    world.write("shares.json", &genesis.to_json());
    let cups = ["ES0031000000000001JN0F", "ES0031000000000002JN0F"];
    world.write(
        "points.csv",
        &format!("member,metering_points\n{},{}\n{},{}\n", members[0], cups[0], members[1], cups[1]),
    );
    let cau = "ES0031000000000009JN0FA000";
    let write =
        ["rules", "cau", cau, "--year", "2027", "--genesis", "shares.json", "--sites", "points.csv", "--out", "."];
    world.succeeds(&write).await;
    let text = fs::read_to_string(world.path(&format!("{cau}_2027.txt"))).unwrap();
    assert_eq!(text, format!("{};0,333333\r\n{};0,666667\r\n", cups[0], cups[1]));
    world.refuses(&write, &format!("{cau}_2027.txt: ")).await;
    let read = [
        "draft",
        "set-rules",
        "--url",
        &world.url,
        "--from",
        "2026-06-01T14:00:00Z",
        "--mechanism",
        "static_key",
        "--pack",
        &austria,
        "--sites",
        "points.csv",
        "--cau",
    ];
    let drafted = world.succeeds(&[&read[..], &[&format!("{cau}_2027.txt")]].concat()).await;
    assert!(drafted.contains("\"ppm\": 333333") && drafted.contains("\"ppm\": 666667"), "{drafted}");
    world.write("point.txt", &text);
    world.refuses(&[&read[..], &["point.txt"]].concat(), "expected a file named CAU_YYYY.txt").await;

    // A genesis that follows no pack, and two packs at once.
    let output = world.ledger(&["rules", "check", &austria, "--genesis", "genesis.json"]).await;
    assert!(String::from_utf8(output.stderr).unwrap().contains("not in order: 2 of the rules"));
    let two = ["rules", "check", &austria, &pack("ch-leg"), "--genesis", "genesis.json"];
    world.refuses(&two, "expected one rule pack, as a community follows one at a time, found").await;
    let shown = world.succeeds(&["rules", "show", &austria]).await;
    assert!(shown.contains("2026-01-01 to 2026-12-31 in Europe/Vienna") && shown.contains("unchecked"), "{shown}");
}
