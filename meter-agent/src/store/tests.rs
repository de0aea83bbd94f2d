use protocol::{energy::Energy, envelope::Sealed, hash::Hash, key::SecretKey, reading::Registers};

use super::*;

fn interval(count: u64) -> Interval {
    "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(count as i64).unwrap()
}

fn record(sequence: u64) -> (u64, ReadingRecord) {
    let record = ReadingRecord {
        message: Sealed::from(vec![sequence as u8; 260]),
        interval: interval(sequence),
        consecutive: true,
        import: Energy::from_wh(sequence),
        export: Energy::ZERO,
        gross: Some((Energy::from_wh(sequence), Energy::ZERO)),
        settled: false,
    };
    (sequence, record)
}

fn head(sequence: u64) -> ChainHead {
    ChainHead { sequence, hash: Hash::of(&[1]), interval: interval(sequence), registers: Registers::default() }
}

fn device() -> DeviceId {
    SecretKey::from_seed(&[1; 32]).public()
}

fn load(store: &Store) -> Loaded {
    store.load(device(), Hash::ZERO).unwrap()
}

#[test]
fn readings_and_their_head_survive_together_and_the_state_opens_again_at_once() {
    for fsync in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        for sequence in [1, 3, 5] {
            let store = Store::open(dir.path(), fsync).unwrap();
            load(&store);
            store.append(&[record(sequence), record(sequence + 1)], &head(sequence + 1)).unwrap();
            drop(store);
            let loaded = load(&Store::open(dir.path(), fsync).unwrap());
            assert_eq!(loaded.head, Some(head(sequence + 1)));
            assert_eq!(loaded.unsettled.last(), Some(&record(sequence + 1)));
        }
    }
}

#[test]
fn a_write_that_was_acknowledged_survives_an_abrupt_end() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), false).unwrap();
    load(&store);
    store.append(&[record(1)], &head(1)).unwrap();
    // A copy of the files while the store is open: what a machine finds that lost its power now.
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(copy.path().join("db/blobs")).unwrap();
    for name in ["db", "conf"] {
        std::fs::copy(dir.path().join("db").join(name), copy.path().join("db").join(name)).unwrap();
    }
    let loaded = load(&Store::open(copy.path(), false).unwrap());
    assert_eq!((loaded.head, loaded.unsettled), (Some(head(1)), vec![record(1)]));
}

#[test]
fn a_torn_tail_loses_a_batch_as_a_whole_never_a_part() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), false).unwrap();
    load(&store);
    store.append(&[record(1)], &head(1)).unwrap();
    let db = dir.path().join("db/db");
    let mut before = std::fs::read(&db).unwrap();
    store.append(&[record(2), record(3)], &head(3)).unwrap();
    let written = std::fs::read(&db).unwrap();
    drop(store);
    before.resize(written.len(), 0);
    let differs = |at: &usize| before[*at] != written[*at];
    let first = (0..written.len()).find(differs).unwrap();
    let last = (0..written.len()).rev().find(differs).unwrap();
    let mut seen = [0; 2];
    for cut in (first..last).step_by((last - first) / 40).chain([last + 1]) {
        let copy = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(copy.path().join("db/blobs")).unwrap();
        std::fs::copy(dir.path().join("db/conf"), copy.path().join("db/conf")).unwrap();
        let mut torn = written.clone();
        torn[cut..].fill(0);
        std::fs::write(copy.path().join("db/db"), torn).unwrap();
        let loaded = load(&Store::open(copy.path(), false).unwrap());
        match loaded.head.map(|head| head.sequence) {
            Some(1) => {
                assert_eq!(loaded.unsettled, vec![record(1)], "cut at {cut}");
                seen[0] += 1;
            }
            Some(3) => {
                assert_eq!(loaded.unsettled, vec![record(1), record(2), record(3)], "cut at {cut}");
                seen[1] += 1;
            }
            other => panic!("cut at {cut}: head {other:?}"),
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "both outcomes are met: {seen:?}");
}

#[test]
fn unreadable_entries_are_dropped_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), false).unwrap();
    load(&store);
    store.append(&[record(1), record(2)], &head(2)).unwrap();
    store.db.insert(key(READING, 1), b"torn").unwrap();
    store.db.insert(key(ORDER, 1), b"").unwrap();
    store.keep_evidence(b"no receipt").unwrap();
    let loaded = load(&store);
    assert_eq!((loaded.unsettled, loaded.dropped, loaded.receipts_refused), (vec![record(2)], 2, 1));
    store.db.insert(HEAD, b"torn").unwrap();
    assert!(matches!(store.load(device(), Hash::ZERO), Err(StoreError::NoHead(_))));
}

#[test]
fn settling_keeps_the_receipt_and_a_day_of_readings() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), false).unwrap();
    load(&store);
    let count = SETTLED_KEPT + 10;
    for sequence in 1..=count {
        store.append(&[record(sequence)], &head(sequence)).unwrap();
        let totals = Totals { receipts_verified: sequence, ..Totals::default() };
        let today = Some(Today { day: 1, totals, settled_until: Some(interval(sequence)) });
        let json = format!("receipt {sequence}");
        let covered = [record(sequence)];
        let settling =
            Settling { interval: interval(sequence), json: Some(json.as_bytes()), covered: &covered, totals, today };
        store.settle(&settling).unwrap();
    }
    let loaded = load(&store);
    assert_eq!((loaded.unsettled.len(), loaded.totals.receipts_verified), (0, count));
    assert_eq!(loaded.today.and_then(|today| today.settled_until), Some(interval(count)));
    let kept = store.settled_before(u64::MAX).unwrap();
    assert_eq!((kept.len() as u64, kept[0].0), (SETTLED_KEPT, 11));
    assert_eq!(store.receipts().count() as u64, count);
    assert_eq!(store.receipt(interval(7)).unwrap(), Some(b"receipt 7".to_vec()));
    assert_eq!(store.receipt(interval(0)).unwrap(), None);
}

#[test]
fn what_was_acknowledged_is_in_the_one_file_that_is_synced() {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::open(dir.path(), false).unwrap();
    load(&store);
    // As little as can be compressed of it, and one that is replaced by a shorter one.
    let noise = |number: u64, bytes: usize| {
        let hashes =
            (0u64..).flat_map(|part| *Hash::of_parts(&[&number.to_be_bytes(), &part.to_be_bytes()]).as_bytes());
        hashes.take(bytes).collect::<Vec<u8>>()
    };
    let receipt = |number: u64| noise(number, 3_000 + number as usize % 5 * 400);
    let count = 100;
    for sequence in 1..=count {
        store.append(&[record(sequence)], &head(sequence)).unwrap();
        let first = (sequence == 7).then(|| noise(1_000, 9_000));
        for json in first.into_iter().chain([receipt(sequence)]) {
            let (covered, totals) = ([record(sequence)], Totals::default());
            let interval = interval(sequence);
            let settling = Settling { interval, json: Some(&json), covered: &covered, totals, today: None };
            store.settle(&settling).unwrap();
        }
        store.keep_evidence(&noise(sequence, if sequence == 3 { ANSWER_BYTES_MAX } else { 4_000 })).unwrap();
        let elsewhere: Vec<_> = std::fs::read_dir(dir.path().join("db/blobs")).unwrap().collect();
        assert!(elsewhere.is_empty(), "{sequence}: {elsewhere:?}");
    }
    std::fs::create_dir_all(copy.path().join("db/blobs")).unwrap();
    for name in ["db", "conf"] {
        std::fs::copy(dir.path().join("db").join(name), copy.path().join("db").join(name)).unwrap();
    }
    let store = Store::open(copy.path(), false).unwrap();
    assert_eq!(store.receipts().map(Result::unwrap).collect::<Vec<_>>(), (1..=count).map(receipt).collect::<Vec<_>>());
    assert_eq!(store.receipt(interval(7)).unwrap(), Some(receipt(7)));
    let evidence: Vec<_> = store.evidence().map(Result::unwrap).collect();
    assert_eq!((evidence.len() as u64, evidence[2].len()), (EVIDENCE_KEPT, ANSWER_BYTES_MAX));
}

#[test]
fn a_state_in_use_or_of_another_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), false).unwrap();
    load(&store);
    assert!(matches!(Store::open(dir.path(), false), Err(StoreError::InUse(_))));
    let other = SecretKey::from_seed(&[2; 32]).public();
    assert!(matches!(store.load(other, Hash::ZERO), Err(StoreError::OtherOwner { .. })));
    assert!(matches!(store.load(device(), Hash::of(b"")), Err(StoreError::OtherOwner { .. })));
}

#[test]
fn evidence_is_kept_and_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), false).unwrap();
    for count in 1..=EVIDENCE_KEPT + 5 {
        assert_eq!(store.keep_evidence(format!("forged {count}").as_bytes()).unwrap(), count);
    }
    let kept: Vec<_> = store.evidence().map(Result::unwrap).collect();
    assert_eq!((kept.len() as u64, kept[0].as_slice()), (EVIDENCE_KEPT, b"forged 1".as_slice()));
}

#[test]
fn two_truths_are_kept_in_pairs_whatever_was_refused_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), false).unwrap();
    for count in 0..EVIDENCE_KEPT + 5 {
        store.keep_evidence(format!("forged {count}").as_bytes()).unwrap();
    }
    for pair in 0..CONTRADICTIONS_KEPT + 3 {
        let (known, received) = (format!("known {pair}"), format!("received {pair}"));
        // However often it is delivered.
        store.keep_contradiction(known.as_bytes(), received.as_bytes()).unwrap();
        store.keep_contradiction(known.as_bytes(), received.as_bytes()).unwrap();
    }
    let kept: Vec<_> = store.evidence().map(|kept| String::from_utf8(kept.unwrap()).unwrap()).collect();
    assert_eq!(kept[..4], ["known 0", "received 0", "known 1", "received 1"]);
    assert_eq!(kept.len() as u64, 2 * CONTRADICTIONS_KEPT + EVIDENCE_KEPT);
    assert_eq!(kept[2 * CONTRADICTIONS_KEPT as usize], "forged 0");
}
