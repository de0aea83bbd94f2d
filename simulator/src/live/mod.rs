//! The live neighbourhood: everything runs, over real sockets, and is watched until its last interval is settled.
//!
//! From the data set each agent gets its own meter's recording, before anything runs; then the validators decide the
//! tariffs of later, by their keys; and from then on nothing here touches data, keys or stores. What is shown and
//! summed up comes from the HTTP APIs of ledger, market and agents.

mod broker;
mod http;
mod parts;
mod summary;
mod tally;
mod tariffs;
mod terminal;
mod watch;

use std::{path::Path, time::Duration};

use protocol::{interval::Interval, money::Amount};
use settings::broker::BrokerAddress;
use tokio::{net::TcpStream, signal, sync::watch as channel, time::timeout};

pub use broker::BrokerError;
pub use http::HttpError;
pub use parts::PartError;
pub use summary::{LedgerSummary, Summary, SummaryError, check_path as check_summary_path};
pub use tariffs::TariffsError;

use crate::state::{Neighbourhood, Run, Setup};
pub(crate) use terminal::kwh;

use parts::Parts;
use terminal::Terminal;
use watch::Watch;

/// What is to run.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// What the neighbourhood is made from.
    pub setup: &'a Setup,
    /// How its parts run.
    pub run: &'a Run,
    /// How many intervals are to be settled, from the first on.
    pub intervals: usize,
    /// What is said of it before it begins.
    pub note: Option<&'a str>,
    /// Whether the state stays when all is over.
    pub keeps_state: bool,
    /// Where the summary goes, beside the terminal.
    pub summary: Option<&'a Path>,
}

/// Why a live neighbourhood did not do what was planned.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The embedded broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// A part.
    #[error(transparent)]
    Part(#[from] PartError),
    /// A question to a part.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Nothing happens any more.
    #[error(
        "expected an interval to be settled at least every {seconds} s, found {settled} settled and no more: {reason}"
    )]
    Stalled {
        /// How long it was waited for.
        seconds: u64,
        /// How many are settled.
        settled: usize,
        /// What is known about the reason.
        reason: String,
    },
    /// Someone is missing in the settlements.
    #[error("expected a reading of every participant in every interval, found {missing}")]
    NotRead {
        /// Who, and how often.
        missing: String,
    },
    /// The ledger settled at prices that the scenario does not have.
    #[error(
        "expected {interval} to be settled with what the supplier takes and gives in the scenario, {expected}, found \
         {found}: other rules were decided on this ledger; give another --state"
    )]
    OtherTariffs {
        /// When first.
        interval: Interval,
        /// In words.
        expected: String,
        /// In words.
        found: String,
    },
    /// Receipts are missing.
    #[error("expected every agent to verify its receipts, found {missing}")]
    Unverified {
        /// Who, and how many.
        missing: String,
    },
    /// Money appeared or vanished.
    #[error("expected the balances of all accounts to sum to 0, found {0}")]
    Unbalanced(Amount),
    /// The summary.
    #[error(transparent)]
    Summary(#[from] SummaryError),
}

/// How long an existing broker may take to answer.
const BROKER_TIMEOUT: Duration = Duration::from_secs(5);

/// The broker that was named does not answer.
#[derive(Debug, thiserror::Error)]
#[error("--broker: expected an MQTT broker at {address}, found: {found}")]
pub struct NoBroker {
    address: BrokerAddress,
    found: String,
}

/// Checks beforehand that something listens where an existing broker should.
pub async fn check_broker(address: &BrokerAddress) -> Result<(), NoBroker> {
    let no_broker = |found: String| NoBroker { address: address.clone(), found };
    match timeout(BROKER_TIMEOUT, TcpStream::connect((address.host(), address.port()))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(no_broker(error.to_string())),
        Err(_) => Err(no_broker(format!("no answer within {} s", BROKER_TIMEOUT.as_secs()))),
    }
}

/// How long agents may take for the receipts of what was settled last.
const RECEIPTS: Duration = Duration::from_secs(30);
/// The same, when someone wants it all to stop.
const RECEIPTS_INTERRUPTED: Duration = Duration::from_secs(3);
/// Exit code of a program that a second Ctrl-C ends (128 + SIGINT).
const EXIT_INTERRUPTED: i32 = 130;

/// Runs the neighbourhood in `state` until its intervals are settled or someone stops it.
pub async fn run(state: &Neighbourhood, plan: &Plan<'_>) -> Result<(), LiveError> {
    let mut interrupted = interruption();
    let terminal = Terminal::start(state, plan);
    if let Some(port) = state.addresses.embedded_broker {
        broker::start(port).await?;
    }
    let changes = plan.setup.tariffs.len();
    if changes > 0 {
        terminal
            .say(&format!("the validators decide {changes} changes of the supplier's prices, before the market opens"));
    }
    let mut parts = match Parts::start(state, plan.setup, &interrupted).await {
        Err(PartError::Tariffs(TariffsError::Interrupted)) => {
            terminal.finish();
            terminal.say("interrupted: no interval was opened");
            return Ok(());
        }
        started => started?,
    };
    terminal.addresses(state, plan);
    let outcome = watch(state, plan, &terminal, &mut parts, &mut interrupted).await;
    terminal.finish();
    parts.stop().await;
    outcome
}

/// Watches until the end, and sums up.
async fn watch(
    state: &Neighbourhood,
    plan: &Plan<'_>,
    terminal: &Terminal,
    parts: &mut Parts,
    interrupted: &mut channel::Receiver<bool>,
) -> Result<(), LiveError> {
    let mut watch = Watch::new(state, plan)?;
    let finished = tokio::select! {
        ended = watch.follow(terminal) => ended.map(|()| true)?,
        failure = parts.failed() => return Err(failure.into()),
        () = is_true(interrupted) => false,
    };
    let refused = watch.refused().await?;
    if !finished {
        terminal.say("interrupted: no further interval is opened");
        parts.stop_market().await;
        // What was under way is part of the summary.
        watch.drain(terminal).await;
    }
    let agents = watch.agents(if finished { RECEIPTS } else { RECEIPTS_INTERRUPTED }).await?;
    let (summary, status) = watch.summary(&agents, refused).await?;
    terminal.finish();
    terminal.say(&summary.table());
    if let Some(path) = plan.summary {
        summary.write(path)?;
        terminal.say(&format!("summary   {}", path.display()));
    }
    if status.balances_sum != Amount::ZERO {
        return Err(LiveError::Unbalanced(status.balances_sum));
    }
    if finished && !watch.not_read().is_empty() {
        return Err(LiveError::NotRead { missing: watch::list(&watch.not_read()) });
    }
    if finished && !agents.missing.is_empty() {
        return Err(LiveError::Unverified { missing: agents.missing_text() });
    }
    if !finished && plan.keeps_state {
        terminal.say("the same command goes on with the next interval");
    }
    Ok(())
}

/// Becomes true when someone asks for the end (Ctrl-C, SIGTERM); whoever asks twice gets it at once.
fn interruption() -> channel::Receiver<bool> {
    let (sender, receiver) = channel::channel(false);
    tokio::spawn(async move {
        asked_to_stop().await;
        let _ = sender.send(true);
        asked_to_stop().await;
        std::process::exit(EXIT_INTERRUPTED);
    });
    receiver
}

async fn is_true(flag: &mut channel::Receiver<bool>) {
    if flag.wait_for(|flag| *flag).await.is_err() {
        // Nobody listens for signals any more, so none comes.
        std::future::pending().await
    }
}

#[cfg(unix)]
async fn asked_to_stop() {
    use signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => drop(signal::ctrl_c().await),
    }
}

#[cfg(not(unix))]
async fn asked_to_stop() {
    let _ = signal::ctrl_c().await;
}
