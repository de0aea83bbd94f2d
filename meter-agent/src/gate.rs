//! How far an announcement of the market is believed. Pure: the time is a parameter.
//!
//! Announcements are unsigned: whoever reaches the broker can announce any interval, and retain it. But the validators
//! settle one interval after the other, and receipts prove how far they are. So an announcement is believed as far as
//! the latest receipt bears it out, and some way beyond, because receipts come after the announcement of the next
//! interval, and not at all while a household is away. A meter on this machine's clock is read as intervals end by it,
//! whatever is announced, and also where nothing is.

use protocol::interval::Interval;

use crate::{clock::CLOCK_S_MIN, source::MeterClock};

/// Most intervals beyond what is borne out that a recording is read ahead: a day of quarter hours, so that who was away
/// for a day catches up in one go, and who believed a forged announcement has read no more than that too early.
pub(crate) const AHEAD_MAX: i64 = 96;
/// Most intervals beyond what is borne out from which an order may stand. One that stands from next year on would leave
/// the household without any until then.
pub(crate) const ORDERS_AHEAD_MAX: i64 = 8;
/// An interval so far beyond what is borne out can be open by now: the one before may be settled and its receipt on its
/// way.
const OPEN_MAX: i64 = 2;

/// How far the time of the market has come for sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Horizon {
    borne_out: Interval,
}

impl Horizon {
    /// Of a household whose latest receipt is of `settled`, or whose first interval comes after `before_first`, with a
    /// meter on `clock`, at `now_s` seconds after 1970.
    pub(crate) fn of(before_first: Interval, settled: Option<Interval>, clock: MeterClock, now_s: i64) -> Horizon {
        let proved = settled.map_or(before_first, |settled| settled.max(before_first));
        let ended = match clock {
            MeterClock::Market => None,
            // A clock that was never set says nothing.
            MeterClock::Real if now_s < CLOCK_S_MIN => None,
            MeterClock::Real => Interval::containing(now_s, before_first.length()).and_then(|now| now.offset(-1)),
        };
        Horizon { borne_out: ended.map_or(proved, |ended| ended.max(proved)) }
    }

    /// The interval up to which the meter is read, where `announced` is said to be open, or none is.
    pub(crate) fn open(self, announced: Option<Interval>, clock: MeterClock) -> Option<Interval> {
        match clock {
            // Where the market is ahead of it, one of the two clocks is wrong: then [nothing](crate::clock) is signed.
            MeterClock::Real => Some(announced.map_or(self.borne_out, |announced| announced.max(self.borne_out))),
            MeterClock::Market => announced
                .map(|announced| self.borne_out.offset(AHEAD_MAX).map_or(announced, |most| announced.min(most))),
        }
    }

    /// Whether an order may be signed that stands from `announced` on.
    pub(crate) fn allows_orders_from(self, announced: Interval) -> bool {
        announced.since(self.borne_out).is_some_and(|ahead| ahead <= ORDERS_AHEAD_MAX)
    }

    /// Whether `interval` can be open by now.
    pub(crate) fn may_be_open(self, interval: Interval) -> bool {
        interval.since(self.borne_out).is_some_and(|ahead| ahead <= OPEN_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(count: i64) -> Interval {
        "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(count).unwrap()
    }

    #[test]
    fn an_announcement_is_believed_as_far_as_receipts_bear_it_out_and_a_day_beyond() {
        let far = "9000-01-01T00:00:00Z/PT15M".parse().unwrap();
        for (settled, announced, expected) in [
            // The first start: no receipt yet.
            (None, interval(0), interval(0)),
            (None, interval(95), interval(95)),
            (None, far, interval(95)),
            // Receipts are on their way, or a day of them was missed.
            (Some(interval(10)), interval(11), interval(11)),
            (Some(interval(10)), interval(106), interval(106)),
            (Some(interval(10)), interval(107), interval(106)),
            (Some(interval(10)), far, interval(106)),
            // What is over is over.
            (Some(interval(10)), interval(3), interval(3)),
            // A receipt of before the registration bears out nothing else.
            (Some(interval(-9)), far, interval(95)),
        ] {
            let horizon = Horizon::of(interval(-1), settled, MeterClock::Market, 0);
            let open = horizon.open(Some(announced), MeterClock::Market);
            assert_eq!(open, Some(expected), "{settled:?}, {announced}");
        }
        let horizon = Horizon::of(interval(-1), Some(interval(10)), MeterClock::Market, i64::MAX);
        assert_eq!(horizon.open(None, MeterClock::Market), None, "nobody says how far the market's time has come");
    }

    #[test]
    fn a_meter_on_this_machines_clock_is_read_as_intervals_end_whatever_is_announced() {
        let now_s = interval(50).end_s() + 7;
        for (announced, expected) in [
            (None, interval(50)),
            (Some(interval(3)), interval(50)),
            (Some(interval(50)), interval(50)),
            (Some(interval(51)), interval(51)),
        ] {
            let horizon = Horizon::of(interval(-1), Some(interval(20)), MeterClock::Real, now_s);
            assert_eq!(horizon.open(announced, MeterClock::Real), Some(expected), "{announced:?}");
        }
        let never_set = Horizon::of(interval(-1), Some(interval(20)), MeterClock::Real, 12);
        assert_eq!(never_set.open(None, MeterClock::Real), Some(interval(20)), "what is settled was read");
    }

    #[test]
    fn orders_stand_from_soon_on_by_receipts_or_by_the_clock() {
        let now_s = interval(50).end_s() + 7;
        for (settled, clock, now_s, borne_out) in [
            (None, MeterClock::Market, now_s, interval(-1)),
            (Some(interval(20)), MeterClock::Market, now_s, interval(20)),
            (Some(interval(20)), MeterClock::Real, now_s, interval(50)),
            (Some(interval(60)), MeterClock::Real, now_s, interval(60)),
            // Never set.
            (Some(interval(20)), MeterClock::Real, 12, interval(20)),
        ] {
            let horizon = Horizon::of(interval(-1), settled, clock, now_s);
            assert_eq!(horizon, Horizon { borne_out }, "{settled:?}, {clock:?}");
            let at = |ahead| borne_out.offset(ahead).unwrap();
            assert!(
                horizon.allows_orders_from(at(ORDERS_AHEAD_MAX))
                    && !horizon.allows_orders_from(at(ORDERS_AHEAD_MAX + 1))
            );
            assert!(
                horizon.may_be_open(at(OPEN_MAX))
                    && horizon.may_be_open(at(-3))
                    && !horizon.may_be_open(at(OPEN_MAX + 1))
            );
        }
        let exactly = Horizon::of(interval(-1), None, MeterClock::Real, interval(50).end_s());
        assert_eq!(exactly, Horizon { borne_out: interval(50) }, "an interval has ended when the next one begins");
    }
}
