//! The decisions that were made: by whom, when, and what they changed.

use protocol::{
    api::Decided,
    block::Transaction,
    commit::{Power, Validator, power_of},
    interval::Interval,
};

use super::{Ledger, LedgerError, drafts::in_words};
use crate::store::damaged;

impl Ledger {
    /// At most `limit` decisions from a sequence number on, in their order.
    pub fn decisions(&self, from: u64, limit: usize) -> Result<Vec<Decided>, LedgerError> {
        let mut decided = Vec::new();
        for sequence in (from.max(1)..=u64::MAX).take(limit) {
            let Some(height) = self.store.height_of_decision(sequence)? else { break };
            decided.push(self.decided(height, sequence)?);
        }
        Ok(decided)
    }

    fn decided(&self, height: u64, sequence: u64) -> Result<Decided, LedgerError> {
        let transactions = self.opened(height)?.block.transactions;
        let found = transactions.into_iter().find_map(|transaction| {
            let Transaction::Decide { decision, approvals } = transaction else { return None };
            let opened = decision.open().ok().filter(|opened| opened.sequence == sequence)?;
            Some((decision.id(), opened.action, approvals))
        });
        let (id, action, approvals) = found.ok_or_else(|| {
            let reason = format!("expected decision {sequence} in it");
            damaged(&*self.store, format!("the block of height {height}"), reason)
        })?;
        let power = power_of(&approvals, &self.validators_at(height)?);
        let (signed, total) = in_words(power.unwrap_or(Power { signed: 0, total: 0 }));
        let open = self.open_before(height)?;
        Ok(Decided { sequence, id, height, open, approvals, signed, total, change: action.into() })
    }

    /// The validators that decided a height.
    fn validators_at(&self, height: u64) -> Result<Vec<Validator>, LedgerError> {
        let changed = self.store.validator_changes()?.into_iter().take_while(|changed| *changed < height).last();
        match changed {
            Some(changed) => Ok(self.step(changed)?.validators),
            None => Ok(self.genesis().validators.clone()),
        }
    }

    /// The interval that was open when the block of a height began: intervals are settled one after the other, so it is
    /// the first that was not settled below.
    pub(super) fn open_before(&self, height: u64) -> Result<Interval, LedgerError> {
        let first = self.genesis().first_interval;
        let after = |count: u64| i64::try_from(count).ok().and_then(|count| first.offset(count)).unwrap_or(first);
        let (mut low, mut high) = (0, self.head().state.settlements());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.store.height_of(after(middle))? {
                Some(settled) if settled < height => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(after(low))
    }
}
