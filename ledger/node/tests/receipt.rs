//! Receipts: proved offline, and refused if a single byte is another.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use ledger::{
    chain::{self, Tip},
    proof::{ProofError, Verifier},
};
use protocol::{energy::Energy, genesis::Technology, member::MemberId, neighbour::Neighbour, receipt::Receipt};
use support::Community;

fn receipts() -> (Community, Vec<Receipt>) {
    let mut community = Community::new(5, 4);
    let state = community.state();
    let readings = community.read_all(state.next());
    let settlement = community.settlement(&state, &readings);
    let transaction = community.transaction(settlement, &readings);
    let tip = Tip { height: 0, block: community.genesis.chain() };
    let (block, _, refused) = chain::build(&state, tip, [(transaction, Vec::new())]);
    assert_eq!(refused, []);
    let certificate = community.certificate(1, block.header.hash());
    let receipts = chain::receipts(
        &block.header,
        &certificate,
        &chain::settlements(&community.genesis.chain(), &block).unwrap(),
        &[],
    );
    (community, receipts)
}

#[test]
fn every_member_has_a_receipt_that_proves_its_line() {
    let (community, receipts) = receipts();
    let verifier = Verifier::new(&community.genesis);
    assert_eq!(receipts.len(), 5);
    for receipt in &receipts {
        assert_eq!(verifier.verify(receipt), Ok(()));
        assert_eq!(Receipt::from_json(&receipt.to_json()).as_ref(), Ok(receipt));
    }
}

#[test]
fn a_receipt_with_any_byte_changed_is_refused() {
    let (community, receipts) = receipts();
    let verifier = Verifier::new(&community.genesis);
    let json = receipts[1].to_json();
    let mut parsed = 0;
    for position in 0..json.len() {
        for change in [1, 2, 0x20, 0x80] {
            let mut changed = json.clone();
            changed[position] ^= change;
            if let Ok(receipt) = Receipt::from_json(&changed) {
                parsed += 1;
                assert!(verifier.verify(&receipt).is_err(), "byte {position} ^ {change}");
            }
        }
    }
    assert!(parsed > 500, "changes that are still well-formed receipts were tried: {parsed}");
}

#[test]
fn a_receipt_proves_whom_its_member_traded_with_to_the_last_wh() {
    let (community, receipts) = receipts();
    let verifier = Verifier::new(&community.genesis);
    let mut traded = 0;
    for receipt in &receipts {
        let line = &receipt.entry.line;
        let sum = |of: fn(&Neighbour) -> Energy| receipt.neighbours.iter().map(|it| of(it).wh()).sum::<u64>();
        assert_eq!((sum(|it| it.bought), sum(|it| it.sold)), (line.bought.wh(), line.sold.wh()));
        for neighbour in &receipt.neighbours {
            let theirs = receipts.iter().find(|it| it.entry.line.member == neighbour.member).unwrap();
            let back = theirs.neighbours.iter().find(|it| it.member == line.member).unwrap();
            assert_eq!((back.bought, back.sold), (neighbour.sold, neighbour.bought), "both sides say the same");
            let technology =
                community.state().members().find(|(id, _)| **id == neighbour.member).unwrap().1.technology();
            assert_eq!(neighbour.technology, technology.filter(|_| !neighbour.bought.is_zero()));
            traded += 1;
        }
        if receipt.neighbours.is_empty() {
            continue;
        }
        type Lie<'a> = &'a dyn Fn(&mut Vec<Neighbour>);
        let refused = |change: Lie<'_>| {
            let mut receipt = receipt.clone();
            change(&mut receipt.neighbours);
            verifier.verify(&receipt)
        };
        let lies: [Lie<'_>; 4] = [
            &|it| it[0].member = MemberId::from_bytes([9; 16]),
            &|it| it[0].bought = Energy::from_wh(it[0].bought.wh() + 1),
            &|it| it[0].technology = Some(Technology::Geothermal),
            &|it| it.push(it[0]),
        ];
        for lie in lies {
            assert!(matches!(refused(lie), Err(ProofError::OtherNeighbours { .. })));
        }
        // Held back, they prove nothing wrong: the line is proved, and that there are some.
        let mut silent = receipt.clone();
        silent.neighbours.clear();
        assert!(silent.lacks_neighbours() && !receipt.lacks_neighbours());
        assert_eq!(verifier.verify(&silent), Ok(()));
        silent.entry.neighbours = None;
        assert_eq!(verifier.verify(&silent), Err(ProofError::NotIncluded));
    }
    assert!(traded > 2, "{traded}");
}

/// Receipts of a ledger whose validators have changed twice.
fn far_receipts() -> (support::history::History, Vec<Receipt>) {
    let mut history = support::history::History::new(3, 4);
    history.settle();
    history.replace_validator(1, 201);
    history.replace_validator(2, 202);
    let interval = history.settle();
    let store = std::sync::Arc::new(std::mem::take(&mut history.store));
    let (ledger, _) = ledger_node::node::Ledger::open(history.community.genesis.clone(), store, None).unwrap();
    let receipts = ledger.receipts(interval).unwrap();
    assert_eq!(receipts[0].steps.len(), 2);
    (history, receipts)
}

#[test]
fn a_receipt_follows_the_validators_from_the_genesis_and_no_byte_of_the_way_can_be_changed() {
    let (history, receipts) = far_receipts();
    let verifier = Verifier::new(&history.community.genesis);
    assert_eq!(verifier.verify(&receipts[0]), Ok(()));
    let json = receipts[0].to_json();
    let mut parsed = 0;
    for position in 0..json.len() {
        let mut changed = json.clone();
        changed[position] ^= 1;
        if let Ok(receipt) = Receipt::from_json(&changed) {
            parsed += 1;
            assert!(verifier.verify(&receipt).is_err(), "byte {position}");
        }
    }
    assert!(parsed > 1_000, "changes that are still well-formed receipts were tried: {parsed}");
}

#[test]
fn a_way_that_does_not_lead_there_is_refused_by_name() {
    let (history, receipts) = far_receipts();
    let verifier = Verifier::new(&history.community.genesis);
    let refused = |change: &dyn Fn(&mut Receipt)| {
        let mut receipt = receipts[0].clone();
        change(&mut receipt);
        verifier.verify(&receipt).unwrap_err()
    };
    assert!(matches!(refused(&|it| it.steps.clear()), ProofError::OtherValidators { .. }));
    assert!(matches!(refused(&|it| drop(it.steps.remove(0))), ProofError::OtherValidators { .. }));
    assert!(matches!(refused(&|it| drop(it.steps.pop())), ProofError::OtherValidators { .. }));
    assert!(matches!(refused(&|it| it.steps.swap(0, 1)), ProofError::OtherValidators { .. }));
    assert!(matches!(refused(&|it| it.steps[0].validators.truncate(1)), ProofError::NoHandover { .. }));
    let twice = |it: &mut Receipt| it.steps.push(it.steps[1].clone());
    assert!(matches!(refused(&twice), ProofError::NotAscending { .. }));
    let other = |it: &mut Receipt| it.steps[0].certificate = it.steps[1].certificate.clone();
    assert!(matches!(refused(&other), ProofError::OtherBlock { .. }));
    let few = |it: &mut Receipt| it.steps[1].certificate.signatures.truncate(2);
    assert!(matches!(refused(&few), ProofError::Certificate { .. }));
}

#[test]
fn a_receipt_proves_the_tariffs_in_force_in_its_interval_and_no_others() {
    use protocol::{decision::Action, genesis::Rules};
    let mut history = support::history::History::new(3, 4);
    let before = history.settle();
    let old = history.community.genesis.rules.clone();
    let new = Rules { retail_price: "0.35".parse().unwrap(), feed_in_price: "0.05".parse().unwrap(), ..old.clone() };
    let from = history.state.next().next().unwrap();
    let set_rules = Action::SetRules { from, rules: new.clone(), grid: None };
    history.block(vec![history.community.decide(1, set_rules)]);
    let decided = history.settle();
    let after = history.settle();
    assert_eq!(after, from);
    let store = std::sync::Arc::new(std::mem::take(&mut history.store));
    let (ledger, _) = ledger_node::node::Ledger::open(history.community.genesis.clone(), store, None).unwrap();
    let verifier = Verifier::new(&history.community.genesis);
    for (interval, rules) in [(before, &old), (decided, &old), (after, &new)] {
        for receipt in ledger.receipts(interval).unwrap() {
            assert_eq!(receipt.entry.tariffs, rules.tariffs(), "{interval}");
            assert_eq!(verifier.verify(&receipt), Ok(()), "{interval}");
            let other = if *rules == old { &new } else { &old };
            let mut claims = receipt.clone();
            claims.entry.tariffs = other.tariffs();
            assert_eq!(verifier.verify(&claims), Err(ProofError::NotIncluded), "tariffs of another time");
        }
    }
}

#[test]
fn a_receipt_of_others_proves_nothing() {
    let (community, receipts) = receipts();
    let mut other = Community::new(5, 4).genesis;
    other.community = "another".into();
    assert!(matches!(Verifier::new(&other).verify(&receipts[0]), Err(ProofError::OtherChain { .. })));

    let verifier = Verifier::new(&community.genesis);
    let mut few = receipts[0].clone();
    few.certificate.signatures.truncate(2);
    assert!(matches!(verifier.verify(&few), Err(ProofError::Certificate { .. })));

    let mut twice = receipts[0].clone();
    twice.certificate.signatures[1] = twice.certificate.signatures[0].clone();
    assert!(matches!(verifier.verify(&twice), Err(ProofError::Certificate { .. })));
}

/// A genesis, its hash and receipts to check another light client against. Made anew with `VOISIN_WRITE_VECTORS=1`.
#[test]
fn the_published_vectors_are_what_this_program_makes_and_accepts() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../protocol/vectors/receipts.json");
    let (history, far) = far_receipts();
    let (community, near) = receipts();
    let vector = |genesis: &protocol::genesis::Genesis, receipt: &Receipt| {
        serde_json::json!({
            "genesis": genesis,
            "chain": genesis.chain(),
            "genesis_cbor": hex(&protocol::cbor::encode(genesis)),
            "header_cbor": hex(&protocol::cbor::encode(&receipt.header)),
            "entry_cbor": hex(&receipt.leaf()),
            "receipt": receipt,
        })
    };
    let made = serde_json::json!([vector(&community.genesis, &near[1]), vector(&history.community.genesis, &far[0]),]);
    let text = serde_json::to_string_pretty(&made).unwrap() + "\n";
    if std::env::var_os("VOISIN_WRITE_VECTORS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
