//! Transactions that wait for a block.

use std::{collections::BTreeMap, sync::Arc};

use protocol::{block::Transaction, envelope::Sealed, hash::Hash, interval::Interval, reading::SignedReading};

use ledger::state::OpenedReadings;

/// Most transactions that wait.
const TRANSACTIONS_MAX: usize = 10_000;
/// Most bytes of memory that they take.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Transactions in the order of their arrival, each once.
#[derive(Default)]
pub(super) struct Pool {
    waiting: BTreeMap<u64, Waiting>,
    ids: BTreeMap<Hash, u64>,
    arrivals: u64,
    /// The arrival after the last one that had its [turn](Pool::next_in_turn).
    turn: u64,
    bytes: usize,
}

struct Waiting {
    transaction: Arc<Transaction>,
    /// Its readings, if their signatures were verified.
    opened: OpenedReadings,
    /// The interval it settles, if it does.
    interval: Option<Interval>,
    /// Bytes of memory that all of it takes.
    bytes: usize,
}

/// The memory that a transaction takes while it waits. Its readings are there as they came and opened, and share their
/// bytes.
fn footprint(transaction: &Transaction, opened: &[SignedReading]) -> usize {
    let sealed = |message: &Sealed| size_of::<Sealed>() + message.bytes().len();
    let content = match transaction {
        Transaction::Settle { settlement, readings } => {
            settlement.bytes().len() + readings.iter().map(sealed).sum::<usize>()
        }
        Transaction::PlaceOrder(message)
        | Transaction::CommitReading(message)
        | Transaction::Instruct(message)
        | Transaction::ReportStatus(message) => message.bytes().len(),
        Transaction::ReportConflict { first, second } => {
            first.bytes().len() + second.as_ref().map_or(0, |second| second.bytes().len())
        }
        Transaction::Decide { decision, approvals } => decision.bytes().len() + size_of_val(&approvals[..]),
    };
    size_of::<Waiting>() + size_of::<Transaction>() + size_of::<(Hash, u64)>() + content + size_of_val(opened)
}

impl Pool {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn contains(&self, id: &Hash) -> bool {
        self.ids.contains_key(id)
    }

    /// Takes a transaction; `false` if there is no room.
    pub(super) fn insert(
        &mut self,
        transaction: Arc<Transaction>,
        opened: OpenedReadings,
        interval: Option<Interval>,
    ) -> bool {
        let bytes = footprint(&transaction, &opened);
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
    pub(super) fn transactions(&self) -> Vec<(Arc<Transaction>, OpenedReadings)> {
        self.waiting.values().map(|waiting| (waiting.transaction.clone(), waiting.opened.clone())).collect()
    }

    /// The next `count` that wait, with their verified readings. Asked again and again, all of them have their turn.
    pub(super) fn next_in_turn(&mut self, count: usize) -> Vec<(Arc<Transaction>, OpenedReadings)> {
        let from_here = self.waiting.range(self.turn..).chain(self.waiting.range(..self.turn));
        let mut last = None;
        let next = from_here.take(count).map(|(arrival, waiting)| {
            last = Some(*arrival);
            (waiting.transaction.clone(), waiting.opened.clone())
        });
        let next = next.collect();
        self.turn = last.map_or(0, |last| last + 1);
        next
    }

    /// A transaction that waits.
    pub(super) fn get(&self, id: &Hash) -> Option<Arc<Transaction>> {
        Some(self.waiting.get(self.ids.get(id)?)?.transaction.clone())
    }

    /// The verified readings of a transaction that waits.
    pub(super) fn opened(&self, id: &Hash) -> Option<OpenedReadings> {
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

#[cfg(test)]
mod tests {
    use protocol::{envelope::Signed, key::SecretKey, reading::Registers};

    use super::*;

    /// A settlement in name only, and its readings.
    fn transaction(number: u32, readings: usize) -> (Arc<Transaction>, OpenedReadings) {
        let reading = protocol::reading::Reading {
            interval: "2026-06-01T12:00:00Z/PT15M".parse().unwrap(),
            sequence: 1,
            previous: Hash::ZERO,
            registers: Registers::default(),
            salt: [0; 16],
        };
        let reading = Signed::sign(reading, &Hash::ZERO, &SecretKey::from_seed(&[1; 32]));
        let opened: OpenedReadings = vec![reading; readings].into();
        let readings = opened.iter().map(Sealed::from).collect();
        (Arc::new(Transaction::Settle { settlement: Sealed::from(number.to_be_bytes().to_vec()), readings }), opened)
    }

    #[test]
    fn verified_readings_take_room_as_well_and_give_it_back() {
        let mut pool = Pool::default();
        let (first, opened) = transaction(0, 4_000);
        let readings: usize = opened.iter().map(|reading| reading.bytes().len()).sum();
        assert!(pool.insert(first.clone(), opened.clone(), None));
        assert!(pool.bytes > readings + 4_000 * (size_of::<Sealed>() + size_of::<SignedReading>()));
        let taken = (1..).take_while(|number| {
            let (transaction, opened) = transaction(*number, 4_000);
            pool.insert(transaction, opened, None)
        });
        assert_eq!(taken.count() + 1, BYTES_MAX / pool.waiting[&0].bytes);
        pool.remove(&first.id());
        assert!(pool.insert(first, opened, None), "there is room again");
        let ids: Vec<Hash> = pool.ids.keys().copied().collect();
        ids.iter().for_each(|id| pool.remove(id));
        assert_eq!((pool.bytes, pool.is_empty()), (0, true));
    }
}
