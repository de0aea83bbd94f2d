//! The audit of blocks whose signatures are verified together.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use indicatif::ProgressBar;
use ledger_node::{
    audit::{AuditError, audit},
    store::{Commit, MemoryStore, Store, StoredBlock},
};
use protocol::{
    block::{Block, Transaction},
    cbor,
    commit::CommitError,
    envelope::Sealed,
    key::Signature,
};
use support::{Community, ledger_of};

/// So many that there are two batches.
const BLOCKS: u64 = 70;

fn with_a_bit_flipped(message: &Sealed) -> Sealed {
    let mut bytes = message.bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    bytes.into()
}

#[test]
fn a_signature_that_does_not_hold_is_named_whatever_it_was_verified_with() {
    let mut community = Community::new(3, 4);
    let (honest, _) = ledger_of(&mut community, BLOCKS, || {});
    let audited = |store: &MemoryStore| audit(&community.genesis, store, &ProgressBar::hidden());
    assert_eq!(audited(&honest).unwrap().settlements, BLOCKS);

    // The same blocks, one of them forged.
    let forged = |height: u64, forge: &dyn Fn(&mut StoredBlock)| {
        let store = MemoryStore::default();
        for at in 1..=BLOCKS {
            let mut stored = honest.block(at).unwrap().unwrap();
            if at == height {
                forge(&mut stored);
            }
            store.commit(&Commit::only(&stored)).unwrap();
        }
        audited(&store).unwrap_err()
    };
    let in_body = |stored: &mut StoredBlock, forge: &dyn Fn(&mut Sealed, &mut Vec<Sealed>)| {
        let mut block: Block = cbor::decode(&stored.body).unwrap();
        let [Transaction::Settle { settlement, readings }] = &mut block.transactions[..] else {
            panic!("one settlement")
        };
        forge(settlement, readings);
        stored.body = cbor::encode(&block);
    };
    for height in [1, 40, BLOCKS] {
        let commit = |stored: &mut StoredBlock| {
            let signed = &mut stored.certificate.signatures[2];
            let mut bytes = *signed.signature.as_bytes();
            bytes[63] ^= 1;
            signed.signature = Signature::from_bytes(bytes);
        };
        let signer = honest.block(height).unwrap().unwrap().certificate.signatures[2].validator;
        let error = forged(height, &commit);
        let AuditError::Certificate { height: found, error } = error else { panic!("{height}: {error}") };
        assert_eq!((found, error), (height, CommitError::BadSignature(signer)));

        let settlement = |stored: &mut StoredBlock| in_body(stored, &|it, _| *it = with_a_bit_flipped(it));
        let reading = |stored: &mut StoredBlock| in_body(stored, &|_, of| of[1] = with_a_bit_flipped(&of[1]));
        for (forge, refusal) in [(&settlement as &dyn Fn(&mut StoredBlock), "bad_signature"), (&reading, "readings")] {
            let error = forged(height, forge);
            let AuditError::Block { height: found, error } = error else { panic!("{height}: {error}") };
            assert_eq!(found, height);
            assert!(error.name().contains(refusal), "{height}: {}", error.name());
        }
    }
}
