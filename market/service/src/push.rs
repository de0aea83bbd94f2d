//! Handing a settlement in, until its interval is settled.

use std::time::Duration;

use protocol::api::Submitted;

use super::{
    ledger_client::{LedgerClient, LedgerError},
    settle::{Proposal, Pushed},
};

/// Pause before a settlement that no node took is handed in again.
const PAUSE: Duration = Duration::from_millis(500);

/// What the nodes said to a transaction.
#[derive(Debug, Default)]
struct Tally {
    taken: usize,
    refused: usize,
    refusal: Option<(String, String)>,
    unreachable: Option<LedgerError>,
}

impl Tally {
    fn count(&mut self, answer: Result<Submitted, LedgerError>) {
        match answer {
            Ok(Submitted::Pending { .. } | Submitted::Open { .. } | Submitted::Exists { .. }) => self.taken += 1,
            Ok(Submitted::Refused { refusal, detail, .. }) => {
                self.refused += 1;
                self.refusal = Some((refusal, detail));
            }
            Err(error) => self.unreachable = Some(error),
        }
    }
}

/// Hands the proposal to every node, again and again, until its interval is settled or the ledger refuses it.
pub(crate) async fn push(ledger: &LedgerClient, proposal: &Proposal) -> Pushed {
    loop {
        let mut answers = ledger.submit(&proposal.transaction);
        let mut tally = Tally::default();
        let settled = ledger.wait_settled(proposal.interval);
        tokio::pin!(settled);
        let settled = loop {
            tokio::select! {
                biased;
                settled = &mut settled => break settled,
                Some(answer) = answers.join_next() => {
                    if let Ok(answer) = answer {
                        tally.count(answer);
                    }
                    if answers.is_empty() && tally.taken == 0 && tally.refused > 0 {
                        // Refused by all who answered. It may be that the interval was settled just before.
                        break None;
                    }
                }
            }
        };
        if let Some(settled) = settled {
            return Pushed::Settled(settled);
        }
        // A few may refuse because they are behind, or lie.
        if let Some((refusal, detail)) = tally.refusal.filter(|_| tally.refused >= tally.taken) {
            return Pushed::Refused { refusal, detail };
        }
        let Tally { taken, unreachable, .. } = tally;
        let error = unreachable.map(|error| error.to_string());
        tracing::warn!(interval = %proposal.interval, taken, error, "not settled yet; the settlement is handed in again");
        if taken == 0 {
            tokio::time::sleep(PAUSE).await;
        }
    }
}
