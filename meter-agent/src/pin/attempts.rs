//! How often a PIN may be guessed. Pure.

use std::time::Duration;

/// Wrong PINs in a row after which none is accepted for a while.
pub(crate) const WRONG_MAX: u32 = 5;
/// How long after the first of them; twice as long after each more.
const PAUSE: Duration = Duration::from_secs(60);
/// The longest pause: a PIN of eight digits then outlasts every meter.
const PAUSE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// How long no PIN is accepted any more, when so many in a row were wrong and so much time has passed since the last of
/// them, or since the agent was started; none if one is.
pub(super) fn paused(wrong: u32, passed: Duration) -> Option<Duration> {
    let more = wrong.checked_sub(WRONG_MAX)?;
    let pause = PAUSE.saturating_mul(1u32.checked_shl(more).unwrap_or(u32::MAX)).min(PAUSE_MAX);
    pause.checked_sub(passed).filter(|left| !left.is_zero())
}

/// How many more may be wrong before there is a pause.
pub(super) fn left(wrong: u32) -> u32 {
    WRONG_MAX.saturating_sub(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_with_each_wrong_pin_up_to_a_day_and_ends() {
        let minutes = |wrong| paused(wrong, Duration::ZERO).map(|pause| pause.as_secs() / 60);
        let expected = [None, None, None, None, None, Some(1), Some(2), Some(4), Some(8), Some(16)];
        assert_eq!(std::array::from_fn(|wrong| minutes(wrong as u32)), expected);
        // 2^10 minutes are less than a day, 2^11 more.
        assert_eq!([15, 16, 36, 37, u32::MAX].map(minutes), [1_024, 1_440, 1_440, 1_440, 1_440].map(Some));
        let passed = |s| paused(WRONG_MAX, Duration::from_secs(s));
        assert_eq!([passed(59), passed(60), passed(61)], [Some(Duration::from_secs(1)), None, None]);
        assert_eq!([left(0), left(4), left(5), left(9)], [5, 1, 0, 0]);
    }
}
