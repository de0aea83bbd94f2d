//! Changes that wait for their interval.
//!
//! A clearing is computed by the market and again by every validator, while transactions go on coming. So nothing that
//! a clearing of the open interval depends on changes before that interval is settled.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use protocol::{
    genesis::Technology,
    interval::Interval,
    key::{DeviceId, PublicKey},
    limits::SCHEDULED_MAX,
    member::MemberId,
    reading::Registers,
};

use super::Refusal;

/// What changes with an interval.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) enum Change {
    /// Another key signs a member's readings; none does, where there is no device.
    #[n(0)]
    Device(#[n(0)] MemberId, #[n(1)] Option<DeviceId>),
    /// A member gets another meter, with registers of its own.
    #[n(1)]
    Meter {
        /// Whose.
        #[n(0)]
        member: MemberId,
        /// The new device.
        #[n(1)]
        device: DeviceId,
        /// Its registers at the start.
        #[n(2)]
        registers: Registers,
        /// Rated power of the grid connection, W.
        #[n(3)]
        rated_power_w: u64,
        /// What is produced behind it.
        #[n(4)]
        technology: Option<Technology>,
    },
    /// Another key signs settlements.
    #[n(2)]
    Market(#[n(0)] PublicKey),
}

impl Change {
    /// The device that this change brings.
    pub(super) fn device(&self) -> Option<DeviceId> {
        match self {
            Change::Device(_, device) => *device,
            Change::Meter { device, .. } => Some(*device),
            Change::Market(_) => None,
        }
    }

    /// The member whose device it changes.
    pub(super) fn member(&self) -> Option<MemberId> {
        match self {
            Change::Device(member, _) | Change::Meter { member, .. } => Some(*member),
            Change::Market(_) => None,
        }
    }
}

/// Changes in the order of their intervals, then of their coming.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Schedule(BTreeMap<Interval, Vec<Change>>);

impl Schedule {
    pub(super) fn from_list(list: Vec<(Interval, Vec<Change>)>) -> Schedule {
        Schedule(list.into_iter().collect())
    }

    pub(super) fn list(&self) -> Vec<(Interval, Vec<Change>)> {
        self.0.iter().map(|(from, changes)| (*from, changes.clone())).collect()
    }

    pub(super) fn changes(&self) -> impl Iterator<Item = &Change> {
        self.0.values().flatten()
    }

    pub(super) fn check_room(&self) -> Result<(), Refusal> {
        if self.changes().count() < SCHEDULED_MAX { Ok(()) } else { Err(Refusal::TooManyScheduled) }
    }

    pub(super) fn add(&mut self, from: Interval, change: Change) {
        self.0.entry(from).or_default().push(change);
    }

    /// What is due when `next` is the next interval to settle.
    pub(super) fn due(&mut self, next: Interval) -> Vec<Change> {
        let mut due = Vec::new();
        while let Some(entry) = self.0.first_entry().filter(|entry| *entry.key() <= next) {
            due.extend(entry.remove());
        }
        due
    }
}
