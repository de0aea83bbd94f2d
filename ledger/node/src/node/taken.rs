//! What becomes of a transaction that comes in, and who brings it.

use ledger::state::Refusal;
use protocol::commit::Power;

/// Who brings something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Whoever asks this node.
    Client,
    /// Another node, or this one, from before.
    Node,
}

/// What became of a transaction.
pub(super) enum Taken {
    /// It waits from now on.
    New,
    /// It is a decision that waits for approvals. `new` if something of it was not here before.
    Draft { new: bool, power: Power },
    /// Too many decisions wait for approvals.
    TooManyDrafts,
    /// It is a decision to take in a household that the draft of this number takes in already.
    RepeatsDraft(u64),
    /// It brings nothing but approvals that were withdrawn.
    ApprovalWithdrawn,
    /// It waits already.
    Waiting,
    /// It does not apply.
    Refused(Refusal),
    /// Too many wait.
    PoolFull,
}
