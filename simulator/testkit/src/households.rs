//! The two households of the tests, and what their meters say.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use protocol::{
    commit::Validator,
    envelope::Signed,
    genesis::{Genesis, GenesisMember, Rules},
    hash::Hash,
    interval::Interval,
    key::SecretKey,
    member::MemberId,
    reading::{Reading, Registers, SignedReading},
};

pub fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

pub fn interval(number: i64) -> Interval {
    "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(number).unwrap()
}

/// Two members: device keys 1 and 2, member keys 11 and 12. The market's key is 21.
pub fn genesis(community: &str) -> Genesis {
    let member = |number: u8| GenesisMember {
        member: MemberId::from_bytes([number; 16]),
        key: key(10 + number).public(),
        device: key(number).public(),
        rated_power_w: 10_000,
        bus: None,
        import_wh: 5_000,
        export_wh: 5_000,
        technology: None,
    };
    Genesis {
        community: community.into(),
        currency: "EUR".into(),
        first_interval: interval(0),
        rules: Rules::new("0.30".parse().unwrap(), "0.08".parse().unwrap(), "uniform"),
        market: key(21).public(),
        validators: vec![Validator { key: key(31).public(), power: 1 }],
        members: vec![member(1), member(2)],
        grid: None,
        time_zone: None,
    }
}

/// A chain of readings of one device: member 1 draws 300 Wh in each interval, member 2 feeds in 200 Wh.
pub fn readings(number: u8, count: usize) -> Vec<SignedReading> {
    let flow = if number == 1 { (300, 0) } else { (0, 200) };
    readings_in(&genesis("Test"), number, &vec![flow; count])
}

/// A chain of readings of one device, which draws and feeds in so much in each interval.
pub fn readings_in(genesis: &Genesis, number: u8, flows: &[(u64, u64)]) -> Vec<SignedReading> {
    let mut chain: Vec<SignedReading> = Vec::new();
    let (mut import_wh, mut export_wh) = (5_000, 5_000);
    for (sequence, (import, export)) in (1..).zip(flows) {
        (import_wh, export_wh) = (import_wh + import, export_wh + export);
        let reading = Reading {
            interval: interval(sequence as i64 - 1),
            sequence,
            previous: chain.last().map_or(Hash::ZERO, Signed::hash),
            registers: Registers { import_wh, export_wh },
            salt: [sequence as u8; 16],
        };
        chain.push(Signed::sign(reading, &genesis.chain(), &key(number)));
    }
    chain
}
