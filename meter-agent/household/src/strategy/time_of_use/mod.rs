//! Limits by the time of day, as tariffs by the time of use have them: windows with limits of their own, and limits
//! for all other times.

mod window;

use protocol::{energy::Energy, money::Price, order::PriceLimits};
use serde::Deserialize;

use self::window::{Day, Window};
use super::{Situation, Strategy, Why, fixed::FixedLimits};
use crate::local_time::{DAY_MINUTES, LocalTime, WEEK_MINUTES};

/// What `[order]` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Whose clock on the wall counts: an IANA name; UTC without.
    #[serde(default)]
    time_zone: LocalTime,
    windows: Vec<Window>,
    // Outside of all windows.
    buy: Option<Price>,
    sell: Option<Price>,
    buy_cap_wh: Option<Energy>,
    sell_cap_wh: Option<Energy>,
}

/// Limits by the time of day. An interval is in the window in which it begins, by the clock on the wall.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Settings")]
pub struct TimeOfUse {
    time: LocalTime,
    windows: Vec<Window>,
    outside: PriceLimits,
}

/// Windows that make no sense. They are counted from 1, as they stand in the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum BadWindows {
    #[error("expected at least one window, found none; for the same limits at all times, `fixed` is the strategy")]
    None,
    #[error("window {0}: expected days from `mon` to `sun`, found none; leave `days` out for every day")]
    NoDay(usize),
    #[error("window {0}: expected that it begins before 24:00, found 24:00; write 00:00, and the day after in `days`")]
    BeginsAtTheEnd(usize),
    #[error(
        "window {number}: expected that it ends at another time than it begins, found {window}; for a whole day write \
         from 00:00 to 24:00"
    )]
    NoLength { number: usize, window: String },
    #[error(
        "window {number}: expected other limits than outside of all windows, found the same; change them, or leave the \
         window out"
    )]
    NoDifference { number: usize },
    #[error(
        "expected one window at a time, found windows {first} and {second} on {day:?} at {hours:02}:{minutes:02}; end \
         one where the other begins"
    )]
    Overlap { first: usize, second: usize, day: Day, hours: u32, minutes: u32 },
}

impl TryFrom<Settings> for TimeOfUse {
    type Error = BadWindows;

    fn try_from(settings: Settings) -> Result<TimeOfUse, BadWindows> {
        let Settings { time_zone: time, windows, buy, sell, buy_cap_wh, sell_cap_wh } = settings;
        let outside = FixedLimits { buy, sell, buy_cap_wh, sell_cap_wh }.into();
        if windows.is_empty() {
            return Err(BadWindows::None);
        }
        for (window, number) in windows.iter().zip(1..) {
            if window.days.is_empty() {
                return Err(BadWindows::NoDay(number));
            }
            if window.from.0 == DAY_MINUTES {
                return Err(BadWindows::BeginsAtTheEnd(number));
            }
            if window.length() == 0 {
                return Err(BadWindows::NoLength { number, window: window.to_string() });
            }
            if window.limits() == outside {
                return Err(BadWindows::NoDifference { number });
            }
        }
        overlap(&windows).map_or(Ok(TimeOfUse { time, windows, outside }), Err)
    }
}

/// The first minute of the week, from Monday on, that two windows hold.
fn overlap(windows: &[Window]) -> Option<BadWindows> {
    (0..WEEK_MINUTES).find_map(|minute| {
        let mut holding = windows.iter().zip(1..).filter(|(window, _)| window.holds(minute)).map(|(_, number)| number);
        let (first, second) = (holding.next()?, holding.next()?);
        let (day, minute) = (Day::ALL[(minute / DAY_MINUTES) as usize], minute % DAY_MINUTES);
        Some(BadWindows::Overlap { first, second, day, hours: minute / 60, minutes: minute % 60 })
    })
}

impl TimeOfUse {
    fn window(&self, situation: &Situation<'_>) -> Option<&Window> {
        let minute = self.time.minute_of_week(situation.interval);
        self.windows.iter().find(|window| window.holds(minute))
    }
}

impl Strategy for TimeOfUse {
    fn name(&self) -> &'static str {
        "time_of_use"
    }

    fn limits(&self, situation: &Situation<'_>) -> PriceLimits {
        self.window(situation).map_or(self.outside, Window::limits)
    }

    fn why(&self, situation: &Situation<'_>) -> Why {
        match self.window(situation) {
            Some(Window { from, to, .. }) => {
                Why::InWindow { from: from.to_string(), to: to.to_string(), time_zone: self.time.name().to_string() }
            }
            None => Why::OutsideWindows,
        }
    }
}

#[cfg(test)]
mod tests;
