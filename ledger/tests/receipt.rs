//! Receipts: proved offline, and refused if a single byte is another.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use ledger::{
    chain::{self, Tip},
    proof::{ProofError, Verifier},
};
use protocol::receipt::Receipt;
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
