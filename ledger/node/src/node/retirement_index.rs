//! In which blocks members' instructions are, as far as anybody has asked.

use std::collections::BTreeMap;

use protocol::{hash::Hash, member::MemberId};

/// In which blocks instructions are, of members whose certificates somebody has asked about. An instruction is looked
/// at once, however often that is.
#[derive(Debug, Default)]
pub(super) struct RetirementIndex {
    pub(super) heights: BTreeMap<Hash, u64>,
    /// From which to before which of a member's instructions all were looked at.
    pub(super) looked_at: BTreeMap<MemberId, (u64, u64)>,
}
