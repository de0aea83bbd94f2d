use protocol::{decision::Action, key::SecretKey, member::MemberId};

use super::*;

fn validator(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

fn validators(numbers: std::ops::RangeInclusive<u8>) -> Vec<Validator> {
    numbers.map(|number| Validator { key: validator(number).public(), power: 1 }).collect()
}

/// A decision, its id, and the approvals of these validators.
fn draft(sequence: u64, by: &[u8]) -> (Hash, Decision, Vec<CommitSignature>) {
    let member = MemberId::from_bytes([9; 16]);
    let mut draft =
        Draft { decision: Decision { sequence, action: Action::RevokeDevice { member } }, approvals: vec![] };
    by.iter().for_each(|number| draft.approve(&Hash::ZERO, &validator(*number)));
    (Encoded::of(&draft.decision).id(), draft.decision, draft.approvals)
}

fn put(drafts: &mut Drafts, sequence: u64, by: &[u8], now_s: i64) -> Put {
    let (id, decision, approvals) = draft(sequence, by);
    let approvals = drafts.joined(&id, &approvals, &validators(1..=4));
    drafts.put(id, &decision, approvals, now_s)
}

#[test]
fn approvals_that_come_apart_are_joined_and_those_of_former_validators_dropped() {
    let mut drafts = Drafts::default();
    assert_eq!(put(&mut drafts, 1, &[2], 0), Put::New);
    assert_eq!(put(&mut drafts, 1, &[2], 0), Put::Known);
    assert_eq!(put(&mut drafts, 1, &[1, 4], 0), Put::New);
    let (id, _, same) = draft(1, &[4]);
    assert_eq!(drafts.known(&id, &same, &validators(1..=9)), Some(Power { signed: 3, total: 9 }));
    assert_eq!(drafts.known(&id, &same, &validators(1..=4)), None, "enough approve: it is handed in");
    assert_eq!(drafts.known(&id, &draft(1, &[3]).2, &validators(1..=9)), None);
    assert_eq!(drafts.approved(1, &validators(1..=4)).len(), 1, "three of four");
    assert!(drafts.approved(2, &validators(1..=4)).is_empty());
    assert!(drafts.approved(1, &validators(1..=5)).is_empty(), "three of five");
    let (id, _, more) = draft(1, &[3]);
    let names = |approvals: Vec<CommitSignature>| approvals.into_iter().map(|it| it.validator).collect::<Vec<_>>();
    let mut expected: Vec<_> = [2, 3].map(|number| validator(number).public()).into();
    expected.sort();
    assert_eq!(names(drafts.joined(&id, &more, &validators(2..=3))), expected, "1 and 4 are validators no more");
}

#[test]
fn what_waits_for_its_turn_is_approved_by_those_who_are_validators_then() {
    let mut drafts = Drafts::default();
    assert_eq!(put(&mut drafts, 2, &[1, 2, 3, 4], 0), Put::New);
    // The decision before it puts another one in the place of the first.
    drafts.forget(1, &validators(2..=5), 0);
    assert_eq!(drafts.approved(2, &validators(2..=5)).len(), 1, "three of four");
    drafts.forget(1, &validators(4..=7), 0);
    assert!(drafts.approved(2, &validators(4..=7)).is_empty(), "one of four");
}

#[test]
fn none_fills_the_room_of_the_others() {
    let mut drafts = Drafts::default();
    let of_one: Vec<Put> = (1..=OF_ONE_MAX as u64 + 1).map(|number| put(&mut drafts, number, &[1], 0)).collect();
    assert_eq!(of_one.last(), Some(&Put::NoRoom));
    assert_eq!(put(&mut drafts, 1_000, &[2], 0), Put::New, "there is room for another");
    assert_eq!(put(&mut drafts, 1_001, &[1, 2], 0), Put::New, "and for what two have approved");
    for number in 2_000..2_064 {
        put(&mut drafts, number, &[3, 4], 0);
    }
    assert_eq!((put(&mut drafts, 3_000, &[3, 4], 0), drafts.count()), (Put::NoRoom, DRAFTS_MAX));
    drafts.forget(u64::MAX, &validators(1..=4), 0);
    assert_eq!((drafts.count(), drafts.bytes), (0, 0), "what is decided gives its room back");
    assert_eq!(put(&mut drafts, 3_000, &[3, 4], 0), Put::New);
}

#[test]
fn what_nobody_decides_is_told_for_a_week_and_kept_for_thirty_days() {
    let mut drafts = Drafts::default();
    put(&mut drafts, 1, &[1], 0);
    let (told, kept) = (7 * 86_400, 30 * 86_400);
    assert_eq!((drafts.to_tell(told - 1).len(), drafts.to_tell(told).len()), (1, 0));
    drafts.forget(0, &validators(1..=4), kept);
    assert_eq!(drafts.count(), 1);
    drafts.forget(0, &validators(1..=4), kept + 1);
    assert_eq!(drafts.count(), 0);
}

#[test]
fn a_restart_forgets_none_and_a_file_that_is_none_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("drafts");
    let mut drafts = Drafts::default();
    assert_eq!(drafts.keep_in(path.clone()).unwrap(), []);
    put(&mut drafts, 1, &[1], 1_750_000_000);
    put(&mut drafts, 2, &[1, 2], 1_750_000_000);
    put(&mut drafts, 1, &[3], 1_750_000_001);
    std::fs::write(path.join("000003-torn.json"), "{\"since\": ").unwrap();

    let before = Drafts::default().keep_in(path.clone()).unwrap();
    assert_eq!(
        before.iter().map(|kept| kept.draft.clone()).collect::<Vec<_>>(),
        [
            Draft { decision: draft(1, &[]).1, approvals: draft(1, &[1, 3]).2 },
            Draft { decision: draft(2, &[]).1, approvals: draft(2, &[1, 2]).2 },
        ]
    );
    assert!(before.iter().all(|kept| kept.since_s == 1_750_000_000));

    drafts.forget(1, &validators(1..=4), 1_750_000_002);
    let before = Drafts::default().keep_in(path.clone()).unwrap();
    assert_eq!(before.iter().map(|kept| kept.draft.decision.sequence).collect::<Vec<_>>(), [2]);
    assert!(path.join("000003-torn.json").exists());
}
