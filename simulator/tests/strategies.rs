//! Strategies in the market that settles, against what theory says of them.

#![allow(clippy::unwrap_used)]

use household::strategy::{self, Situation};
use market::{
    economics::{Circumstances, economics},
    grid::Grid,
    inputs::MeteredMember,
    metering::Metered,
};
use protocol::{energy::Energy, genesis::Rules, hash::Hash, interval::Interval, member::MemberId, reading::Flow};

/// What part of all that could be traded is traded by so many buyers and sellers of one kWh each who bid by chance.
fn traded(buyers: u32, sellers: u32, intervals: i64) -> f64 {
    let rules = Rules::new("0.30".parse().unwrap(), "0.08".parse().unwrap(), "uniform");
    let zi_c = strategy::read("zi_c", toml::Deserializer::parse("").unwrap()).unwrap();
    let kwh = Energy::from_wh(1_000);
    let member = |number: u32| {
        let (import, export) = if number < buyers { (kwh, Energy::ZERO) } else { (Energy::ZERO, kwh) };
        let measured = Some(Flow { import, export });
        MeteredMember {
            member: MemberId::from_bytes(u128::from(number).to_be_bytes()),
            bus: Grid::ROOT,
            limits: Default::default(),
            metered: Metered { measured, late: Flow::default() },
            renewable: false,
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
        let situation = Situation { interval, tariffs: Some(rules.tariffs()) };
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
