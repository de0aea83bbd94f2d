use std::fs;

use protocol::{energy::Energy, envelope::Sealed, hash::Hash, key::SecretKey, reading::Registers};

use super::{join::APART, *};

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
        stored_uwh: Some(sequence),
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

/// The state in `dir`; a new one with the record that is made with a key.
fn open(dir: &Path, fsync: bool) -> Store {
    if !dir.join(DATABASE).exists() && !dir.join(signed::FILE).exists() {
        signed::write(dir, &Signed::nothing(device()), false).unwrap();
    }
    Store::open(dir, fsync).unwrap()
}

/// What the database says by itself, as one that was made before there was a record.
fn database_alone(store: &Store) -> Signed {
    store.db.remove(APART).unwrap();
    match store.known(device(), Hash::ZERO).unwrap() {
        Known::All { signed, lacked: false } => signed,
        other => panic!("{other:?}"),
    }
}

fn load(store: &Store) -> Loaded {
    store.load(device(), Hash::ZERO).unwrap()
}

/// The database in `copy` as the files of the one in `dir` are now: what a machine finds that lost its power.
fn copy_database(dir: &Path, copy: &Path) {
    fs::create_dir_all(copy.join("db/blobs")).unwrap();
    for name in ["db/db", "db/conf"] {
        fs::copy(dir.join(name), copy.join(name)).unwrap();
    }
}

#[test]
fn readings_and_their_head_survive_together_and_the_state_opens_again_at_once() {
    for fsync in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        for sequence in [1, 3, 5] {
            let store = open(dir.path(), fsync);
            load(&store);
            store.append(&[record(sequence), record(sequence + 1)], &head(sequence + 1)).unwrap();
            drop(store);
            let loaded = load(&open(dir.path(), fsync));
            assert_eq!(loaded.head, Some(head(sequence + 1)));
            assert_eq!(loaded.unsettled.last(), Some(&record(sequence + 1)));
        }
    }
}

#[test]
fn a_write_that_was_acknowledged_survives_an_abrupt_end() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), false);
    load(&store);
    store.append(&[record(1)], &head(1)).unwrap();
    // A copy of the files while the store is open: what a machine finds that lost its power now.
    let copy = tempfile::tempdir().unwrap();
    copy_database(dir.path(), copy.path());
    let here = database_alone(&Store::open(copy.path(), false).unwrap());
    assert_eq!((here.head, here.unsettled), (Some(head(1)), vec![record(1)]));
}

#[test]
fn a_torn_tail_loses_a_batch_as_a_whole_never_a_part() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), false);
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
        let here = database_alone(&Store::open(copy.path(), false).unwrap());
        match here.head.map(|head| head.sequence) {
            Some(1) => {
                assert_eq!(here.unsettled, vec![record(1)], "cut at {cut}");
                seen[0] += 1;
            }
            Some(3) => {
                assert_eq!(here.unsettled, vec![record(1), record(2), record(3)], "cut at {cut}");
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
    let store = open(dir.path(), false);
    load(&store);
    store.append(&[record(1), record(2)], &head(2)).unwrap();
    store.db.insert(key(READING, 1), b"torn").unwrap();
    store.db.insert(key(ORDER, 1), b"").unwrap();
    store.keep_evidence(b"no receipt").unwrap();
    let loaded = load(&store);
    // What the record has, too, is not lost: the reading, but not the order.
    assert_eq!((loaded.unsettled, loaded.lacked), (vec![record(1), record(2)], false));
    assert_eq!((loaded.dropped, loaded.receipts_refused), (1, 1));
    store.db.insert(HEAD, b"torn").unwrap();
    let loaded = load(&store);
    assert_eq!((loaded.head, loaded.lacked), (Some(head(2)), true));
}

#[test]
fn settling_keeps_the_receipt_and_a_day_of_readings() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), false);
    load(&store);
    let count = SETTLED_KEPT + 10;
    for sequence in 1..=count {
        store.append(&[record(sequence)], &head(sequence)).unwrap();
        let totals = Totals { receipts_verified: sequence, ..Totals::default() };
        let today = Some(Today { day: 1, totals, settled_until: Some(interval(sequence)) });
        let json = format!("receipt {sequence}");
        let covered = [record(sequence)];
        let settling = Settling {
            interval: interval(sequence),
            json: Some(json.as_bytes()),
            covered: &covered,
            totals,
            today,
            learned: None,
        };
        store.settle(&settling).unwrap();
    }
    let loaded = load(&store);
    assert_eq!((loaded.unsettled.len(), loaded.totals.receipts_verified), (0, count));
    assert_eq!(loaded.today.and_then(|today| today.settled_until), Some(interval(count)));
    let kept = store.settled_before(u64::MAX).unwrap();
    assert_eq!((kept.len() as u64, kept[0].0), (SETTLED_KEPT, 11));
    let flow = |import| Flow { import: Energy::from_wh(import), export: Energy::ZERO };
    assert_eq!([10, 11].map(|at| store.measured(interval(at)).unwrap()), [None, Some(flow(11))]);
    assert_eq!(store.receipts().count() as u64, count);
    assert_eq!(store.receipt(interval(7)).unwrap(), Some(b"receipt 7".to_vec()));
    assert_eq!(store.receipt(interval(0)).unwrap(), None);
    // A receipt of a later interval says that none of this one comes any more; after the last one, it may still come.
    assert_eq!(store.price(interval(0)).unwrap(), Some(None));
    assert_eq!(store.price(interval(count + 1)).unwrap(), None);
}

#[test]
fn what_is_learned_is_stored_with_a_receipt_and_stays_where_nothing_is_learned() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), false);
    assert_eq!(load(&store).learned, None);
    // The most that is remembered of: 50 limits to buy and to sell at.
    let settings = toml::Deserializer::parse("limits = 50\n").unwrap();
    let strategy = household::strategy::read("roth_erev", settings).unwrap();
    let learned = Learned::of(&*strategy, None, interval(3)).unwrap();
    assert!(cbor::encode(&learned).len() <= CHUNK_BYTES);
    for learned in [Some(&learned), None] {
        let (covered, totals) = ([], Totals::default());
        let settling =
            Settling { interval: interval(1), json: Some(b"receipt"), covered: &covered, totals, today: None, learned };
        store.settle(&settling).unwrap();
    }
    assert_eq!(load(&store).learned, Some(learned));
}

#[test]
fn what_was_acknowledged_is_in_the_one_file_that_is_synced() {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(dir.path(), false);
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
            let settling =
                Settling { interval, json: Some(&json), covered: &covered, totals, today: None, learned: None };
            store.settle(&settling).unwrap();
        }
        store.keep_evidence(&noise(sequence, if sequence == 3 { ANSWER_BYTES_MAX } else { 4_000 })).unwrap();
        let elsewhere: Vec<_> = std::fs::read_dir(dir.path().join("db/blobs")).unwrap().collect();
        assert!(elsewhere.is_empty(), "{sequence}: {elsewhere:?}");
    }
    copy_database(dir.path(), copy.path());
    let store = Store::open(copy.path(), false).unwrap();
    assert_eq!(store.receipts().map(Result::unwrap).collect::<Vec<_>>(), (1..=count).map(receipt).collect::<Vec<_>>());
    assert_eq!(store.receipt(interval(7)).unwrap(), Some(receipt(7)));
    let evidence: Vec<_> = store.evidence().map(Result::unwrap).collect();
    assert_eq!((evidence.len() as u64, evidence[2].len()), (EVIDENCE_KEPT, ANSWER_BYTES_MAX));
}

#[test]
fn a_state_in_use_or_of_another_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), false);
    load(&store);
    assert!(matches!(Store::open(dir.path(), false), Err(StoreError::InUse(_))));
    let other = SecretKey::from_seed(&[2; 32]).public();
    assert!(matches!(store.load(other, Hash::ZERO), Err(StoreError::OtherOwner { .. })));
    assert!(matches!(store.load(device(), Hash::of(b"")), Err(StoreError::OtherOwner { .. })));
}

#[test]
fn a_state_of_a_later_format_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), false));
    let path = dir.path().join(settings::state_format::FORMAT_FILE);
    fs::write(&path, "2\n0.9.0\n").unwrap();
    let error = Store::open(dir.path(), false).err().unwrap().to_string();
    let expected = format!(
        "{}: expected a state of format 1 at most, found format 2, which version 0.9.0 wrote; start that version or a later \
         one again; do not remove the state: it says what this device has signed",
        path.display()
    );
    assert_eq!(error, expected);
    fs::remove_file(&path).unwrap();
    drop(open(dir.path(), false));
}

#[test]
fn evidence_is_kept_and_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), false);
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

/// Where the last signature is kept, and what became of it there.
const PLACES: [&str; 3] = ["db", signed::FILE, "device.signed.copy"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Intact,
    /// An old copy was put back.
    Old,
    Damaged,
    Lost,
}

/// Copies a place, a file or a directory, from one state to another.
fn put(from: &Path, to: &Path, place: &str) {
    if place == DATABASE {
        copy_database(from, to);
    } else {
        fs::copy(from.join(place), to.join(place)).unwrap();
    }
}

fn spoil(state: &Path, old: &Path, place: &str, fate: Fate) {
    let path = state.join(place);
    let remove = || if path.is_dir() { fs::remove_dir_all(&path).unwrap() } else { fs::remove_file(&path).unwrap() };
    match fate {
        Fate::Intact => {}
        Fate::Old => {
            remove();
            put(old, state, place);
        }
        Fate::Damaged => {
            let file = if place == DATABASE { path.join("db") } else { path };
            let mut bytes = fs::read(&file).unwrap();
            // In place; of the database the last batch, which sled drops in silence.
            let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
            bytes[last - 20] ^= 0x10;
            fs::write(&file, bytes).unwrap();
        }
        Fate::Lost => remove(),
    }
}

#[test]
fn whatever_is_old_damaged_or_lost_no_number_that_was_sent_is_free_again() {
    let fates = [Fate::Intact, Fate::Old, Fate::Damaged, Fate::Lost];
    let mut outcomes = std::collections::BTreeMap::<&str, u32>::new();
    for (database, file, copy) in fates.iter().flat_map(|a| fates.iter().flat_map(move |b| fates.map(|c| (*a, *b, c))))
    {
        let (dir, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = open(dir.path(), false);
        load(&store);
        store.append(&[record(1)], &head(1)).unwrap();
        for place in PLACES {
            put(dir.path(), old.path(), place);
        }
        // Returned from here, reading 2 is sent.
        store.append(&[record(2)], &head(2)).unwrap();
        drop(store);
        for (place, fate) in PLACES.into_iter().zip([database, file, copy]) {
            spoil(dir.path(), old.path(), place, fate);
        }
        let found = Store::open(dir.path(), false).and_then(|store| store.load(device(), Hash::ZERO));
        let case = format!("{database:?} {file:?} {copy:?}");
        let outcome = match found {
            Ok(loaded) => {
                assert_eq!(loaded.head, Some(head(2)), "{case}");
                assert!(loaded.unsettled.contains(&record(2)), "{case}");
                "goes on from what was sent"
            }
            Err(StoreError::Doubtful { .. }) => {
                assert!(file != Fate::Intact && copy != Fate::Intact, "{case}: one intact file is enough");
                "signs nothing"
            }
            Err(error) => panic!("{case}: {error}"),
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    // One of the two files is intact in 28 of the 64.
    assert_eq!(outcomes.into_values().collect::<Vec<_>>(), [28, 36]);
}

#[test]
fn stopped_between_any_two_writes_it_goes_on_from_the_last_one() {
    // Of the database, the file and the copy, so many have been written when the power goes.
    for written in 0..=PLACES.len() {
        let (dir, before) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = open(dir.path(), false);
        load(&store);
        store.append(&[record(1)], &head(1)).unwrap();
        copy_database(dir.path(), before.path());
        for place in &PLACES[1..] {
            // The very same file, under another name.
            fs::hard_link(dir.path().join(place), before.path().join(place)).unwrap();
        }
        store.append(&[record(2)], &head(2)).unwrap();
        drop(store);
        for place in &PLACES[written..] {
            let path = dir.path().join(place);
            if *place == DATABASE {
                fs::remove_dir_all(&path).unwrap();
                copy_database(before.path(), dir.path());
            } else {
                fs::rename(before.path().join(place), &path).unwrap();
            }
        }
        let loaded = load(&Store::open(dir.path(), false).unwrap());
        let expected = if written == 0 { 1 } else { 2 };
        assert_eq!((loaded.head, loaded.lacked), (Some(head(expected)), false), "{written} written");
        assert_eq!(loaded.unsettled.last(), Some(&record(expected)), "{written} written");
    }
}

#[test]
fn a_state_made_before_there_was_a_record_is_taken_over_and_a_key_without_one_signs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), false);
    load(&store);
    store.append(&[record(1), record(2)], &head(2)).unwrap();
    // As it was made before.
    store.db.remove(APART).unwrap();
    store.db.flush().unwrap();
    drop(store);
    let remove = || PLACES[1..].iter().for_each(|file| fs::remove_file(dir.path().join(file)).unwrap());
    remove();
    let store = Store::open(dir.path(), false).unwrap();
    assert_eq!(load(&store).head, Some(head(2)));
    drop(store);
    fs::remove_dir_all(dir.path().join(DATABASE)).unwrap();
    let store = Store::open(dir.path(), false).unwrap();
    let loaded = load(&store);
    assert_eq!((loaded.head, loaded.unsettled, loaded.lacked), (Some(head(2)), vec![record(1), record(2)], true));
    drop(store);

    // Once there was a record, one that is missing is lost; and so it is with a key alone, put back from a backup.
    for with_database in [true, false] {
        remove();
        if !with_database {
            fs::remove_dir_all(dir.path().join(DATABASE)).unwrap();
        }
        let store = Store::open(dir.path(), false).unwrap();
        let error = store.load(device(), Hash::ZERO).unwrap_err();
        assert!(matches!(error, StoreError::Doubtful { doubt: Doubt::Missing, .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("device.signed") && text.contains("meter-agent recover"), "{text}");
        drop(store);
        signed::write(dir.path(), &Signed::nothing(device()), false).unwrap();
    }
}

#[test]
fn no_damaged_database_ends_a_household() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), false);
    load(&store);
    for sequence in 1..=30 {
        store.append(&[record(sequence)], &head(sequence)).unwrap();
        let json = vec![sequence as u8; 3_000];
        let covered = if sequence > 20 { vec![] } else { vec![record(sequence)] };
        let settling = Settling {
            interval: interval(sequence),
            json: Some(&json),
            covered: &covered,
            totals: Totals::default(),
            today: None,
            learned: None,
        };
        store.settle(&settling).unwrap();
    }
    drop(store);
    let files: Vec<_> = fs::read_dir(dir.path().join(DATABASE)).unwrap().map(|entry| entry.unwrap().path()).collect();
    let files: Vec<_> = files.into_iter().filter(|path| path.is_file()).collect();
    let db = dir.path().join("db/db");
    let written = fs::read(&db).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
    // 30 flips over what is written, 15 cuts, and each file in turn emptied, lost, or all ones.
    let flips = (0..30).map(|step| (db.clone(), Some(step * written / 30), 0));
    let cuts = (0..15).map(|step| (db.clone(), None, step * written / 15));
    let whole = files.iter().flat_map(|file| (0..3).map(|kind| (file.clone(), None, usize::MAX - kind)));
    let (mut opened, mut named) = (0, 0);
    for (number, (file, flip, cut)) in flips.chain(cuts).chain(whole).enumerate() {
        let copy = tempfile::tempdir().unwrap();
        let to = |path: &Path| copy.path().join(path.strip_prefix(dir.path()).unwrap());
        fs::create_dir_all(copy.path().join("db/blobs")).unwrap();
        for path in &files {
            fs::copy(path, to(path)).unwrap();
        }
        // The record is the very file: a copy would be known for one.
        for place in &PLACES[1..] {
            fs::hard_link(dir.path().join(place), copy.path().join(place)).unwrap();
        }
        let mut bytes = fs::read(&file).unwrap();
        match (flip, cut) {
            (Some(at), _) => bytes[at] ^= 0x10,
            (None, usize::MAX) => bytes.clear(),
            (None, cut) if cut == usize::MAX - 1 => bytes.fill(0xff),
            (None, cut) if cut < bytes.len() => bytes.truncate(cut),
            (None, _) => bytes.fill(0),
        }
        fs::write(to(&file), bytes).unwrap();
        match Store::open(copy.path(), false).and_then(|store| store.load(device(), Hash::ZERO)) {
            Ok(loaded) => {
                assert_eq!(loaded.head, Some(head(30)), "{number}: {}", file.display());
                opened += 1;
            }
            Err(error) => {
                let text = error.to_string();
                let path = copy.path().join(DATABASE).display().to_string();
                assert!(text.contains(&path) && text.contains("meter-agent recover"), "{number}: {text}");
                named += 1;
                // What it says.
                fs::rename(copy.path().join(DATABASE), copy.path().join("aside")).unwrap();
                let loaded = load(&Store::open(copy.path(), false).unwrap());
                assert_eq!(loaded.head, Some(head(30)));
                let unsettled: Vec<u64> = loaded.unsettled.iter().map(|(sequence, _)| *sequence).collect();
                assert_eq!(unsettled, (21..=30).collect::<Vec<_>>());
            }
        }
    }
    println!("{opened} opened, {named} named their remedy");
    assert!(opened + named >= 50 && opened > 0 && named > 0);
}
