//! Drafts as files beside the ledger, so that a restart forgets none: one file each, named by its number.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use protocol::{
    decision::Draft,
    hash::Hash,
    interval::{parse_utc, utc_text},
};
use serde::{Deserialize, Serialize};

use super::{DRAFTS_MAX, Kept};

/// Longest file that is read: JSON takes about three times what a decision takes in a transaction.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A draft in its file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InFile {
    /// UTC.
    since: String,
    draft: Draft,
}

/// The directory of the files.
pub(super) struct Files(PathBuf);

impl Files {
    /// Makes the directory, if it is not there.
    pub(super) fn open(directory: PathBuf) -> io::Result<Files> {
        fs::create_dir_all(&directory)?;
        Ok(Files(directory))
    }

    pub(super) fn directory(&self) -> &Path {
        &self.0
    }

    /// Writes a draft. Where that fails it is kept in memory alone, and the log says so.
    pub(super) fn write(&self, id: &Hash, kept: &Kept) {
        let file = self.file(kept.draft.decision.sequence, id);
        let in_file = InFile { since: utc_text(kept.since_s), draft: kept.draft.clone() };
        let write = || {
            let half = file.with_extension("new");
            fs::write(&half, serde_json::to_vec_pretty(&in_file)?)?;
            fs::rename(&half, &file)
        };
        if let Err(error) = write() {
            tracing::warn!(file = %file.display(), %error, "a draft is kept until the node stops, and no longer");
        }
    }

    /// Removes a draft.
    pub(super) fn remove(&self, sequence: u64, id: &Hash) {
        let file = self.file(sequence, id);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(file = %file.display(), %error, "a draft that is over stays on disk; remove it");
            }
            _ => {}
        }
    }

    /// All drafts that can be read, no more than there may be. What cannot be read is named in the log, and left alone.
    pub(super) fn read(&self) -> Vec<Kept> {
        let Ok(entries) = fs::read_dir(&self.0) else { return Vec::new() };
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        let read = |file: PathBuf| match read(&file) {
            Ok(kept) => Some(kept),
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "expected a draft of a decision, found none; left out");
                None
            }
        };
        files.into_iter().filter_map(read).take(DRAFTS_MAX).collect()
    }

    fn file(&self, sequence: u64, id: &Hash) -> PathBuf {
        self.0.join(format!("{sequence:06}-{id}.json"))
    }
}

fn read(file: &Path) -> io::Result<Kept> {
    let mut text = String::new();
    File::open(file)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    let InFile { since, draft } = serde_json::from_str(&text)?;
    let since_s = parse_utc(&since).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
    Ok(Kept { draft, since_s })
}
