//! What the ledger does with decisions on their way: keeps those that too few validators have approved, and hands in
//! those that enough have.

use std::{io, path::PathBuf};

use ledger::state::Refusal;
use protocol::{
    api::OpenDraft,
    block::Transaction,
    cbor::Encoded,
    commit::{CommitSignature, Power, power_of},
    decision::{Decision, Draft},
    hash::Hash,
    interval::utc_text,
};

use super::{
    Ledger, LedgerError,
    drafts::{AHEAD_MAX, Gathered, Kept, Put, in_words, transaction_of},
    taken::Taken,
    wall_clock::now_s,
};

/// The drafts inside a node's state directory.
pub const DRAFTS_DIRECTORY: &str = "drafts";

impl Ledger {
    /// Joins the approvals that come with a decision to those that are here. Where they are not enough, or another
    /// decision comes first, it is kept, if it could be carried out and at least one validator stands behind it.
    pub(super) fn gather(&self, decision: Encoded<Decision>, approvals: Vec<CommitSignature>) -> Gathered {
        let state = &self.head().state;
        if let Some(power) = self.lock_drafts().known(&decision.id(), &approvals, state.validators()) {
            return Gathered::Taken(Taken::Draft { new: false, power });
        }
        let hand_in = |approvals| Gathered::HandIn(Transaction::Decide { decision: decision.clone(), approvals });
        // What is wrong with it, the state machine says.
        let Ok(Power { signed: 1.., .. }) = decision.approved(&state.chain(), &approvals, state.validators()) else {
            return hand_in(approvals);
        };
        let Ok(opened) = decision.open() else { return hand_in(approvals) };
        let Some(ahead) = opened.sequence.checked_sub(state.decision_sequence().saturating_add(1)) else {
            return hand_in(approvals);
        };
        let id = decision.id();
        let mut drafts = self.lock_drafts();
        let approvals = drafts.joined(&id, &approvals, state.validators());
        let Ok(power) = power_of(&approvals, state.validators()) else { return hand_in(approvals) };
        if ahead > AHEAD_MAX {
            let (expected, found) = (state.decision_sequence() + 1, opened.sequence);
            return Gathered::Taken(self.refused(id, Refusal::DecisionNotNext { expected, found }));
        }
        if ahead == 0
            && let Err(refusal) = state.would_decide(&opened)
        {
            return Gathered::Taken(self.refused(id, refusal));
        }
        let put = drafts.put(id, &opened, approvals.clone(), now_s());
        match put {
            _ if ahead == 0 && power.is_enough() => hand_in(approvals),
            Put::NoRoom => Gathered::Taken(Taken::TooManyDrafts),
            Put::New | Put::Known => Gathered::Taken(Taken::Draft { new: put == Put::New, power }),
        }
    }

    /// Forgets what is decided, and hands in what enough validators have approved while another decision came first.
    pub(super) fn look_at_drafts(&self) -> Result<(), LedgerError> {
        let state = &self.head().state;
        let decided = state.decision_sequence();
        let next = {
            let mut drafts = self.lock_drafts();
            drafts.forget(decided, state.validators(), now_s());
            drafts.approved(decided.saturating_add(1), state.validators())
        };
        for draft in next.iter().filter(|draft| state.would_decide(&draft.decision).is_ok()) {
            self.take_in(transaction_of(draft))?;
        }
        Ok(())
    }

    /// The decisions that wait for approvals, by number.
    pub fn drafts(&self) -> Vec<OpenDraft> {
        let state = &self.head().state;
        let kept = self.lock_drafts().all();
        let open = |(id, Kept { draft: Draft { decision, approvals }, since_s }): (Hash, Kept)| {
            let is_next = decision.sequence == state.decision_sequence().saturating_add(1);
            let refusal = if is_next { state.would_decide(&decision).err() } else { None };
            let obstacle = refusal.map(|refusal| format!("{}: {refusal}", refusal.name()));
            let power = power_of(&approvals, state.validators()).unwrap_or(Power { signed: 0, total: 0 });
            let (signed, total) = in_words(power);
            OpenDraft { id, decision, approvals, signed, total, since: utc_text(since_s), obstacle }
        };
        kept.into_iter().map(open).collect()
    }

    /// How many of them there are.
    pub(super) fn drafts_count(&self) -> usize {
        self.lock_drafts().count()
    }

    /// Those that other nodes should be told of again.
    pub(super) fn drafts_to_tell(&self) -> Vec<Hash> {
        self.lock_drafts().to_tell(now_s())
    }

    /// Keeps drafts in a directory from now on, and takes in those that are there.
    pub(super) fn keep_drafts_in(&self, directory: PathBuf) -> io::Result<()> {
        let before = self.lock_drafts().keep_in(directory)?;
        let state = &self.head().state;
        for Kept { draft: Draft { decision, approvals }, since_s } in before {
            let encoded = Encoded::of(&decision);
            // Who was a validator may be none any more.
            let approvals: Vec<_> = approvals
                .into_iter()
                .filter(|it| encoded.approved(&state.chain(), std::slice::from_ref(it), state.validators()).is_ok())
                .collect();
            if !approvals.is_empty() {
                self.lock_drafts().put(encoded.id(), &decision, approvals, since_s);
            }
        }
        self.lock_drafts().forget(state.decision_sequence(), state.validators(), now_s());
        Ok(())
    }
}
