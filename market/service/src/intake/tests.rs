use protocol::{
    api::RulesInForce,
    energy::Energy,
    envelope::{Payload, Signed},
    genesis::{Genesis, GenesisMember, Rules},
    key::SecretKey,
    member::MemberId,
    order::Order,
    reading::Registers,
};

use super::*;
use crate::{community::Community, orders, snapshot::Snapshot};

const RATED_W: u64 = 10_000;

pub(crate) fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

/// Two members: device keys 1 and 2, member keys 11 and 12. The market's key is 21.
pub(crate) fn community() -> Community {
    let member = |number: u8| GenesisMember {
        member: MemberId::from_bytes([number; 16]),
        key: key(10 + number).public(),
        device: key(number).public(),
        rated_power_w: RATED_W,
        bus: None,
        import_wh: 1_000,
        export_wh: 0,
        technology: None,
    };
    let genesis = Genesis {
        community: "Test".into(),
        currency: "EUR".into(),
        first_interval: interval(0),
        rules: Rules::new("0.30".parse().unwrap(), "0.08".parse().unwrap(), "uniform"),
        market: key(21).public(),
        validators: Vec::new(),
        members: vec![member(1), member(2)],
        grid: None,
        time_zone: None,
    };
    Community::new(genesis, key(21)).unwrap()
}

pub(crate) fn interval(number: i64) -> Interval {
    "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(number).unwrap()
}

/// The reading after `sequence - 1`, 100 Wh in every interval.
pub(crate) fn reading(sequence: u64, previous: Hash) -> Reading {
    Reading {
        interval: interval(sequence as i64 - 1),
        sequence,
        previous,
        registers: Registers { import_wh: 1_000 + 100 * sequence, export_wh: 0 },
        salt: [sequence as u8; 16],
    }
}

struct Scene {
    community: Community,
    book: Book,
    /// Readings 1 to 5: two settled, two waiting, one to come.
    chain: Vec<SignedReading>,
}

impl Scene {
    fn new() -> Scene {
        let community = community();
        let mut chain: Vec<SignedReading> = Vec::new();
        for sequence in 1..=5 {
            let previous = chain.last().map_or(Hash::ZERO, Signed::hash);
            chain.push(Signed::sign(reading(sequence, previous), &community.chain, &key(1)));
        }
        let mut book = Book::new(&community.genesis, community.before_first);
        for reading in &chain[..4] {
            book.take(reading.clone());
        }
        let head = protocol::reading::ChainHead::after(&chain[1]);
        let gone = book.settled(&[(key(1).public(), head)].into());
        assert_eq!(gone, [(key(1).public(), 1), (key(1).public(), 2)]);
        Scene { community, book, chain }
    }

    fn sign(&self, reading: Reading, number: u8) -> Vec<u8> {
        Signed::sign(reading, &self.community.chain, &key(number)).bytes().to_vec()
    }

    /// The reading to come, changed.
    fn next(&self, change: impl FnOnce(&mut Reading)) -> Vec<u8> {
        let mut reading = self.chain[4].payload().clone();
        change(&mut reading);
        self.sign(reading, 1)
    }

    fn read(&self, bytes: &[u8]) -> Result<SignedReading, Refused> {
        let intake = Intake { first: self.community.genesis.first_interval, ended_by_s: interval(4).end_s() };
        let is_known = |signer: &DeviceId| self.book.device(signer).is_some();
        let device = key(1).public();
        let opened = Signed::open(bytes, &self.community.chain, is_known);
        let decision = intake.read(&self.book, &device, &opened).cloned();
        // A copy is known without a look at its signature, and refused with the same words.
        let copy = refuse_copy(self.book.device(&device).unwrap(), Hash::of(bytes));
        match &decision {
            Err(refused) if refused.refusal == Refusal::Duplicate => assert_eq!(copy.as_ref(), Some(refused)),
            _ => assert_eq!(copy, None),
        }
        decision
    }
}

#[test]
fn the_next_link_of_a_chain_is_taken() {
    let scene = Scene::new();
    assert_eq!(scene.read(scene.chain[4].bytes()).unwrap(), scene.chain[4]);
    let after_a_gap = scene.next(|reading| reading.interval = interval(4));
    assert!(scene.read(&after_a_gap).is_ok());
}

#[test]
fn every_refusal_of_a_reading_has_its_name() {
    let scene = Scene::new();
    let conflict = |number: usize| {
        let mut reading = scene.chain[number - 1].payload().clone();
        reading.salt = [99; 16];
        scene.sign(reading, 1)
    };
    let mut flipped = scene.chain[4].bytes().to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    let forward = |number: i64| Then::ForwardReceipt(interval(number - 1));
    let report = |bytes: &[u8], number: usize| {
        let second = Signed::open(bytes, &scene.community.chain, |_| true).unwrap();
        Then::Report(Box::new(Conflict::new(Some(&scene.chain[number - 1]), &second)))
    };
    let five_minutes: Interval = "2026-06-01T12:00:00Z/PT5M".parse().unwrap();
    let foreign = Signed::sign(scene.chain[4].payload().clone(), &Hash::ZERO, &key(1)).bytes().to_vec();
    let cases: Vec<(&str, Vec<u8>, Refusal, Then)> = vec![
        ("nothing", vec![], Refusal::Malformed, Then::Nothing),
        ("noise", vec![0xff; 300], Refusal::Malformed, Then::Nothing),
        ("a kilobyte too much", vec![0; 1_025], Refusal::Malformed, Then::Nothing),
        ("five minutes", scene.next(|r| r.interval = five_minutes), Refusal::Malformed, Then::Nothing),
        ("a stranger", scene.sign(scene.chain[4].payload().clone(), 99), Refusal::UnknownDevice, Then::Nothing),
        ("a flipped bit", flipped, Refusal::BadSignature, Then::Nothing),
        ("another community's", foreign, Refusal::BadSignature, Then::Nothing),
        ("another device's topic", scene.sign(reading(1, Hash::ZERO), 2), Refusal::BadSignature, Then::Nothing),
        ("a waiting one", scene.chain[2].bytes().to_vec(), Refusal::Duplicate, Then::Nothing),
        ("the last one that waits", scene.chain[3].bytes().to_vec(), Refusal::Duplicate, Then::Nothing),
        ("the last settled one", scene.chain[1].bytes().to_vec(), Refusal::Duplicate, forward(2)),
        ("an older settled one", scene.chain[0].bytes().to_vec(), Refusal::IntervalClosed, forward(1)),
        ("another one that waits", conflict(3), Refusal::SequenceConflict, report(&conflict(3), 3)),
        ("another settled one", conflict(2), Refusal::SequenceConflict, report(&conflict(2), 2)),
        ("a gap in the chain", scene.next(|r| r.sequence = 6), Refusal::ChainBroken, Then::Nothing),
        ("another chain", scene.next(|r| r.previous = Hash::ZERO), Refusal::ChainBroken, Then::Nothing),
        ("an interval that waits", scene.next(|r| r.interval = interval(3)), Refusal::ChainBroken, Then::Nothing),
        ("a settled interval", scene.next(|r| r.interval = interval(1)), Refusal::IntervalClosed, Then::Nothing),
        ("before the first interval", scene.next(|r| r.interval = interval(-1)), Refusal::Stale, Then::Nothing),
        ("a future interval", scene.next(|r| r.interval = interval(5)), Refusal::FutureDated, Then::Nothing),
        ("a register", scene.next(|r| r.registers.import_wh -= 101), Refusal::RegisterWentBack, Then::Nothing),
        ("a power", scene.next(|r| r.registers.import_wh += 3_000), Refusal::ImplausiblePower, Then::Nothing),
        (
            "a register out of range",
            scene.next(|r| r.registers.export_wh = u64::MAX),
            Refusal::ImplausiblePower,
            Then::Nothing,
        ),
    ];
    for (case, bytes, refusal, then) in &cases {
        let refused = scene.read(bytes).expect_err(case);
        assert_eq!((refused.refusal, &refused.then), (*refusal, then), "{case}: {}", refused.detail);
        assert!(!refused.detail.is_empty());
    }
    let of_others = [
        Refusal::OrderTooLate,
        Refusal::TooManyOrders,
        Refusal::NoIslandPlan,
        Refusal::StatusImpossible,
        Refusal::StatusNotNewer,
        Refusal::ClassNotDecided,
    ];
    for refusal in Refusal::ALL.into_iter().filter(|refusal| !of_others.contains(refusal)) {
        assert!(cases.iter().any(|(_, _, found, _)| *found == refusal), "{refusal} is not in the table");
    }
}

#[test]
fn after_a_gap_the_answer_names_the_sequence_number_to_send_from() {
    let scene = Scene::new();
    let detail = scene.read(&scene.next(|reading| reading.sequence = 9)).unwrap_err().detail;
    assert!(detail.contains("expected the reading with sequence number 5, found 9"), "{detail}");
}

#[test]
fn what_does_not_continue_the_settled_chain_waits_no_longer() {
    let mut scene = Scene::new();
    // Another reading 3 was settled than the one that waits: 3 is gone, and so is 4 that follows it.
    let mut other = protocol::reading::ChainHead::after(&scene.chain[2]);
    other.hash = Hash::ZERO;
    assert_eq!(scene.book.settled(&[(key(1).public(), other)].into()), [(key(1).public(), 3), (key(1).public(), 4)]);
    assert!(!scene.book.any_waiting());
}

#[test]
fn orders_are_checked_before_the_ledger_sees_them() {
    let community = community();
    let snapshot = Snapshot {
        source: 0,
        settled: None,
        next: interval(4),
        tie_seed: Hash::ZERO,
        heads: Default::default(),
        committed: Vec::new(),
        orders: Default::default(),
        order_sequences: [(MemberId::from_bytes([1; 16]), 7)].into(),
        members: Vec::new(),
        rules: Box::new(RulesInForce {
            interval: interval(4),
            from: interval(0),
            rules: community.genesis.rules.clone(),
            grid: None,
            market: community.genesis.market,
            decision_sequence: 0,
        }),
    };
    let order = |sequence, valid_from, number| {
        let cap = Some(Energy::from_wh(5));
        let order = Order { sequence, valid_from, buy: None, sell: None, buy_cap: cap, sell_cap: None };
        Signed::sign(order, &community.chain, &key(number)).bytes().to_vec()
    };
    let hour: Interval = "2026-06-01T20:00:00Z/PT1H".parse().unwrap();
    for (case, bytes, expected) in [
        ("for the next interval", order(8, interval(5), 11), None),
        ("for later", order(9, interval(500), 11), None),
        ("sent again after its answer was lost", order(7, interval(2), 11), None),
        ("for the open interval", order(8, interval(4), 11), Some(Refusal::OrderTooLate)),
        ("for a settled interval", order(8, interval(3), 11), Some(Refusal::OrderTooLate)),
        ("of a neighbour", order(8, interval(5), 12), Some(Refusal::BadSignature)),
        ("signed by the device", order(8, interval(5), 1), Some(Refusal::UnknownDevice)),
        ("for an hour", order(8, hour, 11), Some(Refusal::Malformed)),
        ("no order", vec![1, 2, 3], Some(Refusal::Malformed)),
    ] {
        let opened = Signed::open(&bytes, &community.chain, |key| community.roll().known_key(key.as_bytes()).is_some());
        let found = orders::check(&community, &snapshot, &key(1).public(), &opened);
        assert_eq!(found.as_ref().err().map(|refused| refused.refusal), expected, "{case}: {found:?}");
    }
}

/// Content that its signer has written by hand.
struct ByHand(Vec<u8>);

impl Payload for ByHand {
    const DOMAIN: &'static str = Reading::DOMAIN;
    const BYTES_MAX: usize = Reading::BYTES_MAX;
}

impl minicbor::Encode<()> for ByHand {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut (),
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.writer_mut().write_all(&self.0).map_err(minicbor::encode::Error::write)
    }
}

impl minicbor::Decode<'_, ()> for ByHand {
    fn decode(d: &mut minicbor::Decoder<'_>, _: &mut ()) -> Result<Self, minicbor::decode::Error> {
        Ok(ByHand(d.input().to_vec()))
    }
}

#[test]
fn a_registered_device_that_signs_nonsense_is_malformed_and_nothing_worse() {
    let scene = Scene::new();
    // What a reading is: an array of five, its fourth the registers, an array of two.
    let fair = protocol::cbor::encode(scene.chain[4].payload());
    let registers = fair.windows(2).rposition(|pair| pair[0] == 0x82 && pair[1] == 0x19).unwrap();
    let import = registers + 1..registers + 4;
    let with = |import_wh: &[u8]| [&fair[..import.start], import_wh, &fair[import.end..]].concat();
    assert_eq!(scene.read(&scene.next(|_| ())).unwrap(), scene.chain[4]);
    let number = scene.chain[4].registers.import_wh as u16;
    let again = with(&[&[0x19], number.to_be_bytes().as_slice()].concat());
    assert_eq!(again, fair, "what is replaced below is the import register");
    for (case, content) in [
        ("nothing", vec![]),
        ("NaN", with(&[0xf9, 0x7e, 0x00])),
        ("infinity", with(&[0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0])),
        ("1e400, a decimal fraction", with(&[0xc4, 0x82, 0x19, 0x01, 0x90, 0x01])),
        ("a number of 20 bytes", with(&[&[0xc2, 0x54], [0xff; 20].as_slice()].concat())),
        ("a negative number", with(&[0x20])),
        ("a number in more bytes than it needs", with(&[&[0x1a, 0, 0], number.to_be_bytes().as_slice()].concat())),
        ("text", with(b"\x63123")),
        ("text that is no UTF-8", with(&[0x62, 0xff, 0xfe])),
        ("null", with(&[0xf6])),
        ("an array that claims a billion billion items", with(&[0x9b, 0x0f, 0, 0, 0, 0, 0, 0, 0])),
        ("bytes that claim to be 2^63", with(&[0x5b, 0x80, 0, 0, 0, 0, 0, 0, 0])),
        ("deeply nested", vec![0x81; 800]),
        ("endless arrays", vec![0x9f; 800]),
        ("something behind", [fair.as_slice(), &[0]].concat()),
        ("less than all", fair[..fair.len() - 1].to_vec()),
    ] {
        let bytes = Signed::sign(ByHand(content), &scene.community.chain, &key(1)).bytes().to_vec();
        let refused = scene.read(&bytes).expect_err(case);
        assert_eq!((refused.refusal, refused.then), (Refusal::Malformed, Then::Nothing), "{case}: {}", refused.detail);
    }
}
