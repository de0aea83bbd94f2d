//! What the neighbourhood says of itself, asked over HTTP like anyone else would.

use std::{net::SocketAddr, time::Duration};

use protocol::{
    api::{SETTLEMENTS_PER_PAGE_MAX, Settled, Status},
    interval::Interval,
};
use serde::{Deserialize, de::DeserializeOwned};

/// How long a ledger node is asked to wait for a settlement, ms.
const WAIT_MS: u64 = 10_000;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Settlement lines in one page: bounds what one answer takes.
const LINES_PER_PAGE_MAX: usize = 20_000;

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No HTTP client.
    #[error("cannot speak HTTP: {0}")]
    NoClient(reqwest::Error),
    /// No answer, or another than the one asked for.
    #[error("{url}: expected an answer, found: {reason}")]
    NoAnswer {
        /// What was asked.
        url: String,
        /// What went wrong.
        reason: String,
    },
}

/// What an agent says of itself: the sums over its verified receipts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct AgentStatus {
    pub(super) receipts_verified: u64,
    pub(super) consumption_wh: u64,
    pub(super) production_wh: u64,
    pub(super) self_consumed_wh: u64,
    pub(super) alarms: Vec<String>,
}

/// How often the market refused messages for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct RefusalCount {
    pub(super) refusal: String,
    pub(super) count: u64,
}

/// Where the market is, as far as the console says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct MarketStatus {
    pub(super) open: Option<String>,
    pub(super) readings_received: usize,
    pub(super) readings_expected: usize,
}

#[derive(Deserialize)]
struct MarketState {
    status: MarketStatus,
}

/// Asks the parts. Clones share connections.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    settlements_per_page: usize,
}

impl Client {
    /// A client for a neighbourhood of `members`.
    pub(super) fn new(members: usize) -> Result<Client, HttpError> {
        // The parts are on this machine: a proxy for the outside world does not know them.
        let http = reqwest::Client::builder().no_proxy().build().map_err(HttpError::NoClient)?;
        let settlements_per_page = (LINES_PER_PAGE_MAX / members.max(1)).clamp(1, SETTLEMENTS_PER_PAGE_MAX);
        Ok(Client { http, settlements_per_page })
    }

    /// What is settled from `from` on: waits a while if that is nothing yet.
    pub(super) async fn settlements(&self, node: SocketAddr, from: Interval) -> Result<Vec<Settled>, HttpError> {
        let from = from.start_text();
        let limit = self.settlements_per_page;
        self.get(format!("http://{node}/v1/settlements?from={from}&limit={limit}&wait_ms={WAIT_MS}")).await
    }

    /// What a ledger node says of itself.
    pub(super) async fn ledger_status(&self, node: SocketAddr) -> Result<Status, HttpError> {
        self.get(format!("http://{node}/v1/status")).await
    }

    /// What an agent says of itself.
    pub(super) async fn agent_status(&self, agent: SocketAddr) -> Result<AgentStatus, HttpError> {
        self.get(format!("http://{agent}/status")).await
    }

    /// What the market refused since it started.
    pub(super) async fn refusals(&self, market: SocketAddr) -> Result<Vec<RefusalCount>, HttpError> {
        self.get(format!("http://{market}/api/v1/refusals")).await
    }

    /// Where the market is.
    pub(super) async fn market_status(&self, market: SocketAddr) -> Result<MarketStatus, HttpError> {
        let state: MarketState = self.get(format!("http://{market}/api/v1/state")).await?;
        Ok(state.status)
    }

    async fn get<T: DeserializeOwned>(&self, url: String) -> Result<T, HttpError> {
        let answer = async {
            let response = self.http.get(&url).timeout(ANSWER_TIMEOUT).send().await?;
            response.error_for_status()?.json().await
        };
        answer.await.map_err(|error| HttpError::NoAnswer { reason: chain_of(&error.without_url()), url })
    }
}

/// An error with its causes, as one line.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text.replace('\n', " ")
}
