//! What trading over a grid costs, and how much its lines carry: from the rules' fees and the grid's ratings.

use std::collections::BTreeMap;

use protocol::{
    interval::Interval,
    money::Price,
    parameters::{Parameters, WHOLE_PPM},
};

use crate::grid::Grid;

/// What using a grid costs, and how much it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Once for each Wh that is traded between two buses.
    pub between_buses: Price,
    /// The edge from each bus to the one above, by the bus's number; the root's is never used.
    pub edges: Vec<Edge>,
}

/// The line, or the transformer, above a bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// For each Wh that crosses it, in either direction.
    pub fee: Price,
    /// Most that it carries in the interval, Wh.
    pub capacity_wh: u64,
    /// What is already on its way up over it without taking part, Wh; negative on the way down.
    pub base_wh: i128,
}

impl Edge {
    /// Most that trades may send up, Wh. Where what does not take part overloads the edge, none may make it worse.
    pub(crate) fn export_wh(&self) -> u128 {
        u128::try_from(i128::from(self.capacity_wh) - self.base_wh).unwrap_or(0)
    }

    /// Most that trades may send down, Wh.
    pub(crate) fn import_wh(&self) -> u128 {
        u128::try_from(i128::from(self.capacity_wh) + self.base_wh).unwrap_or(0)
    }
}

/// Why parameters do not fit a grid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// A fee for a line that the grid does not have.
    #[error("fees: expected a line of the grid or its transformer, found `{line}`")]
    UnknownLine {
        /// Its name.
        line: String,
    },
}

impl Network {
    /// The fees and capacities that parameters give a grid in an interval; `base` is what each bus sends upwards
    /// without taking part (negative: draws), by the bus's number.
    ///
    /// A capacity is rating × time × derating, rounded down to whole Wh, at a power factor of 1. Where the grid does
    /// not know a rating it carries everything.
    pub fn new(grid: &Grid, parameters: &Parameters, interval: Interval, base: &[i128]) -> Result<Network, TermsError> {
        let minutes = u128::from(interval.length().minutes());
        let derate = u128::from(parameters.derate_ppm.unwrap_or(WHOLE_PPM));
        let mut base = base.to_vec();
        // A bus that is not of this grid is taken for its root, which nothing is above.
        base.resize(grid.parents().len(), 0);
        for (bus, &parent) in grid.parents().iter().enumerate().rev() {
            if bus != parent {
                base[parent] += base[bus];
            }
        }
        let edge = |(bus, base_wh): (usize, i128)| {
            let capacity = grid.line_above(bus).map_or(u128::from(u64::MAX), |line| {
                u128::from(line.rated_va) * minutes * derate / (60 * u128::from(WHOLE_PPM))
            });
            Edge { fee: FREE, capacity_wh: u64::try_from(capacity).unwrap_or(u64::MAX), base_wh }
        };
        let mut edges: Vec<Edge> = base.into_iter().enumerate().map(edge).collect();
        let fees = parameters.fees.clone().unwrap_or_default();
        if let Some((bus, fee)) = grid.below_transformer().zip(fees.transformer) {
            edges[bus].fee = fee;
        }
        let below = if fees.lines.is_empty() { BTreeMap::new() } else { grid.buses_below() };
        for line in &fees.lines {
            let bus =
                *below.get(line.line.as_str()).ok_or_else(|| TermsError::UnknownLine { line: line.line.clone() })?;
            // A fee of the transformer's own name adds to that of its class, within what a price can be.
            let sum = edges[bus].fee.micro().saturating_add(line.fee.micro());
            edges[bus].fee = Price::from_micro(sum).unwrap_or(Price::MAX);
        }
        Ok(Network { between_buses: fees.between_buses.unwrap_or(FREE), edges })
    }
}

/// What does not cost anything. Const evaluation proves that it is a price.
const FREE: Price = match Price::from_micro(0) {
    Some(price) => price,
    None => Price::MAX,
};
