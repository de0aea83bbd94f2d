//! Stretches of time: what several intervals come to together, because a picture has room for only so many points.

use std::collections::BTreeMap;

use protocol::interval::Interval;

use crate::offline::{
    figures::rounded,
    sums::{IntervalSums, MemberSums},
};

/// Most points of a line.
pub(super) const POINTS_MAX: usize = 9_000;

const HOUR_S: i64 = 3_600;
pub(super) const DAY_S: i64 = 24 * HOUR_S;
/// Longer than that, a day is a point.
const DAYS_IN_DETAIL: i64 = 100;

/// Several intervals, which need not follow each other.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stretch {
    pub(super) sums: MemberSums,
    seconds: i64,
    intervals: i64,
    /// Σ over the intervals of what all batteries hold at their end, Wh.
    stored_wh: u64,
}

impl Stretch {
    fn add(&mut self, interval: Interval, row: &IntervalSums) {
        self.sums.add(&row.sums);
        self.seconds += interval.length().seconds();
        self.intervals += 1;
        self.stored_wh += row.stored_wh;
    }

    /// Energy in it as mean power, kW to the W.
    pub(super) fn kw(&self, wh: impl Into<i128>) -> f64 {
        thousandths(rounded(wh.into() * i128::from(HOUR_S), i128::from(self.seconds.max(1))))
    }

    /// What buyers paid for a kWh on average, µ€; none where nothing was traded.
    pub(super) fn paid_micro(&self) -> Option<i64> {
        let traded = i128::from(self.sums.bought_wh);
        let micro = (traded > 0).then(|| rounded(self.sums.paid_nano, traded))?;
        i64::try_from(micro).ok()
    }

    /// What batteries hold on average at the ends of its intervals, kWh to the Wh.
    pub(super) fn stored_kwh(&self) -> f64 {
        thousandths(rounded(self.stored_wh.into(), i128::from(self.intervals.max(1))))
    }
}

/// So many thousandths, for a picture.
pub(super) fn thousandths(value: i128) -> f64 {
    value as f64 / 1e3
}

/// So many millionths, for a picture.
pub(super) fn millionths(value: i64) -> f64 {
    value as f64 / 1e6
}

/// The whole time in stretches of one length, one after the other.
#[derive(Debug)]
pub(super) struct Course {
    /// The start of the first, seconds after 1970.
    pub(super) from_s: i64,
    /// From the start of one to the start of the next.
    pub(super) step_s: i64,
    pub(super) stretches: Vec<Stretch>,
}

impl Course {
    pub(super) fn of(intervals: &[(Interval, IntervalSums)]) -> Course {
        let length_s = intervals.first().map_or(HOUR_S, |(interval, _)| interval.length().seconds());
        let days = intervals.len() as i64 * length_s / DAY_S;
        let step_s = match (days <= DAYS_IN_DETAIL, intervals.len() <= POINTS_MAX) {
            (true, true) => length_s,
            (true, false) => HOUR_S,
            // A century of weeks are some five thousand.
            (false, _) if days as usize <= POINTS_MAX => DAY_S,
            (false, _) => 7 * DAY_S,
        };
        let stretches = grouped(intervals, |start_s| start_s.div_euclid(step_s));
        let from_s = stretches.first_key_value().map_or(0, |(number, _)| number * step_s);
        Course { from_s, step_s, stretches: stretches.into_values().collect() }
    }

    /// How long a point is, in words.
    pub(super) fn step_text(&self) -> &'static str {
        match self.step_s {
            300 => "5 minutes",
            900 => "15 minutes",
            1_800 => "30 minutes",
            HOUR_S => "an hour",
            DAY_S => "a day",
            _ => "a week",
        }
    }
}

/// The mean of all days: one stretch for each time of day.
pub(super) fn mean_day(intervals: &[(Interval, IntervalSums)]) -> Course {
    let step_s = intervals.first().map_or(HOUR_S, |(interval, _)| interval.length().seconds());
    let stretches = grouped(intervals, |start_s| start_s.rem_euclid(DAY_S) / step_s);
    let from_s = stretches.first_key_value().map_or(0, |(number, _)| number * step_s);
    Course { from_s, step_s, stretches: stretches.into_values().collect() }
}

/// The intervals by a number that follows from their start, in its order.
pub(super) fn grouped<K: Ord>(intervals: &[(Interval, IntervalSums)], key: impl Fn(i64) -> K) -> BTreeMap<K, Stretch> {
    let mut stretches: BTreeMap<K, Stretch> = BTreeMap::new();
    for (interval, row) in intervals {
        stretches.entry(key(interval.start_s())).or_default().add(*interval, row);
    }
    stretches
}

/// At most `most` of `count` places, evenly from the first to the last.
pub(super) fn evenly(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let shown = count.min(most);
    (0..shown).map(move |place| if shown < 2 { 0 } else { place * (count - 1) / (shown - 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_even_and_have_both_ends() {
        assert_eq!(evenly(5, 10).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(evenly(101, 3).collect::<Vec<_>>(), [0, 50, 100]);
        assert_eq!(evenly(1, 3).collect::<Vec<_>>(), [0]);
        assert_eq!(evenly(0, 3).count(), 0);
    }
}
