//! When a meter that is played is out of its agent's reach. Pure.
//!
//! Nothing is read meanwhile. Then the registers are read as they were when the last of these intervals ended: what
//! flowed comes late, at once, and the first interval within reach is measured.

use protocol::interval::{Interval, parse_utc};
use serde::Deserialize;

/// As `[source]` says it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    from: String,
    until: String,
}

/// The intervals in which a meter is out of reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<Written>")]
pub struct OutOfReach(Vec<(i64, i64)>);

/// Times that are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum BadTimes {
    #[error("out_of_reach: expected a UTC time such as 2026-06-01T12:00:00Z, found `{0}`")]
    NoTime(String),
    #[error(
        "out_of_reach: expected times in ascending order, each `until` after its `from`, found {found} after {last}"
    )]
    Unordered { last: String, found: String },
}

impl TryFrom<Vec<Written>> for OutOfReach {
    type Error = BadTimes;

    fn try_from(written: Vec<Written>) -> Result<OutOfReach, BadTimes> {
        let time = |text: &str| parse_utc(text).map_err(|_| BadTimes::NoTime(text.chars().take(80).collect()));
        let mut times = Vec::with_capacity(written.len());
        let mut last: Option<(i64, String)> = None;
        for Written { from, until } in written {
            let (from_s, until_s) = (time(&from)?, time(&until)?);
            for (at_s, found) in [(from_s, from), (until_s, until)] {
                match last.replace((at_s, found.clone())) {
                    Some((last_s, last)) if last_s >= at_s => return Err(BadTimes::Unordered { last, found }),
                    _ => {}
                }
            }
            times.push((from_s, until_s));
        }
        Ok(OutOfReach(times))
    }
}

impl OutOfReach {
    fn around(&self, interval: Interval) -> Option<(i64, i64)> {
        let before = self.0.partition_point(|(from_s, _)| *from_s <= interval.start_s());
        let last = self.0.get(before.checked_sub(1)?)?;
        (interval.start_s() < last.1).then_some(*last)
    }

    /// Whether the meter is out of reach in `interval`.
    pub(crate) fn covers(&self, interval: Interval) -> bool {
        self.around(interval).is_some()
    }

    /// Whether nobody ever asks what the meter showed at the end of `interval`: it is out of reach in the next one,
    /// too.
    pub(crate) fn skips(&self, interval: Interval) -> bool {
        self.covers(interval) && interval.next().is_some_and(|next| self.covers(next))
    }

    /// The last interval up to `open` in which the meter is within reach; none where there is none that early.
    pub(crate) fn last_within(&self, open: Interval) -> Option<Interval> {
        let Some((from_s, _)) = self.around(open) else { return Some(open) };
        Interval::containing(from_s - 1, open.length())
    }

    /// The last interval of the time out of reach that begins right after `settled`; `settled` where none does. No
    /// receipt comes of what lies between.
    pub(crate) fn end_after(&self, settled: Interval) -> Interval {
        let out = settled.next().and_then(|next| self.around(next));
        let last = out.and_then(|(_, until_s)| Interval::containing(until_s - 1, settled.length()));
        last.map_or(settled, |last| last.max(settled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(count: i64) -> Interval {
        "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(count).unwrap()
    }

    #[derive(Debug, Deserialize)]
    struct Source {
        out_of_reach: OutOfReach,
    }

    fn parse(times: &[(&str, &str)]) -> Result<OutOfReach, toml::de::Error> {
        let times: Vec<_> =
            times.iter().map(|(from, until)| format!("{{ from = \"{from}\", until = \"{until}\" }}")).collect();
        toml::from_str(&format!("out_of_reach = [{}]", times.join(", "))).map(|source: Source| source.out_of_reach)
    }

    /// In the intervals 2 to 4, and 6.
    fn twice() -> OutOfReach {
        parse(&[("2026-06-01T12:30:00Z", "2026-06-01T13:15:00Z"), ("2026-06-01T13:30:00Z", "2026-06-01T13:45:00Z")])
            .unwrap()
    }

    #[test]
    fn a_time_out_of_reach_ends_with_an_interval_that_is_read_late() {
        let out = twice();
        let covered: Vec<_> = (-1..9).filter(|count| out.covers(interval(*count))).collect();
        assert_eq!(covered, [2, 3, 4, 6]);
        let skipped: Vec<_> = (-1..9).filter(|count| out.skips(interval(*count))).collect();
        assert_eq!(skipped, [2, 3]);
        let last = |open| out.last_within(interval(open)).unwrap().since(interval(0)).unwrap();
        assert_eq!([1, 2, 4, 5, 6, 7].map(last), [1, 1, 1, 5, 5, 7]);
        let end = |settled| out.end_after(interval(settled)).since(interval(0)).unwrap();
        assert_eq!([0, 1, 2, 4, 5, 6].map(end), [0, 4, 4, 4, 6, 6]);
    }

    #[test]
    fn one_who_is_never_out_of_reach_is_read_as_ever() {
        let never = OutOfReach::default();
        assert!(!never.covers(interval(0)) && !never.skips(interval(0)));
        assert_eq!((never.last_within(interval(3)), never.end_after(interval(3))), (Some(interval(3)), interval(3)));
    }

    #[test]
    fn times_that_are_none_or_in_another_order_are_refused() {
        let times = ["2026-06-01T12:00:00Z", "2026-06-01T13:00:00Z"];
        for (written, expected) in [
            (vec![(times[0], "noon")], "expected a UTC time such as 2026-06-01T12:00:00Z, found `noon`"),
            (vec![(times[1], times[0])], "found 2026-06-01T12:00:00Z after 2026-06-01T13:00:00Z"),
            (vec![(times[0], times[0])], "found 2026-06-01T12:00:00Z after 2026-06-01T12:00:00Z"),
            (vec![(times[0], times[1]), (times[0], times[1])], "found 2026-06-01T12:00:00Z after 2026-06-01T13:00:00Z"),
        ] {
            let error = parse(&written).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
