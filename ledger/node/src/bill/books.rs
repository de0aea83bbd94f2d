//! What the ledger has of a month: the settlements in force, and what was moved beside.

use std::collections::BTreeMap;

use calendar::{Month, Range, Zone};
use ledger::{
    chain::{self, Settled},
    state::State,
};
use protocol::{
    block::{Block, Transaction},
    cbor,
    envelope::ChainId,
    instruction::Instruction,
    interval::Interval,
    member::{MemberId, Movement},
    reading::Flow,
    settlement::Settlement,
};

use super::{
    BillError,
    statement::{InForce, Transfer},
};
use crate::store::{Store, StoreError, damaged};

/// A month in the books.
#[derive(Debug)]
pub(super) struct Books {
    /// In order of time.
    pub(super) intervals: Vec<InForce>,
    /// In order of the blocks.
    pub(super) transfers: Vec<Transfer>,
    /// The lowest and the highest block that any of it is in.
    pub(super) heights: (u64, u64),
}

/// Checks that the intervals of a month are settled, and returns those that the ledger has: in its first month, those
/// from its first interval on.
pub(super) fn settled_range(state: &State, first: Interval, month: Month, zone: &Zone) -> Result<Range, BillError> {
    let range = month.range(zone, first.length())?;
    if range.after <= first {
        let begins = Month::of(zone.day(first));
        return Err(BillError::BeforeLedger { month, begins });
    }
    let next = state.next();
    if next < range.after {
        let until = state.settled().map_or_else(|| "nothing settled yet".into(), |_| settled_until(zone, next));
        return Err(BillError::NotSettled { month: month.name(), until });
    }
    Ok(Range { first: range.first.max(first), after: range.after })
}

fn settled_until(zone: &Zone, next: Interval) -> String {
    format!("settled until {}", zone.text(next))
}

/// Reads the books of a settled range. `state` is the state after the store's last block.
pub(super) fn read(store: &dyn Store, state: &State, range: Range) -> Result<Books, StoreError> {
    let chain = state.chain();
    let missing = || damaged(store, format!("the settlement of {}", range.first), "it is missing");
    let first = store.height_of(range.first)?.ok_or_else(missing)?;
    // While the first interval was open, others than its settlement were booked as well.
    let before = match range.first.offset(-1) {
        Some(before) => store.height_of(before)?.unwrap_or(0),
        None => 0,
    };
    let mut in_force: BTreeMap<Interval, (u64, Settled)> = BTreeMap::new();
    let mut transfers = Vec::new();
    // As it is before the block of the height.
    let mut open = if before == 0 { range.first } else { range.first.offset(-1).unwrap_or(range.first) };
    for height in before.max(1)..=store.height()? {
        let block = block(store, height)?;
        if range.holds(open) {
            transfers.extend(block.transactions.iter().filter_map(|of| transfer(&chain, of, height, open)));
        }
        let named = |error| damaged(store, format!("a settlement in the block of height {height}"), error);
        for settled in chain::settlements(&chain, &block).map_err(named)? {
            let interval = settled.settlement.interval;
            if settled.correction == 0 {
                open = interval.next().unwrap_or(interval);
            }
            if range.holds(interval) {
                // What comes later takes the place of what was booked before.
                in_force.insert(interval, (height, settled));
            }
        }
    }
    let last = in_force.values().map(|(height, _)| *height).max().unwrap_or(first);
    let intervals = in_force.into_values().map(|(height, settled)| interval_in_force(store, state, height, settled));
    Ok(Books { intervals: intervals.collect::<Result<_, _>>()?, transfers, heights: (first, last) })
}

fn block(store: &dyn Store, height: u64) -> Result<Block, StoreError> {
    let named = || format!("the block of height {height}");
    let stored = store.block(height)?.ok_or_else(|| damaged(store, named(), "it is missing"))?;
    cbor::decode(&stored.body).map_err(|error| damaged(store, named(), error))
}

fn transfer(chain: &ChainId, transaction: &Transaction, height: u64, open: Interval) -> Option<Transfer> {
    let booked = |Movement { from, to, amount, reference }: Movement<'_>| Transfer {
        height,
        open,
        from,
        to,
        amount,
        reference: reference.to_owned(),
    };
    match transaction {
        Transaction::Instruct(sealed) => {
            // Its signature was verified before the block was committed.
            let instruction = sealed.open::<Instruction>(chain, |_| true).ok()?;
            instruction.movement().map(booked)
        }
        Transaction::Decide { decision, .. } => decision.open().ok()?.action.movement().map(booked),
        Transaction::Settle { .. }
        | Transaction::PlaceOrder(_)
        | Transaction::CommitReading(_)
        | Transaction::ReportConflict { .. }
        | Transaction::ReportStatus(_) => None,
    }
}

fn interval_in_force(
    store: &dyn Store,
    state: &State,
    height: u64,
    Settled { settlement, correction, .. }: Settled,
) -> Result<InForce, StoreError> {
    let interval = settlement.interval;
    let inputs = store.inputs(interval)?.unwrap_or_default();
    let late: BTreeMap<MemberId, Flow> = inputs
        .iter()
        .filter_map(|input| {
            let values = input.values?;
            Some((input.member, Flow { import: values.late_import, export: values.late_export }))
        })
        .collect();
    // The transformer's meter trades nothing and owes nothing: it gets no bill.
    let rules = &state.rules_at(interval).0.rules;
    let transformer = rules.transformer.map(|meter| meter.member);
    let network = rules.pack.as_ref().and_then(|pack| pack.network_in(interval));
    let entries = settlement.entries(correction).filter(|entry| Some(entry.line.member) != transformer);
    let entries = entries.map(|entry| {
        let late = late.get(&entry.line.member).copied();
        (entry, late)
    });
    let Settlement { supplier, operator, .. } = settlement;
    Ok(InForce { height, entries: entries.collect(), supplier, operator, network })
}
