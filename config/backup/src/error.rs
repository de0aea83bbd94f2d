//! Why there is no backup, or none is restored.

use std::{
    io,
    path::{Path, PathBuf},
};

use protocol::envelope::ChainId;

/// Why nothing was backed up or restored. One line that names the file; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or directory cannot be used.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// There is nothing to back up.
    #[error("expected the state of a program that has run, with {}, found none; nothing to back up", .0.display())]
    NoState(PathBuf),
    /// The program runs.
    #[error("{}: in use; stop the program first: a copy of what is being written is no backup", .0.display())]
    InUse(PathBuf),
    /// What would be written is there already.
    #[error("{}: expected nothing there, found something; {}", path.display(), to_do)]
    Exists {
        /// What is there.
        path: PathBuf,
        /// What to do about it.
        to_do: &'static str,
    },
    /// Neither a file nor a directory.
    #[error("{}: expected a file or a directory, found something else (a link, a socket, a device)", .0.display())]
    NeitherFileNorDirectory(PathBuf),
    /// There is no backup.
    #[error("{}: expected a backup, with its list of files `{}`: {error}", directory.display(), super::MANIFEST_FILE)]
    NoBackup {
        /// Where one was expected.
        directory: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The list is damaged, or none.
    #[error("{}: expected the list of a backup's files, found something else: {reason}; take another backup", path.display())]
    BadManifest {
        /// The list.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Of a later program.
    #[error(
        "{}: expected a backup of format {} at most, found format {found}, which version {version} has made; restore it with \
         that version or a later one", path.display(), super::manifest::FORMAT
    )]
    NewerFormat {
        /// The list.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The program's version that made it.
        version: String,
    },
    /// Of another program.
    #[error("{}: expected a backup of `{expected}`, found one of `{found}`", path.display())]
    OtherProgram {
        /// The list.
        path: PathBuf,
        /// Which one restores.
        expected: &'static str,
        /// Which one made it.
        found: String,
    },
    /// Of another community.
    #[error("{}: expected a backup of the chain {expected}, which the genesis starts, found one of {found}", path.display())]
    OtherChain {
        /// The list.
        path: PathBuf,
        /// The chain of the genesis.
        expected: ChainId,
        /// The chain in the backup.
        found: ChainId,
    },
    /// A file is not what it was, or is gone.
    #[error("{}: damaged: {reason}; take another backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Expected and found.
        reason: String,
    },
}

/// What is said of a file that the system refuses.
pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> BackupError {
    move |error| BackupError::Io { path: path.into(), error }
}
