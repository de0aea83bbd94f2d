//! The gate: when an interval opens, when it closes. Pure: the time and what was read are handed in.
//!
//! An interval closes when every device was read for it, or `gate_delay` after it opened. It never closes before some
//! device was heard of at all: a market that is cut off from its agents waits for them instead of settling nothing.
//!
//! In a replay it may be known beforehand how many devices will not be read. For these nothing waits: what their
//! absence would take is market time, and that is what a replay paces.

use std::sync::Arc;

use protocol::interval::Interval;

/// What paces market time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pace {
    /// An interval opens when it has ended by UTC.
    Utc,
    /// An interval opens when the one before is settled.
    Replay {
        /// Least time from one opening to the next, ms.
        interval_ms: u64,
        /// The last interval to open.
        until: Option<Interval>,
        /// From when on, in seconds after the epoch and ascending, how many devices will not be read.
        unread: Arc<[(i64, usize)]>,
    },
}

impl Pace {
    /// How many devices will not be read for an interval, as far as that is known.
    fn unread(&self, interval: Interval) -> usize {
        let Pace::Replay { unread, .. } = self else { return 0 };
        let begun = unread.partition_point(|(from_s, _)| *from_s <= interval.start_s());
        begun.checked_sub(1).map_or(0, |last| unread[last].1)
    }
}

/// The time, twice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// Monotonic: milliseconds since the market started.
    pub(crate) ms: u64,
    /// UTC: seconds since the epoch.
    pub(crate) utc_s: i64,
}

/// What was read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Read {
    /// Devices read for the open interval.
    pub(crate) devices: usize,
    /// Devices there are.
    pub(crate) expected: usize,
    /// Whether any reading waits to be settled, of whatever interval.
    pub(crate) any: bool,
}

/// What the market has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing yet.
    Wait,
    /// Announce the interval.
    Open(Interval),
    /// Freeze the book of the interval, and clear it.
    Close(Interval),
    /// The last interval is settled.
    Finish,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The ledger was not heard of yet.
    Unknown,
    Next(Interval),
    Open {
        interval: Interval,
        since_ms: u64,
    },
    Closed {
        interval: Interval,
        since_ms: u64,
    },
    Finished,
}

/// The gate of the market.
#[derive(Debug)]
pub(crate) struct Gate {
    pace: Pace,
    delay_ms: u64,
    phase: Phase,
    opened_ms: Option<u64>,
}

/// UTC can be set while the market runs: it is looked at again after this time at the latest.
const UTC_LOOK_MS: u64 = 1_000;

impl Gate {
    pub(crate) fn new(pace: Pace, delay_ms: u64) -> Gate {
        Gate { pace, delay_ms, phase: Phase::Unknown, opened_ms: None }
    }

    /// The ledger says that `interval` is the next to be settled. If it is the one just closed, its settlement did not
    /// make it to the ledger: it is open again.
    pub(crate) fn next(&mut self, next: Interval) {
        self.phase = match self.phase {
            Phase::Open { interval, since_ms } | Phase::Closed { interval, since_ms } if interval == next => {
                Phase::Open { interval, since_ms }
            }
            _ => Phase::Next(next),
        };
    }

    /// The interval that is open.
    pub(crate) fn open(&self) -> Option<Interval> {
        match self.phase {
            Phase::Open { interval, .. } => Some(interval),
            _ => None,
        }
    }

    /// What there is to do now; to be asked again until it says to wait.
    pub(crate) fn step(&mut self, now: Now, read: Read) -> Step {
        match self.phase {
            Phase::Next(interval) if self.is_past_the_last(interval) => {
                self.phase = Phase::Finished;
                Step::Finish
            }
            Phase::Next(interval) if self.opens_in_ms(interval, now) == 0 => {
                self.phase = Phase::Open { interval, since_ms: now.ms };
                self.opened_ms = Some(now.ms);
                Step::Open(interval)
            }
            Phase::Open { interval, since_ms } => {
                let late = now.ms.saturating_sub(since_ms) >= self.delay_ms;
                let awaited = read.expected.saturating_sub(self.pace.unread(interval));
                if read.devices < awaited && !(late && read.any) {
                    return Step::Wait;
                }
                self.phase = Phase::Closed { interval, since_ms };
                Step::Close(interval)
            }
            Phase::Unknown | Phase::Next(_) | Phase::Closed { .. } | Phase::Finished => Step::Wait,
        }
    }

    /// In how many milliseconds the time alone can change what there is to do.
    pub(crate) fn due_in_ms(&self, now: Now, read: Read) -> Option<u64> {
        match self.phase {
            Phase::Next(interval) => Some(self.opens_in_ms(interval, now)),
            Phase::Open { since_ms, .. } if read.any => {
                Some(since_ms.saturating_add(self.delay_ms).saturating_sub(now.ms))
            }
            // Nobody was heard of: no time is late enough.
            Phase::Open { .. } => None,
            Phase::Unknown | Phase::Closed { .. } | Phase::Finished => None,
        }
    }

    fn is_past_the_last(&self, interval: Interval) -> bool {
        matches!(&self.pace, Pace::Replay { until: Some(until), .. } if interval > *until)
    }

    fn opens_in_ms(&self, interval: Interval, now: Now) -> u64 {
        match self.pace {
            Pace::Utc if interval.end_s() <= now.utc_s => 0,
            Pace::Utc => UTC_LOOK_MS,
            Pace::Replay { interval_ms, .. } => {
                self.opened_ms.map_or(0, |opened_ms| opened_ms.saturating_add(interval_ms).saturating_sub(now.ms))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now { ms, utc_s: 0 }
    }

    fn replay(interval_ms: u64, until: Option<Interval>) -> Pace {
        Pace::Replay { interval_ms, until, unread: Arc::new([]) }
    }

    fn read(devices: usize, any: bool) -> Read {
        Read { devices, expected: 3, any }
    }

    fn interval(number: i64) -> Interval {
        "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(number).unwrap()
    }

    #[test]
    fn an_open_interval_closes_when_all_are_read_or_when_it_is_late_and_someone_was() {
        for (ms, devices, any, expected) in [
            (0, 0, false, Step::Wait),
            (99, 2, true, Step::Wait),
            (0, 3, true, Step::Close(interval(0))),
            (100, 2, true, Step::Close(interval(0))),
            (100, 0, true, Step::Close(interval(0))),
            (100, 0, false, Step::Wait),
            (u64::MAX, 0, false, Step::Wait),
        ] {
            let mut gate = Gate::new(replay(0, None), 100);
            gate.next(interval(0));
            assert_eq!(gate.step(at(0), read(0, false)), Step::Open(interval(0)));
            assert_eq!(gate.step(at(ms), read(devices, any)), expected, "{ms} {devices} {any}");
        }
    }

    #[test]
    fn where_nobody_is_a_member_an_interval_closes_as_soon_as_it_opens() {
        let mut gate = Gate::new(Pace::Utc, 100);
        let nobody = Read { devices: 0, expected: 0, any: false };
        gate.next(interval(0));
        let now = Now { ms: 0, utc_s: interval(0).end_s() };
        assert_eq!(gate.step(now, nobody), Step::Open(interval(0)));
        assert_eq!(gate.step(now, nobody), Step::Close(interval(0)));
    }

    #[test]
    fn a_replay_keeps_its_pace_and_ends_after_the_last_interval() {
        let mut gate = Gate::new(replay(50, Some(interval(1))), 100);
        assert_eq!(gate.step(at(0), read(3, true)), Step::Wait, "the ledger was not heard of");
        gate.next(interval(0));
        assert_eq!(gate.step(at(7), read(0, false)), Step::Open(interval(0)));
        assert_eq!(gate.due_in_ms(at(7), read(0, true)), Some(100));
        assert_eq!(gate.due_in_ms(at(107), read(0, true)), Some(0), "it is late by now");
        assert_eq!(gate.due_in_ms(at(107), read(0, false)), None, "it is never late");
        assert_eq!(gate.step(at(10), read(3, true)), Step::Close(interval(0)));
        assert_eq!(gate.step(at(10), read(3, true)), Step::Wait, "it is being settled");
        gate.next(interval(1));
        assert_eq!(gate.step(at(56), read(0, false)), Step::Wait);
        assert_eq!(gate.due_in_ms(at(56), read(0, false)), Some(1));
        assert_eq!(gate.step(at(57), read(0, false)), Step::Open(interval(1)));
        assert_eq!(gate.step(at(58), read(3, true)), Step::Close(interval(1)));
        gate.next(interval(2));
        assert_eq!(gate.step(at(58), read(0, false)), Step::Finish);
        assert_eq!(gate.step(at(999), read(0, false)), Step::Wait);
    }

    #[test]
    fn a_replay_waits_for_nobody_of_whom_it_is_known_that_nothing_comes() {
        let unread = Arc::new([(interval(1).start_s(), 1), (interval(3).start_s(), 3), (interval(4).start_s(), 0)]);
        let mut gate = Gate::new(Pace::Replay { interval_ms: 0, until: None, unread }, 100);
        for (number, devices) in [(0, 3), (1, 2), (2, 2), (3, 0), (4, 3)] {
            gate.next(interval(number));
            assert_eq!(gate.step(at(0), read(0, false)), Step::Open(interval(number)));
            if devices > 0 {
                assert_eq!(gate.step(at(0), read(devices - 1, true)), Step::Wait, "{number}");
            }
            assert_eq!(gate.step(at(0), read(devices, devices > 0)), Step::Close(interval(number)), "{number}");
        }
        // One who was expected to be away and is read takes nobody's place.
        gate.next(interval(1));
        assert_eq!(gate.step(at(0), read(3, true)), Step::Open(interval(1)));
        assert_eq!(gate.step(at(0), read(3, true)), Step::Close(interval(1)));
    }

    #[test]
    fn by_utc_an_interval_opens_when_it_has_ended() {
        let mut gate = Gate::new(Pace::Utc, 100);
        gate.next(interval(0));
        let now = |utc_s| Now { ms: 0, utc_s };
        assert_eq!(gate.step(now(interval(0).end_s() - 1), read(3, true)), Step::Wait);
        assert_eq!(gate.due_in_ms(now(interval(0).end_s() - 1), read(0, false)), Some(1_000));
        assert_eq!(gate.step(now(interval(0).end_s()), read(0, false)), Step::Open(interval(0)));
    }

    #[test]
    fn an_interval_whose_settlement_was_refused_is_open_again() {
        let mut gate = Gate::new(replay(1_000, None), 100);
        gate.next(interval(0));
        assert_eq!(gate.step(at(0), read(3, true)), Step::Open(interval(0)));
        assert_eq!(gate.step(at(0), read(3, true)), Step::Close(interval(0)));
        assert_eq!(gate.open(), None);
        gate.next(interval(0));
        assert_eq!(gate.open(), Some(interval(0)));
        assert_eq!(gate.step(at(1), read(3, true)), Step::Close(interval(0)));
    }
}
