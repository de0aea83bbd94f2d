//! A window of the day: from when to when, on which days.

use std::fmt;

use protocol::{energy::Energy, money::Price, order::PriceLimits};
use serde::Deserialize;

use super::super::fixed::FixedLimits;
use crate::local_time::{DAY_MINUTES, WEEK_MINUTES};

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    pub(super) const ALL: [Day; 7] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];
}

/// Minutes after midnight, up to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct TimeOfDay(pub(super) u32);

/// A text that is no time of day.
#[derive(Debug, thiserror::Error)]
#[error("expected a time of day from 00:00 to 24:00 such as 06:30, found `{0}`")]
pub(super) struct NoTimeOfDay(String);

impl TryFrom<String> for TimeOfDay {
    type Error = NoTimeOfDay;

    fn try_from(text: String) -> Result<TimeOfDay, NoTimeOfDay> {
        let two_digits = |digits: &str| {
            let is_number = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<u32>().ok().filter(|_| is_number)
        };
        let minutes = text.split_once(':').and_then(|(hours, minutes)| {
            let minutes = two_digits(minutes).filter(|minutes| *minutes < 60)?;
            Some(two_digits(hours)? * 60 + minutes)
        });
        let found = minutes.filter(|minutes| *minutes <= DAY_MINUTES);
        found.map(TimeOfDay).ok_or_else(|| NoTimeOfDay(text.chars().take(80).collect()))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// A window as it is configured: limits of its own for some time of some days. What it does not limit is not limited
/// in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Window {
    /// When it begins, by the clock on the wall.
    pub(super) from: TimeOfDay,
    /// When it ends: on the next day, if that is not after `from`.
    pub(super) to: TimeOfDay,
    /// The days on which it begins.
    #[serde(default = "every_day")]
    pub(super) days: Vec<Day>,
    buy: Option<Price>,
    sell: Option<Price>,
    buy_cap_wh: Option<Energy>,
    sell_cap_wh: Option<Energy>,
}

fn every_day() -> Vec<Day> {
    Day::ALL.to_vec()
}

impl Window {
    pub(super) fn limits(&self) -> PriceLimits {
        let Window { buy, sell, buy_cap_wh, sell_cap_wh, .. } = *self;
        FixedLimits { buy, sell, buy_cap_wh, sell_cap_wh }.into()
    }

    /// How long it is, in minutes of the clock on the wall; 0 where it ends when it begins.
    pub(super) fn length(&self) -> u32 {
        let (TimeOfDay(from), TimeOfDay(to)) = (self.from, self.to);
        if from <= to { to - from } else { to + DAY_MINUTES - from }
    }

    /// The minutes of the week at which it begins.
    pub(super) fn begins(&self) -> impl Iterator<Item = u32> {
        self.days.iter().map(|day| *day as u32 * DAY_MINUTES + self.from.0)
    }

    /// Whether it holds a minute of the week.
    pub(super) fn holds(&self, minute: u32) -> bool {
        self.begins().any(|begins| (minute + WEEK_MINUTES - begins) % WEEK_MINUTES < self.length())
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {} to {}", self.from, self.to)
    }
}
