//! A heat pump that keeps a house within a band of temperatures: whole Wh at the meter, heat in µWh.
//!
//! Its coefficient of performance (COP) depends on ΔT, the temperature of the water that it heats minus that of the air
//! or the ground it takes the heat from:
//!
//! - air: 6.08 − 0.09·ΔT + 0.0005·ΔT²;
//! - ground: 10.29 − 0.21·ΔT + 0.0012·ΔT².
//!
//! These are the fits of Ruhnau, Hirth and Praktiknjo (2019, When2Heat), as gsy-e's `UniversalCOPModel` has them. They
//! hold for ΔT from 15 K on; above 85 K they would rise again. Outside of that, the nearest end counts.

use protocol::interval::IntervalLength;
use serde::Deserialize;

use super::{
    house::{Heat, House},
    units::{BadPower, Celsius, energy_wh, power},
};

/// Where a heat pump takes its heat from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The air outside, at its temperature.
    Air,
    /// The ground, at a constant temperature.
    Ground,
}

impl Source {
    /// The COP at a ΔT in mK, in ppm, so that a Wh at the meter is so many µWh of heat.
    pub fn cop_ppm(self, delta_mk: i64) -> u64 {
        let delta_mk = delta_mk.clamp(15_000, 85_000);
        let ppm = match self {
            Source::Air => 6_080_000 - 90 * delta_mk + delta_mk * delta_mk / 2_000,
            Source::Ground => 10_290_000 - 210 * delta_mk + delta_mk * delta_mk * 3 / 2_500,
        };
        // Above one million throughout: at 85 K it is lowest, and both are above 1 there.
        ppm.unsigned_abs()
    }
}

/// `[heat_pump]` as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeatPumpSettings {
    /// Most power at the meter, W.
    pub power_w: u32,
    /// Where it takes its heat from.
    pub source: Source,
    /// Temperature of the ground, °C; needed for that source only.
    pub ground_c: Option<Celsius>,
    /// Temperature of the water that it heats, °C: about 35 for heating under the floor, 50 for radiators.
    pub sink_c: Celsius,
    /// The house that it heats.
    pub house: House,
}

/// A heat pump that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHeatPump {
    /// None, or too much to count.
    #[error("heat_pump: {0}")]
    Power(#[from] BadPower),
    /// Ground of which no temperature is known.
    #[error("heat_pump: expected `ground_c` for `source = \"ground\"`, found none; add it, 10 is usual")]
    NoGround,
    /// A temperature of ground that is not used.
    #[error("heat_pump: expected no `ground_c` for `source = \"air\"`, found it; leave it out")]
    NeedlessGround,
}

/// A heat pump whose settings make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "HeatPumpSettings")]
pub struct HeatPump {
    power_w: u32,
    /// The ground's temperature, in thousandths of °C; air without.
    ground_milli_c: Option<i32>,
    sink_milli_c: i32,
    house: House,
}

/// The heat in the house, and whether it is being heated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeatPumpState {
    /// In the house.
    pub heat: Heat,
    /// Whether it heats until the highest temperature is reached.
    pub is_on: bool,
}

/// What a heat pump did in an interval. Exactly: heat after = heat before + heat − loss.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeatPumpFlow {
    /// Taken at the meter, Wh.
    pub consumed_wh: u64,
    /// Brought into the house, µWh.
    pub heat_uwh: i64,
    /// Lost to outside, µWh; below 0 where it is warmer there.
    pub loss_uwh: i64,
}

impl TryFrom<HeatPumpSettings> for HeatPump {
    type Error = BadHeatPump;

    fn try_from(settings: HeatPumpSettings) -> Result<HeatPump, BadHeatPump> {
        let HeatPumpSettings { power_w, source, ground_c, sink_c, house } = settings;
        match (source, ground_c) {
            (Source::Air, Some(_)) => return Err(BadHeatPump::NeedlessGround),
            (Source::Ground, None) => return Err(BadHeatPump::NoGround),
            (Source::Air, None) | (Source::Ground, Some(_)) => {}
        }
        Ok(HeatPump {
            power_w: power(power_w)?,
            ground_milli_c: ground_c.map(Celsius::milli),
            sink_milli_c: sink_c.milli(),
            house,
        })
    }
}

impl HeatPump {
    /// How it begins: off.
    pub fn start(&self) -> HeatPumpState {
        HeatPumpState { heat: self.house.start(), is_on: false }
    }

    /// The house that it heats.
    pub fn house(&self) -> &House {
        &self.house
    }

    /// One interval at an outdoor temperature in thousandths of °C.
    ///
    /// It is switched on where the interval would else end below the lowest temperature, and heats with all its power,
    /// in the last interval with what is missing, until one ends at the highest. So the band is held wherever the power
    /// suffices.
    pub fn step(&self, state: &mut HeatPumpState, length: IntervalLength, outdoor_milli_c: i32) -> HeatPumpFlow {
        let before = state.heat;
        let cooled = self.house.cooled(before, length, outdoor_milli_c);
        state.is_on |= self.house.is_cold(cooled);
        let (mut consumed_wh, mut heat_uwh) = (0, 0);
        if state.is_on {
            let cop_ppm = match self.ground_milli_c {
                Some(ground) => Source::Ground.cop_ppm(i64::from(self.sink_milli_c) - i64::from(ground)),
                None => Source::Air.cop_ppm(i64::from(self.sink_milli_c) - i64::from(outdoor_milli_c)),
            };
            let most_wh = energy_wh(self.power_w, length);
            let wanted_wh = self.house.wanted_uwh(cooled, length) / cop_ppm;
            consumed_wh = wanted_wh.min(most_wh);
            // At most 10^7 Wh at a COP below 8.
            heat_uwh = i64::try_from(consumed_wh * cop_ppm).unwrap_or_default();
            state.is_on = wanted_wh > most_wh;
        }
        state.heat.uwh = cooled.uwh.saturating_add(self.house.kept_uwh(heat_uwh, length));
        let loss_uwh = heat_uwh.saturating_sub(state.heat.uwh.saturating_sub(before.uwh));
        HeatPumpFlow { consumed_wh, heat_uwh, loss_uwh }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::home::units::LENGTHS;

    const AIR: &str = "power_w = 3_000\nsource = \"air\"\nsink_c = 35\n[house]\nloss_w_per_k = 200\n\
                       capacity_wh_per_k = 10_000\nlowest_c = 20\nhighest_c = 21\n";

    #[test]
    fn the_coefficients_are_those_of_the_fit() {
        for (delta_k, air, ground) in
            [(20, 4_480_000, 6_570_000), (35, 3_542_500, 4_410_000), (50, 2_830_000, 2_790_000)]
        {
            assert_eq!(Source::Air.cop_ppm(delta_k * 1_000), air);
            assert_eq!(Source::Ground.cop_ppm(delta_k * 1_000), ground);
        }
        // Between whole degrees, and at the ends.
        assert_eq!(Source::Air.cop_ppm(33_500), 3_626_125);
        for source in [Source::Air, Source::Ground] {
            assert_eq!(source.cop_ppm(i64::MIN), source.cop_ppm(15_000));
            assert_eq!(source.cop_ppm(i64::MAX), source.cop_ppm(85_000));
            let cops: Vec<u64> = (0..100_000).step_by(10).map(|delta| source.cop_ppm(delta)).collect();
            assert!(cops.is_sorted_by(|colder, warmer| colder >= warmer) && cops.iter().all(|cop| *cop > 1_000_000));
        }
    }

    #[test]
    fn a_kilowatt_hour_brings_its_coefficient_in_heat() {
        // Air at 0 °C: 3.5425; ground of 10 °C: ΔT is 25 K, and 10.29 − 5.25 + 0.75 = 5.79.
        let ground = AIR.replace("\"air\"", "\"ground\"\nground_c = 10");
        for (text, cop_ppm) in [(AIR, 3_542_500), (&ground, 5_790_000)] {
            let pump: HeatPump = toml::from_str(text).unwrap();
            let mut state = HeatPumpState { heat: Heat { uwh: 0 }, is_on: false };
            let flow = pump.step(&mut state, IntervalLength::Minutes60, 0);
            assert_eq!((flow.consumed_wh, flow.heat_uwh), (3_000, 3_000 * cop_ppm));
            assert!(state.is_on);
        }
    }

    #[test]
    fn the_band_is_held_and_each_heating_goes_through_it() {
        let pump: HeatPump = toml::from_str(AIR).unwrap();
        for length in LENGTHS {
            let mut state = pump.start();
            let (mut starts, mut last) = (0, false);
            for number in 0..30 * 24 * 60 / length.minutes() {
                // A day between -8 and 8 °C.
                let hour = i64::from(number * length.minutes() / 60 % 24);
                let outdoor = i32::try_from((hour - 12).abs() * -1_333 + 8_000).unwrap();
                let flow = pump.step(&mut state, length, outdoor);
                let milli_c = pump.house().milli_c(state.heat);
                assert!((19_999..=21_000).contains(&milli_c), "{length:?} {number}: {milli_c}");
                starts += usize::from(flow.consumed_wh > 0 && !last);
                last = flow.consumed_wh > 0;
            }
            // 10 kWh of heat for the band at some 4 kW of loss and more of heating: a few times a day.
            assert!((60..200).contains(&starts), "{length:?}: {starts}");
        }
    }

    proptest! {
        /// The balance of heat closes to the µWh, in any weather and also where the power does not suffice.
        #[test]
        fn heat_closes_exactly(
            initial in -50_000_000_000..400_000_000_000i64, length in prop::sample::select(&LENGTHS[..]),
            outdoor in prop::collection::vec(-60_000..60_000i32, 1..50),
        ) {
            let pump: HeatPump = toml::from_str(AIR).unwrap();
            let mut state = HeatPumpState { heat: Heat { uwh: initial }, is_on: false };
            let most_wh = 3_000 * u64::from(length.minutes()) / 60;
            for outdoor in outdoor {
                let before = state.heat.uwh;
                let flow = pump.step(&mut state, length, outdoor);
                prop_assert_eq!(state.heat.uwh, before + flow.heat_uwh - flow.loss_uwh);
                prop_assert!(flow.consumed_wh <= most_wh);
                prop_assert!(!state.is_on || flow.consumed_wh == most_wh);
                prop_assert!(flow.consumed_wh == 0 || state.heat.uwh <= 210_000_000_001);
            }
        }
    }

    #[test]
    fn heat_pumps_that_make_no_sense_are_refused_in_one_line() {
        for (from, to, expected) in [
            ("3_000", "0", "heat_pump: expected a power from 1 to 10000000 W in `power_w`, found 0"),
            ("\"air\"", "\"ground\"", "expected `ground_c` for `source = \"ground\"`, found none"),
            ("\"air\"", "\"air\"\nground_c = 10", "expected no `ground_c` for `source = \"air\"`"),
            ("\"air\"", "\"water\"", "unknown variant `water`"),
            ("sink_c = 35", "sink_c = 308", "expected a temperature from -100 to 100 °C"),
            ("sink_c", "flow_c", "unknown field `flow_c`"),
            ("= 200", "= 0", "house: expected a heat loss from 1 W/K"),
        ] {
            let error = toml::from_str::<HeatPump>(&AIR.replace(from, to)).unwrap_err();
            assert!(error.message().contains(expected), "{to}: {error}");
            assert_eq!(error.message().lines().count(), 1, "{error}");
        }
    }
}
