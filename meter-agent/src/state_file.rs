//! Small files in the state directory: each is written whole or not at all, and only its owner may read it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

/// Puts a file there in one step, in the place of the one that is there; `content` may depend on the file that it is
/// written to. `durable`: whether it must be on the disk when this returns.
pub(crate) fn replace(
    path: &Path,
    durable: bool,
    content: impl FnOnce(&File) -> io::Result<Vec<u8>>,
) -> io::Result<()> {
    let draft = draft(path);
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    let content = content(&file)?;
    file.write_all(&content)?;
    if durable {
        file.sync_all()?;
    }
    fs::rename(&draft, path)?;
    sync_directory(path, durable)
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path, durable: bool) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => sync_directory(path, durable),
    }
}

fn sync_directory(path: &Path, durable: bool) -> io::Result<()> {
    match path.parent().filter(|_| durable) {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// Where a file is written before it is put in its place.
pub(crate) fn draft(path: &Path) -> PathBuf {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    draft.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_whatever_was_left_of_a_draft_and_removed_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some.file");
        for content in ["one", "another"] {
            fs::write(draft(&path), "a torn draf").unwrap();
            replace(&path, true, |_| Ok(content.into())).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            assert!(!draft(&path).exists());
        }
        assert!(replace(&path, true, |_| Err(ErrorKind::StorageFull.into())).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "another");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        for _ in 0..2 {
            remove(&path, true).unwrap();
            assert!(!path.exists());
        }
    }
}
