//! Bills add up, whatever was booked.

use proptest::{collection::vec, prelude::*};
use protocol::{energy::Energy, settlement::Tariffs};

use super::*;

const NANO_MAX: i64 = 1 << 40;

fn entry(interval: Interval, member: u8, correction: u32, wh: [u64; 4], nano: [i64; 4]) -> Entry {
    let [bought, sold, imported, exported] = wh.map(Energy::from_wh);
    let [paid, earned, supply_cost, supply_revenue] = nano.map(Amount::from_nano);
    let member = MemberId::from_bytes([member; 16]);
    let line = Line { member, bought, sold, imported, exported, paid, earned, supply_cost, supply_revenue };
    let tariffs = Tariffs { retail_price: "0.3".parse().unwrap(), feed_in_price: "0.08".parse().unwrap() };
    Entry { interval, price: None, line, correction, tariffs, neighbours: None, provisional: false }
}

fn first() -> Interval {
    "2026-06-01T00:00:00Z/PT15M".parse().unwrap()
}

fn utc_day(interval: Interval) -> Date {
    jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::from_second(interval.start_s()).unwrap()).date()
}

/// An interval in which supplier and operator gain what members lose.
fn in_force(height: u64, entries: Vec<Entry>, operator: i64) -> InForce {
    let net: i64 = entries.iter().map(|entry| entry.line.net().unwrap().nano()).sum();
    InForce {
        height,
        entries: entries.into_iter().map(|entry| (entry, Some(Flow::default()))).collect(),
        supplier: Amount::from_nano(-net - operator),
        operator: Amount::from_nano(operator),
        network: None,
    }
}

#[test]
fn an_amount_is_rounded_to_the_nearest_cent_and_half_a_cent_away_from_zero() {
    for (nano, expected) in [
        (0, 0),
        (4_999_999, 0),
        (5_000_000, 1),
        (-4_999_999, 0),
        (-5_000_000, -1),
        (14_999_999, 1),
        (15_000_000, 2),
        (25_000_000, 3),
        (-25_000_000, -3),
        (1_234_567_890, 123),
        (i128::from(i64::MAX), 922_337_203_685),
    ] {
        assert_eq!(cents(nano), expected, "{nano}");
    }
}

#[test]
fn a_month_is_rounded_once_and_not_line_by_line() {
    // Each line is 0.4 cents: a hundred of them are 40 cents, and rounded one by one they would be none.
    let intervals = (0..100).map(|at| {
        let line = entry(first().offset(at).unwrap(), 1, 0, [0, 0, 10, 0], [0, 0, 4_000_001, 0]);
        in_force(1, vec![line], 0)
    });
    let bills = Bills::of(intervals, [], utc_day).unwrap();
    let bill = &bills.members[&MemberId::from_bytes([1; 16])];
    assert_eq!((bill.cents(), bill.remainder_nano()), (-40, -100));
    let days: Vec<(String, u64)> = bill.days.iter().map(|(day, sums)| (day.to_string(), sums.intervals)).collect();
    assert_eq!(days, [("2026-06-01".into(), 96), ("2026-06-02".into(), 4)]);
}

/// 20,000 kWh at 10 Rp., less 40 %: CHF 1,200 instead of 2,000.
#[test]
fn a_network_discount_is_summed_exactly_rounded_once_and_moves_no_bill() {
    let leg = NetworkDiscount { price: "0.10".parse().unwrap(), ppm: 400_000 };
    let intervals = |network: Option<NetworkDiscount>, wh: u64| {
        let interval = move |at: i64| {
            let line = entry(first().offset(at).unwrap(), 1, 0, [wh, 0, 10, 0], [7, 0, 4_000_001, 0]);
            InForce { network, ..in_force(1, vec![line], 0) }
        };
        (0..1_000).map(interval)
    };
    let bill = |network, wh| {
        let bills = Bills::of(intervals(network, wh), [], utc_day).unwrap();
        bills.members[&MemberId::from_bytes([1; 16])].clone()
    };
    let (with, without) = (bill(Some(leg), 20_000), bill(None, 20_000));
    assert_eq!((with.network_discount_cents(), with.sums.discounted_wh), (80_000, 20_000_000));
    assert_eq!((without.network_discount_cents(), without.sums.discounted_wh), (0, 0));
    assert_eq!((with.cents(), with.remainder_nano()), (without.cents(), without.remainder_nano()));
    // A thousand times 5 µ: half a cent, of which no line comes to anything.
    let small = NetworkDiscount { price: "0.005".parse().unwrap(), ppm: 1_000_000 };
    assert_eq!(bill(Some(small), 1).network_discount_cents(), 1);
    let less = NetworkDiscount { ppm: 999_999, ..small };
    assert_eq!(bill(Some(less), 1).network_discount_cents(), 0);
}

#[test]
fn transfers_stand_apart_and_change_no_bill() {
    let [ada, bob] = [1, 2].map(|byte| MemberId::from_bytes([byte; 16]));
    let transfer = |from, to| Transfer {
        height: 3,
        open: first(),
        from,
        to,
        amount: Amount::from_nano(700),
        reference: "ladder".into(),
    };
    let between = transfer(AccountId::Member(ada), AccountId::Member(bob));
    let payout = transfer(AccountId::Operator, AccountId::Member(ada));
    let bills = Bills::of([], [between.clone(), payout.clone(), payout.clone()], utc_day).unwrap();
    let [of_ada, of_bob] = [ada, bob].map(|member| &bills.members[&member]);
    assert_eq!(of_ada.transfers, [between.clone(), payout.clone(), payout]);
    assert_eq!(of_bob.transfers, [between]);
    assert_eq!((of_ada.transfers_nano(ada), of_bob.transfers_nano(bob)), (700, 700));
    assert_eq!((of_ada.cents(), of_ada.sums), (0, Sums::default()));
}

#[test]
fn what_does_not_balance_is_no_ledgers() {
    let mut interval = in_force(1, vec![entry(first(), 1, 0, [1, 0, 0, 0], [5, 0, 0, 0])], 0);
    interval.supplier = Amount::from_nano(4);
    let error = Bills::of([interval], [], utc_day).unwrap_err();
    assert_eq!(error, Unbalanced { interval: first().to_string(), found: -1 });
}

prop_compose! {
    fn lines()(
        wh in vec(prop::array::uniform4(0..1_u64 << 40), 1..6),
        nano in vec(prop::array::uniform4(-NANO_MAX..NANO_MAX), 5),
        operator in -NANO_MAX..NANO_MAX,
        correction in 0..3_u32,
    ) -> (Vec<[u64; 4]>, Vec<[i64; 4]>, i64, u32) {
        (wh, nano, operator, correction)
    }
}

proptest! {
    #[test]
    fn bills_add_up_whatever_was_booked(intervals in vec(lines(), 0..200)) {
        let intervals: Vec<InForce> = intervals
            .into_iter()
            .enumerate()
            .map(|(at, (wh, nano, operator, correction))| {
                let interval = first().offset(at as i64).unwrap();
                let entries = wh.iter().zip(&nano).enumerate();
                let entries =
                    entries.map(|(member, (wh, nano))| entry(interval, member as u8, correction, *wh, *nano));
                in_force(at as u64, entries.collect(), operator)
            })
            .collect();
        let bills = Bills::of(intervals.clone(), [], utc_day).unwrap();

        // To the last nano-unit, and so do the rounded bills with what rounding left out.
        prop_assert_eq!(bills.balance_nano(), 0);
        let sum = |of: fn(&Bill) -> i128| bills.members.values().map(of).sum::<i128>();
        let exact = sum(|bill| bill.sums.net_nano());
        prop_assert_eq!(sum(Bill::cents) * CENT_NANO + sum(Bill::remainder_nano), exact);
        for (member, bill) in &bills.members {
            prop_assert!(bill.remainder_nano().abs() <= CENT_NANO / 2);
            // Every booked line is in it once, and nothing else.
            let booked = intervals.iter().flat_map(|interval| &interval.entries);
            let own: Vec<&Entry> =
                booked.map(|(entry, _)| entry).filter(|entry| entry.line.member == *member).collect();
            prop_assert_eq!(bill.rows.iter().map(|row| &row.entry).collect::<Vec<_>>(), own.clone());
            let net: i128 = own.iter().map(|entry| i128::from(entry.line.net().unwrap().nano())).sum();
            prop_assert_eq!(bill.sums.net_nano(), net);
            let days = bill.days.values().copied();
            prop_assert_eq!(days.clone().map(|day| day.net_nano()).sum::<i128>(), net);
            prop_assert_eq!(days.clone().map(|day| day.bought_wh).sum::<u128>(), bill.sums.bought_wh);
            prop_assert_eq!(days.map(|day| day.corrected).sum::<u64>(), bill.sums.corrected);
        }
    }
}
