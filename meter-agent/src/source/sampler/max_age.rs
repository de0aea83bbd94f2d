//! How far from an interval's end a sample may be.

use serde::Deserialize;

/// Half the time between samples of a meter that sends one a minute.
const USUAL_S: u32 = 30;
/// Longest that may be configured, s: the shortest intervals have 300.
const LONGEST_S: u32 = 300;

/// Most time between an interval's end and its sample, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub(crate) struct MaxAge(u32);

impl MaxAge {
    pub(crate) fn seconds(self) -> i64 {
        self.0.into()
    }
}

impl Default for MaxAge {
    fn default() -> MaxAge {
        MaxAge(USUAL_S)
    }
}

impl TryFrom<u32> for MaxAge {
    type Error = String;

    fn try_from(seconds: u32) -> Result<MaxAge, String> {
        if (1..=LONGEST_S).contains(&seconds) {
            return Ok(MaxAge(seconds));
        }
        Err(format!("expected `max_age_s` from 1 to {LONGEST_S}, found {seconds}; without it, it is {USUAL_S}"))
    }
}
