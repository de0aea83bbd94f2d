//! When the next height may start.
//!
//! The engine would decide empty blocks back to back. So a node holds it back until there is work here, or until a
//! validator shows by its signature that it has started: by a vote, a proposal, a part of a body, or a note that says
//! just that; or until a peer's history proves that the height is decided already. Unsigned hearsay (a peer's status)
//! starts nothing, and neither does a claim about any but the very next height: one lying validator can make the others
//! decide an empty block now and then, under its own name, and nobody else can make them do anything. Pure.

use std::{collections::BTreeMap, time::Duration};

use arc_malachitebft_app_channel::app::{consensus::SignedConsensusMsg, types::core::LinearTimeouts};
use protocol::{commit::CommitCertificate, hash::Hash, key::ValidatorId};

use super::{Timeouts, context::Context, part::Start, signing, validators::ValidatorSet};

/// Commit certificates of later heights that are remembered while catching up.
const CERTIFICATES_MAX: usize = 256;

/// Why the next height is to be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// A validator has started it.
    Heard,
    /// It is decided already.
    Decided,
}

/// What is known about the next height.
#[derive(Debug)]
pub(super) struct Pace {
    chain: Hash,
    /// The height after the last one committed.
    next: u64,
    /// Its validators.
    validators: ValidatorSet,
    /// The height that the engine works at, or has finished.
    started: u64,
    /// The height that a validator was last seen to have started.
    heard: u64,
    /// From peers' histories, unchecked.
    certificates: BTreeMap<u64, CommitCertificate>,
}

impl Pace {
    pub(super) fn new(chain: Hash, next: u64, validators: ValidatorSet) -> Pace {
        Pace { chain, next, validators, started: next, heard: next, certificates: BTreeMap::new() }
    }

    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn validators(&self) -> &ValidatorSet {
        &self.validators
    }

    /// A block was committed.
    pub(super) fn commit(&mut self, next: u64, validators: ValidatorSet) {
        (self.next, self.validators) = (next, validators);
        self.certificates = self.certificates.split_off(&next);
    }

    /// The engine starts the next height.
    pub(super) fn start(&mut self) {
        self.started = self.next;
    }

    /// Whether the others have started the next height, or ended it.
    pub(super) fn due(&mut self) -> Option<Due> {
        if let Some(certificate) = self.certificates.get(&self.next) {
            if certificate.verify(&self.chain, &self.validators.members()).is_ok() {
                return Some(Due::Decided);
            }
            self.certificates.remove(&self.next);
        }
        (self.heard >= self.next).then_some(Due::Heard)
    }

    /// A validator has started a height: its signature was checked.
    pub(super) fn hear(&mut self, height: u64) {
        if self.is_news(height) {
            self.heard = height;
        }
    }

    /// A validator says that it has started a height.
    pub(super) fn hear_note(&mut self, Start { height, validator, signature }: &Start) {
        let is_signed = || validator.verifies(&signing::start(&self.chain, *height), signature);
        if self.is_news_from(*height, validator) && is_signed() {
            self.heard = *height;
        }
    }

    /// A vote or a proposal has arrived.
    pub(super) fn hear_message(&mut self, message: &SignedConsensusMsg<Context>) {
        let height = message.height().0;
        let is_started = match message {
            SignedConsensusMsg::Vote(vote) => {
                self.is_news_from(height, &vote.validator.0)
                    && signing::vote_is_signed(&self.chain, &vote.message, &vote.signature)
            }
            SignedConsensusMsg::Proposal(proposal) => {
                self.is_news_from(height, &proposal.proposer.0)
                    && signing::proposal_is_signed(&self.chain, &proposal.message, &proposal.signature)
            }
        };
        if is_started {
            self.heard = height;
        }
    }

    /// A peer has sent a block of its history.
    pub(super) fn remember(&mut self, certificate: CommitCertificate) {
        if certificate.height < self.next {
            return;
        }
        self.certificates.insert(certificate.height, certificate);
        if self.certificates.len() > CERTIFICATES_MAX {
            self.certificates.pop_last();
        }
    }

    fn is_news(&self, height: u64) -> bool {
        height == self.started + 1 && height > self.heard
    }

    /// While a height is being decided, the validators of the one after it are taken to be the same. If they are not, a
    /// new one is heard a little later.
    fn is_news_from(&self, height: u64, validator: &ValidatorId) -> bool {
        self.is_news(height) && self.validators.contains(validator)
    }
}

/// The timeouts as the engine has them.
pub(super) fn linear(timeouts: Timeouts) -> LinearTimeouts {
    let Timeouts { propose_ms, prevote_ms, precommit_ms, step_ms, max_ms } = timeouts;
    let step = Duration::from_millis(step_ms);
    LinearTimeouts {
        propose: Duration::from_millis(propose_ms),
        propose_delta: step,
        prevote: Duration::from_millis(prevote_ms),
        prevote_delta: step,
        precommit: Duration::from_millis(precommit_ms),
        precommit_delta: step,
        rebroadcast: Duration::from_millis(propose_ms + prevote_ms + precommit_ms),
        max_timeout: Duration::from_millis(max_ms),
    }
}

#[cfg(test)]
mod tests {
    use arc_malachitebft_app_channel::app::types::core::{Context as _, NilOrVal, Round, SignedMessage};
    use protocol::{
        commit::{CommitSignature, Validator, VoteKind, vote_bytes},
        key::SecretKey,
    };

    use super::*;
    use crate::consensus::words::{Address, Height, OrderedSignature, Value};

    const CHAIN: Hash = Hash::from_bytes([3; 32]);

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }

    fn set() -> ValidatorSet {
        let members: Vec<_> = (1..=4).map(|seed| Validator { key: key(seed).public(), power: 1 }).collect();
        ValidatorSet::new(1, &members).unwrap()
    }

    /// Height 7 is decided, and the node rests.
    fn resting() -> Pace {
        let mut pace = Pace::new(CHAIN, 7, set());
        pace.start();
        pace.commit(8, set());
        assert!(pace.due().is_none());
        pace
    }

    fn note(chain: Hash, height: u64, signer: u8, name: u8) -> Start {
        let signature = key(signer).sign(&signing::start(&chain, height));
        Start { height, validator: key(name).public(), signature }
    }

    fn certificate(height: u64, signers: impl IntoIterator<Item = u8>) -> CommitCertificate {
        let block = Hash::of(b"block");
        let message = vote_bytes(&CHAIN, VoteKind::Precommit, height, 0, Some(&block));
        let signature = |seed| CommitSignature { validator: key(seed).public(), signature: key(seed).sign(&message) };
        let mut signatures: Vec<_> = signers.into_iter().map(signature).collect();
        signatures.sort_by_key(|entry| entry.validator);
        CommitCertificate { height, round: 0, block, signatures }
    }

    #[test]
    fn a_validators_signature_for_the_next_height_starts_it() {
        let mut pace = resting();
        pace.hear_note(&note(CHAIN, 8, 2, 2));
        assert_eq!(pace.due(), Some(Due::Heard));

        let vote = Context.new_prevote(Height(8), Round::new(0), NilOrVal::Nil, Address(key(3).public()));
        let bytes = vote_bytes(&CHAIN, VoteKind::Prevote, 8, 0, None);
        let vote = |signer: u8| {
            let signature = OrderedSignature(key(signer).sign(&bytes));
            SignedConsensusMsg::Vote(SignedMessage::new(vote.clone(), signature))
        };
        let mut pace = resting();
        pace.hear_message(&vote(1));
        assert!(pace.due().is_none());
        pace.hear_message(&vote(3));
        assert_eq!(pace.due(), Some(Due::Heard));

        let proposer = Address(key(1).public());
        let proposal = Context.new_proposal(Height(8), Round::new(0), Value(Hash::ZERO), Round::Nil, proposer);
        let signature = OrderedSignature(key(1).sign(b"something else"));
        let mut pace = resting();
        pace.hear_message(&SignedConsensusMsg::Proposal(SignedMessage::new(proposal, signature)));
        assert!(pace.due().is_none());
    }

    #[test]
    fn nothing_else_does() {
        let mut pace = resting();
        for (chain, height, signer, name) in [
            (CHAIN, 7, 2, 2),
            (CHAIN, 9, 2, 2),
            (CHAIN, u64::MAX, 2, 2),
            (Hash::ZERO, 8, 2, 2),
            (CHAIN, 8, 1, 2),
            (CHAIN, 8, 5, 5),
        ] {
            pace.hear_note(&note(chain, height, signer, name));
            assert!(pace.due().is_none(), "height {height} signed by {signer} as {name}");
        }
        for forged in [certificate(8, 1..=2), certificate(8, 2..=5), certificate(7, 1..=4), certificate(9, 1..=4)] {
            pace.remember(forged);
            assert!(pace.due().is_none());
        }
    }

    #[test]
    fn what_is_heard_early_counts_when_the_height_is_next() {
        let mut pace = resting();
        pace.start();
        pace.hear_note(&note(CHAIN, 9, 2, 2));
        pace.commit(9, set());
        assert_eq!(pace.due(), Some(Due::Heard));
        pace.start();
        pace.commit(10, set());
        assert!(pace.due().is_none());
    }

    #[test]
    fn a_proof_that_a_later_height_is_decided_is_kept_for_it() {
        let mut pace = resting();
        (8..8 + 2 * CERTIFICATES_MAX as u64).for_each(|height| pace.remember(certificate(height, 2..=4)));
        assert_eq!(pace.certificates.len(), CERTIFICATES_MAX);
        for next in 9..20 {
            assert_eq!(pace.due(), Some(Due::Decided));
            pace.start();
            pace.commit(next, set());
        }
    }
}
