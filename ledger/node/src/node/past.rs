//! What was committed before, found again: by interval, account, instruction and decision. So that handing in a
//! transaction twice is answered by name, however long ago the first time was.

use ledger::state::{Refusal, compare};
use protocol::{block::Transaction, settlement::Settlement};

use super::{Ledger, LedgerError, author::instruction_of};

impl Ledger {
    /// The refusal of a transaction, made more exact by what is on the ledger already: `exists` if it is that very one,
    /// `exists_with_different_…` if something else is there under its name.
    pub(super) fn compare_with_past(
        &self,
        transaction: &Transaction,
        refusal: Refusal,
    ) -> Result<Refusal, LedgerError> {
        let past = match (transaction, &refusal) {
            (Transaction::Instruct(sealed), Refusal::InstructionNotNext { expected, found }) if found < expected => {
                let head = self.head();
                let Some(instruction) = instruction_of(sealed, &head.state) else { return Ok(refusal) };
                self.store.height_of_instruction(instruction.member, instruction.sequence)?
            }
            (Transaction::Decide { .. }, Refusal::DecisionNotNext { expected, found }) if found < expected => {
                self.store.height_of_decision(*found)?
            }
            _ => None,
        };
        let Some(height) = past else { return Ok(refusal) };
        let block = self.opened(height)?.block;
        if block.transactions.iter().any(|past| past.id() == transaction.id()) {
            return Ok(Refusal::Exists);
        }
        Ok(Refusal::ExistsWithDifferent("action"))
    }

    /// `exists`, or the first field in which the settlement on the ledger differs.
    pub(super) fn compare_with_settled(&self, proposed: &Settlement) -> Result<Refusal, LedgerError> {
        let Some(settled) = self.settlement(proposed.interval)? else {
            let expected = self.head().state.next();
            return Ok(Refusal::IntervalNotNext { expected, found: proposed.interval });
        };
        Ok(match compare(&settled, proposed) {
            Ok(()) => Refusal::Exists,
            Err(Refusal::ClearingDiffers { field, .. }) => Refusal::ExistsWithDifferent(field),
            Err(refusal) => refusal,
        })
    }
}
