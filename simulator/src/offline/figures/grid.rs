//! What passes the transformer and the lines: without losses, at a power factor of 1.

use protocol::interval::Interval;
use serde::Serialize;

use super::ratio::Ratio;
use crate::offline::sums::IntervalSums;

/// What passes the transformer and the lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Grid {
    /// The most that the community draws on average over an interval, W.
    pub peak_import_w: u64,
    /// The most that it feeds in, W.
    pub peak_export_w: u64,
    /// Mean net import ÷ peak net import; none where the community feeds in more than it draws.
    pub load_factor: Option<Ratio>,
    /// Σ |Eₜ − Eₜ₋₁| over the net import, Wh: steps up and steps down.
    pub ramping_wh: u64,
    /// The line, or the transformer, that comes nearest to its rating, where the grid is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst_line: Option<LinePeak>,
    /// Every line and the transformer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LinePeak>,
}

/// The most that a line carried on average over an interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinePeak {
    /// Its name.
    pub line: String,
    /// The most towards the members, W.
    pub peak_import_w: u64,
    /// The most from them, W.
    pub peak_export_w: u64,
    /// Its rating, VA.
    pub rated_va: u64,
    /// The larger peak ÷ the rating.
    pub loading: Option<Ratio>,
}

/// Wh of an interval as W.
pub(crate) fn watts(wh: u64, minutes: u32) -> u64 {
    (u128::from(wh) * 60 / u128::from(minutes.max(1))).try_into().unwrap_or(u64::MAX)
}

impl Grid {
    pub(super) fn of(intervals: &[(Interval, IntervalSums)], lines: Vec<LinePeak>) -> Grid {
        let nets: Vec<i128> = intervals.iter().map(|(_, row)| row.net_wh.into()).collect();
        let minutes = intervals.first().map_or(1, |(interval, _)| interval.length().minutes());
        let peak = |wh: Option<i128>| watts(wh.and_then(|wh| u64::try_from(wh).ok()).unwrap_or(0), minutes);
        let highest = nets.iter().copied().max();
        let ramping: u128 = nets.windows(2).map(|pair| (pair[1] - pair[0]).unsigned_abs()).sum();
        let mean_of = |highest: i128| Ratio::of(nets.iter().sum::<i128>(), highest * nets.len() as i128);
        Grid {
            peak_import_w: peak(highest),
            peak_export_w: peak(nets.iter().map(|net| -net).max()),
            load_factor: highest.and_then(mean_of).filter(|factor| factor.ppm() >= 0),
            ramping_wh: u64::try_from(ramping).unwrap_or(u64::MAX),
            // The first of the highest, in the order of the grid.
            worst_line: lines.iter().rev().max_by_key(|line| line.loading).cloned(),
            lines,
        }
    }
}
