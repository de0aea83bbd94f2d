//! Evidence against validators, kept as files beside the ledger: whoever runs the node can hand one to anybody.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ledger::evidence::Evidence;

/// The evidence inside a node's state directory.
pub const EVIDENCE_DIRECTORY: &str = "evidence";
/// Most files that are kept. The first ones count: one is enough, and a validator that lies at every height must not
/// fill the disk.
const FILES_MAX: usize = 256;

/// Keeps evidence, if it is new and there is room; says where.
pub(super) fn keep(directory: &Path, evidence: &Evidence) -> io::Result<Option<PathBuf>> {
    fs::create_dir_all(directory)?;
    let Evidence { height, round, said, validator, .. } = evidence;
    let name = format!("{height}-{round}-{}-{}.json", said.name(), validator.multibase());
    let file = directory.join(name);
    if file.exists() || fs::read_dir(directory)?.count() >= FILES_MAX {
        return Ok(None);
    }
    let draft = file.with_extension("new");
    fs::write(&draft, evidence.to_json())?;
    fs::rename(&draft, &file)?;
    Ok(Some(file))
}

/// The evidence that the node of a state directory has kept, by name.
pub fn evidence_files(state: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(state.join(EVIDENCE_DIRECTORY)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}
