//! Nodal prices: what a Wh more at a bus is worth, from the root down.

use protocol::money::Price;

use super::{super::network::Network, Flows};
use crate::grid::Grid;

/// The keys of the units around some point of a curve.
type Around = (Option<i64>, Option<i64>);

/// What the pass up saw at a bus, for the pass down. Keys are doubled prices.
#[derive(Clone, Copy, Default)]
pub(super) struct Crossing {
    /// Around the point at which the bus's own orders send nothing out.
    pub(super) own: Around,
    /// Around the point at which nothing crosses the edge above.
    pub(super) idle: Around,
    /// Around the point at which the edge carries all it can, upwards and downwards; none where it could carry all
    /// there is.
    pub(super) exhausted_up: Option<(i64, i64)>,
    pub(super) exhausted_down: Option<(i64, i64)>,
}

/// Prices at which a curve stays where it is: from, to.
#[derive(Clone, Copy)]
struct Range {
    low: Option<i64>,
    high: Option<i64>,
}

/// A key as a price: halved, which undoes that bids are one above their double.
fn halved(key: i64) -> i64 {
    key >> 1
}

impl Range {
    fn new((low, high): Around) -> Range {
        Range { low: low.map(halved), high: high.map(halved) }
    }

    fn middle(self) -> Option<i64> {
        match (self.low, self.high) {
            (Some(low), Some(high)) => Some((low + high) >> 1),
            (one, other) => one.or(other),
        }
    }

    /// The price in this range and from `least` to `most` that is nearest to `price`, where there is one at all.
    fn nearest(self, price: i64, least: Option<i64>, most: Option<i64>) -> i64 {
        let mut nearest = price;
        for low in [self.low, least].into_iter().flatten() {
            nearest = nearest.max(low);
        }
        for high in [self.high, most].into_iter().flatten() {
            nearest = nearest.min(high);
        }
        nearest
    }
}

/// The price at every bus, by its number; none where there are no orders.
pub(super) fn nodal_prices(
    grid: &Grid,
    network: Option<&Network>,
    crossings: &[Crossing],
    flows: &Flows,
) -> Option<Vec<Price>> {
    let limited = |price: i64| price.clamp(Price::MIN.micro(), Price::MAX.micro());
    // Where no order reaches the root, no price there is wrong: zero serves.
    let mut wholesale = vec![limited(Range::new(crossings[0].idle).middle().unwrap_or(0))];
    let mut prices = Vec::with_capacity(crossings.len());
    for (bus, crossing) in crossings.iter().enumerate() {
        let at_bus = if bus == 0 {
            wholesale[0]
        } else {
            let above = wholesale[grid.parents()[bus]];
            let at_bus = below_edge(
                above,
                network.map_or(0, |n| n.edges[bus].fee.micro()),
                crossing,
                flows.up[bus],
                network.map(|n| {
                    let edge = n.edges[bus];
                    (edge.export_wh(), edge.import_wh())
                }),
            );
            wholesale.push(at_bus);
            at_bus
        };
        let fee = network.map_or(0, |network| network.between_buses.micro());
        let own = match flows.own[bus].signum() {
            1 => at_bus - fee,
            -1 => at_bus,
            _ => Range::new(crossing.own).nearest(at_bus, Some(at_bus - fee), Some(at_bus)),
        };
        prices.push(Price::from_micro(own)?);
    }
    Some(prices)
}

/// The price below an edge over which `up` Wh go up, of the most that can go up and down.
fn below_edge(above: i64, fee: i64, crossing: &Crossing, up: i128, most: Option<(u128, u128)>) -> i64 {
    let (most_up, most_down) = most.unwrap_or((u128::MAX, u128::MAX));
    let full_up = crossing.exhausted_up.filter(|_| up >= 0 && up.unsigned_abs() == most_up);
    let full_down = crossing.exhausted_down.filter(|_| up <= 0 && up.unsigned_abs() == most_down);
    if up > 0 {
        // Not even at a lower price could more go up; but not lower than the first unit that has to stay asks for.
        return full_up.map_or(above - fee, |(_, stays)| (above - fee).min(halved(stays)));
    }
    if up < 0 {
        return full_down.map_or(above + fee, |(missed, _)| (above + fee).max(halved(missed)));
    }
    let idle = Range::new(crossing.idle);
    match (full_up, full_down) {
        // Cut off in both directions: a market of its own.
        (Some(_), Some(_)) => idle.middle().unwrap_or(above),
        (Some(_), None) => idle.nearest(above, None, Some(above + fee)),
        (None, Some(_)) => idle.nearest(above, Some(above - fee), None),
        (None, None) => idle.nearest(above, Some(above - fee), Some(above + fee)),
    }
}
