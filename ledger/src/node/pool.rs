//! Transactions that wait for a block.

use std::collections::BTreeMap;

use protocol::{block::Transaction, hash::Hash, interval::Interval, reading::SignedReading};

/// Most transactions that wait.
const TRANSACTIONS_MAX: usize = 10_000;
/// Most bytes of transactions that wait.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Transactions in the order of their arrival, each once.
#[derive(Default)]
pub(super) struct Pool {
    waiting: BTreeMap<u64, Waiting>,
    ids: BTreeMap<Hash, u64>,
    arrivals: u64,
    bytes: usize,
}

struct Waiting {
    transaction: Transaction,
    /// Its readings, if their signatures were verified.
    opened: Vec<SignedReading>,
    /// The interval it settles, if it does.
    interval: Option<Interval>,
    bytes: usize,
}

impl Pool {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn contains(&self, id: &Hash) -> bool {
        self.ids.contains_key(id)
    }

    /// Takes a transaction of `bytes` bytes; `false` if there is no room.
    pub(super) fn insert(
        &mut self,
        transaction: Transaction,
        opened: Vec<SignedReading>,
        interval: Option<Interval>,
        bytes: usize,
    ) -> bool {
        if self.waiting.len() >= TRANSACTIONS_MAX || self.bytes + bytes > BYTES_MAX {
            return false;
        }
        let id = transaction.id();
        if let std::collections::btree_map::Entry::Vacant(vacant) = self.ids.entry(id) {
            vacant.insert(self.arrivals);
            self.waiting.insert(self.arrivals, Waiting { transaction, opened, interval, bytes });
            self.arrivals += 1;
            self.bytes += bytes;
        }
        true
    }

    /// All that wait, in the order of their arrival, with their verified readings.
    pub(super) fn transactions(&self) -> Vec<(Transaction, Vec<SignedReading>)> {
        self.waiting.values().map(|waiting| (waiting.transaction.clone(), waiting.opened.clone())).collect()
    }

    /// The verified readings of a transaction that waits.
    pub(super) fn opened(&self, id: &Hash) -> Option<Vec<SignedReading>> {
        let waiting = self.waiting.get(self.ids.get(id)?)?;
        (waiting.opened.len() == waiting.transaction.readings().len()).then(|| waiting.opened.clone())
    }

    pub(super) fn remove(&mut self, id: &Hash) {
        if let Some(waiting) = self.ids.remove(id).and_then(|arrival| self.waiting.remove(&arrival)) {
            self.bytes -= waiting.bytes;
        }
    }

    /// Forgets settlements of intervals before `next`: they can never apply.
    pub(super) fn retain_from(&mut self, next: Interval) {
        let old = |waiting: &&Waiting| waiting.interval.is_some_and(|interval| interval < next);
        let ids: Vec<Hash> = self.waiting.values().filter(old).map(|waiting| waiting.transaction.id()).collect();
        ids.iter().for_each(|id| self.remove(id));
    }
}
