//! Key files: a 32-byte seed as 64 lowercase hex digits and a newline, readable by their owner alone.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use protocol::{
    hash::{Hash, ParseError},
    key::SecretKey,
};

/// Why a key file cannot be used or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no such file.
    #[error("expected a key file at {0}, found none; `meter-agent init` makes keys, or restore your own from a backup")]
    Missing(PathBuf),
    /// There is one already: it is never overwritten.
    #[error("{0} exists already and is not overwritten: whoever loses a key loses the registration that goes with it")]
    Exists(PathBuf),
    /// It cannot be read or written.
    #[error("key file {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// Its content is no key. What was found is not shown: it may be a secret all the same.
    #[error("key file {0}: expected one line of 64 lowercase hex digits, found something else")]
    Malformed(PathBuf),
    /// The system has no randomness to give.
    #[error("no randomness for a new key: {0}")]
    Randomness(getrandom::Error),
}

/// Reads a key file.
pub fn read_key(path: &Path) -> Result<SecretKey, KeyError> {
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => KeyError::Missing(path.into()),
        ErrorKind::InvalidData => KeyError::Malformed(path.into()),
        _ => KeyError::Io { path: path.into(), error },
    })?;
    // A seed and a hash have the same text.
    let seed: Result<Hash, ParseError> = text.strip_suffix('\n').unwrap_or(&text).parse();
    match seed {
        Ok(seed) => Ok(SecretKey::from_seed(seed.as_bytes())),
        Err(_) => Err(KeyError::Malformed(path.into())),
    }
}

/// Makes a new key and its file, never over an existing one.
pub fn create_key(path: &Path) -> Result<SecretKey, KeyError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(KeyError::Randomness)?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        writeln!(file, "{}", Hash::from_bytes(seed))?;
        file.sync_all()
    });
    match written {
        Ok(()) => Ok(SecretKey::from_seed(&seed)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(KeyError::Exists(path.into())),
        Err(error) => Err(KeyError::Io { path: path.into(), error }),
    }
}

/// Whether others than the owner may read the file.
#[cfg(unix)]
pub(crate) fn is_readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// Whether others than the owner may read the file; unknown on this system.
#[cfg(not(unix))]
pub(crate) fn is_readable_by_others(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_once_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.key");
        assert!(matches!(read_key(&path), Err(KeyError::Missing(_))));
        let key = create_key(&path).unwrap();
        assert_eq!(read_key(&path).unwrap().public(), key.public());
        assert!(matches!(create_key(&path), Err(KeyError::Exists(_))));
        assert!(!is_readable_by_others(&path));
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.key");
        for content in ["", "ab", &"A".repeat(64), &"g".repeat(64), &format!("{} ", "a".repeat(64)), "\u{0}"] {
            fs::write(&path, content).unwrap();
            let error = read_key(&path).unwrap_err();
            assert!(matches!(error, KeyError::Malformed(_)), "{content:?}");
            assert!(content.len() < 3 || !error.to_string().contains(content));
        }
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(read_key(&path), Err(KeyError::Malformed(_))));
    }
}
