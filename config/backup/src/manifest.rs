//! The list of a backup's files.

use std::{
    fs::File,
    io::Read,
    path::{Component, Path},
};

use protocol::{envelope::ChainId, hash::Hash, limits::GENESIS_BYTES_MAX};
use serde::{Deserialize, Serialize};

use super::{BackupError, GENESIS_FILE, Kept, MANIFEST_FILE, error::io};

/// The format that this program writes, and the latest that it reads.
pub(crate) const FORMAT: u32 = 1;
/// Most bytes of a list: a hundred thousand files.
const MANIFEST_BYTES_MAX: u64 = 16 * 1_024 * 1_024;

/// What is in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format of the list and of what it lists.
    pub format: u32,
    /// The program whose state it is.
    pub program: String,
    /// The version that made it.
    pub version: String,
    /// The chain that it belongs to.
    pub chain: ChainId,
    /// The files, by name.
    pub files: Vec<Saved>,
}

/// A file in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// Where it is, from the backup's directory on, with `/` between names.
    pub path: String,
    /// How long it is.
    pub bytes: u64,
    /// The SHA-256 of what is in it.
    pub sha256: Hash,
}

/// What every format says of itself.
#[derive(Deserialize)]
struct Head {
    format: u32,
    version: String,
}

impl Manifest {
    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).fold(0, u64::saturating_add)
    }

    /// What is said of a backup that was made at, or restored to, a place.
    pub fn summary(&self, place: &Path) -> String {
        let (files, bytes) = (self.files.len(), self.bytes());
        format!("{}\nchain        {}\nfiles        {files}, {bytes} bytes", place.display(), self.chain)
    }

    /// Reads the list of a backup that `kept` may be restored from, of this chain where one is known.
    pub(crate) fn read(directory: &Path, kept: &Kept, chain: Option<ChainId>) -> Result<Manifest, BackupError> {
        let path = directory.join(MANIFEST_FILE);
        let bad = |reason: String| BackupError::BadManifest { path: path.clone(), reason };
        let file = File::open(&path).map_err(|error| BackupError::NoBackup { directory: directory.into(), error })?;
        let mut json = Vec::new();
        file.take(MANIFEST_BYTES_MAX + 1).read_to_end(&mut json).map_err(io(&path))?;
        if json.len() as u64 > MANIFEST_BYTES_MAX {
            return Err(bad(format!("expected at most {MANIFEST_BYTES_MAX} bytes, found more")));
        }
        let head: Head = serde_json::from_slice(&json).map_err(|error| bad(error.to_string()))?;
        if head.format > FORMAT {
            let version = head.version.chars().take(40).collect();
            return Err(BackupError::NewerFormat { path, found: head.format, version });
        }
        let manifest: Manifest = serde_json::from_slice(&json).map_err(|error| bad(error.to_string()))?;
        if manifest.program != kept.program {
            let found = manifest.program.chars().take(40).collect();
            return Err(BackupError::OtherProgram { path, expected: kept.program, found });
        }
        if let Some(expected) = chain.filter(|expected| *expected != manifest.chain) {
            return Err(BackupError::OtherChain { path, expected, found: manifest.chain });
        }
        for file in &manifest.files {
            file.part(kept).ok_or_else(|| bad(format!("{:?} is no file of `{}`", file.path, kept.program)))?;
        }
        if let Some(twice) = manifest.files.windows(2).find(|pair| pair[0].path >= pair[1].path) {
            return Err(bad(format!("expected files in the order of their names, found {:?} too late", twice[1].path)));
        }
        match manifest.files.iter().find(|file| file.path == GENESIS_FILE) {
            None => Err(bad(format!("expected `{GENESIS_FILE}` in it, found none"))),
            Some(genesis) if genesis.bytes > GENESIS_BYTES_MAX as u64 => {
                Err(bad(format!("expected a genesis of at most {GENESIS_BYTES_MAX} bytes, found {}", genesis.bytes)))
            }
            Some(_) => Ok(manifest),
        }
    }
}

impl Saved {
    /// The part that the file is of, and its path from there on; none where no backup has such a file.
    pub(crate) fn part<'a>(&'a self, kept: &Kept) -> Option<(&'a str, &'a Path)> {
        let mut components = Path::new(&self.path).components();
        // Names alone: nothing that leads out of the directory, and no other spelling of the same.
        let is_plain = Path::new(&self.path).components().all(|it| matches!(it, Component::Normal(_)));
        let spelt: Vec<&str> = components.clone().filter_map(|it| it.as_os_str().to_str()).collect();
        let name = components.next()?.as_os_str().to_str()?;
        let is_known = name == GENESIS_FILE || kept.parts.iter().any(|(part, _)| *part == name);
        let rest = components.as_path();
        (is_plain && is_known && spelt.join("/") == self.path).then_some((name, rest))
    }
}
