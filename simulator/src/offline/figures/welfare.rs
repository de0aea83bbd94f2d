//! How much of what the orders are worth together the market realises.

use serde::Serialize;

use super::{as_integer, ratio::Ratio};

/// Welfare over the whole period, by the limits of the orders as they stood: [`market::welfare`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Welfare {
    /// Σ limit × bought − Σ limit × sold, n€.
    #[serde(serialize_with = "as_integer")]
    pub realised_nano: i128,
    /// The most that trades between the same orders reach, if no line is in their way and none costs anything, n€.
    #[serde(serialize_with = "as_integer")]
    pub greatest_nano: i128,
    /// Realised ÷ greatest. None where no trade gains anything.
    pub efficiency: Option<Ratio>,
}

impl Welfare {
    pub(super) fn of(intervals: impl Iterator<Item = market::welfare::Welfare>) -> Welfare {
        let (mut realised_nano, mut greatest_nano) = (0, 0);
        for of_interval in intervals {
            realised_nano += of_interval.realised_nano;
            greatest_nano += of_interval.greatest_nano;
        }
        Welfare { realised_nano, greatest_nano, efficiency: Ratio::of(realised_nano, greatest_nano) }
    }
}
