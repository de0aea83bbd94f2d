//! Evidence against a validator: two messages that it signed and that contradict one another. Anybody can check it,
//! with nothing but the genesis.

use protocol::{
    commit::{VoteKind, proposal_bytes, vote_bytes},
    envelope::ChainId,
    genesis::Genesis,
    hash::Hash,
    key::{Signature, ValidatorId},
};
use serde::{Deserialize, Serialize};

/// Most bytes of evidence as JSON.
pub const EVIDENCE_BYTES_MAX: usize = 4_096;

/// What a validator says once in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// The block that it proposes.
    Proposal,
    /// Its first vote.
    Prevote,
    /// Its second vote.
    Precommit,
}

impl Said {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Said::Proposal => "proposal",
            Said::Prevote => "prevote",
            Said::Precommit => "precommit",
        }
    }
}

/// One of the two messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The block that it is for; none if it is against all.
    pub block: Option<Hash>,
    /// Of a proposal: the earlier round in which the block gathered its prevotes, if it is proposed again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pol_round: Option<u32>,
    /// The validator's signature.
    pub signature: Signature,
}

/// Two messages of one validator for the same height and round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The chain that it is about.
    pub chain: ChainId,
    /// Who signed both.
    pub validator: ValidatorId,
    /// What they are.
    pub said: Said,
    /// For which height.
    pub height: u64,
    /// In which round.
    pub round: u32,
    /// The messages.
    pub statements: [Statement; 2],
}

/// Why something is no evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// Not written as evidence is.
    #[error("expected evidence in JSON of at most {EVIDENCE_BYTES_MAX} bytes, found {0}")]
    Malformed(String),
    /// Of another ledger.
    #[error("expected evidence of the chain {expected}, found some of {found}")]
    OtherChain {
        /// The chain of the genesis.
        expected: ChainId,
        /// The evidence's.
        found: ChainId,
    },
    /// Both messages say the same.
    #[error("expected two messages that contradict one another, found the same twice")]
    NoContradiction,
    /// A proposal of nothing.
    #[error("expected a proposal of a block, found one of nothing")]
    NoProposal,
    /// The validator did not sign one of them.
    #[error("the validator's signature under message {0} does not verify")]
    BadSignature(usize),
}

impl EvidenceError {
    /// The name of what is wrong.
    pub const fn name(&self) -> &'static str {
        match self {
            EvidenceError::Malformed(_) => "malformed",
            EvidenceError::OtherChain { .. } => "other_chain",
            EvidenceError::NoContradiction => "no_contradiction",
            EvidenceError::NoProposal => "no_proposal",
            EvidenceError::BadSignature(_) => "bad_signature",
        }
    }
}

impl Evidence {
    /// Reads evidence; what it says is not checked.
    pub fn from_json(json: &[u8]) -> Result<Evidence, EvidenceError> {
        if json.len() > EVIDENCE_BYTES_MAX {
            return Err(EvidenceError::Malformed(format!("{} bytes", json.len())));
        }
        serde_json::from_slice(json).map_err(|error| EvidenceError::Malformed(error.to_string()))
    }

    /// Writes it, one field a line.
    pub fn to_json(&self) -> Vec<u8> {
        match serde_json::to_vec_pretty(self) {
            Ok(json) => json,
            Err(error) => unreachable!("evidence has only text keys, texts and integers: {error}"),
        }
    }

    /// Checks that the validator signed both messages, for the chain of this genesis, and that they contradict one
    /// another. Whether it was a validator at that height, the ledger says.
    pub fn verify(&self, genesis: &Genesis) -> Result<(), EvidenceError> {
        let expected = genesis.chain();
        if self.chain != expected {
            return Err(EvidenceError::OtherChain { expected, found: self.chain });
        }
        let [one, other] = &self.statements;
        let [first, second] = [self.bytes(one)?, self.bytes(other)?];
        if first == second {
            return Err(EvidenceError::NoContradiction);
        }
        for (number, (statement, bytes)) in (1..).zip([(one, first), (other, second)]) {
            if !self.validator.verifies(&bytes, &statement.signature) {
                return Err(EvidenceError::BadSignature(number));
            }
        }
        Ok(())
    }

    /// The bytes that were signed.
    fn bytes(&self, statement: &Statement) -> Result<Vec<u8>, EvidenceError> {
        let vote = |kind| vote_bytes(&self.chain, kind, self.height, self.round, statement.block.as_ref());
        Ok(match self.said {
            Said::Prevote => vote(VoteKind::Prevote),
            Said::Precommit => vote(VoteKind::Precommit),
            Said::Proposal => {
                let block = statement.block.as_ref().ok_or(EvidenceError::NoProposal)?;
                proposal_bytes(&self.chain, self.height, self.round, statement.pol_round, block)
            }
        })
    }
}
