//! Corrections: an interval settled again, with the values that the grid operator has validated.
//!
//! A settlement is never edited. The ledger remembers, by a hash, from what each interval was settled; a correction
//! brings that record along, says what was measured instead, and what the same clearing then gives.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{
    cbor::{self, Element},
    energy::Energy,
    hash::Hash,
    interval::Interval,
    island::plan::Quota,
    key::DeviceId,
    limits::MEMBERS_MAX,
    member::MemberId,
    money::Price,
    order::PriceLimits,
    settlement::Settlement,
    technology::Technology,
};

/// What a member's meter said, in one interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Values {
    /// Drawn in the interval, Wh.
    #[n(0)]
    pub import: Energy,
    /// Fed in during the interval, Wh.
    #[n(1)]
    pub export: Energy,
    /// Drawn before, and settled with it, Wh.
    #[n(2)]
    #[serde(default)]
    pub late_import: Energy,
    /// Fed in before, and settled with it, Wh.
    #[n(3)]
    #[serde(default)]
    pub late_export: Energy,
    /// Whether the interval itself was not measured, so that there is nothing but what came late.
    #[n(4)]
    #[cbor(skip_if = "crate::cbor::is_false")]
    #[serde(default, skip_serializing_if = "crate::cbor::is_false")]
    pub late_only: bool,
}

/// All that the clearing of an interval knew of one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct MemberInput {
    /// Who.
    #[n(0)]
    pub member: MemberId,
    /// The device that measured; none where it was revoked.
    #[n(1)]
    pub device: Option<DeviceId>,
    /// What it feeds in is made from; none where no certificates are minted for it.
    #[n(2)]
    pub technology: Option<Technology>,
    /// Highest price to buy at.
    #[n(3)]
    pub buy: Option<Price>,
    /// Lowest price to sell at.
    #[n(4)]
    pub sell: Option<Price>,
    /// Most energy to buy, Wh.
    #[n(5)]
    pub buy_cap: Option<Energy>,
    /// Most energy to sell, Wh.
    #[n(6)]
    pub sell_cap: Option<Energy>,
    /// What was measured; none where it was not read.
    #[n(7)]
    pub values: Option<Values>,
    /// What it was entitled to draw; none where the interval was on no island.
    #[n(8)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Box<Quota>>,
}

impl Element for MemberInput {
    const BYTES_MIN: usize = 18;
}

impl MemberInput {
    /// At what prices it trades.
    pub fn limits(&self) -> PriceLimits {
        let MemberInput { buy, sell, buy_cap, sell_cap, .. } = *self;
        PriceLimits { buy, sell, buy_cap, sell_cap }
    }

    /// Whether a device should have measured this very interval, and did not.
    pub fn is_unread(&self) -> bool {
        self.device.is_some() && self.values.is_none_or(|values| values.late_only)
    }
}

/// The hash by which a settlement names its inputs, in ascending order of member.
pub fn inputs_hash(inputs: &[MemberInput]) -> Hash {
    let mut bytes = Vec::with_capacity(128 * (inputs.len() + 1));
    cbor::encode_into(&("voisin/inputs/v1", inputs), &mut bytes);
    Hash::of(&bytes)
}

/// A member's values as validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Validated {
    /// Whose.
    #[n(0)]
    pub member: MemberId,
    /// What is right.
    #[n(1)]
    pub values: Values,
}

impl Element for Validated {
    const BYTES_MIN: usize = 23;
}

/// An interval settled again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Correction {
    /// The settlement in force, which is reversed.
    #[n(0)]
    pub reversed: Settlement,
    /// The inputs it was computed from.
    #[n(1)]
    #[cbor(decode_with = "cbor::sparse_list::<_, _, MEMBERS_MAX>")]
    pub inputs: Vec<MemberInput>,
    /// What was measured instead, in ascending order of member.
    #[n(2)]
    #[cbor(decode_with = "cbor::list::<_, _, MEMBERS_MAX>")]
    pub values: Vec<Validated>,
    /// The settlement that these values lead to, which is booked.
    #[n(3)]
    pub settlement: Settlement,
    /// 1 for the first correction of the interval, then one more each time.
    #[n(4)]
    pub number: u32,
}

impl Element for Correction {
    const BYTES_MIN: usize = 98;
}

impl Correction {
    /// Which interval.
    pub fn interval(&self) -> Interval {
        self.reversed.interval
    }
}

/// The inputs with the validated values in them; `None` if a value is of someone who has no input.
pub fn corrected(inputs: &[MemberInput], values: &[Validated]) -> Option<Vec<MemberInput>> {
    let mut corrected = inputs.to_vec();
    // Backwards, so that of two for one member the first counts.
    let mut places: BTreeMap<MemberId, &mut MemberInput> =
        corrected.iter_mut().rev().map(|input| (input.member, input)).collect();
    for Validated { member, values } in values {
        places.get_mut(member)?.values = Some(*values);
    }
    Some(corrected)
}
