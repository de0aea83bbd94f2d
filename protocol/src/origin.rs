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

impl Issue {
    /// Its bundles, each with the number of its first certificate.
    pub fn numbered(&self) -> impl Iterator<Item = (u64, &Bundle)> {
        self.bundles.iter().scan(0, |next, bundle| {
            let first = *next;
            *next += bundle.energy.wh();
            Some((first, bundle))
        })
    }

    /// The bundle that a certificate is in, by its number; none if there are fewer.
    pub fn bundle_of(&self, number: u64) -> Option<&Bundle> {
        let (first, bundle) = self.numbered().take_while(|(first, _)| *first <= number).last()?;
        (number - first < bundle.energy.wh()).then_some(bundle)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    #[test]
    fn each_certificate_is_in_one_bundle_and_none_after_the_last() {
        let bundle =
            |wh| Bundle { energy: Energy::from_wh(wh), holder: MemberId::from_bytes([wh as u8; 16]), retired: None };
        let issue = Issue {
            device: SecretKey::from_seed(&[1; 32]).public(),
            producer: MemberId::from_bytes([9; 16]),
            technology: Technology::Solar,
            bundles: vec![bundle(3), bundle(1), bundle(2)],
            moved: false,
        };
        assert_eq!(issue.numbered().map(|(first, _)| first).collect::<Vec<_>>(), [0, 3, 4]);
        let holders: Vec<Option<u64>> =
            (0..8).map(|number| issue.bundle_of(number).map(|bundle| bundle.energy.wh())).collect();
        assert_eq!(holders, [Some(3), Some(3), Some(3), Some(1), Some(2), Some(2), None, None]);
        assert_eq!(Issue { bundles: Vec::new(), ..issue }.bundle_of(0), None);
    }
}
