//! What a validator has signed last, kept in a small file of its own and on disk before a signature leaves.
//!
//! The write-ahead log is the engine's, and it can be lost, or put back from a copy together with the blocks. The
//! record is the last word: whatever the engine asks for, a second message of one kind for one height and round is not
//! signed. It also knows the very file it was written to (its inode and the moment of its birth), so that a copy of it,
//! restored with yesterday's directory, is known for a copy.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::UNIX_EPOCH,
};

use minicbor::{Decode, Encode};
use protocol::{cbor, hash::Hash, key::ValidatorId};

use super::{Halt, doubt::Doubt};

/// Bytes of one of the two places that are written in turn, so that a torn write spoils only what has not left yet. No
/// more than a sector.
const SLOT_BYTES: usize = 512;
const CHECKSUM_BYTES: usize = 32;

/// The kinds of messages of which a validator signs one per height and round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A proposal.
    Proposal,
    /// A prevote.
    Prevote,
    /// A precommit.
    Precommit,
}

/// The last message of a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Mark {
    #[n(0)]
    height: u64,
    #[n(1)]
    round: u32,
    /// Hash of the signed bytes; none where only the height is known.
    #[n(2)]
    message: Option<Hash>,
}

/// Until when a validator may not vote, kept over restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(super) enum Silent {
    /// Until this height is decided.
    #[n(0)]
    Until(#[n(0)] u64),
    /// Until the others have said where they stand.
    #[n(1)]
    UntilAnswered,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Content {
    #[n(0)]
    validator: ValidatorId,
    /// Inode and moment of birth of the file.
    #[n(1)]
    file: (u64, u64),
    /// How often it was written.
    #[n(2)]
    writes: u64,
    #[n(3)]
    marks: [Mark; 3],
    #[n(4)]
    silent: Option<Silent>,
}

/// The record of one validator, open and locked.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
    file: File,
    content: Content,
}

impl Record {
    /// Makes the record of a key that has not signed anything at a height above `signed`. Replaces one that is there.
    pub(super) fn create(
        path: &Path,
        validator: ValidatorId,
        signed: u64,
        silent: Option<Silent>,
    ) -> io::Result<Record> {
        let mut draft = path.as_os_str().to_owned();
        draft.push(".new");
        let draft = PathBuf::from(draft);
        if let Err(error) = fs::remove_file(&draft)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        if let Ok(replaced) = File::open(path) {
            lock(&replaced)?;
        }
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&draft)?;
        lock(&file)?;
        let mark = Mark { height: signed, round: u32::MAX, message: None };
        let marks = if signed == 0 { [Mark::default(); 3] } else { [mark; 3] };
        let content = Content { validator, file: identity(&file)?, writes: 0, marks, silent };
        let mut record = Record { path: path.to_owned(), file, content };
        record.write()?;
        fs::rename(&draft, path)?;
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            File::open(directory)?.sync_all()?;
        }
        Ok(record)
    }

    /// Opens a record; the doubt says why it cannot be relied on.
    pub(super) fn open(path: &Path, validator: ValidatorId) -> Result<Result<Record, Doubt>, Halt> {
        let failed = |error| Halt::Record { path: path.to_owned(), error };
        let mut file = match File::options().read(true).write(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Err(Doubt::NoRecord)),
            opened => opened.map_err(failed)?,
        };
        lock(&file).map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let newest = bytes.chunks(SLOT_BYTES).filter_map(read_slot).max_by_key(|content| content.writes);
        let Some(content) = newest else { return Ok(Err(Doubt::DamagedRecord)) };
        if content.validator != validator {
            let reason = format!("expected the record of {validator}, found that of {}", content.validator);
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, reason)));
        }
        if content.file != identity(&file).map_err(failed)? {
            return Ok(Err(Doubt::CopiedRecord));
        }
        Ok(Ok(Record { path: path.to_owned(), file, content }))
    }

    /// The highest height it was asked to sign anything at.
    pub(super) fn height(&self) -> u64 {
        self.content.marks.iter().map(|mark| mark.height).max().unwrap_or(0)
    }

    pub(super) fn silent(&self) -> Option<Silent> {
        self.content.silent
    }

    pub(super) fn set_silent(&mut self, silent: Option<Silent>) -> Result<(), Halt> {
        self.content.silent = silent;
        self.write().map_err(|error| self.failed(error))
    }

    /// Whether it knows of a precommit at this height and round, or later.
    pub(super) fn knows_precommit(&self, height: u64, round: u32) -> bool {
        let last = self.content.marks[Kind::Precommit as usize];
        (last.height, last.round) >= (height, round)
    }

    /// Whether a message may be signed; if so, that is on disk when this returns.
    pub(super) fn admit(
        &mut self,
        kind: Kind,
        height: u64,
        round: u32,
        message: Hash,
    ) -> Result<Result<(), Doubt>, Halt> {
        let last = &mut self.content.marks[kind as usize];
        let mark = Mark { height, round, message: Some(message) };
        if *last == mark {
            return Ok(Ok(()));
        }
        if (last.height, last.round) >= (height, round) {
            return Ok(Err(Doubt::Contradiction { height, round }));
        }
        *last = mark;
        self.write().map_err(|error| self.failed(error))?;
        Ok(Ok(()))
    }

    fn write(&mut self) -> io::Result<()> {
        self.content.writes += 1;
        let content = cbor::encode(&self.content);
        let mut slot = Hash::of(&content).as_bytes().to_vec();
        slot.extend((content.len() as u16).to_be_bytes());
        slot.extend(content);
        debug_assert!(slot.len() <= SLOT_BYTES);
        slot.resize(SLOT_BYTES, 0);
        self.file.seek(SeekFrom::Start(self.content.writes % 2 * SLOT_BYTES as u64))?;
        self.file.write_all(&slot)?;
        self.file.sync_data()
    }

    fn failed(&self, error: io::Error) -> Halt {
        Halt::Record { path: self.path.clone(), error }
    }
}

/// A record that signer and node share.
pub(super) type SharedRecord = Arc<Mutex<Record>>;

fn read_slot(slot: &[u8]) -> Option<Content> {
    let (checksum, rest) = slot.split_at_checked(CHECKSUM_BYTES)?;
    let (length, rest) = rest.split_first_chunk()?;
    let content = rest.get(..u16::from_be_bytes(*length).into())?;
    if Hash::of(content).as_bytes() != checksum {
        return None;
    }
    cbor::decode(content).ok()
}

/// What tells a file from any copy of it, even one that was given the inode of the deleted original.
fn identity(file: &File) -> io::Result<(u64, u64)> {
    let metadata = file.metadata()?;
    // Not every file system knows when a file was born.
    let born = metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    let born = born.and_then(|born| u64::try_from(born.as_nanos()).ok());
    Ok((metadata.ino(), born.unwrap_or(0)))
}

fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(io::ErrorKind::ResourceBusy, "it is in use")),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Version of the engine's write-ahead log, its first 4 bytes.
const LOG_VERSION: u32 = 1;
const LOG_HEADER_BYTES: usize = 12;

/// Whether the header of a write-ahead log is one: the engine says of any other only that it did not start. An empty
/// log is made anew.
pub(super) fn check_log(wal: &Path) -> Result<(), Halt> {
    let unreadable = |error| Halt::Wal { path: wal.to_owned(), error };
    let mut header = Vec::new();
    let file = File::open(wal).map_err(unreadable)?;
    file.take(LOG_HEADER_BYTES as u64).read_to_end(&mut header).map_err(unreadable)?;
    let reason = match header.split_first_chunk() {
        _ if header.is_empty() => return Ok(()),
        _ if header.len() < LOG_HEADER_BYTES => {
            format!("expected a header of {LOG_HEADER_BYTES} bytes, found {}", header.len())
        }
        Some((version, _)) if u32::from_be_bytes(*version) == LOG_VERSION => return Ok(()),
        _ => format!("expected a header of version {LOG_VERSION}, found {:?}", &header[..4]),
    };
    Err(Halt::WalCorrupted { path: wal.to_owned(), reason })
}

/// The height whose votes a write-ahead log holds. `None` if there is none, or none that can be read.
pub(super) fn log_height(wal: &Path) -> Option<u64> {
    // The engine's header: a version of 4 bytes, then the height, big-endian.
    let mut header = [0; 12];
    File::open(wal).and_then(|mut file| file.read_exact(&mut header)).ok()?;
    header.last_chunk().map(|height| u64::from_be_bytes(*height))
}

#[cfg(test)]
mod tests {
    use protocol::key::SecretKey;
    use tempfile::TempDir;

    use super::*;

    fn validator() -> ValidatorId {
        SecretKey::from_seed(&[1; 32]).public()
    }

    fn fresh() -> (TempDir, PathBuf, Record) {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("validator.key.signed");
        let record = Record::create(&path, validator(), 0, None).unwrap();
        (directory, path, record)
    }

    fn reopen(path: &Path) -> Result<Record, Doubt> {
        Record::open(path, validator()).unwrap()
    }

    #[test]
    fn one_message_of_a_kind_is_signed_for_a_height_and_round() {
        let (_directory, path, mut record) = fresh();
        let (one, other) = (Hash::of(b"one"), Hash::of(b"other"));
        for height in 1..20 {
            for kind in [Kind::Proposal, Kind::Prevote, Kind::Precommit] {
                for round in 0..2 {
                    assert_eq!(record.admit(kind, height, round, one).unwrap(), Ok(()));
                    drop(record);
                    record = reopen(&path).unwrap();
                    assert_eq!(record.admit(kind, height, round, one).unwrap(), Ok(()));
                    let refused = Err(Doubt::Contradiction { height, round });
                    assert_eq!(record.admit(kind, height, round, other).unwrap(), refused);
                }
                let earlier = Err(Doubt::Contradiction { height, round: 0 });
                assert_eq!(record.admit(kind, height, 0, one).unwrap(), earlier);
            }
            assert_eq!(record.height(), height);
            assert!(record.knows_precommit(height, 1) && !record.knows_precommit(height, 2));
        }
    }

    #[test]
    fn a_lost_damaged_or_copied_record_is_known() {
        let (directory, path, mut record) = fresh();
        for height in 1..3 {
            record.admit(Kind::Prevote, height, 0, Hash::of(b"message")).unwrap().unwrap();
        }
        drop(record);
        let copy = directory.path().join("copy");
        fs::copy(&path, &copy).unwrap();
        assert_eq!(reopen(&copy).unwrap_err(), Doubt::CopiedRecord);
        // Put back in the place of the original, perhaps with its inode.
        fs::remove_file(&path).unwrap();
        assert_eq!(reopen(&path).unwrap_err(), Doubt::NoRecord);
        fs::copy(&copy, &path).unwrap();
        assert_eq!(reopen(&path).unwrap_err(), Doubt::CopiedRecord);

        let (_directory, path, mut record) = fresh();
        record.admit(Kind::Prevote, 7, 0, Hash::of(b"message")).unwrap().unwrap();
        drop(record);
        let clean = fs::read(&path).unwrap();
        assert_eq!(clean.len(), 2 * SLOT_BYTES);
        // A torn write spoils one of the two places, and the other tells what was signed before.
        let spoil = |slots: &[usize]| {
            let mut bytes = clean.clone();
            slots.iter().for_each(|slot| bytes[slot * SLOT_BYTES + 40] ^= 1);
            // Written in place, so that the file is the same.
            File::options().write(true).open(&path).unwrap().write_all(&bytes).unwrap();
            reopen(&path)
        };
        let heights = [0, 1].map(|slot| spoil(&[slot]).unwrap().height());
        assert!(heights.contains(&0) && heights.contains(&7), "{heights:?}");
        assert_eq!(spoil(&[0, 1]).unwrap_err(), Doubt::DamagedRecord);
    }

    #[test]
    fn a_record_is_one_validators_and_one_process_has_it() {
        let (_directory, path, record) = fresh();
        let halt = Record::open(&path, validator()).unwrap_err();
        assert!(halt.to_string().contains("in use"), "{halt}");
        assert_eq!(Record::create(&path, validator(), 0, None).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        drop(record);
        let halt = Record::open(&path, SecretKey::from_seed(&[2; 32]).public()).unwrap_err();
        assert!(halt.to_string().contains("expected the record of"), "{halt}");
    }

    #[test]
    fn a_damaged_header_of_the_log_names_the_file_and_what_to_do() {
        let directory = TempDir::new().unwrap();
        let wal = directory.path().join("votes.wal");
        let clean: Vec<u8> = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 1, 2, 3].into();
        for (bytes, is_whole) in [(clean.clone(), true), (Vec::new(), true)]
            .into_iter()
            .chain((1..12).map(|cut| (clean[..cut].to_vec(), false)))
            .chain((0..32).map(|bit| {
                let mut flipped = clean.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                (flipped, false)
            }))
        {
            fs::write(&wal, &bytes).unwrap();
            match check_log(&wal) {
                Ok(()) => assert!(is_whole, "{bytes:?}"),
                Err(halt) => {
                    let text = halt.to_string();
                    assert!(!is_whole && text.contains("votes.wal") && text.contains("move it away"), "{text}");
                }
            }
        }
    }

    #[test]
    fn silence_outlives_a_restart() {
        let (_directory, path, mut record) = fresh();
        for silent in [Some(Silent::Until(9)), Some(Silent::UntilAnswered), None] {
            record.set_silent(silent).unwrap();
            drop(record);
            record = reopen(&path).unwrap();
            assert_eq!(record.silent(), silent);
        }
        drop(record);
        let record = Record::create(&path, validator(), 5, None).unwrap();
        assert_eq!(record.height(), 5);
        assert!(record.knows_precommit(5, 1_000));
    }
}
