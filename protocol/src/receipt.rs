//! Receipts: one member's entry of a settlement, with the proof that it is on the ledger.

use serde::{Deserialize, Serialize};

use crate::{
    block::Header,
    cbor,
    certificate::{CommitCertificate, Validator},
    hash::ParseError,
    merkle::MerkleProof,
    settlement::Entry,
};

/// A receipt. Its JSON has one form only, which [`to_json`](Receipt::to_json) writes: a receipt in which any byte was
/// changed is not a receipt, or proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// What the member bought, sold, paid and earned.
    pub entry: Entry,
    /// The entry's way to the header's root of entries.
    pub proof: MerkleProof,
    /// The header of the block.
    pub header: Header,
    /// The validators' signatures on that header.
    pub certificate: CommitCertificate,
    /// How the validators of the genesis became those of the header: every change before it, in order.
    pub steps: Vec<ValidatorStep>,
}

/// A block after which others validate, and who.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ValidatorStep {
    /// The header of the block, decided by the validators before.
    pub header: Header,
    /// Their signatures on it.
    pub certificate: CommitCertificate,
    /// The validators of the next height: what the header's `next_validators` is the hash of.
    pub validators: Vec<Validator>,
}

impl Receipt {
    /// The one JSON form: compact, fields in order, no newline.
    pub fn to_json(&self) -> Vec<u8> {
        match serde_json::to_vec(self) {
            Ok(json) => json,
            Err(error) => unreachable!("a receipt has only text keys and integers: {error}"),
        }
    }

    /// Reads a receipt from its one JSON form, a newline at the end allowed.
    pub fn from_json(json: &[u8]) -> Result<Receipt, ParseError> {
        let json = json.strip_suffix(b"\n").unwrap_or(json);
        let receipt: Receipt =
            serde_json::from_slice(json).map_err(|error| ParseError::new("a receipt", &error.to_string()))?;
        if receipt.to_json() == json {
            Ok(receipt)
        } else {
            Err(ParseError::new("a receipt in its canonical JSON form", "another spelling of the same values"))
        }
    }

    /// The bytes of the entry's leaf in the tree of entries.
    pub fn leaf(&self) -> Vec<u8> {
        cbor::encode(&self.entry)
    }
}
