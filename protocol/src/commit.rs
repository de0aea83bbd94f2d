//! Commit certificates: the signatures by which validators make a block final.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{
    cbor::{self, Element},
    hash::Hash,
    key::{Claim, PublicKey, Signature, ValidatorId},
    limits::VALIDATORS_MAX,
};

/// A validator and its voting power.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Validator {
    /// The key it signs votes with.
    #[n(0)]
    pub key: ValidatorId,
    /// Voting power, at least 1.
    #[n(1)]
    pub power: u64,
}

impl Element for Validator {
    const BYTES_MIN: usize = 36;
}

/// One validator's commit signature, over [`vote_bytes`] of a precommit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct CommitSignature {
    /// Who signed.
    #[n(0)]
    pub validator: ValidatorId,
    /// The signature.
    #[n(1)]
    pub signature: Signature,
}

impl Element for CommitSignature {
    const BYTES_MIN: usize = 101;
}

/// Proof that validators with more than two thirds of the power committed a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct CommitCertificate {
    /// The block's height.
    #[n(0)]
    pub height: u64,
    /// The consensus round in which it was decided.
    #[n(1)]
    pub round: u32,
    /// The block's hash.
    #[n(2)]
    pub block: Hash,
    /// The signatures, in ascending order of validator key, each validator at most once.
    #[n(3)]
    #[cbor(decode_with = "cbor::list::<_, _, VALIDATORS_MAX>")]
    pub signatures: Vec<CommitSignature>,
}

/// The two kinds of vote of the Tendermint algorithm (Buchman, Kwon, Milosevic 2018).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum VoteKind {
    /// First vote of a round.
    #[n(0)]
    Prevote,
    /// Second vote of a round; the ones for a block make its certificate.
    #[n(1)]
    Precommit,
}

/// The bytes a validator signs when it votes: deterministic CBOR of
/// `["voisin/vote/v1", chain, kind, height, round, block or null]`.
pub fn vote_bytes(chain: &Hash, kind: VoteKind, height: u64, round: u32, block: Option<&Hash>) -> Vec<u8> {
    cbor::encode(&("voisin/vote/v1", chain, kind, height, round, block))
}

/// The bytes a validator signs when it proposes a block: deterministic CBOR of `["voisin/proposal/v1", chain, height,
/// round, pol_round or null, block]`, where `pol_round` is the earlier round in which the block gathered its prevotes,
/// if it is proposed again.
pub fn proposal_bytes(chain: &Hash, height: u64, round: u32, pol_round: Option<u32>, block: &Hash) -> Vec<u8> {
    cbor::encode(&("voisin/proposal/v1", chain, height, round, pol_round, block))
}

/// Why a certificate does not prove its block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A signer is not in the validator set of that height.
    #[error("{0} is not a validator at this height")]
    UnknownValidator(PublicKey),
    /// Signatures are not in ascending order of key, or one validator appears twice.
    #[error("signatures are not in strictly ascending order of validator key")]
    NotAscending,
    /// A signature does not verify.
    #[error("the signature of {0} does not verify")]
    BadSignature(PublicKey),
    /// The signers' power is not more than two thirds.
    #[error("expected more than two thirds of {total} voting power, found {signed}")]
    NotEnoughPower {
        /// Power of the signers.
        signed: u128,
        /// Power of the whole set.
        total: u128,
    },
}

impl CommitCertificate {
    /// Checks every signature against the validator set of this height.
    pub fn verify(&self, chain: &Hash, validators: &[Validator]) -> Result<(), CommitError> {
        self.check_signers(validators)?;
        match self.claims(chain).into_iter().find(|claim| !claim.holds()) {
            Some(claim) => Err(CommitError::BadSignature(claim.signer)),
            None => Ok(()),
        }
    }

    /// The signatures as claims, to be verified together with others.
    pub fn claims(&self, chain: &Hash) -> Vec<Claim> {
        let message = vote_bytes(chain, VoteKind::Precommit, self.height, self.round, Some(&self.block));
        let claim = |signed: &CommitSignature| Claim {
            signer: signed.validator,
            message: message.clone(),
            signature: signed.signature,
        };
        self.signatures.iter().map(claim).collect()
    }

    /// Checks that the signers are validators of this height, each once, with enough power: all but their
    /// signatures.
    pub fn check_signers(&self, validators: &[Validator]) -> Result<(), CommitError> {
        check_signers(&self.signatures, validators)
    }
}

/// How much of the voting power stands behind something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Power {
    /// That of the signers.
    pub signed: u128,
    /// That of all validators.
    pub total: u128,
}

impl Power {
    /// Whether it is more than two thirds.
    pub fn is_enough(self) -> bool {
        self.signed * 3 > self.total * 2
    }
}

/// The power of signers, who have to be validators, in ascending order, each once. Their signatures are not looked at.
pub fn power_of(signatures: &[CommitSignature], validators: &[Validator]) -> Result<Power, CommitError> {
    if !signatures.is_sorted_by(|a, b| a.validator < b.validator) {
        return Err(CommitError::NotAscending);
    }
    let mut signed = 0;
    for CommitSignature { validator, .. } in signatures {
        let known = validators.iter().find(|known| known.key == *validator);
        signed += u128::from(known.ok_or(CommitError::UnknownValidator(*validator))?.power);
    }
    let total = validators.iter().map(|validator| u128::from(validator.power)).sum();
    Ok(Power { signed, total })
}

/// Checks that signers are validators, in ascending order, each once, and hold more than two thirds of the power: all
/// but their signatures.
pub fn check_signers(signatures: &[CommitSignature], validators: &[Validator]) -> Result<(), CommitError> {
    let power = power_of(signatures, validators)?;
    let Power { signed, total } = power;
    if power.is_enough() { Ok(()) } else { Err(CommitError::NotEnoughPower { signed, total }) }
}
