//! How much room there is where a program keeps its state.

use std::path::Path;

/// The room on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What the program may still write, bytes.
    pub free_bytes: u64,
    /// All of it, bytes.
    pub total_bytes: u64,
}

/// The room on the disk that `directory` is on; none where the system does not say.
#[cfg(unix)]
pub fn room(directory: &Path) -> Option<Room> {
    let found = rustix::fs::statvfs(directory).ok()?;
    let bytes = |blocks: u64| blocks.checked_mul(found.f_frsize);
    Some(Room { free_bytes: bytes(found.f_bavail)?, total_bytes: bytes(found.f_blocks)? })
}

/// The room on the disk that `directory` is on; none where the system does not say.
#[cfg(not(unix))]
pub fn room(_: &Path) -> Option<Room> {
    None
}
