//! Looking after the validators: once a second each is asked how it is, for the console, and for a market that missed
//! that the ledger went on without it.

use std::{
    ops::RangeInclusive,
    time::{Duration, SystemTime},
};

use futures::future::join_all;
use protocol::{api::Status, interval::Interval};
use tokio::{sync::mpsc, time::MissedTickBehavior};

use super::{
    console::{Board, ValidatorView},
    ledger_client::{LedgerClient, LedgerError},
};

const EVERY: Duration = Duration::from_secs(1);
/// A node that is busy is not away.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks for ever. `ahead` hears the next interval to settle that more than a third of the validators agree on or are
/// past: one honest validator at least is among them.
pub(crate) async fn watch(ledger: LedgerClient, board: Board, ahead: mpsc::Sender<Interval>) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let answers = join_all((0..ledger.urls().count()).map(|node| timed(ask(&ledger, node)))).await;
        let (answers, clocks): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
        if let Some(next) = agreed_next(&answers) {
            // One that waits already says as much.
            ahead.try_send(next).ok();
        }
        if let Some(node) = answers.iter().position(Result::is_ok)
            && let Ok(Ok(voters)) = tokio::time::timeout(PATIENCE, ledger.voters(node)).await
        {
            board.voters(&voters);
        }
        let views = ledger.urls().zip(&answers).zip(clocks).map(|((url, answer), clock)| view(url, answer, clock));
        board.validators(views.collect());
    }
}

async fn ask(ledger: &LedgerClient, node: usize) -> Result<Status, LedgerError> {
    let answer = tokio::time::timeout(PATIENCE, ledger.status(node)).await.unwrap_or_else(|_| {
        let url = ledger.urls().nth(node).unwrap_or_default().to_owned();
        Err(LedgerError::Unreachable { url, reason: format!("no answer within {} s", PATIENCE.as_secs()) })
    });
    if let Err(error @ LedgerError::OtherChain { .. }) = &answer {
        tracing::error!(%error, "a ledger node of another community");
    }
    answer
}

/// With the market's clock before and after it, Unix seconds.
async fn timed<T>(asked: impl Future<Output = T>) -> (T, RangeInclusive<i64>) {
    let now_s = || {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
    };
    let before = now_s();
    (asked.await, before..=now_s())
}

/// How far a clock is ahead of what the market's could have been when it was read.
fn ahead(clock_s: i64, market: &RangeInclusive<i64>) -> i64 {
    clock_s.saturating_sub(clock_s.clamp(*market.start(), *market.end().max(market.start())))
}

fn agreed_next(answers: &[Result<Status, LedgerError>]) -> Option<Interval> {
    let mut next: Vec<Interval> = answers.iter().flatten().map(|status| status.next).collect();
    next.sort_unstable_by(|a, b| b.cmp(a));
    next.get(answers.len() / 3).copied()
}

fn view(url: &str, answer: &Result<Status, LedgerError>, market: RangeInclusive<i64>) -> ValidatorView {
    let status = answer.as_ref().ok();
    ValidatorView {
        url: url.into(),
        key: status.and_then(|status| status.validator).map(|key| key.to_string()),
        height: status.map(|status| status.height),
        height_age_ms: status.and_then(|status| status.height_age_ms),
        block: status.map(|status| status.block.to_string()),
        silence: answer.as_ref().err().map(ToString::to_string),
        clock_off_s: status.and_then(|status| status.clock_s).map(|clock_s| ahead(clock_s, &market)),
        equivocations: status.map_or(0, |status| status.equivocations),
    }
}
