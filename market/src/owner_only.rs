//! What only its owner may read: key files, and the directories of what a program keeps.
//!
//! A key file holds a 32-byte seed as 64 lowercase hex digits and a newline. Its text is wiped from memory once it is read.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

use protocol::key::SecretKey;
use zeroize::Zeroizing;

const SEED_BYTES: usize = 32;

/// Why a key file cannot be used. One line that names the file; what is in it is not shown, it may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is no such file.
    #[error("expected a key file at {}, found none; make keys with `init`, or restore your own from a backup", .0.display())]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("key file {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Others than its owner may read or write it.
    #[error(
        "key file {}: expected that nobody but its owner may read or write it, found mode {mode:04o}; chmod 600 it, and \
         where others may have read it, replace the key",
        path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Its content is no key.
    #[error("key file {}: expected one line of 64 lowercase hex digits, found something else", .0.display())]
    Malformed(PathBuf),
}

/// Reads the secret key in a file that only its owner may read.
pub fn read_key(path: &Path) -> Result<SecretKey, KeyFileError> {
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => KeyFileError::Missing(path.into()),
        _ => KeyFileError::Io { path: path.into(), error },
    };
    let file = File::open(path).map_err(failed)?;
    if let Some(mode) = mode(&file.metadata().map_err(failed)?).filter(|mode| mode & 0o077 != 0) {
        return Err(KeyFileError::Open { path: path.into(), mode });
    }
    // As long as a key and its newline, and one byte more, so that nothing is moved while it is read.
    let mut text = Zeroizing::new(Vec::with_capacity(2 * SEED_BYTES + 2));
    file.take(2 * SEED_BYTES as u64 + 2).read_to_end(&mut text).map_err(failed)?;
    let digits = text.strip_suffix(b"\n").unwrap_or(&text);
    let mut seed = Zeroizing::new([0; SEED_BYTES]);
    let is_lowercase = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if !is_lowercase || hex::decode_to_slice(digits, &mut *seed).is_err() {
        return Err(KeyFileError::Malformed(path.into()));
    }
    Ok(SecretKey::from_seed(&seed))
}

/// Makes a directory, and those above it, where there is none; those that are made let in their owner alone.
pub fn create_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// What to say of a directory that lets in others than its owner; nothing where it does not.
pub fn warning(directory: &Path) -> Option<String> {
    let mode = mode(&fs::metadata(directory).ok()?).filter(|mode| mode & 0o077 != 0)?;
    Some(format!("{0} lets in others than its owner (mode {mode:04o}): chmod 700 {0}", directory.display()))
}

/// The permissions of a file; none where there are no such.
#[cfg(unix)]
fn mode(metadata: &fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    Some(metadata.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode(_: &fs::Metadata) -> Option<u32> {
    None
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn written(content: impl AsRef<[u8]>, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some.key");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn a_key_is_read_only_where_nobody_else_can_read_it() {
        let text = "0f".repeat(32) + "\n";
        for mode in [0o600, 0o400, 0o700] {
            let (_dir, path) = written(&text, mode);
            assert_eq!(read_key(&path).unwrap().seed(), [0x0f; 32]);
        }
        for mode in [0o666, 0o644, 0o640, 0o604, 0o620, 0o601] {
            let (_dir, path) = written(&text, mode);
            let error = read_key(&path).unwrap_err();
            assert!(matches!(error, KeyFileError::Open { .. }), "{mode:o}: {error}");
            assert!(error.to_string().contains("some.key") && error.to_string().contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        let digits = "ab".repeat(32);
        for content in
            ["", "ab", &digits.to_uppercase(), &"g".repeat(64), &format!("{digits} "), &format!("{digits}\n\n")]
        {
            let (_dir, path) = written(content, 0o600);
            let error = read_key(&path).unwrap_err();
            assert!(matches!(error, KeyFileError::Malformed(_)), "{content:?}: {error}");
            assert!(content.len() < 3 || !error.to_string().contains(content));
        }
        let (_dir, path) = written([0xff, 0xfe], 0o600);
        assert!(matches!(read_key(&path), Err(KeyFileError::Malformed(_))));
        assert!(matches!(read_key(&path.with_extension("lost")), Err(KeyFileError::Missing(_))));
    }

    #[test]
    fn a_directory_lets_in_its_owner_alone_and_one_that_does_not_is_told_of() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        create_directory(&path).unwrap();
        create_directory(&path).unwrap();
        for path in [&path, path.parent().unwrap()] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
            assert_eq!(warning(path), None);
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        create_directory(&path).unwrap();
        let told = warning(&path).unwrap();
        assert!(told.contains(&format!("chmod 700 {}", path.display())), "{told}");
    }
}
