//! From a backup onto the disk.

use std::path::{Path, PathBuf};

use protocol::{envelope::ChainId, genesis::Genesis, hash::Hash};

use super::{
    BackupError, GENESIS_FILE, Kept,
    files::{copy, remove, rename, sync_directories, unfinished},
    manifest::{Manifest, Saved},
};

/// Puts back what a program kept, where there is nothing of it; `chain` is that of the genesis that is there, where one
/// is. Every file is compared with its hash before the first is written.
pub fn restore(from: &Path, kept: &Kept, chain: Option<ChainId>) -> Result<Manifest, BackupError> {
    let there = kept.parts.iter().find(|(_, path)| path.symlink_metadata().is_ok());
    if let Some((_, path)) = there {
        let to_do = "move it away first; where it is in order, nothing has to be restored";
        return Err(BackupError::Exists { path: path.clone(), to_do });
    }
    let manifest = Manifest::read(from, kept, chain)?;
    for file in &manifest.files {
        file.check(copy(&from.join(&file.path), None), from)?;
    }
    check_genesis(from, &manifest)?;
    // The genesis last: until it is there, a program that is started says that it is not.
    let mut targets: Vec<(&str, PathBuf)> = kept.parts.iter().map(|(name, path)| (*name, path.clone())).collect();
    if chain.is_none() {
        targets.push((GENESIS_FILE, kept.genesis.clone()));
    }
    let restored = write(from, kept, &manifest, &targets);
    if restored.is_err() {
        for (_, target) in &targets {
            // What went wrong first is what is said.
            let _ = remove(&unfinished(target));
        }
    }
    restored.map(|()| manifest)
}

fn write(from: &Path, kept: &Kept, manifest: &Manifest, targets: &[(&str, PathBuf)]) -> Result<(), BackupError> {
    for (name, target) in targets {
        let draft = unfinished(target);
        remove(&draft)?;
        for file in &manifest.files {
            let Some((_, below)) = file.part(kept).filter(|(part, _)| part == name) else { continue };
            let to = if below.as_os_str().is_empty() { draft.clone() } else { draft.join(below) };
            file.check(copy(&from.join(&file.path), Some(&to)), from)?;
        }
        if draft.is_dir() {
            sync_directories(&draft)?;
        }
    }
    for (_, target) in targets {
        let draft = unfinished(target);
        if draft.exists() {
            rename(&draft, target)?;
        }
    }
    Ok(())
}

/// The genesis in a backup is the one of its chain: what is damaged together with its hash is found here.
fn check_genesis(from: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    let path = from.join(GENESIS_FILE);
    let damaged = |reason: String| BackupError::Damaged { path: path.clone(), reason };
    let json = std::fs::read(&path).map_err(super::error::io(&path))?;
    let found = Genesis::from_json(&json).map_err(|error| damaged(error.to_string()))?.chain();
    if found == manifest.chain {
        return Ok(());
    }
    Err(damaged(format!("expected the genesis of the chain {}, found that of {found}", manifest.chain)))
}

impl Saved {
    fn check(&self, read: Result<(u64, Hash), BackupError>, directory: &Path) -> Result<(), BackupError> {
        let damaged = |reason: String| BackupError::Damaged { path: directory.join(&self.path), reason };
        let (bytes, sha256) = match read {
            Err(BackupError::Io { path, error }) if path == directory.join(&self.path) => {
                return Err(damaged(error.to_string()));
            }
            read => read?,
        };
        if bytes != self.bytes {
            return Err(damaged(format!("expected {} bytes, found {bytes}", self.bytes)));
        }
        if sha256 != self.sha256 {
            return Err(damaged(format!("expected the SHA-256 {}, found {sha256}", self.sha256)));
        }
        Ok(())
    }
}
