//! The directory that a run writes to: it stands under its name only once it is whole.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::RunError;
use crate::{offline::figures::Figures, tables::TableError};

/// Why a run's files cannot go where they should.
#[derive(Debug, thiserror::Error)]
pub enum OutError {
    /// Something else is there.
    #[error(
        "--out: expected no directory, or one of the same {of} and version, found {}: remove it, or name another",
        path.display()
    )]
    Other {
        /// What the directory should be of.
        of: &'static str,
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be made.
    #[error("--out: expected a directory that can be made, found {}: {error}", path.display())]
    Unwritable {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

const MANIFEST: &str = "manifest.json";
const SUMMARY: &str = "summary.json";
const REPORT: &str = "report.html";

/// Whether a run writes a file of this name.
fn is_written_here(name: &str) -> bool {
    [MANIFEST, SUMMARY].contains(&name)
        || name.ends_with(".parquet")
        || name.ends_with(".csv")
        || name.ends_with(".html")
}

/// A directory beside the one that is asked for, until all is written. A run that is stopped leaves it, and the next
/// one begins it anew.
pub(crate) struct Draft {
    draft: PathBuf,
    out: PathBuf,
    manifest: Vec<u8>,
    /// Only one run at a time writes to it.
    _lock: File,
}

impl Draft {
    /// Begins a directory whose files all follow from what is in its manifest, `of` in words.
    pub(crate) fn begin(out: &Path, manifest: Vec<u8>, of: &'static str) -> Result<Draft, OutError> {
        let unwritable = |error| OutError::Unwritable { path: out.to_owned(), error };
        let there = fs::read(out.join(MANIFEST)).ok();
        if out.exists() && there.as_ref() != Some(&manifest) {
            return Err(OutError::Other { of, path: out.to_owned() });
        }
        let name = out.file_name().ok_or_else(|| unwritable(io::ErrorKind::InvalidFilename.into()))?;
        let mut unfinished = name.to_owned();
        unfinished.push(".unfinished");
        let draft = out.with_file_name(unfinished);
        fs::create_dir_all(&draft).map_err(unwritable)?;
        let lock = File::open(&draft).map_err(unwritable)?;
        lock.try_lock().map_err(|_| unwritable(io::ErrorKind::ResourceBusy.into()))?;
        let entries: Vec<PathBuf> = fs::read_dir(&draft)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
            .map_err(unwritable)?;
        // What nobody here wrote is not removed.
        let is_ours = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(is_written_here);
        if let Some(other) = entries.iter().find(|path| !is_ours(path)) {
            return Err(OutError::Other { of, path: other.clone() });
        }
        entries.iter().try_for_each(fs::remove_file).map_err(unwritable)?;
        Ok(Draft { draft, out: out.to_owned(), manifest, _lock: lock })
    }

    /// Where the files go until then.
    pub(crate) fn path(&self) -> &Path {
        &self.draft
    }

    /// Writes what the run was made from and what it came to, and gives the directory its name.
    pub(crate) fn finish(mut self, figures: &Figures, report: Option<String>) -> Result<(), RunError> {
        let mut summary = serde_json::to_vec_pretty(figures).map_err(|error| self.failed(SUMMARY, error.into()))?;
        summary.push(b'\n');
        let manifest = std::mem::take(&mut self.manifest);
        let report = report.map(|report| (REPORT, report.into_bytes()));
        for (name, content) in [(SUMMARY, summary)].into_iter().chain(report).chain([(MANIFEST, manifest)]) {
            let written = File::create_new(self.draft.join(name)).and_then(|mut file| {
                file.write_all(&content)?;
                file.sync_all()
            });
            written.map_err(|error| self.failed(name, error))?;
        }
        let unwritable = |error| OutError::Unwritable { path: self.out.clone(), error };
        // Only what has the same manifest, and so the same files, is there.
        if self.out.exists() {
            fs::remove_dir_all(&self.out).map_err(unwritable)?;
        }
        fs::rename(&self.draft, &self.out).map_err(unwritable)?;
        Ok(())
    }

    /// Leaves nothing behind of what cannot be finished.
    pub(crate) fn discard(self) {
        // What stays is begun anew by the next one.
        let _ = fs::remove_dir_all(&self.draft);
    }

    fn failed(&self, name: &str, error: io::Error) -> TableError {
        TableError { path: self.draft.join(name), error }
    }
}
