//! The list of alarms on disk, and acknowledgements on their way to the market.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};

use super::{
    list::{Acknowledged, AlarmName, Alarms, BY_CHARACTERS_MAX, is_a_name, name_in_alarms},
    notices::outbox::Outbox,
};
use crate::replace::replace;

/// Below the market's state directory.
pub const ALARMS_DIRECTORY: &str = "alarms";
const LIST: &str = "alarms.json";
/// Locked by the market as long as it runs.
const RUNNING: &str = "running";
/// Largest list that is read: twice what the longest one takes, bytes.
const LIST_BYTES_MAX: u64 = 4 * 1_024 * 1_024;
/// Largest acknowledgement, bytes.
const ACKNOWLEDGEMENT_BYTES_MAX: u64 = 1_024;

/// Why the list of alarms cannot be read or written, or an alarm not be acknowledged. One line.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The disk.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// What is there is no list.
    #[error("{}: expected a list of alarms, found {found}; move the file away, and the list begins anew", path.display())]
    NoList {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: String,
    },
    /// Nothing can be acknowledged under this name.
    #[error("expected an alarm that is on ({on}), found {name}")]
    NotOn {
        /// The name given.
        name: AlarmName,
        /// What is on.
        on: String,
    },
    /// The market has the list in its memory.
    #[error("{}: expected a market that is stopped, as it would write its alarms again, found it running; stop it", _0.display())]
    Running(PathBuf),
    /// That is nobody.
    #[error("--by: expected a name of 1 to {BY_CHARACTERS_MAX} printable characters, found `{0}`")]
    Nobody(String),
}

/// What the list's file holds: the alarms, and in the same write what of them is not told yet.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    #[serde(flatten)]
    pub(crate) alarms: Alarms,
    #[serde(default)]
    pub(crate) notices: Outbox,
}

/// Where the list of alarms is.
#[derive(Debug, Clone)]
pub struct Directory(PathBuf);

impl Directory {
    /// Below the market's state directory, which need not be there yet.
    pub fn of(state: &Path) -> Directory {
        Directory(state.join(ALARMS_DIRECTORY))
    }

    /// Reads the list; an empty one where there is none.
    pub fn read(&self) -> Result<Alarms, DirectoryError> {
        Ok(self.restore()?.alarms)
    }

    /// Reads all that is kept.
    pub(crate) fn restore(&self) -> Result<Kept, DirectoryError> {
        let path = self.0.join(LIST);
        let text = match read(&path, LIST_BYTES_MAX) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
            Err(error) => return Err(DirectoryError::Io { path, error }),
        };
        serde_json::from_slice(&text).map_err(|error| DirectoryError::NoList { path, found: error.to_string() })
    }

    /// Writes the list: afterwards the old one or the new one is there, also if the power fails.
    pub(crate) fn write(&self, kept: &Kept) -> Result<(), DirectoryError> {
        let text = serde_json::to_vec(kept).map_err(|error| self.error(LIST, error.into()))?;
        self.replace(LIST, &text)
    }

    /// Puts `pseudonym` in the place of a member's name, in alarms that are on or over and in what is not told yet;
    /// says in how many of them it was. A market that runs would write the name again, so there must be none.
    pub fn forget(&self, name: &str, pseudonym: &str) -> Result<usize, DirectoryError> {
        if !self.0.exists() {
            return Ok(0);
        }
        if self.is_occupied() == Some(true) {
            return Err(DirectoryError::Running(self.0.join(RUNNING)));
        }
        let _held = self.occupy();
        let mut kept = self.restore()?;
        let name = &name_in_alarms(name);
        let found = kept.alarms.forget(name, pseudonym) + kept.notices.forget(name, pseudonym);
        if found > 0 {
            self.write(&kept)?;
        }
        Ok(found)
    }

    /// Says that a market looks after the list, as long as the file is held. None where another one does, or the disk
    /// fails.
    pub(crate) fn occupy(&self) -> Option<File> {
        settings::owner_only::create_directory(&self.0).ok()?;
        let file = File::options().create(true).truncate(false).write(true).open(self.0.join(RUNNING)).ok()?;
        file.try_lock().ok().map(|()| file)
    }

    /// Whether a market looks after the list; none where that cannot be known.
    pub fn is_occupied(&self) -> Option<bool> {
        match File::open(self.0.join(RUNNING)).ok()?.try_lock_shared() {
            Ok(()) => Some(false),
            Err(TryLockError::WouldBlock) => Some(true),
            Err(TryLockError::Error(_)) => None,
        }
    }

    /// When the list changed last, seconds after the epoch; none where there is none.
    pub fn changed(&self) -> Option<i64> {
        let changed = fs::metadata(self.0.join(LIST)).and_then(|list| list.modified()).ok()?;
        i64::try_from(changed.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
    }

    /// Leaves for the market that somebody knows of an alarm which is on. `at` is the time, seconds after the epoch.
    pub fn acknowledge(&self, name: AlarmName, by: &str, at: i64) -> Result<(), DirectoryError> {
        if !is_a_name(by) {
            let found = by.chars().take(BY_CHARACTERS_MAX).collect::<String>().escape_debug().to_string();
            return Err(DirectoryError::Nobody(found));
        }
        let alarms = self.read()?;
        if !alarms.on().iter().any(|alarm| alarm.name == name) {
            let on: Vec<&str> = alarms.on().iter().map(|alarm| alarm.name.name()).collect();
            let on = if on.is_empty() { "none is".to_owned() } else { on.join(", ") };
            return Err(DirectoryError::NotOn { name, on });
        }
        let file = acknowledgement(name);
        let acknowledged = Acknowledged { by: by.trim().into(), at };
        let text = serde_json::to_vec(&acknowledged).map_err(|error| self.error(&file, error.into()))?;
        self.replace(&file, &text)
    }

    /// Takes what was left for the market: each of it once. What is none is removed, and said.
    pub(crate) fn take(&self) -> Vec<(AlarmName, Acknowledged)> {
        let mut taken = Vec::new();
        for name in AlarmName::ALL {
            let path = self.0.join(acknowledgement(*name));
            let read = match read(&path, ACKNOWLEDGEMENT_BYTES_MAX) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                read => read.and_then(|text| Ok(serde_json::from_slice::<Acknowledged>(&text)?)),
            };
            match fs::remove_file(&path).and(read) {
                Ok(acknowledged) => taken.push((*name, acknowledged)),
                Err(error) => tracing::warn!(path = %path.display(), %error, "an acknowledgement is not taken"),
            }
        }
        taken
    }

    fn replace(&self, name: &str, text: &[u8]) -> Result<(), DirectoryError> {
        let write = || {
            settings::owner_only::create_directory(&self.0)?;
            replace(&self.0.join(name), text, 0o600)
        };
        write().map_err(|error| self.error(name, error))
    }

    fn error(&self, name: &str, error: io::Error) -> DirectoryError {
        DirectoryError::Io { path: self.0.join(name), error }
    }
}

fn acknowledgement(name: AlarmName) -> String {
    format!("acknowledge-{name}.json")
}

/// Reads no more than a byte past what a file may have.
fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(bytes_max + 1).read_to_end(&mut text)?;
    if text.len() as u64 > bytes_max {
        return Err(io::Error::other(format!("expected at most {bytes_max} bytes, found more")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{list::Judgement, notices::Channel},
        *,
    };

    fn with_one() -> Kept {
        let mut kept = Kept::default();
        let (cause, action) = ("c".into(), "a".into());
        let raised = kept.alarms.judged(vec![Judgement { name: AlarmName::NoBlock, since: 100, cause, action }], 100);
        kept.notices.go_on(&[Channel::Mail], 20, &[], 100);
        kept.notices.take(&raised, 100);
        kept
    }

    #[test]
    fn what_is_on_is_acknowledged_once_and_anything_else_leaves_nothing() {
        let state = tempfile::tempdir().unwrap();
        let directory = Directory::of(state.path());
        assert_eq!(directory.read().unwrap(), Alarms::default());
        let error = directory.acknowledge(AlarmName::NoBlock, "ada", 7).unwrap_err().to_string();
        assert_eq!(error, "expected an alarm that is on (none is), found no_block");
        assert!(!directory.0.exists(), "nothing is written");

        directory.write(&with_one()).unwrap();
        let mut restored = directory.restore().unwrap();
        restored.notices.go_on(&[Channel::Mail], 20, restored.alarms.on(), 101);
        assert_eq!(restored, with_one(), "what waits to be told as well, and nothing twice");
        let error = directory.acknowledge(AlarmName::Unfit, "ada", 7).unwrap_err().to_string();
        assert_eq!(error, "expected an alarm that is on (no_block), found unfit");
        for nobody in ["", " ", "a\nb", &"a".repeat(81)] {
            let error = directory.acknowledge(AlarmName::NoBlock, nobody, 7).unwrap_err().to_string();
            assert!(error.starts_with("--by: expected a name of 1 to 80") && !error.contains('\n'), "{error}");
        }
        assert_eq!(directory.take(), []);
        directory.acknowledge(AlarmName::NoBlock, "ada", 7).unwrap();
        assert_eq!(directory.take(), [(AlarmName::NoBlock, Acknowledged { by: "ada".into(), at: 7 })]);
        assert_eq!(directory.take(), []);
    }

    #[test]
    fn whether_a_market_looks_after_the_list_is_known_by_who_holds_it() {
        let state = tempfile::tempdir().unwrap();
        let directory = Directory::of(state.path());
        assert_eq!((directory.is_occupied(), directory.changed()), (None, None), "no market was ever here");
        let held = directory.occupy().unwrap();
        assert_eq!(directory.is_occupied(), Some(true));
        assert!(directory.occupy().is_none(), "by one at a time");
        drop(held);
        assert_eq!(directory.is_occupied(), Some(false));
        directory.write(&with_one()).unwrap();
        assert!(directory.changed().is_some());
        assert!(directory.occupy().is_some(), "the next one");
    }

    #[test]
    fn what_is_no_list_or_acknowledgement_is_named_and_changes_nothing() {
        let state = tempfile::tempdir().unwrap();
        let directory = Directory::of(state.path());
        directory.write(&with_one()).unwrap();
        let list = directory.0.join(LIST);
        for (text, expected) in [("[]", "expected a list of alarms"), ("{\"on\":[],", "move the file away")] {
            fs::write(&list, text).unwrap();
            let error = directory.read().unwrap_err().to_string();
            assert!(error.contains("alarms.json") && error.contains(expected) && !error.contains('\n'), "{error}");
        }
        fs::write(&list, vec![b' '; LIST_BYTES_MAX as usize + 1]).unwrap();
        let error = directory.read().unwrap_err().to_string();
        assert!(error.contains("expected at most 4194304 bytes"), "{error}");

        let left = directory.0.join(acknowledgement(AlarmName::NoBlock));
        for text in ["{}".to_owned(), "x".repeat(2_000)] {
            fs::write(&left, text).unwrap();
            assert_eq!(directory.take(), []);
            assert!(!left.exists(), "it is not said every second");
        }
    }
}
