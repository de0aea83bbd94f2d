//! Granular certificates of origin (EnergyTag, *Granular Certificate Scheme Standard*): whole Wh, at most an hour,
//! each with one name, its device and its technology. They follow the trade and can be retired once.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{
    energy::Energy, hash::Hash, instruction::Portion, key::DeviceId, member::MemberId, technology::Technology,
};

/// Consecutive certificates with one holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Bundle {
    /// How many, Wh.
    #[n(0)]
    pub energy: Energy,
    /// Who holds them; where they are retired, who did it.
    #[n(1)]
    pub holder: MemberId,
    /// The instruction that retired them.
    #[n(2)]
    pub retired: Option<Hash>,
}

/// All certificates of one device's production in one interval: bundles from the first Wh to the last.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Issue {
    /// The device that measured.
    #[n(0)]
    pub device: DeviceId,
    /// The member behind it.
    #[n(1)]
    pub producer: MemberId,
    /// What the energy was made from.
    #[n(2)]
    pub technology: Technology,
    /// The bundles, one behind the other.
    #[n(3)]
    pub bundles: Vec<Bundle>,
    /// Whether a holder has moved or retired any of them.
    #[n(4)]
    pub moved: bool,
}

/// Certificates as the API and the export show them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Certificates {
    /// Which ones.
    pub portion: Portion,
    /// The member whose device measured the energy.
    pub producer: MemberId,
    /// What it was made from.
    pub technology: Technology,
    /// Who holds them; where they are retired, who did it.
    pub holder: MemberId,
    /// The instruction that retired them.
    pub retired: Option<Hash>,
}
