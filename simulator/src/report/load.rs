//! What the community draws from the grid, less what it feeds in, from the most to the least: for curves of load
//! duration.

use protocol::interval::Interval;

use super::stretch::{evenly, thousandths};
use crate::offline::sums::IntervalSums;

/// Most points of a curve.
const POINTS: usize = 1_000;

/// The mean net import of every interval, W, in descending order: what flowed, whenever it was read.
#[derive(Debug)]
pub(super) struct Load(Vec<i128>);

impl Load {
    pub(super) fn of(intervals: &[(Interval, IntervalSums)]) -> Load {
        let watts = |(interval, row): &(Interval, IntervalSums)| {
            i128::from(row.net_wh) * 3_600 / i128::from(interval.length().seconds())
        };
        let mut watts: Vec<i128> = intervals.iter().map(watts).collect();
        watts.sort_unstable_by(|one, other| other.cmp(one));
        Load(watts)
    }

    /// How many intervals there are, and in how many of them more is drawn than fed in.
    pub(super) fn drawing(&self) -> (usize, usize) {
        (self.0.len(), self.0.iter().filter(|watts| **watts > 0).count())
    }

    /// The curve: parts of the time in percent, and kW.
    pub(super) fn points(&self) -> (Vec<f64>, Vec<f64>) {
        let Load(watts) = self;
        let share = |place: usize| (place * 10_000 / watts.len().saturating_sub(1).max(1)) as f64 / 100.0;
        evenly(watts.len(), POINTS).map(|place| (share(place), thousandths(watts[place]))).unzip()
    }
}
