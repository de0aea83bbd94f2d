//! What a node can be asked, one method a question: where its API has the answer, and as what the answer is read.
//!
//! Which node to ask, how often, in which pages and what to believe is up to who asks.

use std::time::Duration;

use hyper::{StatusCode, body::Bytes};
use protocol::{
    api::{BlockSummary, Correctable, MemberStatus, RulesInForce, Settled, Status, Submitted},
    certificate::Validator,
    interval::Interval,
    member::MemberId,
    receipt::Receipt,
};
use serde::de::DeserializeOwned;

use crate::{AskError, Client};

/// Most of an error that is passed on: who answers may be anyone.
const ERROR_CHARACTERS_MAX: usize = 400;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Not answered at all.
    #[error(transparent)]
    Unanswered(#[from] AskError),
    /// Answered with an error.
    #[error("{path}: {status}: {body}")]
    Refused {
        /// What was asked.
        path: String,
        /// The kind of error.
        status: StatusCode,
        /// What the node says to it, shortened.
        body: String,
    },
    /// Answered as no node does.
    #[error("{path}: expected the answer of a node, found another: {error}")]
    Malformed {
        /// What was asked.
        path: String,
        /// What is wrong with the answer.
        error: serde_json::Error,
    },
}

/// Asks one node for what its API has. Clones share connections.
#[derive(Debug, Clone)]
pub struct Node {
    client: Client,
    patience: Duration,
}

impl Node {
    /// The node behind a client, which may take so long to answer.
    pub fn new(client: Client, patience: Duration) -> Node {
        Node { client, patience }
    }

    /// The node's address.
    pub fn url(&self) -> &str {
        self.client.url()
    }

    /// What it says of itself.
    pub async fn status(&self) -> Result<Status, ApiError> {
        self.get("/v1/status".into()).await
    }

    /// The rules of the next interval.
    pub async fn rules(&self) -> Result<RulesInForce, ApiError> {
        self.get("/v1/rules".into()).await
    }

    /// The validators of the next height.
    pub async fn validators(&self) -> Result<Vec<Validator>, ApiError> {
        self.get("/v1/validators".into()).await
    }

    /// A page of members, in ascending order: those after one, from the first on without it.
    pub async fn members(&self, after: Option<MemberId>, limit: usize) -> Result<Vec<MemberStatus>, ApiError> {
        let after = after.map_or(String::new(), |after| format!("&after={after}"));
        self.get(format!("/v1/members?limit={limit}{after}")).await
    }

    /// A page of settlements from an interval on; empty while it is not settled.
    pub async fn settlements(&self, from: Interval, limit: usize) -> Result<Vec<Settled>, ApiError> {
        self.get(settlements(from, limit)).await
    }

    /// The same, for which the node waits a while where the first of them is not settled yet.
    pub async fn wait_settlements(
        &self,
        from: Interval,
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<Settled>, ApiError> {
        let path = format!("{}&wait_ms={}", settlements(from, limit), wait.as_millis());
        self.get_within(path, wait + self.patience).await
    }

    /// The receipts of an interval as it was first settled.
    pub async fn receipts(&self, interval: Interval) -> Result<Vec<Receipt>, ApiError> {
        self.get(format!("/v1/settlements/{}/receipts", interval.start_text())).await
    }

    /// The receipts of an interval's corrections, in their order.
    pub async fn corrections(&self, interval: Interval) -> Result<Vec<Receipt>, ApiError> {
        self.get(format!("/v1/settlements/{}/corrections", interval.start_text())).await
    }

    /// All that a correction of an interval begins with.
    pub async fn inputs(&self, interval: Interval) -> Result<Correctable, ApiError> {
        self.get(format!("/v1/settlements/{}/inputs", interval.start_text())).await
    }

    /// The block of a height.
    pub async fn block(&self, height: u64) -> Result<BlockSummary, ApiError> {
        self.get(format!("/v1/blocks/{height}")).await
    }

    /// Hands in a transaction, in CBOR.
    pub async fn submit(&self, transaction: &[u8]) -> Result<Submitted, ApiError> {
        let path = "/v1/transactions";
        let answer = self.client.post_cbor(path, Bytes::copy_from_slice(transaction), self.patience).await?;
        read(path.into(), answer)
    }

    async fn get<T: DeserializeOwned>(&self, path: String) -> Result<T, ApiError> {
        self.get_within(path, self.patience).await
    }

    async fn get_within<T: DeserializeOwned>(&self, path: String, patience: Duration) -> Result<T, ApiError> {
        let answer = self.client.get(&path, patience).await?;
        read(path, answer)
    }
}

fn settlements(from: Interval, limit: usize) -> String {
    format!("/v1/settlements?from={}&limit={limit}", from.start_text())
}

fn read<T: DeserializeOwned>(path: String, (status, body): (StatusCode, Bytes)) -> Result<T, ApiError> {
    if !status.is_success() {
        let body = String::from_utf8_lossy(&body).chars().take(ERROR_CHARACTERS_MAX).collect();
        return Err(ApiError::Refused { path, status, body });
    }
    serde_json::from_slice(&body).map_err(|error| ApiError::Malformed { path, error })
}
