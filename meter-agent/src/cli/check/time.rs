//! Whether this machine's clock is right: by itself, by what sets it, and by the meter's own.

use std::{path::Path, process::Command};

use protocol::interval::utc_text;

use crate::clock::CLOCK_S_MIN;

/// Made by systemd-timesyncd, once it has set the clock.
const TIMESYNCD: &str = "/run/systemd/timesync/synchronized";
/// Most that the meter's clock may be ahead, s. Behind it may be by as much as its values come late, of which the
/// sampler refuses what is too much.
const AHEAD_S_MAX: i64 = 5;

/// What is known of the clock without asking anybody.
pub(super) fn plausible(now_s: i64) -> Result<String, String> {
    if now_s >= CLOCK_S_MIN {
        Ok(format!("clock plausible: {}", utc_text(now_s)))
    } else {
        Err(format!("clock never set: expected a time after 2025, found {}; set up NTP", utc_text(now_s)))
    }
}

/// What keeps the clock says of it; nothing where that cannot be asked.
pub(super) fn synchronised() -> Option<Result<String, String>> {
    if Path::new(TIMESYNCD).exists() {
        return Some(Ok("clock set by NTP".into()));
    }
    let asked = Command::new("timedatectl").args(["show", "-p", "NTPSynchronized", "--value"]).output().ok()?;
    judged(asked.status.success(), &String::from_utf8_lossy(&asked.stdout))
}

fn judged(has_answered: bool, answer: &str) -> Option<Result<String, String>> {
    match answer.trim() {
        "yes" if has_answered => Some(Ok("clock set by NTP".into())),
        "no" if has_answered => Some(Err(
            "expected a clock that NTP sets, found one that nothing does: readings are of the wrong moment once it drifts; \
             `timedatectl set-ntp true`, and see that this machine reaches the internet"
                .into(),
        )),
        _ => None,
    }
}

/// The meter's clock beside this one, which it is so many seconds ahead of: it knows nothing of any network.
pub(super) fn beside_the_meters(ahead_s: i64) -> Result<String, String> {
    match ahead_s {
        0 => Ok("clock agrees with the meter's own".into()),
        ..0 => Ok(format!("clock agrees with the meter's own, or its values come {} s late", ahead_s.unsigned_abs())),
        1..=AHEAD_S_MAX => Ok(format!("clock agrees with the meter's own, which is {ahead_s} s ahead")),
        _ => Err(format!(
            "expected the meter's own clock at most {AHEAD_S_MAX} s ahead of this machine's, found {ahead_s} s: one of them is \
             wrong; set this one by NTP, and where it is the meter's, write meter_time = false in [source]"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sets_the_clock_is_believed_and_silence_is_no_news() {
        assert!(judged(true, "yes\n").unwrap().is_ok());
        assert!(judged(true, "no\n").unwrap().unwrap_err().contains("timedatectl set-ntp true"));
        for (has_answered, answer) in [(false, "no\n"), (true, ""), (false, "")] {
            assert_eq!(judged(has_answered, answer), None);
        }
    }

    #[test]
    fn a_clock_is_held_against_the_meters() {
        assert_eq!(beside_the_meters(0).unwrap(), "clock agrees with the meter's own");
        assert!(beside_the_meters(-20).unwrap().ends_with("come 20 s late"));
        assert!(beside_the_meters(5).unwrap().ends_with("5 s ahead"));
        assert!(beside_the_meters(6).unwrap_err().contains("found 6 s: one of them is wrong; set this one by NTP"));
        assert!(plausible(0).unwrap_err().contains("1970-01-01"));
    }
}
