//! What is kept of a PIN: a slow hash of it, and how many wrong ones came in a row.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use protocol::hash::Hash;
use scrypt::Params;
use serde::{Deserialize, Serialize};
use settings::owner_only::{SecretError, read_secret};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::state_file;

/// The file, in the state directory.
pub(crate) const FILE: &str = "page.pin";
const FORMAT: u32 = 1;
/// Of format 1: 16 MiB of memory, which an agent has to spare, and five passes over it, as much work as OWASP asks for
/// with so little memory (Password Storage Cheat Sheet, scrypt).
const LOG_N: u8 = 14;
const R: u32 = 8;
const P: u32 = 5;

/// Why nothing is known of a PIN, or nothing can be kept of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PinFileError {
    /// There is one, and it cannot be used.
    #[error("{}: {error}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: SecretError,
    },
    /// It is something else.
    #[error("{}: expected what `meter-agent pin` writes, found something else; set the PIN again", .0.display())]
    Malformed(PathBuf),
    /// It cannot be written.
    #[error("{}: {error}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The system has no randomness to give, or too little memory.
    #[error("the PIN cannot be hashed: {0}")]
    Hash(String),
}

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    format: u32,
    salt: Hash,
    hash: Hash,
    /// Wrong ones in a row. It is written before a PIN is looked at, so that no power cut takes one back.
    pub(super) wrong: u32,
}

impl Kept {
    /// Of a new PIN.
    pub(super) fn new(pin: &str) -> Result<Kept, PinFileError> {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(|error| PinFileError::Hash(error.to_string()))?;
        let salt = Hash::from_bytes(salt);
        Ok(Kept { format: FORMAT, salt, hash: hashed(pin, &salt)?, wrong: 0 })
    }

    /// Whether it is of this PIN.
    pub(super) fn is_of(&self, pin: &str) -> Result<bool, PinFileError> {
        let found = hashed(pin, &self.salt)?;
        Ok(found.as_bytes().ct_eq(self.hash.as_bytes()).into())
    }

    /// What is kept in a state directory; none where no PIN is set.
    pub(super) fn read(state: &Path) -> Result<Option<Kept>, PinFileError> {
        let path = state.join(FILE);
        let text = match read_secret(&path) {
            Err(SecretError::Io(error)) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(PinFileError::Unusable { path, error }),
            Ok(text) => text,
        };
        let kept = toml::from_slice::<Kept>(&text).ok().filter(|kept| kept.format == FORMAT);
        kept.map(Some).ok_or(PinFileError::Malformed(path))
    }

    /// Keeps it; on the disk when this returns.
    pub(super) fn write(&self, state: &Path) -> Result<(), PinFileError> {
        let path = state.join(FILE);
        let text = toml::to_string(self).map_err(io::Error::other);
        let written = text.and_then(|text| state_file::replace(&path, true, |_| Ok(text.into_bytes())));
        written.map_err(|error| PinFileError::Unwritable { path, error })
    }

    /// Keeps nothing any more; whether there was something.
    pub(super) fn remove(state: &Path) -> Result<bool, PinFileError> {
        let path = state.join(FILE);
        let was_there = path.exists();
        let removed = state_file::remove(&path, true);
        removed.map(|()| was_there).map_err(|error| PinFileError::Unwritable { path, error })
    }
}

fn hashed(pin: &str, salt: &Hash) -> Result<Hash, PinFileError> {
    let failed = |error: String| PinFileError::Hash(error);
    let params = Params::new(LOG_N, R, P, 32).map_err(|error| failed(error.to_string()))?;
    let mut hash = Zeroizing::new([0; 32]);
    scrypt::scrypt(pin.as_bytes(), salt.as_bytes(), &params, &mut *hash).map_err(|error| failed(error.to_string()))?;
    Ok(Hash::from_bytes(*hash))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_pin_is_known_again_and_what_is_kept_does_not_show_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Kept::read(dir.path()).unwrap(), None);
        let kept = Kept { wrong: 3, ..Kept::new("27182818").unwrap() };
        kept.write(dir.path()).unwrap();
        let read = Kept::read(dir.path()).unwrap().unwrap();
        assert_eq!(read, kept);
        assert!(read.is_of("27182818").unwrap() && !read.is_of("27182819").unwrap() && !read.is_of("").unwrap());
        let text = fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert!(!text.contains("27182818"), "{text}");
        let other = Kept::new("27182818").unwrap();
        assert_ne!((other.salt, other.hash), (kept.salt, kept.hash), "each has a salt of its own");
        assert!(Kept::remove(dir.path()).unwrap() && !Kept::remove(dir.path()).unwrap());
    }

    #[test]
    fn what_is_no_pin_or_open_to_others_is_named_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let good = toml::to_string(&Kept::new("27182818").unwrap()).unwrap();
        for text in [String::new(), good.replace("format = 1", "format = 2"), good.replace("wrong", "right")] {
            state_file::replace(&path, false, |_| Ok(text.clone().into_bytes())).unwrap();
            let error = Kept::read(dir.path()).unwrap_err().to_string();
            assert!(error.contains(FILE) && error.contains("set the PIN again"), "{text}: {error}");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::write(&path, good).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            let error = Kept::read(dir.path()).unwrap_err().to_string();
            assert!(error.contains("mode 0640"), "{error}");
        }
    }
}
