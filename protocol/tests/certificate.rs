//! Commit certificates: more than two thirds, each validator once, every signature good.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use protocol::{
    commit::{CommitCertificate, CommitError, CommitSignature, Validator, VoteKind, vote_bytes},
    hash::Hash,
    key::SecretKey,
};

fn keys() -> Vec<SecretKey> {
    let mut keys: Vec<_> = (1..=4).map(|seed| SecretKey::from_seed(&[seed; 32])).collect();
    keys.sort_by_key(SecretKey::public);
    keys
}

fn certificate(signers: &[&SecretKey], kind: VoteKind) -> CommitCertificate {
    let block = Hash::of(b"block");
    let message = vote_bytes(&Hash::ZERO, kind, 3, 1, Some(&block));
    let sign = |key: &&SecretKey| CommitSignature { validator: key.public(), signature: key.sign(&message) };
    CommitCertificate { height: 3, round: 1, block, signatures: signers.iter().map(sign).collect() }
}

#[test]
fn only_a_true_quorum_proves() {
    let keys = keys();
    let stranger = SecretKey::from_seed(&[9; 32]);
    let validators: Vec<_> = keys.iter().map(|key| Validator { key: key.public(), power: 1 }).collect();
    let verify = |signers: &[&SecretKey]| certificate(signers, VoteKind::Precommit).verify(&Hash::ZERO, &validators);
    let [a, b, c, d] = [&keys[0], &keys[1], &keys[2], &keys[3]];
    assert_eq!(verify(&[a, b, c, d]), Ok(()));
    assert_eq!(verify(&[a, c, d]), Ok(()));
    assert_eq!(verify(&[a, b]), Err(CommitError::NotEnoughPower { signed: 2, total: 4 }));
    assert_eq!(verify(&[]), Err(CommitError::NotEnoughPower { signed: 0, total: 4 }));
    assert_eq!(verify(&[b, a, c]), Err(CommitError::NotAscending));
    assert_eq!(verify(&[a, a, b]), Err(CommitError::NotAscending));
    let mut strangers = [a, b, &stranger];
    strangers.sort_by_key(|key| key.public());
    assert_eq!(verify(&strangers), Err(CommitError::UnknownValidator(stranger.public())));

    let prevotes = certificate(&[a, b, c], VoteKind::Prevote);
    assert_eq!(prevotes.verify(&Hash::ZERO, &validators), Err(CommitError::BadSignature(a.public())));
    let honest = certificate(&[a, b, c], VoteKind::Precommit);
    for changed in [
        CommitCertificate { height: 4, ..honest.clone() },
        CommitCertificate { round: 0, ..honest.clone() },
        CommitCertificate { block: Hash::ZERO, ..honest.clone() },
    ] {
        assert_eq!(changed.verify(&Hash::ZERO, &validators), Err(CommitError::BadSignature(a.public())));
    }
    assert!(honest.verify(&Hash::of(b"other chain"), &validators).is_err());
}
