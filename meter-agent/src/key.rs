//! The household's key files.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use protocol::key::SecretKey;
use settings::owner_only::{self, KeyFileError};

/// Why a key file cannot be used or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read.
    #[error(transparent)]
    Unusable(#[from] KeyFileError),
    /// There is one already: it is never overwritten.
    #[error("{0} exists already and is not overwritten: whoever loses a key loses the registration that goes with it")]
    Exists(PathBuf),
    /// It cannot be written.
    #[error("key file {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The system has no randomness to give.
    #[error("no randomness for a new key: {0}")]
    Randomness(getrandom::Error),
}

/// Reads a key file, which only its owner may read.
pub fn read_key(path: &Path) -> Result<SecretKey, KeyError> {
    Ok(owner_only::read_key(path)?)
}

/// Makes a new key and its file, never over an existing one.
pub fn create_key(path: &Path) -> Result<SecretKey, KeyError> {
    let (key, text) = owner_only::new_key().map_err(KeyError::Randomness)?;
    write_secret(path, text.as_bytes())?;
    Ok(key)
}

/// Writes a file that only its owner may read, and that is on the disk when this returns; never over an existing one.
pub(crate) fn write_secret(path: &Path, content: &[u8]) -> Result<(), KeyError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => KeyError::Exists(path.into()),
        _ => KeyError::Io { path: path.into(), error },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_once_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.key");
        assert!(matches!(read_key(&path), Err(KeyError::Unusable(KeyFileError::Missing(_)))));
        let key = create_key(&path).unwrap();
        assert_eq!(read_key(&path).unwrap().public(), key.public());
        assert!(matches!(create_key(&path), Err(KeyError::Exists(_))));
    }
}
