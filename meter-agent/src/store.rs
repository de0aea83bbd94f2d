//! What must survive: chain head, readings, receipts, totals and orders, in sled.
//!
//! The last signature is kept apart from it, too ([`crate::signed`]), and what belongs to it is in both (`join`).
//!
//! One keyspace, so that everything that belongs together goes in with one atomic batch: a reading with the new chain
//! head, a receipt with the readings it settles and the totals. Nothing is acknowledged, and no reading is sent, before
//! its batch is flushed. Receipts are kept in the database rather than as files: a year has 35,000 of them, and an SD
//! card has few inodes and no love for small files. `meter-agent statement --export` writes them out.
//!
//! Traps of sled 0.34: its flush does not reach the disk (no fsync), so this store syncs the file itself; what is over
//! a quarter of a segment becomes a file of its own that nobody syncs, and so does a leaf of its tree, which is some
//! neighbouring values together: receipts are kept compressed, and in chunks; its default cache is 1 GB.

mod hand_over;
mod join;
mod restore;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Write},
    iter,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use minicbor::{Decode, Encode};
use protocol::{
    cbor,
    envelope::ChainId,
    interval::Interval,
    island::PlannedQuota,
    key::DeviceId,
    limits::ANSWER_BYTES_MAX,
    money::Price,
    reading::{ChainHead, Flow},
    receipt::Receipt,
    settlement::Tariffs,
};
use settings::{owner_only, state_format};

pub(crate) use self::{join::Known, restore::set_aside};
use crate::{
    choice::Choice,
    choice_file,
    island::{Island, QUOTAS_KEPT},
    learned::Learned,
    period::Period,
    record::{OrderRecord, ReadingRecord, Today},
    signed::{self, Doubt, Signed},
    source::Gross,
    totals::Totals,
};

/// Memory for pages read from the disk, bytes.
const CACHE_BYTES: u64 = 1 << 20;
/// A segment is also the size of the write buffer, bytes. Fixed once a database exists.
const SEGMENT_BYTES: usize = 128 << 10;
/// Most bytes of one value: two dozen of them, more than a leaf of sled's tree ever has, are less than a quarter of a
/// segment.
const CHUNK_BYTES: usize = 1_200;
const _: () = assert!(24 * (CHUNK_BYTES + 64) < SEGMENT_BYTES / 4);
/// The one who had it open may still be letting go of the lock.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);
/// Settled readings that are kept, in case the market lost them: a day of quarter hours.
pub(crate) const SETTLED_KEPT: u64 = 96;
/// Refused receipts that are kept as evidence.
const EVIDENCE_KEPT: u64 = 64;
/// Pairs of receipts that contradict one another that are kept, however many were refused before.
const CONTRADICTIONS_KEPT: u64 = 8;

/// The format of all that is in the state directory: another number for any change that an older program would misread.
const FORMAT: u32 = 1;
/// The database, in the state directory.
pub(crate) const DATABASE: &str = "db";
const OWNER: &[u8] = b"owner";
const HEAD: &[u8] = b"head";
const TOTALS: &[u8] = b"totals";
const TODAY: &[u8] = b"today";
const LEARNED: &[u8] = b"learned";
const REFUSED: &[u8] = b"refused";
const READING: u8 = b'r';
const RECEIPT: u8 = b'p';
const ORDER: u8 = b'o';
const EVIDENCE: u8 = b'e';
const CONTRADICTION: u8 = b'c';
const QUOTA: u8 = b'q';

/// Why the state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Someone has it open.
    #[error(
        "the state in {0} is in use: another meter-agent runs on it; two agents with one key would be suspended as a clone"
    )]
    InUse(PathBuf),
    /// A later version's, or one that does not say which format it has.
    #[error("{0}; do not remove the state: it says what this device has signed")]
    Format(#[from] state_format::FormatError),
    /// The disk or the database does not do what it should.
    #[error("the state in {path}: {error}; is the disk full, or damaged?")]
    Failed {
        /// The directory.
        path: PathBuf,
        /// What went wrong.
        error: String,
    },
    /// It belongs to another device or community.
    #[error(
        "the state in {path} belongs to device {device} in community {chain}; expected that of this configuration: use another `state` directory"
    )]
    OtherOwner {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        device: DeviceId,
        /// Where.
        chain: ChainId,
    },
    /// The database is not what was written.
    #[error(
        "{path} is damaged: {error}; `meter-agent recover` sets it aside and makes a new one: the keys and the last \
         signature are in files of their own, and receipts can be fetched again"
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        error: String,
    },
    /// What was signed last is not known.
    #[error(
        "{path}: {doubt}, so nothing is signed: a number signed twice suspends the device; `meter-agent recover` asks the \
         ledger; restore no older copy"
    )]
    Doubtful {
        /// The record.
        path: PathBuf,
        /// Why.
        doubt: Doubt,
    },
    /// The database and the record of the last signature contradict each other.
    #[error(
        "{path}: the database and the record of the last signature have different readings under the number {sequence}; \
         one of them is another device's, or the device was run twice: ask your operator to register a new device key"
    )]
    TwoHistories {
        /// The directory.
        path: PathBuf,
        /// The number.
        sequence: u64,
    },
}

#[derive(Debug, Encode, Decode)]
#[cbor(array)]
struct Owner {
    #[n(0)]
    device: DeviceId,
    #[n(1)]
    chain: ChainId,
}

/// What an agent finds when it starts.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) head: Option<ChainHead>,
    pub(crate) unsettled: Vec<(u64, ReadingRecord)>,
    pub(crate) totals: Totals,
    pub(crate) today: Option<Today>,
    /// Of the latest verified receipt.
    pub(crate) tariffs: Option<Tariffs>,
    /// The price among neighbours there.
    pub(crate) price: Option<Price>,
    /// What is proved of islands.
    pub(crate) island: Island,
    pub(crate) receipts_refused: u64,
    /// An interval of which two receipts contradict one another.
    pub(crate) two_truths: Option<Interval>,
    pub(crate) orders: Vec<OrderRecord>,
    /// What a strategy has learned.
    pub(crate) learned: Option<Learned>,
    /// Entries that could not be read, and were dropped.
    pub(crate) dropped: usize,
    /// The database had been lost, or set back, and has the last signature from its record.
    pub(crate) lacked: bool,
    /// The highest sequence number of an order that was ever signed.
    pub(crate) order: u64,
}

/// What a verified receipt changes.
#[derive(Debug)]
pub(crate) struct Settling<'a> {
    pub(crate) interval: Interval,
    /// The receipt; none where a later one of the interval is kept.
    pub(crate) json: Option<&'a [u8]>,
    pub(crate) covered: &'a [(u64, ReadingRecord)],
    pub(crate) totals: Totals,
    pub(crate) today: Option<Today>,
    pub(crate) learned: Option<&'a Learned>,
}

/// The agent's state on disk. Dropped, it can be opened again at once.
#[derive(Debug)]
pub(crate) struct Store {
    db: sled::Db,
    path: PathBuf,
    /// Our own handle on the database's file, to sync it.
    file: Option<File>,
    /// What was signed last; none before it is loaded.
    signed: Mutex<Option<Signed>>,
    #[cfg(test)]
    pub(crate) disk_full: std::sync::atomic::AtomicBool,
}

impl Store {
    /// Opens the state in `dir`, or makes it. `fsync`: whether a write must reach the disk before it counts.
    pub(crate) fn open(dir: &Path, fsync: bool) -> Result<Store, StoreError> {
        let path = dir.join(DATABASE);
        let failed = |error: io::Error| StoreError::Failed { path: dir.into(), error: error.to_string() };
        state_format::check(dir, FORMAT)?;
        owner_only::create_directory(dir).map_err(failed)?;
        let config = sled::Config::new()
            .path(&path)
            .cache_capacity(CACHE_BYTES)
            .segment_size(SEGMENT_BYTES)
            // No thread of its own: every write is flushed by hand.
            .flush_every_ms(None);
        let started = Instant::now();
        let db = loop {
            match guarded(&path, || config.open().map_err(|error| unusable(&path, error))) {
                Ok(db) => break db,
                Err(StoreError::Failed { error, .. }) if error.contains("could not acquire lock") => {
                    if started.elapsed() > LOCK_PATIENCE {
                        return Err(StoreError::InUse(dir.into()));
                    }
                    thread::sleep(Duration::from_millis(20));
                }
                Err(error) => return Err(error),
            }
        };
        state_format::mark(dir, FORMAT, env!("CARGO_PKG_VERSION"))?;
        let file = if fsync { Some(File::open(path.join("db")).map_err(failed)?) } else { None };
        Ok(Store {
            db,
            path: dir.into(),
            file,
            signed: Mutex::default(),
            #[cfg(test)]
            disk_full: Default::default(),
        })
    }

    /// Reads what is there for `device` in community `chain`, and makes it theirs if it is new.
    pub(crate) fn load(&self, device: DeviceId, chain: ChainId) -> Result<Loaded, StoreError> {
        let (signed, lacked) = match self.known(device, chain)? {
            Known::All { signed, lacked } => (signed, lacked),
            Known::Doubtful(doubt, _) => {
                return Err(StoreError::Doubtful { path: self.path.join(signed::FILE), doubt });
            }
        };
        let (head, order) = (signed.head, signed.order);
        self.join(signed, chain)?;
        let (readings, torn_readings) = self.scan::<ReadingRecord>(READING)?;
        let (orders, torn_orders) = self.scan::<OrderRecord>(ORDER)?;
        let (quotas, torn_quotas) = self.scan::<PlannedQuota>(QUOTA)?;
        let (totals, today) = self.sums()?;
        let latest = match today.and_then(|today| today.settled_until) {
            Some(latest) => self.receipt(latest)?,
            None => None,
        };
        let latest = latest.and_then(|json| Receipt::from_json(&json).ok()).map(|receipt| receipt.entry);
        Ok(Loaded {
            head,
            unsettled: readings.into_iter().filter(|(_, record)| !record.settled).collect(),
            totals,
            today,
            tariffs: latest.as_ref().map(|entry| entry.tariffs),
            island: Island::new(quotas.into_iter().map(|(_, quota)| quota), latest.as_ref()),
            price: latest.and_then(|entry| entry.price),
            receipts_refused: self.get(REFUSED)?.unwrap_or_default(),
            two_truths: self
                .contradictions()
                .find_map(|json| Some(Receipt::from_json(&json.ok()?).ok()?.entry.interval)),
            orders: orders.into_iter().map(|(_, order)| order).collect(),
            learned: self.get(LEARNED)?,
            dropped: torn_readings + torn_orders + torn_quotas,
            lacked,
            order,
        })
    }

    /// Appends signed readings with the chain's new head, all or none; in the database first, then in the record.
    pub(crate) fn append(&self, readings: &[(u64, ReadingRecord)], head: &ChainHead) -> Result<(), StoreError> {
        let mut signed = self.signed()?;
        signed.append(readings, head);
        let mut batch = sled::Batch::default();
        for (sequence, record) in readings {
            batch.insert(key(READING, *sequence).as_slice(), cbor::encode(record));
        }
        batch.insert(HEAD, cbor::encode(head));
        self.commit(batch)?;
        self.write_signed(signed)
    }

    /// Stores a verified receipt, what it settles and the new totals, all or none.
    pub(crate) fn settle(&self, settling: &Settling<'_>) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        if let Some(json) = settling.json {
            self.insert_long(&mut batch, &receipt_key(settling.interval), &self.deflate(json)?)?;
        }
        for (sequence, record) in settling.covered {
            let settled = ReadingRecord { settled: true, ..record.clone() };
            batch.insert(key(READING, *sequence).as_slice(), cbor::encode(&settled));
            if let Some(old) = sequence.checked_sub(SETTLED_KEPT)
                && self.reading(old)?.is_some_and(|record| record.settled)
            {
                batch.remove(key(READING, old).as_slice());
            }
        }
        batch.insert(TOTALS, cbor::encode(&settling.totals));
        if let Some(today) = &settling.today {
            batch.insert(TODAY, cbor::encode(today));
        }
        if let Some(learned) = settling.learned {
            batch.insert(LEARNED, cbor::encode(learned));
        }
        self.commit(batch)?;
        if let Some(signed) = &mut *self.signed.lock().unwrap_or_else(PoisonError::into_inner) {
            signed.unsettled.retain(|(sequence, _)| settling.covered.iter().all(|(covered, _)| covered != sequence));
        }
        Ok(())
    }

    /// Keeps a refused receipt as evidence; says how many were refused so far.
    pub(crate) fn keep_evidence(&self, received: &[u8]) -> Result<u64, StoreError> {
        let refused = self.get::<u64>(REFUSED)?.unwrap_or_default() + 1;
        let mut batch = sled::Batch::default();
        batch.insert(REFUSED, cbor::encode(&refused));
        // The first ones count: a flood must not wash them away.
        if refused <= EVIDENCE_KEPT {
            let received = &received[..received.len().min(ANSWER_BYTES_MAX)];
            self.insert_long(&mut batch, &key(EVIDENCE, refused), &self.deflate(received)?)?;
        }
        self.commit(batch)?;
        Ok(refused)
    }

    /// Keeps two receipts that contradict one another, once; says how many receipts were refused so far.
    pub(crate) fn keep_contradiction(&self, known: &[u8], received: &[u8]) -> Result<u64, StoreError> {
        let refused = self.get::<u64>(REFUSED)?.unwrap_or_default() + 1;
        let mut batch = sled::Batch::default();
        batch.insert(REFUSED, cbor::encode(&refused));
        let kept: Vec<Vec<u8>> = self.contradictions().collect::<Result<_, _>>()?;
        if (kept.len() as u64) < 2 * CONTRADICTIONS_KEPT && !kept.iter().any(|kept| kept == received) {
            for (number, json) in (kept.len() as u64..).zip([known, received]) {
                self.insert_long(&mut batch, &key(CONTRADICTION, number), &self.deflate(json)?)?;
            }
        }
        self.commit(batch)?;
        Ok(refused)
    }

    /// Stores an order, new or with a new state.
    pub(crate) fn put_order(&self, record: &OrderRecord) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        batch.insert(key(ORDER, record.order.sequence).as_slice(), cbor::encode(record));
        self.commit(batch)?;
        let signed = self.signed()?;
        if record.order.sequence <= signed.order {
            return Ok(());
        }
        self.write_signed(Signed { order: record.order.sequence, ..signed })
    }

    /// Keeps proved quotas, and forgets those from long before.
    pub(crate) fn keep_quotas(&self, quotas: &[PlannedQuota]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for planned in quotas {
            let at = |interval: Interval| key(QUOTA, interval.start_s().unsigned_abs());
            if let Some(oldest) = planned.interval.offset(-QUOTAS_KEPT) {
                for old in self.db.range(key(QUOTA, 0)..=at(oldest)).keys() {
                    batch.remove(old.map_err(|error| self.damaged(error))?);
                }
            }
            batch.insert(at(planned.interval).as_slice(), cbor::encode(planned));
        }
        self.commit(batch)
    }

    /// The proved quota of `interval`, if it was on an island.
    pub(crate) fn quota(&self, interval: Interval) -> Result<Option<PlannedQuota>, StoreError> {
        self.get(&key(QUOTA, interval.start_s().unsigned_abs()))
    }

    /// Keeps what was chosen on the page, or that nothing is any more.
    pub(crate) fn keep_choice(&self, choice: Option<&Choice>) -> Result<(), StoreError> {
        choice_file::write(&self.path, choice, self.file.is_some()).map_err(|error| self.failed(error))
    }

    /// One signed reading; none if it was never signed, pruned, or cannot be read.
    pub(crate) fn reading(&self, sequence: u64) -> Result<Option<ReadingRecord>, StoreError> {
        self.get(&key(READING, sequence))
    }

    /// The settled readings that are still kept, from before `sequence`.
    pub(crate) fn settled_before(&self, sequence: u64) -> Result<Vec<(u64, ReadingRecord)>, StoreError> {
        let (mut readings, _) = self.scan::<ReadingRecord>(READING)?;
        readings.retain(|(at, record)| *at < sequence && record.settled);
        Ok(readings)
    }

    /// What was measured in `interval` alone, where that reading is kept.
    pub(crate) fn measured(&self, interval: Interval) -> Result<Option<Flow>, StoreError> {
        let (readings, _) = self.scan::<ReadingRecord>(READING)?;
        let own = readings.into_iter().find(|(_, record)| record.interval == interval && record.consecutive);
        Ok(own.map(|(sequence, record)| record.own(sequence).flow))
    }

    /// The receipt of `interval`, as it was received.
    pub(crate) fn receipt(&self, interval: Interval) -> Result<Option<Vec<u8>>, StoreError> {
        self.long_values(&receipt_key(interval)).next().transpose()
    }

    /// The price among neighbours in an interval: of its receipt, none where nobody traded or where there are receipts
    /// of later intervals only. Nothing where it may still come.
    pub(crate) fn price(&self, interval: Interval) -> Result<Option<Option<Price>>, StoreError> {
        let since = Period { from_s: Some(interval.start_s()), to_s: None };
        let Some(json) = self.receipts_of(since).next().transpose()? else { return Ok(None) };
        let entry = Receipt::from_json(&json).ok().map(|receipt| receipt.entry);
        Ok(Some(entry.filter(|entry| entry.interval == interval).and_then(|entry| entry.price)))
    }

    /// Every receipt, by interval, as it was received.
    pub(crate) fn receipts(&self) -> impl Iterator<Item = Result<Vec<u8>, StoreError>> + '_ {
        self.long_values(&[RECEIPT])
    }

    /// The receipts of the intervals that begin in a period.
    pub(crate) fn receipts_of(&self, period: Period) -> impl Iterator<Item = Result<Vec<u8>, StoreError>> + '_ {
        let bound = |at_s: Option<i64>, none: u64| key(RECEIPT, at_s.map_or(none, |at_s| at_s.max(0).unsigned_abs()));
        let (from, to) = (bound(period.from_s, 0), bound(period.to_s, u64::MAX));
        // A period that ends before it begins holds nothing.
        self.assembled(self.db.range(from.min(to)..to))
    }

    /// What was used from its own roof in the intervals whose readings are kept, Wh, where the meter knows it.
    pub(crate) fn own_roof(&self) -> Result<BTreeMap<Interval, u64>, StoreError> {
        let (readings, _) = self.scan::<ReadingRecord>(READING)?;
        let own = readings.into_iter().filter(|(_, record)| record.consecutive).filter_map(|(_, record)| {
            let Gross { consumption, production, .. } = record.gross()?;
            Some((record.interval, consumption.min(production).wh()))
        });
        Ok(own.collect())
    }

    /// The refused receipts kept as evidence, as they were received; those that contradict one another first, in pairs.
    pub(crate) fn evidence(&self) -> impl Iterator<Item = Result<Vec<u8>, StoreError>> + '_ {
        self.contradictions().chain(self.long_values(&[EVIDENCE]))
    }

    fn contradictions(&self) -> impl Iterator<Item = Result<Vec<u8>, StoreError>> + '_ {
        self.long_values(&[CONTRADICTION])
    }

    fn signed(&self) -> Result<Signed, StoreError> {
        let signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        signed.clone().ok_or_else(|| self.failed("it was not loaded"))
    }

    /// Writes the record of the last signature; safe when it returns.
    fn write_signed(&self, signed: Signed) -> Result<(), StoreError> {
        signed::write(&self.path, &signed, self.file.is_some()).map_err(|error| self.failed(error))?;
        *self.signed.lock().unwrap_or_else(PoisonError::into_inner) = Some(signed);
        Ok(())
    }

    /// Atomic, and safe when it returns.
    fn commit(&self, batch: sled::Batch) -> Result<(), StoreError> {
        #[cfg(test)]
        if self.disk_full.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(StoreError::Failed { path: self.path.clone(), error: "No space left on device".into() });
        }
        self.guarded(|| {
            self.db.apply_batch(batch).map_err(|error| self.damaged(error))?;
            self.db.flush().map_err(|error| self.damaged(error))
        })?;
        // The size may have changed with the data: `sync_data` covers what is needed to read it back.
        self.file.as_ref().map_or(Ok(()), File::sync_data).map_err(|error| self.failed(error))
    }

    fn get<T: for<'b> Decode<'b, ()> + Encode<()>>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        let bytes = self.guarded(|| self.db.get(key).map_err(|error| self.damaged(error)))?;
        Ok(bytes.and_then(|bytes| cbor::decode(&bytes).ok()))
    }

    /// All entries with this prefix and a number, and how many others there were.
    fn scan<T: for<'b> Decode<'b, ()> + Encode<()>>(&self, prefix: u8) -> Result<(Vec<(u64, T)>, usize), StoreError> {
        self.guarded(|| {
            let (mut found, mut torn) = (Vec::new(), 0);
            for entry in self.db.scan_prefix([prefix]) {
                let (key, value) = entry.map_err(|error| self.damaged(error))?;
                // `refused` and `owner` share their first letters with readings and orders, and are no numbers.
                let Ok(number) = <[u8; 8]>::try_from(&key[1..]) else { continue };
                match cbor::decode(&value) {
                    Ok(value) => found.push((u64::from_be_bytes(number), value)),
                    Err(_) => torn += 1,
                }
            }
            Ok((found, torn))
        })
    }

    /// Inserts a value of any length: its first chunk under the key, the others under the key and their numbers.
    fn insert_long(&self, batch: &mut sled::Batch, key: &[u8; 9], value: &[u8]) -> Result<(), StoreError> {
        for old in self.db.scan_prefix(key).keys() {
            batch.remove(old.map_err(|error| self.damaged(error))?);
        }
        for (number, chunk) in (0_u16..).zip(value.chunks(CHUNK_BYTES)) {
            let suffix = if number == 0 { Vec::new() } else { number.to_be_bytes().to_vec() };
            batch.insert([&key[..], &suffix].concat(), chunk);
        }
        Ok(())
    }

    /// The values that [`insert_long`](Self::insert_long) put under the keys that begin like this, inflated.
    fn long_values(&self, prefix: &[u8]) -> impl Iterator<Item = Result<Vec<u8>, StoreError>> + '_ {
        self.assembled(self.db.scan_prefix(prefix))
    }

    /// Values that are kept in chunks, of all their entries.
    fn assembled(&self, entries: sled::Iter) -> impl Iterator<Item = Result<Vec<u8>, StoreError>> + '_ {
        let mut entries = entries.peekable();
        iter::from_fn(move || {
            let first = entries.next()?.map_err(|error| self.damaged(error));
            Some(first.and_then(|(key, first)| {
                let is_of_it = |entry: &sled::Result<(sled::IVec, sled::IVec)>| {
                    entry.as_ref().map_or(true, |(other, _)| other.len() > key.len() && other.starts_with(&key))
                };
                let mut deflated = first.to_vec();
                while let Some(chunk) = entries.next_if(is_of_it) {
                    deflated.extend_from_slice(&chunk.map_err(|error| self.damaged(error))?.1);
                }
                self.inflate(&deflated)
            }))
        })
    }

    fn deflate(&self, bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).and_then(|()| encoder.finish()).map_err(|error| self.failed(error))
    }

    fn inflate(&self, deflated: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        let limited = DeflateDecoder::new(deflated).take(ANSWER_BYTES_MAX as u64).read_to_end(&mut bytes);
        limited.map(|_| bytes).map_err(|error| self.damaged_entry(&error))
    }

    pub(crate) fn failed(&self, error: impl ToString) -> StoreError {
        StoreError::Failed { path: self.path.clone(), error: error.to_string() }
    }

    fn damaged(&self, error: sled::Error) -> StoreError {
        unusable(&self.path.join(DATABASE), error)
    }

    fn damaged_entry(&self, error: &io::Error) -> StoreError {
        StoreError::Damaged { path: self.path.join(DATABASE), error: format!("an entry cannot be inflated: {error}") }
    }

    fn guarded<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        guarded(&self.path.join(DATABASE), work)
    }
}

/// What sled says of a database: that it is damaged, unless the system said something else.
fn unusable(path: &Path, error: sled::Error) -> StoreError {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    match error {
        sled::Error::Io(error)
            if error.to_string().contains("could not acquire lock")
                || !matches!(error.kind(), InvalidData | InvalidInput | Other | UnexpectedEof) =>
        {
            StoreError::Failed { path: path.into(), error: error.to_string() }
        }
        error => StoreError::Damaged { path: path.into(), error: error.to_string().replace('\n', " ") },
    }
}

/// sled panics on some of what it did not write.
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    panic::catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(StoreError::Damaged { path: path.into(), error: "it is not what was written".into() }))
}

fn key(prefix: u8, number: u64) -> [u8; 9] {
    let mut key = [prefix; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

fn receipt_key(interval: Interval) -> [u8; 9] {
    key(RECEIPT, interval.start_s().unsigned_abs())
}

#[cfg(test)]
mod tests;
