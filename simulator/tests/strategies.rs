//! Strategies in the market that settles, against what theory says of them.

#![allow(clippy::unwrap_used)]

use household::strategy::{self, LAG, Outcome, Situation};
use market::{
    economics::{Circumstances, economics},
    grid::Grid,
    inputs::MeteredMember,
    metering::Metered,
};
use protocol::{
    energy::Energy, genesis::Rules, hash::Hash, interval::Interval, member::MemberId, money::Price, order::PriceLimits,
    reading::Flow, settlement::Line,
};

/// What part of all that could be traded is traded by so many buyers and sellers of one kWh each who bid by chance.
fn traded(buyers: u32, sellers: u32, intervals: i64) -> f64 {
    let rules = Rules::new("0.30".parse().unwrap(), "0.08".parse().unwrap(), "uniform");
    let zi_c = strategy::read("zi_c", toml::Deserializer::parse("").unwrap()).unwrap();
    let kwh = Energy::from_wh(1_000);
    let member = |number: u32| {
        let (import, export) = if number < buyers { (kwh, Energy::ZERO) } else { (Energy::ZERO, kwh) };
        let measured = Some(Flow { import, export });
        MeteredMember {
            quota: None,
            member: MemberId::from_bytes(u128::from(number).to_be_bytes()),
            bus: Grid::ROOT,
            limits: Default::default(),
            metered: Metered { measured, late: Flow::default() },
            technology: None,
        }
    };
    let mut members: Vec<MeteredMember> = (0..buyers + sellers).map(member).collect();
    let own = |number: u32| zi_c.with_chance(&Hash::of(&number.to_be_bytes())).unwrap();
    let bids: Vec<_> = (0..buyers + sellers).map(own).collect();
    let grid = Grid::single_bus();
    let first: Interval = "2026-06-01T00:00:00Z/PT15M".parse().unwrap();
    let mut all = 0;
    for at in 0..intervals {
        let interval = first.offset(at).unwrap();
        let situation = Situation::new(interval, Some(rules.tariffs()));
        for (member, bids) in members.iter_mut().zip(&bids) {
            member.limits = bids.limits(&situation);
        }
        let circumstances = Circumstances { interval, rules: &rules, grid: &grid, tie_seed: &Hash::ZERO };
        let found = economics(&members, &circumstances).unwrap();
        all += found.lines.iter().map(|line| line.bought.wh()).sum::<u64>();
    }
    all as f64 / (f64::from(buyers.min(sellers)) * 1_000.0 * intervals as f64)
}

#[test]
fn who_bids_by_chance_trades_the_larger_side_as_a_part_of_both() {
    // Where the curves of D buyers and S sellers with even limits cross, as many are left of the smaller side as
    // max(D, S) ÷ (D + S) of it.
    for (buyers, sellers) in [(200, 200), (400, 100), (90, 810)] {
        let expected = f64::from(buyers.max(sellers)) / f64::from(buyers + sellers);
        let found = traded(buyers, sellers, 60);
        assert!((found - expected).abs() < 0.01, "{buyers} buyers, {sellers} sellers: {found}, expected {expected}");
    }
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

/// What a seller of a kWh gets in an interval who asks for `limits`, beside another who asks for 0.24 € and a buyer of
/// one kWh who pays at most 0.2 €.
fn sold(rules: &Rules, interval: Interval, limits: PriceLimits) -> Line {
    let kwh = Energy::from_wh(1_000);
    let member = |number: u8, flow: Flow, limits: PriceLimits| MeteredMember {
        quota: None,
        member: MemberId::from_bytes([number; 16]),
        bus: Grid::ROOT,
        limits,
        metered: Metered { measured: Some(flow), late: Flow::default() },
        technology: None,
    };
    let (surplus, deficit) = (Flow { export: kwh, ..Flow::default() }, Flow { import: kwh, ..Flow::default() });
    let dearer = PriceLimits { sell: Some(price("0.24")), ..PriceLimits::default() };
    let buyer = PriceLimits { buy: Some(price("0.2")), ..PriceLimits::default() };
    let members = [member(1, surplus, limits), member(2, surplus, dearer), member(3, deficit, buyer)];
    let grid = Grid::single_bus();
    let circumstances = Circumstances { interval, rules, grid: &grid, tie_seed: &Hash::ZERO };
    economics(&members, &circumstances).unwrap().lines[0]
}

#[test]
fn who_learns_comes_to_the_best_reply_and_earns_more_than_at_first() {
    const DAY: usize = 96;
    let rules = Rules::new(price("0.30"), price("0.08"), "pay_as_bid");
    let tariffs = rules.tariffs();
    let first: Interval = "2026-06-01T00:00:00Z/PT15M".parse().unwrap();
    let gain = |line: &Line| i128::from(line.earned.nano()) - tariffs.feed_in_price.times(line.sold);
    // Of 0.08, 0.10, … 0.30 €, the highest that the buyer pays is the best reply.
    let ask = |step: i64| PriceLimits { sell: Price::from_micro(80_000 + 20_000 * step), ..PriceLimits::default() };
    let gains: Vec<i128> = (0..12).map(|step| gain(&sold(&rules, first, ask(step)))).collect();
    let (best, _) = (0..12).zip(&gains).max_by_key(|(_, gain)| **gain).unwrap();
    assert_eq!(ask(best).sell, Some(price("0.2")), "{gains:?}");

    let learner = strategy::read("roth_erev", toml::Deserializer::parse("initial = \"10\"").unwrap()).unwrap();
    let learner = learner.with_chance(&Hash::of(b"seller")).unwrap();
    let mut memory = learner.memory();
    let (mut outcomes, mut gained): (Vec<Outcome>, Vec<i128>) = (Vec::new(), Vec::new());
    for at in 0..30 * DAY {
        if let Some(due) = at.checked_sub(LAG as usize) {
            learner.learn(&mut memory, &outcomes[due]);
        }
        let interval = first.offset(at as i64).unwrap();
        let limits = learner.limits(&Situation { interval, tariffs: Some(tariffs), memory: &memory });
        let line = sold(&rules, interval, limits);
        gained.push(gain(&line));
        outcomes.push(Outcome { interval, tariffs, limits, price: Some(price("0.2")), line, stored_uwh: None });
    }
    let mean = |days: &[i128]| days.iter().sum::<i128>() / days.len() as i128;
    // Who chose evenly would get the mean of all twelve.
    let even = mean(&gains);
    let (early, late) = (mean(&gained[..DAY / 4]), mean(&gained[20 * DAY..]));
    assert!(early < even * 3 / 2, "{early} at first, {even} by chance");
    assert!(late > early * 3 / 2 && late * 10 > gains[best as usize] * 9, "{late}, {early} at first, {gains:?}");
}
