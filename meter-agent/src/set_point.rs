//! What the agent proposes to whoever steers the household's battery: `[battery]`, and a power with the time until
//! which it is meant. Nothing is steered, and nobody is asked whether it was followed.

use household::home::{
    battery::{BadBattery, Battery, BatterySettings, DispatchName},
    units::Share,
};
use protocol::interval::Interval;
use serde::{Deserialize, Serialize};

/// `[battery]` as it is written.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    capacity_wh: u32,
    power_w: u32,
    round_trip_efficiency: Share,
}

/// What the household's battery is like: the section `[battery]` of `agent.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct BatteryConfig(pub(crate) Battery);

impl TryFrom<Written> for BatteryConfig {
    type Error = BadBattery;

    fn try_from(written: Written) -> Result<BatteryConfig, BadBattery> {
        let Written { capacity_wh, power_w, round_trip_efficiency } = written;
        let settings = BatterySettings {
            capacity_wh,
            power_w,
            round_trip_efficiency,
            self_discharge_per_day: Share::default(),
            initial_wh: 0,
            dispatch: DispatchName::default(),
            charge_below: None,
            discharge_above: None,
            export: false,
        };
        Ok(BatteryConfig(settings.try_into()?))
    }
}

/// What power is proposed for the battery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetPoint {
    /// W at the meter: above 0 charges, below 0 discharges, and 0 leaves the battery alone.
    pub power_w: i64,
    /// The interval that it is for, and with whose end it expires.
    pub interval: Interval,
}
