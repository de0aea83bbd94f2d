//! A moment by two clocks: one that only goes on, to measure how long something lasts, and UTC, to say since when.

use std::time::{Duration, Instant, SystemTime};

use protocol::interval::utc_text;

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    instant: Instant,
    /// Seconds since the epoch.
    utc_s: i64,
}

impl Moment {
    pub(crate) fn now() -> Moment {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Moment { instant: Instant::now(), utc_s: seconds(since_epoch) }
    }

    /// How long ago `earlier` was; zero if it is not earlier.
    pub(crate) fn since(self, earlier: Moment) -> Duration {
        self.instant.saturating_duration_since(earlier.instant)
    }

    /// The moment so long ago.
    pub(crate) fn before(self, age: Duration) -> Moment {
        Moment {
            instant: self.instant.checked_sub(age).unwrap_or(self.instant),
            utc_s: self.utc_s.saturating_sub(seconds(age)),
        }
    }

    /// Seconds of UTC since the epoch.
    pub(crate) fn utc_s(self) -> i64 {
        self.utc_s
    }

    /// Whole seconds of UTC, such as `2026-06-01T12:00:00Z`.
    pub(crate) fn text(self) -> String {
        utc_text(self.utc_s)
    }

    #[cfg(test)]
    pub(crate) fn after_s(self, later_s: u64) -> Moment {
        let later = Duration::from_secs(later_s);
        Moment { instant: self.instant + later, utc_s: self.utc_s + seconds(later) }
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
