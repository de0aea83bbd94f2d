//! What the store is told of a block.

use std::collections::BTreeSet;

use ledger::{
    chain::{self, Executed},
    state::State,
};
use protocol::{
    block::{Block, Transaction},
    interval::Interval,
    member::{AccountId, Movement},
};

use super::author::instruction_of;
use crate::store::{Commit, StoredBlock};

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
            | Transaction::ReportConflict { .. }
            | Transaction::ReportStatus(_) => {}
        }
    }
    commit.events = events.into_iter().collect();
    commit
}

/// The accounts on which money moves, beside the open interval.
fn accounts(movement: Option<Movement<'_>>, open: Interval) -> impl Iterator<Item = (AccountId, Interval)> {
    movement.into_iter().flat_map(move |Movement { from, to, .. }| [(from, open), (to, open)])
}
