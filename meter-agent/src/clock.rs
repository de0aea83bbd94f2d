//! Whether this machine's clock lets an interval be signed. Pure: the time is a parameter.

use protocol::interval::{Interval, utc_text};

use crate::source::MeterClock;

/// Most that this machine's clock may be behind the market's, s.
pub(crate) const CLOCK_SKEW_S_MAX: i64 = 60;
/// No clock that was ever set shows less: 2025-01-01T00:00:00Z. Without NTP a Raspberry Pi boots in the past.
pub(crate) const CLOCK_S_MIN: i64 = 1_735_689_600;

/// Why nothing is signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClockFault {
    /// The clock was never set.
    #[error(
        "this machine's clock was never set: expected a time after 2025, found {}; wait for NTP, or set it",
        utc_text(*.0)
    )]
    NotSet(i64),
    /// The market asks for an interval that has not ended here.
    #[error(
        "the market asks for {open}, which by this machine's clock ends in {early_s} s: one of the two clocks is wrong"
    )]
    NotEnded {
        /// The interval asked for.
        open: Interval,
        /// How much too early.
        early_s: i64,
    },
    /// The clock ran backwards by more than it may.
    #[error("this machine's clock jumped back by {0} s")]
    JumpedBack(i64),
}

/// Checks that a meter on `clock` may sign `open` at `now_s`, having last signed at `last_s`.
pub(crate) fn may_sign(clock: MeterClock, open: Interval, now_s: i64, last_s: i64) -> Result<(), ClockFault> {
    if clock == MeterClock::Market {
        return Ok(());
    }
    if now_s < CLOCK_S_MIN {
        return Err(ClockFault::NotSet(now_s));
    }
    if last_s - now_s > CLOCK_SKEW_S_MAX {
        return Err(ClockFault::JumpedBack(last_s - now_s));
    }
    let early_s = open.end_s() - now_s;
    if early_s > CLOCK_SKEW_S_MAX { Err(ClockFault::NotEnded { open, early_s }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_signs_nothing_and_says_why() {
        let open: Interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
        let end = open.end_s();
        let cases = [
            (MeterClock::Real, end, 0, Ok(())),
            (MeterClock::Real, end - 60, 0, Ok(())),
            (MeterClock::Real, end + 86_400, 0, Ok(())),
            (MeterClock::Real, end - 600, 0, Err(ClockFault::NotEnded { open, early_s: 600 })),
            (MeterClock::Real, 12, 0, Err(ClockFault::NotSet(12))),
            (MeterClock::Real, end, end + 3_600, Err(ClockFault::JumpedBack(3_600))),
            // A recording follows the market, whatever the time is here.
            (MeterClock::Market, 12, end, Ok(())),
        ];
        for (clock, now_s, last_s, expected) in cases {
            assert_eq!(may_sign(clock, open, now_s, last_s), expected, "{clock:?} at {now_s}");
        }
    }
}
