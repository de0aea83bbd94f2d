//! Files that are either there in full or not at all, whenever the program is killed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use protocol::key::SecretKey;
use settings::owner_only;

use super::StateError;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Whoever the directory lets in.
    Everyone,
    /// The owner alone: it holds a secret.
    Owner,
}

/// Writes `content` to `path`: first beside it, then in one step over it.
pub(super) fn write(path: &Path, content: &[u8], readers: Readers) -> Result<(), StateError> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = Path::new(&draft);
    write_draft(draft, content, readers)
        .and_then(|()| fs::rename(draft, path))
        .map_err(|error| StateError::unwritable(path, error))
}

fn write_draft(draft: &Path, content: &[u8], readers: Readers) -> io::Result<()> {
    // A draft of an earlier attempt may have other permissions.
    match fs::remove_file(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = create(draft, readers)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(unix)]
fn create(path: &Path, readers: Readers) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mode = match readers {
        Readers::Everyone => 0o644,
        Readers::Owner => 0o600,
    };
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

#[cfg(not(unix))]
fn create(path: &Path, _: Readers) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Creates a directory that lets in its owner alone, and those above it, if they are not there.
pub(super) fn create_directory(path: &Path) -> Result<(), StateError> {
    owner_only::create_directory(path).map_err(|error| StateError::unwritable(path, error))
}

/// Removes a directory with all that is in it, if it is there.
pub(super) fn remove_directory(path: &Path) -> Result<(), StateError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StateError::unwritable(path, error)),
        _ => Ok(()),
    }
}

/// Random bytes of the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], StateError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| StateError::NoRandomness(error.to_string()))?;
    Ok(bytes)
}

/// Reads the secret key at `path`.
pub(super) fn read_key(path: &Path) -> Result<SecretKey, StateError> {
    owner_only::read_key(path).map_err(|error| StateError::unreadable(path, io::Error::other(error)))
}

/// Makes a secret key and stores it at `path`.
pub(super) fn new_key(path: &Path) -> Result<SecretKey, StateError> {
    let (key, text) = owner_only::new_key().map_err(|error| StateError::NoRandomness(error.to_string()))?;
    write(path, text.as_bytes(), Readers::Owner)?;
    Ok(key)
}
