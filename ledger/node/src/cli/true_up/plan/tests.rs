use protocol::{api::Correctable, genesis::Rules, hash::Hash, key::SecretKey, money::Amount, settlement::Settlement};

use super::*;

fn interval(number: i64) -> Interval {
    "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(number).unwrap()
}

fn member(number: u8) -> MemberId {
    MemberId::from_bytes([number; 16])
}

fn flow(import: u64, export: u64) -> Flow {
    Flow { import: Energy::from_wh(import), export: Energy::from_wh(export) }
}

fn read(import: u64, export: u64) -> Values {
    Values { import: Energy::from_wh(import), export: Energy::from_wh(export), ..Values::default() }
}

/// Values with late energy; without anything measured where `measured` is none.
fn with_late(measured: Option<(u64, u64)>, import: u64, export: u64) -> Values {
    let (late_import, late_export) = (Energy::from_wh(import), Energy::from_wh(export));
    let (import, export) = measured.unwrap_or_default();
    Values { late_import, late_export, late_only: measured.is_none(), ..read(import, export) }
}

fn late(of: u8, from: i64, to: i64, import: u64, export: u64) -> Late {
    let (import, export) = (Energy::from_wh(import), Energy::from_wh(export));
    Late { member: member(of), from: interval(from), to: interval(to), import, export }
}

fn correctable(at: i64, values: &[(u8, Option<Values>)], late: &[Late]) -> (Interval, Correctable) {
    let input = |(number, values): &(u8, Option<Values>)| MemberInput {
        quota: None,
        member: member(*number),
        device: Some(SecretKey::from_seed(&[*number; 32]).public()),
        technology: None,
        buy: None,
        sell: None,
        buy_cap: None,
        sell_cap: None,
        values: *values,
    };
    let rules = Rules::new("0.3".parse().unwrap(), "0.08".parse().unwrap(), "uniform");
    let settlement = Settlement {
        exchange: None,
        interval: interval(at),
        readings: Vec::new(),
        price: None,
        lines: Vec::new(),
        trades: Vec::new(),
        supplier: Amount::ZERO,
        operator: Amount::ZERO,
        minted: Vec::new(),
        inputs: Hash::ZERO,
        tariffs: rules.tariffs(),
        provisional: None,
    };
    let inputs = values.iter().map(input).collect();
    let late = late.to_vec();
    (interval(at), Correctable { settlement, inputs, corrections: 0, tie_seed: Hash::ZERO, rules, grid: None, late })
}

type Changes = Vec<(i64, Vec<(u8, Values)>)>;

fn changes(plan: &Plan) -> Changes {
    let number = |interval: &Interval| interval.since(super::tests::interval(0)).unwrap();
    let of_interval = |(at, values): (&Interval, &Vec<Validated>)| {
        let values = values.iter().map(|validated| (validated.member.as_bytes()[0], validated.values)).collect();
        (number(at), values)
    };
    plan.values.iter().map(of_interval).collect()
}

/// Books what is planned, as the ledger will.
fn booked(known: &Known, plan: &Plan) -> Known {
    let mut after = known.clone();
    for (interval, values) in &plan.values {
        let correctable = after.get_mut(interval).unwrap();
        correctable.inputs = protocol::correction::corrected(&correctable.inputs, values).unwrap();
    }
    after
}

/// Plans, books, and finds nothing to do the second time.
fn planned(known: &Known, given: &Given) -> (Changes, Vec<String>) {
    let first = plan(known, given, interval(100)).unwrap();
    let again = plan(&booked(known, &first), given, interval(100)).unwrap();
    assert_eq!(changes(&again), [], "the same again");
    (changes(&first), first.notes)
}

#[test]
fn what_came_late_moves_from_the_settlement_it_came_with_into_its_interval() {
    let known = Known::from([
        correctable(0, &[(1, None), (2, Some(read(5, 0)))], &[]),
        correctable(1, &[(1, None), (2, Some(read(5, 0)))], &[]),
        correctable(
            2,
            &[(1, Some(with_late(Some((7, 0)), 40, 30))), (2, Some(read(5, 0)))],
            &[late(1, 0, 0, 40, 0), late(1, 1, 1, 0, 30)],
        ),
    ]);
    let expected = vec![(0, vec![(1, read(40, 0))]), (1, vec![(1, read(0, 30))]), (2, vec![(1, read(7, 0))])];
    assert_eq!(planned(&known, &Given::new()), (expected, vec![]));
    // Only some of it: the rest stays where it is.
    let part = plan(&known, &Given::new(), interval(0)).unwrap();
    let expected = vec![(0, vec![(1, read(40, 0))]), (2, vec![(1, with_late(Some((7, 0)), 0, 30))])];
    assert_eq!(changes(&part), expected);
    let rest = plan(&booked(&known, &part), &Given::new(), interval(100)).unwrap();
    assert_eq!(changes(&rest), vec![(1, vec![(1, read(0, 30))]), (2, vec![(1, read(7, 0))])]);
}

#[test]
fn a_chain_of_late_settlements_is_undone_at_once() {
    // Each reading came one interval late.
    let known = Known::from([
        correctable(0, &[(1, None)], &[]),
        correctable(1, &[(1, Some(with_late(None, 10, 0)))], &[late(1, 0, 0, 10, 0)]),
        correctable(2, &[(1, Some(with_late(None, 0, 20)))], &[late(1, 1, 1, 0, 20)]),
    ]);
    let expected =
        vec![(0, vec![(1, read(10, 0))]), (1, vec![(1, read(0, 20))]), (2, vec![(1, with_late(None, 0, 0))])];
    assert_eq!(planned(&known, &Given::new()), (expected, vec![]));
}

#[test]
fn validated_values_take_what_they_explain_out_of_a_gap_and_no_more() {
    let known = Known::from([
        correctable(0, &[(1, None)], &[]),
        correctable(1, &[(1, None)], &[]),
        correctable(2, &[(1, Some(with_late(None, 100, 50)))], &[late(1, 0, 2, 100, 50)]),
    ]);
    let one = Given::from([((interval(0), member(1)), flow(30, 10))]);
    let expected = vec![(0, vec![(1, read(30, 10))]), (2, vec![(1, with_late(None, 70, 40))])];
    assert_eq!(planned(&known, &one), (expected, vec![]));

    // The interval that the reading ended is measured by nothing else.
    let all = Given::from([
        ((interval(0), member(1)), flow(30, 10)),
        ((interval(1), member(1)), flow(30, 10)),
        ((interval(2), member(1)), flow(40, 30)),
    ]);
    let expected = vec![(0, vec![(1, read(30, 10))]), (1, vec![(1, read(30, 10))]), (2, vec![(1, read(40, 30))])];
    assert_eq!(planned(&known, &all), (expected, vec![]));

    // Corrected twice: what is left of the gap follows.
    let first = booked(&known, &plan(&known, &one, interval(100)).unwrap());
    let other = Given::from([((interval(0), member(1)), flow(90, 60))]);
    let (changes, notes) = planned(&first, &other);
    assert_eq!(changes, vec![(0, vec![(1, read(90, 60))]), (2, vec![(1, with_late(None, 10, 0))])]);
    assert!(notes[0].contains("more booked") && notes[0].contains("60 Wh of 50 Wh fed in"), "{notes:?}");
}

#[test]
fn a_validated_value_takes_the_place_of_a_reading_whether_it_came_late_or_in_time() {
    let known = Known::from([
        correctable(0, &[(1, None), (2, Some(read(5, 0)))], &[]),
        correctable(1, &[(1, Some(with_late(Some((7, 0)), 40, 0))), (2, Some(read(5, 0)))], &[late(1, 0, 0, 40, 0)]),
    ]);
    let given = Given::from([((interval(0), member(1)), flow(45, 6)), ((interval(1), member(2)), flow(4, 0))]);
    let expected = vec![(0, vec![(1, read(45, 6))]), (1, vec![(1, read(7, 0)), (2, read(4, 0))])];
    assert_eq!(planned(&known, &given), (expected, vec![]));
    let same = Given::from([((interval(1), member(2)), flow(5, 0))]);
    assert_eq!(changes(&plan(&known, &same, interval(-1)).unwrap()), [], "it says what is booked");
}

#[test]
fn a_value_before_its_reading_is_noted_and_made_up_for_when_the_reading_comes() {
    let mut known = Known::from([correctable(0, &[(1, None)], &[]), correctable(1, &[(1, None)], &[])]);
    let given = Given::from([((interval(0), member(1)), flow(45, 0))]);
    let first = plan(&known, &given, interval(100)).unwrap();
    assert_eq!(changes(&first), vec![(0, vec![(1, read(45, 0))])]);
    assert!(first.notes[0].starts_with("no reading on the ledger covers"), "{:?}", first.notes);
    known = booked(&known, &first);
    known.extend([correctable(2, &[(1, Some(with_late(None, 60, 0)))], &[late(1, 0, 2, 60, 0)])]);
    assert_eq!(planned(&known, &Given::new()), (vec![(2, vec![(1, with_late(None, 15, 0))])], vec![]));
}

#[test]
fn a_period_that_begins_amid_what_came_late_says_where_to_begin() {
    let known = Known::from([
        correctable(1, &[(1, None)], &[]),
        correctable(2, &[(1, Some(with_late(Some((7, 0)), 40, 30)))], &[late(1, 0, 0, 40, 0), late(1, 1, 1, 0, 30)]),
    ]);
    let error = plan(&known, &Given::new(), interval(100)).unwrap_err();
    assert_eq!(error, PlanError::BeginsEarlier { member: member(1), interval: interval(2), from: interval(0) });
    assert!(error.to_string().ends_with("begin with --from 2026-06-01T12:00:00Z"), "{error}");
    // What nobody touches may begin where it likes.
    let other = Known::from([correctable(2, &[(1, Some(with_late(Some((7, 0)), 40, 0)))], &[late(1, 0, 0, 40, 0)])]);
    assert_eq!(plan(&other, &Given::new(), interval(100)), Ok(Plan::default()));
}
