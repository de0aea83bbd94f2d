//! Decisions that wait for approvals: which of them a node keeps, with whose approvals, and until when.
//!
//! A validator approves what its own node has, and every node hears of it: no file is passed around. What is kept here
//! decides nothing. A decision is handed in once more than two thirds of the power approve it, and the state machine
//! looks at every approval again.

mod files;
#[cfg(test)]
mod tests;
mod withdrawn;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use protocol::{
    block::Transaction,
    cbor::Encoded,
    commit::{CommitSignature, Power, Validator, power_of},
    decision::{Action, Decision, Draft},
    hash::Hash,
    key::ValidatorId,
};

use self::{files::Files, withdrawn::Withdrawn};
use super::taken::Taken;

/// Most drafts that are kept.
const DRAFTS_MAX: usize = 64;
/// Most of them that one validator alone has approved: none can fill the others' room.
const OF_ONE_MAX: usize = 16;
/// Most bytes that all of them take.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// How far a draft's number may be ahead of the next decision's.
pub(super) const AHEAD_MAX: u64 = 64;
/// Seconds for which a draft is told to other nodes again and again: whoever was away for less hears of it.
const TOLD_S: i64 = 7 * 86_400;
/// Seconds after which a draft that is not decided is forgotten.
const KEPT_S: i64 = 30 * 86_400;

/// The drafts that a node has.
#[derive(Default)]
pub(super) struct Drafts {
    kept: BTreeMap<Hash, Kept>,
    bytes: usize,
    files: Option<Files>,
    pub(super) withdrawn: Withdrawn,
}

/// A draft, and since when it is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) draft: Draft,
    /// Unix seconds.
    pub(super) since_s: i64,
}

/// What became of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It is here, with an approval that was not here before.
    New,
    /// All of it was here.
    Known,
    /// There is no room.
    NoRoom,
}

/// What is to be done with a decision that came in.
pub(super) enum Gathered {
    /// It goes to the state machine, with all approvals that are known of it.
    HandIn(Transaction),
    /// It waits for approvals, or is refused.
    Taken(Taken),
}

impl Drafts {
    /// The power behind a decision that too few approve, if nothing that comes with it is new: found without verifying
    /// a signature, as often as others tell of it.
    pub(super) fn known(&self, id: &Hash, approvals: &[CommitSignature], validators: &[Validator]) -> Option<Power> {
        let here = &self.kept.get(id)?.draft.approvals;
        let power = power_of(here, validators).ok().filter(|power| !power.is_enough())?;
        approvals.iter().all(|approval| here.contains(approval)).then_some(power)
    }

    /// The approvals that come with a decision and those that are here already, of present validators, in ascending
    /// order.
    pub(super) fn joined(
        &self,
        id: &Hash,
        approvals: &[CommitSignature],
        validators: &[Validator],
    ) -> Vec<CommitSignature> {
        let here = self.kept.get(id).map_or(&[][..], |kept| &kept.draft.approvals);
        let present = here.iter().filter(|approval| is_of(validators, approval));
        let by_validator: BTreeMap<ValidatorId, &CommitSignature> =
            present.chain(approvals).map(|approval| (approval.validator, approval)).collect();
        by_validator.into_values().cloned().collect()
    }

    /// Keeps a decision with all approvals that are known of it.
    pub(super) fn put(&mut self, id: Hash, decision: &Decision, approvals: Vec<CommitSignature>, now_s: i64) -> Put {
        if let Some(kept) = self.kept.get_mut(&id) {
            if kept.draft.approvals == approvals {
                return Put::Known;
            }
            kept.draft.approvals = approvals;
            if let Some(files) = &self.files {
                files.write(&id, kept);
            }
            return Put::New;
        }
        let bytes = bytes_of(decision);
        let alone = |kept: &&Kept| match (&kept.draft.approvals[..], &approvals[..]) {
            ([one], [new]) => one.validator == new.validator,
            _ => false,
        };
        if self.kept.len() >= DRAFTS_MAX
            || self.bytes + bytes > BYTES_MAX
            || self.kept.values().filter(alone).count() >= OF_ONE_MAX
        {
            return Put::NoRoom;
        }
        let kept = Kept { draft: Draft { decision: decision.clone(), approvals }, since_s: now_s };
        if let Some(files) = &self.files {
            files.write(&id, &kept);
        }
        self.bytes += bytes;
        self.kept.insert(id, kept);
        Put::New
    }

    /// Forgets what is decided up to `decided`, what nobody decided for too long, and the approvals of those who are
    /// validators no more.
    pub(super) fn forget(&mut self, decided: u64, validators: &[Validator], now_s: i64) {
        self.kept.values_mut().for_each(|kept| kept.draft.approvals.retain(|approval| is_of(validators, approval)));
        let is_over = |kept: &Kept| kept.draft.decision.sequence <= decided || kept.since_s + KEPT_S < now_s;
        let over: Vec<Hash> = self.kept.iter().filter(|(_, kept)| is_over(kept)).map(|(id, _)| *id).collect();
        for id in over {
            let Some(sequence) = self.remove(&id) else { continue };
            if sequence > decided {
                tracing::warn!(sequence, %id, "a draft was forgotten: too few validators approved it in 30 days");
            }
        }
        self.withdrawn.forget(decided, validators, now_s);
    }

    /// Removes a draft; returns its number.
    fn remove(&mut self, id: &Hash) -> Option<u64> {
        let decision = self.kept.remove(id)?.draft.decision;
        self.bytes -= bytes_of(&decision);
        if let Some(files) = &self.files {
            files.remove(decision.sequence, id);
        }
        Some(decision.sequence)
    }

    /// Takes a validator's approval back. A draft that nobody approves any more is gone.
    pub(super) fn take_back(&mut self, id: &Hash, validator: &ValidatorId) {
        let Some(kept) = self.kept.get_mut(id) else { return };
        let before = kept.draft.approvals.len();
        kept.draft.approvals.retain(|approval| approval.validator != *validator);
        if kept.draft.approvals.is_empty() {
            self.remove(id);
        } else if kept.draft.approvals.len() < before
            && let Some(files) = &self.files
        {
            files.write(id, kept);
        }
    }

    /// Whether a validator approves a decision that is here.
    pub(super) fn is_approved_by(&self, id: &Hash, validator: &ValidatorId) -> bool {
        let approvals = self.kept.get(id).map_or(&[][..], |kept| &kept.draft.approvals);
        approvals.iter().any(|approval| approval.validator == *validator)
    }

    /// The power of those who approve a decision.
    pub(super) fn power(&self, id: &Hash, validators: &[Validator]) -> Power {
        let total = validators.iter().map(|validator| u128::from(validator.power)).sum();
        let approvals = self.kept.get(id).map_or(&[][..], |kept| &kept.draft.approvals);
        power_of(approvals, validators).unwrap_or(Power { signed: 0, total })
    }

    /// The number of another draft that takes in the household that this decision takes in: with the same key, or the
    /// same device. Of those with its own number only one can be decided.
    pub(super) fn repeated(&self, id: &Hash, decision: &Decision) -> Option<u64> {
        let Decision { sequence, action: Action::RegisterMember(new) } = decision else { return None };
        if self.kept.contains_key(id) {
            return None;
        }
        self.kept.values().find_map(|kept| match &kept.draft.decision {
            Decision { sequence: other, action: Action::RegisterMember(old) }
                if other != sequence && (old.key == new.key || old.device == new.device) =>
            {
                Some(*other)
            }
            _ => None,
        })
    }

    /// The drafts with this number that validators with enough power approve.
    pub(super) fn approved(&self, sequence: u64, validators: &[Validator]) -> Vec<Draft> {
        let is_approved = |kept: &&Kept| {
            let approvals = &kept.draft.approvals;
            kept.draft.decision.sequence == sequence && power_of(approvals, validators).is_ok_and(Power::is_enough)
        };
        self.kept.values().filter(is_approved).map(|kept| kept.draft.clone()).collect()
    }

    /// Those that other nodes should be told of again.
    pub(super) fn to_tell(&self, now_s: i64) -> Vec<Hash> {
        let young = self.kept.iter().filter(|(_, kept)| kept.since_s + TOLD_S > now_s);
        young.map(|(id, _)| *id).collect()
    }

    /// A draft as it is told to other nodes.
    pub(super) fn transaction(&self, id: &Hash) -> Option<Transaction> {
        self.kept.get(id).map(|kept| transaction_of(&kept.draft))
    }

    /// All of them, by number.
    pub(super) fn all(&self) -> Vec<(Hash, Kept)> {
        let mut all: Vec<_> = self.kept.iter().map(|(id, kept)| (*id, kept.clone())).collect();
        all.sort_by_key(|(id, kept)| (kept.draft.decision.sequence, *id));
        all
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.kept.len()
    }

    /// Where they are kept; nowhere but in memory until [`keep_in`](Self::keep_in) says.
    pub(super) fn directory(&self) -> Option<&Path> {
        self.files.as_ref().map(Files::directory)
    }

    /// From now on keeps them in files as well; returns those that were kept there before.
    pub(super) fn keep_in(&mut self, directory: PathBuf) -> std::io::Result<Vec<Kept>> {
        let files = Files::open(directory)?;
        let before = files.read();
        self.files = Some(files);
        Ok(before)
    }
}

/// The transaction that hands a draft in.
pub(super) fn transaction_of(draft: &Draft) -> Transaction {
    Transaction::Decide { decision: Encoded::of(&draft.decision), approvals: draft.approvals.clone() }
}

/// As numbers of the API: a hundred validators have 2^32 each at most.
pub(super) fn in_words(power: Power) -> (u64, u64) {
    let number = |power: u128| u64::try_from(power).unwrap_or(u64::MAX);
    (number(power.signed), number(power.total))
}

fn is_of(validators: &[Validator], approval: &CommitSignature) -> bool {
    validators.iter().any(|validator| validator.key == approval.validator)
}

fn bytes_of(decision: &Decision) -> usize {
    Encoded::of(decision).bytes().len()
}
