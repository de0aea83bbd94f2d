//! Devices that contradict themselves: two readings signed under one sequence number. Both are kept, and the ledger is
//! told, which suspends the device whoever it was that used its key twice.

use std::sync::Arc;

use protocol::{api::Submitted, block::Transaction};
use tokio::sync::Notify;

use super::{
    ledger_client::LedgerClient,
    store::{Store, StoreError, Unreported},
    tasks::Tasks,
};

/// Starts telling the ledger: of what the store has kept, then whenever it is notified that there is more.
pub(crate) fn start(store: Store, ledger: LedgerClient, tasks: &mut Tasks) -> Arc<Notify> {
    let more = Arc::new(Notify::new());
    let notified = more.clone();
    tasks.spawn::<StoreError>("reporting contradicting readings", async move {
        loop {
            report(&store, &ledger).await?;
            notified.notified().await;
        }
    });
    more
}

async fn report(store: &Store, ledger: &LedgerClient) -> Result<(), StoreError> {
    for unreported in store.unreported()? {
        let Unreported { second, taken, .. } = &unreported;
        match ledger.hand_in(&Transaction::report_conflict(second, taken.as_ref())).await {
            Submitted::Pending { .. } | Submitted::Open { .. } | Submitted::Exists { .. } => {
                tracing::warn!(reading = %second.hash(), "reported to the ledger: its device is suspended");
            }
            Submitted::Refused { refusal, detail, .. } => {
                tracing::warn!(refusal, detail, "the ledger suspends no device for these readings");
            }
        }
        store.mark_reported(unreported)?;
    }
    Ok(())
}
