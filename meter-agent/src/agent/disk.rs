//! What the core wants written and read, in the store.

use std::sync::Arc;

use protocol::interval::Interval;
use tokio::sync::Semaphore;

use super::core::{Outcome, Records, StoreFault, Write};
use crate::{
    record::ReadingRecord,
    store::{Settling, Store, StoreError},
};

/// Most writes at the same time, of all agents of this process: each one holds a thread while it waits for the disk.
pub(super) const WRITERS_MAX: u32 = 8;
pub(super) static WRITERS: Semaphore = Semaphore::const_new(WRITERS_MAX as usize);

/// Writes to the state on a thread that may wait for the disk.
pub(super) async fn write(store: &Arc<Store>, write: Write) -> Outcome {
    // The semaphore is never closed; without a permit the write is only less patient.
    let _permit = WRITERS.acquire().await;
    let writing = store.clone();
    let written = match tokio::task::spawn_blocking(move || write_now(&writing, &write)).await {
        Ok(written) => written,
        Err(error) => Err(store.failed(error)),
    };
    match written {
        Ok(receipts_refused) => Outcome::Written { receipts_refused },
        Err(error) => Outcome::StoreFailed(error.into()),
    }
}

/// Says how many receipts were refused so far, where that changes.
fn write_now(store: &Store, write: &Write) -> Result<Option<u64>, StoreError> {
    match write {
        Write::Readings { signed, head } => store.append(signed, head).map(|()| None),
        Write::Order(record) => store.put_order(record).map(|()| None),
        Write::Quotas(quotas) => store.keep_quotas(quotas).map(|()| None),
        Write::Choice(choice) => store.keep_choice(choice.as_ref()).map(|()| None),
        Write::Receipt { interval, json, covered, totals, today, learned } => {
            let (interval, json, totals, today) = (*interval, json.as_deref(), *totals, *today);
            let learned = learned.as_deref();
            store.settle(&Settling { interval, json, covered, totals, today, learned }).map(|()| None)
        }
        Write::Evidence(json) => store.keep_evidence(json).map(Some),
        Write::Contradiction { known, received } => store.keep_contradiction(known, received).map(Some),
    }
}

impl From<StoreError> for StoreFault {
    fn from(error: StoreError) -> StoreFault {
        StoreFault(error.to_string())
    }
}

impl Records for Store {
    fn reading(&self, sequence: u64) -> Result<Option<ReadingRecord>, StoreFault> {
        Ok(Store::reading(self, sequence)?)
    }

    fn settled_before(&self, sequence: u64) -> Result<Vec<(u64, ReadingRecord)>, StoreFault> {
        Ok(Store::settled_before(self, sequence)?)
    }

    fn receipt(&self, interval: Interval) -> Result<Option<Vec<u8>>, StoreFault> {
        Ok(Store::receipt(self, interval)?)
    }
}
