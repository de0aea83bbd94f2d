//! A device that contradicts itself: what proves it, what it changes and from when on.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use protocol::{
    block::Transaction,
    envelope::{Sealed, Signed},
    instruction::MemberAction,
    key::SecretKey,
    reading::Reading,
};
use testkit::{
    applied::{apply, one_interval, settle},
    community::Community,
};

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

#[test]
fn a_device_that_signs_two_readings_under_one_number_is_suspended() {
    let (mut community, mut state) = one_interval();
    let open = state.next();
    let reading = community.read(0, open, 100);
    let (chain, device) = (state.chain(), community.members[0].device.clone());
    let changed = |change: fn(&mut Reading), key: &SecretKey| {
        let mut other = reading.payload().clone();
        change(&mut other);
        Sealed::from(&Signed::sign(other, &chain, key))
    };
    let report = |other: &Sealed| Transaction::report_conflict(reading.sealed(), Some(other));
    let other = changed(|reading| reading.registers.import_wh -= 1, &device);

    assert_eq!(apply(&mut state, &report(reading.sealed())), Err("no_conflict".into()));
    let later = changed(|reading| reading.sequence += 1, &device);
    assert_eq!(apply(&mut state, &report(&later)), Err("no_conflict".into()));
    let of_another = changed(|reading| reading.salt = [9; 16], &community.members[1].device);
    assert_eq!(apply(&mut state, &report(&of_another)), Err("no_conflict".into()));
    let of_a_stranger = changed(|reading| reading.salt = [9; 16], &key(99));
    assert_eq!(apply(&mut state, &report(&of_a_stranger)), Err("unknown_signer".into()));
    let mut forged = other.bytes().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(apply(&mut state, &report(&Sealed::from(forged))), Err("bad_signature".into()));
    let Transaction::ReportConflict { first, second: Some(second) } = report(&other) else { unreachable!() };
    let swapped = Transaction::ReportConflict { first: second.clone(), second: Some(first.clone()) };
    assert_eq!(apply(&mut state, &swapped), Err("no_conflict".into()), "a report has one spelling");
    assert_eq!(Transaction::report_conflict(&second, Some(&first)).id(), report(&other).id());

    assert_eq!(apply(&mut state, &report(&other)), Ok(()));
    assert_eq!(apply(&mut state, &report(&other)), Err("exists".into()));
    let another = community.contradict(0, &reading);
    let another = report(another.sealed());
    assert_eq!(apply(&mut state, &another), Err("exists".into()), "it goes already");

    // What it read for the open interval is settled; then it is nobody's device.
    let mut readings: Vec<_> = (1..5).map(|member| community.read(member, open, 100)).collect();
    readings.push(reading.clone());
    readings.sort_by_key(|reading| (reading.signer(), reading.sequence));
    settle(&community, &mut state, &readings);
    assert!(state.members().any(|(_, member)| member.device().is_none()));
    assert_eq!(apply(&mut state, &another), Err("unknown_signer".into()));

    // The household goes on with a new key.
    let rotation = MemberAction::RotateDevice { device: key(81).public() };
    assert_eq!(apply(&mut state, &community.instruct(0, 1, rotation)), Ok(()));
}

#[test]
fn one_reading_alone_contradicts_the_last_settled_one() {
    let (mut community, mut state) = one_interval();
    let (chain, device) = (state.chain(), community.members[0].device.clone());
    let next = community.read(0, state.next(), 100);
    let alone = |sequence: u64| {
        let mut other = next.payload().clone();
        other.sequence = sequence;
        Transaction::report_conflict(Signed::sign(other, &chain, &device).sealed(), None)
    };
    for no_number_of_a_settled_reading in [0, 2] {
        assert_eq!(apply(&mut state, &alone(no_number_of_a_settled_reading)), Err("no_conflict".into()));
    }
    let mut again = community.state();
    let settled_one = Community::new(5, 4).read_all(again.next()).into_iter().find(|it| it.signer() == device.public());
    let settled_one = Transaction::report_conflict(settled_one.unwrap().sealed(), None);
    assert_eq!(apply(&mut again, &settled_one), Err("no_conflict".into()), "nothing is settled yet");
    assert_eq!(apply(&mut state, &settled_one), Err("no_conflict".into()), "it is the settled one");
    assert_eq!(apply(&mut state, &alone(1)), Ok(()));
    assert_eq!(apply(&mut state, &alone(1)), Err("exists".into()));
}

#[test]
fn a_report_does_not_stop_a_rotation_that_waits() {
    let (mut community, mut state) = one_interval();
    let rotation = MemberAction::RotateDevice { device: key(81).public() };
    assert_eq!(apply(&mut state, &community.instruct(0, 1, rotation)), Ok(()));
    let reading = community.read(0, state.next(), 100);
    let other = community.contradict(0, &reading);
    let report = Transaction::report_conflict(reading.sealed(), Some(other.sealed()));
    assert_eq!(apply(&mut state, &report), Err("no_device".into()));
}
