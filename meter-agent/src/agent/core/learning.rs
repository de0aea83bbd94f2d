//! What the household's strategy learns from receipts, and what it wants.

use household::strategy::{Outcome, Situation};
use protocol::{interval::Interval, order::PriceLimits, reading::ChainHead, receipt::Receipt};

use super::{Core, Records, StoreFault};
use crate::orders::AHEAD;

impl Core {
    /// Learns from what is due by now, where an order can stand for `first` at the earliest.
    pub(super) fn learn(&mut self, records: &dyn Records, first: Interval) -> Result<(), StoreFault> {
        let Core { learned: Some(learned), orders, identity, head, .. } = self else { return Ok(()) };
        let outcome = |interval: Interval| -> Result<Option<Outcome>, StoreFault> {
            let json = records.receipt(interval)?;
            let entry = json.and_then(|json| Receipt::from_json(&json).ok()).map(|receipt| receipt.entry);
            let Some(entry) = entry else { return Ok(None) };
            Ok(Some(Outcome {
                interval,
                tariffs: entry.tariffs,
                limits: orders.placed(interval),
                price: entry.price,
                line: entry.line,
                stored_uwh: stored_at(records, head, interval)?,
            }))
        };
        // There are no receipts of these.
        let never = |interval: Interval| interval <= self.before_first || identity.out_of_reach.covers(interval);
        self.known = learned.learn(&*identity.strategy, first, AHEAD, never, outcome)?;
        Ok(())
    }

    /// What is known for `interval`; none where the strategy has still to learn, or did long ago.
    pub(super) fn situation(&self, interval: Interval) -> Option<Situation<'_>> {
        let memory = if self.learned.is_some() { self.known.at(interval)? } else { &[] };
        Some(Situation { interval, tariffs: self.tariffs, memory })
    }

    /// What the household wants in `interval`, once it is known.
    pub(super) fn wants(&self, interval: Interval) -> Option<PriceLimits> {
        Some(self.identity.strategy.limits(&self.situation(interval)?))
    }
}

/// What the home's battery held at the end of an interval, µWh, as far as its reading is kept and says so.
fn stored_at(records: &dyn Records, head: &ChainHead, interval: Interval) -> Result<Option<u64>, StoreFault> {
    // Each reading is of a later interval than the one before: it has this number, or a later one.
    let since = head.interval.since(interval).and_then(|since| u64::try_from(since).ok());
    let Some(first) = since.map(|since| head.sequence.saturating_sub(since)) else { return Ok(None) };
    for sequence in first.max(1)..=head.sequence {
        match records.reading(sequence)? {
            Some(record) if record.interval == interval => return Ok(record.stored_uwh),
            Some(record) if record.interval < interval => {}
            _ => break,
        }
    }
    Ok(None)
}
