//! A month by the calendar on the community's wall, as a range of whole intervals.

use std::{fmt, str::FromStr};

use jiff::{ToSpan, civil::Date};
use protocol::interval::{Interval, IntervalLength};

use crate::{Range, UnknownZone, Zone, quoted};

/// Why a month is no range of intervals.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MonthError {
    /// Not a month.
    #[error("expected a month such as 2026-06, of the years 1970 to 9998, found `{0}`")]
    NoMonth(String),
    /// Not the name of a time zone.
    #[error(transparent)]
    NoTimeZone(#[from] UnknownZone),
    /// Midnight of the time zone lies within an interval.
    #[error(
        "expected {month} to begin and end with an interval of {minutes} minutes, found that it does not in {zone}"
    )]
    NotWhole {
        /// The month.
        month: Month,
        /// Of an interval.
        minutes: u32,
        /// The time zone.
        zone: String,
    },
}

/// A month of a year. Text: `2026-06`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(Date);

impl Month {
    /// The month that a date is in.
    pub fn of(date: Date) -> Month {
        Month(date.first_of_month())
    }

    /// Its first day.
    pub fn first_day(self) -> Date {
        self.0
    }

    /// Its name for people, such as `June 2026`.
    pub fn name(&self) -> String {
        self.0.strftime("%B %Y").to_string()
    }

    /// The whole intervals of this month by the clock in `zone`.
    pub fn range(self, zone: &Zone, length: IntervalLength) -> Result<Range, MonthError> {
        let no_month = || MonthError::NoMonth(self.to_string());
        let after = self.0.checked_add(1.month()).map_err(|_| no_month())?;
        let interval = |date| {
            let begins_s = zone.begins_s(date).ok_or_else(no_month)?;
            let zone = zone.name().to_owned();
            Interval::new(begins_s, length).ok_or(MonthError::NotWhole { month: self, minutes: length.minutes(), zone })
        };
        Ok(Range { first: interval(self.0)?, after: interval(after)? })
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

impl FromStr for Month {
    type Err = MonthError;

    fn from_str(text: &str) -> Result<Month, MonthError> {
        let no_month = || MonthError::NoMonth(quoted(text));
        let (year, month) = text.split_once('-').ok_or_else(no_month)?;
        let (year, number) = (year.parse().map_err(|_| no_month())?, month.parse().map_err(|_| no_month())?);
        let month = Date::new(year, number, 1).map(Month).map_err(|_| no_month())?;
        // One spelling.
        if (1970..=9998).contains(&year) && month.to_string() == text { Ok(month) } else { Err(no_month()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(month: &str, zone: &str, length: IntervalLength) -> Result<Range, MonthError> {
        month.parse::<Month>()?.range(&zone.parse()?, length)
    }

    #[test]
    fn a_month_has_the_intervals_that_it_has_on_the_wall() {
        let quarter = IntervalLength::Minutes15;
        for (month, zone, first, count) in [
            ("2026-06", "Europe/Zurich", "2026-05-31T22:00:00Z", 30 * 96),
            ("2026-06", "UTC", "2026-06-01T00:00:00Z", 30 * 96),
            // One day of 92 and one of 100 quarter hours.
            ("2026-03", "Europe/Zurich", "2026-02-28T23:00:00Z", 31 * 96 - 4),
            ("2026-10", "Europe/Zurich", "2026-09-30T22:00:00Z", 31 * 96 + 4),
            ("2028-02", "Europe/Zurich", "2028-01-31T23:00:00Z", 29 * 96),
            ("2026-12", "Asia/Kathmandu", "2026-11-30T18:15:00Z", 31 * 96),
        ] {
            let Range { first: found, after } = range(month, zone, quarter).unwrap();
            assert_eq!((found.start_text().as_str(), after.since(found)), (first, Some(count)), "{month}, {zone}");
        }
    }

    #[test]
    fn days_of_changed_clocks_have_92_and_100_quarter_hours_each_with_a_text_of_its_own() {
        let zone: Zone = "Europe/Zurich".parse().unwrap();
        for (month, day, count) in [("2026-03", "2026-03-29", 92), ("2026-10", "2026-10-25", 100)] {
            let range = range(month, "Europe/Zurich", IntervalLength::Minutes15).unwrap();
            let all = std::iter::successors(Some(range.first), |of| of.next()).take_while(|of| range.holds(*of));
            let mut texts: Vec<String> =
                all.filter(|of| zone.day(*of).to_string() == day).map(|of| zone.text(of)).collect();
            assert_eq!(texts.len(), count, "{day}");
            texts.sort();
            texts.dedup();
            assert_eq!(texts.len(), count, "{day}");
        }
    }

    #[test]
    fn what_is_no_month_or_no_zone_is_named() {
        let length = IntervalLength::Minutes60;
        for month in
            ["", "2026", "2026-6", "2026-13", "2026-00", "+2026-06", "1969-12", "9999-01", "2026-06-01", "June"]
        {
            let error = range(month, "UTC", length).unwrap_err();
            assert_eq!(error, MonthError::NoMonth(month.into()));
        }
        for zone in ["", "Zurich", "../../etc/passwd", "UTC+1"] {
            assert_eq!(range("2026-06", zone, length).unwrap_err(), MonthError::NoTimeZone(UnknownZone(zone.into())));
        }
        let error = range("2026-06", "Asia/Kathmandu", length).unwrap_err().to_string();
        assert!(error.contains("2026-06 to begin and end with an interval of 60 minutes"), "{error}");
    }
}
