use protocol::{key::SecretKey, money::Amount};

use super::*;
use crate::{chain, record::ReadingRecord, source::Measurement};

fn key() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

fn first() -> Interval {
    "2026-06-01T12:00:00Z/PT15M".parse().unwrap()
}

/// A chain of readings, and its head after each; before the first it is where the registration puts it.
fn readings(count: u64) -> (Vec<ChainHead>, Vec<(u64, ReadingRecord)>) {
    let mut heads = vec![chain::start(first(), Registers::default()).unwrap()];
    let mut records = Vec::new();
    for sequence in 1..=count {
        let registers = Registers { import_wh: 100 * sequence, export_wh: 0 };
        let measured = Measurement { registers, gross: None };
        let interval = first().offset(sequence as i64 - 1).unwrap();
        let before = heads.last().unwrap();
        let (head, record) = chain::link(before, interval, &measured, [7; 16], &Hash::ZERO, &key()).unwrap();
        heads.push(head);
        records.push((sequence, record));
    }
    (heads, records)
}

fn member() -> MemberId {
    MemberId::from_bytes([7; 16])
}

/// What the ledger says where it has settled up to this head.
fn standing(head: &ChainHead) -> MemberStatus {
    MemberStatus {
        member: member(),
        balance: Amount::ZERO,
        debits: Amount::ZERO,
        credits: Amount::ZERO,
        key: SecretKey::from_seed(&[2; 32]).public(),
        device: Some(key().public()),
        rated_power_w: 10_000,
        bus: None,
        technology: None,
        sequence: head.sequence,
        reading: head.hash,
        read: head.interval,
        import_wh: head.registers.import_wh,
        export_wh: head.registers.export_wh,
        committed: None,
        order: None,
        order_sequence: 3,
        instruction_sequence: 0,
        quotas: Vec::new(),
    }
}

fn decide(standing: &MemberStatus, hint: Signed) -> Result<Signed, RecoverError> {
    let genesis = protocol::genesis::Genesis {
        community: "test street".into(),
        currency: "EUR".into(),
        first_interval: first(),
        rules: protocol::genesis::Rules::new("0.30".parse().unwrap(), "0.08".parse().unwrap(), "uniform"),
        market: key().public(),
        validators: Vec::new(),
        members: Vec::new(),
        grid: None,
        time_zone: None,
    };
    let verifier = Verifier::new(&genesis);
    let wanted = Wanted { chain: Hash::ZERO, verifier: &verifier, member: member(), device: key().public() };
    joined(standing, &wanted, hint)
}

#[test]
fn the_chain_goes_on_from_the_later_of_ledger_and_state_and_never_over_what_is_lost() {
    let (heads, records) = readings(5);
    let nothing = || Signed::nothing(key().public());
    let here = |head: usize, unsettled: std::ops::Range<usize>| Signed {
        head: (head > 0).then(|| heads[head]),
        unsettled: records[unsettled].to_vec(),
        ..nothing()
    };
    for settled in 0..=5 {
        for head in 0..=5 {
            let found = decide(&standing(&heads[settled]), here(head, 0..head)).unwrap();
            // Never before what is settled, never before what was signed here.
            assert_eq!(found.sequence(), settled.max(head) as u64, "{settled} settled, {head} here");
            assert_eq!(found.head.map_or(Hash::ZERO, |head| head.hash), heads[settled.max(head)].hash);
            let waiting: Vec<u64> = found.unsettled.iter().map(|(sequence, _)| *sequence).collect();
            assert_eq!(waiting, (settled as u64 + 1..=head as u64).collect::<Vec<_>>());
            assert_eq!(found.order, 3);
        }
    }
    // Signed, and neither here nor settled.
    for (settled, head, unsettled, gap) in [(1, 5, 3..5, (2, 5)), (1, 5, 0..4, (5, 5)), (0, 3, 0..0, (1, 3))] {
        match decide(&standing(&heads[settled]), here(head, unsettled)) {
            Err(RecoverError::Gap { from, to }) => assert_eq!((from, to), gap),
            other => panic!("{other:?}"),
        }
    }
    // The ledger has another reading under the last number, or under one before.
    let other = MemberStatus { reading: Hash::of(b"another"), ..standing(&heads[3]) };
    for head in 3..=5 {
        assert!(matches!(decide(&other, here(head, 0..head)), Err(RecoverError::OtherReading { sequence: 3 })));
    }
    // Where nothing is known here, it is believed.
    assert_eq!(decide(&other, nothing()).unwrap().head.unwrap().hash, Hash::of(b"another"));
    for device in [None, Some(SecretKey::from_seed(&[9; 32]).public())] {
        let replaced = MemberStatus { device, ..standing(&heads[3]) };
        assert!(matches!(decide(&replaced, nothing()), Err(RecoverError::OtherDevice { .. })));
    }
}
