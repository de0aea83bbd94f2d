//! Witnesses: which blocks they have to see, and what it means that they have, or have not.

use super::{Core, Then, Turn, Write};
use crate::{
    alarm::{AlarmKind, Detail},
    witnessed::{Answer, Judged},
};

impl Core {
    /// The heights that ledger nodes are to be asked for.
    pub(crate) fn wanted_of_witnesses(&self) -> Vec<u64> {
        self.witnessed.as_ref().map(crate::witnessed::Witnessed::wanted).unwrap_or_default()
    }

    pub(super) fn told_of_witnesses(&mut self, turn: &mut Turn<'_>, height: u64, answers: &[Answer]) {
        let Some(witnessed) = &mut self.witnessed else { return };
        match witnessed.judge(&self.identity.verifier, height, answers) {
            Judged::NotAsked | Judged::Unseen(None) => {}
            Judged::Seen => tracing::debug!(height, "witnesses have seen the block of a receipt"),
            Judged::Unseen(Some(why)) => {
                self.alarms.raise(AlarmKind::NotWitnessed, Detail::NotWitnessed(height, why));
            }
            Judged::OtherHistory { witnesses, evidence } => {
                let detail = Detail::OtherHistory(height, witnesses);
                self.write(turn, Write::Evidence(evidence), Then::TellOfOtherHistory(detail));
            }
        }
        if self.witnessed.as_ref().is_some_and(|witnessed| !witnessed.lacks()) {
            self.alarms.clear(AlarmKind::NotWitnessed);
        }
    }
}
