//! Following the ledger where readings were pruned: what they said can no longer be recomputed, but all that was booked
//! can, and the roots of the blocks tell whether it is right.

use std::collections::BTreeMap;

use protocol::{
    envelope::Sealed,
    hash::Hash,
    key::DeviceId,
    member::MemberId,
    reading::{ChainHead, Reading},
};

use super::{Booked, Refusal, State, settle::Heads};

impl State {
    /// Books a settlement whose readings were pruned. `heads` are the hashes of each device's last reading in it. The
    /// market's signature, the tariffs and the sum of the transfers are checked; that the settlement is what the
    /// readings led to only the validators could tell, and their signatures are on the block.
    pub fn apply_pruned(&mut self, settlement: &Sealed, heads: &[(DeviceId, Hash)]) -> Result<Booked, Refusal> {
        let proposed = self.open_settlement(settlement)?;
        self.check_next(&proposed)?;
        self.check_committed(&proposed)?;
        self.check_tariffs(&proposed)?;
        let mut pruned = BTreeMap::new();
        for (device, hash) in heads {
            let id = self.directory.member_of_device(device).ok_or(Refusal::UnknownSigner(*device))?;
            pruned.insert(id, *hash);
        }
        self.book(proposed.payload().clone(), proposed.content_hash(), Vec::new(), Heads::Pruned(pruned))
    }

    /// The members whose last reading was pruned, and its hash.
    pub fn pruned_heads(&self) -> impl Iterator<Item = (MemberId, Hash)> + '_ {
        self.members.iter().filter(|(_, member)| member.is_pruned()).map(|(id, member)| (*id, member.head_hash()))
    }

    /// Says what a pruned reading was. Whether it is the one that the ledger knows by its hash.
    pub fn restore_head(&mut self, member: MemberId, reading: &Sealed) -> bool {
        // Its hash is on the ledger, so its signature was verified when it came there.
        let opened = reading.open::<Reading>(&self.chain, |_| true);
        let (Ok(reading), Some(member)) = (opened, self.members.get_mut(&member)) else { return false };
        member.restore_head(ChainHead::after(&reading))
    }
}
