//! Who signs for whom: the members' keys and devices, to be looked up.

use std::collections::BTreeMap;

use litemap::LiteMap;
use protocol::{
    key::{DeviceId, KnownKey, PublicKey},
    member::MemberId,
};

use super::{Member, in_order::InOrder};

/// An index over the members; made from them, and kept beside them.
#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    devices: BTreeMap<DeviceId, (MemberId, KnownKey)>,
    keys: BTreeMap<PublicKey, MemberId>,
}

impl Directory {
    pub(super) fn of(members: &LiteMap<MemberId, Member>) -> Directory {
        let mut directory = Directory::default();
        members.iter().for_each(|(id, member)| directory.add(*id, member));
        directory
    }

    pub(super) fn add(&mut self, id: MemberId, member: &Member) {
        self.keys.insert(member.key(), id);
        if let Some(device) = member.device() {
            self.devices.insert(device, (id, KnownKey::from(&device)));
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
        self.devices.get(device).map(|(id, _)| *id)
    }

    /// The members of devices that are asked for in ascending order.
    pub(super) fn devices(&self) -> InOrder<impl Iterator<Item = (&DeviceId, &MemberId)>> {
        InOrder::new(self.devices.iter().map(|(device, (id, _))| (device, id)))
    }

    pub(super) fn known_device(&self, key: &[u8; 32]) -> Option<KnownKey> {
        self.devices.get(key).map(|(_, known)| *known)
    }
}
