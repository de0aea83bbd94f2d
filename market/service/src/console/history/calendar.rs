//! Days by the calendar on the community's wall, as ranges of whole intervals.

use ::calendar::{Month, MonthError, Range, Zone, quoted};
use jiff::{ToSpan, civil::Date};
use protocol::interval::Interval;

/// Why a date is no range of intervals.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CalendarError {
    /// Not a date.
    #[error("expected a date such as 2026-06-01, of the years 1970 to 9998, found `{0}`")]
    NoDate(String),
    /// Not a month, or none of whole intervals.
    #[error(transparent)]
    Month(#[from] MonthError),
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

/// The community's calendar.
#[derive(Debug)]
pub(super) struct Calendar {
    zone: Zone,
    first: Interval,
}

impl Calendar {
    /// UTC where no time zone is named, or one that this program does not know: nobody refuses a genesis for that.
    pub(super) fn new(zone: Option<&str>, first: Interval) -> Calendar {
        Calendar { zone: zone.and_then(|name| name.parse().ok()).unwrap_or(Zone::UTC), first }
    }

    /// The first interval that is settled.
    pub(super) fn first(&self) -> Interval {
        self.first
    }

    /// The IANA name of the time zone.
    pub(super) fn zone(&self) -> &str {
        self.zone.name()
    }

    /// A date, in its one spelling.
    pub(super) fn date(&self, text: &str) -> Result<Date, CalendarError> {
        let date = text.parse::<Date>().ok().filter(|date| (1970..=9998).contains(&date.year()));
        date.filter(|date| date.to_string() == text).ok_or_else(|| CalendarError::NoDate(quoted(text)))
    }

    /// The day of the last interval before `next`; where nothing is settled, of the first.
    pub(super) fn latest(&self, next: Interval) -> Date {
        let last = next.offset(-1).map_or(self.first, |last| last.max(self.first));
        self.zone.day(last)
    }

    /// The whole intervals of a day: of 23 or 25 hours where clocks change in it.
    pub(super) fn day(&self, date: Date) -> Result<Range, CalendarError> {
        let no_date = || CalendarError::NoDate(date.to_string());
        let tomorrow = date.checked_add(1.day()).map_err(|_| no_date())?;
        let length = self.first.length();
        let interval = |midnight: Date| {
            let begins_s = self.zone.begins_s(midnight).ok_or_else(no_date)?;
            let zone = self.zone().to_owned();
            // The first hours of 1970 are before all intervals where clocks are ahead of UTC.
            if begins_s < 0 {
                return Err(no_date());
            }
            Interval::new(begins_s, length).ok_or(CalendarError::NotWhole { date, minutes: length.minutes(), zone })
        };
        Ok(Range { first: interval(date)?, after: interval(tomorrow)? })
    }

    /// The day in which an interval begins.
    pub(super) fn date_of(&self, interval: Interval) -> Date {
        self.zone.day(interval)
    }

    /// A month, in its one spelling, and its whole intervals.
    pub(super) fn month(&self, text: &str) -> Result<(Month, Range), CalendarError> {
        let month: Month = text.parse()?;
        Ok((month, month.range(&self.zone, self.first.length())?))
    }

    /// Date, time and offset when an interval begins, such as `2026-10-25T02:00:00+01:00`: never the same twice.
    pub(super) fn text(&self, interval: Interval) -> String {
        self.zone.text(interval)
    }
}
