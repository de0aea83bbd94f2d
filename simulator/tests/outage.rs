//! An outage offline: nothing comes from the supplier and nothing goes there, and quotas are kept, or it is seen that
//! they are not.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use market::{
    economics::Economics,
    inputs::{Inputs, MeteredMember, member_input},
    settlement::{IntervalInput, settle},
};
use protocol::{correction::MemberInput, energy::Energy, hash::Hash, island::Quota};
use serde_json::Value;
use simulator::{
    offline::{self, Community, Steps, Street, Use, sums::MemberSums},
    scenario::Scenario,
};

/// Twenty homes and a waterworks, with batteries, for a winter's day. The grid above is gone from the 69th to the 92nd
/// of 96 intervals.
const EVENING: &str = "
    [community.drawn]
    homes = 20
    pv_share = 0.5
    grid = true
    others = [{ homes = 1, consumption_kwh = 17500, pv_share = 0 }]
    [period]
    from = '2016-01-14T00:00:00Z'
    days = 1
    [[equipment]]
    share = 1
    of = 'roofs'
    battery = { capacity_wh = 9000, power_w = 4000, round_trip_efficiency = 0.9, dispatch = 'price_driven', \
                charge_below = '0.31', discharge_above = '0.40' }
    [island]
    basic_w = 80
    recharge_intervals = 40
    posted_price = '0.40'
    price_cap = '0.35'
    [[island.claims]]
    members = ['h21']
    critical_w = 4000
    other_w = 0
    [[island.claims]]
    every = 4
    life_safety_w = 150
    persons = 2
    [outage]
    from = '2016-01-14T17:00:00Z'
    until = '2016-01-14T23:00:00Z'
";
const DURING: std::ops::Range<usize> = 68..92;

fn evening(more: &str) -> Scenario {
    Scenario::parse(&format!("{}{more}", EVENING)).unwrap()
}

fn figures(scenario: &Scenario, threads: usize) -> Value {
    let community = Community::of(scenario).unwrap();
    let figures = offline::figures(scenario, &community, threads, &|_| ControlFlow::Continue(())).unwrap();
    serde_json::to_value(&figures).unwrap()
}

fn outage(more: &str) -> Value {
    figures(&evening(more), 1)["outage"].clone()
}

#[test]
fn critical_claims_are_served_by_quotas_and_not_by_the_market() {
    let [islanded, uniform, feeder] = ["", "mechanism = 'uniform'\n", "mechanism = 'feeder'\n"].map(outage);
    let wh = |of: &Value, key: &str| of[key].as_u64().unwrap();
    let unserved = |of: &Value| wh(of, "critical_unserved_wh");
    assert!(unserved(&islanded) * 2 < unserved(&uniform), "{islanded} {uniform}");
    assert!(unserved(&islanded) * 2 < unserved(&feeder), "{islanded} {feeder}");
    for of in [&islanded, &uniform, &feeder] {
        assert_eq!((wh(of, "intervals"), wh(of, "overdraw_wh")), (DURING.len() as u64, 0));
        // What was shared is what was served of what all lacked.
        let sum = |key: &str| of[key].as_object().unwrap().values().map(|wh| wh.as_u64().unwrap()).sum::<u64>();
        assert_eq!(sum("lacking_wh") - sum("unserved_wh"), wh(of, "shared_wh"));
        assert!(wh(of, "shared_wh") > 0);
    }
}

#[test]
fn who_does_not_keep_to_a_quota_is_seen_and_others_lack_it() {
    let [kept, broken] = ["", "kept = false\n"].map(outage);
    assert!(broken["overdraw_wh"].as_u64().unwrap() > 1_000, "{broken}");
    assert!(broken["critical_unserved_wh"].as_u64() > kept["critical_unserved_wh"].as_u64(), "{kept} {broken}");
}

#[test]
fn nothing_passes_the_transformer_while_it_lasts_and_energy_and_money_add_up() {
    for mechanism in ["islanded", "uniform", "feeder"] {
        let scenario = evening(&format!("mechanism = '{mechanism}'\n"));
        let mut steps = Steps::new(&scenario, Arc::new(Community::of(&scenario).unwrap()));
        let mut without = scenario.clone();
        (without.outage, without.island) = (None, None);
        let mut on_grid = Steps::new(&without, Arc::new(Community::of(&without).unwrap()));
        for at in 0..96 {
            let [found, usual] = [&mut steps, &mut on_grid].map(|steps| steps.step(&[]).unwrap().unwrap());
            if at < DURING.start {
                // Ties are others, of another scenario.
                let energy = |line: &MemberSums| (line.consumption_wh, line.production_wh, line.charged_wh);
                assert!(found.lines.iter().map(energy).eq(usual.lines.iter().map(energy)), "{mechanism} {at}");
                assert_eq!(found.price, usual.price);
            }
            if !DURING.contains(&at) {
                continue;
            }
            let sum = |of: fn(&MemberSums) -> i128| found.lines.iter().map(of).sum::<i128>();
            assert_eq!(sum(|line| (line.imported_wh + line.exported_wh).into()), 0);
            assert_eq!(sum(|line| line.supply_cost_nano + line.supply_revenue_nano), 0);
            assert_eq!(sum(|line| line.bought_wh.into()), sum(|line| line.sold_wh.into()));
            // The grid operator of `feeder` gains fees and rent: here nothing costs a fee, and lines are wide.
            assert_eq!(sum(|line| line.paid_nano - line.earned_nano), 0, "{mechanism}");
            // What is used is what is made and stored.
            let used = sum(|line| i128::from(line.consumption_wh) + i128::from(line.charged_wh));
            assert_eq!(used, sum(|line| i128::from(line.production_wh) + i128::from(line.discharged_wh)));
            if mechanism == "islanded" && sum(|line| line.bought_wh.into()) > 0 {
                assert_eq!(found.price.map(|price| price.to_string()), Some("0.35".into()));
            }
        }
    }
}

#[test]
fn an_island_is_settled_as_validators_would() {
    for more in ["", "kept = false\n"] {
        let scenario = evening(more);
        let community = Community::of(&scenario).unwrap();
        let mut street = Street::new(&community, Hash::ZERO);
        let (mut memory, mut uses) = (community.start(), vec![Use::default(); community.members()]);
        let mut traded = 0;
        for at in 0..96 {
            street.measure(at, &mut memory, &mut uses);
            let members = street.meter(at, &uses).to_vec();
            assert!(members.iter().all(|member| member.quota.is_some() == DURING.contains(&at)), "{at}");
            let Economics { lines, price, .. } = street.trade(at).unwrap();
            if !DURING.contains(&at) {
                continue;
            }
            let settled = settled(&members, &street, at);
            assert_eq!((&settled.lines, settled.price), (&lines, price));
            assert!(lines.iter().all(|line| line.imported.is_zero()), "nobody draws what is not there");
            traded += lines.iter().map(|line| line.bought.wh()).sum::<u64>();
        }
        assert!(traded > 10_000, "{traded}");
    }
}

fn settled(members: &[MeteredMember], street: &Street<&Community>, at: usize) -> protocol::settlement::Settlement {
    let quota = |wh: Energy| {
        let awards = [Energy::ZERO, Energy::ZERO, Energy::ZERO, wh];
        Box::new(Quota { claims: awards, awards })
    };
    let input = |of: &MeteredMember| MemberInput {
        quota: of.quota.map(quota),
        ..member_input(of.member, None, of.technology, of.limits, Some(of.metered))
    };
    let buses: BTreeMap<_, _> = members.iter().map(|of| (of.member, of.bus)).collect();
    let inputs = Inputs::new(members.iter().map(input).collect(), |of| buses.get(&of.member).copied().ok_or(()));
    settle(IntervalInput {
        interval: street.interval(at),
        rules: street.rules(at),
        grid: street.grid(),
        tie_seed: &street.tie_seed(at),
        readings: Vec::new(),
        inputs: &inputs.unwrap(),
    })
    .unwrap()
}

#[test]
fn figures_are_the_same_for_any_number_of_threads() {
    let mut scenario = evening("");
    // A chunk is less than a day of them.
    scenario.community.drawn.as_mut().unwrap().homes = 3_000;
    scenario.island.as_mut().unwrap().claims.remove(0);
    let one = figures(&scenario, 1);
    assert!(one["outage"]["shared_wh"].as_u64().unwrap() > 0);
    assert_eq!(figures(&scenario, 3), one);
}

#[test]
fn an_outage_that_cannot_be_is_refused_in_one_line() {
    let refused = |from: &str, to: &str| {
        let text = EVENING.replace(from, to);
        let error =
            Scenario::parse(&text).and_then(|scenario| Community::of(&scenario).map(drop)).unwrap_err().to_string();
        assert!(!error.contains('\n'), "{error}");
        error
    };
    for (from, to, expected) in [
        (
            "until = '2016-01-14T23",
            "until = '2016-01-14T16",
            "outage.until: expected a time after 2016-01-14T17:00:00Z",
        ),
        ("until = '2016-01-14T23", "until = '2016-01-15T01", "outage.until: expected the start of an interval from"),
        ("from = '2016-01-14T17:00", "from = '2016-01-14T17:01", "outage.from: expected the start of an interval from"),
        ("from = '2016-01-14T17", "from = '2016-01-14T00", "from 2016-01-14T00:30:00Z to"),
        ("[outage]", "[outage]\nmechanism = 'fair'", "outage.mechanism: "),
        ("[outage]", "[outage]\nends = 1", "unknown field `ends`"),
        ("every = 4", "every = 0", "island.claims.1.every: expected at least 1, found 0"),
        ("every = 4", "", "island.claims.1: expected either `every` or `members`"),
        ("'h21'", "'h22'", "island.claims.0.members: expected participants such as h01, found `h22`"),
        ("persons = 2", "persons = 0", "island: persons: expected 1 to 1000, found 0"),
        (
            "recharge_intervals = 40",
            "recharge_intervals = 0",
            "island: recharge_intervals: expected 1 to 2016, found 0",
        ),
        ("[outage]", "[faults]\noffline = 0.5\n[outage]", "faults: expected meters that are read"),
        ("[outage]", "[market]\nmechanism = 'islanded'\n[outage]", "market.mechanism: expected how neighbours trade"),
    ] {
        let found = refused(from, to);
        assert!(found.contains(expected), "{expected}: {found}");
    }
    let alone = Scenario::parse("[island]\nbasic_w = 100\n").unwrap_err().to_string();
    assert!(alone.contains("island: expected an `[outage]` to plan for"), "{alone}");
}
