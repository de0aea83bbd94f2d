//! Looking after the validators: once a second each is asked how it is, for the console, and for a market that missed
//! that the ledger went on without it.

use std::time::Duration;

use futures::future::join_all;
use protocol::{api::Status, interval::Interval};
use tokio::{sync::mpsc, time::MissedTickBehavior};

use super::{
    console::{Board, ValidatorView},
    ledger_client::LedgerClient,
};

const EVERY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks for ever. `ahead` hears the next interval to settle that more than a third of the validators agree on or are
/// past: one honest validator at least is among them.
pub(crate) async fn watch(ledger: LedgerClient, board: Board, ahead: mpsc::Sender<Interval>) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let ask = async |node| tokio::time::timeout(PATIENCE, ledger_status(&ledger, node)).await.ok().flatten();
        let answers = join_all((0..ledger.urls().count()).map(ask)).await;
        if let Some(next) = agreed_next(&answers) {
            // One that waits already says as much.
            ahead.try_send(next).ok();
        }
        let views = ledger.urls().zip(answers).map(|(url, status)| view(url, status.as_ref()));
        board.validators(views.collect());
    }
}

async fn ledger_status(ledger: &LedgerClient, node: usize) -> Option<Status> {
    match ledger.status(node).await {
        Ok(status) => Some(status),
        Err(error @ super::ledger_client::LedgerError::OtherChain { .. }) => {
            tracing::error!(%error, "a ledger node of another community");
            None
        }
        Err(_) => None,
    }
}

fn agreed_next(answers: &[Option<Status>]) -> Option<Interval> {
    let mut next: Vec<Interval> = answers.iter().flatten().map(|status| status.next).collect();
    next.sort_unstable_by(|a, b| b.cmp(a));
    next.get(answers.len() / 3).copied()
}

fn view(url: &str, status: Option<&Status>) -> ValidatorView {
    ValidatorView {
        url: url.into(),
        key: status.and_then(|status| status.validator).map(|key| key.to_string()),
        height: status.map(|status| status.height),
        height_age_ms: status.and_then(|status| status.height_age_ms),
        block: status.map(|status| status.block.to_string()),
        reachable: status.is_some(),
    }
}
