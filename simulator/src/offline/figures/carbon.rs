//! What the supplier's energy emits. What is made here counts as emitting nothing, and what is fed in saves nothing.

use protocol::interval::Interval;
use serde::Serialize;

use super::as_integer;
use crate::offline::{intensity::Intensity, sums::IntervalSums};

/// Emissions of the energy that comes from the supplier, mg of CO₂: g/kWh × Wh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Carbon {
    /// With the market.
    #[serde(serialize_with = "as_integer")]
    pub supply_mg: i128,
    /// Without neighbours.
    #[serde(serialize_with = "as_integer")]
    pub alone_mg: i128,
    /// What the market avoids: alone − supply.
    #[serde(serialize_with = "as_integer")]
    pub avoided_mg: i128,
}

impl Carbon {
    pub(super) fn of(intervals: &[(Interval, IntervalSums)], intensity: &Intensity) -> Carbon {
        let emitted = |wh: fn(&IntervalSums) -> u64| -> i128 {
            intervals.iter().map(|(interval, row)| i128::from(intensity.at(*interval)) * i128::from(wh(row))).sum()
        };
        let (supply_mg, alone_mg) = (emitted(|row| row.sums.imported_wh), emitted(|row| row.sums.deficit_wh()));
        Carbon { supply_mg, alone_mg, avoided_mg: alone_mg - supply_mg }
    }
}
