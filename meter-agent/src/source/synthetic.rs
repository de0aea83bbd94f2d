//! No meter: a home that invents its own registers, to try things out without one. It has to be told apart from a meter
//! by everyone who looks, so it says so in the log, and `meter-agent check` does.
//!
//! What it consumes and produces in an interval is a pure function of its settings and the interval, in integers: so an
//! agent that starts again goes on exactly where it stopped, for as long as nobody changes the settings. It knows
//! neither weather nor holidays, has its noon at 12:00 UTC, and every day of the week is like the others.

use std::path::Path;

use protocol::{
    energy::Energy,
    interval::{Interval, IntervalLength},
    reading::Registers,
};
use serde::Deserialize;

use super::{
    Gross, Measurement, MeterClock, MeterConfig, MeterError, MeterKind, MeterSource, Placement, Reading, SourceError,
};
use crate::wall_clock::now_s;

/// The most that a home consumes in a year, kWh, and that its panels give, W.
const YEARLY_KWH_MAX: u64 = 100_000;
const PV_PEAK_W_MAX: u64 = 100_000;
const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;
/// A mean year, s, and a winter solstice, in seconds after 1970: 2025-12-21T15:03:00Z.
const YEAR_S: i64 = 31_556_952;
const SOLSTICE_S: i64 = 1_766_329_380;
/// What is consumed in each hour of a day, UTC, per cent of the mean.
const HOURS: [u64; 24] =
    [55, 48, 45, 45, 50, 70, 100, 120, 115, 105, 105, 120, 120, 105, 95, 95, 115, 150, 165, 160, 137, 120, 90, 70];

/// What the home is like.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyntheticConfig {
    /// Any number: homes with another one have another life.
    seed: u64,
    /// Consumed in a year, about, kWh.
    yearly_kwh: u64,
    /// Peak power of the solar panels, W; 0 for none. A kW of them gives about 1,000 kWh in a year.
    pv_peak_w: u64,
}

/// Why there can be no such home.
#[derive(Debug, thiserror::Error)]
enum SyntheticError {
    #[error("expected `{key}` from 0 to {most}, found {found}")]
    TooMuch { key: &'static str, most: u64, found: u64 },
    #[error("expected a home that consumes or produces, found 0 for both; set `yearly_kwh` or `pv_peak_w`")]
    Nothing,
}

impl SyntheticConfig {
    fn check(&self) -> Result<(), SyntheticError> {
        let limits = [("yearly_kwh", YEARLY_KWH_MAX, self.yearly_kwh), ("pv_peak_w", PV_PEAK_W_MAX, self.pv_peak_w)];
        if let Some((key, most, found)) = limits.into_iter().find(|(_, most, found)| found > most) {
            return Err(SyntheticError::TooMuch { key, most, found });
        }
        if self.yearly_kwh == 0 && self.pv_peak_w == 0 { Err(SyntheticError::Nothing) } else { Ok(()) }
    }
}

impl MeterConfig for SyntheticConfig {
    // It has no paths.
    fn resolve(&mut self, _: &Path) {}

    fn open(&self, placement: &Placement) -> Result<Box<dyn MeterSource>, SourceError> {
        self.check().map_err(SourceError::new)?;
        if let Some(caveat) = MeterKind::MadeUp.caveat() {
            tracing::warn!("{caveat}");
        }
        Ok(Box::new(Synthetic::new(self.clone(), *placement)))
    }
}

/// The home, and how far its registers were counted.
struct Synthetic {
    home: SyntheticConfig,
    placement: Placement,
    /// The first interval that was not counted yet, and the registers when it starts.
    next: Interval,
    registers: Registers,
}

impl MeterSource for Synthetic {
    fn read(&mut self, interval: Interval) -> Result<Reading, MeterError> {
        if interval.end_s() > now_s() {
            return Ok(Reading::NotYet);
        }
        let measurement = self.count_to(interval);
        measurement.map(Reading::Measured).ok_or_else(|| {
            MeterError(format!("expected an interval from {} on, and as long, found {interval}", self.placement.first))
        })
    }

    fn clock(&self) -> MeterClock {
        MeterClock::Real
    }

    fn kind(&self) -> MeterKind {
        MeterKind::MadeUp
    }
}

impl Synthetic {
    fn new(home: SyntheticConfig, placement: Placement) -> Synthetic {
        Synthetic { home, placement, next: placement.first, registers: placement.registers }
    }

    /// The registers at the end of `interval`. None for one before the first, or of another length.
    fn count_to(&mut self, interval: Interval) -> Option<Measurement> {
        let Placement { first, registers, rated_power_w } = self.placement;
        interval.since(first).filter(|count| *count >= 0)?;
        if interval < self.next {
            (self.next, self.registers) = (first, registers);
        }
        loop {
            let counted = self.next;
            let gross = self.home.gross(counted, rated_power_w);
            let (consumption_wh, production_wh) = (gross.consumption.wh(), gross.production.wh());
            self.registers.import_wh += consumption_wh.saturating_sub(production_wh);
            self.registers.export_wh += production_wh.saturating_sub(consumption_wh);
            self.next = counted.next()?;
            if counted == interval {
                return Some(Measurement { registers: self.registers, gross: Some(gross) });
            }
        }
    }
}

impl SyntheticConfig {
    /// What the home consumes and produces in an interval: no more than its connection carries, if that is known.
    fn gross(&self, interval: Interval, rated_power_w: Option<u64>) -> Gross {
        let carried_wh = |energy_wh: u64| {
            let most_wh = rated_power_w.map(|power_w| energy(power_w, interval.length()));
            Energy::from_wh(most_wh.map_or(energy_wh, |most_wh| energy_wh.min(most_wh)))
        };
        Gross {
            consumption: carried_wh(self.consumption_wh(interval)),
            production: carried_wh(self.production_wh(interval)),
            stored_uwh: None,
        }
    }

    fn consumption_wh(&self, interval: Interval) -> u64 {
        let start_s = interval.start_s();
        let hour = usize::try_from(start_s.rem_euclid(DAY_S) / HOUR_S).unwrap_or_default();
        // Less in summer, and by chance.
        let percent = [HOURS[hour], 115 - 22 * summer(start_s) / 1_000, 50 + self.chance(start_s, 101)];
        let mean_wh = self.yearly_kwh * 1_000 * interval.length().seconds().unsigned_abs();
        percent.iter().product::<u64>() * mean_wh / (1_000_000 * YEAR_S.unsigned_abs())
    }

    fn production_wh(&self, interval: Interval) -> u64 {
        let middle_s = interval.start_s() + interval.length().seconds() / 2;
        let (day, of_day_s) = (middle_s.div_euclid(DAY_S), middle_s.rem_euclid(DAY_S));
        let summer = summer(middle_s);
        // From 8 hours of daylight in winter to 16 in summer, half of them before noon.
        let daylight_s = 8 * HOUR_S * (1_000 + summer.cast_signed()) / 1_000;
        let since_dawn_s = of_day_s - (DAY_S - daylight_s) / 2;
        let height = arc(since_dawn_s, daylight_s);
        // A day has its clouds, 30 to 100 per cent of a clear sky are left, and each interval some more.
        let sky = (30 + self.chance(day, 71)) * (80 + self.chance(middle_s, 21));
        energy(self.pv_peak_w * (150 + 550 * summer / 1_000) * height / 1_000_000 * sky / 10_000, interval.length())
    }

    /// A number below `end` that depends on nothing but the seed and `moment` (SplitMix64 of Steele, Lea, Flood).
    fn chance(&self, moment: i64, end: u64) -> u64 {
        let mut bits = self.seed.wrapping_add(moment.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15));
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ bits >> 31) % end
    }
}

/// Wh of a power in W over an interval.
fn energy(power_w: u64, length: IntervalLength) -> u64 {
    power_w * length.seconds().unsigned_abs() / HOUR_S.unsigned_abs()
}

/// How much summer it is: from 0 in the middle of winter to 1,000 in the middle of summer.
fn summer(time_s: i64) -> u64 {
    arc((time_s - SOLSTICE_S).rem_euclid(YEAR_S), YEAR_S)
}

/// The height, up to 1,000 in the middle, of an arc that is `length` long, at `at` from where it begins; 0 outside.
fn arc(at: i64, length: i64) -> u64 {
    let thousandths = (at * 1_000 / length).clamp(0, 1_000);
    (4 * thousandths * (1_000 - thousandths) / 1_000).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::{super::SourceConfig, *};

    fn home(text: &str) -> SyntheticConfig {
        toml::from_str(text).unwrap()
    }

    fn usual() -> SyntheticConfig {
        home("seed = 7\nyearly_kwh = 3500\npv_peak_w = 5000\n")
    }

    fn placement(first: &str) -> Placement {
        let registers = Registers { import_wh: 1_000, export_wh: 500 };
        Placement { first: first.parse().unwrap(), registers, rated_power_w: Some(10_000) }
    }

    /// A year of intervals: consumed and produced in each, Wh.
    fn year(home: &SyntheticConfig, first: &str, rated_power_w: Option<u64>) -> Vec<(u64, u64)> {
        let first: Interval = first.parse().unwrap();
        let count = YEAR_S / first.length().seconds();
        let gross = (0..count).map(|at| home.gross(first.offset(at).unwrap(), rated_power_w));
        gross.map(|gross| (gross.consumption.wh(), gross.production.wh())).collect()
    }

    fn kwh(intervals: &[(u64, u64)]) -> (u64, u64) {
        let (consumption, production): (Vec<u64>, Vec<u64>) = intervals.iter().copied().unzip();
        (consumption.iter().sum::<u64>() / 1_000, production.iter().sum::<u64>() / 1_000)
    }

    #[test]
    fn a_year_has_about_what_the_settings_say_whatever_the_interval() {
        for first in ["2026-01-01T00:00:00Z/PT15M", "2026-01-01T00:00:00Z/PT5M", "2026-01-01T00:00:00Z/PT1H"] {
            let (consumed, produced) = kwh(&year(&usual(), first, None));
            assert!((3_400..3_600).contains(&consumed) && (4_700..5_700).contains(&produced), "{consumed} {produced}");
        }
    }

    #[test]
    fn the_sun_shines_by_day_and_more_in_summer() {
        let quarters = year(&usual(), "2026-01-01T00:00:00Z/PT15M", None);
        let days: Vec<&[(u64, u64)]> = quarters.chunks_exact(96).collect();
        assert!(days.iter().all(|day| day[..16].iter().chain(&day[81..]).all(|(_, produced)| *produced == 0)));
        let (january, june) = (kwh(&days[..30].concat()), kwh(&days[151..181].concat()));
        assert!(june.1 > 3 * january.1 && january.1 > 0, "{january:?} {june:?}");
        assert!(january.0 > june.0, "{january:?} {june:?}");
    }

    #[test]
    fn registers_are_a_function_of_the_settings_and_the_interval_and_never_go_back() {
        let placement = placement("2026-06-01T12:00:00Z/PT15M");
        let at = |count| placement.first.offset(count).unwrap();
        let mut running = Synthetic::new(usual(), placement);
        let mut before = Measurement { registers: placement.registers, gross: None };
        for count in 0..2_000 {
            let now = running.count_to(at(count)).unwrap();
            let (import_wh, export_wh) = (now.registers.import_wh, now.registers.export_wh);
            assert!(import_wh >= before.registers.import_wh && export_wh >= before.registers.export_wh, "{count}");
            let Gross { consumption, production, .. } = now.gross.unwrap();
            let net = import_wh + before.registers.export_wh + production.wh();
            assert_eq!(net, before.registers.import_wh + export_wh + consumption.wh(), "{count}");
            before = now;
        }
        let mut restarted = Synthetic::new(usual(), placement);
        assert_eq!(restarted.count_to(at(1_999)), Some(before));
        assert_eq!(restarted.count_to(at(1_999)), Some(before), "asked again");
        let mut other = Synthetic::new(home("seed = 8\nyearly_kwh = 3500\npv_peak_w = 5000\n"), placement);
        assert_ne!(other.count_to(at(1_999)), Some(before));
        assert_eq!(running.count_to(at(-1)), None);
        assert_eq!(running.count_to("2026-06-01T12:00:00Z/PT5M".parse().unwrap()), None);
    }

    #[test]
    fn a_home_consumes_and_feeds_in_no_more_than_its_connection_carries() {
        let large = home("seed = 1\nyearly_kwh = 100000\npv_peak_w = 100000\n");
        let most = |rated| {
            let quarters = year(&large, "2026-01-01T00:00:00Z/PT15M", rated);
            quarters.into_iter().fold((0, 0), |(consumed, produced), of| (of.0.max(consumed), of.1.max(produced)))
        };
        assert_eq!(most(Some(10_000)), (2_500, 2_500));
        let (consumed, produced) = most(None);
        assert!(consumed > 2_500 && produced > 10_000, "{consumed} {produced}");
        let without = year(&home("seed = 1\nyearly_kwh = 1000\npv_peak_w = 0\n"), "2026-01-01T00:00:00Z/PT15M", None);
        assert_eq!(kwh(&without).1, 0);
    }

    #[test]
    fn it_says_that_it_is_no_meter_and_waits_for_an_intervals_end() {
        let config: SourceConfig =
            toml::from_str("kind = \"synthetic\"\nseed = 1\nyearly_kwh = 10\npv_peak_w = 0\n").unwrap();
        let mut home = config.open(&placement("2020-06-01T12:00:00Z/PT15M")).unwrap();
        assert_eq!((home.kind(), home.clock(), home.sight()), (MeterKind::MadeUp, MeterClock::Real, None));
        let first: Interval = "2020-06-01T12:00:00Z/PT15M".parse().unwrap();
        assert!(matches!(home.read(first), Ok(Reading::Measured(_))));
        let now = Interval::containing(now_s() + 60, IntervalLength::Minutes15).unwrap();
        assert_eq!(home.read(now).unwrap(), Reading::NotYet);
        assert!(home.read(first.offset(-1).unwrap()).unwrap_err().to_string().contains("expected an interval from"));
    }

    #[test]
    fn settings_that_make_no_home_are_refused_by_the_key() {
        let refused = |text| home(text).open(&placement("2026-06-01T12:00:00Z/PT15M")).err().unwrap().to_string();
        for (text, expected) in [
            ("seed = 1\nyearly_kwh = 0\npv_peak_w = 0", "found 0 for both; set `yearly_kwh` or `pv_peak_w`"),
            ("seed = 1\nyearly_kwh = 100001\npv_peak_w = 0", "expected `yearly_kwh` from 0 to 100000, found 100001"),
            ("seed = 1\nyearly_kwh = 1\npv_peak_w = 100001", "expected `pv_peak_w` from 0 to 100000, found 100001"),
        ] {
            assert!(refused(text).contains(expected), "{text}: {}", refused(text));
        }
        let unread = toml::from_str::<SyntheticConfig>("seed = 1\nyearly_kwh = 1\npv_kwp = 5").unwrap_err().to_string();
        assert!(unread.contains("unknown field `pv_kwp`"), "{unread}");
    }
}
