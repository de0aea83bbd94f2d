//! What validators sign, and checking it: deterministic CBOR that begins with a tag of its kind and names the chain, so
//! that no signature means anything in another place. Votes are signed as `protocol` defines them, because light
//! clients check them too.

use std::{future::pending, sync::PoisonError};

use arc_malachitebft_app_channel::app::types::core::{
    NilOrVal, Round, SignedMessage, ValidatorProof, VoteExtensionScope, VoteType,
};
use arc_malachitebft_signing::{self as engine, Error, VerificationResult};
use async_trait::async_trait;
use protocol::{
    cbor,
    commit::{VoteKind, proposal_bytes, vote_bytes},
    hash::Hash,
    key::{PublicKey, SecretKey},
};
use tokio::sync::mpsc;

use super::{
    Halt,
    context::{Context, Proposal, Vote},
    doubt::Doubt,
    part::{BodyPart, Outline},
    record::{Kind, SharedRecord},
    words::{Height, OrderedSignature},
};

/// The bytes of a vote. `None` if it names no round: such a vote is neither signed nor accepted.
pub(super) fn vote(chain: &Hash, vote: &Vote) -> Option<Vec<u8>> {
    let kind = match vote.kind {
        VoteType::Prevote => VoteKind::Prevote,
        VoteType::Precommit => VoteKind::Precommit,
    };
    let block = match &vote.block {
        NilOrVal::Nil => None,
        NilOrVal::Val(block) => Some(block),
    };
    Some(vote_bytes(chain, kind, vote.height.0, vote.round.as_u32()?, block))
}

/// The bytes of a proposal. `None` if it names no round.
pub(super) fn proposal(chain: &Hash, proposal: &Proposal) -> Option<Vec<u8>> {
    let (round, pol_round) = (proposal.round.as_u32()?, proposal.pol_round.as_u32());
    Some(proposal_bytes(chain, proposal.height.0, round, pol_round, &proposal.value.0))
}

/// The bytes of a part of a body: `["voisin/part/v1", chain, outline, index, hash of the chunk]`.
pub(super) fn part(chain: &Hash, outline: &Outline, index: u32, chunk: &[u8]) -> Vec<u8> {
    cbor::encode(&("voisin/part/v1", chain, outline, index, Hash::of(chunk)))
}

/// Whether the validator that a part names has signed it.
pub(super) fn part_is_signed(chain: &Hash, body_part: &BodyPart) -> bool {
    let message = part(chain, &body_part.outline, body_part.index, &body_part.chunk);
    body_part.streamer.verifies(&message, &body_part.signature)
}

/// The bytes by which a validator says that it has started a height: `["voisin/start/v1", chain, height]`.
pub(super) fn start(chain: &Hash, height: u64) -> Vec<u8> {
    cbor::encode(&("voisin/start/v1", chain, height))
}

/// The bytes of a silent validator's question: `["voisin/ask/v1", chain, word]`.
pub(super) fn ask(chain: &Hash, word: &Hash) -> Vec<u8> {
    cbor::encode(&("voisin/ask/v1", chain, word))
}

/// The bytes of the answer to it: `["voisin/answer/v1", chain, word, height]`.
pub(super) fn answer(chain: &Hash, word: &Hash, height: u64) -> Vec<u8> {
    cbor::encode(&("voisin/answer/v1", chain, word, height))
}

/// Whether a validator has signed a vote.
pub(super) fn vote_is_signed(chain: &Hash, message: &Vote, signature: &OrderedSignature) -> bool {
    vote(chain, message).is_some_and(|bytes| message.validator.0.verifies(&bytes, &signature.0))
}

/// Whether a validator has signed a proposal.
pub(super) fn proposal_is_signed(chain: &Hash, message: &Proposal, signature: &OrderedSignature) -> bool {
    proposal(chain, message).is_some_and(|bytes| message.proposer.0.verifies(&bytes, &signature.0))
}

/// Checks signatures for the engine.
pub(super) struct Verifier {
    pub(super) chain: Hash,
}

fn verdict(key: &PublicKey, bytes: Option<Vec<u8>>, signature: &OrderedSignature) -> VerificationResult {
    VerificationResult::from_bool(bytes.is_some_and(|bytes| key.verifies(&bytes, &signature.0)))
}

#[async_trait]
impl engine::Verifier<Context> for Verifier {
    async fn verify_signed_vote(
        &self,
        message: &Vote,
        signature: &OrderedSignature,
        key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        Ok(verdict(key, vote(&self.chain, message), signature))
    }

    async fn verify_signed_proposal(
        &self,
        message: &Proposal,
        signature: &OrderedSignature,
        key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        Ok(verdict(key, proposal(&self.chain, message), signature))
    }

    async fn verify_signed_vote_extension(
        &self,
        _: &VoteExtensionScope<Context>,
        _: &(),
        _: &OrderedSignature,
        _: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::Invalid)
    }

    async fn verify_validator_proof(&self, proof: &ValidatorProof<Context>) -> Result<VerificationResult, Error> {
        let Ok(key) = proof.decoded_public_key() else { return Ok(VerificationResult::Invalid) };
        Ok(verdict(&key, Some(proof.preimage()), &proof.signature))
    }
}

/// Proves that a validator owns a network key. The form of these bytes is the engine's.
pub(super) fn proof(key: &SecretKey, public_key: Vec<u8>, peer_id: Vec<u8>) -> ValidatorProof<Context> {
    let signature = key.sign(&ValidatorProof::<Context>::signing_bytes(&public_key, &peer_id));
    ValidatorProof::new(public_key, peer_id, OrderedSignature(signature))
}

/// Signs for the engine, and nothing that contradicts what it has signed before.
pub(super) struct Signer {
    pub(super) chain: Hash,
    pub(super) key: SecretKey,
    pub(super) record: SharedRecord,
    /// Told why something was not signed.
    pub(super) refusals: mpsc::UnboundedSender<Result<Doubt, Halt>>,
}

impl Signer {
    async fn sign<T>(
        &self,
        (kind, height, round): (Kind, Height, Round),
        message: T,
        bytes: Option<Vec<u8>>,
    ) -> Result<SignedMessage<Context, T>, Error> {
        let (Some(bytes), Some(round)) = (bytes, round.as_u32()) else {
            return Err(Error::from_source("a message without a round"));
        };
        let admitted = {
            let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
            record.admit(kind, height.0, round, Hash::of(&bytes))
        };
        let refusal = match admitted {
            Ok(Ok(())) => return Ok(SignedMessage::new(message, OrderedSignature(self.key.sign(&bytes)))),
            Ok(Err(doubt)) => Ok(doubt),
            Err(halt) => Err(halt),
        };
        // The node stops the engine. Until then it may not go on: an error would make it stop by itself, without a
        // reason.
        let _ = self.refusals.send(refusal);
        pending().await
    }
}

#[async_trait]
impl engine::Signer<Context> for Signer {
    async fn sign_vote(&self, message: Vote) -> Result<SignedMessage<Context, Vote>, Error> {
        let kind = match message.kind {
            VoteType::Prevote => Kind::Prevote,
            VoteType::Precommit => Kind::Precommit,
        };
        let bytes = vote(&self.chain, &message);
        self.sign((kind, message.height, message.round), message, bytes).await
    }

    async fn sign_proposal(&self, message: Proposal) -> Result<SignedMessage<Context, Proposal>, Error> {
        let bytes = proposal(&self.chain, &message);
        self.sign((Kind::Proposal, message.height, message.round), message, bytes).await
    }

    async fn sign_vote_extension(
        &self,
        _: VoteExtensionScope<Context>,
        (): (),
    ) -> Result<SignedMessage<Context, ()>, Error> {
        Err(Error::from_source("votes carry no extensions"))
    }

    async fn sign_validator_proof(
        &self,
        public_key: Vec<u8>,
        peer_id: Vec<u8>,
    ) -> Result<ValidatorProof<Context>, Error> {
        Ok(proof(&self.key, public_key, peer_id))
    }
}
