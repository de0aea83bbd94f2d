//! What a node can be asked, one method a question: where its API has the answer, and as what the answer is read.
//!
//! Which node to ask, how often and what to believe is up to who asks.

use std::time::Duration;

use hyper::{StatusCode, body::Bytes};
use protocol::{
    api::{
        BlockSummary, Community, Correctable, Decided, MEMBERS_PER_PAGE_MAX, MemberStatus, OpenDraft, RulesInForce,
        Settled, Status, Submitted, TakenBack,
    },
    commit::Validator,
    interval::Interval,
    island::ProvedStandby,
    limits::MEMBERS_MAX,
    log::LogProof,
    member::MemberId,
    receipt::Receipt,
    registration::ProvedRegistration,
};
use serde::de::{DeserializeOwned, Error as _};

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
    /// Its members do not come one after the other.
    #[error("/v1/members: expected members in ascending order, found {found} after {last}; ask another node")]
    MembersUnordered {
        /// The one that is out of place.
        found: MemberId,
        /// The one before it.
        last: MemberId,
    },
    /// Its members have no end.
    #[error("/v1/members: expected members of at most {MEMBERS_MAX}, found more; ask another node")]
    MembersTooMany,
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

    /// The community, by its name, its clock and its currency, and what its accounts have together.
    pub async fn community(&self) -> Result<Community, ApiError> {
        self.get("/v1/community".into()).await
    }

    /// The rules of the next interval.
    pub async fn rules(&self) -> Result<RulesInForce, ApiError> {
        self.get("/v1/rules".into()).await
    }

    /// The decisions that wait for approvals, by number.
    pub async fn drafts(&self) -> Result<Vec<OpenDraft>, ApiError> {
        self.get("/v1/drafts".into()).await
    }

    /// A page of the decisions that were made, from a sequence number on; empty while that one is not made.
    pub async fn decisions(&self, from: u64, limit: usize) -> Result<Vec<Decided>, ApiError> {
        self.get(format!("/v1/decisions?from={from}&limit={limit}")).await
    }

    /// The validators of the next height.
    pub async fn validators(&self) -> Result<Vec<Validator>, ApiError> {
        self.get("/v1/validators".into()).await
    }

    /// All members in ascending order, page by page, as long as each is after the one before and there are no more than
    /// there can be: a node that says otherwise would be asked for ever.
    pub async fn members(&self) -> Result<Vec<MemberStatus>, ApiError> {
        let mut members: Vec<MemberStatus> = Vec::new();
        loop {
            let page = self.members_after(members.last().map(|last| last.member), MEMBERS_PER_PAGE_MAX).await?;
            let is_last = page.len() < MEMBERS_PER_PAGE_MAX;
            for next in page {
                if let Some(last) = members.last().filter(|last| next.member <= last.member) {
                    return Err(ApiError::MembersUnordered { found: next.member, last: last.member });
                }
                members.push(next);
            }
            if members.len() > MEMBERS_MAX {
                return Err(ApiError::MembersTooMany);
            }
            if is_last {
                return Ok(members);
            }
        }
    }

    /// A page of members, in ascending order: those after one, from the first on without it.
    pub async fn members_after(&self, last: Option<MemberId>, limit: usize) -> Result<Vec<MemberStatus>, ApiError> {
        let after = last.map_or(String::new(), |last| format!("&after={last}"));
        self.get(format!("/v1/members?limit={limit}{after}")).await
    }

    /// How a member is registered after the last block, with the proof.
    pub async fn registration(&self, member: MemberId) -> Result<ProvedRegistration, ApiError> {
        self.get(format!("/v1/members/{member}/registration")).await
    }

    /// What a member may draw on an island, with the proof.
    pub async fn standby(&self, member: MemberId) -> Result<ProvedStandby, ApiError> {
        self.get(format!("/v1/members/{member}/standby")).await
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

    /// The same, each as it was corrected last; with a member, its lines and trades alone.
    pub async fn settlements_in_force(
        &self,
        from: Interval,
        limit: usize,
        member: Option<MemberId>,
    ) -> Result<Vec<Settled>, ApiError> {
        let member = member.map_or(String::new(), |member| format!("&member={member}"));
        self.get(format!("{}&in_force=true{member}", settlements(from, limit))).await
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

    /// The proof that the block of a height is in the node's log, with a checkpoint that others have seen.
    pub async fn log_proof(&self, height: u64) -> Result<LogProof, ApiError> {
        let path = format!("/v1/log/proof/{height}");
        let (status, body) = self.client.get(&path, self.patience).await?;
        if !status.is_success() {
            return Err(refused(path, status, &body));
        }
        let text = str::from_utf8(&body).map_err(serde_json::Error::custom);
        let proof = text.and_then(|text| text.parse().map_err(serde_json::Error::custom));
        proof.map_err(|error| ApiError::Malformed { path, error })
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

    /// Hands in a validator's word that it approves a decision no more: a signed
    /// [`Withdrawal`](protocol::withdrawal::Withdrawal).
    pub async fn withdraw(&self, withdrawal: &[u8]) -> Result<TakenBack, ApiError> {
        let path = "/v1/withdrawals";
        let answer = self.client.post_cbor(path, Bytes::copy_from_slice(withdrawal), self.patience).await?;
        read(path.into(), answer)
    }

    async fn get<T: DeserializeOwned>(&self, path: String) -> Result<T, ApiError> {
        self.get_within(path, self.patience).await
    }

    async fn get_within<T: DeserializeOwned>(&self, path: String, patience: Duration) -> Result<T, ApiError> {
        get(&self.client, path, patience).await
    }
}

/// Asks for JSON at `path`, which starts with a slash: what a node's API has is a method of [`Node`], and this is for
/// the pages of the programs beside it.
pub async fn get<T: DeserializeOwned>(client: &Client, path: String, patience: Duration) -> Result<T, ApiError> {
    let answer = client.get(&path, patience).await?;
    read(path, answer)
}

fn settlements(from: Interval, limit: usize) -> String {
    format!("/v1/settlements?from={}&limit={limit}", from.start_text())
}

fn refused(path: String, status: StatusCode, body: &[u8]) -> ApiError {
    let body = String::from_utf8_lossy(body).chars().take(ERROR_CHARACTERS_MAX).collect();
    ApiError::Refused { path, status, body }
}

fn read<T: DeserializeOwned>(path: String, (status, body): (StatusCode, Bytes)) -> Result<T, ApiError> {
    if !status.is_success() {
        return Err(refused(path, status, &body));
    }
    serde_json::from_slice(&body).map_err(|error| ApiError::Malformed { path, error })
}
