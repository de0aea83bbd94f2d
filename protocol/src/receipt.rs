//! Receipts: one member's entry of a settlement, with the proof that it is on the ledger.

use std::io;

use serde::{Deserialize, Serialize};

use crate::{
    block::Header,
    cbor,
    commit::{CommitCertificate, Validator},
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
        let mut rest = Expected(json);
        match serde_json::to_writer(&mut rest, &receipt) {
            Ok(()) if rest.0.is_empty() => Ok(receipt),
            _ => Err(ParseError::new("a receipt in its canonical JSON form", "another spelling of the same values")),
        }
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

/// What must still be written: takes these bytes and no others.
struct Expected<'a>(&'a [u8]);

impl io::Write for Expected<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
