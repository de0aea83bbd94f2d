//! Looking back: what the ledger has of days, months and intervals. Nothing is kept here, so a restart forgets nothing
//! and a day takes no memory once it is shown; one question is worked out at a time, so that strangers load neither the
//! market nor its nodes.
//!
//! | file | what |
//! |---|---|
//! | `calendar.rs` | days and months on the community's wall, as intervals |
//! | `day.rs` | a day in figures: as it stands, and as it was first settled |
//! | `month.rs` | a household's month, a line a day |
//! | `again.rs` | an interval cleared again |
//! | `lines.rs` | the lines of the grid over a day, and their worst hours |
//! | `decisions.rs` | what the validators decided |
//! | `curves.rs`, `table.rs` | CSV |

mod again;
mod calendar;
mod curves;
mod day;
mod decisions;
mod lines;
mod month;
mod table;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, pin::pin, time::Duration};

use ::calendar::Range;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::civil::Date;
use market::settlement::Picture;
use protocol::{api::Settled, genesis::Genesis, interval::Interval, member::MemberId};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

pub(crate) use curves::{curves_csv, grid_csv};
pub(crate) use day::{DayView, csv as day_csv};
pub(crate) use decisions::{DecisionPage, csv as decisions_csv};
pub(crate) use lines::{LinesOfDay, csv as lines_csv, worst_csv};
pub(crate) use month::{HouseholdMonth, csv as month_csv};

use super::view::Origin;
use crate::ledger_client::{LedgerClient, LedgerError};
use again::Buses;
use calendar::{Calendar, CalendarError};
use day::{Booked, Found};
use lines::Flows;
use month::Adding;

/// Longest wait for the day that another visitor asked for.
const TURN_WAIT: Duration = Duration::from_secs(5);

/// Intervals whose inputs are asked for at the same time.
const INPUTS_AT_ONCE: usize = 4;

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
    /// The interval is not settled, or was before the genesis.
    #[error("nothing is settled for {0}")]
    NotSettled(Interval),
    /// Others are looking back.
    #[error("expected one day at a time, found others waiting; try again")]
    Busy,
    /// The page is served without a market behind it.
    #[error("expected a ledger to look back on, found none behind this console")]
    NoLedger,
}

impl HistoryError {
    /// One word for it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            HistoryError::Calendar(CalendarError::NoDate(_)) => "bad_date",
            HistoryError::Calendar(CalendarError::Month(_)) => "bad_month",
            HistoryError::Calendar(CalendarError::NotWhole { .. }) => "uneven_day",
            HistoryError::Ledger(_) => "ledger_away",
            HistoryError::NotSettled(_) => "not_settled",
            HistoryError::Busy => "busy",
            HistoryError::NoLedger => "no_ledger",
        }
    }
}

/// How a settlement is wanted.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    /// As it was first settled.
    First,
    /// As it was corrected last.
    InForce,
    /// The same, with the lines of one member alone.
    OfMember(MemberId),
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

    /// Waits until nobody else looks back.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, HistoryError> {
        let turn = timeout(TURN_WAIT, self.turn.acquire()).await;
        turn.ok().and_then(Result::ok).ok_or(HistoryError::Busy)
    }

    /// The day of a date or of `latest`, its intervals, and the first one that is not settled.
    async fn range(&self, date: &str) -> Result<(Date, Range, Interval), HistoryError> {
        let asked = (date != LATEST).then(|| self.calendar.date(date)).transpose()?;
        let next = self.ledger.next().await?;
        let date = asked.unwrap_or_else(|| self.calendar.latest(next));
        Ok((date, self.calendar.day(date)?, next))
    }

    /// A day, by its date or as `latest`.
    pub(crate) async fn day(&self, date: &str) -> Result<DayView, HistoryError> {
        let _turn = self.turn().await?;
        let (date, range, next) = self.range(date).await?;
        let mut settled = Vec::new();
        self.each(range, next, Wanted::First, |found| settled.push(Found::from(&found))).await?;
        let mut in_force = BTreeMap::new();
        let mut corrected = settled.iter().filter(|found| found.corrections > 0).map(|found| found.interval);
        if let Some(first) = corrected.next() {
            let last = corrected.next_back().unwrap_or(first);
            let range = Range { first, after: last.next().unwrap_or(last) };
            self.each(range, next, Wanted::InForce, |found| {
                if found.corrections > 0 {
                    in_force.insert(found.interval, Booked::from(&found));
                }
            })
            .await?;
        }
        Ok(DayView::new(&self.calendar, date, range, next, settled, in_force))
    }

    /// A household's month.
    pub(crate) async fn month(
        &self,
        member: MemberId,
        month: &str,
        name: Option<String>,
    ) -> Result<HouseholdMonth, HistoryError> {
        let (month, range) = self.calendar.month(month)?;
        let _turn = self.turn().await?;
        let next = self.ledger.next().await?;
        let mut adding = Adding::of(member);
        self.each(range, next, Wanted::OfMember(member), |found| adding.add(&self.calendar, found)).await?;
        Ok(adding.view(&self.calendar, month, name))
    }

    /// The lines of the grid over a day, by its date or as `latest`.
    pub(crate) async fn lines(&self, date: &str) -> Result<LinesOfDay, HistoryError> {
        let _turn = self.turn().await?;
        let (date, range, next) = self.range(date).await?;
        let buses = Buses::of(self.ledger.members().await?);
        let (first, after) = (range.first.max(self.calendar.first()), range.after.min(next));
        let settled = std::iter::successors(Some(first), |of| of.next()).take_while(|of| *of < after);
        let flows = async |interval: Interval| -> Result<(Interval, Flows), LedgerError> {
            let Some(of) = self.ledger.inputs(interval).await? else { return Ok((interval, Flows::Pruned)) };
            Ok((interval, again::flows(&of, &buses).map_or(Flows::NoGrid, Flows::Known)))
        };
        let mut flows = pin!(stream::iter(settled).map(flows).buffered(INPUTS_AT_ONCE));
        let mut adding = lines::Adding::default();
        while let Some((interval, flows)) = flows.try_next().await? {
            adding.add(&self.calendar, interval, flows);
        }
        Ok(adding.view(&self.calendar, date, range))
    }

    /// What is settled of an interval, as it stands.
    pub(crate) async fn settled(&self, interval: Interval) -> Result<Settled, HistoryError> {
        let _turn = self.turn().await?;
        self.in_force(interval).await
    }

    /// What is settled of an interval, as it stands, and its picture where there is one.
    pub(crate) async fn interval(
        &self,
        interval: Interval,
    ) -> Result<(Settled, Origin, Option<Picture>), HistoryError> {
        let _turn = self.turn().await?;
        let settled = self.in_force(interval).await?;
        let Some(of) = self.ledger.inputs(interval).await? else { return Ok((settled, Origin::Pruned, None)) };
        let buses = Buses::of(self.ledger.members().await?);
        // Clearing on a grid takes a while.
        let picture = tokio::task::spawn_blocking(move || again::picture(&of, &buses)).await.ok().flatten();
        let origin = if picture.is_some() { Origin::Recomputed } else { Origin::Different };
        Ok((settled, origin, picture))
    }

    /// What the validators decided, the latest first, up to a sequence number.
    pub(crate) async fn decisions(&self, until: Option<u64>) -> Result<DecisionPage, HistoryError> {
        let _turn = self.turn().await?;
        let last = self.ledger.rules().await?.decision_sequence;
        let (from, count) = decisions::page(until, last);
        let decided = if count == 0 { Vec::new() } else { self.ledger.decisions(from, count).await? };
        Ok(DecisionPage::new(&self.calendar, from, decided))
    }

    async fn in_force(&self, interval: Interval) -> Result<Settled, HistoryError> {
        if interval < self.calendar.first() || interval >= self.ledger.next().await? {
            return Err(HistoryError::NotSettled(interval));
        }
        let page = self.ledger.settlements_in_force(interval, 1, None).await?;
        page.into_iter().next().ok_or(HistoryError::NotSettled(interval))
    }

    /// Takes what is settled of a range, in order, `next` being the first interval that is not.
    async fn each(
        &self,
        range: Range,
        next: Interval,
        wanted: Wanted,
        mut take: impl FnMut(Settled),
    ) -> Result<(), LedgerError> {
        let (mut from, after) = (range.first.max(self.calendar.first()), range.after.min(next));
        while from < after {
            let most = after.since(from).and_then(|most| usize::try_from(most).ok()).unwrap_or(1);
            let page = match wanted {
                Wanted::First => self.ledger.settlements(from, most).await?,
                Wanted::InForce => self.ledger.settlements_in_force(from, most, None).await?,
                Wanted::OfMember(member) => self.ledger.settlements_in_force(from, most, Some(member)).await?,
            };
            // Each page begins with the interval asked for: every turn gets on.
            for found in page {
                if found.interval != from || from >= after {
                    break;
                }
                take(found);
                let Some(following) = from.next() else { return Ok(()) };
                from = following;
            }
        }
        Ok(())
    }
}
