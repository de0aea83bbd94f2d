//! The store on disk, in sled 0.34.
//!
//! What sled alone does not give, and what is done about it here:
//!
//! - `flush` reaches the operating system, not the disk: after it the database file is synced through a handle of our own
//!   (fsync works per file, whoever wrote to it).
//! - Values over about 128 KB go into files that are never synced: bodies are cut into chunks below that.
//! - A flipped bit goes unnoticed: every value carries a checksum over its key and itself.
//! - Atomic is a batch within one tree: there is only one tree, and the first byte of a key says what it holds.

use std::{collections::BTreeMap, fs::File, path::Path};

use minicbor::{Decode, Encode};
use protocol::{cbor, certificate::CommitCertificate, envelope::ChainId, hash::Hash, interval::Interval};

use super::{Commit, Store, StoreError, StoredBlock, StoredCandidate};

/// Most bytes of sled's cache. Its default is a gigabyte.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of a chunk of a body.
const CHUNK_BYTES: usize = 64 * 1024;
/// Bytes of a value's checksum: a truncated SHA-256. It guards against accidents; signatures guard against forgery.
const CHECKSUM_BYTES: usize = 8;

/// The chain that the directory belongs to.
const CHAIN: u8 = b'g';
/// The height of the last committed block.
const TIP: u8 = b't';
/// A committed block's certificate, by height.
const CERTIFICATE: u8 = b'c';
/// A chunk of a committed block's body, by height and number.
const BODY: u8 = b'b';
/// The height that settled an interval, by its start.
const INTERVAL: u8 = b'i';
/// An entry of the state, by its key.
const ENTRY: u8 = b's';
/// A candidate, by height, round and hash.
const CANDIDATE: u8 = b'p';
/// A chunk of a candidate's body, by height, hash and number.
const CANDIDATE_BODY: u8 = b'q';

/// A store in a directory of its own.
pub struct SledStore {
    db: sled::Db,
    file: File,
}

impl SledStore {
    /// Opens the store in `directory`, or makes it there, for the ledger `chain`.
    pub fn open(directory: &Path, chain: &ChainId) -> Result<SledStore, StoreError> {
        // Every write here is flushed before it is acknowledged: no background flusher is needed.
        let config = sled::Config::new().path(directory).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        let db = config.open().map_err(|error| match error {
            sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => {
                StoreError::InUse(directory.display().to_string())
            }
            sled::Error::Corruption { .. } => StoreError::Damaged {
                key: format!("the store {}", directory.display()),
                reason: "its file is not what was written".into(),
            },
            other => StoreError::Io(format!("{}: {other}", directory.display())),
        })?;
        let file = File::open(directory.join("db")).map_err(|error| StoreError::Io(error.to_string()))?;
        let store = SledStore { db, file };
        match store.get::<ChainId>(&[CHAIN])? {
            Some(found) if found != *chain => return Err(StoreError::OtherGenesis { expected: *chain, found }),
            Some(_) => {}
            None => {
                let mut batch = sled::Batch::default();
                insert(&mut batch, vec![CHAIN], &cbor::encode(chain));
                store.write(batch)?;
            }
        }
        Ok(store)
    }

    fn get<T: for<'b> Decode<'b, ()> + Encode<()>>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        let Some(sealed) = self.db.get(key).map_err(io)? else { return Ok(None) };
        let value = unseal(key, &sealed)?;
        cbor::decode(value).map(Some).map_err(|error| damaged(key, error.to_string()))
    }

    /// The chunks under a prefix, joined; `None` if there are none.
    fn body(&self, prefix: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let mut body = None::<Vec<u8>>;
        for (number, chunk) in self.db.scan_prefix(prefix).enumerate() {
            let (key, sealed) = chunk.map_err(io)?;
            if key.get(prefix.len()..) != Some(&(number as u32).to_be_bytes()[..]) {
                return Err(damaged(&key, format!("expected chunk {number} here")));
            }
            body.get_or_insert_default().extend_from_slice(unseal(&key, &sealed)?);
        }
        Ok(body)
    }

    fn write(&self, batch: sled::Batch) -> Result<(), StoreError> {
        self.db.apply_batch(batch).map_err(io)?;
        self.db.flush().map_err(io)?;
        self.file.sync_data().map_err(|error| StoreError::Io(error.to_string()))
    }
}

impl Store for SledStore {
    fn height(&self) -> Result<u64, StoreError> {
        Ok(self.get(&[TIP])?.unwrap_or(0))
    }

    fn block(&self, height: u64) -> Result<Option<StoredBlock>, StoreError> {
        let Some(certificate) = self.get::<CommitCertificate>(&key(CERTIFICATE, &[&height.to_be_bytes()]))? else {
            return Ok(None);
        };
        let prefix = key(BODY, &[&height.to_be_bytes()]);
        let body = self.body(&prefix)?.ok_or_else(|| damaged(&prefix, "the certificate is here, the body is not"))?;
        Ok(Some(StoredBlock { body, certificate }))
    }

    fn height_of(&self, interval: Interval) -> Result<Option<u64>, StoreError> {
        self.get(&interval_key(interval))
    }

    fn entries(&self) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StoreError> {
        let mut entries = BTreeMap::new();
        for entry in self.db.scan_prefix([ENTRY]) {
            let (key, sealed) = entry.map_err(io)?;
            entries.insert(key[1..].to_vec(), unseal(&key, &sealed)?.to_vec());
        }
        Ok(entries)
    }

    fn commit(&self, commit: &Commit<'_>) -> Result<(), StoreError> {
        let StoredBlock { body, certificate } = commit.block;
        let height = certificate.height;
        super::check_height(self.height()? + 1, height)?;
        let mut batch = sled::Batch::default();
        insert_chunks(&mut batch, &key(BODY, &[&height.to_be_bytes()]), body);
        insert(&mut batch, key(CERTIFICATE, &[&height.to_be_bytes()]), &cbor::encode(certificate));
        for interval in &commit.intervals {
            insert(&mut batch, interval_key(*interval), &cbor::encode(&height));
        }
        for (name, value) in &commit.entries {
            insert(&mut batch, key(ENTRY, &[name]), value);
        }
        for kind in [CANDIDATE, CANDIDATE_BODY] {
            for old in self.db.range(vec![kind]..key(kind, &[&(height + 1).to_be_bytes()])).keys() {
                batch.remove(old.map_err(io)?);
            }
        }
        insert(&mut batch, vec![TIP], &cbor::encode(&height));
        self.write(batch)
    }

    fn put_candidate(&self, candidate: &StoredCandidate, body: &[u8]) -> Result<(), StoreError> {
        let StoredCandidate { block, height, round, .. } = candidate;
        let mut batch = sled::Batch::default();
        let height = height.to_be_bytes();
        insert_chunks(&mut batch, &key(CANDIDATE_BODY, &[&height, block.as_bytes()]), body);
        let name = key(CANDIDATE, &[&height, &round.to_be_bytes(), block.as_bytes()]);
        insert(&mut batch, name, &cbor::encode(candidate));
        self.write(batch)
    }

    fn candidates(&self, height: u64) -> Result<Vec<StoredCandidate>, StoreError> {
        let candidate = |entry: sled::Result<(sled::IVec, sled::IVec)>| {
            let (key, sealed) = entry.map_err(io)?;
            cbor::decode(unseal(&key, &sealed)?).map_err(|error| damaged(&key, error.to_string()))
        };
        self.db.scan_prefix(key(CANDIDATE, &[&height.to_be_bytes()])).map(candidate).collect()
    }

    fn candidate_body(&self, height: u64, block: &Hash) -> Result<Option<Vec<u8>>, StoreError> {
        self.body(&key(CANDIDATE_BODY, &[&height.to_be_bytes(), block.as_bytes()]))
    }
}

fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![kind];
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

fn interval_key(interval: Interval) -> Vec<u8> {
    key(INTERVAL, &[&interval.start_s().to_be_bytes(), &interval.length().minutes().to_be_bytes()])
}

fn checksum(key: &[u8], value: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = Hash::of_parts(&[&(key.len() as u64).to_be_bytes(), key, value]);
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&hash.as_bytes()[..CHECKSUM_BYTES]);
    checksum
}

fn insert(batch: &mut sled::Batch, key: Vec<u8>, value: &[u8]) {
    let mut sealed = Vec::with_capacity(CHECKSUM_BYTES + value.len());
    sealed.extend_from_slice(&checksum(&key, value));
    sealed.extend_from_slice(value);
    batch.insert(key, sealed);
}

fn insert_chunks(batch: &mut sled::Batch, prefix: &[u8], body: &[u8]) {
    for (number, chunk) in body.chunks(CHUNK_BYTES).enumerate() {
        insert(batch, [prefix, &(number as u32).to_be_bytes()].concat(), chunk);
    }
}

fn unseal<'a>(key: &[u8], sealed: &'a [u8]) -> Result<&'a [u8], StoreError> {
    match sealed.split_at_checked(CHECKSUM_BYTES) {
        Some((sum, value)) if sum == checksum(key, value) => Ok(value),
        _ => Err(damaged(key, "its checksum does not match")),
    }
}

fn damaged(key: &[u8], reason: impl Into<String>) -> StoreError {
    let what = match key.first() {
        Some(&CHAIN) => "the chain's name",
        Some(&TIP) => "the height",
        Some(&CERTIFICATE) => "a certificate",
        Some(&BODY) => "a block",
        Some(&INTERVAL) => "the index of intervals",
        Some(&ENTRY) => "the state",
        Some(&CANDIDATE | &CANDIDATE_BODY) => "a candidate",
        _ => "an unknown value",
    };
    let height = match key {
        [CERTIFICATE | BODY | CANDIDATE | CANDIDATE_BODY, height @ ..] => {
            height.first_chunk().map(|height| format!(" of height {}", u64::from_be_bytes(*height)))
        }
        _ => None,
    };
    StoreError::Damaged { key: format!("{what}{}", height.unwrap_or_default()), reason: reason.into() }
}

fn io(error: sled::Error) -> StoreError {
    StoreError::Io(error.to_string())
}
