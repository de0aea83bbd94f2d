//! Committing to a reading: a device hands it to the ledger itself, and the market can no longer leave it out.

use market::metering::measure;
use protocol::{
    envelope::Sealed,
    member::MemberId,
    reading::{Reading, SignedReading},
    settlement::Settlement,
};

use super::{Refusal, State, entries::Key};

impl State {
    /// Takes a reading that the next settlement could have: the one after the device's last settled reading, of an
    /// interval that has come.
    pub(super) fn commit_reading(&mut self, sealed: &Sealed) -> Result<MemberId, Refusal> {
        let (id, reading) = self.open_reading(sealed)?;
        let device = reading.signer();
        let member = self.members.get_mut(&id).ok_or(Refusal::UnknownSigner(device))?;
        match member.committed() {
            Some(committed) if committed == sealed => return Err(Refusal::Exists),
            Some(_) => return Err(Refusal::ExistsWithDifferent("reading")),
            None if member.head_hash() == reading.hash() => return Err(Refusal::Exists),
            // When this was committed, the validators measured it.
            None if member.is_pruned() => {}
            None => {
                measure(member.head(), &[reading], self.totals.next, member.rated_power_w())
                    .map_err(|error| Refusal::ReadingRefused { device, error: Box::new(error) })?;
            }
        }
        member.commit(sealed.clone());
        self.leaves.touch(Key::Account(id));
        Ok(id)
    }

    /// A reading of a member's device, its signature verified.
    pub(super) fn open_reading(&self, sealed: &Sealed) -> Result<(MemberId, SignedReading), Refusal> {
        let is_known = |device: &_| self.directory.member_of_device(device).is_some();
        let reading = sealed.open::<Reading>(&self.chain, is_known)?;
        let device = reading.signer();
        let id = self.directory.member_of_device(&device).ok_or(Refusal::UnknownSigner(device))?;
        Ok((id, reading))
    }

    /// Checks that a settlement leaves out no reading that it could not have overlooked.
    pub(super) fn check_committed(&self, proposed: &Settlement) -> Result<(), Refusal> {
        for (id, member) in &self.members {
            let left_out = |reading: &&Sealed| !proposed.readings.contains(&reading.hash());
            if let Some(reading) = member.committed().filter(left_out) {
                return Err(Refusal::CommittedReadingLeftOut { member: *id, reading: reading.hash() });
            }
        }
        Ok(())
    }
}
