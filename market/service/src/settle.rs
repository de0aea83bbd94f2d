//! From the frozen book to a settlement on the ledger.
//!
//! Pure: book, ledger snapshot and rules lead to one signed settlement, which is then [handed in](super::push) until
//! the interval is settled. Both are repeatable: the same readings make the same settlement, and the ledger takes one
//! settlement of an interval.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::Arc,
};

use market::{
    grid::Grid,
    inputs::{Inputs, measuring, member_input, takes_part},
    metering::{Metered, MeteringError, measure},
    settlement::{IntervalInput, Picture, SettleError, settle_on_grid},
};
use protocol::{
    api::{MemberStatus, Settled, StandingOrder},
    block::Transaction,
    cbor,
    correction::MemberInput,
    envelope::{Sealed, Signed},
    hash::Hash,
    interval::Interval,
    key::DeviceId,
    limits::{READINGS_PER_DEVICE_MAX, TRANSACTION_BYTES_MAX},
    member::{AccountId, MemberId},
    reading::SignedReading,
    settlement::Settlement,
};

use super::{
    book::{Book, Device},
    community::{Community, Enrolled},
    snapshot::Snapshot,
};

/// A settlement, ready to be handed in.
#[derive(Debug)]
pub(crate) struct Proposal {
    pub(crate) interval: Interval,
    /// Hash of the signed settlement.
    pub(crate) settlement: Hash,
    /// Members that were read.
    pub(crate) members: usize,
    /// The transaction's CBOR.
    pub(crate) transaction: Arc<[u8]>,
    /// What the console shows of it.
    pub(crate) picture: Picture,
    /// Readings of earlier intervals that are settled with it.
    pub(crate) late: usize,
}

/// Why an interval cannot be settled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProposeError {
    #[error(transparent)]
    Settle(#[from] SettleError),
    #[error(
        "expected a transaction of at most {TRANSACTION_BYTES_MAX} bytes, found {0}, with one reading of each device"
    )]
    TooLarge(usize),
}

/// Clears `interval` with the readings in the book, and signs the settlement.
///
/// A device's readings that lead nowhere are left out, loudly: one meter must not keep the others from being settled.
pub(crate) fn propose(
    community: &Community,
    book: &Book,
    snapshot: &Snapshot,
    interval: Interval,
) -> Result<Proposal, ProposeError> {
    let mut left_out = BTreeSet::new();
    let mut limit = READINGS_PER_DEVICE_MAX;
    loop {
        match propose_some(community, book, snapshot, interval, limit, &left_out) {
            Ok(proposal) if proposal.transaction.len() <= TRANSACTION_BYTES_MAX => return Ok(proposal),
            Ok(proposal) if limit == 1 => return Err(ProposeError::TooLarge(proposal.transaction.len())),
            // Many backlogs at once, after an outage: the rest of them goes into the next settlements.
            Ok(_) => limit /= 2,
            Err(error) => match culprit(&error) {
                Some(member) if left_out.insert(member) => {
                    tracing::error!(%member, %error, "a member's readings are left out of the settlement");
                }
                _ => return Err(error.into()),
            },
        }
    }
}

fn culprit(error: &SettleError) -> Option<MemberId> {
    match error {
        SettleError::EnergyOutOfRange { member, .. }
        | SettleError::AmountOutOfRange { account: AccountId::Member(member), .. } => Some(*member),
        _ => None,
    }
}

fn propose_some(
    community: &Community,
    book: &Book,
    snapshot: &Snapshot,
    interval: Interval,
    limit: usize,
    left_out: &BTreeSet<MemberId>,
) -> Result<Proposal, SettleError> {
    let roll = community.roll();
    let mut metered: BTreeMap<MemberId, Metered> = BTreeMap::new();
    let mut readings: Vec<&SignedReading> = Vec::new();
    for (id, device) in book.devices().filter(|(_, device)| !left_out.contains(&device.member)) {
        let Some((due, measured)) = measure_due(id, device, interval, limit) else { continue };
        metered.insert(device.member, measured);
        readings.extend(due);
    }
    let mut inputs: Vec<MemberInput> = Vec::new();
    // What the validators have: neither more members nor fewer, whenever since the interval opened the ledger was
    // asked.
    for MemberStatus { member: id, read, quotas, .. } in
        snapshot.members.iter().filter(|asked| takes_part(asked.read, interval))
    {
        let Some(&Enrolled { device, technology, .. }) = roll.member(id) else { continue };
        let device = measuring(device, *read, interval);
        let limits = snapshot.orders.get(id).map(StandingOrder::limits).unwrap_or_default();
        let quota = quotas.iter().find(|planned| planned.interval == interval);
        let quota = quota.map(|planned| Box::new(planned.quota));
        inputs.push(MemberInput { quota, ..member_input(*id, device, technology, limits, metered.get(id).copied()) });
    }
    // All of them are on the roll.
    let bus = |input: &MemberInput| Ok::<_, Infallible>(roll.member(&input.member).map_or(Grid::ROOT, |of| of.bus));
    let Ok(inputs) = Inputs::new(inputs, bus);
    let (settlement, feeder) = settle_on_grid(IntervalInput {
        interval,
        rules: &roll.rules,
        grid: &roll.grid,
        tie_seed: &snapshot.tie_seed,
        readings: readings.iter().map(|reading| reading.hash()).collect(),
        inputs: &inputs,
    })?;
    let picture = Picture::new(&inputs, &roll.rules, &roll.grid, interval, feeder.as_ref())?;
    let late = readings.iter().filter(|reading| reading.interval < interval).count();
    let signed: Signed<Settlement> = Signed::sign(settlement, &community.chain, &community.key);
    let transaction = Transaction::Settle {
        settlement: Sealed::from(&signed),
        readings: readings.into_iter().map(Sealed::from).collect(),
    };
    Ok(Proposal {
        interval,
        settlement: signed.hash(),
        members: inputs.metered().len(),
        transaction: cbor::encode(&transaction).into(),
        picture,
        late,
    })
}

/// The readings of a device that go into the settlement, and what they measure.
fn measure_due<'a>(
    id: &DeviceId,
    device: &'a Device,
    interval: Interval,
    limit: usize,
) -> Option<(&'a [SignedReading], Metered)> {
    let mut due = device.due(interval, limit);
    while !due.is_empty() {
        match measure(&device.settled, due, interval, device.rated_power_w) {
            Ok((metered, _)) => return Some((due, metered)),
            // Too much late energy for one settlement: half of it now.
            Err(MeteringError::OutOfRange { .. }) if due.len() > 1 => due = &due[..due.len() / 2],
            Err(error) => {
                tracing::error!(device = %id, %error, "a device's readings are left out of the settlement");
                return None;
            }
        }
    }
    None
}

/// What became of a proposal.
#[derive(Debug)]
pub(crate) enum Pushed {
    /// The interval is settled: with this settlement, or with another one.
    Settled(Settled),
    /// The ledger refuses it.
    Refused {
        /// The refusal's name.
        refusal: String,
        /// What was expected and what was found.
        detail: String,
    },
}
