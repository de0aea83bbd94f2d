//! The proof of how this household was registered, in the state directory: as it was heard, so that a restart needs no
//! network. It is checked again whenever it is read.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use crate::state_file;

/// The file, in the state directory.
const FILE: &str = "registration.json";

/// Where it is kept.
pub(crate) fn path(state: &Path) -> PathBuf {
    state.join(FILE)
}

/// What is kept, as it was heard; none if nothing was heard yet.
pub(crate) fn read(state: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path(state)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// Keeps what was heard and checked.
pub(crate) fn keep(state: &Path, json: &[u8], durable: bool) -> io::Result<()> {
    state_file::replace(&path(state), durable, |_| Ok(json.to_vec()))
}
