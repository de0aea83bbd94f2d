//! What the neighbourhood says of itself, asked over HTTP like anyone else would.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use ledger_client::{
    Client, ClientError,
    api::{ApiError, Node, get},
};
use protocol::{
    api::{SETTLEMENTS_PER_PAGE_MAX, Settled, Status},
    interval::Interval,
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::state::Addresses;

/// How long a ledger node is asked to wait for a settlement.
const WAIT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Settlement lines in one page: bounds what one answer takes.
const LINES_PER_PAGE_MAX: usize = 20_000;

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No HTTP client.
    #[error("cannot speak HTTP: {0}")]
    NoClient(#[from] ClientError),
    /// No answer, or another than the one asked for.
    #[error("{url}: expected an answer, found: {error}")]
    NoAnswer {
        /// Who was asked.
        url: String,
        /// What went wrong.
        error: ApiError,
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

/// The parts of a neighbourhood, to be asked.
#[derive(Debug)]
pub(super) struct PartClients {
    nodes: Vec<Node>,
    market: Client,
    agents: BTreeMap<String, Client>,
    settlements_per_page: usize,
}

impl PartClients {
    /// The parts at these addresses, of a neighbourhood of `members`.
    pub(super) fn new(addresses: &Addresses, members: usize) -> Result<PartClients, HttpError> {
        let client = |address: &SocketAddr| Client::new(&format!("http://{address}"), None, None);
        let node = |address| Ok(Node::new(client(address)?, ANSWER_TIMEOUT));
        let agent = |(name, address): (&String, _)| Ok((name.clone(), client(address)?));
        Ok(PartClients {
            nodes: addresses.ledger.iter().map(node).collect::<Result<_, ClientError>>()?,
            market: client(&addresses.market)?,
            agents: addresses.agents.iter().map(agent).collect::<Result<_, ClientError>>()?,
            settlements_per_page: (LINES_PER_PAGE_MAX / members.max(1)).clamp(1, SETTLEMENTS_PER_PAGE_MAX),
        })
    }

    /// How many ledger nodes there are.
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// What is settled from `from` on: waits a while if that is nothing yet.
    pub(super) async fn settlements(&self, node: usize, from: Interval) -> Result<Vec<Settled>, HttpError> {
        let node = &self.nodes[node];
        answered(node.url(), node.wait_settlements(from, self.settlements_per_page, WAIT).await)
    }

    /// What a ledger node says of itself.
    pub(super) async fn ledger_status(&self, node: usize) -> Result<Status, HttpError> {
        let node = &self.nodes[node];
        answered(node.url(), node.status().await)
    }

    /// What an agent says of itself; none where there is no such agent.
    pub(super) async fn agent_status(&self, name: &str) -> Result<Option<AgentStatus>, HttpError> {
        let Some(agent) = self.agents.get(name) else { return Ok(None) };
        ask(agent, "/status").await.map(Some)
    }

    /// What the market refused since it started.
    pub(super) async fn refusals(&self) -> Result<Vec<RefusalCount>, HttpError> {
        ask(&self.market, "/api/v1/refusals").await
    }

    /// Where the market is.
    pub(super) async fn market_status(&self) -> Result<MarketStatus, HttpError> {
        let state: MarketState = ask(&self.market, "/api/v1/state").await?;
        Ok(state.status)
    }
}

async fn ask<T: DeserializeOwned>(part: &Client, path: &str) -> Result<T, HttpError> {
    answered(part.url(), get(part, path.into(), ANSWER_TIMEOUT).await)
}

fn answered<T>(url: &str, answer: Result<T, ApiError>) -> Result<T, HttpError> {
    answer.map_err(|error| HttpError::NoAnswer { url: url.into(), error })
}
