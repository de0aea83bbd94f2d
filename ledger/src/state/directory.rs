//! Who signs for whom: the members' keys and devices, to be looked up.

use std::collections::BTreeMap;

use protocol::{
    key::{DeviceId, PublicKey},
    member::MemberId,
};

use super::Member;

/// An index over the members; made from them, and kept beside them.
#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    devices: BTreeMap<DeviceId, MemberId>,
    keys: BTreeMap<PublicKey, MemberId>,
}

impl Directory {
    pub(super) fn of(members: &BTreeMap<MemberId, Member>) -> Directory {
        let mut directory = Directory::default();
        members.iter().for_each(|(id, member)| directory.add(*id, member));
        directory
    }

    pub(super) fn add(&mut self, id: MemberId, member: &Member) {
        self.keys.insert(member.key(), id);
        if let Some(device) = member.device() {
            self.devices.insert(device, id);
        }
    }

    /// Forgets the keys of a member that is about to change.
    pub(super) fn remove(&mut self, member: &Member) {
        self.keys.remove(&member.key());
        if let Some(device) = member.device() {
            self.devices.remove(&device);
        }
    }

    pub(super) fn member_of_key(&self, key: &PublicKey) -> Option<MemberId> {
        self.keys.get(key).copied()
    }

    pub(super) fn member_of_device(&self, device: &DeviceId) -> Option<MemberId> {
        self.devices.get(device).copied()
    }

    pub(super) fn device(&self, key: &[u8; 32]) -> Option<DeviceId> {
        self.devices.get_key_value(key).map(|(device, _)| *device)
    }
}
