//! The household's key files.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use protocol::key::SecretKey;
use settings::{
    owner_only::{self, KeyFileError},
    secret::SecretFile,
};

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
    /// It is a service's credential, which systemd hands out to be read.
    #[error(
        "expected a key in a file, to write it, found credential:{0}; name a file in `agent.toml` for this command, and \
         encrypt the credential from it afterwards (systemd-creds encrypt)"
    )]
    Credential(String),
    /// The system has no randomness to give.
    #[error("no randomness for a new key: {0}")]
    Randomness(getrandom::Error),
}

/// Reads a key, from a file which only its owner may read or from a service's credential.
pub fn read_key(key: &SecretFile) -> Result<SecretKey, KeyError> {
    Ok(key.read_key()?)
}

/// The file of a key that is to be written.
pub(crate) fn file_of(key: SecretFile) -> Result<PathBuf, KeyError> {
    match key {
        SecretFile::At(path) => Ok(path),
        SecretFile::Credential(name) => Err(KeyError::Credential(name)),
    }
}

/// Makes a new key and its file, never over an existing one.
pub fn create_key(path: &Path) -> Result<SecretKey, KeyError> {
    let (key, text) = owner_only::new_key().map_err(KeyError::Randomness)?;
    write_secret(path, text.as_bytes())?;
    Ok(key)
}

/// Writes a file that only its owner may read, and that is on the disk when this returns; never over an existing one.
pub(crate) fn write_secret(path: &Path, content: &[u8]) -> Result<(), KeyError> {
    owner_only::write_new(path, content).map_err(|error| match error.kind() {
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
        assert!(matches!(read_key(&SecretFile::At(path.clone())), Err(KeyError::Unusable(KeyFileError::Missing(_)))));
        let key = create_key(&path).unwrap();
        assert_eq!(read_key(&SecretFile::At(path.clone())).unwrap().public(), key.public());
        assert!(matches!(create_key(&path), Err(KeyError::Exists(_))));
    }
}
