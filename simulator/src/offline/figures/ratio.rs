//! Ratios of integers.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

/// A ratio in millionths, to the nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio(i64);

impl Ratio {
    /// One number as a part of another; none of nothing.
    pub fn of(part: impl Into<i128>, whole: impl Into<i128>) -> Option<Ratio> {
        let (part, whole) = (part.into(), whole.into());
        if whole <= 0 {
            return None;
        }
        i64::try_from(rounded(part.checked_mul(1_000_000)?, whole)).ok().map(Ratio)
    }

    /// In millionths.
    pub fn ppm(self) -> i64 {
        self.0
    }

    /// As a percentage, to two decimals.
    pub fn percent(self) -> String {
        let hundredths = rounded(self.0.into(), 100);
        format!("{}{}.{:02} %", if hundredths < 0 { "-" } else { "" }, hundredths.abs() / 100, hundredths.abs() % 100)
    }

    pub(super) fn from_ppm(ppm: i64) -> Ratio {
        Ratio(ppm)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Decimal::new(self.0, 6).normalize().fmt(f)
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The number nearest to these six decimals, whose shortest text is those decimals.
        serializer.serialize_f64(self.0 as f64 / 1e6)
    }
}

/// A quotient to the nearest whole number, halves away from zero; `by` is above 0.
pub(crate) fn rounded(number: i128, by: i128) -> i128 {
    let half = by / 2;
    if number < 0 { -((-number + half) / by) } else { (number + half) / by }
}

/// The standard deviation of all these values (not of a sample), to the whole number below; none of nothing.
pub(super) fn deviation(values: &[i64]) -> Option<i64> {
    let count = i128::try_from(values.len()).ok().filter(|count| *count > 0)?;
    let sum: i128 = values.iter().map(|value| i128::from(*value)).sum();
    // n² times the variance: n Σ v² − (Σ v)², which is exact.
    let squares: i128 = values.iter().map(|value| i128::from(*value) * i128::from(*value)).sum();
    let scaled = count.checked_mul(squares)?.checked_sub(sum.checked_mul(sum)?)?;
    i64::try_from(scaled.unsigned_abs().isqrt() / count.unsigned_abs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_to_the_nearest_millionth_and_written_as_such() {
        for (part, whole, expected) in [
            (1, 3, "0.333333"),
            (2, 3, "0.666667"),
            (-2, 3, "-0.666667"),
            (1, 2_000, "0.0005"),
            (6_641_539, 8_415_500, "0.789203"),
            (5, 5, "1.0"),
        ] {
            assert_eq!(serde_json::to_string(&Ratio::of(part, whole)).unwrap(), expected);
        }
        assert_eq!(Ratio::of(1, 0), None);
        assert_eq!(Ratio::of(1, -1), None);
    }

    #[test]
    fn the_deviation_is_that_of_the_whole() {
        assert_eq!(deviation(&[2, 4, 4, 4, 5, 5, 7, 9]), Some(2), "variance 4");
        assert_eq!(deviation(&[7]), Some(0));
        assert_eq!(deviation(&[]), None);
    }
}
