//! What an operator looks at: an interval's supply and demand, and what its energy does to the grid. Shown, never
//! settled.

use std::collections::BTreeMap;

use protocol::{energy::Energy, genesis::Rules, interval::Interval, money::Price};
use serde::Serialize;

use crate::{
    clearing::{FeederClearing, Network, TermsError},
    economics::{Position, Wish, wish},
    grid::Grid,
    inputs::{Inputs, MeteredMember},
};

/// All the energy that is wanted or offered at one price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PriceStep {
    /// The price limit.
    pub price: Price,
    /// The energy of all orders with this limit.
    pub energy: Energy,
}

/// Demand and supply of an interval, as the console draws them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Curves {
    /// Bids, from the highest price down.
    pub demand: Vec<PriceStep>,
    /// Offers, from the lowest price up.
    pub supply: Vec<PriceStep>,
}

/// The mechanism at work in an interval.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picture {
    /// Name of the mechanism that cleared it.
    pub mechanism: String,
    /// Its orders, added up by price.
    pub curves: Curves,
    /// Every bus of the grid with what is above it, from the top down; empty where no grid is known.
    pub grid: Vec<BusUse>,
}

impl Picture {
    /// The picture of an interval, which the mechanism cleared as `feeder` where it knows the grid.
    pub fn new(
        inputs: &Inputs,
        rules: &Rules,
        grid: &Grid,
        interval: Interval,
        feeder: Option<&FeederClearing>,
    ) -> Result<Picture, TermsError> {
        Ok(Picture {
            mechanism: rules.mechanism.clone(),
            curves: curves(inputs.metered(), rules),
            grid: grid_use(inputs.metered(), rules, grid, interval, feeder)?,
        })
    }
}

/// A bus in an interval, and the line or transformer that leads to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusUse {
    /// Its name.
    pub bus: String,
    /// What a kWh costs here, where the mechanism has nodal prices and something was traded.
    pub price: Option<Price>,
    /// What leads to it; none at the top.
    pub line: Option<LineUse>,
}

/// A line, or the transformer, in an interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineUse {
    /// Its name.
    pub line: String,
    /// The bus above, by its place in the list.
    pub above: usize,
    /// All that was metered below it, whoever it was traded with, Wh: positive away from the transformer.
    pub flow_wh: i128,
    /// What trades between neighbours sent over it, where the mechanism knows, Wh: positive away from the transformer.
    pub traded_wh: Option<i128>,
    /// Most that it may carry in the interval, Wh.
    pub capacity_wh: u64,
}

/// The orders of an interval, added up by price.
pub fn curves(members: &[MeteredMember], rules: &Rules) -> Curves {
    let mut demand: BTreeMap<Price, Energy> = BTreeMap::new();
    let mut supply: BTreeMap<Price, Energy> = BTreeMap::new();
    for member in members {
        let (side, price, energy) = match wish(member, rules) {
            Some(Wish::Buy(price, energy)) => (&mut demand, price, energy),
            Some(Wish::Sell(price, energy)) => (&mut supply, price, energy),
            None => continue,
        };
        let sum = side.entry(price).or_default();
        *sum = Energy::from_wh(sum.wh().saturating_add(energy.wh()));
    }
    let step = |(price, energy)| PriceStep { price, energy };
    Curves { demand: demand.into_iter().rev().map(step).collect(), supply: supply.into_iter().map(step).collect() }
}

/// What the energy of an interval does to the grid: `members` as they were metered in it, `feeder` as the mechanism
/// cleared it. What came late from earlier intervals flowed then, and is not in it.
pub fn grid_use(
    members: &[MeteredMember],
    rules: &Rules,
    grid: &Grid,
    interval: Interval,
    feeder: Option<&FeederClearing>,
) -> Result<Vec<BusUse>, TermsError> {
    let mut names: Vec<(&str, usize)> = grid.bus_names().collect();
    names.sort_unstable_by_key(|(_, bus)| *bus);
    let mut sent = vec![0; grid.parents().len()];
    for member in members {
        let position = Position::new(member, rules);
        if let Some(sent) = sent.get_mut(member.bus.0 as usize) {
            *sent += i128::from(position.surplus.wh()) - i128::from(position.deficit.wh());
        }
    }
    // The same sum as that of energy that takes no part, and the same capacities.
    let network = Network::new(grid, &rules.parameters.clone().unwrap_or_default(), interval, &sent)?;
    let bus_use = |(name, bus): (&str, usize)| BusUse {
        bus: name.to_owned(),
        price: feeder.and_then(|feeder| feeder.nodal_prices.get(bus).copied()),
        line: grid.line_above(bus).map(|line| LineUse {
            line: line.name.clone(),
            above: grid.parents()[bus],
            flow_wh: -network.edges[bus].base_wh,
            traded_wh: feeder.and_then(|feeder| feeder.flows.get(bus).copied()),
            capacity_wh: network.edges[bus].capacity_wh,
        }),
    };
    Ok(names.into_iter().map(bus_use).collect())
}

#[cfg(test)]
mod tests {
    use protocol::{
        genesis::{GridLine, GridPlan},
        hash::Hash,
        member::MemberId,
        order::PriceLimits,
        reading::Flow,
    };

    use super::*;
    use crate::{
        inputs::Inputs,
        metering::Metered,
        settlement::{IntervalInput, settle_on_grid},
    };

    #[test]
    fn a_line_carries_what_was_metered_below_it_and_buses_have_the_prices_that_were_paid() {
        let line = |line: &str, from: &str, to: &str| GridLine {
            line: line.into(),
            from: from.into(),
            to: to.into(),
            rated_va: 8_000,
        };
        let plan = GridPlan {
            transformer: "T".into(),
            transformer_va: 40_000,
            root: "r".into(),
            lines: vec![line("l1", "r", "a"), line("l2", "a", "b"), line("l3", "r", "c")],
        };
        let grid = Grid::from_plan(&plan).unwrap();
        let member = |id: u8, bus: &str, import: u64, export: u64| MeteredMember {
            quota: None,
            member: MemberId::from_bytes([id; 16]),
            bus: grid.bus(Some(bus)).unwrap(),
            limits: PriceLimits::default(),
            metered: Metered {
                measured: Some(Flow { import: Energy::from_wh(import), export: Energy::from_wh(export) }),
                late: Flow { import: Energy::from_wh(9_999), export: Energy::ZERO },
            },
            technology: None,
        };
        let members = [member(1, "b", 0, 900), member(2, "a", 300, 0), member(3, "c", 400, 100)];
        let rules = Rules::new("0.3".parse().unwrap(), "0.1".parse().unwrap(), "feeder");
        let interval: Interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
        let (settlement, feeder) = settle_on_grid(IntervalInput {
            interval,
            rules: &rules,
            grid: &grid,
            tie_seed: &Hash::ZERO,
            readings: Vec::new(),
            inputs: &Inputs::of_metered(&members),
        })
        .unwrap();
        let found = grid_use(&members, &rules, &grid, interval, feeder.as_ref()).unwrap();
        let lines: BTreeMap<&str, &LineUse> =
            found.iter().filter_map(|bus| bus.line.as_ref().map(|line| (line.line.as_str(), line))).collect();
        // The late energy is not in it; 300 Wh of the 900 went past the transformer, traded with nobody.
        let flows = ["T", "l1", "l2", "l3"].map(|line| lines[line].flow_wh);
        assert_eq!(flows, [-300, -600, -900, 300]);
        let traded = ["T", "l1", "l2", "l3"].map(|line| lines[line].traded_wh);
        assert_eq!(traded, [Some(0), Some(-300), Some(-600), Some(300)]);
        assert_eq!(lines["l1"].capacity_wh, 2_000);
        let name = |place: usize| found[place].bus.as_str();
        assert_eq!((name(lines["T"].above), name(lines["l1"].above), name(lines["l2"].above)), ("T", "r", "a"));
        for line in &settlement.lines {
            let at = members.iter().find(|member| member.member == line.member).unwrap().bus;
            let bus = found.iter().find(|bus| grid.bus(Some(&bus.bus)).unwrap() == at).unwrap();
            let (money, energy) = if line.sold.is_zero() { (line.paid, line.bought) } else { (line.earned, line.sold) };
            assert_eq!(bus.price.unwrap().cost_of(energy), Some(money), "{}", bus.bus);
        }
        assert_eq!(grid_use(&members, &rules, &Grid::single_bus(), interval, None), Ok(Vec::new()));
    }
}
