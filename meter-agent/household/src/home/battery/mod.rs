//! A battery: what it takes and gives at the meter in whole Wh, and what it holds in µWh.
//!
//! With η the one-way efficiency, s what is stored, P·Δt the most that its power moves in an interval:
//!
//! - charge c = min(asked, P·Δt, ⌊(capacity − s) / η⌋), and s grows by c·η;
//! - discharge d = min(asked, P·Δt, ⌊s·η⌋), and s shrinks by ⌈d / η⌉.
//!
//! With η in ppm, c·η is a whole number of µWh, so no charge is rounded. It is the usual model of constant efficiency,
//! such as CityLearn's `StorageDevice` has, whose one-way efficiency is the root of that of the round trip as well.

mod set_point;

use protocol::{interval::IntervalLength, money::Price};
use serde::Deserialize;

pub use self::set_point::Known;
use super::units::{BadPower, Share, energy_wh, power};

/// Largest capacity, Wh. What is stored then fits into 64 bits also when it is multiplied by an efficiency in ppm.
pub const CAPACITY_WH_MAX: u32 = 10_000_000;

/// µWh in a Wh; ppm in a whole.
const MILLION: u64 = 1_000_000;

/// `[battery]` as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatterySettings {
    /// What can be stored, Wh.
    pub capacity_wh: u32,
    /// Most power at the meter, for charging as for discharging, W.
    pub power_w: u32,
    /// What comes back of a Wh that is charged, as data sheets say it. Each way has the root of it, in whole ppm.
    pub round_trip_efficiency: Share,
    /// Share of what is stored that is lost in a day, in equal parts by interval; nothing without it.
    #[serde(default)]
    pub self_discharge_per_day: Share,
    /// What is stored at the beginning, Wh.
    #[serde(default)]
    pub initial_wh: u32,
    /// When it charges and discharges.
    #[serde(default)]
    pub dispatch: DispatchName,
    /// Only for `price_driven`: charges from the grid at or below this price, per kWh.
    pub charge_below: Option<Price>,
    /// Only for `price_driven`: discharges at or above this price, per kWh.
    pub discharge_above: Option<Price>,
    /// Only for `price_driven`: whether it discharges more than the home needs, for neighbours.
    #[serde(default)]
    pub export: bool,
}

/// When a battery charges and discharges, by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DispatchName {
    /// See [`Dispatch::SelfConsumption`].
    #[default]
    SelfConsumption,
    /// See [`Dispatch::PriceDriven`].
    PriceDriven,
}

/// When a battery charges and discharges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dispatch {
    /// Takes all surplus that it can, and covers all deficit that it can.
    SelfConsumption,
    /// By the price that is known of the interval: it takes surplus at any price at which it does not export, and
    /// covers the deficit only at `discharge_above` or more. Where no price is known, it does as `SelfConsumption`.
    PriceDriven {
        /// Charges from the grid at or below this price, with all its power.
        charge_below: Price,
        /// Covers the deficit at or above this price.
        discharge_above: Price,
        /// Discharges with all its power at or above `discharge_above`, also beyond the deficit.
        export: bool,
    },
}

impl Dispatch {
    /// Whether what it does depends on prices.
    pub fn follows_prices(&self) -> bool {
        matches!(self, Dispatch::PriceDriven { .. })
    }

    /// What to charge and what to discharge, at most one of them above 0, if the battery can. Wh at the meter.
    fn wish(self, deficit_wh: u64, surplus_wh: u64, price: Option<Price>) -> (u64, u64) {
        // Production serves the home first, so that only one of them is left; whoever asks otherwise is netted.
        let needed_wh = deficit_wh.saturating_sub(surplus_wh);
        let spare_wh = surplus_wh.saturating_sub(deficit_wh);
        match (self, price) {
            (Dispatch::PriceDriven { charge_below, .. }, Some(price)) if price <= charge_below => (u64::MAX, 0),
            (Dispatch::PriceDriven { discharge_above, export, .. }, Some(price)) => {
                match (price >= discharge_above, export) {
                    (true, true) => (0, u64::MAX),
                    (true, false) => (spare_wh, needed_wh),
                    (false, _) => (spare_wh, 0),
                }
            }
            (Dispatch::SelfConsumption, _) | (Dispatch::PriceDriven { .. }, None) => (spare_wh, needed_wh),
        }
    }
}

/// A battery that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadBattery {
    /// None, or too much to count.
    #[error("battery: expected a capacity from 1 to {CAPACITY_WH_MAX} Wh in `capacity_wh`, found {0}")]
    Capacity(u32),
    /// None, or too much to count.
    #[error("battery: {0}")]
    Power(#[from] BadPower),
    /// Nothing ever comes back.
    #[error("battery: expected a `round_trip_efficiency` above 0 and at most 1, found 0; data sheets have about 0.9")]
    Efficiency,
    /// It cannot hold what it should begin with.
    #[error("battery: expected at most its capacity of {capacity_wh} Wh in `initial_wh`, found {initial_wh}")]
    Initial {
        /// What it can hold, Wh.
        capacity_wh: u32,
        /// What it should begin with, Wh.
        initial_wh: u32,
    },
    /// No price to decide by.
    #[error("battery: expected `charge_below` and `discharge_above` for `price_driven`, found no `{0}`; add it")]
    NoThreshold(&'static str),
    /// A price by which nothing is decided.
    #[error("battery: expected no `{0}` for `self_consumption`, found it; write `dispatch = \"price_driven\"`")]
    NeedlessThreshold(&'static str),
    /// At some price it should both charge and discharge.
    #[error(
        "battery: expected a `charge_below` that is below `discharge_above`, found {charge_below} and {discharge_above}"
    )]
    Thresholds {
        /// Where it charges, per kWh.
        charge_below: Price,
        /// Where it discharges, per kWh.
        discharge_above: Price,
    },
}

/// A battery whose settings make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BatterySettings")]
pub struct Battery {
    capacity_uwh: u64,
    power_w: u32,
    /// One way, ppm.
    efficiency_ppm: u64,
    self_discharge_ppm: u64,
    initial_uwh: u64,
    dispatch: Dispatch,
}

/// What a battery holds: at most its capacity. What another battery held is cut to that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Charge {
    /// µWh.
    pub stored_uwh: u64,
}

/// What a battery did in an interval. It never charges and discharges in the same one.
///
/// Exactly: stored after = stored before + 10⁶·charged − 10⁶·discharged − lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatteryFlow {
    /// Taken at the meter, Wh.
    pub charged_wh: u64,
    /// Given at the meter, Wh.
    pub discharged_wh: u64,
    /// Lost while it charged, while it discharged and by standing, µWh.
    pub lost_uwh: u64,
    /// Of these, lost by standing, µWh.
    pub self_discharged_uwh: u64,
}

impl TryFrom<BatterySettings> for Battery {
    type Error = BadBattery;

    fn try_from(settings: BatterySettings) -> Result<Battery, BadBattery> {
        let BatterySettings { capacity_wh, initial_wh, charge_below, discharge_above, export, .. } = settings;
        if !(1..=CAPACITY_WH_MAX).contains(&capacity_wh) {
            return Err(BadBattery::Capacity(capacity_wh));
        }
        if settings.round_trip_efficiency.ppm() == 0 {
            return Err(BadBattery::Efficiency);
        }
        if initial_wh > capacity_wh {
            return Err(BadBattery::Initial { capacity_wh, initial_wh });
        }
        let dispatch = match (settings.dispatch, charge_below, discharge_above) {
            (DispatchName::SelfConsumption, Some(_), _) => return Err(BadBattery::NeedlessThreshold("charge_below")),
            (DispatchName::SelfConsumption, _, Some(_)) => {
                return Err(BadBattery::NeedlessThreshold("discharge_above"));
            }
            (DispatchName::SelfConsumption, ..) if export => return Err(BadBattery::NeedlessThreshold("export")),
            (DispatchName::SelfConsumption, ..) => Dispatch::SelfConsumption,
            (DispatchName::PriceDriven, None, _) => return Err(BadBattery::NoThreshold("charge_below")),
            (DispatchName::PriceDriven, _, None) => return Err(BadBattery::NoThreshold("discharge_above")),
            (DispatchName::PriceDriven, Some(charge_below), Some(discharge_above)) => {
                if charge_below >= discharge_above {
                    return Err(BadBattery::Thresholds { charge_below, discharge_above });
                }
                Dispatch::PriceDriven { charge_below, discharge_above, export }
            }
        };
        Ok(Battery {
            capacity_uwh: u64::from(capacity_wh) * MILLION,
            power_w: power(settings.power_w)?,
            efficiency_ppm: root_ppm(settings.round_trip_efficiency),
            self_discharge_ppm: u64::from(settings.self_discharge_per_day.ppm()),
            initial_uwh: u64::from(initial_wh) * MILLION,
            dispatch,
        })
    }
}

/// The root of a share, in ppm, rounded to the nearest.
fn root_ppm(share: Share) -> u64 {
    let square = u64::from(share.ppm()) * MILLION;
    let root = square.isqrt();
    // Between two whole numbers lies no root that is a half.
    if square - root * root > root { root + 1 } else { root }
}

impl Battery {
    /// What it holds at the beginning.
    pub fn start(&self) -> Charge {
        Charge { stored_uwh: self.initial_uwh }
    }

    /// What it can hold, µWh.
    pub fn capacity_uwh(&self) -> u64 {
        self.capacity_uwh
    }

    /// When it charges and discharges.
    pub fn dispatch(&self) -> Dispatch {
        self.dispatch
    }

    /// Most power at the meter, for charging as for discharging, W.
    pub fn power_w(&self) -> u32 {
        self.power_w
    }

    /// One-way efficiency, ppm.
    pub fn efficiency_ppm(&self) -> u64 {
        self.efficiency_ppm
    }

    /// One interval: first some of what is stored is lost by standing, then it charges or discharges.
    ///
    /// In: what the home lacks and has over, Wh at the meter, and the price per kWh, if one is known.
    pub fn step(
        &self,
        charge: &mut Charge,
        length: IntervalLength,
        deficit_wh: u64,
        surplus_wh: u64,
        price: Option<Price>,
    ) -> BatteryFlow {
        // What is stored, at most 10^13 µWh, times at most 10^6 ppm: 10^19 is below 2^64.
        let before_uwh = charge.stored_uwh.min(self.capacity_uwh);
        let parts = MILLION * (24 * 60 / u64::from(length.minutes()));
        let self_discharged_uwh = before_uwh * self.self_discharge_ppm / parts;
        let stored_uwh = before_uwh - self_discharged_uwh;

        let (charge_wh, discharge_wh) = self.dispatch.wish(deficit_wh, surplus_wh, price);
        let most_wh = energy_wh(self.power_w, length);
        let mut flow = BatteryFlow { self_discharged_uwh, lost_uwh: self_discharged_uwh, ..BatteryFlow::default() };
        if charge_wh > 0 {
            // Adds at most what is free.
            flow.charged_wh = charge_wh.min(most_wh).min((self.capacity_uwh - stored_uwh) / self.efficiency_ppm);
            charge.stored_uwh = stored_uwh + flow.charged_wh * self.efficiency_ppm;
            flow.lost_uwh += flow.charged_wh * (MILLION - self.efficiency_ppm);
        } else {
            charge.stored_uwh = stored_uwh;
            flow.discharged_wh = self.give(charge, discharge_wh.min(most_wh));
            flow.lost_uwh += stored_uwh - charge.stored_uwh - flow.discharged_wh * MILLION;
        }
        flow
    }

    /// Gives so many Wh at the meter, or as many as it holds, and says how many. Whoever asks beside a step minds the
    /// power.
    pub fn give(&self, charge: &mut Charge, asked_wh: u64) -> u64 {
        let held_wh = charge.stored_uwh * self.efficiency_ppm / (MILLION * MILLION);
        let given_wh = asked_wh.min(held_wh);
        // From d ≤ s·η follows d / η ≤ s, and s is whole: taking ⌈d / η⌉ leaves no less than nothing.
        charge.stored_uwh -= (given_wh * (MILLION * MILLION)).div_ceil(self.efficiency_ppm);
        given_wh
    }
}

#[cfg(test)]
mod tests;
