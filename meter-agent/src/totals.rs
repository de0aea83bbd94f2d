//! What verified receipts add up to.

use minicbor::{Decode, Encode};
use protocol::{energy::Energy, money::Amount, settlement::Line};
use serde::{Deserialize, Serialize};

use crate::source::Gross;

/// Sums over the intervals that verified receipts cover.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cbor(array)]
pub struct Totals {
    /// Verified receipts.
    #[n(0)]
    pub receipts_verified: u64,
    /// Consumed, Wh; as far as the meter knows.
    #[n(1)]
    pub consumption_wh: u64,
    /// Produced, Wh; as far as the meter knows.
    #[n(2)]
    pub production_wh: u64,
    /// Consumed from the own roof, Wh.
    #[n(3)]
    pub self_consumed_wh: u64,
    /// Bought from neighbours, Wh.
    #[n(4)]
    pub bought_wh: u64,
    /// Sold to neighbours, Wh.
    #[n(5)]
    pub sold_wh: u64,
    /// Drawn from the supplier, Wh.
    #[n(6)]
    pub imported_wh: u64,
    /// Fed in to the supplier, Wh.
    #[n(7)]
    pub exported_wh: u64,
    /// Paid to neighbours.
    #[n(8)]
    pub paid: Amount,
    /// Earned from neighbours.
    #[n(9)]
    pub earned: Amount,
    /// Paid to the supplier.
    #[n(10)]
    pub supply_cost: Amount,
    /// Earned from the supplier.
    #[n(11)]
    pub supply_revenue: Amount,
}

impl Totals {
    /// With one more receipt, of `line`, and what went on behind the meter in the readings it covers; `None` past the
    /// range of an amount.
    pub(crate) fn with(mut self, line: &Line, gross: impl Iterator<Item = Gross>) -> Option<Totals> {
        let add = |sum: &mut u64, energy: Energy| {
            *sum = sum.checked_add(energy.wh())?;
            Some(())
        };
        self.receipts_verified += 1;
        for Gross { consumption, production } in gross {
            add(&mut self.consumption_wh, consumption)?;
            add(&mut self.production_wh, production)?;
            add(&mut self.self_consumed_wh, consumption.min(production))?;
        }
        add(&mut self.bought_wh, line.bought)?;
        add(&mut self.sold_wh, line.sold)?;
        add(&mut self.imported_wh, line.imported)?;
        add(&mut self.exported_wh, line.exported)?;
        self.paid = self.paid.checked_add(line.paid)?;
        self.earned = self.earned.checked_add(line.earned)?;
        self.supply_cost = self.supply_cost.checked_add(line.supply_cost)?;
        self.supply_revenue = self.supply_revenue.checked_add(line.supply_revenue)?;
        self.balance()?;
        Some(self)
    }

    /// With `after` in the place of `before`, because the interval was corrected; `None` past the range of an amount.
    pub(crate) fn corrected(mut self, before: &Line, after: &Line) -> Option<Totals> {
        let replace = |sum: &mut u64, before: Energy, after: Energy| {
            *sum = sum.checked_sub(before.wh())?.checked_add(after.wh())?;
            Some(())
        };
        replace(&mut self.bought_wh, before.bought, after.bought)?;
        replace(&mut self.sold_wh, before.sold, after.sold)?;
        replace(&mut self.imported_wh, before.imported, after.imported)?;
        replace(&mut self.exported_wh, before.exported, after.exported)?;
        self.paid = self.paid.checked_sub(before.paid)?.checked_add(after.paid)?;
        self.earned = self.earned.checked_sub(before.earned)?.checked_add(after.earned)?;
        self.supply_cost = self.supply_cost.checked_sub(before.supply_cost)?.checked_add(after.supply_cost)?;
        self.supply_revenue =
            self.supply_revenue.checked_sub(before.supply_revenue)?.checked_add(after.supply_revenue)?;
        self.balance()?;
        Some(self)
    }

    /// What the account gained (lost, if negative); `None` past the range of an amount, which no stored sum is.
    pub fn balance(&self) -> Option<Amount> {
        self.earned.checked_add(self.supply_revenue)?.checked_sub(self.paid)?.checked_sub(self.supply_cost)
    }
}
