//! Watching a live neighbourhood: every settlement as the ledger has it, then every agent's verified receipts.

use std::{collections::BTreeMap, time::Duration};

use protocol::{
    api::{Settled, Status},
    interval::Interval,
    settlement::Tariffs,
};
use tokio::time::{Instant, sleep, timeout};

use super::{
    LiveError, Plan,
    http::{AgentStatus, HttpError, PartClients},
    summary::{LedgerSummary, Summary},
    tally::Tally,
    terminal::Terminal,
};
use crate::state::{GATE_DELAY_MS, Neighbourhood, Setup};

/// How much longer than pace and gate an interval may take before something is wrong, ms.
const SETTLE_MS: u64 = 120_000;
/// Pause before a part that did not answer is asked again.
const PAUSE: Duration = Duration::from_millis(500);
/// How often agents are asked for their receipts.
const LOOK: Duration = Duration::from_millis(100);
/// After how long without any new settlement none is under way any more.
const QUIET: Duration = Duration::from_secs(2);

/// What is known of the neighbourhood.
pub(super) struct Watch<'a> {
    parts: PartClients,
    state: &'a Neighbourhood,
    plan: &'a Plan<'a>,
    tally: Tally,
    /// Which ledger node is asked.
    node: usize,
    /// The first interval that was settled at other prices than the scenario's: which were expected, and found.
    other_tariffs: Option<(Interval, Tariffs, Tariffs)>,
}

/// What the agents say at the end.
pub(super) struct Agents {
    statuses: Vec<AgentStatus>,
    /// Whose receipts are missing, and how many.
    pub(super) missing: BTreeMap<String, u64>,
    /// What one of those says is wrong.
    alarm: Option<String>,
}

impl Agents {
    /// Whose receipts are missing, and what they say about it.
    pub(super) fn missing_text(&self) -> String {
        match &self.alarm {
            Some(alarm) => format!("{}; {alarm}", list(&self.missing)),
            None => list(&self.missing),
        }
    }
}

impl<'a> Watch<'a> {
    /// Nothing is known yet.
    pub(super) fn new(state: &'a Neighbourhood, plan: &'a Plan<'a>) -> Result<Watch<'a>, HttpError> {
        let members = &state.genesis.members;
        Ok(Watch {
            parts: PartClients::new(&state.addresses, members.len())?,
            state,
            plan,
            tally: Tally::new(state.genesis.first_interval, members.iter().map(|member| member.member)),
            node: 0,
            other_tariffs: None,
        })
    }

    /// Shows every settlement until all that were planned are there.
    pub(super) async fn follow(&mut self, terminal: &Terminal) -> Result<(), LiveError> {
        let earlier = self.ledger_status().await?.settlements;
        terminal.resumed(earlier);
        let patience = Duration::from_millis(self.plan.run.interval_ms + GATE_DELAY_MS + SETTLE_MS);
        while !self.is_finished() || (self.tally.count() as u64) < earlier {
            let more = timeout(patience, self.next_page(terminal, earlier)).await;
            self.check_tariffs()?;
            if more.is_err() {
                let reason = self.where_it_stands().await;
                return Err(LiveError::Stalled { seconds: patience.as_secs(), settled: self.tally.count(), reason });
            }
        }
        Ok(())
    }

    /// Shows what is still settled now that the market stops, until nothing is for a while.
    pub(super) async fn drain(&mut self, terminal: &Terminal) {
        while timeout(QUIET, self.next_page(terminal, 0)).await.is_ok() {}
    }

    /// Whether all planned intervals are settled.
    pub(super) fn is_finished(&self) -> bool {
        self.tally.count() >= self.plan.intervals
    }

    /// Takes note of the first settlement at other prices than the scenario's, where these change by decisions that
    /// were made here.
    fn note_tariffs(&mut self, settled: &Settled) {
        let Setup { retail, feed_in, tariffs, .. } = self.plan.setup;
        let before = tariffs.partition_point(|(from, _)| *from <= settled.interval);
        let first = Tariffs { retail_price: *retail, feed_in_price: *feed_in };
        let expected = before.checked_sub(1).map_or(first, |last| tariffs[last].1);
        if !tariffs.is_empty() && settled.tariffs != expected && self.other_tariffs.is_none() {
            self.other_tariffs = Some((settled.interval, expected, settled.tariffs));
        }
    }

    fn check_tariffs(&self) -> Result<(), LiveError> {
        let Some((interval, expected, found)) = self.other_tariffs else { return Ok(()) };
        let in_words = |tariffs: Tariffs| format!("{} and {}", tariffs.retail_price, tariffs.feed_in_price);
        Err(LiveError::OtherTariffs { interval, expected: in_words(expected), found: in_words(found) })
    }

    /// Waits for settlements, and adds them; those of an earlier start are not shown again.
    async fn next_page(&mut self, terminal: &Terminal, earlier: u64) {
        loop {
            let Some(next) = self.tally.next() else { return std::future::pending().await };
            let before = self.tally.count();
            match self.parts.settlements(self.node, next).await {
                Ok(page) => {
                    for settled in &page {
                        if !self.tally.add(settled) {
                            continue;
                        }
                        self.note_tariffs(settled);
                        if self.tally.count() as u64 > earlier {
                            terminal.settled(settled);
                        }
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "asking the next ledger node");
                    self.node = (self.node + 1) % self.parts.nodes();
                    sleep(PAUSE).await;
                }
            }
            if self.tally.count() > before {
                return;
            }
        }
    }

    async fn ledger_status(&mut self) -> Result<Status, HttpError> {
        let mut answer = self.parts.ledger_status(self.node).await;
        for _ in 1..self.parts.nodes() {
            if answer.is_ok() {
                break;
            }
            self.node = (self.node + 1) % self.parts.nodes();
            answer = self.parts.ledger_status(self.node).await;
        }
        answer
    }

    /// Why nothing more is settled, as far as the market knows.
    async fn where_it_stands(&self) -> String {
        match self.parts.market_status().await {
            Ok(status) => match status.open {
                Some(open) => format!(
                    "the market has {} of {} readings of {open}",
                    status.readings_received, status.readings_expected
                ),
                None => "the market has opened no interval".to_owned(),
            },
            Err(error) => error.to_string(),
        }
    }

    /// Waits until every agent verified every receipt of what is settled, or until `patience` passes without a new one.
    pub(super) async fn agents(&self, patience: Duration) -> Result<Agents, HttpError> {
        let mut seen = 0;
        let mut since = Instant::now();
        loop {
            let agents = self.ask_agents().await?;
            let verified: u128 = agents.statuses.iter().map(|status| u128::from(status.receipts_verified)).sum();
            if verified > seen {
                (seen, since) = (verified, Instant::now());
            }
            if agents.missing.is_empty() || since.elapsed() > patience {
                return Ok(agents);
            }
            sleep(LOOK).await;
        }
    }

    async fn ask_agents(&self) -> Result<Agents, HttpError> {
        let mut agents = Agents { statuses: Vec::new(), missing: BTreeMap::new(), alarm: None };
        for (member, name) in &self.state.names {
            let Some(status) = self.parts.agent_status(name).await? else { continue };
            let missing = self.tally.receipts(*member).saturating_sub(status.receipts_verified);
            if missing > 0 {
                agents.missing.insert(name.clone(), missing);
                let alarm = status.alarms.first().map(|alarm| format!("{name}: {}", alarm.replace('\n', " ")));
                agents.alarm = agents.alarm.take().or(alarm);
            }
            agents.statuses.push(status);
        }
        Ok(agents)
    }

    /// Participants that are missing in settlements and were not out of reach, and in how many.
    pub(super) fn not_read(&self) -> BTreeMap<String, u64> {
        let next = self.tally.next();
        let out = |name| {
            let out = self.plan.setup.out_of_reach.get(name).into_iter().flatten();
            let settled = out.map(|out| next.map_or(out.end, |next| next.min(out.end)).since(out.start));
            settled.flatten().map(|intervals| u64::try_from(intervals).unwrap_or_default()).sum::<u64>()
        };
        let missing =
            |member, name| (self.tally.count() as u64).saturating_sub(self.tally.receipts(member) + out(name));
        self.state
            .names
            .iter()
            .map(|(member, name)| (name.clone(), missing(*member, name)))
            .filter(|(_, missing)| *missing > 0)
            .collect()
    }

    /// What the market refused since it started, by name.
    pub(super) async fn refused(&self) -> Result<BTreeMap<String, u64>, HttpError> {
        let counts = self.parts.refusals().await?;
        Ok(counts.into_iter().filter(|count| count.count > 0).map(|count| (count.refusal, count.count)).collect())
    }

    /// Sums up.
    pub(super) async fn summary(
        &mut self,
        agents: &Agents,
        refused: BTreeMap<String, u64>,
    ) -> Result<(Summary, Status), HttpError> {
        let status = self.ledger_status().await?;
        let intervals = common_count(&agents.statuses).unwrap_or_else(|| self.tally.count()).min(self.tally.count());
        let flows = self.tally.flows(intervals);
        let sum = |part: fn(&AgentStatus) -> u64| agents.statuses.iter().map(|status| u128::from(part(status))).sum();
        let summary = Summary {
            intervals,
            participants: self.state.genesis.members.len(),
            consumption_wh: sum(|agent| agent.consumption_wh),
            production_wh: sum(|agent| agent.production_wh),
            self_consumed_alone_wh: sum(|agent| agent.self_consumed_wh),
            traded_wh: flows.traded_wh,
            imported_wh: flows.imported_wh,
            exported_wh: flows.exported_wh,
            balances_sum: status.balances_sum.nano(),
            settlements: status.settlements,
            receipts_verified: sum(|agent| agent.receipts_verified),
            refused,
            ledger: LedgerSummary {
                validators: status.validators,
                height: status.height,
                state_root: status.state_root,
            },
        };
        Ok((summary, status))
    }
}

/// The number of receipts that every agent has verified, if it is the same for all: then their sums are over that many
/// intervals, even if the ledger has settled one more that they have not heard of yet.
fn common_count(statuses: &[AgentStatus]) -> Option<usize> {
    let first = statuses.first()?.receipts_verified;
    let same = statuses.iter().all(|status| status.receipts_verified == first);
    same.then_some(first).and_then(|count| usize::try_from(count).ok())
}

/// Names with a count each, as one line: the first few.
pub(super) fn list(counts: &BTreeMap<String, u64>) -> String {
    const NAMED_MAX: usize = 5;
    let named = counts.iter().take(NAMED_MAX).map(|(name, count)| format!("{name} {count} missing"));
    let text = named.collect::<Vec<_>>().join(", ");
    match counts.len().saturating_sub(NAMED_MAX) {
        0 => text,
        more => format!("{text} and {more} more participants"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(receipts_verified: u64) -> AgentStatus {
        AgentStatus { receipts_verified, consumption_wh: 0, production_wh: 0, self_consumed_wh: 0, alarms: Vec::new() }
    }

    #[test]
    fn sums_are_over_the_intervals_that_every_agent_verified() {
        assert_eq!(common_count(&[agent(7), agent(7)]), Some(7));
        assert_eq!(common_count(&[agent(7), agent(6)]), None);
        assert_eq!(common_count(&[]), None);
    }

    #[test]
    fn a_list_stays_one_short_line() {
        let counts = (1..=7).map(|number| (format!("d00{number}"), number)).collect();
        let text = list(&counts);
        assert!(text.starts_with("d001 1 missing, d002 2 missing"), "{text}");
        assert!(text.ends_with("and 2 more participants"), "{text}");
    }
}
