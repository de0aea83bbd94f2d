//! What came of a household's own limits, interval by interval: what a strategy may learn from, and when it may.

use protocol::{
    interval::Interval,
    money::Price,
    order::PriceLimits,
    settlement::{Line, Tariffs},
};

/// The limits of an interval are decided from the outcomes of those that begin so many intervals before it, or earlier,
/// and from no later ones. An agent decides up to six intervals beyond the open one, so that announcements may be
/// missed; the receipt of the interval before last is there by then. What is not known when it is due is never learned.
pub const LAG: i64 = 8;

/// What a household's own receipt says of an interval, and under which limits of its own it came to that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The interval.
    pub interval: Interval,
    /// The supplier's prices in it.
    pub tariffs: Tariffs,
    /// The household's limits that stood for it.
    pub limits: PriceLimits,
    /// The one price among neighbours, where the mechanism has one and something was traded.
    pub price: Option<Price>,
    /// The household's line.
    pub line: Line,
    /// What the household's battery held at the end, µWh, where its meter knows it.
    pub stored_uwh: Option<u64>,
}
