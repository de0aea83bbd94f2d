//! Opening a state directory to read it, also where nothing may be written: sled writes when it opens, so then a
//! private copy is opened, which is gone when the reading ends.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind},
    path::Path,
};

use protocol::genesis::Genesis;
use tempfile::TempDir;

use super::AuditError;
use crate::{
    node::{GENESIS_FILE, STORE_DIRECTORY, read_genesis},
    store::{SledStore, StoreError},
};

/// A node's state directory, open to be read.
pub struct Opened {
    /// The genesis in it.
    pub genesis: Genesis,
    /// The store in it, or in a copy of it. Dropped before the copy.
    pub store: SledStore,
    /// The copy, where one was needed.
    pub copy: Option<TempDir>,
}

impl Opened {
    /// Checks that this is a ledger of the genesis in a file, which is the one to trust.
    pub fn check_chain(&self, trusted: &Path) -> Result<(), AuditError> {
        let (expected, found) = (read_genesis(trusted)?.chain(), self.genesis.chain());
        if expected == found { Ok(()) } else { Err(AuditError::OtherChain { expected, found }) }
    }
}

/// Opens the genesis and the store of a node's state directory, or of a backup of it. The node must not be running.
/// Where the store cannot be written to, or is a backup's, it is copied first, into the directory for temporary files.
pub fn open(directory: &Path) -> Result<Opened, AuditError> {
    open_where(directory, |store| !is_writable(store) || store.parent().is_some_and(backup::is_backup))
}

/// Opens as [`open`] does, and always a copy: no byte of the directory is changed.
pub fn open_copy(directory: &Path) -> Result<Opened, AuditError> {
    open_where(directory, |_| true)
}

fn open_where(directory: &Path, is_copied: fn(&Path) -> bool) -> Result<Opened, AuditError> {
    let genesis = directory.join(GENESIS_FILE);
    let store = directory.join(STORE_DIRECTORY);
    // sled would make a new, empty store where there is none.
    if !genesis.is_file() || !store.is_dir() {
        return Err(AuditError::NoLedger(directory.into()));
    }
    let genesis = read_genesis(&genesis)?;
    let copy = match is_copied(&store) {
        true if !store.join("db").is_file() => return Err(AuditError::NoLedger(directory.into())),
        true => Some(copied(&store)?),
        false => None,
    };
    let opened = copy.as_ref().map_or(store.as_path(), TempDir::path);
    let store = SledStore::open(opened, &genesis.chain())?;
    Ok(Opened { genesis, store, copy })
}

fn is_writable(store: &Path) -> bool {
    // Without a database sled says what is wrong.
    match OpenOptions::new().write(true).open(store.join("db")) {
        Err(error) => !matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem),
        Ok(_) => true,
    }
}

fn copied(store: &Path) -> Result<TempDir, AuditError> {
    let failed = |error| AuditError::Copy { from: store.into(), to: std::env::temp_dir(), error };
    // Held while it is copied: a node that runs on it would change it meanwhile.
    let lock = File::open(store.join("db")).map_err(failed)?;
    match lock.try_lock_shared() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(store.display().to_string()).into()),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let copy = TempDir::with_prefix("ledger-").map_err(failed)?;
    copy_directory(store, copy.path()).map_err(failed)?;
    Ok(copy)
}

fn copy_directory(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let copy = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&copy)?;
            copy_directory(&entry.path(), &copy)?;
        } else {
            // Its content without its permissions, which may forbid to write.
            io::copy(&mut File::open(entry.path())?, &mut File::create(&copy)?)?;
        }
    }
    Ok(())
}
