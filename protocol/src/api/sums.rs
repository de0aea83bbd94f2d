//! What a community lets everyone know: sums, and of nobody what they consume.

use serde::{Deserialize, Serialize};

use crate::{
    energy::Energy,
    envelope::ChainId,
    interval::Interval,
    money::{Amount, Price},
};

/// A community and its accounts, after the last block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Community {
    /// The chain: the hash of its genesis.
    pub chain: ChainId,
    /// What it is called.
    pub name: String,
    /// The currency of every amount, such as `EUR`.
    pub currency: String,
    /// The time zone that it lives in, such as `Europe/Zurich`.
    pub time_zone: Option<String>,
    /// How many members it has.
    pub members: u64,
    /// The first interval.
    pub first: Interval,
    /// The last settled interval.
    pub settled: Option<Interval>,
    /// Settlements so far.
    pub settlements: u64,
    /// Decisions so far.
    pub decisions: u64,
    /// What the accounts have.
    pub balances: Balances,
}

/// What accounts have, or gained. All that one gains another loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Balances {
    /// All members' accounts together.
    pub members: Amount,
    /// The supplier's.
    pub supplier: Amount,
    /// The grid operator's: fees and congestion rent.
    pub operator: Amount,
    /// All of them: zero, or it is a bug.
    pub sum: Amount,
}

/// A settled interval in sums, as it stands: as it was corrected last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IntervalSums {
    /// The interval.
    pub interval: Interval,
    /// The block that settled or corrected it last.
    pub height: u64,
    /// Clearing price.
    pub price: Option<Price>,
    /// How many members were read.
    pub members: u64,
    /// Traded among members, Wh.
    pub traded: Energy,
    /// Drawn from the supplier, Wh.
    pub imported: Energy,
    /// Fed in to the supplier, Wh.
    pub exported: Energy,
    /// What the accounts gained by it.
    pub gained: Balances,
    /// Whether it was settled without all meters.
    pub provisional: bool,
    /// How often it was corrected.
    pub corrections: u32,
}
