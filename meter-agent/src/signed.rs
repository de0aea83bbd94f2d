//! What the device has signed last: a small file and its copy, apart from the database, which can be fetched again.
//!
//! A number that is signed twice suspends the device, so this must outlive whatever happens to the rest. A reading is
//! sent only when it is in the database, then in the file, then in the copy. So whichever of the two is intact knows of
//! everything that was sent: the copy is the previous one until the file is written, and the next one is sent only when
//! both are the same. Each is written beside its place and put there in one step, carries a checksum, and knows which
//! file it was written to: put back from a backup, it is known for a copy, which may be old.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::Path,
};

use minicbor::{Decode, Encode};
use protocol::{cbor, envelope::ChainId, hash::Hash, key::DeviceId, reading::ChainHead};

use crate::{record::ReadingRecord, state_file};

/// The file, in the state directory.
pub(crate) const FILE: &str = "device.signed";
const COPY: &str = "device.signed.copy";
const CHECKSUM_BYTES: usize = 32;
/// Readings that are kept here too, the newest: a week of quarter hours.
const UNSETTLED_MAX: usize = 672;
/// No record is longer: a reading has at most 1,024 bytes and a few numbers beside.
const BYTES_MAX: u64 = (UNSETTLED_MAX as u64 + 1) * 1_280;

/// What a device has signed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Signed {
    /// Whose signatures.
    #[n(0)]
    pub(crate) device: DeviceId,
    /// In which community; none before it was first started.
    #[n(1)]
    pub(crate) chain: Option<ChainId>,
    /// The last reading; none before the first.
    #[n(2)]
    pub(crate) head: Option<ChainHead>,
    /// The readings that no receipt covered when this was written, oldest first.
    #[n(3)]
    pub(crate) unsettled: Vec<(u64, ReadingRecord)>,
    /// The highest sequence number of an order; 0 before the first.
    #[n(4)]
    pub(crate) order: u64,
}

impl Signed {
    /// Of a device that has signed nothing.
    pub(crate) fn nothing(device: DeviceId) -> Signed {
        Signed { device, chain: None, head: None, unsettled: Vec::new(), order: 0 }
    }

    /// The number of the last reading; 0 before the first.
    pub(crate) fn sequence(&self) -> u64 {
        self.head.map_or(0, |head| head.sequence)
    }

    /// Adds readings with the chain's new head.
    pub(crate) fn append(&mut self, readings: &[(u64, ReadingRecord)], head: &ChainHead) {
        self.unsettled.extend_from_slice(readings);
        let surplus = self.unsettled.len().saturating_sub(UNSETTLED_MAX);
        self.unsettled.drain(..surplus);
        self.head = Some(*head);
    }
}

/// Why what was signed last is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// There is neither the file nor its copy.
    #[error("there is no record of what this device has signed")]
    Missing,
    /// What is there cannot be read.
    #[error("the record of what this device has signed is damaged")]
    Damaged,
    /// It was put there from elsewhere.
    #[error("the record of what this device has signed is a copy, and may be old")]
    Copied,
}

/// What is found on disk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Everything that was ever sent is in it.
    Known(Signed),
    /// More may have been signed than what is found, if anything is.
    Doubtful(Doubt, Option<Signed>),
}

#[derive(Debug, Encode, Decode)]
#[cbor(array)]
struct Kept {
    /// Inode and moment of birth of the file.
    #[n(0)]
    file: (u64, u64),
    #[n(1)]
    signed: Signed,
}

/// Makes the record of a new device key, which has signed nothing, in the state directory; never over one that is
/// there.
pub fn new_record(state: &Path, device: DeviceId) -> io::Result<()> {
    if [FILE, COPY].iter().any(|name| state.join(name).exists()) {
        return Err(ErrorKind::AlreadyExists.into());
    }
    write(state, &Signed::nothing(device), true)
}

/// Reads the file and its copy in the state directory `dir`.
pub(crate) fn read(dir: &Path) -> io::Result<Found> {
    let both = [read_one(&dir.join(FILE))?, read_one(&dir.join(COPY))?];
    let known = both.iter().filter_map(|one| one.as_ref().ok()).max_by_key(|signed| signed.sequence());
    if let Some(signed) = known {
        return Ok(Found::Known(signed.clone()));
    }
    let (mut doubt, mut hint) = (Doubt::Missing, None::<Signed>);
    for one in both.into_iter().filter_map(Result::err) {
        match one {
            Unusable::Missing => {}
            Unusable::Damaged if doubt == Doubt::Missing => doubt = Doubt::Damaged,
            Unusable::Damaged => {}
            Unusable::Copied(signed) => {
                doubt = Doubt::Copied;
                hint = hint.into_iter().chain([signed]).max_by_key(Signed::sequence);
            }
        }
    }
    Ok(Found::Doubtful(doubt, hint))
}

/// Writes the file, then its copy. `durable`: whether each must reach the disk before the next.
pub(crate) fn write(dir: &Path, signed: &Signed, durable: bool) -> io::Result<()> {
    for name in [FILE, COPY] {
        write_one(&dir.join(name), signed, durable)?;
    }
    Ok(())
}

enum Unusable {
    Missing,
    Damaged,
    Copied(Signed),
}

fn read_one(path: &Path) -> io::Result<Result<Signed, Unusable>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Err(Unusable::Missing)),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    // A disk that cannot read the one may still read the other.
    if (&file).take(BYTES_MAX).read_to_end(&mut bytes).is_err() {
        return Ok(Err(Unusable::Damaged));
    }
    let content = match bytes.split_at_checked(CHECKSUM_BYTES) {
        Some((checksum, content)) if Hash::of(content).as_bytes() == checksum => content,
        _ => return Ok(Err(Unusable::Damaged)),
    };
    let Ok(Kept { file: written_to, signed }) = cbor::decode::<Kept>(content) else {
        return Ok(Err(Unusable::Damaged));
    };
    if written_to == identity(&file)? { Ok(Ok(signed)) } else { Ok(Err(Unusable::Copied(signed))) }
}

fn write_one(path: &Path, signed: &Signed, durable: bool) -> io::Result<()> {
    state_file::replace(path, durable, |file| {
        let content = cbor::encode(&Kept { file: identity(file)?, signed: signed.clone() });
        Ok([&Hash::of(&content).as_bytes()[..], &content].concat())
    })
}

/// What tells a file from any copy of it.
#[cfg(unix)]
fn identity(file: &File) -> io::Result<(u64, u64)> {
    use std::{os::unix::fs::MetadataExt, time::UNIX_EPOCH};
    let metadata = file.metadata()?;
    // Not every file system knows when a file was born.
    let born = metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    let born = born.and_then(|born| u64::try_from(born.as_nanos()).ok());
    Ok((metadata.ino(), born.unwrap_or(0)))
}

/// What tells a file from any copy of it; unknown on this system.
#[cfg(not(unix))]
fn identity(_: &File) -> io::Result<(u64, u64)> {
    Ok((0, 0))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use protocol::{key::SecretKey, reading::Registers};
    use tempfile::TempDir;

    use super::*;
    use crate::state_file::draft;

    fn signed(sequence: u64) -> Signed {
        let interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
        let head = ChainHead { sequence, hash: Hash::of(&[1]), interval, registers: Registers::default() };
        Signed { head: Some(head), ..Signed::nothing(SecretKey::from_seed(&[1; 32]).public()) }
    }

    fn written(sequence: u64) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &signed(sequence), true).unwrap();
        dir
    }

    #[test]
    fn one_intact_file_of_the_two_is_enough_whatever_happens_to_the_other() {
        let dir = written(7);
        for name in [FILE, COPY] {
            let path = dir.path().join(name);
            let clean = fs::read(&path).unwrap();
            let mut spoilt: Vec<Vec<u8>> = (0..clean.len()).map(|cut| clean[..cut].to_vec()).collect();
            spoilt.extend((0..clean.len() * 8).map(|bit| {
                let mut bytes = clean.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                bytes
            }));
            for bytes in spoilt {
                // In place, so that it is the same file.
                fs::write(&path, &bytes).unwrap();
                assert_eq!(read(dir.path()).unwrap(), Found::Known(signed(7)));
                let other = dir.path().join(if name == FILE { COPY } else { FILE });
                let away = dir.path().join("away");
                fs::rename(&other, &away).unwrap();
                assert_eq!(read(dir.path()).unwrap(), Found::Doubtful(Doubt::Damaged, None));
                fs::rename(&away, &other).unwrap();
            }
            fs::remove_file(&path).unwrap();
            assert_eq!(read(dir.path()).unwrap(), Found::Known(signed(7)));
            write(dir.path(), &signed(7), true).unwrap();
        }
        for name in [FILE, COPY] {
            fs::remove_file(dir.path().join(name)).unwrap();
        }
        assert_eq!(read(dir.path()).unwrap(), Found::Doubtful(Doubt::Missing, None));
    }

    #[test]
    fn a_copy_is_known_for_one_and_the_file_that_was_written_here_counts() {
        let (dir, backup) = (written(7), tempfile::tempdir().unwrap());
        for name in [FILE, COPY] {
            fs::copy(dir.path().join(name), backup.path().join(name)).unwrap();
        }
        assert_eq!(read(backup.path()).unwrap(), Found::Doubtful(Doubt::Copied, Some(signed(7))));
        write(dir.path(), &signed(9), true).unwrap();
        // Put back one, then both: replaced, as `cp` does with --remove-destination, or a restored archive.
        for (name, expected) in
            [(FILE, Found::Known(signed(9))), (COPY, Found::Doubtful(Doubt::Copied, Some(signed(7))))]
        {
            fs::remove_file(dir.path().join(name)).unwrap();
            fs::copy(backup.path().join(name), dir.path().join(name)).unwrap();
            assert_eq!(read(dir.path()).unwrap(), expected);
        }
    }

    #[test]
    fn stopped_at_any_step_of_a_write_one_of_the_two_is_read() {
        for (name, draft_bytes) in [(FILE, 0), (FILE, 20), (COPY, 0), (COPY, 20)] {
            let dir = written(7);
            if name == COPY {
                write_one(&dir.path().join(FILE), &signed(8), true).unwrap();
            }
            // What a power cut leaves of the draft.
            fs::write(draft(&dir.path().join(name)), vec![1; draft_bytes]).unwrap();
            let expected = if name == FILE { 7 } else { 8 };
            assert_eq!(read(dir.path()).unwrap(), Found::Known(signed(expected)));
            write(dir.path(), &signed(9), true).unwrap();
            assert_eq!(read(dir.path()).unwrap(), Found::Known(signed(9)));
        }
    }
}
