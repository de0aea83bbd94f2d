//! Why a sample is no reading, by name.

use protocol::interval::utc_text;

/// Why a sample is not used, in words that stay the same as long as the reason does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// Zero after something else: what a meter shows while it starts.
    #[error("the {register} register is 0 after {before_wh} Wh: that is no reading")]
    Zero {
        /// Import or export.
        register: &'static str,
        /// What it showed before, Wh.
        before_wh: u64,
    },
    /// Less than before.
    #[error(
        "the {register} register went back from {before_wh} Wh to {found_wh} Wh: a meter that was replaced, or that \
         counts from 0 again, has to be registered anew by your operator"
    )]
    WentBack {
        /// Import or export.
        register: &'static str,
        /// What it showed before, Wh.
        before_wh: u64,
        /// What it shows now, Wh.
        found_wh: u64,
    },
    /// More than the connection carries.
    #[error("the registers went on by {found_wh} Wh, where the rated power gives at most {most_wh} Wh in that time")]
    Step {
        /// The larger of both steps, Wh.
        found_wh: u64,
        /// What rated power and time allow, Wh.
        most_wh: u64,
    },
    /// The counters stand still while power flows.
    #[error(
        "the registers have not moved since {}, although the meter says that power flows: is it broken, or locked?",
        utc_text(*.since_s)
    )]
    Frozen {
        /// When they moved last, seconds after 1970.
        since_s: i64,
    },
    /// Another meter.
    #[error(
        "expected the meter with the serial number {expected}, found {found}: an exchanged meter has to be registered \
         anew by your operator"
    )]
    Exchanged {
        /// The number before.
        expected: String,
        /// The number now.
        found: String,
    },
    /// A value of before.
    #[error(
        "what comes is {age_s} s old by the meter's own clock: either it is an old value, or one of the two clocks is \
         wrong; a meter's wrong clock is passed over with `meter_time = false`"
    )]
    Stale {
        /// How old, s.
        age_s: i64,
    },
    /// A value of later.
    #[error(
        "the meter's own clock is {ahead_s} s ahead of this machine's: one of the two is wrong; a meter's wrong clock \
         is passed over with `meter_time = false`"
    )]
    Ahead {
        /// By how much, s.
        ahead_s: i64,
    },
    /// There is no connection.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// What comes is not what a meter says.
    #[error("what comes cannot be used: {0}")]
    Unusable(String),
}

impl Refusal {
    /// Whether it is for the same reason, whatever the numbers are.
    pub(super) fn is_like(&self, other: &Refusal) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// Why a meter has no reading, although its time has come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Silence {
    /// Something is wrong with what it shows, or with the way to it.
    #[error("no reading since {}: {refusal}", utc_text(*.since_s))]
    Refused {
        /// When it was last well, seconds after 1970.
        since_s: i64,
        /// The first of its kind.
        refusal: Refusal,
    },
    /// Nothing comes.
    #[error("the meter is silent since {}; check its cable, and whether its port is switched on", utc_text(*.0))]
    Silent(i64),
}
