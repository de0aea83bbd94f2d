//! Who looks a household up at this node: written down before the call is answered, and read by the household alone.

use std::path::Path;

use access_log::{Accesses, Looked, QuestionFault, read_question};
use protocol::member::MemberId;

use super::{
    accesses::{AccessLog, AccessLogError},
    ledger::Ledger,
};

impl Ledger {
    /// Writes look-ups down in a directory from now on.
    pub fn keep_accesses_in(&self, directory: &Path) -> Result<(), AccessLogError> {
        // Who does it twice goes on with the first.
        let _ = self.accesses.set(AccessLog::open(directory)?);
        Ok(())
    }

    /// Writes down that somebody looks this up, where look-ups are written down.
    pub(crate) fn note_access(&self, at: i64, who: &str, role: &str, looked: Looked) -> Result<(), AccessLogError> {
        self.accesses.get().map_or(Ok(()), |accesses| accesses.note(at, who, role, looked))
    }

    /// The look-ups that concern a member, for who asks with its key: from one on, and with the proof that so many as
    /// were seen are the beginning of all. None where none are written down, or there is no such member.
    pub(crate) fn accesses_of(
        &self,
        member: MemberId,
        question: Option<&str>,
        from: (u64, u64),
        now: i64,
    ) -> Result<Option<Accesses>, QuestionFault> {
        let state = &self.head().state;
        let Some(accesses) = self.accesses.get() else { return Ok(None) };
        let Some(known) = state.find_member(&member) else { return Ok(None) };
        let keys: Vec<_> = [Some(known.key()), known.device()].into_iter().flatten().collect();
        read_question(question, &state.chain(), member, &keys, now)?;
        Ok(Some(accesses.of(&state.chain(), member, from, now)))
    }
}
