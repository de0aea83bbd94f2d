//! What validators sign, and checking it: deterministic CBOR that begins with a tag of its kind and names the chain, so
//! that no signature means anything in another place. Votes are signed as `protocol` defines them, because light clients
//! check them too.

use arc_malachitebft_app_channel::app::types::core::{
    NilOrVal, SignedMessage, ValidatorProof, VoteExtensionScope, VoteType,
};
use arc_malachitebft_signing::{self as engine, Error, VerificationResult};
use async_trait::async_trait;
use protocol::{
    cbor,
    certificate::{VoteKind, vote_bytes},
    hash::Hash,
    key::{PublicKey, SecretKey},
};

use super::{
    context::{Context, OrderedSignature, Proposal, Vote},
    parts::{BodyPart, Outline},
};

/// The bytes of a vote. `None` if it names no round: such a vote is neither signed nor accepted.
fn vote(chain: &Hash, vote: &Vote) -> Option<Vec<u8>> {
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

/// The bytes of a proposal: `["voisin/proposal/v1", chain, height, round, pol_round or null, block]`.
fn proposal(chain: &Hash, proposal: &Proposal) -> Option<Vec<u8>> {
    let (round, pol_round) = (proposal.round.as_u32()?, proposal.pol_round.as_u32());
    Some(cbor::encode(&("voisin/proposal/v1", chain, proposal.height.0, round, pol_round, &proposal.value.0)))
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

/// Signs for the engine.
pub(super) struct Signer {
    pub(super) chain: Hash,
    pub(super) key: SecretKey,
}

impl Signer {
    /// Proves that this validator owns a network key. The form of these bytes is the engine's.
    pub(super) fn proof(&self, public_key: Vec<u8>, peer_id: Vec<u8>) -> ValidatorProof<Context> {
        let signature = self.key.sign(&ValidatorProof::<Context>::signing_bytes(&public_key, &peer_id));
        ValidatorProof::new(public_key, peer_id, OrderedSignature(signature))
    }

    fn sign<T>(&self, message: T, bytes: Option<Vec<u8>>) -> Result<SignedMessage<Context, T>, Error> {
        let bytes = bytes.ok_or_else(|| Error::from_source("a message without a round"))?;
        Ok(SignedMessage::new(message, OrderedSignature(self.key.sign(&bytes))))
    }
}

#[async_trait]
impl engine::Signer<Context> for Signer {
    async fn sign_vote(&self, message: Vote) -> Result<SignedMessage<Context, Vote>, Error> {
        let bytes = vote(&self.chain, &message);
        self.sign(message, bytes)
    }

    async fn sign_proposal(&self, message: Proposal) -> Result<SignedMessage<Context, Proposal>, Error> {
        let bytes = proposal(&self.chain, &message);
        self.sign(message, bytes)
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
        Ok(self.proof(public_key, peer_id))
    }
}
