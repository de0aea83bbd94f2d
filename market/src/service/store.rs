//! The market's memory that survives a crash: readings that wait to be settled, evidence, and how far receipts were
//! forwarded.
//!
//! Kept in sled. Its `flush` hands everything to the operating system, which a crash of the market survives; the
//! `fsync` after it makes a power cut survivable too.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use protocol::{
    envelope::{ChainId, Signed},
    interval::{Interval, IntervalLength},
    reading::{Reading, SignedReading},
};

use super::book::Gone;

/// Most memory that sled uses for its cache.
const CACHE_BYTES_MAX: u64 = 16 * 1_024 * 1_024;
/// File in the state directory that names the chain that the state belongs to.
const CHAIN_FILE: &str = "chain";
const FORWARDED: &[u8] = b"receipts_forwarded";

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
    /// The market's loop ended with a panic: a bug.
    #[error("the market crashed: {0}")]
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
    readings: sled::Tree,
    evidence: sled::Tree,
    marks: sled::Tree,
    path: Arc<Path>,
    file: Arc<File>,
}

impl Store {
    /// Opens the state in `directory`, or makes one for `chain`.
    pub(crate) fn open(directory: &Path, chain: &ChainId) -> Result<Store, StoreError> {
        check_chain(directory, chain)?;
        let path = directory.join("data");
        let sled_error = |error| match error {
            sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => {
                StoreError::InUse { path: path.clone() }
            }
            error => StoreError::Sled { path: path.clone(), error },
        };
        let config = sled::Config::new().path(&path).cache_capacity(CACHE_BYTES_MAX).flush_every_ms(None);
        let db = config.open().map_err(sled_error)?;
        let tree = |name: &str| db.open_tree(name).map_err(sled_error);
        let (readings, evidence, marks) = (tree("readings")?, tree("evidence")?, tree("marks")?);
        let log = path.join("db");
        let file = File::open(&log).map_err(|error| StoreError::Io { path: log, error })?;
        Ok(Store { db, readings, evidence, marks, path: path.into(), file: file.into() })
    }

    /// The readings that wait, by device and sequence number. What cannot be read as one is logged and left out.
    pub(crate) fn readings(&self, chain: &ChainId) -> Result<Vec<SignedReading>, StoreError> {
        let mut readings = Vec::new();
        for entry in self.readings.iter() {
            let (key, bytes) = entry.map_err(|error| self.error(error))?;
            match Signed::<Reading>::open(&bytes, chain, |_| true) {
                Ok(reading) => readings.push(reading),
                Err(error) => {
                    tracing::error!(key = ?key, %error, "a stored reading is damaged: its agent has to send it again")
                }
            }
        }
        Ok(readings)
    }

    /// Keeps readings that wait to be settled, and evidence; they are on disk when this returns.
    pub(crate) async fn keep(&self, readings: &[SignedReading], evidence: &[SignedReading]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for reading in readings {
            batch.insert(key(&(reading.signer(), reading.sequence)), reading.bytes());
        }
        self.readings.apply_batch(batch).map_err(|error| self.error(error))?;
        for reading in evidence {
            // The first one proves the conflict; a device cannot fill the disk with more.
            let key = key(&(reading.signer(), reading.sequence));
            let first = self.evidence.compare_and_swap(key, None::<&[u8]>, Some(reading.bytes()));
            first.map_err(|error| self.error(error))?.ok();
        }
        self.flush().await
    }

    /// Forgets readings that no longer wait. A crash may undo it, which is harmless.
    pub(crate) fn forget(&self, gone: &[Gone]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for gone in gone {
            batch.remove(key(gone));
        }
        self.readings.apply_batch(batch).map_err(|error| self.error(error))
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

    async fn flush(&self) -> Result<(), StoreError> {
        self.db.flush_async().await.map_err(|error| self.error(error))?;
        let file = self.file.clone();
        let synced = tokio::task::spawn_blocking(move || file.sync_data()).await;
        let synced = synced.unwrap_or_else(|error| Err(io::Error::other(error)));
        synced.map_err(|error| StoreError::Io { path: self.path.to_path_buf(), error })
    }

    fn error(&self, error: sled::Error) -> StoreError {
        StoreError::Sled { path: self.path.to_path_buf(), error }
    }
}

fn key((device, sequence): &Gone) -> Vec<u8> {
    [device.as_bytes().as_slice(), &sequence.to_be_bytes()].concat()
}

/// Makes the directory if need be, and refuses one that belongs to another chain.
fn check_chain(directory: &Path, chain: &ChainId) -> Result<(), StoreError> {
    let io_error = |path: &Path| {
        let path = path.to_path_buf();
        |error| StoreError::Io { path, error }
    };
    std::fs::create_dir_all(directory).map_err(io_error(directory))?;
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

    fn reading(sequence: u64) -> SignedReading {
        let reading = Reading {
            interval: "2026-06-01T12:00:00Z/PT15M".parse().unwrap(),
            sequence,
            previous: Hash::ZERO,
            registers: Registers::default(),
            salt: [0; 16],
        };
        Signed::sign(reading, &Hash::ZERO, &SecretKey::from_seed(&[1; 32]))
    }

    #[tokio::test]
    async fn what_was_kept_is_there_after_a_restart_in_order_of_sequence() {
        let directory = tempfile::tempdir().unwrap();
        let interval: Interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
        let store = Store::open(directory.path(), &Hash::ZERO).unwrap();
        store.keep(&[reading(256), reading(2), reading(3)], &[reading(9)]).await.unwrap();
        store.forget(&[(reading(3).signer(), 3)]).unwrap();
        store.mark_forwarded(interval).await.unwrap();
        assert!(matches!(Store::open(directory.path(), &Hash::ZERO), Err(StoreError::InUse { .. })));
        drop(store);

        let store = Store::open(directory.path(), &Hash::ZERO).unwrap();
        assert_eq!(store.readings(&Hash::ZERO).unwrap(), [reading(2), reading(256)]);
        assert_eq!(store.forwarded(interval.length()).unwrap(), Some(interval));
        assert_eq!(store.evidence.len(), 1);
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
