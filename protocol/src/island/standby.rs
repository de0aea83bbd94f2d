//! What the ledger's state knows of a member for an island, and the proof of it.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::plan::Quota;
use crate::{
    block::Header,
    cbor::{self, Element},
    commit::CommitCertificate,
    interval::Interval,
    json,
    member::MemberId,
    merkle::MerkleProof,
    receipt::ValidatorStep,
    registration::state_leaf,
    status::DeviceStatus,
    text::ParseError,
};

/// The quotas of an interval to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct PlannedQuota {
    /// Of which interval.
    #[n(0)]
    pub interval: Interval,
    /// How much.
    #[n(1)]
    pub quota: Quota,
}

impl Element for PlannedQuota {
    const BYTES_MIN: usize = 15;
}

/// What the ledger's state knows of a member for an island.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Standby {
    /// The last word of its device.
    #[n(0)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<DeviceStatus>,
    /// What it may draw in intervals that are not settled yet, in ascending order: at most two.
    #[n(1)]
    #[cbor(decode_with = "cbor::sparse_list::<_, _, PLANNED_MAX>")]
    pub quotas: Vec<PlannedQuota>,
}

/// Most intervals whose quotas are made and that are not settled.
const PLANNED_MAX: usize = 2;

/// Begins the key of what the state knows of a member for an island; its pseudonym follows.
pub const STATE_PREFIX: &[u8] = b"standby/";

/// What a member may draw on an island, in the state after a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ProvedStandby {
    /// Whose.
    pub member: MemberId,
    /// What is known of it.
    pub standby: Standby,
    /// The way to the header's root of the state.
    pub proof: MerkleProof,
    /// The header of the block.
    pub header: Header,
    /// The validators' signatures on that header.
    pub certificate: CommitCertificate,
    /// How the validators of the genesis became those of the header: every change before it, in order.
    pub steps: Vec<ValidatorStep>,
}

impl ProvedStandby {
    /// The one JSON form: compact, fields in order, no newline.
    pub fn to_json(&self) -> Vec<u8> {
        json::to_canonical(self)
    }

    /// Reads it from its one JSON form, a newline at the end allowed.
    pub fn from_json(json: &[u8]) -> Result<ProvedStandby, ParseError> {
        json::from_canonical(json, "a proved quota")
    }

    /// The bytes of its leaf in the tree of the state.
    pub fn leaf(&self) -> Vec<u8> {
        let mut leaf = Vec::new();
        let key = [STATE_PREFIX, self.member.as_bytes()].concat();
        state_leaf(key, &cbor::encode(&self.standby), &mut leaf);
        leaf
    }
}
