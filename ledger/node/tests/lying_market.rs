//! A market that lies to four real validators, over their real API: each lie is refused by its name at every one of
//! them and counted, none of it waits for a block, and the chain goes on with the honest settlement.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{collections::BTreeMap, time::Duration};

use ledger::state::State;
use ledger_client::{Client, api::Node};
use ledger_node::node::Running;
use protocol::{
    api::Submitted,
    block::Transaction,
    cbor,
    correction::MemberInput,
    energy::Energy,
    envelope::{Sealed, Signed},
    key::SecretKey,
    money::{Amount, Price},
    order::Order,
    reading::SignedReading,
    refusal::LedgerRefusal,
    settlement::Settlement,
};
use support::{Community, nodes::start_all, settled};

const VALIDATORS: usize = 4;
/// A hung test fails after this.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a node answers to a transaction over HTTP.
async fn hand_in(node: &Running, transaction: &Transaction) -> Submitted {
    let client = Client::new(&format!("http://{}", node.api), None, None).unwrap();
    Node::new(client, PATIENCE).submit(&cbor::encode(transaction)).await.unwrap()
}

/// Hands a transaction to all nodes, which take it.
async fn take(nodes: &[Running], transaction: &Transaction) {
    for node in nodes {
        let answer = hand_in(node, transaction).await;
        assert!(matches!(answer, Submitted::Pending { .. } | Submitted::Exists { .. }), "{answer:?}");
    }
}

/// How often a node has refused something under this name.
fn counted(node: &Running, name: &str) -> u64 {
    let text = node.ledger.metrics_text().unwrap();
    let line = format!("voisin_ledger_refusals_total{{refusal=\"{name}\"}} ");
    text.lines().find_map(|found| found.strip_prefix(&line)).map_or(0, |count| count.parse().unwrap())
}

async fn until(nodes: &[Running], reached: impl Fn(&State) -> bool) {
    for node in nodes {
        let mut committed = node.ledger.committed();
        let waited = committed.wait_for(|_| reached(&node.ledger.head().state));
        tokio::time::timeout(PATIENCE, waited).await.unwrap().unwrap();
    }
}

/// What the same auction leads to where something else is claimed of a member.
fn settled_with(state: &State, honest: &Settlement, inputs: &[MemberInput]) -> Settlement {
    settled(state, honest.interval, &state.tie_seed(), inputs, honest.readings.clone())
}

fn one_nano_more(amount: Amount) -> Amount {
    amount.checked_add(Amount::from_nano(1)).unwrap()
}

/// Lies about an interval: what is told, under which name it is refused, and the transaction.
fn lies(
    community: &Community,
    state: &State,
    readings: &[SignedReading],
    honest: &Settlement,
) -> Vec<(&'static str, LedgerRefusal, Transaction)> {
    let told = |change: &dyn Fn(&mut Settlement)| {
        let mut settlement = honest.clone();
        change(&mut settlement);
        assert_ne!(settlement, *honest, "a lie");
        community.transaction(settlement, readings)
    };
    let inputs = community.inputs(state, readings);
    let without_order = {
        let mut inputs = inputs.clone();
        let limited = inputs.iter_mut().find(|input| input.buy_cap.is_some()).unwrap();
        limited.buy_cap = None;
        settled_with(state, honest, &inputs)
    };
    assert_ne!(without_order.trades, honest.trades, "the order that is dropped mattered");
    let by = |key: &SecretKey| {
        let signed = Signed::sign(honest.clone(), &community.genesis.chain(), key);
        let readings = readings.iter().map(Sealed::from).collect();
        Transaction::Settle { settlement: Sealed::from(&signed), readings }
    };
    let mut forged = by(&community.market);
    let Transaction::Settle { settlement, .. } = &mut forged else { unreachable!("a settlement") };
    let mut bytes = settlement.bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    *settlement = bytes.into();
    use LedgerRefusal::{BadSignature, ClearingDiffers, IntervalNotNext, ReadingsDiffer, UnknownSigner};
    vec![
        ("drops an order", ClearingDiffers, community.transaction(without_order, readings)),
        (
            "shifts the price",
            ClearingDiffers,
            told(&|settlement| {
                settlement.price = settlement.price.and_then(|price| Price::from_micro(price.micro() + 1));
            }),
        ),
        (
            "takes one billionth more than it gives",
            ClearingDiffers,
            told(&|settlement| {
                let line = settlement.lines.iter_mut().find(|line| !line.bought.is_zero()).unwrap();
                line.paid = one_nano_more(line.paid);
            }),
        ),
        (
            "takes it from one and keeps it",
            ClearingDiffers,
            told(&|settlement| {
                let line = settlement.lines.iter_mut().find(|line| !line.bought.is_zero()).unwrap();
                line.paid = one_nano_more(line.paid);
                settlement.operator = one_nano_more(settlement.operator);
            }),
        ),
        (
            "gives a trade to another buyer",
            ClearingDiffers,
            told(&|settlement| {
                let other = settlement
                    .trades
                    .iter()
                    .map(|trade| trade.buyer)
                    .find(|buyer| *buyer != settlement.trades[0].buyer);
                settlement.trades[0].buyer = other.unwrap();
            }),
        ),
        (
            "mints certificates for nothing",
            ClearingDiffers,
            told(&|settlement| {
                settlement.minted.push(settlement.minted[0]);
            }),
        ),
        ("hides that a meter was not read", ClearingDiffers, {
            let one_less: Vec<_> = readings[1..].to_vec();
            let mut settlement = community.settlement(state, &one_less);
            assert!(settlement.provisional.take().is_some(), "it is to be hidden");
            community.transaction(settlement, &one_less)
        }),
        (
            "leaves a reading out that it commits to",
            ReadingsDiffer,
            community.transaction(honest.clone(), &readings[1..]),
        ),
        (
            "settles the interval after the next",
            IntervalNotNext,
            told(&|settlement| {
                settlement.interval = settlement.interval.next().unwrap();
            }),
        ),
        ("is another market", UnknownSigner, by(&SecretKey::from_seed(&[77; 32]))),
        ("changes what it has signed", BadSignature, forged),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_lie_is_refused_by_all_four_by_name_and_counted_and_the_chain_goes_on() {
    let mut community = Community::new(7, VALIDATORS);
    let directory = tempfile::tempdir().unwrap();
    let nodes = start_all(directory.path(), &community, VALIDATORS, 3_600_000).await;

    // An order that stands from the second interval on, and the first interval.
    let state = nodes[0].ledger.head().state.clone();
    let readings = community.read_all(state.next());
    let draws = |input: &&MemberInput| input.values.is_some_and(|values| !values.import.is_zero());
    let buyer = community.inputs(&state, &readings).iter().find(draws).unwrap().member;
    let member = community.members.iter().position(|member| member.id == buyer).unwrap();
    let valid_from = state.next().next().unwrap();
    let buy_cap = Some(Energy::from_wh(100));
    let order = Order { sequence: 1, valid_from, buy: None, sell: None, buy_cap, sell_cap: None };
    take(&nodes, &community.order(member, order)).await;
    let ordered = |state: &State| state.members().any(|(_, member)| member.order_sequence() == 1);
    until(&nodes, ordered).await;
    take(&nodes, &community.transaction(community.settlement(&state, &readings), &readings)).await;
    until(&nodes, |state| state.settlements() == 1).await;

    let state = nodes[0].ledger.head().state.clone();
    let readings = community.read_all(state.next());
    let honest = community.settlement(&state, &readings);
    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    for (lie, refusal, transaction) in lies(&community, &state, &readings, &honest) {
        *expected.entry(refusal.name()).or_default() += 1;
        for node in &nodes {
            let answer = hand_in(node, &transaction).await;
            let Submitted::Refused { refusal: name, detail, .. } = answer else { panic!("{lie}: {answer:?}") };
            assert_eq!(name, refusal.name(), "{lie}: {detail}");
            assert!(!node.ledger.is_waiting(&transaction.id()), "{lie}");
            assert_eq!(counted(node, &name), expected[refusal.name()], "{lie}");
        }
    }
    for node in &nodes {
        assert_eq!(node.ledger.head().state.root(), state.root(), "no lie has changed anything");
    }

    take(&nodes, &community.transaction(honest.clone(), &readings)).await;
    until(&nodes, |state| state.settlements() == 2).await;
    let after = nodes[0].ledger.head().state.clone();
    for node in &nodes {
        let state = &node.ledger.head().state;
        assert_eq!((state.root(), state.balances_sum()), (after.root(), 0));
        // Once it is settled, no other settlement takes its place.
        let mut again = honest.clone();
        again.price = again.price.and_then(|price| Price::from_micro(price.micro() + 1));
        let answer = hand_in(node, &community.transaction(again, &readings)).await;
        let Submitted::Refused { refusal, .. } = answer else { panic!("{answer:?}") };
        assert_eq!(refusal, "exists_with_different_price");
    }
    for node in nodes {
        node.stop().await.unwrap();
    }
}
