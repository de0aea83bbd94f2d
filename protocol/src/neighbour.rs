//! Whose roof it came from: what a member traded with each of its neighbours in an interval.
//!
//! An entry names this list by its hash, so that a receipt proves it whole, and a receipt whose list is too long to be
//! sent proves its line all the same.

use minicbor::Encode;
use serde::{Deserialize, Serialize};

use crate::{cbor, energy::Energy, hash::Hash, member::MemberId, technology::Technology};

/// What a member traded with one neighbour in one interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Neighbour {
    /// The neighbour.
    #[n(0)]
    pub member: MemberId,
    /// Bought from it, Wh.
    #[n(1)]
    pub bought: Energy,
    /// Sold to it, Wh.
    #[n(2)]
    pub sold: Energy,
    /// What was bought was made from this; none where no certificates were minted for it, or nothing was bought.
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technology: Option<Technology>,
}

impl Neighbour {
    /// Adds what was traded with the same neighbour besides.
    pub fn add(&mut self, more: &Neighbour) {
        let sum = |a: Energy, b: Energy| Energy::from_wh(a.wh().saturating_add(b.wh()));
        self.bought = sum(self.bought, more.bought);
        self.sold = sum(self.sold, more.sold);
        self.technology = self.technology.or(more.technology);
    }
}

/// What names a list of neighbours.
const DOMAIN: &str = "voisin/neighbours/v1";

/// The hash by which an entry names the neighbours of its member, who are in ascending order; none where there are
/// none.
pub fn neighbours_hash(neighbours: &[Neighbour]) -> Option<Hash> {
    if neighbours.is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(32 * (neighbours.len() + 1));
    cbor::encode_into(&(DOMAIN, neighbours), &mut bytes);
    Some(Hash::of(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_changes_the_hash_and_nobody_has_none() {
        let of = |byte, bought, sold, technology| {
            let [bought, sold] = [bought, sold].map(Energy::from_wh);
            neighbours_hash(&[Neighbour { member: MemberId::from_bytes([byte; 16]), bought, sold, technology }])
        };
        let one = of(1, 5, 0, None);
        let others = [of(2, 5, 0, None), of(1, 6, 0, None), of(1, 5, 1, None), of(1, 5, 0, Some(Technology::Wind))];
        assert!(one.is_some() && others.iter().all(|other| *other != one));
        assert_eq!(neighbours_hash(&[]), None);
    }
}
