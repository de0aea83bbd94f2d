//! Files that a reader finds whole or not at all: written beside, and given their name in one step.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

/// Writes `content` to the file at `path`, over what is there. Everyone may read it, as a file made without care.
pub(crate) fn place(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut draft = tempfile::Builder::new().prefix(".").suffix(".unfinished").tempfile_in(directory)?;
    draft.write_all(content)?;
    share(draft.as_file())?;
    draft.as_file().sync_all()?;
    draft.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// A temporary file is its owner's alone.
#[cfg(unix)]
fn share(file: &File) -> io::Result<()> {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};
    file.set_permissions(Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn share(_: &File) -> io::Result<()> {
    Ok(())
}
