//! Files that people hand over, which are read only if they are no larger than what they are said to be can be.

use std::{fs, path::Path};

/// The bytes of a file of at most `bytes_max`; `what` it is said to be is in the error of a larger one. An error has
/// one line, without the path.
pub fn read(path: &Path, what: Option<&str>, bytes_max: u64) -> Result<Vec<u8>, String> {
    check(path, what, bytes_max)?;
    fs::read(path).map_err(|error| error.to_string())
}

/// The same, of a text in UTF-8.
pub fn read_text(path: &Path, what: Option<&str>, bytes_max: u64) -> Result<String, String> {
    check(path, what, bytes_max)?;
    fs::read_to_string(path).map_err(|error| error.to_string())
}

fn check(path: &Path, what: Option<&str>, bytes_max: u64) -> Result<(), String> {
    let found = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if found <= bytes_max {
        return Ok(());
    }
    let what = what.map_or_else(String::new, |what| format!("{what} of "));
    Err(format!("expected {what}at most {bytes_max} bytes, found {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_size_and_a_larger_one_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "five!").unwrap();
        assert_eq!(read(&path, None, 5).unwrap(), b"five!");
        assert_eq!(read_text(&path, Some("a word"), 5).unwrap(), "five!");
        assert_eq!(read(&path, None, 4).unwrap_err(), "expected at most 4 bytes, found 5");
        assert_eq!(read_text(&path, Some("a word"), 4).unwrap_err(), "expected a word of at most 4 bytes, found 5");
        assert!(read(&directory.path().join("none"), None, 5).unwrap_err().contains("No such file"));
        fs::write(&path, [0xff]).unwrap();
        assert!(read_text(&path, None, 5).unwrap_err().contains("UTF-8"));
    }
}
