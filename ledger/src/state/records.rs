//! What each interval was settled from, and its certificates: for as long as anyone may have to correct the one or
//! move the other.

use std::{collections::BTreeMap, sync::Arc};

use minicbor::{Decode, Encode};
use protocol::{
    cbor::{self, CborError},
    hash::Hash,
    interval::Interval,
    limits::RECORD_DAYS,
    merkle::{MerkleRoot, MerkleTree, leaf_hash},
    origin::Issue,
};

/// What the ledger remembers of a settled interval.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Record {
    /// Hash of the content of the settlement in force.
    #[n(0)]
    pub settlement: Hash,
    /// The seed of the clearing's tie-breaks.
    #[n(1)]
    pub tie_seed: Hash,
    /// How often it was corrected.
    #[n(2)]
    pub corrections: u32,
    /// The certificates, in ascending order of producer.
    #[n(3)]
    pub issues: Vec<Issue>,
}

/// A record as it is kept: encoded, because few are ever looked at again.
#[derive(Debug)]
struct Kept {
    bytes: Vec<u8>,
    /// Hash of its leaf in the day's tree: of its interval and its hash.
    leaf: Hash,
}

/// A day's records, and the tree over them.
#[derive(Debug, Clone, Default)]
struct Day {
    records: BTreeMap<Interval, Arc<Kept>>,
    tree: MerkleTree,
}

/// The records of the last [`RECORD_DAYS`] days.
#[derive(Debug, Clone, Default)]
pub(super) struct Records(BTreeMap<i64, Arc<Day>>);

const DAY_S: i64 = 86_400;

/// The first second of the UTC day in which an interval starts.
pub(super) fn day_of(interval: Interval) -> i64 {
    interval.start_s() - interval.start_s().rem_euclid(DAY_S)
}

impl Records {
    pub(super) fn get(&self, interval: Interval) -> Option<Record> {
        let kept = self.0.get(&day_of(interval))?.records.get(&interval)?;
        // It was encoded here, or decoded when it was read from the store.
        cbor::decode(&kept.bytes).ok()
    }

    pub(super) fn bytes(&self, interval: Interval) -> Option<&[u8]> {
        Some(&self.0.get(&day_of(interval))?.records.get(&interval)?.bytes)
    }

    pub(super) fn put(&mut self, interval: Interval, record: &Record) {
        self.keep(interval, cbor::encode(record));
    }

    /// Takes back what [`bytes`](Self::bytes) gave.
    pub(super) fn restore(&mut self, interval: Interval, bytes: &[u8]) -> Result<(), CborError> {
        let _: Record = cbor::decode(bytes)?;
        self.keep(interval, bytes.to_vec());
        Ok(())
    }

    fn keep(&mut self, interval: Interval, bytes: Vec<u8>) {
        let leaf = leaf_hash(&cbor::encode(&(interval, Hash::of(&bytes))));
        let Day { records, tree } = Arc::make_mut(self.0.entry(day_of(interval)).or_default());
        records.insert(interval, Arc::new(Kept { bytes, leaf }));
        tree.set_leaves(records.values().map(|kept| kept.leaf));
    }

    /// The root over a day's records; `None` if there are none.
    pub(super) fn root(&self, day: i64) -> Option<MerkleRoot> {
        Some(self.0.get(&day)?.tree.root())
    }

    /// Forgets the days that are too old when `next` is the next interval to settle. Returns them and their intervals.
    pub(super) fn expire(&mut self, next: Interval) -> Vec<(i64, Vec<Interval>)> {
        let first = day_of(next) - RECORD_DAYS * DAY_S;
        let kept = self.0.split_off(&first);
        let expired = std::mem::replace(&mut self.0, kept);
        expired.into_iter().map(|(start, day)| (start, day.records.keys().copied().collect())).collect()
    }

    /// The intervals that are remembered, from the oldest to the newest.
    pub(super) fn intervals(&self) -> impl Iterator<Item = Interval> + '_ {
        self.0.values().flat_map(|day| day.records.keys().copied())
    }
}
