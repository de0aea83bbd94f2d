//! Settlement: an interval's [economics], and what they commit to.

mod picture;

use protocol::{correction::inputs_hash, genesis::Rules, hash::Hash, interval::Interval, settlement::Settlement};

use crate::{
    balance::{exchange, provisional},
    clearing::FeederClearing,
    economics::{Circumstances, economics},
    grid::Grid,
    inputs::Inputs,
};

pub use crate::economics::SettleError;
pub use picture::{BusUse, Curves, LineUse, Picture, PriceStep, curves, grid_use};

/// All that an interval's settlement depends on.
#[derive(Debug, Clone)]
pub struct IntervalInput<'a> {
    /// The interval.
    pub interval: Interval,
    /// The rules in force.
    pub rules: &'a Rules,
    /// The grid that the members' buses are of.
    pub grid: &'a Grid,
    /// Seed of the tie-breaks, see [`tie_seed_after`].
    pub tie_seed: &'a Hash,
    /// Commitments to the readings, copied into the settlement.
    pub readings: Vec<Hash>,
    /// What is known of all members: the settlement commits to it, clears those that were read, and names those that
    /// were not.
    pub inputs: &'a Inputs,
}

/// Settles an interval: a pure function, the same for the market, for every validator and for an audit.
pub fn settle(input: IntervalInput<'_>) -> Result<Settlement, SettleError> {
    settle_on_grid(input).map(|(settlement, _)| settlement)
}

/// The same, and what the trades do to the grid, where the mechanism knows: that is shown, and not settled.
pub fn settle_on_grid(input: IntervalInput<'_>) -> Result<(Settlement, Option<FeederClearing>), SettleError> {
    let IntervalInput { interval, rules, grid, tie_seed, readings, inputs } = input;
    let metered = inputs.metered();
    let economics = economics(metered, &Circumstances { interval, rules, grid, tie_seed })?;
    let settlement = Settlement {
        interval,
        readings,
        price: economics.price,
        supplier: economics.supplier,
        operator: economics.operator,
        lines: economics.lines,
        trades: economics.trades,
        minted: economics.minted,
        inputs: inputs_hash(inputs.all()),
        tariffs: rules.tariffs(),
        provisional: provisional(rules, metered, inputs.unread()),
        exchange: exchange(rules, metered),
    };
    Ok((settlement, economics.feeder))
}

/// The seed of the tie-breaks in the interval after the settlement of this [content](Settlement::content_hash): its
/// hash. It covers readings that nobody knows before that interval's orders are fixed.
pub fn tie_seed_after(content: Hash) -> Hash {
    content
}

#[cfg(test)]
mod tests;
