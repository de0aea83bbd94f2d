//! Approvals taken back: at the node that a validator asks, and at those that hear of it.

use ledger::state::State;
use protocol::{
    api::TakenBack,
    commit::Power,
    envelope::{EnvelopeError, Sealed, Signed},
    hash::Hash,
    key::ValidatorId,
    refusal::LedgerRefusal,
    withdrawal::Withdrawal,
};

use super::{
    Ledger,
    drafts::{AHEAD_MAX, Put, in_words},
    gossip::Verdict,
    taken::Source,
    wall_clock::now_s,
};

/// Why nothing is taken back.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    #[error("decision {0} is made: nothing can be withdrawn any more")]
    Decided(u64),
    #[error("more than two thirds of the voting power approve decision {0}: it is on its way to the ledger")]
    OnItsWay(u64),
    #[error("expected a decision up to number {max}, found {found}")]
    TooFarAhead { max: u64, found: u64 },
    #[error("expected an approval of {0} that waits here, found none")]
    NotApproved(ValidatorId),
    #[error("expected fewer withdrawals of {0} that wait, found as many as a node keeps")]
    NoRoom(ValidatorId),
}

impl Fault {
    fn name(&self) -> LedgerRefusal {
        match self {
            Fault::Envelope(EnvelopeError::UnknownSigner(_)) => LedgerRefusal::UnknownSigner,
            Fault::Envelope(EnvelopeError::BadSignature) => LedgerRefusal::BadSignature,
            Fault::Envelope(_) => LedgerRefusal::Malformed,
            Fault::Decided(_) | Fault::OnItsWay(_) | Fault::NotApproved(_) => LedgerRefusal::NothingToWithdraw,
            Fault::TooFarAhead { .. } => LedgerRefusal::DecisionNotNext,
            Fault::NoRoom(_) => LedgerRefusal::TooManyDrafts,
        }
    }
}

impl Ledger {
    /// Takes a validator's approval back, as it says in a signed [`Withdrawal`], and tells the other nodes.
    pub fn withdraw(&self, message: &[u8]) -> TakenBack {
        match self.take_back(message, Source::Client) {
            Ok((withdrawal, _, power)) => {
                self.tell(withdrawal.hash());
                let (signed, total) = in_words(power);
                TakenBack::Withdrawn { decision: withdrawal.decision, signed, total }
            }
            Err(fault) => {
                let (refusal, detail) = (fault.name().to_string(), fault.to_string());
                tracing::warn!(name = refusal, refusal = detail, "withdrawal refused");
                self.metrics.refused(refusal.clone());
                TakenBack::Refused { refusal, detail }
            }
        }
    }

    /// Takes in a withdrawal that another node sent.
    pub(super) fn take_in_withdrawn(&self, message: &[u8]) -> Verdict {
        match self.take_back(message, Source::Node) {
            Ok((_, Put::New, _)) => Verdict::Accepted,
            Ok(_) => Verdict::Ignored("waiting".into()),
            Err(fault) => match fault.name() {
                name @ (LedgerRefusal::Malformed | LedgerRefusal::BadSignature) => Verdict::Rejected(name.to_string()),
                // A node that has not heard of a new validator, or is a block ahead or behind, is honest.
                name => Verdict::Ignored(name.to_string()),
            },
        }
    }

    /// A withdrawal as it is told to other nodes, by the hash of the message.
    pub(super) fn withdrawal(&self, id: &Hash) -> Option<Vec<u8>> {
        self.lock_drafts().withdrawn.message(id)
    }

    /// Applies those that were there before the node stopped.
    pub(super) fn withdraw_again(&self, before: &[Sealed]) {
        for message in before {
            if let Err(fault) = self.take_back(message.bytes(), Source::Node) {
                tracing::warn!(%fault, "a withdrawal in the directory of the drafts is left out");
            }
        }
    }

    /// Stops counting an approval; with the power of those who still approve. Another node may tell of an approval
    /// before its draft comes; a client has to name one that is here.
    fn take_back(&self, message: &[u8], source: Source) -> Result<(Signed<Withdrawal>, Put, Power), Fault> {
        let state = &self.head().state;
        let is_validator = |key: &ValidatorId| state.validators().iter().any(|validator| validator.key == *key);
        let withdrawal = Signed::<Withdrawal>::open(message, &state.chain(), is_validator)?;
        let Withdrawal { sequence, decision } = *withdrawal;
        let validator = withdrawal.signer();
        check_number(state, sequence)?;
        let mut drafts = self.lock_drafts();
        let power = drafts.power(&decision, state.validators());
        if source == Source::Client && !drafts.withdrawn.holds(&decision, &validator) {
            if !drafts.is_approved_by(&decision, &validator) {
                return Err(Fault::NotApproved(validator));
            }
            if power.is_enough() && sequence == state.decision_sequence().saturating_add(1) {
                return Err(Fault::OnItsWay(sequence));
            }
        }
        let put = drafts.withdrawn.put(withdrawal.clone(), now_s());
        if put == Put::NoRoom {
            return Err(Fault::NoRoom(validator));
        }
        drafts.take_back(&decision, &validator);
        let power = drafts.power(&decision, state.validators());
        Ok((withdrawal, put, power))
    }
}

fn check_number(state: &State, found: u64) -> Result<(), Fault> {
    let decided = state.decision_sequence();
    let max = decided.saturating_add(1).saturating_add(AHEAD_MAX);
    match found {
        _ if found <= decided => Err(Fault::Decided(found)),
        _ if found > max => Err(Fault::TooFarAhead { max, found }),
        _ => Ok(()),
    }
}
