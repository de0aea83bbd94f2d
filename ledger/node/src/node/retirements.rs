//! Retired certificates, found again by their names, with the proof that the validators took the claim in.

use ledger::retirement::retirement;
use protocol::{
    api::RetiredCertificate, block::Transaction, hash::Hash, interval::Interval, key::DeviceId, member::MemberId,
    retirement::ProvedRetirement,
};

use super::{Ledger, LedgerError, view::Opened};
use crate::store::damaged;

impl Ledger {
    /// The proof of the instruction by which `holder` retired certificates that are on record.
    pub fn retirement(&self, holder: MemberId, instruction: Hash) -> Result<ProvedRetirement, LedgerError> {
        let height = self.height_of_retirement(holder, instruction)?;
        let proved = match height {
            Some(height) => {
                let Opened { block, certificate, .. } = self.opened(height)?;
                retirement(&block, &certificate, &self.steps_before(height)?, instruction)
            }
            None => None,
        };
        let reason =
            || format!("expected the instruction {instruction} of {holder}, by which certificates are retired");
        Ok(proved.ok_or_else(|| damaged(&*self.store, "the index of instructions", reason()))?)
    }

    /// The certificate of one Wh, if it is on record and was retired. Of others nothing is said: who holds what was not
    /// claimed yet says what somebody consumed.
    pub fn retired_certificate(
        &self,
        interval: Interval,
        device: DeviceId,
        number: u64,
    ) -> Result<Option<RetiredCertificate>, LedgerError> {
        let head = self.head();
        let state = &head.state;
        let issues = state.record(interval).map(|record| record.issues).unwrap_or_default();
        let Some(issue) = issues.into_iter().find(|issue| issue.device == device) else { return Ok(None) };
        let Some(bundle) = issue.bundle_of(number) else { return Ok(None) };
        let Some(instruction) = bundle.retired else { return Ok(None) };
        let proved = self.retirement(bundle.holder, instruction)?;
        let producer = state.find_member(&issue.producer);
        Ok(Some(RetiredCertificate {
            producer: issue.producer,
            technology: issue.technology,
            bus: producer.and_then(|member| member.bus().map(str::to_owned)),
            open: self.open_before(proved.header.height)?,
            proved,
        }))
    }

    fn height_of_retirement(&self, holder: MemberId, instruction: Hash) -> Result<Option<u64>, LedgerError> {
        let head = self.head();
        let last = head.state.find_member(&holder).map_or(0, |member| member.instruction_sequence());
        let mut known = self.lock_retirements();
        let (first, end) = known.looked_at.get(&holder).copied().unwrap_or((last + 1, last + 1));
        if let Some(height) = known.heights.get(&instruction) {
            return Ok(Some(*height));
        }
        // What came since, then what was before.
        for sequence in (end..=last).chain((1..first).rev()) {
            if let Some(height) = self.store.height_of_instruction(holder, sequence)? {
                let instructions = self.opened(height)?.block.transactions.into_iter().filter_map(|it| match it {
                    Transaction::Instruct(message) => Some((message.hash(), height)),
                    _ => None,
                });
                known.heights.extend(instructions);
            }
            let looked_at = known.looked_at.entry(holder).or_insert((sequence, sequence + 1));
            *looked_at = (looked_at.0.min(sequence), looked_at.1.max(sequence + 1));
            if let Some(height) = known.heights.get(&instruction) {
                return Ok(Some(*height));
            }
        }
        Ok(None)
    }
}
