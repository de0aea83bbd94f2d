//! The log of look-ups on disk: a line for each, which is there before the call is answered, and a key that signs how
//! many there are.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use access_log::{Accesses, ENTRIES_MAX, Log, LogError, Looked, Noted};
use protocol::{
    envelope::{ChainId, Signed},
    key::SecretKey,
    member::MemberId,
};
use settings::owner_only::{self, KeyFileError};

/// The directory of the log inside a node's state directory.
pub(super) const ACCESSES_DIRECTORY: &str = "accesses";
const LOG: &str = "log.jsonl";
const KEY: &str = "log.key";

/// Why there is no log of look-ups, or nothing can be written to it.
#[derive(Debug, thiserror::Error)]
pub enum AccessLogError {
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// The key of the log cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The system has no randomness for a key.
    #[error("no randomness for the key of the log of look-ups: {0}")]
    Randomness(getrandom::Error),
    /// What is there is no log.
    #[error("{}, {error}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, and what to do.
        error: LogError,
    },
    /// It has no room for more.
    #[error(
        "expected room in the log of look-ups, found {ENTRIES_MAX} in it: nothing is looked up that is not written down; the \
         node's operator can move `accesses` out of its state directory, which every household then sees"
    )]
    Full,
}

/// A node's log.
#[derive(Debug)]
pub(super) struct AccessLog {
    path: PathBuf,
    key: SecretKey,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    log: Log,
    file: File,
    /// Bytes of the file that are whole.
    written: u64,
    /// Lines that could not be written yet.
    unwritten: String,
}

impl Kept {
    /// Puts on the disk what is not there yet, after what is whole.
    fn write(&mut self) -> io::Result<()> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        self.file.set_len(self.written)?;
        self.file.write_all(self.unwritten.as_bytes())?;
        self.file.sync_data()?;
        self.written += self.unwritten.len() as u64;
        self.unwritten.clear();
        Ok(())
    }
}

impl AccessLog {
    /// Opens the log of a directory, which is made with a key of its own if it is not there.
    pub(super) fn open(directory: &Path) -> Result<AccessLog, AccessLogError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| AccessLogError::Io { path, error }
        };
        owner_only::create_directory(directory).map_err(at(directory))?;
        let (path, key_path) = (directory.join(LOG), directory.join(KEY));
        if !key_path.exists() {
            let (_, text) = owner_only::new_key().map_err(AccessLogError::Randomness)?;
            owner_only::write_new(&key_path, text.as_bytes()).map_err(at(&key_path))?;
        }
        let key = owner_only::read_key(&key_path)?;
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                owner_only::write_new(&path, b"").map_err(at(&path))?;
                String::new()
            }
            Err(error) => return Err(at(&path)(error)),
        };
        let (log, whole) = Log::read(&text).map_err(|error| AccessLogError::Damaged { path: path.clone(), error })?;
        let file = OpenOptions::new().append(true).open(&path).map_err(at(&path))?;
        file.set_len(whole as u64).map_err(at(&path))?;
        let kept = Kept { log, file, written: whole as u64, unwritten: String::new() };
        Ok(AccessLog { path, key, kept: Mutex::new(kept) })
    }

    pub(super) fn note(&self, at: i64, who: &str, role: &str, looked: Looked) -> Result<(), AccessLogError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.log.note(at, who, role, looked) {
            // Of what could not be written before, too, nothing is answered before it is.
            Noted::Known => {}
            Noted::Full => return Err(AccessLogError::Full),
            Noted::Line(line) => kept.unwritten.push_str(&line),
        }
        kept.write().map_err(|error| AccessLogError::Io { path: self.path.clone(), error })
    }

    /// The look-ups from `since` on that concern a member, and that the first `seen` are the beginning of all.
    pub(super) fn of(&self, chain: &ChainId, member: MemberId, (since, seen): (u64, u64), now: i64) -> Accesses {
        let log = &self.kept.lock().unwrap_or_else(PoisonError::into_inner).log;
        let (entries, next) = log.of(member, since);
        let head = Signed::sign(log.head(now), chain, &self.key);
        let consistency = log.consistency(seen).unwrap_or_default();
        Accesses { key: self.key.public(), head: (&head).into(), entries, next, consistency }
    }
}

#[cfg(test)]
mod tests {
    use access_log::{Call, Head};

    use super::*;

    #[test]
    fn a_log_is_there_again_and_a_line_that_was_cut_off_is_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let open = || AccessLog::open(directory.path()).unwrap();
        let note = |log: &AccessLog, at| log.note(at, "5f2c9a01", "read", Looked { call: Call::Members, member: None });
        let head = |log: &AccessLog| -> Head { log.kept.lock().unwrap().log.head(0) };
        let log = open();
        (0..3).for_each(|hour| note(&log, hour * 3_600).unwrap());
        let (before, key) = (head(&log), log.key.public());
        drop(log);
        let path = directory.path().join(LOG);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}{{\"hour\":\"19")).unwrap();
        let log = open();
        assert_eq!((head(&log), log.key.public()), (before, key));
        note(&log, 3 * 3_600).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 4);
        assert_eq!(head(&open()), head(&log));
        fs::write(&path, text.replacen("members", "member", 1)).unwrap();
        let error = AccessLog::open(directory.path()).unwrap_err().to_string();
        assert!(error.contains("log.jsonl, line 1: "), "{error}");
    }

    #[test]
    fn what_is_not_on_the_disk_is_not_answered_and_written_with_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let log = AccessLog::open(directory.path()).unwrap();
        let path = directory.path().join(LOG);
        let note = |hour: i64| log.note(hour * 3_600, "5f2c9a01", "read", Looked { call: Call::Members, member: None });
        note(0).unwrap();
        let writable = std::mem::replace(&mut log.kept.lock().unwrap().file, File::open(&path).unwrap());
        // Not even when the same is asked again, which is in the log by now.
        for _ in 0..2 {
            assert!(matches!(note(1), Err(AccessLogError::Io { .. })));
        }
        log.kept.lock().unwrap().file = writable;
        note(1).unwrap();
        note(2).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
        assert_eq!(
            AccessLog::open(directory.path()).unwrap().kept.lock().unwrap().log.head(0),
            log.kept.lock().unwrap().log.head(0)
        );
    }
}
