//! The made-up neighbourhood on the real grid of the neighbourhood's data, settled by any mechanism.

use std::collections::BTreeMap;

use market::{
    grid::Grid,
    inputs::{Inputs, member_input},
    metering::Metered,
    settlement::{IntervalInput, Picture, settle_on_grid},
};
use protocol::{
    api::Settled,
    correction::MemberInput,
    energy::Energy,
    genesis::{GridLine, GridPlan, Rules, Technology},
    hash::Hash,
    island::{ISLANDED, IslandPlan},
    member::MemberId,
    order::PriceLimits,
    parameters::{Fees, Parameters, Share},
    reading::Flow,
};

use crate::neighbourhood::{HOUSEHOLDS, first, limit, member, net_wh, price, tariffs};

/// The rows of a table of the neighbourhood's data, without the head.
fn rows(name: &str) -> Vec<Vec<String>> {
    let path = format!("{}/../../config/neighbourhood/{name}.csv", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// The grid as it was measured.
pub(crate) fn plan() -> GridPlan {
    let va = |kva: &str| (kva.parse::<f64>().unwrap() * 1_000.0) as u64;
    let transformer = rows("grid_transformer").remove(0);
    let in_service = rows("grid_lines").into_iter().filter(|row| row[10] == "1");
    let line = |row: Vec<String>| GridLine {
        line: row[0].clone(),
        from: row[1].clone(),
        to: row[2].clone(),
        rated_va: va(&row[9]),
    };
    GridPlan {
        transformer: transformer[0].clone(),
        transformer_va: va(&transformer[3]),
        root: transformer[1].clone(),
        lines: in_service.map(line).collect(),
    }
}

/// The bus of each household.
pub(crate) fn buses() -> Vec<String> {
    rows("participants").into_iter().map(|row| row[1].clone()).collect()
}

/// Rules with parameters that show what the mechanism does.
pub(crate) fn rules(mechanism: &str) -> Rules {
    let shares =
        (0..HOUSEHOLDS).map(|house| Share { member: member(house), ppm: 10_000 + 600 * house as u32 }).collect();
    let parameters = match mechanism {
        "feeder" => Some(Parameters {
            derate_ppm: Some(100_000),
            fees: Some(Fees { between_buses: Some(price(8_000)), transformer: Some(price(15_000)), lines: Vec::new() }),
            ..Parameters::default()
        }),
        "static_key" | "cascading_key" => Some(Parameters { shares: Some(shares), ..Parameters::default() }),
        "priority_key" => {
            let priority = (0..HOUSEHOLDS).rev().map(member).collect();
            Some(Parameters { priority: Some(priority), ..Parameters::default() })
        }
        ISLANDED => Some(Parameters { island: Some(Box::new(plan_of_an_island())), ..Parameters::default() }),
        _ => None,
    };
    let rules = Rules {
        retail_price: tariffs().retail_price,
        feed_in_price: tariffs().feed_in_price,
        mechanism: if mechanism == ISLANDED { "uniform" } else { mechanism }.into(),
        parameters,
        transformer: None,
        pack: None,
    };
    rules.check().unwrap();
    // Nobody sets those of an island.
    rules.islanded().unwrap_or(rules)
}

fn plan_of_an_island() -> IslandPlan {
    IslandPlan {
        posted_price: price(190_000),
        price_cap: price(200_000),
        zero_intervals: None,
        basic_w: 100,
        recharge_intervals: 40,
        reserve_ppm: 100_000,
        claims: Vec::new(),
        validators: Vec::new(),
    }
}

/// The settlement of the interval `number` after the first under these rules, and what is shown of it.
pub(crate) fn settled(number: u64, rules: &Rules, grid: &Grid) -> (Settled, Picture) {
    let interval = first().offset(number as i64).unwrap();
    let buses: BTreeMap<MemberId, String> = (0..HOUSEHOLDS).map(member).zip(buses()).collect();
    // Without a device, so that none is missed.
    let input = |house: u64| {
        let net = net_wh(house, number);
        let [import, export] = [-net, net].map(|wh| Energy::from_wh(wh.max(0).unsigned_abs()));
        let limit = limit(house, net);
        let limits = PriceLimits { buy: Some(limit), sell: Some(limit), ..PriceLimits::default() };
        let metered = Metered { measured: Some(Flow { import, export }), late: Flow::default() };
        member_input(member(house), None, Some(Technology::Solar), limits, Some(metered))
    };
    let bus = |input: &MemberInput| grid.bus(Some(&buses[&input.member]));
    let inputs = Inputs::new((0..HOUSEHOLDS).map(input).collect(), bus).unwrap();
    let (settlement, feeder) = settle_on_grid(IntervalInput {
        interval,
        rules,
        grid,
        tie_seed: &Hash::ZERO,
        readings: Vec::new(),
        inputs: &inputs,
    })
    .unwrap();
    let picture = Picture::new(&inputs, rules, grid, interval, feeder.as_ref()).unwrap();
    let settled = Settled {
        interval,
        height: number + 1,
        settlement: settlement.content_hash(),
        price: settlement.price,
        lines: settlement.lines,
        trades: settlement.trades,
        supplier: settlement.supplier,
        operator: settlement.operator,
        corrections: 0,
        tariffs: settlement.tariffs,
        provisional: settlement.provisional,
    };
    (settled, picture)
}
