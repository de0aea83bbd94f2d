//! The log of look-ups, as a node keeps it and as a household checks it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use access_log::{
    Access, Accesses, AnswerFault, Call, Log, LogError, Looked, Noted, Question, QuestionFault, Seen, read_question,
};
use protocol::{
    envelope::{ChainId, Signed},
    hash::Hash,
    key::SecretKey,
    member::MemberId,
};

const HOUR: i64 = 3_600;

fn chain() -> ChainId {
    Hash::of(b"a community")
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

fn member(number: u8) -> MemberId {
    MemberId::from_bytes([number; 16])
}

fn looked(number: Option<u8>) -> Looked {
    Looked { call: Call::Statement, member: number.map(member) }
}

/// A log of so many look-ups, by turns at the first member, at the second and at everybody; and its file.
fn log(entries: i64) -> (Log, String) {
    let (mut log, mut file) = (Log::default(), String::new());
    for number in 0..entries {
        let whose = [Some(1), Some(2), None][number as usize % 3];
        let Noted::Line(line) = log.note(number * HOUR, "5f2c9a01", "read", looked(whose)) else { panic!("{number}") };
        file.push_str(&line);
    }
    (log, file)
}

/// What a node answers that has this log.
fn answer(log: &Log, whose: u8, since: u64, seen: u64) -> Accesses {
    let (entries, next) = log.of(member(whose), since);
    let head = Signed::sign(log.head(7), &chain(), &key(9));
    let consistency = log.consistency(seen).unwrap_or_default();
    Accesses { key: key(9).public(), head: (&head).into(), entries, next, consistency }
}

fn check(answer: &Accesses, since: u64, seen: Option<&Seen>) -> Result<(Seen, Vec<Access>), AnswerFault> {
    answer.check(&chain(), member(1), since, seen)
}

#[test]
fn a_household_sees_what_concerns_it_and_that_all_of_it_is_still_there() {
    let mut before: Option<Seen> = None;
    for entries in 0..40 {
        let (log, _) = log(entries);
        let (seen, found) =
            check(&answer(&log, 1, 0, before.as_ref().map_or(0, |it| it.entries)), 0, before.as_ref()).unwrap();
        assert_eq!(found.len() as i64, (0..entries).filter(|number| number % 3 != 1).count() as i64);
        assert!(found.iter().all(|access| access.member.is_none_or(|found| found == member(1))));
        assert_eq!(seen.entries as i64, entries);
        before = Some(seen);
    }
    // From the last one on.
    let (log, _) = log(60);
    let (_, found) = check(&answer(&log, 1, 39, 39), 39, before.as_ref()).unwrap();
    assert_eq!(found.len(), 14);
}

#[test]
fn what_was_taken_back_or_changed_is_named() {
    let (long, file) = log(20);
    let seen = check(&answer(&long, 1, 0, 0), 0, None).unwrap().0;
    let (shorter, _) = log(19);
    assert_eq!(
        check(&answer(&shorter, 1, 0, 20), 0, Some(&seen)).unwrap_err(),
        AnswerFault::Shrunk { expected: 20, found: 19 }
    );
    // One look-up less, and two more since.
    let without: String =
        file.lines().enumerate().filter(|(at, _)| *at != 6).map(|(_, line)| format!("{line}\n")).collect();
    let (mut other, _) = Log::read(&without).unwrap();
    for hour in [30, 31] {
        other.note(hour * HOUR, "5f2c9a01", "read", looked(Some(2)));
    }
    assert_eq!(check(&answer(&other, 1, 0, 20), 0, Some(&seen)).unwrap_err(), AnswerFault::Rewritten(20));
    // Without the last hash of the proof, and with nothing for it.
    let (grown, _) = log(33);
    let good = answer(&grown, 1, 0, 20);
    check(&good, 0, Some(&seen)).unwrap();
    let cut = Accesses { consistency: good.consistency[1..].to_vec(), ..good.clone() };
    assert_eq!(check(&cut, 0, Some(&seen)).unwrap_err(), AnswerFault::Rewritten(20));
    let long_path = Accesses { consistency: vec![Hash::ZERO; 65], ..good.clone() };
    assert_eq!(check(&long_path, 0, Some(&seen)).unwrap_err(), AnswerFault::Rewritten(20));

    let mut changed = good.clone();
    changed.entries[3].line = changed.entries[3].line.replace("5f2c9a01", "00000000");
    let index = changed.entries[3].index;
    assert_eq!(check(&changed, 0, None).unwrap_err(), AnswerFault::NotProved(index));
    let mut of_another = good.clone();
    of_another.entries = grown.of(member(2), 0).0;
    assert_eq!(check(&of_another, 0, None).unwrap_err(), AnswerFault::NotProved(1));
    let mut twice = good.clone();
    twice.entries.insert(1, twice.entries[0].clone());
    assert_eq!(check(&twice, 0, None).unwrap_err(), AnswerFault::NotProved(0));
    for next in [0, 34] {
        assert_eq!(check(&Accesses { next, ..good.clone() }, 0, None).unwrap_err(), AnswerFault::BadPage(next));
    }
    let anew = Accesses { key: key(8).public(), ..good.clone() };
    assert!(matches!(check(&anew, 0, Some(&seen)), Err(AnswerFault::OtherKey { .. })));
    assert!(matches!(check(&anew, 0, None), Err(AnswerFault::BadSignature(_))));
    let elsewhere = good.check(&Hash::of(b"another community"), member(1), 0, None);
    assert!(matches!(elsewhere, Err(AnswerFault::BadSignature(_))));
}

#[test]
fn however_often_one_asks_in_an_hour_it_is_one_look_up() {
    let mut log = Log::default();
    let mut note = |at, who, whose| match log.note(at, who, "read", looked(whose)) {
        Noted::Line(line) => Some(line),
        Noted::Known => None,
        Noted::Full => panic!("there is room"),
    };
    let line = note(10, "5f2c9a01", Some(1)).unwrap();
    let who = r#""who":"5f2c9a01","role":"read","call":"statement","member":"01010101010101010101010101010101""#;
    assert_eq!(line, format!("{{\"hour\":\"1970-01-01T00:00:00Z\",{who}}}\n"));
    assert_eq!(note(3_599, "5f2c9a01", Some(1)), None);
    assert!(note(3_599, "5f2c9a01", Some(2)).is_some() && note(3_599, "00000000", Some(1)).is_some());
    assert!(note(3_600, "5f2c9a01", Some(1)).is_some());
    // A clock that was set back.
    assert_eq!(note(10, "5f2c9a01", Some(1)), None);
}

#[test]
fn a_log_is_read_as_it_was_written_and_a_line_that_the_power_cut_is_none() {
    let (written, file) = log(10);
    let (read, whole) = Log::read(&file).unwrap();
    assert_eq!((read.head(0), whole), (written.head(0), file.len()));
    let (read, whole) = Log::read(&file[..file.len() - 1]).unwrap();
    assert_eq!(read.head(0), log(9).0.head(0));
    assert_eq!(file[..whole].lines().count(), 9);
    // It goes on in the hour in which it was.
    let (mut read, _) = Log::read(&file).unwrap();
    assert_eq!(read.note(9 * HOUR, "5f2c9a01", "read", looked(Some(1))), Noted::Known);
    for (from, to) in [("read", "\nread"), ("read", "read \""), ("\"who\"", " \"who\""), ("T01:00", "T01:30")] {
        assert!(matches!(Log::read(&file.replacen(from, to, 1)), Err(LogError::Line(_))), "{from} {to}");
    }
}

#[test]
fn only_the_household_itself_may_ask() {
    let question = Question { member: member(1), at: 1_000 };
    let signed = |question: &Question, chain: &ChainId, key: &SecretKey| {
        let sealed: protocol::envelope::Sealed = (&Signed::sign(question.clone(), chain, key)).into();
        sealed.to_string()
    };
    let keys = [key(1).public(), key(2).public()];
    let asked = |text: Option<&str>, now| read_question(text, &chain(), member(1), &keys, now);
    for by in [key(1), key(2)] {
        asked(Some(&signed(&question, &chain(), &by)), 1_300).unwrap();
    }
    let good = signed(&question, &chain(), &key(1));
    assert_eq!(asked(Some(&good), 1_301), Err(QuestionFault::NotFresh(1_000)));
    assert_eq!(asked(Some(&good), 939), Err(QuestionFault::NotFresh(1_000)));
    assert_eq!(asked(None, 1_000), Err(QuestionFault::Missing));
    let of_another = Question { member: member(2), ..question.clone() };
    let other = asked(Some(&signed(&of_another, &chain(), &key(1))), 1_000);
    assert_eq!(other, Err(QuestionFault::OtherMember { expected: member(1), found: member(2) }));
    for wrong in [
        signed(&question, &chain(), &key(3)),
        signed(&question, &Hash::of(b"another community"), &key(1)),
        good[2..].to_owned(),
        "x".into(),
        "00".repeat(2_000),
    ] {
        assert!(matches!(asked(Some(&wrong), 1_000), Err(QuestionFault::Unsigned(_))), "{wrong}");
    }
}

#[test]
fn the_published_vectors_are_what_is_made() {
    let (log, file) = log(5);
    let question = Signed::sign(Question { member: member(1), at: 1_000 }, &chain(), &key(1));
    let question: protocol::envelope::Sealed = (&question).into();
    let vectors = serde_json::json!({
        "chain": chain(),
        "member": member(1),
        "member_seed": "01".repeat(32),
        "log_seed": "09".repeat(32),
        "log": file.lines().collect::<Vec<_>>(),
        "root": log.head(7).root,
        "asked_at": 1_000,
        "question": question,
        "seen": 3,
        "answer": answer(&log, 1, 0, 3),
    });
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../protocol/vectors/accesses.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&vectors).unwrap());
    if std::env::var_os("WRITE_VECTORS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text, "the published vectors are others");
}
