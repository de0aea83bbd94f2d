//! Decimals of a settings file as integers, and intervals as places in a table.

use std::fmt;

use protocol::interval::IntervalLength;
use serde::Deserialize;

/// Most power that an asset of a home may have, W. What it moves in an interval then fits into any sum here.
pub const POWER_W_MAX: u32 = 10_000_000;

/// All lengths that an interval can have, each at its [`slot`].
pub(super) const LENGTHS: [IntervalLength; 4] =
    [IntervalLength::Minutes5, IntervalLength::Minutes15, IntervalLength::Minutes30, IntervalLength::Minutes60];

/// Where a table of values by the length of the interval has that of this length.
pub(super) const fn slot(length: IntervalLength) -> usize {
    match length {
        IntervalLength::Minutes5 => 0,
        IntervalLength::Minutes15 => 1,
        IntervalLength::Minutes30 => 2,
        IntervalLength::Minutes60 => 3,
    }
}

/// What a power of so many W can move in one interval, Wh, rounded down.
pub(super) fn energy_wh(power_w: u32, length: IntervalLength) -> u64 {
    u64::from(power_w) * u64::from(length.minutes()) / 60
}

/// How many whole intervals lie between the start of one and a moment; 0 where none does.
pub(super) fn intervals_until(moment_s: i64, start_s: i64, length: IntervalLength) -> u64 {
    // Of an interval's start, 0 or later, and any moment: nothing below zero is left over after `max`.
    u64::try_from((moment_s.saturating_sub(start_s) / length.seconds()).max(0)).unwrap_or_default()
}

/// A power that no asset of a home has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a power from 1 to {POWER_W_MAX} W in `power_w`, found {0}")]
pub struct BadPower(pub u32);

pub(super) fn power(power_w: u32) -> Result<u32, BadPower> {
    if (1..=POWER_W_MAX).contains(&power_w) { Ok(power_w) } else { Err(BadPower(power_w)) }
}

/// `value` times `scale`, if that is a whole number but for the binary form of its decimals. A product and a rounding
/// of IEEE 754: the same on every machine.
fn scaled(value: f64, scale: f64) -> Option<i64> {
    let exact = value * scale;
    let whole = exact.round();
    // Not a number is neither; within 10^9, the cast is exact.
    ((exact - whole).abs() < 1e-4 && whole.abs() <= 1e9).then_some(whole as i64)
}

/// A share of something: a decimal from 0 to 1 with at most six places, such as `0.95`. Kept in millionths (ppm).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "f64")]
pub struct Share(u32);

/// A number that is no share.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("expected a share from 0 to 1 with at most six decimals such as 0.95, found {0}")]
pub struct BadShare(f64);

impl Share {
    /// All of it.
    pub const ALL: Share = Share(1_000_000);
    /// A fifth of it.
    pub const FIFTH: Share = Share(200_000);
    /// A tenth of it.
    pub const TENTH: Share = Share(100_000);

    /// Millionths, from 0 to 1,000,000.
    pub const fn ppm(self) -> u32 {
        self.0
    }
}

impl TryFrom<f64> for Share {
    type Error = BadShare;

    fn try_from(value: f64) -> Result<Share, BadShare> {
        let ppm = scaled(value, 1e6).and_then(|ppm| u32::try_from(ppm).ok());
        ppm.filter(|ppm| *ppm <= Share::ALL.0).map(Share).ok_or(BadShare(value))
    }
}

/// A temperature: a decimal in °C from -100 to 100 with at most three places, such as `21.5`. Kept in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "f64")]
pub struct Celsius(i32);

/// A number that is no temperature.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("expected a temperature from -100 to 100 °C with at most three decimals such as 21.5, found {0}")]
pub struct BadTemperature(f64);

impl Celsius {
    /// Thousandths of a degree Celsius.
    pub const fn milli(self) -> i32 {
        self.0
    }
}

impl TryFrom<f64> for Celsius {
    type Error = BadTemperature;

    fn try_from(value: f64) -> Result<Celsius, BadTemperature> {
        let milli = scaled(value, 1e3).and_then(|milli| i32::try_from(milli).ok());
        milli.filter(|milli| milli.abs() <= 100_000).map(Celsius).ok_or(BadTemperature(value))
    }
}

impl fmt::Display for Celsius {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Exact to the thousandth, and without zeros at its end.
        write!(f, "{} °C", f64::from(self.0) / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly_or_refused() {
        for (value, ppm) in [(0.0, 0), (1.0, 1_000_000), (0.95, 950_000), (0.000_001, 1), (0.123_457, 123_457)] {
            assert_eq!(Share::try_from(value).unwrap().ppm(), ppm);
        }
        for value in [-0.000_001, 1.000_001, 95.0, 0.000_000_5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            let error = Share::try_from(value).unwrap_err().to_string();
            assert!(error.starts_with("expected a share from 0 to 1") && error.contains(", found "), "{error}");
        }
        for (value, milli) in [(21.5, 21_500), (-7.0, -7_000), (0.001, 1), (-100.0, -100_000)] {
            assert_eq!(Celsius::try_from(value).unwrap().milli(), milli);
        }
        let shown = [-0.5, 21.123, 20.0].map(|value| Celsius::try_from(value).unwrap().to_string());
        assert_eq!(shown, ["-0.5 °C", "21.123 °C", "20 °C"]);
        for value in [294.65, -101.0, 0.000_5, f64::NAN] {
            let error = Celsius::try_from(value).unwrap_err().to_string();
            assert!(error.starts_with("expected a temperature from -100 to 100 °C"), "{error}");
        }
    }

    #[test]
    fn every_length_has_its_place() {
        for (place, length) in LENGTHS.into_iter().enumerate() {
            assert_eq!(slot(length), place);
        }
        assert_eq!(energy_wh(1_250, IntervalLength::Minutes15), 312);
        assert_eq!(energy_wh(POWER_W_MAX, IntervalLength::Minutes60), 10_000_000);
        assert_eq!(intervals_until(3_600, 900, IntervalLength::Minutes15), 3);
        assert_eq!(intervals_until(3_599, 900, IntervalLength::Minutes15), 2);
        assert_eq!(intervals_until(i64::MIN, 900, IntervalLength::Minutes15), 0);
    }
}
