//! What becomes of a transaction that a peer sent, judged by what it was refused for.

use protocol::refusal::LedgerRefusal;

use crate::state::Refusal;

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
    /// The verdict on a transaction that was refused.
    pub(in crate::node) fn refused(refusal: &Refusal) -> Verdict {
        let name = refusal.name();
        if is_hopeless(refusal.word()) { Verdict::Rejected(name) } else { Verdict::Ignored(name) }
    }

    pub(super) fn labels(&self) -> (&'static str, &str) {
        match self {
            Verdict::Accepted => ("accepted", "pending"),
            Verdict::Ignored(reason) => ("ignored", reason),
            Verdict::Rejected(reason) => ("rejected", reason),
        }
    }
}

/// Whether a transaction is refused whatever block a node stands at. A peer that is a block ahead or behind honestly
/// passes on what does not apply here. The exception is a signer unknown here, whom a block that is yet to come may
/// admit: to forgive them all would let anyone send what a key made up on the spot has signed. A peer that is wronged by
/// this is back after [`EXILE`](super::scoring::EXILE).
#[deny(clippy::wildcard_enum_match_arm, reason = "a new refusal is judged here, or does not compile")]
fn is_hopeless(refusal: LedgerRefusal) -> bool {
    match refusal {
        LedgerRefusal::Malformed
        | LedgerRefusal::BadSignature
        | LedgerRefusal::UnknownSigner
        | LedgerRefusal::AmountNotPositive
        | LedgerRefusal::SameAccount
        | LedgerRefusal::BadText
        | LedgerRefusal::BadName
        | LedgerRefusal::ReadingsNotAscending
        | LedgerRefusal::ValuesNotAscending => true,
        LedgerRefusal::UnknownMember
        | LedgerRefusal::Exists
        | LedgerRefusal::ExistsWithDifferent
        | LedgerRefusal::IntervalNotNext
        | LedgerRefusal::ReadingsDiffer
        | LedgerRefusal::ReadingRefused
        | LedgerRefusal::CommittedReadingLeftOut
        | LedgerRefusal::CannotSettle
        | LedgerRefusal::ClearingDiffers
        | LedgerRefusal::AmountOverflow
        | LedgerRefusal::EndOfTime
        | LedgerRefusal::NumbersExhausted
        | LedgerRefusal::OrderSequenceNotHigher
        | LedgerRefusal::OrderTooLate
        | LedgerRefusal::TooManyOrders
        | LedgerRefusal::ReadingsPruned
        | LedgerRefusal::InstructionNotNext
        | LedgerRefusal::DecisionNotNext
        | LedgerRefusal::NotApproved
        | LedgerRefusal::ExceedsBalance
        | LedgerRefusal::KeyInUse
        | LedgerRefusal::DeviceInUse
        | LedgerRefusal::NoDevice
        | LedgerRefusal::NoConflict
        | LedgerRefusal::TooManyMembers
        | LedgerRefusal::TooManyScheduled
        | LedgerRefusal::RulesTooEarly
        | LedgerRefusal::BadRules
        | LedgerRefusal::UnknownMechanism
        | LedgerRefusal::BadTerms
        | LedgerRefusal::BadGrid
        | LedgerRefusal::BadValidators
        | LedgerRefusal::NothingToCorrect
        | LedgerRefusal::OtherSettlementInForce
        | LedgerRefusal::CorrectionNotNext
        | LedgerRefusal::OtherInputs
        | LedgerRefusal::CorrectionsNotAscending
        | LedgerRefusal::ValuesOfStrangers
        | LedgerRefusal::ImplausibleValues
        | LedgerRefusal::UnknownCertificates
        | LedgerRefusal::CertificatesNotHeld
        | LedgerRefusal::CertificatesRetired
        | LedgerRefusal::PoolFull
        | LedgerRefusal::TooManyTransactions
        | LedgerRefusal::Header => false,
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
