//! The market's memory that survives a crash: readings that wait to be settled, evidence, and how far receipts were
//! forwarded.
//!
//! Kept in sled. Its `flush` hands everything to the operating system, which a crash of the market survives; the
//! `fsync` after it makes a power cut survivable too.
//!
//! Readings are kept in packs, as they came in: an entry of their own for each would cost as much as a third of its
//! verification. A pack goes when none of its readings waits any longer; until then a restart may bring back some that
//! did not, which the book drops again.

use std::{
    collections::BTreeMap,
    fs::File,
    io, iter,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use foldhash::HashMap;
use protocol::{
    cbor,
    envelope::{ChainId, Sealed, Signed},
    interval::{Interval, IntervalLength},
    key::KnownKey,
    limits::MESSAGE_BYTES_MAX,
    reading::{Reading, SignedReading},
};
use settings::{owner_only, state_format};

use super::{book::Gone, conflict::Conflict};

/// Most memory that sled uses for its cache.
const CACHE_BYTES_MAX: u64 = 16 * 1_024 * 1_024;
/// The format of all that is in the state directory: another number for any change that an older program would misread.
const FORMAT: u32 = 1;
/// File in the state directory that names the chain that the state belongs to.
pub const CHAIN_FILE: &str = "chain";
/// The sled database in the state directory.
pub const STORE_DIRECTORY: &str = "data";
/// Bytes of readings from which on a pack is full. sled writes a leaf of its tree, some neighbouring packs, in one
/// piece, and what has more than a quarter of a segment, 128 KiB, into a file that it never syncs. A leaf has never two
/// dozen entries.
const PACK_BYTES: usize = 4 * 1_024;
const _: () = assert!(24 * (PACK_BYTES + MESSAGE_BYTES_MAX) < 124 * 1_024);
const FORWARDED: &[u8] = b"receipts_forwarded";
const FOLLOWED: &[u8] = b"blocks_followed";

/// Why the state cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or directory cannot be used.
    #[error("{path}: {error}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The state of another community.
    #[error(
        "{path}: expected the state of chain {expected}, which the genesis starts, found `{found}`; \
         give this market a state directory of its own"
    )]
    OtherChain {
        /// The file that says so.
        path: PathBuf,
        /// The chain of the genesis.
        expected: ChainId,
        /// What the file says.
        found: String,
    },
    /// A later version's, or one that does not say which format it has.
    #[error("{0}; or name an empty `state`: agents send again whatever has no receipt")]
    Format(#[from] state_format::FormatError),
    /// Another process works in the directory.
    #[error("{path}: in use by another market; stop that one first")]
    InUse {
        /// Which directory.
        path: PathBuf,
    },
    /// sled failed.
    #[error("{path}: {error}")]
    Sled {
        /// Which directory.
        path: PathBuf,
        /// Why.
        error: sled::Error,
    },
    /// What the market's loop waited for ended with a panic: a bug.
    #[error("{0}")]
    Crashed(String),
}

impl StoreError {
    /// The market did not end by itself.
    pub(crate) fn crashed(error: &tokio::task::JoinError) -> StoreError {
        StoreError::Crashed(error.to_string())
    }
}

/// The durable state. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    db: sled::Db,
    packs: sled::Tree,
    index: Arc<Mutex<Index>>,
    evidence: sled::Tree,
    marks: sled::Tree,
    path: Arc<Path>,
    file: Arc<File>,
}

/// Two readings signed under one sequence number, as they are kept: the second one, the one that was taken, and whether
/// the ledger was told.
type Evidence = (Sealed, Option<Sealed>, bool);

/// Evidence that the ledger was not told of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreported {
    /// Its name in the store.
    pub(crate) name: Vec<u8>,
    /// The second reading under a sequence number.
    pub(crate) second: Sealed,
    /// The one that was taken, where more than its hash is known.
    pub(crate) taken: Option<Sealed>,
}

/// Which pack holds which reading.
#[derive(Debug, Default)]
struct Index {
    /// Number of the next pack.
    next: u64,
    packs: HashMap<Gone, u64>,
    /// How many readings of each pack wait.
    waiting: HashMap<u64, usize>,
}

impl Index {
    fn add(&mut self, readings: impl ExactSizeIterator<Item = Gone>, pack: u64, emptied: &mut sled::Batch) {
        *self.waiting.entry(pack).or_default() += readings.len();
        for reading in readings {
            if let Some(before) = self.packs.insert(reading, pack) {
                self.release(before, emptied);
            }
        }
    }

    fn remove(&mut self, reading: &Gone, emptied: &mut sled::Batch) {
        if let Some(pack) = self.packs.remove(reading) {
            self.release(pack, emptied);
        }
    }

    fn release(&mut self, pack: u64, emptied: &mut sled::Batch) {
        if let Some(waiting) = self.waiting.get_mut(&pack) {
            *waiting -= 1;
            if *waiting == 0 {
                self.waiting.remove(&pack);
                emptied.remove(&pack.to_be_bytes());
            }
        }
    }
}

impl Store {
    /// Opens the state in `directory`, or makes one for `chain`.
    pub(crate) fn open(directory: &Path, chain: &ChainId) -> Result<Store, StoreError> {
        state_format::check(directory, FORMAT)?;
        check_chain(directory, chain)?;
        state_format::mark(directory, FORMAT, env!("CARGO_PKG_VERSION"))?;
        let path = directory.join(STORE_DIRECTORY);
        let sled_error = |error| match error {
            sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => {
                StoreError::InUse { path: path.clone() }
            }
            error => StoreError::Sled { path: path.clone(), error },
        };
        let config = sled::Config::new().path(&path).cache_capacity(CACHE_BYTES_MAX).flush_every_ms(None);
        let db = config.open().map_err(sled_error)?;
        let tree = |name: &str| db.open_tree(name).map_err(sled_error);
        let (packs, evidence, marks) = (tree("packs")?, tree("evidence")?, tree("marks")?);
        let last = packs.last().map_err(sled_error)?.and_then(|(key, _)| pack_number(&key));
        let index = Index { next: last.map_or(0, |last| last + 1), ..Index::default() };
        let log = path.join("db");
        let file = File::open(&log).map_err(|error| StoreError::Io { path: log, error })?;
        Ok(Store { db, packs, index: Arc::new(index.into()), evidence, marks, path: path.into(), file: file.into() })
    }

    /// The readings that wait, by device and sequence number: to be asked first of all. What cannot be read as one is
    /// logged and left out.
    pub(crate) fn readings(&self, chain: &ChainId) -> Result<Vec<SignedReading>, StoreError> {
        let mut readings = BTreeMap::new();
        let mut emptied = sled::Batch::default();
        let mut index = self.index();
        for entry in self.packs.iter() {
            let (key, pack) = entry.map_err(|error| self.error(error))?;
            let sealed: Vec<Sealed> = cbor::decode(&pack).unwrap_or_else(|error| {
                tracing::error!(?key, %error, "a pack of stored readings is damaged: their agents have to send them again");
                Vec::new()
            });
            let Some(number) = pack_number(&key).filter(|_| !sealed.is_empty()) else {
                emptied.remove(key);
                continue;
            };
            for opened in Signed::<Reading>::open_each(&sealed, chain, KnownKey::from_bytes, usize::MAX) {
                match opened {
                    Ok(reading) => {
                        let name = (reading.signer(), reading.sequence);
                        index.add(iter::once(name), number, &mut emptied);
                        // Under one number, the last one that was kept counts.
                        readings.insert(name, reading);
                    }
                    Err(error) => {
                        tracing::error!(?key, %error, "a stored reading is damaged: its agent has to send it again")
                    }
                }
            }
        }
        self.packs.apply_batch(emptied).map_err(|error| self.error(error))?;
        Ok(readings.into_values().collect())
    }

    /// Keeps readings that wait to be settled, and evidence; they are on disk after the next [`flush`](Self::flush).
    pub(crate) fn keep(&self, readings: &[SignedReading], conflicts: &[Conflict]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        let mut index = self.index();
        index.packs.reserve(readings.len());
        let mut rest = readings;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |reading: &&SignedReading| {
                let fits = bytes < PACK_BYTES;
                bytes += reading.bytes().len();
                fits
            };
            let (pack, after) = rest.split_at(rest.iter().take_while(fits).count());
            let number = index.next;
            index.next += 1;
            index.add(pack.iter().map(|reading| (reading.signer(), reading.sequence)), number, &mut batch);
            let sealed: Vec<&Sealed> = pack.iter().map(SignedReading::sealed).collect();
            batch.insert(&number.to_be_bytes(), cbor::encode(&sealed));
            rest = after;
        }
        self.packs.apply_batch(batch).map_err(|error| self.error(error))?;
        for Conflict { taken, second } in conflicts {
            // The first one proves the conflict; a device cannot fill the disk with more.
            let key = [second.signer().as_bytes().as_slice(), &second.sequence.to_be_bytes()].concat();
            let evidence: Evidence = (second.sealed().clone(), taken.clone(), false);
            let first = self.evidence.compare_and_swap(key, None::<&[u8]>, Some(cbor::encode(&evidence)));
            first.map_err(|error| self.error(error))?.ok();
        }
        Ok(())
    }

    /// Contradicting readings that the ledger was not told of.
    pub(crate) fn unreported(&self) -> Result<Vec<Unreported>, StoreError> {
        let mut unreported = Vec::new();
        for entry in self.evidence.iter() {
            let (key, value) = entry.map_err(|error| self.error(error))?;
            if let Ok((second, taken, false)) = cbor::decode::<Evidence>(&value) {
                unreported.push(Unreported { name: key.to_vec(), second, taken });
            }
        }
        Ok(unreported)
    }

    /// Notes that the ledger was told of a pair. It reaches the disk with what is kept next: told twice, it suspends
    /// once.
    pub(crate) fn mark_reported(&self, Unreported { name, second, taken }: Unreported) -> Result<(), StoreError> {
        let evidence: Evidence = (second, taken, true);
        self.evidence.insert(name, cbor::encode(&evidence)).map_err(|error| self.error(error))?;
        Ok(())
    }

    /// Forgets readings that no longer wait. A crash may undo it, which is harmless.
    pub(crate) fn forget(&self, gone: &[Gone]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        let mut index = self.index();
        for gone in gone {
            index.remove(gone, &mut batch);
        }
        self.packs.apply_batch(batch).map_err(|error| self.error(error))
    }

    /// The last interval whose receipts were forwarded.
    pub(crate) fn forwarded(&self, length: IntervalLength) -> Result<Option<Interval>, StoreError> {
        let mark = self.marks.get(FORWARDED).map_err(|error| self.error(error))?;
        let start_s = mark.and_then(|mark| Some(i64::from_be_bytes(mark.as_ref().try_into().ok()?)));
        Ok(start_s.and_then(|start_s| Interval::new(start_s, length)))
    }

    /// Notes that the receipts of `interval` were forwarded.
    pub(crate) async fn mark_forwarded(&self, interval: Interval) -> Result<(), StoreError> {
        self.marks.insert(FORWARDED, &interval.start_s().to_be_bytes()).map_err(|error| self.error(error))?;
        self.flush().await
    }

    /// The last block that was looked at for corrections.
    pub(crate) fn followed(&self) -> Result<Option<u64>, StoreError> {
        let mark = self.marks.get(FOLLOWED).map_err(|error| self.error(error))?;
        Ok(mark.and_then(|mark| Some(u64::from_be_bytes(mark.as_ref().try_into().ok()?))))
    }

    /// Notes that all blocks up to this height were looked at for corrections. It reaches the disk with what is kept
    /// next: an agent that gets a receipt twice knows it.
    pub(crate) fn mark_followed(&self, height: u64) -> Result<(), StoreError> {
        self.marks.insert(FOLLOWED, &height.to_be_bytes()).map_err(|error| self.error(error))?;
        Ok(())
    }

    /// Returns when all that was kept is on disk.
    pub(crate) async fn flush(&self) -> Result<(), StoreError> {
        self.db.flush_async().await.map_err(|error| self.error(error))?;
        let file = self.file.clone();
        let synced = tokio::task::spawn_blocking(move || file.sync_data()).await;
        let synced = synced.unwrap_or_else(|error| Err(io::Error::other(error)));
        synced.map_err(|error| StoreError::Io { path: self.path.to_path_buf(), error })
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, error: sled::Error) -> StoreError {
        StoreError::Sled { path: self.path.to_path_buf(), error }
    }
}

fn pack_number(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

/// Makes the directory if need be, and refuses one that belongs to another chain.
fn check_chain(directory: &Path, chain: &ChainId) -> Result<(), StoreError> {
    let io_error = |path: &Path| {
        let path = path.to_path_buf();
        |error| StoreError::Io { path, error }
    };
    owner_only::create_directory(directory).map_err(io_error(directory))?;
    if let Some(warning) = owner_only::warning(directory) {
        tracing::warn!("{warning}");
    }
    let path = directory.join(CHAIN_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) if text.trim_end() == chain.to_string() => Ok(()),
        Ok(text) => {
            let found = text.trim_end().chars().take(80).collect();
            Err(StoreError::OtherChain { path, expected: *chain, found })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::write(&path, format!("{chain}\n")).map_err(io_error(&path))
        }
        Err(error) => Err(io_error(&path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{hash::Hash, key::SecretKey, reading::Registers};

    fn reading(sequence: u64, salt: u8) -> SignedReading {
        let reading = Reading {
            interval: "2026-06-01T12:00:00Z/PT15M".parse().unwrap(),
            sequence,
            previous: Hash::ZERO,
            registers: Registers::default(),
            salt: [salt; 16],
        };
        Signed::sign(reading, &Hash::ZERO, &SecretKey::from_seed(&[1; 32]))
    }

    fn name(reading: &SignedReading) -> Gone {
        (reading.signer(), reading.sequence)
    }

    #[tokio::test]
    async fn what_was_kept_is_there_after_a_restart_in_order_of_sequence() {
        let directory = tempfile::tempdir().unwrap();
        let interval: Interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
        let store = Store::open(directory.path(), &Hash::ZERO).unwrap();
        let first = reading(9, 5);
        let conflict = |salt| Conflict::new(Some(&first), &reading(9, salt));
        store.keep(&[reading(256, 0), reading(2, 0)], &[conflict(0)]).unwrap();
        store.keep(&[reading(3, 0)], &[conflict(1), Conflict::new(None, &reading(8, 0))]).unwrap();
        store.flush().await.unwrap();
        store.forget(&[name(&reading(3, 0))]).unwrap();
        store.mark_forwarded(interval).await.unwrap();
        assert!(matches!(Store::open(directory.path(), &Hash::ZERO), Err(StoreError::InUse { .. })));
        drop(store);

        let store = Store::open(directory.path(), &Hash::ZERO).unwrap();
        assert_eq!(store.readings(&Hash::ZERO).unwrap(), [reading(2, 0), reading(256, 0)]);
        assert_eq!(store.forwarded(interval.length()).unwrap(), Some(interval));
        let unreported = store.unreported().unwrap();
        let [eighth, ninth] = &unreported[..] else { panic!("{unreported:?}") };
        assert_eq!((&eighth.second, &eighth.taken), (reading(8, 0).sealed(), &None));
        assert_eq!(
            (&ninth.second, &ninth.taken),
            (reading(9, 0).sealed(), &Some(first.sealed().clone())),
            "not the third"
        );
        unreported.into_iter().for_each(|unreported| store.mark_reported(unreported).unwrap());
        assert_eq!(store.unreported().unwrap(), []);
        assert_eq!(store.evidence.len(), 2, "what is reported is still evidence");
    }

    #[tokio::test]
    async fn what_was_acknowledged_is_in_the_one_file_that_is_synced() {
        let (directory, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = Store::open(directory.path(), &Hash::ZERO).unwrap();
        let many: Vec<SignedReading> = (1..=8_000).map(|sequence| reading(sequence, 0)).collect();
        for (index, some) in many.chunks(250).enumerate() {
            store.keep(some, &[]).unwrap();
            store.flush().await.unwrap();
            store.forget(&some[..100].iter().map(name).collect::<Vec<_>>()).unwrap();
            let elsewhere: Vec<_> = std::fs::read_dir(directory.path().join("data/blobs")).unwrap().collect();
            assert!(elsewhere.is_empty(), "{index}: {elsewhere:?}");
        }
        // The files as a machine finds them that loses its power now.
        std::fs::create_dir_all(copy.path().join("data/blobs")).unwrap();
        for name in ["data/db", "data/conf", CHAIN_FILE] {
            std::fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
        }
        let found = Store::open(copy.path(), &Hash::ZERO).unwrap().readings(&Hash::ZERO).unwrap();
        let found: std::collections::BTreeSet<u64> = found.iter().map(|reading| reading.sequence).collect();
        let mut kept = many.chunks(250).flat_map(|some| &some[100..]);
        assert!(kept.all(|reading| found.contains(&reading.sequence)));
    }

    #[tokio::test]
    async fn a_pack_goes_with_the_last_of_its_readings_also_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), &Hash::ZERO).unwrap();
        let many: Vec<SignedReading> = (1..=1_000).map(|sequence| reading(sequence, 0)).collect();
        store.keep(&many, &[]).unwrap();
        let bytes: Vec<usize> = store.packs.iter().values().map(|pack| pack.unwrap().len()).collect();
        assert!(bytes.iter().all(|bytes| *bytes < PACK_BYTES + MESSAGE_BYTES_MAX));
        assert!(bytes[..bytes.len() - 1].iter().all(|bytes| *bytes >= PACK_BYTES), "only the last one has room");
        // Another one under a number that is there, as when a device committed another one to the ledger.
        store.keep(&[reading(1, 1)], &[]).unwrap();
        let names: Vec<Gone> = many.iter().map(name).collect();
        store.forget(&names[1..999]).unwrap();
        assert_eq!(store.packs.len(), 2, "the pack of the last reading, and that of the other first one");
        store.flush().await.unwrap();
        drop(store);

        let store = Store::open(directory.path(), &Hash::ZERO).unwrap();
        let back = store.readings(&Hash::ZERO).unwrap();
        assert_eq!((back.first(), back.last()), (Some(&reading(1, 1)), many.last()));
        store.keep(&[reading(2_000, 0)], &[]).unwrap();
        store.forget(&back.iter().map(name).collect::<Vec<_>>()).unwrap();
        assert_eq!(store.packs.len(), 1, "the new one has a pack of its own");
        store.forget(&[name(&reading(2_000, 0))]).unwrap();
        assert_eq!(store.packs.len(), 0);
        assert_eq!(store.readings(&Hash::ZERO).unwrap(), []);
    }

    #[test]
    fn a_damaged_pack_or_reading_is_left_out_and_the_others_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), &Hash::ZERO).unwrap();
        store.keep(&[reading(1, 0)], &[]).unwrap();
        store.packs.insert(7_u64.to_be_bytes(), b"no CBOR").unwrap();
        let mut damaged = reading(2, 0).bytes().to_vec();
        damaged[100] ^= 1;
        let pack = cbor::encode(&vec![Sealed::from(damaged), Sealed::from(&reading(3, 0))]);
        store.packs.insert(8_u64.to_be_bytes(), pack).unwrap();
        drop(store);

        let store = Store::open(directory.path(), &Hash::ZERO).unwrap();
        assert_eq!(store.readings(&Hash::ZERO).unwrap(), [reading(1, 0), reading(3, 0)]);
        assert_eq!(store.packs.len(), 2, "what holds no reading is of no use");
    }

    #[test]
    fn a_state_of_a_later_format_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        drop(Store::open(directory.path(), &Hash::ZERO).unwrap());
        let path = directory.path().join(state_format::FORMAT_FILE);
        std::fs::write(&path, "2\n0.9.0\n").unwrap();
        let error = Store::open(directory.path(), &Hash::ZERO).unwrap_err().to_string();
        let expected = format!(
            "{}: expected a state of format 1 at most, found format 2, which version 0.9.0 wrote; start that version or a \
             later one again; or name an empty `state`: agents send again whatever has no receipt",
            path.display()
        );
        assert_eq!(error, expected);
        std::fs::remove_file(&path).unwrap();
        Store::open(directory.path(), &Hash::ZERO).unwrap();
    }

    #[test]
    fn the_state_of_another_chain_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let other = Hash::of(b"other");
        drop(Store::open(directory.path(), &other).unwrap());
        let error = Store::open(directory.path(), &Hash::ZERO).unwrap_err();
        assert!(matches!(error, StoreError::OtherChain { .. }), "{error}");
        drop(Store::open(directory.path(), &other).unwrap());
    }
}
