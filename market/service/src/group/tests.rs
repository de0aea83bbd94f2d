use std::collections::BTreeSet;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use super::*;
use crate::intake::tests::{community, interval, key, reading};

const SEEDS: u64 = 200;
const MESSAGES: usize = 60;

/// Messages of two devices: their next readings in order, with copies of what was there before, and all kinds of bad
/// ones in between.
fn messages(seed: u64) -> Vec<(String, Body)> {
    let community = community();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut below = move |bound: usize| (random.next_u64() % bound as u64) as usize;
    let sign = |reading: Reading, number: u8| Signed::sign(reading, &community.chain, &key(number));
    let mut tips = [Hash::ZERO; 2];
    let mut next = [1_u64; 2];
    let mut messages: Vec<(String, Vec<u8>)> = Vec::new();
    while messages.len() < MESSAGES {
        let number = below(2);
        let device = number as u8 + 1;
        let topic = community.topics.reading(&key(device).public());
        let fair = reading(next[number], tips[number]);
        let mut bytes = sign(fair.clone(), device).bytes().to_vec();
        let message = match below(10) {
            0..4 => {
                tips[number] = Hash::of(&bytes);
                next[number] += 1;
                (topic, bytes)
            }
            4 if !messages.is_empty() => messages[below(messages.len())].clone(),
            4 | 5 => {
                *bytes.last_mut().unwrap() ^= 1;
                (topic, bytes)
            }
            6 => (community.topics.reading(&key(3 - device).public()), bytes),
            7 => (topic, vec![0xff; below(1_100)]),
            8 => match below(4) {
                0 => (community.topics.gate(), bytes),
                1 => (topic, sign(fair, 99).bytes().to_vec()),
                2 => (community.topics.order(&key(device).public()), bytes),
                _ => (topic, sign(Reading { sequence: 99, ..fair }, device).bytes().to_vec()),
            },
            _ => (topic, sign(Reading { salt: [below(256) as u8; 16], ..fair }, device).bytes().to_vec()),
        };
        messages.push(message);
    }
    let body = |bytes: Vec<u8>| match bytes.len() {
        found if found > MESSAGE_BYTES_MAX => Body::TooLarge { hash: Hash::of(&bytes), bytes: found },
        _ => Body::Whole(Sealed::from(bytes)),
    };
    messages.into_iter().map(|(topic, bytes)| (topic, body(bytes))).collect()
}

/// Takes the messages in, in groups of these sizes, each sifted before the one before it is decided about; with what is
/// decided, the number of signatures that were looked at.
fn take_in(messages: Vec<(String, Body)>, mut size: impl FnMut() -> usize) -> (Decided, usize) {
    let community = community();
    let roll = community.roll();
    let mut book = Book::new(&community.genesis, community.before_first);
    let intake = Intake { first: interval(0), ended_by_s: interval(1_000).end_s() };
    let (mut decided, mut looked_at) = (Decided::default(), 0);
    let mut messages = messages.into_iter();
    let mut before: Option<Opened> = None;
    while messages.len() > 0 || before.is_some() {
        let mut group = Group::default();
        let sieve = Sieve { topics: &community.topics, roll: &roll, book: &book };
        for (topic, body) in messages.by_ref().take(size()) {
            group.add(&sieve, &topic, body);
        }
        looked_at += group.readings.messages.len() + group.orders.messages.len();
        let next = (group.len() > 0).then(|| group.open(&community.chain, &roll, 100));
        if let Some(opened) = std::mem::replace(&mut before, next) {
            let place = |_: &_, opened: &Result<SignedOrder, EnvelopeError>| {
                opened.as_ref().map(drop).map_err(crate::intake::refuse_envelope)
            };
            opened.decide(&mut book, &intake, place, |_, _| Ok(()), &mut decided);
        }
    }
    let waiting: usize = book.devices().map(|(_, device)| usize::try_from(device.tip().sequence).unwrap()).sum();
    assert_eq!(waiting, decided.readings.len());
    (decided, looked_at)
}

#[test]
fn what_is_decided_does_not_depend_on_how_messages_are_grouped() {
    let mut refused = BTreeSet::new();
    let (mut in_groups, mut copies) = (0, 0);
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let (alone, _) = take_in(messages(seed), || 1);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (together, looked_at) = take_in(messages(seed), || 1 + (random.next_u64() % 30) as usize);
        assert_eq!(together.readings, alone.readings);
        assert_eq!(together.conflicts, alone.conflicts);
        assert_eq!(together.verdicts.len(), MESSAGES);
        for (together, alone) in together.verdicts.iter().zip(&alone.verdicts) {
            assert_eq!((together.device, together.message), (alone.device, alone.message));
            assert_eq!(together.decision, alone.decision);
        }
        refused.extend(alone.verdicts.iter().filter_map(|verdict| Some(verdict.decision.as_ref().err()?.refusal)));
        in_groups += alone.readings.len();
        copies += MESSAGES - looked_at;
    }
    let expected = [
        Refusal::Malformed,
        Refusal::UnknownDevice,
        Refusal::BadSignature,
        Refusal::Duplicate,
        Refusal::SequenceConflict,
        Refusal::ChainBroken,
    ];
    assert_eq!(refused, expected.into_iter().collect(), "what the messages are made to be");
    assert!(in_groups > 5 * SEEDS as usize, "{in_groups} readings taken");
    assert!(copies > 3 * SEEDS as usize, "{copies} messages needed no look at a signature of their own");
}

#[test]
fn a_copy_of_what_was_taken_in_is_not_verified_again_and_one_of_a_forged_message_once_a_group() {
    let community = community();
    let roll = community.roll();
    let mut book = Book::new(&community.genesis, community.before_first);
    let taken = Signed::sign(reading(1, Hash::ZERO), &community.chain, &key(1));
    book.take(taken.clone());
    let mut forged = Signed::sign(reading(2, taken.hash()), &community.chain, &key(1)).bytes().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let forged = Sealed::from(forged);
    let topic = community.topics.reading(&key(1).public());
    let mut group = Group::default();
    let sieve = Sieve { topics: &community.topics, roll: &roll, book: &book };
    for _ in 0..100 {
        group.add(&sieve, &topic, Body::Whole(taken.sealed().clone()));
        group.add(&sieve, &topic, Body::Whole(forged.clone()));
    }
    assert_eq!(group.readings.messages, [forged]);
    let mut decided = Decided::default();
    let intake = Intake { first: interval(0), ended_by_s: interval(9).end_s() };
    group.open(&community.chain, &roll, 100).decide(&mut book, &intake, |_, _| Ok(()), |_, _| Ok(()), &mut decided);
    let names: Vec<Refusal> = decided.verdicts.iter().map(|v| v.decision.as_ref().unwrap_err().refusal).collect();
    assert_eq!(names, [Refusal::Duplicate, Refusal::BadSignature].repeat(100));
}
