//! How often a meter is asked that says nothing by itself.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often a device is asked, s. Less often, and the sample could be too far from an interval's end; and who is
/// waited for longer than this counts as silent.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u64")]
pub(crate) struct Poll(u64);

impl Default for Poll {
    fn default() -> Poll {
        Poll(10)
    }
}

impl TryFrom<u64> for Poll {
    type Error = String;

    fn try_from(seconds: u64) -> Result<Poll, String> {
        if (1..=15).contains(&seconds) {
            return Ok(Poll(seconds));
        }
        Err(format!("expected `poll_s` from 1 to 15, found {seconds}; without it, it is {}", Poll::default().0))
    }
}

impl Poll {
    /// The first tick comes at once.
    pub(crate) fn ticks(self) -> Interval {
        let mut ticks = interval(Duration::from_secs(self.0));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    }
}
