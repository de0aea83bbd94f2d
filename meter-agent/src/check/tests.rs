use super::*;

const RETAIL: i64 = 300_000;
const FEED_IN: i64 = 80_000;

fn tariffs() -> Tariffs {
    Tariffs { retail_price: price(RETAIL), feed_in_price: price(FEED_IN) }
}

fn price(micro: i64) -> Price {
    Price::from_micro(micro).unwrap()
}

fn interval(count: i64) -> Interval {
    "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(count).unwrap()
}

fn me() -> MemberId {
    MemberId::from_bytes([7; 16])
}

fn own(sequence: u64, at: i64, import: u64, export: u64, consecutive: bool) -> OwnReading {
    let flow = Flow { import: Energy::from_wh(import), export: Energy::from_wh(export) };
    OwnReading { sequence, interval: interval(at), flow, consecutive }
}

/// An entry of interval 0 that is right in its amounts, cleared at 0.19.
fn entry(bought: u64, sold: u64, imported: u64, exported: u64) -> Entry {
    let [bought, sold, imported, exported] = [bought, sold, imported, exported].map(Energy::from_wh);
    let clearing = price(190_000);
    let line = Line {
        member: me(),
        bought,
        sold,
        imported,
        exported,
        paid: clearing.cost_of(bought).unwrap(),
        earned: clearing.cost_of(sold).unwrap(),
        supply_cost: price(RETAIL).cost_of(imported).unwrap(),
        supply_revenue: price(FEED_IN).cost_of(exported).unwrap(),
    };
    Entry {
        interval: interval(0),
        price: Some(clearing),
        line,
        correction: 0,
        tariffs: tariffs(),
        neighbours: None,
        provisional: false,
    }
}

fn check(entry: &Entry, unsettled: &[OwnReading]) -> Result<Vec<u64>, ReceiptFault> {
    check_entry(entry, me(), &Limits::price_taker(&tariffs()), unsettled)
}

#[test]
fn an_entry_settles_the_run_of_readings_that_its_energy_fits() {
    let (late, gap, now) = (own(1, -2, 40, 0, true), own(2, -1, 30, 20, false), own(3, 0, 100, 0, true));
    let next = own(4, 1, 9, 0, true);
    let cases: &[(Entry, &[OwnReading], &[u64])] = &[
        (entry(60, 0, 40, 0), &[now], &[3]),
        (entry(60, 0, 40, 0), &[now, next], &[3]),
        (entry(60, 0, 110, 20), &[late, gap, now], &[1, 2, 3]),
        // The receipt of the first is still on its way.
        (entry(60, 0, 70, 20), &[late, gap, now], &[2, 3]),
        // The interval's own reading did not arrive in time.
        (entry(0, 0, 70, 20), &[late, gap, now], &[1, 2]),
        (entry(0, 0, 40, 0), &[late, gap, now], &[1]),
        // Nothing measured, nothing settled.
        (entry(0, 0, 0, 0), &[], &[]),
        (entry(0, 0, 0, 0), &[late, gap], &[]),
        (entry(0, 0, 0, 0), &[own(9, 0, 0, 0, true)], &[9]),
        (entry(0, 0, 0, 0), &[own(8, -1, 0, 0, true), own(9, 0, 0, 0, true)], &[8, 9]),
    ];
    for (entry, unsettled, expected) in cases {
        assert_eq!(check(entry, unsettled).as_deref(), Ok(*expected), "{:?}", entry.line);
    }
    assert_eq!(check(&entry(0, 70, 0, 30), &[own(1, 0, 0, 100, true)]), Ok(vec![1]));
    // The same energy in two intervals, and nothing traded: the interval's own reading is meant.
    let idle = [own(1, -1, 11, 0, true), own(2, 0, 11, 0, true)];
    assert_eq!(check(&entry(0, 0, 11, 0), &idle), Ok(vec![2]));
    // After a long outage the oldest are settled first.
    let long: Vec<_> = (0..200).map(|at| own(at + 1, at as i64 - 199, 5, 0, true)).collect();
    assert_eq!(check(&entry(0, 0, 97 * 5, 0), &long), Ok((1..=97).collect()));
    // Links next to each other, not a choice of them.
    assert!(check(&entry(60, 0, 80, 0), &[late, now]).is_err());
}

#[test]
fn every_wrong_figure_is_refused_by_name() {
    type Change = fn(&mut Entry);
    let cases: &[(Change, &str)] = &[
        (|e| e.line.member = MemberId::from_bytes([8; 16]), "expected a receipt of member 0707"),
        (|e| e.line.bought = Energy::from_wh(59), "payment to neighbours"),
        (|e| e.line.paid = Amount::from_nano(e.line.paid.nano() + 1), "payment to neighbours"),
        (|e| e.line.paid = Amount::from_nano(e.line.paid.nano() - 1), "payment to neighbours"),
        (|e| e.line.earned = Amount::from_nano(-1), "payment from neighbours"),
        (|e| e.line.imported = Energy::from_wh(41), "supply cost"),
        (|e| e.line.supply_cost = Amount::from_nano(e.line.supply_cost.nano() + 1), "supply cost"),
        (|e| e.line.supply_revenue = Amount::from_nano(-1), "supply revenue"),
        (|e| e.price = Some(price(190_001)), "payment to neighbours"),
        (|e| *e = entry(60, 0, 41, 0), "settles 101 Wh of import"),
        (|e| *e = entry(60, 0, 39, 0), "settles 99 Wh of import"),
        // What cancels out in the sum does not cancel out on the bill.
        (|e| *e = entry(60, 0, 50, 10), "of import"),
        (|e| *e = entry(101, 0, 0, 0), "bought 101 Wh"),
        (|e| *e = entry(60, 1, 40, 0), "sold 1 Wh"),
        (|e| *e = entry(0, 0, 0, 0), "of import"),
        (|e| e.interval = interval(-1), "bought 60 Wh"),
    ];
    let unsettled = [own(1, 0, 100, 0, true)];
    assert_eq!(check(&entry(60, 0, 40, 0), &unsettled), Ok(vec![1]));
    for (change, expected) in cases {
        let mut changed = entry(60, 0, 40, 0);
        change(&mut changed);
        let fault = check(&changed, &unsettled).unwrap_err().to_string();
        assert!(fault.contains(expected), "{fault}, expected {expected}");
    }
}

#[test]
fn own_limits_and_caps_are_respected() {
    let taker = Limits::price_taker(&tariffs());
    let buyer = |limits| check_entry(&entry(60, 0, 40, 0), me(), &limits, &[own(1, 0, 100, 0, true)]);
    let seller = |limits| check_entry(&entry(0, 60, 0, 40), me(), &limits, &[own(1, 0, 0, 100, true)]);
    assert!(buyer(Limits { buy: price(190_000), ..taker }).is_ok());
    assert!(seller(Limits { sell: price(190_000), ..taker }).is_ok());
    let cap = |wh| Some(Energy::from_wh(wh));
    assert!(buyer(Limits { buy_cap: cap(60), ..taker }).is_ok());
    assert!(matches!(buyer(Limits { buy: price(189_999), ..taker }), Err(ReceiptFault::PaidAboveLimit { .. })));
    assert!(matches!(seller(Limits { sell: price(190_001), ..taker }), Err(ReceiptFault::EarnedBelowLimit { .. })));
    assert!(matches!(buyer(Limits { buy_cap: cap(59), ..taker }), Err(ReceiptFault::AboveCap { .. })));
    assert!(matches!(seller(Limits { sell_cap: cap(59), ..taker }), Err(ReceiptFault::AboveCap { .. })));
}

#[test]
fn without_a_common_price_the_limits_still_hold() {
    let mut pay_as_bid = entry(60, 0, 40, 0);
    pay_as_bid.price = None;
    pay_as_bid.line.paid = Amount::from_nano(60 * 250_000 + 7);
    assert_eq!(check(&pay_as_bid, &[own(1, 0, 100, 0, true)]), Ok(vec![1]));
    pay_as_bid.line.paid = Amount::from_nano(60 * RETAIL + 1);
    assert!(matches!(check(&pay_as_bid, &[own(1, 0, 100, 0, true)]), Err(ReceiptFault::PaidAboveLimit { .. })));
    pay_as_bid.line.paid = Amount::from_nano(60 * 250_000);
    pay_as_bid.line.earned = Amount::from_nano(-5);
    assert!(matches!(check(&pay_as_bid, &[own(1, 0, 100, 0, true)]), Err(ReceiptFault::WrongAmount { .. })));
}

#[test]
fn the_transformers_meter_gets_an_empty_line_for_all_that_it_read() {
    let check = |entry: &Entry| {
        let unsettled = [own(4, -1, 9_000, 0, true), own(5, 0, 70_000, 0, true), own(6, 1, 5, 0, true)];
        check_transformer_entry(entry, me(), &unsettled)
    };
    assert_eq!(check(&entry(0, 0, 0, 0)), Ok(vec![4, 5]));
    assert!(matches!(check(&entry(0, 0, 79_000, 0)), Err(ReceiptFault::EnergyBalance { .. })), "it owes nothing");
    assert!(matches!(check(&entry(1, 0, 0, 0)), Err(ReceiptFault::BoughtAboveDeficit { .. })));
    let mut other = entry(0, 0, 0, 0);
    other.line.member = MemberId::from_bytes([8; 16]);
    assert!(matches!(check(&other), Err(ReceiptFault::OtherMember { .. })));
}

#[test]
fn a_correction_is_this_members_and_adds_up_whatever_energy_it_says() {
    let correction = Entry { correction: 1, ..entry(60, 0, 4_000, 0) };
    assert_eq!(check_correction(&correction, me()), Ok(()));
    let other = MemberId::from_bytes([8; 16]);
    assert!(matches!(check_correction(&correction, other), Err(ReceiptFault::OtherMember { .. })));
    let line = Line { supply_cost: Amount::ZERO, ..correction.line };
    assert!(matches!(check_correction(&Entry { line, ..correction }, me()), Err(ReceiptFault::WrongAmount { .. })));
}
