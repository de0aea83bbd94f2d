//! The intervals of a ledger, one after the other, each with all that its settlement was computed from: for whoever
//! computes it again in another way.

use indicatif::ProgressBar;
use ledger::state::Booked;
use market::{grid::Grid, inputs::Inputs};
use protocol::{
    correction::MemberInput,
    genesis::{Genesis, Rules},
    hash::Hash,
    settlement::Settlement,
};

use super::{AuditError, Followed, Report, follow};
use crate::store::{Store, damaged};

/// An interval as it was first settled, before any correction.
#[derive(Debug)]
pub struct FirstSettled<'a> {
    /// What was settled.
    pub settlement: &'a Settlement,
    /// The rules that were in force.
    pub rules: &'a Rules,
    /// The grid that was.
    pub grid: &'a Grid,
    /// The seed of the clearing's tie-breaks.
    pub tie_seed: Hash,
    /// What was known of all members that took part; none where the readings were pruned.
    pub inputs: Option<Inputs>,
}

/// Audits a store as [`audit`](super::audit) does, and hands on every interval as it was first settled, in their order.
/// An interval is handed on once its block was executed again and found in order; what comes after it may still not be.
pub fn each_settled<E: From<AuditError>>(
    genesis: &Genesis,
    store: &dyn Store,
    progress: &ProgressBar,
    mut take: impl FnMut(FirstSettled<'_>) -> Result<(), E>,
) -> Result<Report, E> {
    follow(genesis, store, progress, |followed| {
        let first = followed.executed.booked.iter().filter(|booked| booked.correction == 0);
        first.map(|booked| first_settled(store, followed, booked)).try_for_each(|settled| take(settled?))
    })
}

fn first_settled<'a>(
    store: &dyn Store,
    followed: &'a Followed<'_>,
    booked: &'a Booked,
) -> Result<FirstSettled<'a>, AuditError> {
    let settlement = &booked.settlement;
    let interval = settlement.interval;
    // Executing the block has put all of this there, or found that it is.
    let lost = |reason: &str| damaged(store, format!("the block of height {}", followed.height), reason);
    let state = &followed.executed.state;
    let record = state.record(interval).ok_or_else(|| lost("expected a record of what it settles, found none"))?;
    let (version, grid) = state.rules_at(interval);
    let inputs = if followed.pruned {
        None
    } else {
        let mut members = state.members();
        let bus = |input: &MemberInput| {
            // Both are in ascending order.
            let (_, member) = members
                .find(|(id, _)| **id == input.member)
                .ok_or_else(|| lost("expected a registration of each member, found none"))?;
            grid.bus(member.bus()).map_err(|error| lost(&error.to_string()))
        };
        Some(Inputs::new(booked.inputs.clone(), bus)?)
    };
    Ok(FirstSettled { settlement, rules: &version.rules, grid, tie_seed: record.tie_seed, inputs })
}
