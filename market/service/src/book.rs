//! The book of readings: for every device the last settled reading, and the readings after it that wait for their
//! settlement. In memory; [`Store`](super::store::Store) keeps the same on disk.

use std::collections::BTreeMap;

use foldhash::HashMap;
use protocol::{
    api::MemberStatus,
    genesis::Genesis,
    hash::Hash,
    interval::Interval,
    key::DeviceId,
    limits::READINGS_PER_DEVICE_MAX,
    member::MemberId,
    reading::{ChainHead, SignedReading},
};

use super::conflict::Conflict;

/// A device and where its hash chain stands.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) member: MemberId,
    pub(crate) rated_power_w: u64,
    /// The last settled reading.
    pub(crate) settled: ChainHead,
    /// The last settled reading itself, where it was taken in since the market started.
    last_settled: Option<SignedReading>,
    /// What came after it, one link after the other.
    waiting: Vec<SignedReading>,
    /// The last of all.
    tip: ChainHead,
}

impl Device {
    fn new(member: MemberId, rated_power_w: u64, settled: ChainHead) -> Device {
        Device { member, rated_power_w, settled, last_settled: None, waiting: Vec::new(), tip: settled }
    }

    /// The last reading that was taken in.
    pub(crate) fn tip(&self) -> ChainHead {
        self.tip
    }

    /// The reading that waits and has this hash.
    pub(crate) fn waiting_copy(&self, hash: Hash) -> Option<&SignedReading> {
        self.waiting.iter().rev().find(|waiting| waiting.hash() == hash)
    }

    /// The reading that waits under this sequence number.
    pub(crate) fn waiting(&self, sequence: u64) -> Option<&SignedReading> {
        let position = sequence.checked_sub(self.settled.sequence)?.checked_sub(1)?;
        self.waiting.get(usize::try_from(position).ok()?)
    }

    /// The last settled reading, if it is still here.
    pub(crate) fn last_settled(&self) -> Option<&SignedReading> {
        self.last_settled.as_ref().filter(|reading| reading.hash() == self.settled.hash)
    }

    /// What can be settled in `interval`: at most `limit` readings, oldest first.
    pub(crate) fn due(&self, interval: Interval, limit: usize) -> &[SignedReading] {
        let due = self.waiting.iter().take(limit.min(READINGS_PER_DEVICE_MAX));
        &self.waiting[..due.take_while(|reading| reading.interval <= interval).count()]
    }
}

/// All devices of the community.
#[derive(Debug)]
pub(crate) struct Book {
    /// Looked up for each message, several times. Whoever is not on the ledger puts nothing in, so that a hash made for
    /// speed, seeded at random, is good enough.
    devices: HashMap<DeviceId, Device>,
    /// How many devices were last read for each interval: asked after every message, so counted along.
    last_read: BTreeMap<Interval, usize>,
    /// How many readings wait.
    waiting: usize,
}

/// A reading that waits no longer.
pub(crate) type Gone = (DeviceId, u64);

/// What gave way to a committed reading.
#[derive(Debug)]
pub(crate) struct Displaced {
    /// What no longer waits.
    pub(crate) gone: Vec<Gone>,
    /// Where another reading waited under the committed one's number.
    pub(crate) conflict: Option<Conflict>,
}

impl Book {
    /// The book before the first reading; `before` is the interval before the first.
    pub(crate) fn new(genesis: &Genesis, before: Interval) -> Book {
        let device = |member: &protocol::genesis::GenesisMember| {
            let settled = ChainHead { sequence: 0, hash: Hash::ZERO, interval: before, registers: member.registers() };
            (member.device, Device::new(member.member, member.rated_power_w, settled))
        };
        let devices = genesis.members.iter().map(device).collect();
        let mut book = Book { devices, last_read: BTreeMap::new(), waiting: 0 };
        book.count();
        book
    }

    /// Counts anew.
    fn count(&mut self) {
        (self.last_read, self.waiting) = (BTreeMap::new(), 0);
        for device in self.devices.values() {
            *self.last_read.entry(device.tip.interval).or_default() += 1;
            self.waiting += device.waiting.len();
        }
    }

    pub(crate) fn device(&self, device: &DeviceId) -> Option<&Device> {
        self.devices.get(device)
    }

    /// All devices, in order of key.
    pub(crate) fn devices(&self) -> impl Iterator<Item = (&DeviceId, &Device)> {
        let mut devices: Vec<_> = self.devices.iter().collect();
        devices.sort_unstable_by_key(|(id, _)| **id);
        devices.into_iter()
    }

    /// Adds a reading that [the intake](super::intake) let pass, or names it if its device is none of
    /// these.
    pub(crate) fn take(&mut self, reading: SignedReading) -> Option<Gone> {
        let id = reading.signer();
        let Some(device) = self.devices.get_mut(&id) else { return Some((id, reading.sequence)) };
        if let Some(devices) = self.last_read.get_mut(&device.tip.interval) {
            *devices -= 1;
            if *devices == 0 {
                self.last_read.remove(&device.tip.interval);
            }
        }
        device.tip = ChainHead::after(&reading);
        if device.waiting.is_empty() {
            // Most devices never have more than one.
            device.waiting.reserve_exact(1);
        }
        device.waiting.push(reading);
        *self.last_read.entry(device.tip.interval).or_default() += 1;
        self.waiting += 1;
        None
    }

    /// Takes over a reading that its device committed to the ledger, unless it waits already. Where a device signed two
    /// readings under one number, the committed one stands.
    pub(crate) fn commit(&mut self, reading: &SignedReading) -> Option<Displaced> {
        let id = reading.signer();
        let device = self.devices.get_mut(&id)?;
        let follows = reading.sequence == device.settled.sequence + 1 && reading.previous == device.settled.hash;
        if !follows || device.waiting.first() == Some(reading) {
            return None;
        }
        let gone = device.waiting.iter().map(|waiting| (id, waiting.sequence)).collect();
        let conflict = device.waiting.first().map(|waiting| Conflict::new(Some(reading), waiting));
        (device.waiting, device.tip) = (vec![reading.clone()], ChainHead::after(reading));
        self.count();
        Some(Displaced { gone, conflict })
    }

    /// How many devices were read for `interval`.
    pub(crate) fn read_for(&self, interval: Interval) -> usize {
        self.last_read.range(interval..).map(|(_, devices)| devices).sum()
    }

    /// How many devices there are.
    pub(crate) fn expected(&self) -> usize {
        self.devices.len()
    }

    /// Whether any reading waits to be settled.
    pub(crate) fn any_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// Takes over who measures for whom, and returns what no longer waits: the readings of devices that were revoked.
    pub(crate) fn enroll(&mut self, members: &[MemberStatus], heads: &BTreeMap<DeviceId, ChainHead>) -> Vec<Gone> {
        let mut gone = Vec::new();
        self.devices.retain(|id, device| {
            let stays = heads.contains_key(id);
            if !stays {
                gone.extend(device.waiting.iter().map(|reading| (*id, reading.sequence)));
            }
            stays
        });
        for MemberStatus { member, device, rated_power_w, .. } in members {
            let Some((id, head)) = device.and_then(|id| Some((id, heads.get(&id)?))) else { continue };
            let known = self.devices.entry(id).or_insert_with(|| Device::new(*member, *rated_power_w, *head));
            (known.member, known.rated_power_w) = (*member, *rated_power_w);
        }
        self.count();
        gone
    }

    /// Takes over what the ledger has settled, and returns what no longer waits: what is settled now, and what does
    /// not continue what is settled.
    pub(crate) fn settled(&mut self, heads: &BTreeMap<DeviceId, ChainHead>) -> Vec<Gone> {
        let mut gone = Vec::new();
        for (id, device) in &mut self.devices {
            let Some(head) = heads.get(id) else { continue };
            if let Some(settled) = device.waiting.iter().find(|waiting| waiting.hash() == head.hash) {
                device.last_settled = Some(settled.clone());
            }
            (device.settled, device.tip) = (*head, *head);
            device.waiting.retain(|reading| {
                let follows = reading.sequence == device.tip.sequence + 1 && reading.previous == device.tip.hash;
                if follows {
                    device.tip = ChainHead::after(reading);
                } else {
                    gone.push((*id, reading.sequence));
                }
                follows
            });
        }
        self.count();
        gone
    }
}
