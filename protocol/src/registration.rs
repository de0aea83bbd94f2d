//! How a member is registered, with the proof that the validators stand for it: what a household that joined after the
//! genesis learns who it is from.

use minicbor::{Decode, Encode, bytes::ByteVec};
use serde::{Deserialize, Serialize};

use crate::{
    block::Header,
    cbor,
    commit::CommitCertificate,
    hash::Hash,
    interval::Interval,
    json,
    key::{DeviceId, PublicKey},
    member::MemberId,
    merkle::MerkleProof,
    reading::Registers,
    receipt::ValidatorStep,
    technology::Technology,
    text::ParseError,
};

/// Who a member is, as the ledger's state has it: what seldom changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Registration {
    /// The key that signs orders and instructions.
    #[n(0)]
    pub key: PublicKey,
    /// The device that measures; none where it was revoked.
    #[n(1)]
    pub device: Option<DeviceId>,
    /// Rated power of the grid connection, W.
    #[n(2)]
    pub rated_power_w: u64,
    /// The bus of the grid that the member is connected to.
    #[n(3)]
    pub bus: Option<String>,
    /// What its production is made from; none where no certificates are minted for it.
    #[n(4)]
    pub technology: Option<Technology>,
    /// The interval after which the meter's chain begins: the one that was open when it was registered.
    #[n(5)]
    pub after: Interval,
    /// The meter's registers at that time.
    #[n(6)]
    pub registers: Registers,
}

/// A member's registration in the state after a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ProvedRegistration {
    /// Whose.
    pub member: MemberId,
    /// How it is registered.
    pub registration: Registration,
    /// The way to the header's root of the state.
    pub proof: MerkleProof,
    /// The header of the block.
    pub header: Header,
    /// The validators' signatures on that header.
    pub certificate: CommitCertificate,
    /// How the validators of the genesis became those of the header: every change before it, in order.
    pub steps: Vec<ValidatorStep>,
}

/// Begins the key of a member's registration in the state; its pseudonym follows.
pub const STATE_PREFIX: &[u8] = b"member/";

/// The leaf of an entry in the state's tree: of its key and its value's hash. Appended to `leaf`.
pub fn state_leaf(key: Vec<u8>, value: &[u8], leaf: &mut Vec<u8>) {
    cbor::encode_into(&(ByteVec::from(key), Hash::of(value)), leaf);
}

impl ProvedRegistration {
    /// The one JSON form: compact, fields in order, no newline.
    pub fn to_json(&self) -> Vec<u8> {
        json::to_canonical(self)
    }

    /// Reads it from its one JSON form, a newline at the end allowed.
    pub fn from_json(json: &[u8]) -> Result<ProvedRegistration, ParseError> {
        json::from_canonical(json, "a proved registration")
    }

    /// The bytes of its leaf in the tree of the state.
    pub fn leaf(&self) -> Vec<u8> {
        let mut leaf = Vec::new();
        let key = [STATE_PREFIX, self.member.as_bytes()].concat();
        state_leaf(key, &cbor::encode(&self.registration), &mut leaf);
        leaf
    }
}
