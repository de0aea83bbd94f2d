//! Intervals that do not close: a meter that was not read, a sum that is not what the transformer's meter says. They
//! are settled as provisional, for every validator to see, until a correction closes them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use ledger::state::State;
use protocol::{
    correction::{Correction, Validated, Values, corrected},
    decision::Action,
    energy::Energy,
    genesis::{Rules, TransformerMeter},
    interval::Interval,
    member::MemberId,
    reading::SignedReading,
    settlement::{Balance, Provisional, Settlement},
};
use support::{Community, applied::settle, settled};

/// Of five meters the last is the transformer's.
const TRANSFORMER: usize = 4;

fn with_transformer(tolerance_wh: u64) -> (Community, State) {
    let mut community = Community::new(5, 1);
    let member = community.members[TRANSFORMER].id;
    community.genesis.rules.transformer = Some(TransformerMeter { member, tolerance_wh, tolerance_ppm: 0 });
    community.genesis.check().unwrap();
    let state = community.state();
    (community, state)
}

/// Readings of these members, with what each drew (fed in, if negative).
fn read(community: &mut Community, interval: Interval, flows: &[(usize, i64)]) -> Vec<SignedReading> {
    let mut readings: Vec<_> = flows.iter().map(|&(member, flow)| community.read(member, interval, flow)).collect();
    readings.sort_by_key(|reading| (reading.signer(), reading.sequence));
    readings
}

fn refused(community: &Community, state: &State, settlement: &Settlement, readings: &[SignedReading]) -> String {
    state.clone().apply(&community.transaction(settlement.clone(), readings)).unwrap_err().name()
}

fn wh(import: u64, export: u64) -> Values {
    Values { import: Energy::from_wh(import), export: Energy::from_wh(export), ..Values::default() }
}

#[test]
fn a_member_that_was_not_read_makes_an_interval_provisional_and_the_market_cannot_hide_it() {
    let mut community = Community::new(4, 1);
    let mut state = community.state();
    let first = state.next();
    let missed = community.members[2].id;
    let readings = read(&mut community, first, &[(0, -500), (1, 300), (3, 100)]);
    let honest = community.settlement(&state, &readings);
    assert_eq!(honest.provisional, Some(Provisional { unread: vec![missed], balance: None }));
    assert!(honest.entries(0).all(|entry| entry.provisional));
    for lie in [None, Some(Provisional { unread: vec![], balance: None })] {
        let lie = Settlement { provisional: lie, ..honest.clone() };
        assert_eq!(refused(&community, &state, &lie, &readings), "clearing_differs");
    }
    settle(&community, &mut state, &readings);

    // Its next reading is over a gap: what it drew in the second interval alone nobody knows.
    let second = state.next();
    let readings = read(&mut community, second, &[(0, -500), (1, 300), (2, 80), (3, 100)]);
    let settlement = settle(&community, &mut state, &readings);
    assert_eq!(settlement.provisional.map(|provisional| provisional.unread), Some(vec![missed]));
    let third = state.next();
    let readings = read(&mut community, third, &[(0, -500), (1, 300), (2, 80), (3, 100)]);
    let honest = community.settlement(&state, &readings);
    assert_eq!(honest.provisional, None);
    let alarm = Settlement { provisional: Some(Provisional { unread: vec![], balance: None }), ..honest };
    assert_eq!(refused(&community, &state, &alarm, &readings), "clearing_differs", "nor raise a false alarm");
    settle(&community, &mut state, &readings);
}

#[test]
fn a_sum_that_is_not_the_transformers_is_settled_as_measured_and_says_by_how_much() {
    let (mut community, mut state) = with_transformer(20);
    let flows = [(0, -500), (1, 300), (2, 900), (3, 100)];
    let mut fourth = vec![];
    for (through, expected) in [(820, None), (821, Some(821)), (-30, Some(-30))] {
        let interval = state.next();
        let readings = read(&mut community, interval, &[&flows[..], &[(TRANSFORMER, through)]].concat());
        let honest = community.settlement(&state, &readings);
        let found = honest.provisional.clone().map(|provisional| (provisional.unread, provisional.balance));
        let balance = |wh| Some(Balance { expected_wh: Some(wh), found_wh: 800, tolerance_wh: 20 });
        assert_eq!(found, expected.map(|wh| (vec![], balance(wh))), "{through}");
        fourth.push((honest.lines.clone(), honest.trades.clone(), honest.supplier));
        if let Some(wh) = expected {
            // A market that leaves out what the transformer's meter said does not get rid of the alarm.
            let silent = Settlement { provisional: None, ..honest.clone() };
            assert_eq!(refused(&community, &state, &silent, &readings), "clearing_differs", "{wh}");
            let device = community.members[TRANSFORMER].device.public();
            let without: Vec<_> = readings.iter().filter(|reading| reading.signer() != device).cloned().collect();
            let provisional = community.settlement(&state, &without).provisional.unwrap();
            assert_eq!(provisional.unread, [community.members[TRANSFORMER].id]);
            assert_eq!(provisional.balance.unwrap().expected_wh, None);
        }
        settle(&community, &mut state, &readings);
    }
    assert!(fourth.windows(2).all(|pair| pair[0] == pair[1]), "nothing is scaled to fit");
    let owed = |member: usize| {
        let id = community.members[member].id;
        state.members().find(|(found, _)| **found == id).unwrap().1.balance().nano()
    };
    assert_eq!(owed(TRANSFORMER), 0);
    assert!((0..TRANSFORMER).all(|member| owed(member) != 0));
}

#[test]
fn a_member_that_begins_later_is_not_missed() {
    let mut community = Community::new(5, 1);
    let newcomer = community.genesis.members.pop().unwrap();
    let mut state = community.state();
    let open = state.next();
    state.apply(&community.decide(1, Action::RegisterMember(Box::new(newcomer)))).unwrap();
    community.members[4].head.interval = open;
    let readings = read(&mut community, open, &[(0, 10), (1, 10), (2, 10), (3, 10)]);
    assert_eq!(settle(&community, &mut state, &readings).provisional, None);
    let next = state.next();
    let readings = read(&mut community, next, &[(0, 10), (1, 10), (2, 10), (3, 10)]);
    let missed = vec![community.members[4].id];
    assert_eq!(settle(&community, &mut state, &readings).provisional.unwrap().unread, missed);
}

#[test]
fn the_transformers_meter_is_a_members_and_may_change() {
    let (community, mut state) = with_transformer(20);
    let from = state.next().offset(1).unwrap();
    let set = |sequence, member| {
        let transformer = Some(TransformerMeter { member, tolerance_wh: 5, tolerance_ppm: 0 });
        let rules = Rules { transformer, ..community.genesis.rules.clone() };
        community.decide(sequence, Action::SetRules { from, rules, grid: None })
    };
    let stranger = MemberId::from_bytes([1; 16]);
    assert_eq!(state.apply(&set(1, stranger)).unwrap_err().name(), "unknown_member");
    state.apply(&set(1, community.members[0].id)).unwrap();
    let mut genesis = community.genesis.clone();
    genesis.rules.transformer = Some(TransformerMeter { member: stranger, tolerance_wh: 5, tolerance_ppm: 0 });
    let error = genesis.check().unwrap_err().to_string();
    assert_eq!(error, format!("rules: transformer: expected a member of the genesis, found {stranger}"));
}

#[test]
fn corrections_close_a_provisional_interval_step_by_step() {
    let (mut community, mut state) = with_transformer(20);
    let interval = state.next();
    let tie_seed = state.tie_seed();
    let readings = read(&mut community, interval, &[(0, -500), (1, 300), (TRANSFORMER, 800)]);
    let mut in_force = settle(&community, &mut state, &readings);
    let mut known = community.inputs(&community.state(), &readings);
    let [one, other] = [2, 3].map(|member: usize| community.members[member].id);
    assert_eq!(in_force.provisional.as_ref().unwrap().unread, [one, other]);

    let late = Values { late_import: Energy::from_wh(7), late_only: true, ..Values::default() };
    let steps = [
        ((one, wh(900, 0)), vec![other], Some(700)),
        // Energy of before is no value of this interval.
        ((other, late), vec![other], Some(700)),
        ((other, wh(150, 0)), vec![], Some(850)),
        ((other, wh(120, 0)), vec![], None),
    ];
    for (number, ((member, values), unread, sum)) in (1..).zip(steps) {
        let values = vec![Validated { member, values }];
        let after = corrected(&known, &values).unwrap();
        let settlement = settled(&state, interval, &tie_seed, &after, in_force.readings.clone());
        let found = settlement.provisional.clone();
        assert_eq!(found.as_ref().map(|found| found.unread.clone()), sum.map(|_| unread), "{number}");
        assert_eq!(found.map(|found| found.balance.unwrap().found_wh), sum, "{number}");
        let honest = Correction { reversed: in_force, inputs: known, values, settlement, number };
        let mut lie = honest.clone();
        lie.settlement.provisional = match lie.settlement.provisional {
            None => Some(Provisional { unread: vec![], balance: None }),
            Some(_) => None,
        };
        let sequence = u64::from(number);
        let decide = |correction| community.decide(sequence, Action::Correct(Box::new(correction)));
        assert_eq!(state.clone().apply(&decide(lie)).unwrap_err().name(), "clearing_differs", "{number}");
        state.apply(&decide(honest.clone())).unwrap();
        assert_eq!(state.balances_sum(), 0);
        (in_force, known) = (honest.settlement, after);
    }
}
