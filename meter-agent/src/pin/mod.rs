//! The PIN that the page asks for before it changes anything. It is set in a terminal of this machine, so that only who
//! may read the state can give the page one.
//!
//! In: what somebody entered. Out: whether it is the PIN, or why it was not looked at. Guessing is slow: each guess is
//! hashed with [scrypt](kept), and after some wrong ones none is looked at for a time that [grows](attempts).
//! How many were wrong is on the disk, and a restart begins the pause anew, so that neither is of use to who guesses.

mod attempts;
mod kept;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tokio::sync::Mutex;
use zeroize::Zeroizing;

use self::kept::Kept;
pub(crate) use self::kept::PinFileError;

/// Fewest characters of a PIN.
pub(crate) const CHARACTERS_MIN: usize = 6;
/// Most characters of a PIN.
pub(crate) const CHARACTERS_MAX: usize = 64;
/// Digits of one that is drawn.
const DRAWN_DIGITS: usize = 8;

/// Why somebody may change nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PinRefusal {
    /// No PIN is set.
    NotSet,
    /// It is another. So many more may be wrong before there is a pause.
    Wrong {
        /// 0 if there is one now.
        left: u32,
    },
    /// Too many were wrong: none is looked at before so much time has passed.
    Paused(Duration),
    /// What is kept of it cannot be read or written, in words for the log.
    Unusable(String),
}

/// Sets the PIN of the household whose state is in this directory, in the place of any other; a pause is over.
pub(crate) fn set(state: &Path, pin: &str) -> Result<(), PinFileError> {
    Kept::new(pin)?.write(state)
}

/// Takes the PIN away; whether there was one.
pub(crate) fn remove(state: &Path) -> Result<bool, PinFileError> {
    Kept::remove(state)
}

/// Whether a PIN is set.
pub(crate) fn is_set(state: &Path) -> bool {
    state.join(kept::FILE).exists()
}

/// Draws a PIN of digits.
pub(crate) fn draw() -> Result<Zeroizing<String>, getrandom::Error> {
    let numbers = 10u32.pow(DRAWN_DIGITS as u32);
    loop {
        let drawn = getrandom::u32()?;
        // The rest would make some numbers likelier than others.
        if drawn < u32::MAX / numbers * numbers {
            return Ok(Zeroizing::new(format!("{:0DRAWN_DIGITS$}", drawn % numbers)));
        }
    }
}

/// Where the PIN is asked for.
#[derive(Debug)]
pub(crate) struct PinDoor {
    state: PathBuf,
    /// Since when a pause lasts: the last wrong PIN, or the start. One guess at a time: each takes memory.
    since: Mutex<Instant>,
}

impl PinDoor {
    pub(crate) fn new(state: PathBuf) -> PinDoor {
        PinDoor { state, since: Mutex::new(Instant::now()) }
    }

    /// Whether a PIN is set.
    pub(crate) fn has_pin(&self) -> bool {
        is_set(&self.state)
    }

    /// Whether this is the PIN.
    pub(crate) async fn open(&self, pin: Zeroizing<String>) -> Result<(), PinRefusal> {
        let mut since = self.since.lock().await;
        let (state, passed) = (self.state.clone(), since.elapsed());
        let tried = tokio::task::spawn_blocking(move || attempt(&state, passed, &pin)).await;
        let tried = tried.unwrap_or_else(|error| Err(PinRefusal::Unusable(error.to_string())));
        if let Err(PinRefusal::Wrong { .. }) = tried {
            *since = Instant::now();
        }
        tried
    }
}

/// Looks at a PIN, so much time after the last wrong one.
fn attempt(state: &Path, passed: Duration, pin: &str) -> Result<(), PinRefusal> {
    let unusable = |error: PinFileError| PinRefusal::Unusable(error.to_string());
    let mut kept = Kept::read(state).map_err(unusable)?.ok_or(PinRefusal::NotSet)?;
    if let Some(left) = attempts::paused(kept.wrong, passed) {
        return Err(PinRefusal::Paused(left));
    }
    kept.wrong = kept.wrong.saturating_add(1);
    kept.write(state).map_err(unusable)?;
    if !kept.is_of(pin).map_err(unusable)? {
        return Err(PinRefusal::Wrong { left: attempts::left(kept.wrong) });
    }
    kept.wrong = 0;
    kept.write(state).map_err(unusable)
}

#[cfg(test)]
mod tests {
    use super::{attempts::WRONG_MAX, *};

    const LONG: Duration = Duration::from_secs(100_000);

    #[test]
    fn after_too_many_wrong_pins_the_right_one_is_not_looked_at_either_until_the_pause_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path();
        assert_eq!(attempt(state, LONG, "27182818"), Err(PinRefusal::NotSet));
        set(state, "27182818").unwrap();
        let guess = |passed| attempt(state, passed, "00000000");
        for left in [4, 3] {
            assert_eq!(guess(Duration::ZERO), Err(PinRefusal::Wrong { left }));
        }
        assert_eq!(attempt(state, Duration::ZERO, "27182818"), Ok(()));
        for left in [4, 3, 2, 1, 0] {
            assert_eq!(guess(Duration::ZERO), Err(PinRefusal::Wrong { left }), "the right one begins anew");
        }
        let paused = |minutes: u64| Err(PinRefusal::Paused(Duration::from_secs(60 * minutes)));
        // Nothing that is asked in a pause makes it longer, or the household could be kept out for good.
        for _ in 0..2 {
            assert_eq!(attempt(state, Duration::ZERO, "27182818"), paused(1));
        }
        assert_eq!(guess(LONG), Err(PinRefusal::Wrong { left: 0 }));
        assert_eq!(attempt(state, Duration::ZERO, "27182818"), paused(2));
        assert_eq!(attempt(state, LONG, "27182818"), Ok(()));
        assert_eq!(attempt(state, Duration::ZERO, "27182818"), Ok(()));
    }

    #[test]
    fn a_pin_that_cannot_be_counted_is_not_looked_at_and_a_new_one_ends_a_pause() {
        let dir = tempfile::tempdir().unwrap();
        set(dir.path(), "27182818").unwrap();
        // In the way of the draft is a directory, which nobody removes.
        let draft = crate::state_file::draft(&dir.path().join(kept::FILE));
        std::fs::create_dir(&draft).unwrap();
        let refused = attempt(dir.path(), LONG, "27182818").unwrap_err();
        assert!(matches!(&refused, PinRefusal::Unusable(why) if why.contains(kept::FILE)), "{refused:?}");
        std::fs::remove_dir(draft).unwrap();
        for _ in 0..WRONG_MAX {
            attempt(dir.path(), LONG, "00000000").unwrap_err();
        }
        set(dir.path(), "31415926").unwrap();
        assert_eq!(attempt(dir.path(), Duration::ZERO, "31415926"), Ok(()));
        assert!(remove(dir.path()).unwrap() && !is_set(dir.path()));
    }

    #[test]
    fn a_drawn_pin_has_eight_digits_and_is_another_each_time() {
        let drawn: Vec<_> = (0..3).map(|_| draw().unwrap()).collect();
        assert!(drawn.iter().all(|pin| pin.len() == DRAWN_DIGITS && pin.bytes().all(|byte| byte.is_ascii_digit())));
        // By chance they are all the same once in 10^16.
        assert!(drawn[0] != drawn[1] || drawn[1] != drawn[2]);
    }
}
