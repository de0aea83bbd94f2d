//! What becomes of a transaction that a peer sent, judged by what it was refused for.

use ledger::state::Refusal;

/// What a peer's message is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Taken into the pool: passed on.
    Accepted,
    /// Not passed on, and nobody's fault: the reason.
    Ignored(String),
    /// No honest node sends it: the reason. It costs the peer its score.
    Rejected(String),
}

impl Verdict {
    /// The verdict on a transaction that was refused. A peer that is a block ahead or behind honestly passes on what
    /// does not apply here; one that is wronged because its signer is admitted later is back after
    /// [`EXILE`](super::scoring::EXILE).
    pub(in crate::node) fn refused(refusal: &Refusal) -> Verdict {
        let name = refusal.name();
        if refusal.word().is_hopeless() { Verdict::Rejected(name) } else { Verdict::Ignored(name) }
    }

    pub(super) fn labels(&self) -> (&'static str, &str) {
        match self {
            Verdict::Accepted => ("accepted", "pending"),
            Verdict::Ignored(reason) => ("ignored", reason),
            Verdict::Rejected(reason) => ("rejected", reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_block_may_allow_is_nobodys_fault() {
        let ignored = |refusal: Refusal| assert_eq!(Verdict::refused(&refusal), Verdict::Ignored(refusal.name()));
        ignored(Refusal::Exists);
        ignored(Refusal::TooManyOrders);
        ignored(Refusal::TooManyMembers);
        let rejected = |refusal: Refusal| assert_eq!(Verdict::refused(&refusal), Verdict::Rejected(refusal.name()));
        rejected(Refusal::SameAccount);
        rejected(Refusal::ValuesNotAscending);
        rejected(Refusal::ReadingsNotAscending(1));
    }
}
