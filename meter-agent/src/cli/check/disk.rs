//! Whether the state can be kept where it is: written to, with room, on a file system that knows its files again.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

/// Free space below which it is time to do something, bytes: receipts of some months.
const FREE_BYTES_MIN: u64 = 64 << 20;

/// What is right with the state directory, or what is not.
pub(super) fn state(directory: &Path) -> Result<String, String> {
    let shown = directory.display();
    written(directory).map_err(|error| {
        format!("expected that this user can write in {shown}: {error}; without that nothing is signed: make space, or `chown` it")
    })?;
    if let Some(name) = forgetful(directory) {
        return Err(format!(
            "{shown} is on {name}, which does not know a file again: the record of the last signature would look like a \
             copy after each start; keep `state` on ext4, xfs or btrfs"
        ));
    }
    match free(directory) {
        Some(bytes) if bytes < FREE_BYTES_MIN => Err(format!(
            "expected at least {} free in {shown}, found {}: what cannot be stored is not signed; make space",
            in_words(FREE_BYTES_MIN),
            in_words(bytes)
        )),
        Some(bytes) => Ok(format!("state in {shown} can be written, {} free", in_words(bytes))),
        None => Ok(format!("state in {shown} can be written")),
    }
}

/// Writes a file as the agent would, and takes it away again.
fn written(directory: &Path) -> io::Result<()> {
    let path = directory.join("check.new");
    let result = fs::File::create(&path).and_then(|mut file| {
        file.write_all(&[0; 4_096])?;
        file.sync_all()
    });
    let removed = fs::remove_file(&path);
    result.and(removed)
}

/// Bytes that this user may still write there.
#[cfg(unix)]
fn free(directory: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(directory).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}

/// The file system, where it numbers its files anew each time it is mounted.
#[cfg(target_os = "linux")]
fn forgetful(directory: &Path) -> Option<&'static str> {
    let found = rustix::fs::statfs(directory).ok()?;
    of_kind(u64::try_from(found.f_type).ok()?)
}

#[cfg(not(target_os = "linux"))]
fn forgetful(_: &Path) -> Option<&'static str> {
    None
}

/// By the numbers of linux/magic.h.
#[cfg(target_os = "linux")]
fn of_kind(magic: u64) -> Option<&'static str> {
    match magic {
        0x4d44 => Some("FAT"),
        0x2011_bab0 => Some("exFAT"),
        _ => None,
    }
}

fn in_words(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_written_is_right_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let said = state(dir.path()).unwrap();
        assert!(said.contains("can be written, ") && said.ends_with("B free"), "{said}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let lost = dir.path().join("lost");
        assert!(state(&lost).unwrap_err().contains("expected that this user can write in"));
    }

    #[test]
    fn space_is_said_in_words_and_fat_is_known() {
        assert_eq!(
            [in_words(12_345_678), in_words(999_999_999), in_words(31_000_000_000)],
            ["12 MB", "999 MB", "31 GB"]
        );
        #[cfg(target_os = "linux")]
        assert_eq!([0x4d44, 0x2011_bab0, 0xef53].map(of_kind), [Some("FAT"), Some("exFAT"), None]);
    }
}
