//! What was committed before, found again: by interval, account, instruction and decision. So that handing in a
//! transaction twice is answered by name, however long ago the first time was.

use std::collections::BTreeSet;

use ledger::{
    chain::{self, Executed},
    state::{Refusal, State, compare},
};
use protocol::{
    block::{Block, Transaction},
    envelope::{self, EnvelopeError, Sealed},
    instruction::{Instruction, SignedInstruction},
    interval::Interval,
    key::PublicKey,
    member::{AccountId, Movement},
    order::Order,
    reading::Reading,
    settlement::{Settlement, SignedSettlement},
    unopened::Unopened,
};

use super::{Ledger, LedgerError};
use crate::store::{Commit, StoredBlock};

/// Opens a settlement that the market of this state has signed.
pub(super) fn settlement_of(sealed: &Sealed, state: &State) -> Result<SignedSettlement, EnvelopeError> {
    let market = state.market();
    sealed.open::<Settlement>(&state.chain(), |signer| *signer == market)
}

/// Checks that whoever signed a transaction may do so in this state, before anything else of it is decoded. A settlement, which
/// may be large, by its signature; the others by the name of their signer, because they are small and verified when they are
/// opened; a decision not at all, because it stays as it is until its approvals are checked.
pub(super) fn check_author(unopened: &Unopened<'_>, state: &State) -> Result<(), Refusal> {
    let is_member = |key: &PublicKey| state.is_members_key(key);
    let is_device = |key: &PublicKey| state.known_device(key.as_bytes()).is_some();
    let market = state.market();
    match unopened {
        Unopened::Settle(message) => {
            envelope::check_signature::<Settlement>(message, &state.chain(), |signer| *signer == market)?;
        }
        Unopened::PlaceOrder(message) => {
            envelope::check_signer::<Order>(message, is_member)?;
        }
        Unopened::Instruct(message) => {
            envelope::check_signer::<Instruction>(message, is_member)?;
        }
        Unopened::CommitReading(message) | Unopened::ReportConflict(message, _) => {
            envelope::check_signer::<Reading>(message, is_device)?;
        }
        Unopened::Decide(_) => {}
    }
    Ok(())
}

/// Everything that an executed block changes on disk, and the names by which it is found again.
pub fn commit_of<'a>(before: &State, block: &Block, stored: &'a StoredBlock, executed: &Executed) -> Commit<'a> {
    let open = before.next();
    let mut commit = Commit {
        changes: executed.changes(),
        changes_validators: chain::changes_validators(&block.header),
        ..Commit::only(stored)
    };
    let mut events: BTreeSet<(AccountId, Interval)> = BTreeSet::new();
    for booked in &executed.booked {
        let interval = booked.settlement.interval;
        commit.inputs.push((interval, booked.inputs.clone()));
        if booked.correction == 0 {
            commit.intervals.push(interval);
        } else {
            commit.corrections.push((interval, booked.correction));
            events.extend(booked.inputs.iter().map(|input| (AccountId::Member(input.member), open)));
        }
    }
    for transaction in &block.transactions {
        match transaction {
            Transaction::Instruct(sealed) => {
                // It was opened when the block was executed.
                let Some(instruction) = instruction_of(sealed, before) else { continue };
                commit.instructions.push((instruction.member, instruction.sequence));
                events.extend(accounts(instruction.movement(), open));
            }
            Transaction::Decide { decision, .. } => {
                // So was this.
                let Ok(decision) = decision.open() else { continue };
                commit.decisions.push(decision.sequence);
                events.extend(accounts(decision.action.movement(), open));
            }
            Transaction::Settle { .. }
            | Transaction::PlaceOrder(_)
            | Transaction::CommitReading(_)
            | Transaction::ReportConflict { .. } => {}
        }
    }
    commit.events = events.into_iter().collect();
    commit
}

/// The accounts on which money moves, beside the open interval.
fn accounts(movement: Option<Movement<'_>>, open: Interval) -> impl Iterator<Item = (AccountId, Interval)> {
    movement.into_iter().flat_map(move |Movement { from, to, .. }| [(from, open), (to, open)])
}

fn instruction_of(sealed: &Sealed, state: &State) -> Option<SignedInstruction> {
    sealed.open::<Instruction>(&state.chain(), |_| true).ok()
}

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
