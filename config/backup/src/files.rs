//! Reading, copying and hashing files. What is written lets in its owner alone, and is on the disk before a backup or a
//! restored state gets its name.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use protocol::hash::Hash;
use settings::owner_only;
use sha2::{Digest, Sha256};

use super::{BackupError, error};

const BUFFER_BYTES: usize = 64 * 1_024;

/// The files of a part, by their names from there on; an empty name where the part is a file itself.
pub(crate) fn files_of(part: &Path) -> Result<Vec<PathBuf>, BackupError> {
    // A link may lead to the part itself, as to another disk, and to nothing in it.
    let metadata = fs::metadata(part).map_err(error::io(part))?;
    if metadata.is_file() {
        return Ok(vec![PathBuf::new()]);
    }
    let mut files = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(directory) = open.pop() {
        let path = part.join(&directory);
        for entry in fs::read_dir(&path).map_err(error::io(&path))? {
            let entry = entry.map_err(error::io(&path))?;
            let kind = entry.file_type().map_err(error::io(&entry.path()))?;
            let name = directory.join(entry.file_name());
            match (kind.is_dir(), kind.is_file()) {
                (true, _) => open.push(name),
                (_, true) => files.push(name),
                _ => return Err(BackupError::NeitherFileNorDirectory(entry.path())),
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Length and hash of what a file holds, which is written to another one, where it is to be.
pub(crate) fn copy(from: &Path, to: Option<&Path>) -> Result<(u64, Hash), BackupError> {
    let mut source = File::open(from).map_err(error::io(from))?;
    let mut target = match to {
        Some(to) => Some((create(to).map_err(error::io(to))?, to)),
        None => None,
    };
    let (mut bytes, mut hash) = (0, Sha256::new());
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => &buffer[..read],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error::io(from)(error)),
        };
        hash.update(read);
        bytes += read.len() as u64;
        if let Some((file, to)) = &mut target {
            file.write_all(read).map_err(error::io(to))?;
        }
    }
    if let Some((file, to)) = target {
        file.sync_all().map_err(error::io(to))?;
    }
    Ok((bytes, Hash::from_bytes(hash.finalize().into())))
}

fn create(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        owner_only::create_directory(directory)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The directories of a tree are on the disk, with the names in them.
pub(crate) fn sync_directories(tree: &Path) -> Result<(), BackupError> {
    let mut open = vec![tree.to_owned()];
    while let Some(directory) = open.pop() {
        File::open(&directory).and_then(|it| it.sync_all()).map_err(error::io(&directory))?;
        for entry in fs::read_dir(&directory).map_err(error::io(&directory))? {
            let entry = entry.map_err(error::io(&directory))?;
            if entry.file_type().map_err(error::io(&entry.path()))?.is_dir() {
                open.push(entry.path());
            }
        }
    }
    Ok(())
}

/// Gives something its name, for good.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), BackupError> {
    fs::rename(from, to).map_err(error::io(to))?;
    let directory = to.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory).and_then(|it| it.sync_all()).map_err(error::io(directory))
}

/// Takes away what was not finished, a file or a directory, where there is any.
pub(crate) fn remove(path: &Path) -> Result<(), BackupError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error::io(path)(error)),
        _ => Ok(()),
    }
}

/// The name that something has until it is whole.
pub(crate) fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}
