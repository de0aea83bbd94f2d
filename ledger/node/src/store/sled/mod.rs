//! The store on disk, in sled 0.34.
//!
//! What sled alone does not give, and what is done about it here:
//!
//! - `flush` reaches the operating system, not the disk: after it the database file is synced through a handle of our
//!   own (fsync works per file, whoever wrote to it).
//! - What is over about 128 KB goes into files that are never synced, and so does a leaf of its tree, which is some
//!   neighbouring values together: what can be long is cut into chunks so small that no leaf is.
//! - A flipped bit goes unnoticed: every value carries a checksum over its key and itself.
//! - Atomic is a batch within one tree: there is only one tree, and the first byte of a key says what it holds.

mod journal;
mod keys;
mod named;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use minicbor::{Decode, Encode};
use protocol::{
    cbor,
    commit::CommitCertificate,
    correction::MemberInput,
    envelope::{ChainId, Sealed},
    hash::Hash,
    interval::Interval,
    member::{AccountId, MemberId},
};

use self::{journal::Journal, keys::*};
use super::{Commit, Pruning, Store, StoreError, StoredBlock, StoredCandidate};

/// Most bytes of sled's cache. Its default is a gigabyte.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

pub use self::named::SledStore;

/// The tree of a store. Its errors do not know where it is.
struct Tree {
    db: sled::Db,
    file: File,
    journal: Mutex<Journal>,
}

impl Tree {
    /// Opens the tree in `directory`, or makes it there, for the ledger `chain`.
    fn open(directory: &Path, chain: &ChainId) -> Result<Tree, StoreError> {
        // Every write here is flushed before it is acknowledged: no background flusher is needed.
        let config = sled::Config::new().path(directory).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        let db = config.open().map_err(|error| match error {
            sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => {
                StoreError::InUse(directory.display().to_string())
            }
            other => io(other),
        })?;
        let file = File::open(directory.join("db")).map_err(|error| io(error.into()))?;
        let tree = Tree { db, file, journal: Mutex::default() };
        match tree.get::<ChainId>(&[CHAIN])? {
            Some(found) if found != *chain => return Err(StoreError::OtherGenesis { expected: *chain, found }),
            Some(_) => {}
            None => {
                let mut batch = sled::Batch::default();
                insert(&mut batch, vec![CHAIN], &cbor::encode(chain));
                tree.write(batch)?;
            }
        }
        tree.read_journal()?;
        Ok(tree)
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_journal(&self) -> Result<(), StoreError> {
        let mut heights = BTreeSet::new();
        for name in self.db.scan_prefix([JOURNAL]).keys() {
            let name = name.map_err(io)?;
            let height = name[1..].first_chunk().ok_or_else(|| damaged(&name, "its key has no height"))?;
            heights.insert(u64::from_be_bytes(*height));
        }
        for height in heights {
            let changes = self.body(&key(JOURNAL, &[&height.to_be_bytes()]))?;
            self.journal().restore(height, &changes.unwrap_or_default())?;
        }
        Ok(())
    }

    fn get<T: for<'b> Decode<'b, ()> + Encode<()>>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        let Some(sealed) = self.db.get(key).map_err(io)? else { return Ok(None) };
        let value = self.long(key, &sealed)?;
        cbor::decode(&value).map(Some).map_err(|error| damaged(key, error.to_string()))
    }

    /// A value of which `sealed` is the first chunk.
    fn long(&self, key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut value = unseal(key, sealed)?.to_vec();
        if value.len() == CHUNK_BYTES {
            value.extend(self.body(&rest_of(key))?.unwrap_or_default());
        }
        Ok(value)
    }

    /// Removes what follows the first chunk of the value that is stored under a key.
    fn remove_rest(&self, batch: &mut sled::Batch, key: &[u8]) -> Result<(), StoreError> {
        match self.db.get(key).map_err(io)? {
            Some(old) if old.len() == CHECKSUM_BYTES + CHUNK_BYTES => self.remove_prefix(batch, &rest_of(key)),
            _ => Ok(()),
        }
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

    /// The values under some keys, in the order of the keys.
    fn values<T: for<'b> Decode<'b, ()> + Encode<()>>(&self, entries: sled::Iter) -> Result<Vec<T>, StoreError> {
        let value = |entry: sled::Result<(sled::IVec, sled::IVec)>| {
            let (key, sealed) = entry.map_err(io)?;
            cbor::decode(unseal(&key, &sealed)?).map_err(|error| damaged(&key, error.to_string()))
        };
        entries.map(value).collect()
    }

    /// Removes all chunks under a prefix.
    fn remove_prefix(&self, batch: &mut sled::Batch, prefix: &[u8]) -> Result<(), StoreError> {
        for old in self.db.scan_prefix(prefix).keys() {
            batch.remove(old.map_err(io)?);
        }
        Ok(())
    }

    fn write(&self, batch: sled::Batch) -> Result<(), StoreError> {
        self.db.apply_batch(batch).map_err(io)?;
        self.db.flush().map_err(io)?;
        self.file.sync_data().map_err(|error| io(error.into()))
    }
}

impl Store for Tree {
    fn place(&self) -> String {
        String::new()
    }

    fn height(&self) -> Result<u64, StoreError> {
        Ok(self.get(&[TIP])?.unwrap_or(0))
    }

    fn block(&self, height: u64) -> Result<Option<StoredBlock>, StoreError> {
        let Some(certificate) = self.get::<CommitCertificate>(&key(CERTIFICATE, &[&height.to_be_bytes()]))? else {
            return Ok(None);
        };
        let prefix = key(BODY, &[&height.to_be_bytes()]);
        let body = self.body(&prefix)?.ok_or_else(|| damaged(&prefix, "the certificate is here, the body is not"))?;
        let pruned = self.get(&key(PRUNED, &[&height.to_be_bytes()]))?;
        Ok(Some(StoredBlock { body, certificate, pruned }))
    }

    fn height_of(&self, interval: Interval) -> Result<Option<u64>, StoreError> {
        self.get(&interval_key(INTERVAL, interval))
    }

    fn corrections(&self, interval: Interval) -> Result<Vec<u64>, StoreError> {
        self.values(self.db.scan_prefix(interval_key(CORRECTION, interval)))
    }

    fn height_of_instruction(&self, member: MemberId, sequence: u64) -> Result<Option<u64>, StoreError> {
        self.get(&key(INSTRUCTION, &[member.as_bytes(), &sequence.to_be_bytes()]))
    }

    fn height_of_decision(&self, sequence: u64) -> Result<Option<u64>, StoreError> {
        self.get(&key(DECISION, &[&sequence.to_be_bytes()]))
    }

    fn validator_changes(&self) -> Result<Vec<u64>, StoreError> {
        self.values(self.db.scan_prefix([VALIDATORS]))
    }

    fn events(&self, account: AccountId, from: Interval, before: Interval) -> Result<Vec<u64>, StoreError> {
        let heights = self.values::<u64>(self.db.range(event_key(account, from)..event_key(account, before)))?;
        Ok(heights.into_iter().collect::<BTreeSet<_>>().into_iter().collect())
    }

    fn inputs(&self, interval: Interval) -> Result<Option<Vec<MemberInput>>, StoreError> {
        let prefix = interval_key(INPUTS, interval);
        let Some(bytes) = self.body(&prefix)? else { return Ok(None) };
        cbor::decode(&bytes).map(Some).map_err(|error| damaged(&prefix, error.to_string()))
    }

    fn unpruned_from(&self) -> Result<u64, StoreError> {
        Ok(self.get::<u64>(&[PRUNED_TO])?.unwrap_or(0) + 1)
    }

    fn pruned_readings(&self) -> Result<Vec<Sealed>, StoreError> {
        let reading = |entry: sled::Result<(sled::IVec, sled::IVec)>| {
            let (key, sealed) = entry.map_err(io)?;
            Ok(Sealed::from(unseal(&key, &sealed)?))
        };
        self.db.scan_prefix([PRUNED_READING]).map(reading).collect()
    }

    fn prune(&self, pruning: &Pruning) -> Result<(), StoreError> {
        let Pruning { height, body, heads, last, intervals } = pruning;
        super::check_height(self.place(), self.unpruned_from()?, *height)?;
        if *height > self.height()? {
            return Err(StoreError::Missing { height: *height });
        }
        let mut batch = sled::Batch::default();
        let prefix = key(BODY, &[&height.to_be_bytes()]);
        self.remove_prefix(&mut batch, &prefix)?;
        insert_chunks(&mut batch, &prefix, body);
        insert_long(&mut batch, key(PRUNED, &[&height.to_be_bytes()]), &cbor::encode(heads));
        for (device, reading) in last {
            insert(&mut batch, key(PRUNED_READING, &[device.as_bytes()]), reading.bytes());
        }
        for interval in intervals {
            self.remove_prefix(&mut batch, &interval_key(INPUTS, *interval))?;
        }
        insert(&mut batch, vec![PRUNED_TO], &cbor::encode(height));
        self.write(batch)
    }

    fn entries(&self) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StoreError> {
        let mut entries = BTreeMap::new();
        for entry in self.db.scan_prefix([ENTRY]) {
            let (key, sealed) = entry.map_err(io)?;
            entries.insert(key[1..].to_vec(), self.long(&key, &sealed)?);
        }
        self.journal().apply_to(&mut entries);
        Ok(entries)
    }

    fn commit(&self, commit: &Commit<'_>) -> Result<(), StoreError> {
        let StoredBlock { body, certificate, .. } = commit.block;
        let height = certificate.height;
        super::check_height(self.place(), self.height()? + 1, height)?;
        let mut batch = sled::Batch::default();
        insert_chunks(&mut batch, &key(BODY, &[&height.to_be_bytes()]), body);
        insert_long(&mut batch, key(CERTIFICATE, &[&height.to_be_bytes()]), &cbor::encode(certificate));
        for interval in &commit.intervals {
            insert(&mut batch, interval_key(INTERVAL, *interval), &cbor::encode(&height));
        }
        let mut found_at = |key: Vec<u8>| insert(&mut batch, key, &cbor::encode(&height));
        for (interval, number) in &commit.corrections {
            found_at([interval_key(CORRECTION, *interval), number.to_be_bytes().to_vec()].concat());
        }
        for (member, sequence) in &commit.instructions {
            found_at(key(INSTRUCTION, &[member.as_bytes(), &sequence.to_be_bytes()]));
        }
        for sequence in &commit.decisions {
            found_at(key(DECISION, &[&sequence.to_be_bytes()]));
        }
        for (account, interval) in &commit.events {
            found_at([event_key(*account, *interval), height.to_be_bytes().to_vec()].concat());
        }
        if commit.changes_validators {
            found_at(key(VALIDATORS, &[&height.to_be_bytes()]));
        }
        for (interval, inputs) in &commit.inputs {
            let prefix = interval_key(INPUTS, *interval);
            self.remove_prefix(&mut batch, &prefix)?;
            insert_chunks(&mut batch, &prefix, &cbor::encode(inputs));
        }
        let mut journal = self.journal();
        journal.write(&mut batch, height, &commit.changes);
        for (name, value) in journal.due(height, &commit.changes) {
            let key = key(ENTRY, &[name]);
            self.remove_rest(&mut batch, &key)?;
            match value {
                Some(value) => insert_long(&mut batch, key, value),
                None => batch.remove(key),
            }
        }
        for ended in journal.ended_by(height) {
            self.remove_prefix(&mut batch, &ended)?;
        }
        for kind in [CANDIDATE, CANDIDATE_BODY] {
            for old in self.db.range(vec![kind]..key(kind, &[&(height + 1).to_be_bytes()])).keys() {
                batch.remove(old.map_err(io)?);
            }
        }
        insert(&mut batch, vec![TIP], &cbor::encode(&height));
        self.write(batch)?;
        journal.written(height, &commit.changes);
        Ok(())
    }

    fn log_size(&self) -> Result<u64, StoreError> {
        Ok(self.get(&[LOG_SIZE])?.unwrap_or(0))
    }

    fn log_nodes(&self, height: u64) -> Result<Vec<Hash>, StoreError> {
        let key = key(LOG, &[&height.to_be_bytes()]);
        let sealed = self.db.get(&key).map_err(io)?.ok_or(StoreError::Missing { height })?;
        let (nodes, rest) = unseal(&key, &sealed)?.as_chunks();
        if !rest.is_empty() {
            return Err(damaged(&key, "it is no list of hashes"));
        }
        Ok(nodes.iter().map(|node| Hash::from_bytes(*node)).collect())
    }

    fn extend_log(&self, nodes: &[Vec<Hash>]) -> Result<(), StoreError> {
        let mut size = self.log_size()?;
        let mut batch = sled::Batch::default();
        for nodes in nodes {
            size += 1;
            let nodes: Vec<u8> = nodes.iter().flat_map(|node| *node.as_bytes()).collect();
            insert(&mut batch, key(LOG, &[&size.to_be_bytes()]), &nodes);
        }
        if size > self.height()? {
            return Err(StoreError::Missing { height: size });
        }
        insert(&mut batch, vec![LOG_SIZE], &cbor::encode(&size));
        // Not flushed: the next block is, and with it this.
        self.db.apply_batch(batch).map(drop).map_err(io)
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
        self.values(self.db.scan_prefix(key(CANDIDATE, &[&height.to_be_bytes()])))
    }

    fn candidate_body(&self, height: u64, block: &Hash) -> Result<Option<Vec<u8>>, StoreError> {
        self.body(&key(CANDIDATE_BODY, &[&height.to_be_bytes(), block.as_bytes()]))
    }
}
