//! Transactions that other nodes were handed: taken in as if handed to this one, but not passed on again.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Ledger;

/// Most messages that wait; what comes above that is dropped, its sender's node will propose it.
const MESSAGES_MAX: usize = 256;

pub(super) fn queue() -> (mpsc::Sender<Bytes>, mpsc::Receiver<Bytes>) {
    mpsc::channel(MESSAGES_MAX)
}

pub(super) async fn take_in(ledger: Arc<Ledger>, mut messages: mpsc::Receiver<Bytes>) {
    while let Some(message) = messages.recv().await {
        let ledger = ledger.clone();
        // Verifying a settlement's signatures takes milliseconds.
        let taken = tokio::task::spawn_blocking(move || ledger.take_in_gossip(&message)).await;
        if let Err(error) = taken {
            tracing::error!(%error, "taking in a transaction failed");
        }
    }
}
