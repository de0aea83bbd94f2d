//! Meter readings: what a device signs at the end of every interval.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{
    energy::Energy,
    envelope::{Payload, Signed},
    hash::Hash,
    interval::Interval,
    limits::{MESSAGE_BYTES_MAX, REGISTER_WH_MAX},
};

/// The two cumulative registers of a meter at the grid connection, in whole Wh. They only ever grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Registers {
    /// Energy drawn from the grid since the meter was made (OBIS 1.8.0), Wh.
    #[n(0)]
    pub import_wh: u64,
    /// Energy fed into the grid since the meter was made (OBIS 2.8.0), Wh.
    #[n(1)]
    pub export_wh: u64,
}

/// What flowed between two readings of one meter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Flow {
    /// Drawn from the grid, Wh.
    #[n(0)]
    pub import: Energy,
    /// Fed into the grid, Wh.
    #[n(1)]
    pub export: Energy,
}

impl Registers {
    /// What flowed since `earlier`; `None` if a register ran backwards or is past [`REGISTER_WH_MAX`].
    pub fn since(self, earlier: Registers) -> Option<Flow> {
        if self.import_wh > REGISTER_WH_MAX || self.export_wh > REGISTER_WH_MAX {
            return None;
        }
        Some(Flow {
            import: Energy::from_wh(self.import_wh.checked_sub(earlier.import_wh)?),
            export: Energy::from_wh(self.export_wh.checked_sub(earlier.export_wh)?),
        })
    }
}

/// A reading of a meter at an interval's end, one link of its device's hash chain.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Reading {
    /// The interval that ends with this reading.
    #[n(0)]
    pub interval: Interval,
    /// 1 for the device's first reading, then one more each time.
    #[n(1)]
    pub sequence: u64,
    /// Hash of the device's previous signed reading; zero before the first.
    #[n(2)]
    pub previous: Hash,
    /// The registers at the interval's end.
    #[n(3)]
    pub registers: Registers,
    /// Random: makes the reading's hash a commitment that hides it.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub salt: [u8; 16],
}

impl Payload for Reading {
    const DOMAIN: &'static str = "voisin/reading/v1";
    const BYTES_MAX: usize = MESSAGE_BYTES_MAX;
}

/// A reading as it travels.
pub type SignedReading = Signed<Reading>;

/// Where a device's hash chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ChainHead {
    /// Sequence number of the last reading; 0 before the first.
    #[n(0)]
    pub sequence: u64,
    /// Hash of the last signed reading; zero before the first.
    #[n(1)]
    pub hash: Hash,
    /// The interval that the last reading ended; before the first, the one before the community's first.
    #[n(2)]
    pub interval: Interval,
    /// The registers of the last reading; before the first, those of the registration.
    #[n(3)]
    pub registers: Registers,
}

impl ChainHead {
    /// The head after `reading`.
    pub fn after(reading: &SignedReading) -> ChainHead {
        ChainHead {
            sequence: reading.sequence,
            hash: reading.hash(),
            interval: reading.interval,
            registers: reading.registers,
        }
    }
}
