//! The format of what a program keeps on disk: a number, in a file of its own, so that an older program finds out
//! before it reads, or writes, what it does not know.
//!
//! What was kept before there was such a file is of format 1.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

/// Name of the file: the format, and on a second line the version of the program that wrote it.
pub const FORMAT_FILE: &str = "format";
/// The format of a state that has no such file.
const UNMARKED: u32 = 1;
/// Most bytes of the file; it has two short lines.
const BYTES_MAX: u64 = 128;

/// Why the state in a directory is not read. Whoever says this adds what else can be done.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// A later version of the program wrote it.
    #[error(
        "{path}: expected a state of format {newest} at most, found format {found}, which version {version} wrote; start \
         that version or a later one again"
    )]
    Newer {
        /// The file that says so.
        path: PathBuf,
        /// The latest format that this program knows.
        newest: u32,
        /// The state's format.
        found: u32,
        /// The version that wrote it, as it says itself.
        version: String,
    },
    /// The file is not what was written.
    #[error("{path}: expected the number of a format, found something else; put the file back")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Checks, before anything else of it is read, that the state in `directory` is of no later format than `newest`.
pub fn check(directory: &Path, newest: u32) -> Result<(), FormatError> {
    let path = directory.join(FORMAT_FILE);
    let mut text = Vec::new();
    match File::open(&path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut text)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(FormatError::Io { path, error }),
        Ok(_) => {}
    }
    let said = String::from_utf8(text).ok().filter(|text| text.len() as u64 <= BYTES_MAX);
    let mut lines = said.iter().flat_map(|text| text.lines());
    let Some(found) = lines.next().and_then(|line| line.parse().ok()).filter(|found| *found >= UNMARKED) else {
        return Err(FormatError::Damaged { path });
    };
    if found > newest {
        let version = lines.next().unwrap_or("?").escape_debug().to_string();
        return Err(FormatError::Newer { path, newest, found, version });
    }
    Ok(())
}

/// Says of the state in `directory` that it is of format `format`, where it does not say so yet. `version` is the
/// program's.
pub fn mark(directory: &Path, format: u32, version: &str) -> Result<(), FormatError> {
    let path = directory.join(FORMAT_FILE);
    if path.exists() {
        return Ok(());
    }
    let draft = directory.join(".format.new");
    // All of it or nothing, also where the power goes.
    let written = File::create(&draft).and_then(|mut file| {
        write!(file, "{format}\n{version}\n")?;
        file.sync_all()?;
        fs::rename(&draft, &path)
    });
    written.map_err(|error| FormatError::Io { path, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &[u8], newest: u32) -> Result<(), String> {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FORMAT_FILE), text).unwrap();
        let here = directory.path().display().to_string();
        check(directory.path(), newest).map_err(|error| error.to_string().replace(&here, "HERE"))
    }

    #[test]
    fn a_state_that_says_nothing_is_marked_once() {
        let directory = tempfile::tempdir().unwrap();
        let text = || fs::read_to_string(directory.path().join(FORMAT_FILE)).unwrap();
        check(directory.path(), 1).unwrap();
        mark(directory.path(), 1, "0.1.0").unwrap();
        assert_eq!(text(), "1\n0.1.0\n");
        check(directory.path(), 1).unwrap();
        mark(directory.path(), 2, "0.2.0").unwrap();
        assert_eq!(text(), "1\n0.1.0\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_later_format_is_refused_with_the_version_that_wrote_it() {
        assert_eq!(checked(b"2\n0.9.0\n", 2), Ok(()));
        assert_eq!(
            checked(b"3\n0.9.0\n", 2).unwrap_err(),
            "HERE/format: expected a state of format 2 at most, found format 3, which version 0.9.0 wrote; start that \
             version or a later one again"
        );
        assert!(checked(b"3\n\x1b[2J\n", 2).unwrap_err().contains(r"which version \u{1b}[2J wrote"));
        assert!(checked(b"3\n", 2).unwrap_err().contains("which version ? wrote"));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let long = [b"1\n".as_slice(), &[b'1'; 200]].concat();
        for text in [b"".as_slice(), b"\n", b"one\n", b"0\n", b"-1\n", b"99999999999\n", b"\xff\n", &long] {
            assert!(
                checked(text, 1).unwrap_err().starts_with("HERE/format: expected the number of a format"),
                "{text:?}"
            );
        }
    }
}
