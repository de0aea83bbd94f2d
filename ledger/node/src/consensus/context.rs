//! The types that the engine works with: our own words in the engine's traits.
//!
//! The newtypes exist because neither the traits nor the words are defined in this crate. Signatures are checked by
//! `protocol` alone, by ZIP 215, never by the engine's own Ed25519.

use arc_malachitebft_app_channel::app::types::core::{
    self, LinearTimeouts, NilOrVal, Round, SignedExtension, SigningScheme, VoteType,
};
use protocol::{
    commit::{CommitCertificate, CommitSignature},
    hash::Hash,
    key::{PublicKey, SecretKey, Signature},
};

use super::{
    part::Part,
    validators::{Validator, ValidatorSet},
    words::{Address, Height, OrderedSignature, Value},
};

/// Ed25519 as `protocol` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ed25519;

impl SigningScheme for Ed25519 {
    type DecodingError = &'static str;
    type Signature = OrderedSignature;
    type PublicKey = PublicKey;
    type PrivateKey = SecretKey;

    fn decode_signature(bytes: &[u8]) -> Result<OrderedSignature, &'static str> {
        let bytes = bytes.try_into().map_err(|_| "a signature has 64 bytes")?;
        Ok(OrderedSignature(Signature::from_bytes(bytes)))
    }

    fn encode_signature(signature: &OrderedSignature) -> Vec<u8> {
        signature.0.as_bytes().to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<PublicKey, &'static str> {
        let bytes = bytes.try_into().map_err(|_| "a public key has 32 bytes")?;
        PublicKey::from_bytes(bytes).ok_or("not an Ed25519 public key")
    }

    fn encode_public_key(key: &PublicKey) -> Vec<u8> {
        key.as_bytes().to_vec()
    }
}

/// A proposal: the hash of a block for a height and round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proposal {
    pub(super) height: Height,
    pub(super) round: Round,
    pub(super) value: Value,
    pub(super) pol_round: Round,
    pub(super) proposer: Address,
}

impl core::Proposal<Context> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &Value {
        &self.value
    }

    fn take_value(self) -> Value {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.proposer
    }
}

/// A vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vote {
    pub(super) kind: VoteType,
    pub(super) height: Height,
    pub(super) round: Round,
    pub(super) block: NilOrVal<Hash>,
    pub(super) validator: Address,
}

impl core::Vote<Context> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<Hash> {
        &self.block
    }

    fn take_value(self) -> NilOrVal<Hash> {
        self.block
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.validator
    }

    // Votes carry no extensions: the policy forbids them at every height.
    fn extension(&self) -> Option<&SignedExtension<Context>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Context>> {
        None
    }

    fn extend(self, _: SignedExtension<Context>) -> Vote {
        self
    }
}

impl core::Validator<Context> for Validator {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &PublicKey {
        &self.address.0
    }

    fn voting_power(&self) -> u64 {
        self.power
    }
}

impl core::ValidatorSet<Context> for ValidatorSet {
    fn count(&self) -> usize {
        self.validators.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.total
    }

    fn get_by_address(&self, address: &Address) -> Option<&Validator> {
        self.of(address)
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.validators.get(index)
    }
}

impl core::ProposalPart<Context> for Part {
    fn is_first(&self) -> bool {
        matches!(self, Part::Body(part) if part.index == 0)
    }

    fn is_last(&self) -> bool {
        matches!(self, Part::Body(part) if part.index + 1 == part.outline.count)
    }
}

/// Ties the types together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context;

impl core::Context for Context {
    type Address = Address;
    type Height = Height;
    type ProposalPart = Part;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = ValidatorSet;
    type Timeouts = LinearTimeouts;
    type Value = Value;
    type Vote = Vote;
    type Extension = ();
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(&self, set: &'a ValidatorSet, height: Height, round: Round) -> &'a Validator {
        set.proposer(height.0, round.as_u32().unwrap_or(0))
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        value: Value,
        pol_round: Round,
        proposer: Address,
    ) -> Proposal {
        Proposal { height, round, value, pol_round, proposer }
    }

    fn new_prevote(&self, height: Height, round: Round, block: NilOrVal<Hash>, validator: Address) -> Vote {
        Vote { kind: VoteType::Prevote, height, round, block, validator }
    }

    fn new_precommit(&self, height: Height, round: Round, block: NilOrVal<Hash>, validator: Address) -> Vote {
        Vote { kind: VoteType::Precommit, height, round, block, validator }
    }
}

/// A certificate in our words. `None` if it names no round, which the engine never does.
pub(super) fn certificate(certificate: &core::CommitCertificate<Context>) -> Option<CommitCertificate> {
    let mut signatures: Vec<_> = certificate
        .commit_signatures
        .iter()
        .map(|entry| CommitSignature { validator: entry.address.0, signature: entry.signature.0 })
        .collect();
    signatures.sort_by_key(|entry| entry.validator);
    Some(CommitCertificate {
        height: certificate.height.0,
        round: certificate.round.as_u32()?,
        block: certificate.value_id,
        signatures,
    })
}

/// Our certificate in the engine's words.
pub(super) fn engine_certificate(certificate: CommitCertificate) -> core::ExtendedCommitCertificate<Context> {
    let signatures = certificate.signatures.into_iter().map(|entry| {
        core::ExtendedCommitSignature::new(Address(entry.validator), OrderedSignature(entry.signature), None)
    });
    core::ExtendedCommitCertificate {
        height: Height(certificate.height),
        round: Round::new(certificate.round),
        value_id: certificate.block,
        commit_signatures: signatures.collect(),
    }
}
