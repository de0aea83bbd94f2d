//! Receipts: one member's entry of a settlement, with the proof that it is on the ledger.

use serde::{Deserialize, Serialize};

use crate::{
    block::Header,
    cbor,
    commit::{CommitCertificate, Validator},
    json,
    merkle::MerkleProof,
    neighbour::Neighbour,
    settlement::Entry,
    text::ParseError,
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
    /// Whom the member traded with: what the entry's hash is of. Left out where there are more than
    /// [`RECEIPT_NEIGHBOURS_MAX`](crate::limits::RECEIPT_NEIGHBOURS_MAX); the line is proved all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub neighbours: Vec<Neighbour>,
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
        json::to_canonical(self)
    }

    /// Reads a receipt from its one JSON form, a newline at the end allowed.
    pub fn from_json(json: &[u8]) -> Result<Receipt, ParseError> {
        json::from_canonical(json, "a receipt in its canonical JSON form")
    }

    /// Whether the entry says that there are neighbours, and the list of them was left out.
    pub fn lacks_neighbours(&self) -> bool {
        self.entry.neighbours.is_some() && self.neighbours.is_empty()
    }

    /// The bytes of the entry's leaf in the tree of entries.
    pub fn leaf(&self) -> Vec<u8> {
        cbor::encode(&self.entry)
    }
}
