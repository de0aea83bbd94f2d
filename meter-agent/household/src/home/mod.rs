//! Homes: what a household's devices take and give in an interval, whole Wh at the meter.
//!
//! A [`Home`] is its settings, and does not change; a [`HomeState`] is what it remembers from interval to interval,
//! small and copied. A [`Home::step`] has integers only, so that every machine and every order of homes has the same
//! result:
//!
//! 1. The load of the profile, the heat pump, what a vehicle must have now, and the appliances, each of which sees the
//!    surplus that the ones before left.
//! 2. Own production serves it.
//! 3. Of what is left, a vehicle that waits for surplus takes what it may.
//! 4. The battery takes surplus and covers the deficit, as it decides.
//! 5. What is left is exported, or what lacks imported: never both in one interval.
//!
//! In every interval, to the Wh, consumption + charged + export = production + discharged + import; and to the µWh,
//! stored after = stored before + 10⁶·charged − 10⁶·discharged − lost.
//!
//! ```
//! # use household::home::{Home, Step};
//! let home: Home = toml::from_str(
//!     r#"
//!     battery = { capacity_wh = 10_000, power_w = 5_000, round_trip_efficiency = 0.9, initial_wh = 1_000 }
//!     ev = { power_w = 11_000, charging = "solar_first" }
//!     appliances = [{ cycle_wh = [500, 100, 300], start = "solar" }]
//!
//!     [heat_pump]
//!     power_w = 3_000
//!     source = "air"
//!     sink_c = 35
//!     house = { loss_w_per_k = 200, capacity_wh_per_k = 10_000, lowest_c = 20, highest_c = 21.5 }
//!     "#,
//! )?;
//! let mut state = home.start();
//! // Mild, 150 Wh of load and no sun: all from the battery.
//! let now = Step { outdoor_milli_c: 21_500, ..Step::new("2026-06-01T20:00:00Z/PT15M".parse()?, 150, 0) };
//! let flows = home.step(&mut state, &now);
//! assert_eq!((flows.discharged_wh, flows.import_wh), (150, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! To add a device: a file with its settings (`deny_unknown_fields`), the checked form of them (`try_from`) and a small
//! `Copy` state; a field each in [`HomeSettings`], [`Home`] and [`HomeState`]; its place in [`Home::step`]; and its
//! energy in [`HomeFlows`]. What it needs to know of an interval stands in [`Step`].

pub mod appliance;
pub mod battery;
pub mod ev;
pub mod heat_pump;
pub mod house;
pub mod misreport;
pub mod pv;
pub mod units;

#[cfg(test)]
mod tests;

use protocol::{
    interval::{Interval, IntervalLength},
    money::Price,
};
use serde::Deserialize;

use self::{
    appliance::{Appliance, ApplianceState, Window},
    battery::{Battery, Charge},
    ev::{Ev, EvState, Session},
    heat_pump::{HeatPump, HeatPumpState},
};

/// Most appliances that can wait in one home.
pub const APPLIANCES_MAX: usize = 4;

/// The devices of a home as they are written. What is left out is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeSettings {
    /// A battery.
    pub battery: Option<Battery>,
    /// A charger for a vehicle.
    pub ev: Option<Ev>,
    /// A heat pump, with the house that it heats.
    pub heat_pump: Option<HeatPump>,
    /// Appliances that can wait, at most [`APPLIANCES_MAX`].
    #[serde(default)]
    pub appliances: Vec<Appliance>,
}

/// A home that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected at most {APPLIANCES_MAX} `[[appliances]]` in a home, found {0}; count the others in its profile")]
pub struct TooManyAppliances(usize);

/// A home whose settings make sense.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "HomeSettings")]
pub struct Home {
    battery: Option<Battery>,
    ev: Option<Ev>,
    heat_pump: Option<HeatPump>,
    appliances: Vec<Appliance>,
}

impl TryFrom<HomeSettings> for Home {
    type Error = TooManyAppliances;

    fn try_from(settings: HomeSettings) -> Result<Home, TooManyAppliances> {
        let HomeSettings { battery, ev, heat_pump, appliances } = settings;
        match appliances.len() {
            ..=APPLIANCES_MAX => Ok(Home { battery, ev, heat_pump, appliances }),
            count => Err(TooManyAppliances(count)),
        }
    }
}

impl From<Battery> for Home {
    fn from(battery: Battery) -> Home {
        Home { battery: Some(battery), ..Home::default() }
    }
}

/// What a home remembers from one interval to the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HomeState {
    /// Of the battery.
    pub battery: Charge,
    /// Of the vehicle.
    pub ev: EvState,
    /// Of the heat pump and the house.
    pub heat_pump: HeatPumpState,
    /// Of the appliances, in the order of the settings.
    pub appliances: [ApplianceState; APPLIANCES_MAX],
}

/// An interval as it comes to a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'a> {
    /// When it is, and how long.
    pub interval: Interval,
    /// What is consumed but for the devices here, Wh.
    pub consumption_wh: u32,
    /// What is produced, Wh.
    pub production_wh: u32,
    /// Temperature outdoors, thousandths of °C. Of a home with a heat pump only.
    pub outdoor_milli_c: i32,
    /// What a kWh costs in this interval, if it is known before.
    pub price: Option<Price>,
    /// The vehicle's session, in all of its intervals; it may also be given before and after.
    pub session: Option<&'a Session>,
    /// The windows of the appliances, in the order of the settings, in all of their intervals. Those left out have
    /// none.
    pub windows: &'a [Option<Window>],
}

impl Step<'_> {
    /// An interval of which only the profile is known, at 0 °C.
    pub fn new(interval: Interval, consumption_wh: u32, production_wh: u32) -> Step<'static> {
        Step { interval, consumption_wh, production_wh, outdoor_milli_c: 0, price: None, session: None, windows: &[] }
    }
}

/// What went through a home in an interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HomeFlows {
    /// All loads but the battery, Wh: the profile's, and the three below.
    pub consumption_wh: u64,
    /// What the profile produced, Wh.
    pub production_wh: u64,
    /// What the vehicle took, Wh.
    pub ev_wh: u64,
    /// What the vehicle departs without, Wh: 0 in all but the last interval of a session.
    pub ev_unserved_wh: u64,
    /// What the heat pump took, Wh.
    pub heat_pump_wh: u64,
    /// What the appliances took, Wh.
    pub appliance_wh: u64,
    /// What the battery took, Wh at the meter.
    pub charged_wh: u64,
    /// What the battery gave, Wh at the meter.
    pub discharged_wh: u64,
    /// What the battery holds at the end, µWh.
    pub stored_uwh: u64,
    /// What the battery lost, µWh.
    pub lost_uwh: u64,
    /// What the home took at its meter, Wh.
    pub import_wh: u64,
    /// What the home gave at its meter, Wh.
    pub export_wh: u64,
}

impl Home {
    /// How a home begins.
    pub fn start(&self) -> HomeState {
        HomeState {
            battery: self.battery.map_or(Charge::default(), |battery| battery.start()),
            heat_pump: self.heat_pump.map_or(HeatPumpState::default(), |pump| pump.start()),
            ..HomeState::default()
        }
    }

    /// Its battery, if it has one.
    pub fn battery(&self) -> Option<&Battery> {
        self.battery.as_ref()
    }

    /// Whether what its devices do depends on prices.
    pub fn follows_prices(&self) -> bool {
        self.battery.is_some_and(|battery| battery.dispatch().follows_prices())
    }

    /// Its heat pump, if it has one, with the house.
    pub fn heat_pump(&self) -> Option<&HeatPump> {
        self.heat_pump.as_ref()
    }

    /// Its appliances that can wait, at most [`APPLIANCES_MAX`].
    pub fn appliances(&self) -> &[Appliance] {
        &self.appliances
    }

    /// One interval: first the loads, then the battery. The intervals of a state follow each other, all of the same
    /// length.
    pub fn step(&self, state: &mut HomeState, now: &Step<'_>) -> HomeFlows {
        let loads = self.loads(state, now);
        self.store(state, now.interval.length(), now.price, loads)
    }

    /// The first half of an interval: all but the battery, as if there were none. It asks for no price, so that it can
    /// go ahead of a market whose prices the battery waits for.
    pub fn loads(&self, state: &mut HomeState, now: &Step<'_>) -> HomeFlows {
        let length = now.interval.length();
        let production_wh = u64::from(now.production_wh);
        let mut flows = HomeFlows { production_wh, ..HomeFlows::default() };
        // Each addend is below 2^33, so that no sum here comes near to 2^64: power and cycles are limited.
        let mut load_wh = u64::from(now.consumption_wh);
        if let Some(pump) = &self.heat_pump {
            flows.heat_pump_wh = pump.step(&mut state.heat_pump, length, now.outdoor_milli_c).consumed_wh;
            load_wh += flows.heat_pump_wh;
        }
        let plan = self.ev.map(|ev| (ev, ev.plan(&mut state.ev, now.session, now.interval)));
        if let Some((_, plan)) = plan {
            flows.ev_wh = plan.must_wh;
            load_wh += plan.must_wh;
        }
        for (number, (appliance, state)) in self.appliances.iter().zip(&mut state.appliances).enumerate() {
            let window = now.windows.get(number).copied().flatten();
            let wh = appliance.step(state, window, now.interval, production_wh.saturating_sub(load_wh));
            flows.appliance_wh += wh;
            load_wh += wh;
        }
        if let Some((ev, plan)) = plan {
            let from_surplus_wh = plan.may_wh.min(production_wh.saturating_sub(load_wh));
            flows.ev_wh += from_surplus_wh;
            load_wh += from_surplus_wh;
            flows.ev_unserved_wh = ev.charge(&mut state.ev, plan, flows.ev_wh);
        }
        flows.consumption_wh = load_wh;
        flows.stored_uwh = state.battery.stored_uwh;
        flows.import_wh = load_wh.saturating_sub(production_wh);
        flows.export_wh = production_wh.saturating_sub(load_wh);
        flows
    }

    /// The second half of an interval: the battery, for what the first half left over at the meter.
    pub fn store(
        &self,
        state: &mut HomeState,
        length: IntervalLength,
        price: Option<Price>,
        loads: HomeFlows,
    ) -> HomeFlows {
        let Some(battery) = &self.battery else { return loads };
        let flow = battery.step(&mut state.battery, length, loads.import_wh, loads.export_wh, price);
        let taken_wh = loads.import_wh + flow.charged_wh;
        let given_wh = loads.export_wh + flow.discharged_wh;
        HomeFlows {
            charged_wh: flow.charged_wh,
            discharged_wh: flow.discharged_wh,
            stored_uwh: state.battery.stored_uwh,
            lost_uwh: flow.lost_uwh,
            import_wh: taken_wh.saturating_sub(given_wh),
            export_wh: given_wh.saturating_sub(taken_wh),
            ..loads
        }
    }
}
