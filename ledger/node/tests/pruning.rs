//! Corrections, and what stays true once readings are pruned: the audit, the state, and every receipt.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;

use indicatif::ProgressBar;
use ledger::proof::Verifier;
use ledger_node::{
    audit::audit,
    node::{Ledger, prune_next},
    store::{MemoryStore, Store},
};
use protocol::{
    correction::{Correction, Validated, Values},
    decision::Action,
    energy::Energy,
    genesis::{Genesis, GenesisMember},
    interval::Interval,
    key::SecretKey,
    member::MemberId,
    money::Price,
    receipt::Receipt,
};
use support::history::History;

fn receipts(genesis: &Genesis, store: &Arc<MemoryStore>, from: Interval) -> Vec<Receipt> {
    let (ledger, _) = Ledger::open(genesis.clone(), store.clone(), None).unwrap();
    let settled = ledger.settlements(from, 100).unwrap();
    let of = |interval| [ledger.receipts(interval).unwrap(), ledger.correction_receipts(interval).unwrap()].concat();
    settled.iter().flat_map(|settled| of(settled.interval)).collect()
}

#[test]
fn an_eventful_ledger_is_in_order_before_and_after_its_readings_are_pruned() {
    let History { community, store, state, .. } = History::eventful();
    let store = Arc::new(store);
    let first = community.genesis.first_interval;
    let before = audit(&community.genesis, &*store, &ProgressBar::hidden()).unwrap();
    assert_eq!((before.settlements, before.settlements_pruned, before.corrections), (4, 0, 2));
    assert_eq!(before.recomputed_from, Some(first));
    assert_eq!(before.state_root, state.root().hash);
    let old = receipts(&community.genesis, &store, first);
    assert_eq!(old.len(), 5 * (4 + 2));

    let last = store.height().unwrap();
    let mut pruned = Vec::new();
    for height in 1..=last {
        assert_eq!(prune_next(&*store, &community.genesis).unwrap(), Some(height));
        let after = audit(&community.genesis, &*store, &ProgressBar::hidden()).unwrap();
        assert_eq!(after.state_root, before.state_root, "block {height} pruned");
        assert_eq!((after.settlements, after.corrections, after.balances_sum), (4, 2, 0));
        pruned.push((after.settlements_pruned, after.recomputed_from.map(|from| from.since(first).unwrap())));
        assert_eq!(receipts(&community.genesis, &store, first), old, "block {height} pruned");
    }
    assert_eq!(pruned.first(), Some(&(1, Some(1))));
    assert_eq!(pruned.last(), Some(&(4, None)));
    assert!(pruned.is_sorted());
    assert_eq!(prune_next(&*store, &community.genesis).unwrap(), None);
    let verifier = Verifier::new(&community.genesis);
    assert!(old.iter().all(|receipt| verifier.verify(receipt).is_ok()));
}

#[test]
fn a_ledger_goes_on_after_pruning() {
    let mut history = History::new(4, 4);
    for _ in 0..6 {
        history.settle();
        prune_next(&history.store, &history.community.genesis).unwrap();
    }
    history.settle();
    let report = audit(&history.community.genesis, &history.store, &ProgressBar::hidden()).unwrap();
    assert_eq!((report.settlements, report.settlements_pruned), (7, 6));
    assert_eq!(report.readings, 4, "those of the last settlement were verified");
}

#[test]
fn a_lie_about_a_pruned_block_is_found() {
    use protocol::{
        block::{Block, Transaction},
        cbor,
        envelope::{Sealed, Signed},
        settlement::Settlement,
    };
    let History { community, store, .. } = History::eventful();
    let genesis = &community.genesis;
    prune_next(&store, genesis).unwrap();
    let honest = store.block(1).unwrap().unwrap();
    let lying = |change: &dyn Fn(&mut ledger_node::store::StoredBlock)| {
        let store = History::eventful().store;
        let mut block = honest.clone();
        change(&mut block);
        store
            .prune(&ledger_node::store::Pruning {
                height: 1,
                body: block.body,
                heads: block.pruned.unwrap(),
                last: Vec::new(),
                intervals: Vec::new(),
            })
            .unwrap();
        audit(genesis, &store, &ProgressBar::hidden()).unwrap_err().to_string()
    };
    let other_head = lying(&|block| block.pruned.as_mut().unwrap()[0][0].1 = protocol::hash::Hash::ZERO);
    assert!(other_head.contains("header field `state`"), "{other_head}");
    let no_settlement = lying(&|block| {
        let mut whole: Block = cbor::decode(&block.body).unwrap();
        whole.transactions.retain(|transaction| !matches!(transaction, Transaction::Settle { .. }));
        block.body = cbor::encode(&whole);
    });
    assert!(no_settlement.contains("block 1: header field"), "{no_settlement}");
    let other_tariffs = lying(&|block| {
        let mut whole: Block = cbor::decode(&block.body).unwrap();
        let [Transaction::Settle { settlement, .. }] = &mut whole.transactions[..] else { panic!("one settlement") };
        let opened = settlement.open::<Settlement>(&genesis.chain(), |_| true).unwrap();
        let mut content = opened.payload().clone();
        content.tariffs.feed_in_price = content.tariffs.retail_price;
        *settlement = Sealed::from(&Signed::sign(content, &genesis.chain(), &community.market));
        block.body = cbor::encode(&whole);
    });
    assert!(other_tariffs.contains("`tariffs`"), "{other_tariffs}");
    let lost = lying(&|_| {});
    assert!(lost.contains("expected the last pruned reading"), "{lost}");
}

#[test]
fn every_lie_in_a_correction_is_refused_by_name() {
    let mut history = History::new(5, 4);
    let first = history.settle();
    let second = history.settle();
    let member = history.community.members[0].id;
    let values = |wh| [(member, Values { export: Energy::from_wh(wh), ..Values::default() })];
    let honest = history.correction(first, 1, &values(400));
    type Lie<'a> = (&'a str, Box<dyn Fn(&mut Correction) + 'a>);
    let lies: Vec<Lie> = vec![
        ("clearing_differs", Box::new(|it| it.settlement.lines[0].sold = Energy::from_wh(1))),
        ("clearing_differs", Box::new(|it| it.settlement.tariffs.feed_in_price = Price::MIN)),
        ("clearing_differs", Box::new(|it| it.settlement.interval = second)),
        ("clearing_differs", Box::new(|it| it.settlement.readings.clear())),
        ("clearing_differs", Box::new(|it| it.settlement.minted.clear())),
        ("other_settlement_in_force", Box::new(|it| it.reversed.lines[0].sold = Energy::from_wh(1))),
        ("nothing_to_correct", Box::new(|it| it.reversed.interval = second.offset(7).unwrap())),
        ("correction_not_next", Box::new(|it| it.number = 2)),
        ("other_inputs", Box::new(|it| it.inputs[0].buy_cap = Some(Energy::ZERO))),
        ("values_not_ascending", Box::new(|it| it.values.clear())),
        ("values_not_ascending", Box::new(|it| it.values.push(it.values[0]))),
        ("implausible_values", Box::new(|it| it.values[0].values.export = Energy::from_wh(25_001))),
        ("unknown_member", Box::new(|it| it.values[0].member = MemberId::from_bytes([0; 16]))),
    ];
    let before = history.state.root();
    for (name, lie) in lies {
        let mut correction = honest.clone();
        lie(&mut correction);
        assert_ne!(correction, honest, "{name}: nothing was changed");
        let transaction = history.community.decide(1, Action::Correct(Box::new(correction)));
        let refusal = history.state.apply(&transaction).unwrap_err();
        assert_eq!(refusal.name(), name, "{refusal}");
        assert_eq!(history.state.root(), before);
    }
    let other = history.correction(second, 1, &values(300));
    let mut lie = other.clone();
    lie.number = 2;
    let none: Vec<Correction> = Vec::new();
    for (name, corrections) in [
        ("corrections_not_ascending", none),
        ("corrections_not_ascending", vec![honest.clone(), honest.clone()]),
        ("corrections_not_ascending", vec![other.clone(), honest.clone()]),
        ("correction_not_next", vec![honest.clone(), lie]),
    ] {
        let transaction = history.community.decide(1, Action::TrueUp(corrections));
        assert_eq!(history.state.apply(&transaction).unwrap_err().name(), name);
        assert_eq!(history.state.root(), before, "all of them, or none");
    }
    let newcomer = GenesisMember {
        member: MemberId::from_bytes([0xff; 16]),
        key: SecretKey::from_seed(&[77; 32]).public(),
        device: SecretKey::from_seed(&[78; 32]).public(),
        ..history.community.genesis.members[0].clone()
    };
    let mut of_a_stranger = honest.clone();
    of_a_stranger.values.push(Validated { member: newcomer.member, values: Values::default() });
    history.block(vec![history.community.decide(1, Action::RegisterMember(Box::new(newcomer)))]);
    let transaction = history.community.decide(2, Action::Correct(Box::new(of_a_stranger)));
    assert_eq!(history.state.apply(&transaction).unwrap_err().name(), "values_of_strangers");
    history.correct(2, first, 1, &values(400));
    let corrected = history.state.record(first).unwrap();
    let minted: u64 = corrected.issues[0].bundles.iter().map(|bundle| bundle.energy.wh()).sum();
    assert_eq!((corrected.corrections, minted), (1, 400), "certificates that nobody moved are issued anew");
}
