//! Energy in whole watt-hours.

use std::fmt;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::limits::ENERGY_WH_MAX;

/// Energy in one interval: whole Wh, never negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
#[cbor(transparent)]
pub struct Energy(#[n(0)] u64);

impl Energy {
    /// No energy.
    pub const ZERO: Energy = Energy(0);

    /// `wh` watt-hours.
    pub const fn from_wh(wh: u64) -> Energy {
        Energy(wh)
    }

    /// Watt-hours.
    pub const fn wh(self) -> u64 {
        self.0
    }

    /// Whether one interval's energy is within what a book accepts, [`ENERGY_WH_MAX`].
    pub const fn is_within_limit(self) -> bool {
        self.0 <= ENERGY_WH_MAX
    }

    /// The sum, or `None` past the type's range.
    pub const fn checked_add(self, other: Energy) -> Option<Energy> {
        match self.0.checked_add(other.0) {
            Some(wh) => Some(Energy(wh)),
            None => None,
        }
    }

    /// The difference, or `None` below zero.
    pub const fn checked_sub(self, other: Energy) -> Option<Energy> {
        match self.0.checked_sub(other.0) {
            Some(wh) => Some(Energy(wh)),
            None => None,
        }
    }

    /// The difference, or zero below zero.
    pub const fn saturating_sub(self, other: Energy) -> Energy {
        Energy(self.0.saturating_sub(other.0))
    }

    /// A part of it, in parts per million, in whole Wh: rounded down.
    pub const fn part(self, ppm: u32) -> Energy {
        let part = self.0 as u128 * ppm as u128 / 1_000_000;
        // More than it all is nothing that anyone asks for.
        if part > u64::MAX as u128 { Energy(u64::MAX) } else { Energy(part as u64) }
    }

    /// Whether there is none.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Energy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Wh", self.0)
    }
}
