//! A stretch of time, of which one may want to know something.

use protocol::interval::Interval;

/// From one moment to another; without one, from the beginning or to the end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Period {
    /// First moment, seconds after 1970.
    pub(crate) from_s: Option<i64>,
    /// First moment that is out again.
    pub(crate) to_s: Option<i64>,
}

impl Period {
    pub(crate) fn holds(&self, interval: Interval) -> bool {
        self.from_s.is_none_or(|from| interval.start_s() >= from) && self.to_s.is_none_or(|to| interval.start_s() < to)
    }
}
