//! The envelope under attack: nothing passes but what was signed, for this community, in its one spelling.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use protocol::{
    block::Transaction,
    cbor,
    envelope::{EnvelopeError, Sealed, Signed},
    hash::Hash,
    key::SecretKey,
    order::Order,
    reading::{Reading, Registers},
};

fn reading() -> Reading {
    Reading {
        interval: "2026-06-01T12:00:00Z/PT15M".parse().unwrap(),
        sequence: 1,
        previous: Hash::ZERO,
        registers: Registers { import_wh: 5, export_wh: 6 },
        salt: [0; 16],
    }
}

fn name(error: EnvelopeError) -> &'static str {
    match error {
        EnvelopeError::TooLarge { .. } => "TooLarge",
        EnvelopeError::Malformed(_) => "Malformed",
        EnvelopeError::UnknownSigner(_) => "UnknownSigner",
        EnvelopeError::BadSignature => "BadSignature",
        EnvelopeError::BadContent(_) => "BadContent",
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let chain = Hash::of(b"here");
    let key = SecretKey::from_seed(&[1; 32]);
    let signed = Signed::sign(reading(), &chain, &key);
    for bit in 0..signed.bytes().len() * 8 {
        let mut flipped = signed.bytes().to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let opened = Signed::<Reading>::open(&flipped, &chain, |signer| *signer == key.public());
        assert!(opened.is_err(), "bit {bit}");
    }
    assert_eq!(Signed::<Reading>::open(signed.bytes(), &chain, |_| true), Ok(signed));
}

#[test]
fn what_is_wrong_is_named() {
    let [here, there] = [Hash::of(b"here"), Hash::of(b"there")];
    let key = SecretKey::from_seed(&[1; 32]);
    let signed = Signed::sign(reading(), &here, &key);
    let deep = [vec![0x81; 1_000], vec![0x80]].concat();
    let cases: [(&str, Vec<u8>, &Hash, bool); 8] = [
        ("UnknownSigner", signed.bytes().to_vec(), &here, false),
        ("BadSignature", signed.bytes().to_vec(), &there, true),
        ("TooLarge", vec![0; 10_000_000], &here, true),
        ("Malformed", deep, &here, true),
        ("Malformed", b"\xff\xfe not CBOR".to_vec(), &here, true),
        ("Malformed", b"{\"import\": 1e400}".to_vec(), &here, true),
        ("Malformed", Vec::new(), &here, true),
        ("Malformed", [signed.bytes(), b"\0"].concat(), &here, true),
    ];
    for (expected, bytes, chain, known) in cases {
        let error = Signed::<Reading>::open(&bytes, chain, |_| known).unwrap_err();
        assert_eq!(name(error), expected);
    }
}

#[test]
fn a_reading_does_not_pass_for_an_order() {
    let chain = Hash::of(b"here");
    let signed = Signed::sign(reading(), &chain, &SecretKey::from_seed(&[1; 32]));
    assert_eq!(Signed::<Order>::open(signed.bytes(), &chain, |_| true), Err(EnvelopeError::BadSignature));
}

#[test]
fn cbor_has_one_spelling() {
    let bytes = cbor::encode(&reading());
    assert_eq!(cbor::decode::<Reading>(&bytes).unwrap(), reading());
    assert!(cbor::decode::<Reading>(&[&bytes[..], &[0]].concat()).is_err(), "trailing byte");
    assert_eq!(bytes[0], 0x85);
    let indefinite = [&[0x9f], &bytes[1..], &[0xff]].concat();
    assert!(cbor::decode::<Reading>(&indefinite).is_err(), "indefinite length");
}

#[test]
fn a_committed_reading_is_spelled_as_documented() {
    let transaction = Transaction::CommitReading(Sealed::from(vec![0xd1, 0xd2]));
    assert_eq!(cbor::encode(&transaction), [0x82, 2, 0x81, 0x42, 0xd1, 0xd2], "[2, [message]] in docs/protocol.md");
}
