//! Why what a device says gives no registers, by name.

use protocol::limits::REGISTER_WH_MAX;

/// Most characters of what was found that are quoted.
const FOUND_CHARS_MAX: usize = 64;

/// Why there is no sample in what a device said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// A value is not there, or is what the device shows where it has none.
    #[error("expected a value in {0}, found none")]
    Absent(String),
    /// A value is something else.
    #[error("expected a number in {at}, found `{found}`")]
    NoNumber {
        /// Where.
        at: String,
        /// What was there, cut.
        found: String,
    },
    /// Less than nothing.
    #[error(
        "the {register} register is negative ({found}): a device with one counter for both directions cannot be used, \
         since the community needs both registers"
    )]
    Negative {
        /// Import or export.
        register: &'static str,
        /// What it shows.
        found: String,
    },
    /// More than a register can show.
    #[error("the {0} register shows more than {REGISTER_WH_MAX} Wh")]
    TooLarge(&'static str),
    /// A unit that is none of energy or power.
    #[error("expected the unit {expected} in {at}, found `{found}`")]
    Unit {
        /// What can be used.
        expected: &'static str,
        /// Where.
        at: String,
        /// What was there, cut.
        found: String,
    },
    /// A time that is none.
    #[error("expected a time in {at}, found `{found}`")]
    NoTime {
        /// Where.
        at: String,
        /// What was there, cut.
        found: String,
    },
}

/// What was found, so far as it is quoted.
pub(crate) fn cut(found: &str) -> String {
    found.chars().take(FOUND_CHARS_MAX).collect::<String>().escape_debug().to_string()
}
