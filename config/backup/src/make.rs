//! From the disk into a backup.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

use protocol::envelope::ChainId;
use settings::owner_only;

use super::{
    BackupError, GENESIS_FILE, Kept, MANIFEST_FILE,
    error::io,
    files::{copy, files_of, remove, rename, sync_directories, unfinished},
    manifest::{FORMAT, Manifest, Saved},
};

/// Copies what a stopped program of the chain keeps, and its genesis, into a new directory. `version` is the program's.
pub fn make(kept: &Kept, chain: ChainId, version: &str, to: &Path) -> Result<Manifest, BackupError> {
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists { path: to.into(), to_do: "name a directory that is not there yet" });
    }
    // Held until everything is copied: a program that is started meanwhile finds it taken.
    let lock = File::open(&kept.lock).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => BackupError::NoState(kept.lock.clone()),
        _ => io(&kept.lock)(error),
    })?;
    match lock.try_lock_shared() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(BackupError::InUse(kept.lock.clone())),
        Err(TryLockError::Error(error)) => return Err(io(&kept.lock)(error)),
    }
    let draft = unfinished(to);
    remove(&draft)?;
    let made = write(kept, chain, version, &draft).and_then(|manifest| {
        sync_directories(&draft)?;
        rename(&draft, to)?;
        Ok(manifest)
    });
    if made.is_err() {
        // What went wrong first is what is said.
        let _ = remove(&draft);
    }
    made
}

fn write(kept: &Kept, chain: ChainId, version: &str, draft: &Path) -> Result<Manifest, BackupError> {
    owner_only::create_directory(draft).map_err(io(draft))?;
    let mut files = Vec::new();
    let mut put = |path: String, from: &Path| {
        let (bytes, sha256) = copy(from, Some(&draft.join(&path)))?;
        files.push(Saved { path, bytes, sha256 });
        Ok(())
    };
    put(GENESIS_FILE.into(), &kept.genesis)?;
    for (name, path) in kept.parts.iter().filter(|(_, path)| path.exists()) {
        for file in files_of(path)? {
            if file.as_os_str().is_empty() {
                put((*name).to_owned(), path)?;
                continue;
            }
            let below = file.to_str().ok_or_else(|| {
                let reason = io::Error::new(io::ErrorKind::InvalidFilename, "expected a name in UTF-8");
                io(&path.join(&file))(reason)
            })?;
            put(format!("{name}/{below}"), &path.join(&file))?;
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let manifest = Manifest { format: FORMAT, program: kept.program.into(), version: version.into(), chain, files };
    let list = draft.join(MANIFEST_FILE);
    let json = serde_json::to_vec_pretty(&manifest).map_err(|error| io(&list)(error.into()))?;
    owner_only::write_new(&list, &json).map_err(io(&list))?;
    Ok(manifest)
}
