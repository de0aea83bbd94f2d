//! Looking back: what the ledger has of a day. Nothing is kept here, so a restart forgets nothing and a day takes no
//! memory once it is shown; one day is worked out at a time, so that strangers load neither the market nor its nodes.

mod calendar;
mod day;

#[cfg(test)]
mod tests;

use std::time::Duration;

use ::calendar::Range;
use protocol::{api::Settled, genesis::Genesis, interval::Interval};
use tokio::{sync::Semaphore, time::timeout};

pub(crate) use day::{DayView, csv};

use crate::ledger_client::{LedgerClient, LedgerError};
use calendar::{Calendar, CalendarError};

/// Longest wait for the day that another visitor asked for.
const TURN_WAIT: Duration = Duration::from_secs(5);

/// What stands for the day of the interval settled last, in place of a date.
const LATEST: &str = "latest";

/// Why a day is not shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    /// Not a day.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
    /// No node answers, or none that can be believed.
    #[error("the ledger does not answer: {0}; try again, and see what `ledger status` says of its nodes")]
    Ledger(#[from] LedgerError),
    /// Others are looking at their days.
    #[error("expected one day at a time, found others waiting; try again")]
    Busy,
    /// The page is served without a market behind it.
    #[error("expected a ledger to look back on, found none behind this console")]
    NoLedger,
}

/// The days since the genesis.
#[derive(Debug)]
pub(crate) struct History {
    ledger: LedgerClient,
    calendar: Calendar,
    turn: Semaphore,
}

impl History {
    /// The days of this community, by the clock of its time zone.
    pub(crate) fn new(ledger: LedgerClient, genesis: &Genesis) -> History {
        let calendar = Calendar::new(genesis.time_zone.as_deref(), genesis.first_interval);
        History { ledger, calendar, turn: Semaphore::new(1) }
    }

    /// A day, by its date or as `latest`.
    pub(crate) async fn day(&self, date: &str) -> Result<DayView, HistoryError> {
        let asked = (date != LATEST).then(|| self.calendar.date(date)).transpose()?;
        let turn = timeout(TURN_WAIT, self.turn.acquire()).await;
        let _turn = turn.ok().and_then(Result::ok).ok_or(HistoryError::Busy)?;
        let next = self.ledger.next().await?;
        let date = asked.unwrap_or_else(|| self.calendar.latest(next));
        let range = self.calendar.day(date)?;
        let settled = self.settled(range, next).await?;
        Ok(DayView::new(&self.calendar, date, range, next, &settled))
    }

    /// What is settled of a range, `next` being the first interval that is not.
    async fn settled(&self, range: Range, next: Interval) -> Result<Vec<Settled>, LedgerError> {
        let (mut from, after) = (range.first.max(self.calendar.first()), range.after.min(next));
        let mut settled = Vec::new();
        while from < after {
            let most = after.since(from).and_then(|most| usize::try_from(most).ok()).unwrap_or(1);
            // Each page begins with the interval asked for: every turn gets on.
            for found in self.ledger.settlements(from, most).await? {
                if found.interval != from || from >= after {
                    break;
                }
                settled.push(found);
                let Some(following) = from.next() else { return Ok(settled) };
                from = following;
            }
        }
        Ok(settled)
    }
}
