//! What only its owner may read: files of secrets, keys among them, and the directories of what a program keeps.
//!
//! A key file holds a 32-byte seed as 64 lowercase hex digits and a newline. Its text is wiped from memory once it is
//! read or written, as that of every secret is.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use protocol::key::SecretKey;
use zeroize::Zeroizing;

const SEED_BYTES: usize = 32;
/// Most bytes of a secret: far more than any private key has.
const SECRET_BYTES_MAX: u64 = 64 * 1_024;

/// Why a file with a secret cannot be used. What is in it is not shown; whoever says this names the file.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Others than its owner may read or write it.
    #[error(
        "expected that nobody but its owner may read or write it, found mode {0:04o}; chmod 600 it, and where others may \
         have read it, replace it"
    )]
    Open(u32),
    /// It is a service's credential, and the program was started by somebody who hands out none.
    #[error(
        "expected the directory of credentials in $CREDENTIALS_DIRECTORY, found none; have systemd start the program with \
         LoadCredential={0}:FILE, or name a file"
    )]
    NoCredentials(String),
    /// It is longer than any secret.
    #[error("expected at most {SECRET_BYTES_MAX} bytes, found more")]
    TooLong,
}

/// Why a key file cannot be used. One line that names the file; what is in it is not shown, it may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is no such file.
    #[error("expected a key file at {}, found none; make keys with `init`, or restore your own from a backup", .0.display())]
    Missing(PathBuf),
    /// It cannot be read, or others may.
    #[error("key file {}: {error}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: SecretError,
    },
    /// Its content is no key.
    #[error("key file {}: expected one line of 64 lowercase hex digits, found something else", .0.display())]
    Malformed(PathBuf),
}

/// Reads a file with a secret, which only its owner may read. What was read is wiped when it is dropped.
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    read_closed(path, 0o077)
}

/// The same for a service's credential. systemd lets the service's user read it by an access control list, whose mask
/// stands where the mode of a group would, and lets nobody else into its directory.
pub(super) fn read_credential(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    read_closed(path, 0o037)
}

/// Reads a file whose mode has none of these bits.
fn read_closed(path: &Path, open: u32) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if let Some(mode) = mode(&metadata).filter(|mode| mode & open != 0) {
        return Err(SecretError::Open(mode));
    }
    // With room for all of it, so that nothing is moved while it is read, and left behind.
    let room = metadata.len().min(SECRET_BYTES_MAX) as usize + 32;
    let mut text = Zeroizing::new(Vec::with_capacity(room));
    file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > SECRET_BYTES_MAX { Err(SecretError::TooLong) } else { Ok(text) }
}

/// Reads the secret key in a file that only its owner may read.
pub fn read_key(path: &Path) -> Result<SecretKey, KeyFileError> {
    let text = read_secret(path).map_err(|error| match error {
        SecretError::Io(error) if error.kind() == ErrorKind::NotFound => KeyFileError::Missing(path.into()),
        error => KeyFileError::Unusable { path: path.into(), error },
    })?;
    key_of(&text).ok_or_else(|| KeyFileError::Malformed(path.into()))
}

/// The key in the text of a key file; none if it is no such text.
pub fn key_of(text: &[u8]) -> Option<SecretKey> {
    let digits = text.strip_suffix(b"\n").unwrap_or(text);
    let mut seed = Zeroizing::new([0; SEED_BYTES]);
    let is_lowercase = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let decoded = hex::decode_to_slice(digits, &mut *seed).ok().filter(|()| is_lowercase);
    decoded.map(|()| SecretKey::from_seed(&seed))
}

/// The text of a key's file, which is wiped when it is dropped.
pub fn key_text(key: &SecretKey) -> Zeroizing<String> {
    let seed = Zeroizing::new(key.seed());
    let digits = Zeroizing::new(hex::encode(seed.as_slice()));
    let mut text = Zeroizing::new(String::with_capacity(digits.len() + 1));
    text.push_str(&digits);
    text.push('\n');
    text
}

/// A new secret key, and the text of its file, which is wiped when it is dropped.
pub fn new_key() -> Result<(SecretKey, Zeroizing<String>), getrandom::Error> {
    let mut seed = Zeroizing::new([0; SEED_BYTES]);
    getrandom::fill(&mut *seed)?;
    let key = SecretKey::from_seed(&seed);
    let text = key_text(&key);
    Ok((key, text))
}

/// Writes a file that only its owner may read, and that is on the disk when this returns; never over an existing one.
pub fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
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
            assert!(matches!(error, KeyFileError::Unusable { error: SecretError::Open(_), .. }), "{mode:o}: {error}");
            assert!(error.to_string().contains("some.key") && error.to_string().contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn a_secret_is_written_for_its_owner_and_over_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some.key");
        write_new(&path, b"first").unwrap();
        assert_eq!(write_new(&path, b"second").unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(read_secret(&path).unwrap().as_slice(), b"first");
    }

    #[test]
    fn a_new_key_is_read_from_the_text_of_its_file_and_is_no_other() {
        let (key, text) = new_key().unwrap();
        let (_dir, path) = written(&*text, 0o600);
        assert_eq!(read_key(&path).unwrap().public(), key.public());
        assert_ne!(new_key().unwrap().0.public(), key.public());
    }

    #[test]
    fn a_secret_is_read_whole_or_not_at_all() {
        let longest = vec![b'7'; SECRET_BYTES_MAX as usize];
        let (_dir, path) = written(&longest, 0o600);
        assert_eq!(*read_secret(&path).unwrap(), longest);
        let (_dir, path) = written([&longest[..], b"7"].concat(), 0o600);
        assert!(matches!(read_secret(&path), Err(SecretError::TooLong)));
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
