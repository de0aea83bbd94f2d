//! Market time: intervals of 5, 15, 30 or 60 minutes, always UTC, named by their start.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Serialize};

use crate::text::{ParseError, serde_as_text};

/// How long an interval is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub enum IntervalLength {
    /// Five minutes.
    Minutes5,
    /// A quarter of an hour: what European markets settle.
    Minutes15,
    /// Half an hour.
    Minutes30,
    /// An hour.
    Minutes60,
}

impl IntervalLength {
    /// Minutes.
    pub const fn minutes(self) -> u32 {
        match self {
            IntervalLength::Minutes5 => 5,
            IntervalLength::Minutes15 => 15,
            IntervalLength::Minutes30 => 30,
            IntervalLength::Minutes60 => 60,
        }
    }

    /// Seconds.
    pub const fn seconds(self) -> i64 {
        self.minutes() as i64 * 60
    }
}

impl From<IntervalLength> for u32 {
    fn from(length: IntervalLength) -> u32 {
        length.minutes()
    }
}

impl TryFrom<u32> for IntervalLength {
    type Error = ParseError;

    fn try_from(minutes: u32) -> Result<IntervalLength, ParseError> {
        match minutes {
            5 => Ok(IntervalLength::Minutes5),
            15 => Ok(IntervalLength::Minutes15),
            30 => Ok(IntervalLength::Minutes30),
            60 => Ok(IntervalLength::Minutes60),
            _ => Err(ParseError::new("an interval of 5, 15, 30 or 60 minutes", &minutes.to_string())),
        }
    }
}

/// One market time unit. Text: `2026-06-01T12:00:00Z/PT15M` (ISO 8601 start and duration).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    start_s: i64,
    length: IntervalLength,
}

const INTERVAL_EXPECTED: &str = "an interval such as 2026-06-01T12:00:00Z/PT15M, aligned to its length";
/// 9999-01-01T00:00:00Z: every interval before it has a four-digit year and a next one.
const START_S_MAX: i64 = 253_370_764_800;

impl Interval {
    /// The interval that starts at `start_s` seconds after 1970-01-01T00:00:00Z; `None` if that is not a multiple of
    /// its length, or outside the years 1970 to 9998.
    pub const fn new(start_s: i64, length: IntervalLength) -> Option<Interval> {
        if start_s >= 0 && start_s < START_S_MAX && start_s % length.seconds() == 0 {
            Some(Interval { start_s, length })
        } else {
            None
        }
    }

    /// The interval that holds the moment `time_s`, in seconds after the epoch.
    pub const fn containing(time_s: i64, length: IntervalLength) -> Option<Interval> {
        Interval::new(time_s - time_s.rem_euclid(length.seconds()), length)
    }

    /// Start, in seconds after 1970-01-01T00:00:00Z.
    pub const fn start_s(self) -> i64 {
        self.start_s
    }

    /// End, in seconds after 1970-01-01T00:00:00Z; where the next interval starts.
    pub const fn end_s(self) -> i64 {
        self.start_s + self.length.seconds()
    }

    /// How long it is.
    pub const fn length(self) -> IntervalLength {
        self.length
    }

    /// The interval `count` after this one (before, if negative).
    pub fn offset(self, count: i64) -> Option<Interval> {
        let shift = count.checked_mul(self.length.seconds())?;
        Interval::new(self.start_s.checked_add(shift)?, self.length)
    }

    /// The interval after this one; `None` only at the end of the year 9998.
    pub fn next(self) -> Option<Interval> {
        self.offset(1)
    }

    /// How many intervals lie from `earlier` to this one; `None` if their lengths differ.
    pub fn since(self, earlier: Interval) -> Option<i64> {
        (self.length == earlier.length).then(|| (self.start_s - earlier.start_s) / self.length.seconds())
    }

    /// The start as ISO 8601, `2026-06-01T12:00:00Z`.
    pub fn start_text(self) -> String {
        match Timestamp::from_second(self.start_s) {
            Ok(start) => start.to_string(),
            Err(error) => unreachable!("a start below {START_S_MAX} s is a timestamp: {error}"),
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.start_text();
        match self.length {
            IntervalLength::Minutes60 => write!(f, "{start}/PT1H"),
            length => write!(f, "{start}/PT{}M", length.minutes()),
        }
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Interval {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Interval, ParseError> {
        let error = || ParseError::new(INTERVAL_EXPECTED, text);
        let (start, duration) = text.split_once('/').ok_or_else(error)?;
        let length = match duration {
            "PT5M" => IntervalLength::Minutes5,
            "PT15M" => IntervalLength::Minutes15,
            "PT30M" => IntervalLength::Minutes30,
            "PT1H" => IntervalLength::Minutes60,
            _ => return Err(error()),
        };
        let start = parse_utc(start)?;
        let interval = Interval::new(start, length).ok_or_else(error)?;
        // One spelling each, so that a changed letter is a changed (or refused) value.
        if interval.to_string() == text { Ok(interval) } else { Err(error()) }
    }
}

/// Reads an ISO 8601 moment in UTC (`2026-06-01T12:00:00Z`) in whole seconds after the epoch.
pub fn parse_utc(text: &str) -> Result<i64, ParseError> {
    let error = || ParseError::new("a UTC time such as 2026-06-01T12:00:00Z", text);
    let timestamp: Timestamp = text.parse().map_err(|_| error())?;
    if text.ends_with('Z') && timestamp.subsec_nanosecond() == 0 { Ok(timestamp.as_second()) } else { Err(error()) }
}

/// A moment, in seconds after 1970-01-01T00:00:00Z, as ISO 8601 in UTC: what [`parse_utc`] reads.
pub fn utc_text(time_s: i64) -> String {
    // Only years that have more than four digits are none of those.
    Timestamp::from_second(time_s).map_or_else(|_| format!("{time_s} s after 1970"), |time| time.to_string())
}

serde_as_text!(Interval, "Start in UTC and length, such as 2026-06-01T12:00:00Z/PT15M");

impl<C> Encode<C> for Interval {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.array(2)?.i64(self.start_s)?.u32(self.length.minutes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Interval {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        if d.array()? != Some(2) {
            return Err(decode::Error::message("an interval is an array of start and minutes"));
        }
        let start_s = d.i64()?;
        let length = IntervalLength::try_from(d.u32()?).map_err(decode::Error::message)?;
        Interval::new(start_s, length)
            .ok_or_else(|| decode::Error::message("an interval starts at a multiple of its length"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_for_one_interval() {
        for text in ["2026-06-01T12:00:00Z/PT15M", "1970-01-01T00:00:00Z/PT1H", "9998-12-31T23:55:00Z/PT5M"] {
            assert_eq!(text.parse::<Interval>().unwrap().to_string(), text);
        }
        for text in [
            "2026-06-01T12:01:00Z/PT15M",
            "2026-06-01T12:00:00z/PT15M",
            "2026-06-01 12:00:00Z/PT15M",
            "2026-06-01T14:00:00+02:00/PT15M",
            "2026-06-01T12:00:00Z/PT60M",
            "2026-06-01T12:00:00.5Z/PT15M",
            "9999-01-01T00:00:00Z/PT15M",
            "",
        ] {
            assert!(text.parse::<Interval>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_moment_is_written_as_it_is_read() {
        for text in ["1970-01-01T00:00:00Z", "2026-11-28T21:33:16Z", "1969-12-31T23:59:59Z", "9999-12-30T22:00:00Z"] {
            assert_eq!(utc_text(parse_utc(text).unwrap()), text);
        }
        for time_s in [i64::MIN, i64::MAX] {
            assert_eq!(utc_text(time_s), format!("{time_s} s after 1970"));
        }
    }

    #[test]
    fn a_day_of_clock_change_has_96_quarter_hours_in_utc() {
        let first: Interval = "2026-10-25T00:00:00Z/PT15M".parse().unwrap();
        let last: Interval = "2026-10-26T00:00:00Z/PT15M".parse().unwrap();
        assert_eq!(last.since(first), Some(96));
        assert_eq!(first.offset(96), Some(last));
    }
}
