//! What meters that say something else than what flows do to the others. The rest of the figures is what meters said.

use serde::Serialize;

use super::{as_integer, ratio::Ratio};
use crate::offline::dishonest::Misreported;

/// Beside the market that honest meters would have made in each interval, from the same flows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Honesty {
    /// Members with a dishonest meter.
    pub dishonest_members: usize,
    /// What passed the transformer and no meter said, Wh.
    pub unmetered_wh: u64,
    /// What honest members bought and sold more or less than they would have: Σ |b − b*| + |s − s*|, Wh.
    pub misallocated_wh: u64,
    /// What it costs honest members, n€. Negative where they gain by it.
    #[serde(serialize_with = "as_integer")]
    pub honest_loss_nano: i128,
    /// What it gains the dishonest, n€: what the others, the supplier and the grid operator lose.
    #[serde(serialize_with = "as_integer")]
    pub dishonest_gain_nano: i128,
    /// What it costs the supplier, n€.
    #[serde(serialize_with = "as_integer")]
    pub supplier_loss_nano: i128,
    /// What it costs the grid operator, n€.
    #[serde(serialize_with = "as_integer")]
    pub operator_loss_nano: i128,
    /// Part of the intervals in which the transformer's meter is too far from the members' sum. It says that somebody
    /// is dishonest, and not who.
    pub noticed: Option<Ratio>,
}

impl Honesty {
    pub(super) fn of(dishonest_members: usize, found: &Misreported, intervals: usize) -> Honesty {
        let &Misreported {
            unmetered_wh,
            open_intervals,
            misallocated_wh,
            honest_loss_nano,
            dishonest_gain_nano,
            supplier_loss_nano,
            operator_loss_nano,
        } = found;
        Honesty {
            dishonest_members,
            unmetered_wh,
            misallocated_wh,
            honest_loss_nano,
            dishonest_gain_nano,
            supplier_loss_nano,
            operator_loss_nano,
            noticed: Ratio::of(open_intervals as i128, intervals as i128),
        }
    }
}
