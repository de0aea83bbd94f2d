//! What verified receipts add up to.

use minicbor::{Decode, Encode};
use protocol::{energy::Energy, money::Amount, settlement::Entry};
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
    /// Consumed from its own roof, Wh.
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
    /// What having neighbours was worth: what the same energy would have cost and brought with the supplier alone, less
    /// what it did. None before the first receipt, and in a state of before this was added up.
    #[n(12)]
    #[serde(default)]
    pub saved: Option<Amount>,
}

impl Totals {
    /// With one more receipt, of `entry`, and what went on behind the meter in the readings it covers; `None` past the
    /// range of an amount.
    pub(crate) fn with(mut self, entry: &Entry, gross: impl Iterator<Item = Gross>) -> Option<Totals> {
        let line = &entry.line;
        let add = |sum: &mut u64, energy: Energy| {
            *sum = sum.checked_add(energy.wh())?;
            Some(())
        };
        let nothing = (self.receipts_verified == 0).then_some(Amount::ZERO);
        if let Some(before) = self.saved.or(nothing) {
            self.saved = Some(before.checked_add(saved(entry)?)?);
        }
        self.receipts_verified += 1;
        for Gross { consumption, production, .. } in gross {
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
    pub(crate) fn corrected(mut self, before: &Entry, after: &Entry) -> Option<Totals> {
        if let Some(sum) = self.saved {
            self.saved = Some(sum.checked_sub(saved(before)?)?.checked_add(saved(after)?)?);
        }
        let (before, after) = (&before.line, &after.line);
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

/// What having neighbours was worth in an interval: the supplier would have sold what they sold at the retail price,
/// and bought what they bought at the feed-in price. `None` past the range of an amount.
pub(crate) fn saved(entry: &Entry) -> Option<Amount> {
    let (line, tariffs) = (&entry.line, &entry.tariffs);
    let bought = tariffs.retail_price.cost_of(line.bought)?.checked_sub(line.paid)?;
    let sold = line.earned.checked_sub(tariffs.feed_in_price.cost_of(line.sold)?)?;
    bought.checked_add(sold)
}

#[cfg(test)]
mod tests {
    use protocol::{
        cbor,
        member::MemberId,
        money::Price,
        settlement::{Line, Tariffs},
    };

    use super::*;

    /// The sums as they were written before it was added up what neighbours are worth.
    #[derive(Encode)]
    #[cbor(array)]
    struct Before(
        #[n(0)] u64,
        #[n(1)] u64,
        #[n(2)] u64,
        #[n(3)] u64,
        #[n(4)] u64,
        #[n(5)] u64,
        #[n(6)] u64,
        #[n(7)] u64,
        #[n(8)] Amount,
        #[n(9)] Amount,
        #[n(10)] Amount,
        #[n(11)] Amount,
    );

    #[test]
    fn sums_of_before_are_read_and_what_is_not_known_of_them_is_not_made_up() {
        let zero = Amount::ZERO;
        let bytes = cbor::encode(&Before(7, 1, 2, 3, 4, 5, 6, 7, zero, zero, zero, zero));
        let totals: Totals = cbor::decode(&bytes).unwrap();
        assert_eq!((totals.receipts_verified, totals.exported_wh, totals.saved), (7, 7, None));
        let totals = totals.with(&entry(1_000, 0, 190_001), std::iter::empty()).unwrap();
        assert_eq!((totals.receipts_verified, totals.saved), (8, None));
        assert_eq!(cbor::decode::<Totals>(&cbor::encode(&totals)).ok(), Some(totals));
    }

    fn entry(bought: u64, sold: u64, price: i64) -> Entry {
        let micro = |micro| Price::from_micro(micro).unwrap();
        let cost = |wh| micro(price).cost_of(Energy::from_wh(wh)).unwrap();
        let line = Line {
            member: MemberId::from_bytes([7; 16]),
            bought: Energy::from_wh(bought),
            sold: Energy::from_wh(sold),
            imported: Energy::from_wh(5),
            exported: Energy::ZERO,
            paid: cost(bought),
            earned: cost(sold),
            supply_cost: micro(300_000).cost_of(Energy::from_wh(5)).unwrap(),
            supply_revenue: Amount::ZERO,
        };
        let tariffs = Tariffs { retail_price: micro(300_000), feed_in_price: micro(80_000) };
        let interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
        Entry {
            interval,
            price: Some(micro(price)),
            line,
            correction: 0,
            tariffs,
            neighbours: None,
            provisional: false,
        }
    }

    #[test]
    fn what_neighbours_were_worth_is_the_difference_to_the_supplier_to_the_last_unit() {
        let (buyer, seller) = (entry(1_000, 0, 190_001), entry(0, 1_000, 190_001));
        assert_eq!(saved(&buyer), Some(Amount::from_nano(109_999_000)));
        assert_eq!(saved(&seller), Some(Amount::from_nano(110_001_000)));
        // Together it is what the supplier's two prices are apart: nothing is made of nothing.
        let both = saved(&buyer).unwrap().checked_add(saved(&seller).unwrap());
        assert_eq!(both, Some(Amount::from_nano(220_000 * 1_000)));

        let none = std::iter::empty;
        let totals = Totals::default().with(&buyer, none()).unwrap().with(&seller, none()).unwrap();
        assert_eq!(totals.saved, both);
        let corrected = totals.corrected(&buyer, &entry(500, 0, 190_001)).unwrap();
        assert_eq!(corrected.saved, Some(Amount::from_nano(220_000_000 - 109_999 * 500)));
    }
}
