//! What a device says of what stands behind its meter: what is stored, and what is expected to be made. An island
//! shares out what there will be, which a meter does not know.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{
    energy::Energy,
    envelope::{Payload, Signed},
    interval::Interval,
    island::plan::energy_of,
    limits::{ENERGY_WH_MAX, MESSAGE_BYTES_MAX},
};

/// Intervals for which a status holds, the one at whose end it was made included. What is older says nothing.
pub const STATUS_INTERVALS: i64 = 4;

/// A device's status at the end of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct DeviceStatus {
    /// At whose end it is so.
    #[n(0)]
    pub interval: Interval,
    /// Energy that is stored, Wh.
    #[n(1)]
    pub stored_wh: u64,
    /// Energy that can be stored, Wh; 0 without a battery.
    #[n(2)]
    pub capacity_wh: u64,
    /// Most that the battery gives, W.
    #[n(3)]
    pub max_w: u64,
    /// What life-safety and critical devices draw now, W: never more than was decided beforehand.
    #[n(4)]
    pub critical_w: u64,
    /// What is expected to be fed in over the next interval without the battery, Wh.
    #[n(5)]
    pub forecast: Energy,
}

/// Why a status says what cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: expected at most {max}, found {found}")]
pub struct StatusImpossible {
    /// Which value, with its unit.
    pub what: &'static str,
    /// The most that is possible.
    pub max: u64,
    /// What was found.
    pub found: u64,
}

impl DeviceStatus {
    /// Checks that a device behind a connection of this rated power, W, can be as it says.
    pub fn check(&self, rated_power_w: u64) -> Result<(), StatusImpossible> {
        let forecast_wh_max = energy_of(rated_power_w, self.interval.length().seconds()).wh();
        let most = [
            ("capacity_wh", ENERGY_WH_MAX, self.capacity_wh),
            ("stored_wh", self.capacity_wh, self.stored_wh),
            ("max_w", rated_power_w, self.max_w),
            ("critical_w", rated_power_w, self.critical_w),
            ("forecast", forecast_wh_max, self.forecast.wh()),
        ];
        match most.into_iter().find(|(_, max, found)| found > max) {
            Some((what, max, found)) => Err(StatusImpossible { what, max, found }),
            None => Ok(()),
        }
    }

    /// Whether it still says something when `settled` is the last settled interval.
    pub fn holds(&self, settled: Interval) -> bool {
        settled.since(self.interval).is_some_and(|age| age < STATUS_INTERVALS)
    }
}

impl Payload for DeviceStatus {
    const DOMAIN: &'static str = "voisin/status/v1";
    const BYTES_MAX: usize = MESSAGE_BYTES_MAX;
}

/// A status as it travels, signed by the device.
pub type SignedStatus = Signed<DeviceStatus>;

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> DeviceStatus {
        DeviceStatus {
            interval: "2026-06-01T12:00:00Z/PT15M".parse().unwrap(),
            stored_wh: 4_000,
            capacity_wh: 10_000,
            max_w: 5_000,
            critical_w: 100,
            forecast: Energy::from_wh(800),
        }
    }

    #[test]
    fn what_cannot_be_is_named() {
        assert_eq!(status().check(10_000), Ok(()));
        let cases = [
            (DeviceStatus { stored_wh: 10_001, ..status() }, "stored_wh", 10_000, 10_001),
            (DeviceStatus { max_w: 10_001, ..status() }, "max_w", 10_000, 10_001),
            (DeviceStatus { critical_w: 10_001, ..status() }, "critical_w", 10_000, 10_001),
            (DeviceStatus { capacity_wh: u64::MAX, ..status() }, "capacity_wh", ENERGY_WH_MAX, u64::MAX),
            (DeviceStatus { forecast: Energy::from_wh(2_501), ..status() }, "forecast", 2_500, 2_501),
        ];
        for (status, what, max, found) in cases {
            assert_eq!(status.check(10_000), Err(StatusImpossible { what, max, found }));
        }
    }

    #[test]
    fn a_status_is_forgotten_with_time() {
        let after = |count| status().interval.offset(count).unwrap();
        assert_eq!([-1, 0, 3, 4].map(|count| status().holds(after(count))), [true, true, true, false]);
    }
}
