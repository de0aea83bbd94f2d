//! The supplier's prices of later intervals, decided by the validators before the market begins: each change is a
//! decision, approved by all of them, as a community's own would be.

use std::time::Duration;

use ledger_client::{
    Client, ClientError,
    api::{ApiError, Node},
};
use protocol::{
    api::{RulesInForce, Submitted},
    block::Transaction,
    cbor::{self, Encoded},
    decision::{Action, Decision},
    genesis::Rules,
    interval::Interval,
    settlement::Tariffs,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::state::{Neighbourhood, StateError};

/// How long a node may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the validators may take for a decision, also when they have only just started.
const DECIDED: Duration = Duration::from_secs(120);
/// How often a node is asked whether a decision is on the ledger.
const LOOK: Duration = Duration::from_millis(20);

/// Why the supplier's prices of later intervals are not decided.
#[derive(Debug, thiserror::Error)]
pub enum TariffsError {
    /// Somebody wants it all to stop.
    #[error("interrupted before the tariffs of later were decided")]
    Interrupted,
    /// No HTTP client.
    #[error("cannot speak HTTP: {0}")]
    NoClient(#[from] ClientError),
    /// A validator's key.
    #[error(transparent)]
    Key(#[from] StateError),
    /// No answer of a node.
    #[error("the tariffs from {from} on are not decided: {error}")]
    NoAnswer {
        /// From when on.
        from: Interval,
        /// What went wrong.
        error: ApiError,
    },
    /// The ledger refuses it.
    #[error("expected the validators to decide the tariffs from {from} on, found that the ledger refuses it: {reason}")]
    Refused {
        /// From when on.
        from: Interval,
        /// What it says.
        reason: String,
    },
    /// It is not on the ledger.
    #[error("expected the tariffs from {from} on to be decided within {} s, found them pending", DECIDED.as_secs())]
    Pending {
        /// From when on.
        from: Interval,
    },
}

/// Has the validators decide what is not decided yet of the `changes`, which are all the decisions of this ledger,
/// unless somebody wants it all to stop.
pub(super) async fn decide(
    state: &Neighbourhood,
    changes: &[(Interval, Tariffs)],
    interrupted: &watch::Receiver<bool>,
) -> Result<(), TariffsError> {
    let (Some((first, _)), Some(address)) = (changes.first(), state.addresses.ledger.first()) else { return Ok(()) };
    let node = Node::new(Client::new(&format!("http://{address}"), None, None)?, ANSWER_TIMEOUT);
    let keys = state.validator_keys()?;
    let chain = state.genesis.chain();
    let no_answer = |from: Interval| move |error| TariffsError::NoAnswer { from, error };
    let RulesInForce { decision_sequence: decided, .. } = node.rules().await.map_err(no_answer(*first))?;
    for (sequence, (from, tariffs)) in (1..).zip(changes).skip_while(|(sequence, _)| *sequence <= decided) {
        if *interrupted.borrow() {
            return Err(TariffsError::Interrupted);
        }
        let Tariffs { retail_price, feed_in_price } = *tariffs;
        let rules = Rules { retail_price, feed_in_price, ..state.genesis.rules.clone() };
        let decision = Decision { sequence, action: Action::SetRules { from: *from, rules, grid: None } };
        let mut approvals: Vec<_> = keys.iter().map(|key| decision.approve(&chain, key)).collect();
        approvals.sort_unstable_by_key(|approval| approval.validator);
        let transaction = cbor::encode(&Transaction::Decide { decision: Encoded::of(&decision), approvals });
        match node.submit(&transaction).await.map_err(no_answer(*from))? {
            Submitted::Pending { .. } | Submitted::Open { .. } | Submitted::Exists { .. } => {}
            Submitted::Refused { refusal, detail, .. } => {
                return Err(TariffsError::Refused { from: *from, reason: format!("{refusal}: {detail}") });
            }
        }
        let since = Instant::now();
        while node.rules().await.map_err(no_answer(*from))?.decision_sequence < sequence {
            if since.elapsed() > DECIDED {
                return Err(TariffsError::Pending { from: *from });
            }
            sleep(LOOK).await;
        }
    }
    Ok(())
}
