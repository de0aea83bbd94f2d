//! A device that contradicts itself: two readings signed under one sequence number suspend it. Either the agent lost
//! its state, or somebody else has its key; what it says next is worth nothing in both cases.

use protocol::{envelope::Sealed, member::MemberId};

use super::{Change, Refusal, State};

impl State {
    /// Takes no more readings of the device, from the interval after the open one on. The reading that was settled or
    /// committed first stands.
    pub(super) fn report_conflict(&mut self, first: &Sealed, second: Option<&Sealed>) -> Result<MemberId, Refusal> {
        let (id, first) = self.open_reading(first)?;
        let member = self.member(id)?;
        let is_conflict = match second.map(|second| self.open_reading(second)).transpose()? {
            Some((_, second)) => {
                let one_number = second.signer() == first.signer() && second.sequence == first.sequence;
                one_number && first.hash() < second.hash()
            }
            // When this was reported, the validators knew the number of the last settled reading.
            None if member.is_pruned() => true,
            None => first.sequence == member.head().sequence && first.hash() != member.head_hash(),
        };
        if !is_conflict {
            return Err(Refusal::NoConflict);
        }
        match self.schedule.changes().filter(|change| change.member() == Some(id)).last() {
            None => {}
            Some(Change::Device(_, None)) => return Err(Refusal::Exists),
            // Another one takes its place, and is not to be stopped by this.
            Some(_) => return Err(Refusal::NoDevice(id)),
        }
        self.schedule(Change::Device(id, None))?;
        Ok(id)
    }
}
