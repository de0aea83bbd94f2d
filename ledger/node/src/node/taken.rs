//! What becomes of a transaction that comes in.

use ledger::state::Refusal;
use protocol::commit::Power;

/// What became of a transaction.
pub(super) enum Taken {
    /// It waits from now on.
    New,
    /// It is a decision that waits for approvals. `new` if something of it was not here before.
    Draft { new: bool, power: Power },
    /// Too many decisions wait for approvals.
    TooManyDrafts,
    /// It waits already.
    Waiting,
    /// It does not apply.
    Refused(Refusal),
    /// Too many wait.
    PoolFull,
}
