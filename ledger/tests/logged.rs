//! Whether others have seen the same ledger: the log, its cosigners, its witnesses, and what a fork of the ledger for
//! one household comes to.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use ledger::{
    logged::{LogFault, Policy, PolicyError, WITNESSES_MAX},
    proof::{ProofError, Verifier},
};
use protocol::{
    checkpoint::{Checkpoint, Cosigner, SignedCheckpoint, log_key},
    commit::Power,
    hash::Hash,
    key::SecretKey,
    log::LogProof,
    note::{NoteKey, SignatureKind},
    receipt::{Receipt, ValidatorStep},
};
use testkit::{community::Community, told::Told, witness::Witness};

const HOUSEHOLD: usize = 0;

/// A ledger of eight blocks, and a witness that has seen five of them.
fn told() -> (Told, Witness, Verifier) {
    let mut told = Told::new(Community::new(3, 4));
    let log = log_key(&told.community.genesis.chain(), &told.network).1;
    let mut witness = Witness::new("witness.example/w1", 90, vec![log]);
    (0..5).for_each(|_| drop(told.settle(HOUSEHOLD, 100)));
    assert_eq!(told.show(&mut witness, 0).0, 200);
    (0..3).for_each(|_| drop(told.settle(HOUSEHOLD, 100)));
    let verifier = Verifier::new(&told.community.genesis);
    (told, witness, verifier)
}

fn demand(witness: &Witness) -> Policy {
    Policy::new(vec![witness.key.clone()], 1).unwrap()
}

#[test]
fn a_block_is_in_the_log_that_validators_and_witnesses_have_seen() {
    let (told, mut witness, verifier) = told();
    let policy = demand(&witness);
    let (status, checkpoint) = told.show(&mut witness, 5);
    assert_eq!(status, 200);
    for header in &told.headers {
        let proof = told.proof(header.height, checkpoint.clone());
        let text = proof.to_string();
        assert_eq!(text.parse(), Ok(proof.clone()));
        let seen = verifier.check_logged(header, &proof, &policy).unwrap();
        assert_eq!((seen.size, seen.cosigned), (8, Power { signed: 4, total: 4 }));
        assert_eq!(seen.witnesses, [(witness.key.name().to_owned(), witness.time_s)]);
    }
}

/// The test of the point. All validators sign a second history, in which one household drew ten times as much.
#[test]
fn validators_that_forge_a_history_for_one_household_are_seen_by_it_and_by_the_witness() {
    let (mut told, mut witness, verifier) = told();
    let policy = demand(&witness);
    let mut forged = told.clone();
    let member = told.community.members[HOUSEHOLD].id;
    let of_household = |receipts: Vec<Receipt>| receipts.into_iter().find(|it| it.entry.line.member == member).unwrap();
    let honest = of_household(told.settle(HOUSEHOLD, 100));
    let lie = of_household(forged.settle(HOUSEHOLD, 1_000));
    // Both are signed by all validators: a receipt alone cannot tell which of them everybody else was told.
    assert_eq!([verifier.verify(&honest), verifier.verify(&lie)], [Ok(()), Ok(())]);
    assert_eq!(honest.header.height, lie.header.height);

    // Everybody else is told the honest history, and the witness sees it.
    let (status, seen) = told.show(&mut witness, 5);
    assert_eq!(status, 200);
    assert!(verifier.check_logged(&honest.header, &told.proof(9, seen.clone()), &policy).is_ok());
    // The proof that the witness has seen is of another block than the household's.
    let fault = verifier.check_logged(&lie.header, &told.proof(9, seen), &policy).unwrap_err();
    assert_eq!(fault, LogFault::NotInLog { height: 9, witnesses: vec![witness.key.name().into()] });
    assert!(fault.to_string().contains("the validators have told others another history"), "{fault}");

    // The other history's own log is what the witness refuses: as what it has seen with another root, as a fork from
    // there once it is longer, and however the size that it saw is made up.
    let (status, of_forgers) = forged.show(&mut witness, 9);
    assert_eq!(status, 409, "as large as what it has seen, and another");
    let _ = forged.settle(HOUSEHOLD, 0);
    for (old, expected) in [(9, 422), (5, 409), (0, 409), (8, 409), (10, 409)] {
        assert_eq!(forged.show(&mut witness, old).0, expected, "{old}");
    }
    let fault = verifier.check_logged(&lie.header, &forged.proof(9, of_forgers), &policy).unwrap_err();
    assert_eq!(fault, LogFault::TooFewWitnesses { demanded: 1, found: vec![], size: 9 });
    assert!(fault.to_string().contains("told another history"), "{fault}");
    // And the witness goes on with the history that it knows.
    let _ = told.settle(HOUSEHOLD, 100);
    assert_eq!(told.show(&mut witness, 9).0, 200);
}

#[test]
fn a_checkpoint_that_shrinks_is_refused() {
    let (told, mut witness, _) = told();
    assert_eq!(told.show(&mut witness, 5).0, 200);
    let mut shorter = Told::new(Community::new(3, 4));
    (0..4).for_each(|_| drop(shorter.settle(HOUSEHOLD, 100)));
    assert_eq!(shorter.show(&mut witness, 8).0, 400);
    assert_eq!(shorter.show(&mut witness, 4).0, 409);
    assert_eq!(witness.seen.unwrap().leaves, 8);
}

#[test]
fn what_is_wrong_with_a_proof_is_named() {
    let (told, mut witness, verifier) = told();
    let policy = demand(&witness);
    let (_, seen) = told.show(&mut witness, 5);
    let header = &told.headers[6];
    let good = told.proof(7, seen.clone());
    type Change<'a> = &'a dyn Fn(&mut LogProof);
    let fault = |change: Change<'_>| {
        let mut proof = good.clone();
        change(&mut proof);
        verifier.check_logged(header, &proof, &policy).unwrap_err()
    };
    let stranger = SecretKey::from_seed(&[99; 32]);
    let chain = told.community.genesis.chain();
    let other_chain = Hash::of(b"another chain");
    let elsewhere = {
        let (secret, key) = log_key(&other_chain, &told.network);
        SignedCheckpoint::sign(Checkpoint::of(&other_chain, seen.checkpoint().root), &secret, &key)
    };
    let few = told.checkpoint(2);
    let bad_witness = {
        let mut signed = told.checkpoint(4);
        signed.add(witness.key.sign("another text\n", &stranger, 1));
        signed
    };
    let step = ValidatorStep {
        header: header.clone(),
        certificate: told.community.certificate(7, header.hash()),
        validators: told.community.genesis.validators.clone(),
    };
    let known: [(&str, Change<'_>); 14] = [
        ("other_origin", &|proof| proof.checkpoint = elsewhere.clone()),
        ("other_validators", &|proof| proof.extra.steps = vec![step.clone()]),
        ("other_cosigner", &|proof| proof.extra.cosigners[0] = Cosigner::of(&chain, &stranger)),
        ("other_cosigner", &|proof| proof.extra.cosigners[0].key = stranger.public()),
        ("other_cosigner", &|proof| proof.extra.cosigners.reverse()),
        ("other_cosigner", &|proof| proof.extra.cosigners.push(proof.extra.cosigners[3])),
        ("too_few_validators", &|proof| proof.extra.cosigners.truncate(2)),
        ("too_few_validators", &|proof| proof.checkpoint = few.clone()),
        ("too_few_witnesses", &|proof| proof.checkpoint = told.checkpoint(4)),
        ("bad_cosignature", &|proof| proof.checkpoint = bad_witness.clone()),
        ("other_height", &|proof| proof.proof.index += 1),
        ("other_height", &|proof| proof.extra.header.height += 1),
        ("not_proved", &|proof| proof.proof.path[0] = Hash::ZERO),
        ("not_proved", &|proof| proof.extra.header.state.hash = Hash::ZERO),
    ];
    for (name, change) in known {
        let fault = fault(change);
        assert_eq!(fault.name(), name, "{fault}");
        assert!(!fault.to_string().contains('\n'));
    }
    assert_eq!(
        fault(&|proof| proof.checkpoint = few.clone()),
        LogFault::TooFewValidators(Power { signed: 2, total: 4 })
    );
    let handover = LogFault::Validators(ProofError::NoHandover { height: 7 });
    assert_eq!(fault(&|proof| proof.extra.steps = vec![step.clone()]), handover);
    // Without witnesses in the policy, none is asked for.
    let proof = told.proof(7, told.checkpoint(3));
    assert!(verifier.check_logged(header, &proof, &Policy::default()).unwrap().witnesses.is_empty());
}

#[test]
fn any_letter_changed_makes_it_another_proof_or_none() {
    let (told, mut witness, verifier) = told();
    let policy = demand(&witness);
    let (_, seen) = told.show(&mut witness, 5);
    let header = &told.headers[6];
    let log_line = seen.note().signatures()[0].to_string();
    let text = told.proof(7, seen).to_string();
    // The log's own signature is for witnesses: whoever checks has those of validators and witnesses.
    let ignored = text.find(&log_line).unwrap();
    let ignored = ignored..ignored + log_line.len();
    let mut parsed = 0;
    for (position, letter) in text.bytes().enumerate().step_by(3).filter(|(position, _)| !ignored.contains(position)) {
        for change in [1, 0x20] {
            let mut bytes = text.clone().into_bytes();
            bytes[position] = letter ^ change;
            let Ok(Ok(proof)) = String::from_utf8(bytes).map(|text| text.parse::<LogProof>()) else { continue };
            parsed += 1;
            // A cosigner whose line is changed to nobody's has not cosigned; three of four are enough.
            let unchanged = verifier.check_logged(header, &proof, &policy);
            assert!(
                unchanged.is_err() || unchanged.is_ok_and(|seen| seen.cosigned.signed == 3),
                "{position} ^ {change}"
            );
        }
    }
    assert!(parsed > 100, "{parsed}");
}

#[test]
fn witnesses_are_named_once_by_keys_of_their_own() {
    let key = |seed: u8| SecretKey::from_seed(&[seed; 32]).public();
    let witness = |name: &str, seed| NoteKey::new(name, SignatureKind::Cosignature, key(seed)).unwrap();
    let [one, two] = [witness("one", 1), witness("two", 2)];
    assert_eq!(Policy::new(vec![one.clone(), two.clone()], 2).unwrap().demanded(), 2);
    let more = PolicyError::MoreThanNamed { named: 2, demanded: 3 };
    assert_eq!(Policy::new(vec![one.clone(), two.clone()], 3), Err(more));
    for twice in [witness("two", 1), witness("one", 2), one.clone()] {
        assert_eq!(Policy::new(vec![one.clone(), twice.clone()], 1), Err(PolicyError::Twice(twice)));
    }
    let log = NoteKey::new("log", SignatureKind::Note, key(3)).unwrap();
    assert_eq!(Policy::new(vec![log.clone()], 0), Err(PolicyError::NoWitness(log)));
    let many = (0..=WITNESSES_MAX).map(|seed| witness(&format!("w{seed}"), seed as u8 + 1)).collect();
    assert_eq!(Policy::new(many, 0), Err(PolicyError::TooMany(WITNESSES_MAX + 1)));
}
