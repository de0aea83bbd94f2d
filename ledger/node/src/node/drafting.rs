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
    refusal::LedgerRefusal,
};

use super::{
    Ledger, LedgerError,
    drafts::{AHEAD_MAX, Gathered, Kept, Put, in_words, transaction_of},
    taken::{Source, Taken},
    wall_clock::now_s,
};

/// The drafts inside a node's state directory.
pub const DRAFTS_DIRECTORY: &str = "drafts";

impl Ledger {
    /// Joins the approvals that come with a decision to those that are here. Where they are not enough, or another
    /// decision comes first, it is kept, if it could be carried out and at least one validator stands behind it.
    /// Approvals that were withdrawn do not count.
    pub(super) fn gather(
        &self,
        decision: Encoded<Decision>,
        mut approvals: Vec<CommitSignature>,
        source: Source,
    ) -> Gathered {
        let state = &self.head().state;
        let (id, brought) = (decision.id(), approvals.len());
        let known = {
            let drafts = self.lock_drafts();
            approvals.retain(|approval| !drafts.withdrawn.holds(&id, &approval.validator));
            drafts.known(&id, &approvals, state.validators())
        };
        if approvals.len() < brought && (approvals.is_empty() || known.is_some()) {
            self.metrics.refused(LedgerRefusal::ApprovalWithdrawn.to_string());
            return Gathered::Taken(Taken::ApprovalWithdrawn);
        }
        if let Some(power) = known {
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
        let mut drafts = self.lock_drafts();
        if source == Source::Client
            && let Some(number) = drafts.repeated(&id, &opened)
        {
            self.metrics.refused(LedgerRefusal::RepeatsDraft.to_string());
            return Gathered::Taken(Taken::RepeatsDraft(number));
        }
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
            self.take_in(transaction_of(draft), Source::Node)?;
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

    /// What other nodes should be told of again: drafts, and withdrawn approvals.
    pub(super) fn drafts_to_tell(&self) -> Vec<Hash> {
        let (drafts, now_s) = (self.lock_drafts(), now_s());
        // First what counts no more.
        let mut ids = drafts.withdrawn.to_tell(now_s);
        ids.extend(drafts.to_tell(now_s));
        ids
    }

    /// Keeps drafts in a directory from now on, and takes in those that are there.
    pub(super) fn keep_drafts_in(&self, directory: PathBuf) -> io::Result<()> {
        let before = self.lock_drafts().keep_in(directory.clone())?;
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
        let withdrawn = self.lock_drafts().withdrawn.keep_in(directory);
        self.withdraw_again(&withdrawn);
        self.lock_drafts().forget(state.decision_sequence(), state.validators(), now_s());
        Ok(())
    }
}
