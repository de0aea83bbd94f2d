//! Asking for a proof of what the ledger said just now, to be told to a household.

use std::{sync::Arc, time::Duration};

use protocol::member::MemberId;
use tokio::sync::watch;

use super::{ledger_client::LedgerError, snapshot::Snapshot};

/// What the ledger says, as the market hears it, for those who tell households of it.
pub(crate) type Heard = watch::Sender<Option<Arc<Snapshot>>>;

/// How often a proof is asked for in a row, and the pause between.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// The proof of `what` a member has, once it is of what the ledger said. None where no node has it: another decision or
/// interval may have come since, and with the next one it is asked again.
pub(crate) async fn proof<T, F: Future<Output = Result<T, LedgerError>>>(
    member: MemberId,
    what: &str,
    ask: impl Fn() -> F,
    is_wanted: impl Fn(&T) -> bool,
) -> Option<T> {
    let mut wrong = String::new();
    for _ in 0..TRIES {
        match ask().await {
            Ok(proved) if is_wanted(&proved) => return Some(proved),
            // The fastest answer may be that of a node that is a block behind.
            Ok(_) => wrong = format!("expected {what} as the ledger said it just now, found another"),
            Err(error) => wrong = error.to_string(),
        }
        tokio::time::sleep(PAUSE).await;
    }
    tracing::warn!(%member, error = wrong, "no proof of {what} yet");
    None
}
