//! What random books and neighbourhoods are made of.

use market::grid::Grid;
use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence},
};
use protocol::{
    energy::Energy,
    genesis::{GridLine, GridPlan},
    island::IslandPlan,
    limits::ENERGY_WH_MAX,
    member::MemberId,
    money::Price,
    parameters::{Fees, LineFee, Parameters, Share},
};

/// `T`, the transformer's far side, is above all others.
pub(crate) const BUSES: [&str; 7] = ["T", "root", "a", "a1", "a2", "b", "b1"];

pub(crate) fn config() -> Config {
    Config {
        cases: 512,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("seeds"))),
        ..Config::default()
    }
}

pub(crate) fn grid() -> Grid {
    let lines = [("root", "a"), ("a", "a1"), ("a", "a2"), ("root", "b"), ("b", "b1")];
    let line = |(from, to): (&str, &str)| GridLine {
        line: format!("{from}-{to}"),
        from: from.into(),
        to: to.into(),
        rated_va: 1_000_000,
    };
    let lines = lines.into_iter().map(line).collect();
    Grid::from_plan(&GridPlan { transformer: "T".into(), transformer_va: 400_000, root: "root".into(), lines }).unwrap()
}

/// Few different prices, so that ties are common; now and then the extremes.
pub(crate) fn price() -> impl Strategy<Value = Price> {
    prop_oneof![
        24 => (0..4i64).prop_map(|step| Price::from_micro(100_000 + step * 20_000).unwrap()),
        6 => (-50_000..350_000i64).prop_map(|micro| Price::from_micro(micro).unwrap()),
        1 => Just(Price::MIN),
        1 => Just(Price::MAX),
    ]
}

pub(crate) fn energy() -> impl Strategy<Value = Energy> {
    prop_oneof![
        2 => Just(0),
        4 => 1..20u64,
        24 => Just(1_000u64),
        4 => 1..100_000u64,
        1 => Just(ENERGY_WH_MAX),
    ]
    .prop_map(Energy::from_wh)
}

/// What the rules may say to a mechanism: often nothing, else something about all that there is.
pub(crate) fn parameters() -> impl Strategy<Value = Parameters> {
    let fee = || prop_oneof![2 => Just(0), 3 => 1..40_000i64].prop_map(|micro| Price::from_micro(micro).unwrap());
    let line = (prop::sample::select(&["root-a", "a-a1", "root-b"][..]), fee());
    let fees = (prop::option::of(fee()), prop::option::of(fee()), prop::option::of(line));
    let fees = fees.prop_map(|(between_buses, transformer, line)| Fees {
        between_buses,
        transformer,
        lines: line.map(|(line, fee)| LineFee { line: line.into(), fee }).into_iter().collect(),
    });
    let members = || prop::collection::btree_set(any::<u8>(), 1..8);
    let shares = members().prop_map(|members| {
        let share = |id| Share { member: MemberId::from_bytes([id; 16]), ppm: 1_000 * u32::from(id % 120) };
        members.into_iter().map(share).collect::<Vec<_>>()
    });
    let priority = members()
        .prop_map(|members| members.into_iter().rev().map(|id| MemberId::from_bytes([id; 16])).collect::<Vec<_>>());
    let derate = prop_oneof![Just(0), 1..20_000u32, Just(1_000_000)];
    let participation = members().prop_map(|members| {
        let part = |id| Share { member: MemberId::from_bytes([id; 16]), ppm: 10_000 * (1 + u32::from(id % 100)) };
        members.into_iter().map(part).collect::<Vec<_>>()
    });
    let island = (0..350_000i64).prop_map(|micro| {
        let price_cap = Price::from_micro(micro).unwrap();
        Box::new(IslandPlan {
            posted_price: Price::from_micro(300_000).unwrap(),
            price_cap,
            zero_intervals: None,
            basic_w: 100,
            recharge_intervals: 1,
            reserve_ppm: 0,
            claims: Vec::new(),
            validators: Vec::new(),
        })
    });
    let all = (prop::option::of(price()), prop::option::of(shares), prop::option::of(priority));
    let more = (prop::option::of(fees), prop::option::of(participation), prop::option::of(island));
    (all, prop::option::of(derate), more).prop_map(
        |((community_price, shares, priority), derate_ppm, (fees, participation, island))| {
            let parameters = Parameters { community_price, shares, priority, derate_ppm, fees, participation, island };
            assert_eq!(parameters.check(), Ok(()));
            parameters
        },
    )
}
