//! Why a data set cannot be imported.

use std::{io, path::PathBuf};

use crate::dataset::DatasetError;

/// Why a data set cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Something in it is not what it must be.
    #[error("{place}: expected {expected}, found {found}")]
    Bad {
        /// Where.
        place: String,
        /// What must be there.
        expected: String,
        /// What is.
        found: String,
    },
    /// A file cannot be read.
    #[error("{}: expected a CSV file that can be read, found: {error}", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// What is wrong.
        error: csv::Error,
    },
    /// A file cannot be written.
    #[error("{}: expected a file that can be written, found: {error}", path.display())]
    Unwritable {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// There is something where the files should go.
    #[error("--out: expected no such directory yet, found {}: remove it, or name another", path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// What comes of it is no data set.
    #[error("what comes of it is no data set: {0}")]
    NoDataset(#[from] DatasetError),
}

impl ImportError {
    pub(super) fn bad(place: impl ToString, expected: impl ToString, found: impl ToString) -> ImportError {
        let found: String = found.to_string().chars().take(120).collect();
        ImportError::Bad { place: place.to_string(), expected: expected.to_string(), found }
    }
}
