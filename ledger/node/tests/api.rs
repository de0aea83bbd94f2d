//! The HTTP API of a node, over a real socket.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{sync::Arc, time::Duration};

use ledger::{proof::Verifier, state::State};
use ledger_client::{Client, api::Node as Asked};
use ledger_node::{api, node::Ledger, store::MemoryStore};
use protocol::{
    api::{
        Balances, BlockSummary, Change, Community as Told, Correctable, Decided, Event, Health, IntervalSums,
        MemberStatus, Posting, RulesInForce, Settled, Status, Submitted,
    },
    block::Transaction,
    cbor,
    commit::Validator,
    correction::{self, Values},
    decision::Action,
    energy::Energy,
    instruction::MemberAction,
    limits::TRANSACTION_BYTES_MAX,
    member::{AccountId, MemberId},
    money::Amount,
    origin::Certificates,
    receipt::Receipt,
};
use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use support::{Community, history::History, ledger_of};

const INTERVALS: u64 = 3;
/// After this a test counts as hung.
const PATIENCE: Duration = Duration::from_secs(300);

struct Node {
    community: Community,
    state: State,
    url: String,
}

impl Node {
    /// The API of a ledger with some settled intervals.
    async fn start(height_age_ms_max: u64) -> Node {
        let mut community = Community::new(4, 4);
        let (store, state) = ledger_of(&mut community, INTERVALS, || {});
        Node::serve(community, store, state, height_age_ms_max).await
    }

    async fn serve(community: Community, store: MemoryStore, state: State, height_age_ms_max: u64) -> Node {
        let (ledger, _) = Ledger::open(community.genesis.clone(), Arc::new(store), None).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = api::router(Arc::new(ledger), height_age_ms_max);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Node { community, state, url }
    }

    async fn ask(&self, path: &str) -> (StatusCode, String) {
        let answer = reqwest::get(format!("{}{path}", self.url)).await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let (status, text) = self.ask(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn post(&self, body: Vec<u8>) -> (StatusCode, String) {
        let url = format!("{}/v1/transactions", self.url);
        let answer = reqwest::Client::new().post(url).body(body).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }
}

#[tokio::test]
async fn everything_that_is_told_fits_together() {
    let node = Node::start(u64::MAX).await;
    let status: Status = node.get("/v1/status").await;
    assert_eq!((status.height, status.state_root), (INTERVALS, node.state.root().hash));

    let settled: Vec<Settled> = node.get("/v1/settlements").await;
    assert_eq!(settled.len() as u64, INTERVALS);
    let verifier = Verifier::new(&node.community.genesis);
    for settled in &settled {
        let receipts: Vec<Receipt> =
            node.get(&format!("/v1/settlements/{}/receipts", settled.interval.start_text())).await;
        assert_eq!(receipts.iter().map(|receipt| receipt.entry.line).collect::<Vec<_>>(), settled.lines);
        assert!(receipts.iter().all(|receipt| verifier.verify(receipt).is_ok()));
        let block: BlockSummary = node.get(&format!("/v1/blocks/{}", settled.height)).await;
        assert_eq!(block.block, block.header.hash());
        assert_eq!(block.transactions, [settled.settlement]);
        assert_eq!(block.intervals, [settled.interval]);
        assert_eq!(receipts[0].header, block.header);
    }
    let last: BlockSummary = node.get(&format!("/v1/blocks/{INTERVALS}")).await;
    assert_eq!(last.block, status.block);

    let members: Vec<MemberStatus> = node.get("/v1/members").await;
    for MemberStatus { member, balance, .. } in members {
        let statement: Vec<Posting> = node.get(&format!("/v1/members/{member}/statement")).await;
        let sum: i128 = statement.iter().map(|posting| i128::from(posting.amount.nano())).sum();
        assert_eq!(sum, i128::from(balance.nano()), "the statement adds up to the balance");
        let from = settled[1].interval.start_text();
        let one: Vec<Posting> = node.get(&format!("/v1/members/{member}/statement?from={from}&limit=1")).await;
        assert_eq!(one, statement[1..2]);
    }
    let validators: Vec<Validator> = node.get("/v1/validators").await;
    assert_eq!(validators, node.community.genesis.validators);
    let document: serde_json::Value = node.get("/openapi.json").await;
    let balance = &document["components"]["schemas"]["MemberStatus"]["properties"]["balance"];
    assert_eq!(balance["$ref"], "#/components/schemas/Amount", "{balance}");
    assert_eq!(node.ask("/docs/").await.0, StatusCode::OK);
    let (_, metrics) = node.ask("/metrics").await;
    assert!(metrics.contains(&format!("voisin_ledger_height {INTERVALS}")), "{metrics}");
}

#[tokio::test]
async fn decisions_are_told_in_their_order_with_who_approved_and_what_changed() {
    let mut history = History::new(5, 4);
    let first = history.settle();
    let giver = history.community.members[0].id;
    history.replace_validator(1, 201);
    history.settle();
    history.correct(2, first, 1, &[(giver, Values { export: Energy::from_wh(400), ..Values::default() })]);
    history.replace_validator(3, 202);
    history.correct(4, first, 2, &[(giver, Values { export: Energy::from_wh(650), ..Values::default() })]);
    let reference = "paid out".to_owned();
    let (from, to) = (AccountId::Supplier, AccountId::Member(giver));
    let payout = Action::Transfer { from, to, amount: Amount::from_nano(7), reference: reference.clone() };
    // Two decisions in the block that settles an interval.
    let open = history.state.next();
    let readings = history.community.read_all(open);
    let settlement = history.community.settlement(&history.state, &readings);
    let settle = history.community.transaction(settlement, &readings);
    let set_market = Action::SetMarket { key: history.community.validators[0].public() };
    let decided = [history.community.decide(5, payout), history.community.decide(6, set_market)];
    history.block(decided.into_iter().chain([settle]).collect());
    let keys = history.community.validators.clone();
    let node = Node::serve(history.community, history.store, history.state, u64::MAX).await;
    let client = Asked::new(Client::new(&node.url, None, None).unwrap(), PATIENCE);

    let all = client.decisions(1, 100).await.unwrap();
    assert_eq!(all.iter().map(|decided| decided.sequence).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    for Decided { height, id, open, approvals, signed, total, .. } in &all {
        let block: BlockSummary = node.get(&format!("/v1/blocks/{height}")).await;
        assert!(block.transactions.contains(id), "{id} in {height}");
        assert_eq!((*signed, *total, approvals.len()), (4, 4, 4));
        let settled: Vec<Settled> = node.get(&format!("/v1/settlements?from={}", open.start_text())).await;
        assert!(settled.iter().all(|settled| settled.height >= *height), "{open} was open before {height}");
        let before = open.offset(-1).unwrap().start_text();
        let before: Vec<Settled> = node.get(&format!("/v1/settlements?from={before}&limit=1")).await;
        assert!(before[0].height < *height);
    }
    assert!(matches!(&all[0].change, Change::SetValidators { validators } if validators.len() == 4));
    let Change::Correct { intervals, members } = &all[1].change else { panic!("{:?}", all[1]) };
    assert_eq!((intervals.len(), members.as_slice()), (1, &[giver][..]));
    assert_eq!(all[4].change, Change::Transfer { from, to, amount: Amount::from_nano(7), reference });
    assert_eq!(all[5].change, Change::SetMarket { key: keys[0].public() });
    assert_eq!((all[4].height, all[4].open), (all[5].height, open));
    // The first was approved by those that it replaced in part, the last by those that came.
    assert!(all[5].approvals.iter().all(|approval| keys.iter().any(|key| key.public() == approval.validator)));
    assert!(!all[0].approvals.iter().all(|approval| keys.iter().any(|key| key.public() == approval.validator)));

    assert_eq!(client.decisions(2, 2).await.unwrap(), all[1..3]);
    assert_eq!(client.decisions(0, 1).await.unwrap(), all[..1]);
    assert_eq!(client.decisions(7, 100).await.unwrap(), []);
    assert_eq!(client.decisions(u64::MAX, 100).await.unwrap(), []);
    let json: serde_json::Value = node.get("/v1/decisions?from=5&limit=1").await;
    assert_eq!(json[0]["change"]["kind"], "transfer");
    let (status, text) = node.ask("/v1/decisions?from=first").await;
    assert!(status == StatusCode::BAD_REQUEST && text.contains("from"), "{text}");
}

#[tokio::test]
async fn every_cent_of_an_interval_and_of_all_accounts_is_in_the_sums() {
    let history = History::eventful();
    let node = Node::serve(history.community, history.store, history.state, u64::MAX).await;
    let community: Told = node.get("/v1/community").await;
    let status: Status = node.get("/v1/status").await;
    assert_eq!((community.settlements, community.settled, community.chain), (4, status.settled, status.chain));
    assert_eq!((community.members, community.decisions), (5, 4));
    assert_eq!(community.balances.sum, Amount::ZERO);

    let sums: Vec<IntervalSums> = node.get("/v1/sums").await;
    assert_eq!(sums.len(), 4);
    // What moved beside settlements went from one member to another.
    let all = |of: fn(&Balances) -> Amount| sums.iter().map(|sums| of(&sums.gained)).sum::<i128>();
    assert_eq!(all(|gained| gained.supplier), community.balances.supplier.nano().into());
    assert_eq!(all(|gained| gained.operator), community.balances.operator.nano().into());
    assert_eq!(all(|gained| gained.members), community.balances.members.nano().into());
    assert!(community.balances.supplier != Amount::ZERO && sums.iter().all(|sums| sums.gained.sum == Amount::ZERO));
    let corrected: Vec<u32> = sums.iter().map(|sums| sums.corrections).collect();
    assert_eq!(corrected, [0, 2, 0, 0]);
    let start = sums[1].interval.start_text();
    let receipts: Vec<Receipt> = node.get(&format!("/v1/settlements/{start}/corrections")).await;
    let in_force = receipts.iter().filter(|receipt| receipt.entry.correction == 2);
    let exported: u64 = in_force.map(|receipt| receipt.entry.line.exported.wh()).sum();
    assert_eq!(sums[1].exported.wh(), exported);
    assert_eq!(node.get::<Vec<IntervalSums>>(&format!("/v1/sums?from={start}&limit=2")).await, sums[1..3]);
    assert!(node.ask("/v1/sums?from=noon").await.1.contains("found `noon`"));
}

#[tokio::test]
async fn what_cannot_be_answered_says_why() {
    let node = Node::start(u64::MAX).await;
    let nobody = MemberId::from_bytes([0; 16]);
    for (path, status, said) in [
        ("/v1/blocks/0".to_owned(), StatusCode::NOT_FOUND, "expected a block of height 1 to 3, found 0"),
        ("/v1/blocks/4".to_owned(), StatusCode::NOT_FOUND, "expected a block of height 1 to 3, found 4"),
        ("/v1/blocks/x".to_owned(), StatusCode::BAD_REQUEST, ""),
        (format!("/v1/members/{nobody}/statement"), StatusCode::NOT_FOUND, "is no member"),
        ("/v1/members/ada/statement".to_owned(), StatusCode::BAD_REQUEST, "a member id of 32 lowercase hex digits"),
        ("/v1/settlements?from=yesterday".to_owned(), StatusCode::BAD_REQUEST, "found `yesterday`"),
        ("/v1/settlements?form=2026-06-01T12:00:00Z".to_owned(), StatusCode::BAD_REQUEST, "form"),
        ("/v1/settlements/2030-01-01T00:00:00Z/receipts".to_owned(), StatusCode::NOT_FOUND, "nothing is settled"),
        ("/v1/settlements/2026-06-01T12:01:00Z/receipts".to_owned(), StatusCode::BAD_REQUEST, "15-minute interval"),
    ] {
        let (found, text) = node.ask(&path).await;
        assert!(found == status && text.contains(said), "{path}: {found} {text}");
    }
}

#[tokio::test]
async fn a_transaction_is_taken_once_and_garbage_never() {
    let mut node = Node::start(u64::MAX).await;
    let readings = node.community.read_all(node.state.next());
    let settlement = node.community.settlement(&node.state, &readings);
    let body = cbor::encode(&node.community.transaction(settlement, &readings));
    for _ in 0..2 {
        let (status, text) = node.post(body.clone()).await;
        let submitted: Submitted = serde_json::from_str(&text).unwrap();
        assert!(status == StatusCode::OK && matches!(submitted, Submitted::Pending { .. }), "{text}");
    }
    let (status, text) = node.post(b"not a transaction".to_vec()).await;
    assert!(status == StatusCode::BAD_REQUEST && text.contains("not a transaction"), "{text}");
    assert_eq!(node.post(vec![0; TRANSACTION_BYTES_MAX + 1]).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn whoever_has_two_contradicting_readings_can_report_them() {
    let mut node = Node::start(u64::MAX).await;
    let reading = node.community.read(0, node.state.next(), 100);
    let other = node.community.contradict(0, &reading);
    let report = Transaction::report_conflict(reading.sealed(), Some(other.sealed()));
    let (_, text) = node.post(cbor::encode(&report)).await;
    assert_eq!(serde_json::from_str::<Submitted>(&text).unwrap(), Submitted::Pending { transaction: report.id() });
    let one_alone = Transaction::report_conflict(reading.sealed(), None);
    let (_, text) = node.post(cbor::encode(&one_alone)).await;
    assert!(text.contains("\"no_conflict\""), "{text}");
}

#[tokio::test]
async fn a_node_without_new_blocks_calls_itself_unhealthy() {
    for (height_age_ms_max, expected) in [(u64::MAX, StatusCode::OK), (0, StatusCode::SERVICE_UNAVAILABLE)] {
        let node = Node::start(height_age_ms_max).await;
        let (status, text) = node.ask("/v1/health").await;
        let health: Health = serde_json::from_str(&text).unwrap();
        assert_eq!((status, health.healthy), (expected, expected == StatusCode::OK), "{text}");
        assert_eq!((health.height, health.height_age_ms_max), (INTERVALS, height_age_ms_max));
    }
}

#[tokio::test]
async fn statements_and_proofs_hold_across_transfers_corrections_and_new_validators() {
    let History { community, store, state, .. } = History::eventful();
    let transfer =
        Event::Transfer { with: AccountId::Member(community.members[1].id), reference: "for the ladder".into() };
    let giver = community.members[0].id;
    let node = Node::serve(community, store, state, u64::MAX).await;
    let verifier = Verifier::new(&node.community.genesis);
    let members: Vec<MemberStatus> = node.get("/v1/members").await;
    let mut kinds = [0; 4];
    for MemberStatus { member, balance, debits, credits, .. } in members {
        assert_eq!(credits.checked_sub(debits), Some(balance));
        let statement: Vec<Posting> = node.get(&format!("/v1/members/{member}/statement")).await;
        let sum: i128 = statement.iter().map(|posting| i128::from(posting.amount.nano())).sum();
        assert_eq!(sum, i128::from(balance.nano()), "the statement adds up to the balance: {statement:?}");
        for Posting { event, .. } in &statement {
            kinds[match event {
                Event::Settled(_) => 0,
                Event::Reversed(_) => 1,
                Event::Corrected(_) => 2,
                Event::Transfer { .. } => 3,
            }] += 1;
        }
        assert_eq!(member == giver, statement.iter().any(|posting| posting.event == transfer));
    }
    assert_eq!(kinds, [4 * 5, 2 * 5, 2 * 5, 2], "settled, reversed, corrected, given and taken");

    let settled: Vec<Settled> = node.get("/v1/settlements").await;
    assert_eq!(settled.iter().map(|settled| settled.corrections).collect::<Vec<_>>(), [0, 2, 0, 0]);
    let mut steps = Vec::new();
    for settled in &settled {
        let start = settled.interval.start_text();
        let mut receipts: Vec<Receipt> = node.get(&format!("/v1/settlements/{start}/receipts")).await;
        let corrections: Vec<Receipt> = node.get(&format!("/v1/settlements/{start}/corrections")).await;
        assert_eq!(corrections.len(), 5 * settled.corrections as usize);
        receipts.extend(corrections);
        for receipt in receipts {
            assert_eq!(verifier.verify(&receipt), Ok(()));
            steps.push(receipt.steps.len());
        }
        let correctable: Correctable = node.get(&format!("/v1/settlements/{start}/inputs")).await;
        assert_eq!(correctable.corrections, settled.corrections);
        assert_eq!(correction::inputs_hash(&correctable.inputs), correctable.settlement.inputs);
    }
    steps.sort_unstable();
    steps.dedup();
    assert_eq!(steps, [0, 1, 2], "receipts from before, between and after the changes of validators");

    let all: Vec<Certificates> = node.get("/v1/certificates").await;
    let retired: Vec<&Certificates> = all.iter().filter(|it| it.retired.is_some()).collect();
    assert_eq!(retired.len(), 1);
    let own: Vec<Certificates> = node.get(&format!("/v1/certificates?holder={}", retired[0].holder)).await;
    assert!(own.contains(retired[0]) && own.len() < all.len());
    let rules: RulesInForce = node.get("/v1/rules").await;
    assert_eq!((rules.rules, rules.decision_sequence), (node.community.genesis.rules.clone(), 4));
}

#[tokio::test]
async fn what_was_handed_in_long_ago_is_known_by_name() {
    let mut history = History::eventful();
    let to = AccountId::Supplier;
    let give = |nano| MemberAction::Transfer { to, amount: Amount::from_nano(nano), reference: String::new() };
    history.block(vec![history.community.instruct(3, 1, give(5))]);
    history.block(vec![history.community.instruct(3, 2, give(6))]);
    let old = history.community.decide(1, Action::SetValidators { validators: Vec::new() });
    let again = history.community.instruct(3, 1, give(5));
    let other = history.community.instruct(3, 1, give(7));
    let ahead = history.community.instruct(3, 9, give(7));
    let History { community, store, state, .. } = history;
    let node = Node::serve(community, store, state, u64::MAX).await;
    let mut names = Vec::new();
    for transaction in [again, other, ahead, old] {
        let (_, text) = node.post(cbor::encode(&transaction)).await;
        names.push(match serde_json::from_str(&text).unwrap() {
            Submitted::Exists { .. } => "exists".into(),
            Submitted::Refused { refusal, .. } => refusal,
            Submitted::Pending { .. } => "pending".into(),
            Submitted::Open { .. } => "open".into(),
        });
    }
    assert_eq!(
        names,
        ["exists", "exists_with_different_action", "instruction_not_next", "exists_with_different_action"]
    );
}

/// A path or a query that cannot be read is answered as the document says, whichever route it is of.
#[tokio::test]
async fn what_cannot_be_read_is_answered_as_the_document_says() {
    let node = Node::start(u64::MAX).await;
    let document: serde_json::Value = node.get("/openapi.json").await;
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(get) = item.get("get") else { continue };
        let parts = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
        let unreadable = parts.collect::<Vec<_>>().join("/");
        let queries = get["parameters"].as_array().into_iter().flatten();
        let queries = queries.filter(|parameter| parameter["in"] == "query").map(|parameter| {
            format!("{path}?{}=x", parameter["name"].as_str().unwrap()).replace("{member}", &"0".repeat(32))
        });
        let calls = Some(unreadable).filter(|unreadable| unreadable != path).into_iter().chain(queries);
        for call in calls {
            let (status, answer) = node.ask(&call).await;
            assert!(status.is_client_error(), "{call}: {status}, {answer}");
            assert!(get["responses"].get(status.as_str()).is_some(), "{call}: {status} is not in the document");
            asked += 1;
        }
    }
    assert!(asked > 10, "{asked}");
}
