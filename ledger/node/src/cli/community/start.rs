//! When a community begins.

use protocol::interval::{Interval, IntervalLength, parse_utc, utc_text};

use crate::cli::card::cut;

/// How long the parts have to send each other their files and to start, unless a start is given, s.
const LEAD_S: i64 = 3_600;

/// The first interval: the first whole one from `start` on; that of this moment, if it is `now`; without a start, the
/// first that leaves time. `now_s` is the present in seconds after 1970.
pub(super) fn first_interval(length: IntervalLength, start: Option<&str>, now_s: i64) -> Result<Interval, String> {
    let from_s = match start {
        None => now_s.saturating_add(LEAD_S),
        Some("now") => now_s - now_s.rem_euclid(length.seconds()),
        Some(text) => parse_utc(text).map_err(|_| {
            format!("start: expected a UTC time such as 2026-06-01T12:00:00Z, or now, found `{}`", cut(text))
        })?,
    };
    if start.is_some_and(|start| start != "now") && from_s < now_s {
        let (now, found) = (utc_text(now_s), utc_text(from_s));
        return Err(format!(
            "start: expected a time to come, found {found}, and it is {now}; `now` begins with the interval of this moment"
        ));
    }
    // Rounded up to a multiple of the length.
    let late_s = (-from_s).rem_euclid(length.seconds());
    from_s
        .checked_add(late_s)
        .and_then(|start_s| Interval::new(start_s, length))
        .ok_or_else(|| format!("start: expected a time of the years 1970 to 9998, found {}", utc_text(from_s)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-06-01T12:07:30Z";

    fn first(minutes: u32, start: Option<&str>) -> Result<String, String> {
        let length = IntervalLength::try_from(minutes).unwrap();
        first_interval(length, start, parse_utc(NOW).unwrap()).map(|interval| interval.to_string())
    }

    #[test]
    fn it_is_the_first_whole_interval_from_then_on() {
        for (minutes, start, expected) in [
            (15, None, "2026-06-01T13:15:00Z/PT15M"),
            (60, None, "2026-06-01T14:00:00Z/PT1H"),
            (5, Some("now"), "2026-06-01T12:05:00Z/PT5M"),
            (15, Some(NOW), "2026-06-01T12:15:00Z/PT15M"),
            (15, Some("2026-06-01T12:15:00Z"), "2026-06-01T12:15:00Z/PT15M"),
            (60, Some("2026-12-31T23:00:01Z"), "2027-01-01T00:00:00Z/PT1H"),
        ] {
            assert_eq!(first(minutes, start).as_deref(), Ok(expected), "{start:?}");
        }
    }

    #[test]
    fn what_is_over_or_no_time_is_refused() {
        for (start, expected) in [
            (
                "2026-06-01T12:07:29Z",
                "expected a time to come, found 2026-06-01T12:07:29Z, and it is 2026-06-01T12:07:30Z",
            ),
            ("tomorrow", "expected a UTC time such as 2026-06-01T12:00:00Z, or now, found `tomorrow`"),
            ("9999-01-01T00:00:00Z", "expected a time of the years 1970 to 9998"),
        ] {
            let error = first(15, Some(start)).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
