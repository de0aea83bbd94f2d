//! Signatures made to part verifiers from each other: alone and in a batch, the answer is the same.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use curve25519_dalek::{
    EdwardsPoint, Scalar,
    constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION},
};
use protocol::{
    batch::Claims,
    envelope::{EnvelopeError, Sealed, Signed, open_all_with},
    hash::Hash,
    key::{Claim, KnownKey, PublicKey, SecretKey, Signature, all_hold},
    order::Order,
    reading::{Reading, Registers, SignedReading},
};
use sha2::{Digest, Sha512};

/// A claim whose key and nonce have a part of small order added, as RFC 8032 neither makes nor forbids.
fn crafted(message: &[u8], of_key: EdwardsPoint, of_nonce: EdwardsPoint) -> Claim {
    let (secret, nonce) = (Scalar::from(0x5eed_u64), Scalar::from(0x1234_5678_u64));
    let key = (ED25519_BASEPOINT_POINT * secret + of_key).compress().to_bytes();
    let r = (ED25519_BASEPOINT_POINT * nonce + of_nonce).compress().to_bytes();
    let digest = Sha512::new().chain_update(r).chain_update(key).chain_update(message).finalize();
    let s = nonce + Scalar::from_bytes_mod_order_wide(&digest.into()) * secret;
    let signature = [r, s.to_bytes()].concat().try_into().unwrap();
    Claim {
        signer: PublicKey::from_bytes(&key).unwrap(),
        message: message.into(),
        signature: Signature::from_bytes(signature),
    }
}

fn honest(seed: u8, message: &[u8]) -> Claim {
    let key = SecretKey::from_seed(&[seed; 32]);
    Claim { signer: key.public(), message: message.into(), signature: key.sign(message) }
}

/// Which of the claims hold, asked together as those of known keys.
fn which_hold(claims: &[&Claim]) -> Vec<bool> {
    let mut known = Claims::default();
    for claim in claims {
        known.add(KnownKey::from(&claim.signer), &claim.signature, |bytes| bytes.extend(&claim.message));
    }
    known.which_hold(usize::MAX)
}

/// Whether the batch equation that is tried first holds for a claim and one that is honest.
fn passes_without_cofactor(claim: &Claim) -> bool {
    let claims = [claim, &honest(1, b"one")];
    let messages = claims.map(|claim| claim.message.as_slice());
    let signatures = claims.map(|claim| ed25519_dalek::Signature::from_bytes(claim.signature.as_bytes()));
    let keys = claims.map(|claim| ed25519_dalek::VerifyingKey::from_bytes(claim.signer.as_bytes()).unwrap());
    ed25519_dalek::verify_batch(&messages, &signatures, &keys).is_ok()
}

#[test]
fn what_has_a_part_of_small_order_is_valid_alone_and_in_any_batch() {
    let (mut strictly_refused, mut refused_without_cofactor) = (0, 0);
    for of_key in EIGHT_TORSION {
        for of_nonce in EIGHT_TORSION {
            let claim = crafted(b"a reading", of_key, of_nonce);
            assert!(claim.holds());
            assert!(all_hold([&claim]));
            let batch = [&honest(1, b"one"), &claim, &honest(2, b"two"), &claim];
            assert!(all_hold(batch));
            assert_eq!(which_hold(&batch), [true; 4]);
            refused_without_cofactor += u32::from(!passes_without_cofactor(&claim));
            let strict = ed25519_dalek::VerifyingKey::from_bytes(claim.signer.as_bytes()).unwrap();
            let bytes = hex::decode(claim.signature.to_string()).unwrap();
            let signature = ed25519_dalek::Signature::from_slice(&bytes).unwrap();
            strictly_refused += u32::from(strict.verify_strict(&claim.message, &signature).is_err());
        }
    }
    assert!(strictly_refused > 40, "the cases must be ones on which verifiers differ: {strictly_refused} of 64");
    assert!(refused_without_cofactor > 40, "and ones on which batches differ: {refused_without_cofactor} of 64");
}

#[test]
fn one_bad_signature_spoils_its_batch_wherever_it_is() {
    let claims: Vec<Claim> = (1..=20).map(|seed| honest(seed % 7 + 1, &[seed; 40])).collect();
    assert!(all_hold(&claims));
    assert!(all_hold([]));
    for position in 0..claims.len() {
        let mut spoilt = claims.clone();
        spoilt[position].message[0] ^= 0x80;
        assert!(!spoilt[position].holds());
        assert!(!all_hold(&spoilt));
        let others = |other: usize| other != position;
        assert_eq!(which_hold(&spoilt.iter().collect::<Vec<_>>()), (0..20).map(others).collect::<Vec<_>>());
    }
    let malleable = {
        let mut claim = honest(1, b"s + l");
        let mut bytes: [u8; 64] = hex::decode(claim.signature.to_string()).unwrap().try_into().unwrap();
        // s + l, the group order: the same scalar, another spelling.
        let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
        let mut carry = 0;
        for (byte, add) in bytes[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
        claim.signature = Signature::from_bytes(bytes);
        claim
    };
    assert!(!malleable.holds() && !all_hold([&malleable]));
    assert_eq!(which_hold(&[&malleable]), [false]);
    assert_eq!(which_hold(&[&claims[0], &malleable, &claims[1]]), [true, false, true]);
}

fn reading(seed: u8, sequence: u64) -> SignedReading {
    let reading = Reading {
        interval: "2026-06-01T12:00:00Z/PT15M".parse().unwrap(),
        sequence,
        previous: Hash::ZERO,
        registers: Registers { import_wh: 5, export_wh: 6 },
        salt: [0; 16],
    };
    Signed::sign(reading, &Hash::ZERO, &SecretKey::from_seed(&[seed; 32]))
}

fn sealed(messages: &[Vec<u8>]) -> Vec<Sealed> {
    messages.iter().map(|bytes| Sealed::from(bytes.as_slice())).collect()
}

#[test]
fn many_messages_open_as_each_of_them_does() {
    let good: Vec<SignedReading> = (1..=5).map(|seed| reading(seed, seed.into())).collect();
    let open_all = |messages: &[Vec<u8>], unknown: Option<PublicKey>| {
        let known = |bytes: &[u8; 32]| PublicKey::from_bytes(bytes).filter(|key| Some(*key) != unknown);
        Signed::<Reading>::open_all(&sealed(messages), &Hash::ZERO, known)
    };
    let bytes: Vec<Vec<u8>> = good.iter().map(|signed| signed.bytes().to_vec()).collect();
    assert_eq!(open_all(&bytes, None), Ok(good.clone()));
    assert_eq!(open_all(&[], None), Ok(vec![]));

    let unknown = good[3].signer();
    assert_eq!(open_all(&bytes, Some(unknown)), Err((3, EnvelopeError::UnknownSigner(unknown))));
    let mut forged = bytes.clone();
    *forged[1].last_mut().unwrap() ^= 1;
    assert_eq!(open_all(&forged, Some(unknown)), Err((1, EnvelopeError::BadSignature)), "the first fault is named");
    *forged[4].last_mut().unwrap() ^= 1;
    assert_eq!(open_all(&forged[2..], None), Err((2, EnvelopeError::BadSignature)));
    for position in 0..bytes.len() {
        let mut cut = bytes.clone();
        cut[position].pop();
        let alone = Signed::<Reading>::open(&cut[position], &Hash::ZERO, |_| true).unwrap_err();
        assert_eq!(open_all(&cut, None), Err((position, alone)));
    }
}

#[test]
fn messages_of_two_kinds_open_together_where_all_and_every_claim_beside_them_are_good() {
    let key = SecretKey::from_seed(&[9; 32]);
    let valid_from = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
    let order = Order { sequence: 1, valid_from, buy: None, sell: None, buy_cap: None, sell_cap: None };
    let order = Signed::sign(order, &Hash::ZERO, &key);
    let readings = [reading(1, 1), reading(2, 2)];
    let claim = Claim { signer: key.public(), message: b"a vote".to_vec(), signature: key.sign(b"a vote") };
    let bytes = [order.bytes(), readings[0].bytes(), readings[1].bytes()].map(<[u8]>::to_vec);
    let open = |bytes: &[Vec<u8>; 3], claim: &Claim| {
        open_all_with::<Order, Reading>(&sealed(&bytes[..1]), &sealed(&bytes[1..]), &Hash::ZERO, vec![claim.clone()])
    };
    assert_eq!(open(&bytes, &claim), Some((vec![order], readings.to_vec())));
    assert_eq!(open(&bytes, &Claim { message: b"another vote".to_vec(), ..claim.clone() }), None);
    for position in 0..bytes.len() {
        let mut forged = bytes.clone();
        *forged[position].last_mut().unwrap() ^= 1;
        assert_eq!(open(&forged, &claim), None, "forged at {position}");
        let mut cut = bytes.clone();
        cut[position].pop();
        assert_eq!(open(&cut, &claim), None, "cut at {position}");
    }
    let [order, first, _] = bytes;
    assert_eq!(open(&[first.clone(), first, order], &claim), None, "each of its kind");
}

#[test]
fn each_of_many_messages_opens_as_it_does_alone_whatever_the_others_are() {
    let good: Vec<SignedReading> = (1..=20).map(|seed| reading(seed, seed.into())).collect();
    let mut messages: Vec<Vec<u8>> = good.iter().map(|signed| signed.bytes().to_vec()).collect();
    let unknown = good[3].signer();
    for forged in [0, 5, 6, 19] {
        *messages[forged].last_mut().unwrap() ^= 1;
    }
    messages[8].pop();
    messages[9].clear();
    messages[10] = vec![0; 2_000];
    messages.insert(12, messages[5].clone());
    messages.insert(13, messages[11].clone());
    let known = |key: &[u8; 32]| KnownKey::from_bytes(key).filter(|key| PublicKey::from(*key) != unknown);
    let opened = Signed::<Reading>::open_each(&sealed(&messages), &Hash::ZERO, known, usize::MAX);
    let alone = |bytes: &Vec<u8>| Signed::<Reading>::open(bytes, &Hash::ZERO, |key| *key != unknown);
    assert_eq!(opened, messages.iter().map(alone).collect::<Vec<_>>());
    assert_eq!(opened.iter().filter(|opened| opened.is_ok()).count(), 13);
    assert_eq!(Signed::<Reading>::open_each([], &Hash::ZERO, known, usize::MAX), []);
}
