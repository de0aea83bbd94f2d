//! A backup of what a program keeps on disk: a directory with the files, and a list of them with the hash of each.
//!
//! - `manifest`: the list
//! - `make`: from the disk into a backup
//! - `restore`: from a backup onto the disk
//! - `files`: reading, copying and hashing
//!
//! No key is in a backup: it is copied to places that keep no secret, and it grows old, which a key must not do twice.

mod error;
mod files;
mod make;
mod manifest;
mod restore;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use self::{
    error::BackupError,
    make::make,
    manifest::{Manifest, Saved},
    restore::restore,
};

/// Name of the list of files in a backup.
pub const MANIFEST_FILE: &str = "backup.json";

/// Name of the genesis in a backup.
pub const GENESIS_FILE: &str = "genesis.json";

/// What a program keeps, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Name of the program, such as `ledger`.
    pub program: &'static str,
    /// The genesis file. Restored only where there is none.
    pub genesis: PathBuf,
    /// Files and directories: their names in the backup, and where the program has them. Put back in this order.
    pub parts: Vec<(&'static str, PathBuf)>,
    /// The file that the program locks while it runs; one of a part.
    pub lock: PathBuf,
}

/// Whether a directory is a backup.
pub fn is_backup(directory: &Path) -> bool {
    directory.join(MANIFEST_FILE).is_file()
}
