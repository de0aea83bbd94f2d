//! The ledger, seen through the HTTP APIs of its validators. Every question goes to all of them at once and the fastest
//! good answer counts, so that a dead or slow validator delays nothing. No answer counts of a node that has not said
//! that it keeps our chain.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use ledger_client::{
    Client, ClientError,
    api::{ApiError, Node},
};
use protocol::{
    api::{Correctable, Decided, MemberStatus, RulesInForce, SETTLEMENTS_PER_PAGE_MAX, Settled, Status, Submitted},
    block::Transaction,
    cbor,
    commit::Validator,
    envelope::ChainId,
    interval::Interval,
    island::ProvedStandby,
    limits::MEMBERS_MAX,
    member::MemberId,
    receipt::Receipt,
    refusal::LedgerRefusal,
    registration::ProvedRegistration,
};
use tokio::task::JoinSet;

use super::{config::LedgerNode, snapshot::Snapshot};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a node is asked to wait for a settlement.
const WAIT: Duration = Duration::from_secs(5);
/// Pause before a node that failed is asked again.
const PAUSE: Duration = Duration::from_millis(250);
/// Pause before a transaction is handed in again.
const HAND_IN_PAUSE: Duration = Duration::from_secs(1);
/// The status of an answer that says that there is nothing.
const NOT_FOUND: u16 = 404;
/// Settlement lines in one page of history: bounds what one answer takes.
const LINES_PER_PAGE_MAX: usize = 20_000;

/// Why a node of the ledger did not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum LedgerError {
    /// Not reached, or not in time.
    #[error("{url}: {reason}")]
    Unreachable { url: String, reason: String },
    /// It answered something else than was asked for.
    #[error("{url}: expected {expected}, found {found}")]
    Unexpected { url: String, expected: &'static str, found: String },
    /// It keeps another chain.
    #[error("{url}: expected a node of chain {expected}, found one of {found}")]
    OtherChain { url: String, expected: ChainId, found: ChainId },
    /// It has not settled as much as is known to be settled.
    #[error("{url}: is behind, at {found} instead of {expected}")]
    Behind { url: String, expected: Interval, found: Interval },
    /// There is nobody to ask.
    #[error("no ledger node to ask")]
    Nobody,
}

/// Asks the ledger. Clones share connections.
#[derive(Debug, Clone)]
pub(crate) struct LedgerClient {
    chain: ChainId,
    nodes: Arc<[Node]>,
    /// Which nodes have said that they keep our chain.
    ours: Arc<[OnceLock<()>]>,
    settlements_per_page: usize,
}

impl LedgerClient {
    pub(crate) fn new(chain: ChainId, nodes: &[LedgerNode], members: usize) -> Result<LedgerClient, ClientError> {
        let client = |node: &LedgerNode| Client::new(node.url.as_str(), node.ca.as_deref(), node.token.as_deref());
        let ours = nodes.iter().map(|_| OnceLock::new()).collect();
        let nodes = nodes.iter().map(|node| Ok(Node::new(client(node)?, ANSWER_TIMEOUT)));
        let nodes = nodes.collect::<Result<_, ClientError>>()?;
        let settlements_per_page = (LINES_PER_PAGE_MAX / members.max(1)).clamp(1, SETTLEMENTS_PER_PAGE_MAX);
        Ok(LedgerClient { chain, nodes, ours, settlements_per_page })
    }

    /// The addresses of the nodes, in the order of their numbers.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(Node::url)
    }

    /// What one node says of itself.
    pub(crate) async fn status(&self, node: usize) -> Result<Status, LedgerError> {
        let status = self.nodes[node].status().await.map_err(|error| self.error(node, error))?;
        if status.chain != self.chain {
            return Err(LedgerError::OtherChain { url: self.url(node), expected: self.chain, found: status.chain });
        }
        self.ours[node].get_or_init(|| ());
        Ok(status)
    }

    /// Who votes on the next block, as one node has it.
    pub(crate) async fn voters(&self, node: usize) -> Result<Vec<Validator>, LedgerError> {
        self.ask(node, self.nodes[node].validators()).await
    }

    /// The rules of the next interval, from any node that answers.
    pub(crate) async fn rules(&self) -> Result<RulesInForce, LedgerError> {
        self.ask_all(Node::rules).await
    }

    /// What the next clearing depends on, from any node that has settled all before `at_least`; from `avoid` only where
    /// no other answers.
    pub(crate) async fn snapshot(
        &self,
        at_least: Option<Interval>,
        avoid: Option<usize>,
    ) -> Result<Snapshot, LedgerError> {
        let others = (0..self.nodes.len()).filter(|node| Some(*node) != avoid);
        match (first_good(others.map(|node| self.snapshot_of(node, at_least))).await, avoid) {
            // Better one that is doubted than none at all.
            (Err(_), Some(doubted)) => self.snapshot_of(doubted, at_least).await,
            (answer, _) => answer,
        }
    }

    async fn snapshot_of(&self, node: usize, at_least: Option<Interval>) -> Result<Snapshot, LedgerError> {
        let mut status = self.status(node).await?;
        loop {
            if let Some(expected) = at_least.filter(|at_least| status.next < *at_least) {
                return Err(LedgerError::Behind { url: self.url(node), expected, found: status.next });
            }
            let members = self.ask(node, self.nodes[node].members()).await?;
            let rules = self.ask(node, self.nodes[node].rules()).await?;
            let after = self.status(node).await?;
            // A settlement between the two answers would mix the states of two intervals.
            if after.next == status.next {
                return Ok(Snapshot::new(node, &status, members, rules));
            }
            status = after;
        }
    }

    /// The settlement of `interval`, as soon as any node has it; `None` if none does for a while.
    pub(crate) async fn wait_settled(&self, interval: Interval) -> Option<Settled> {
        let wait = async |node: usize| loop {
            match self.ask(node, self.nodes[node].wait_settlements(interval, 1, WAIT)).await {
                Ok(settled) => {
                    if let Some(settled) = settled.into_iter().find(|settled| settled.interval == interval) {
                        return settled;
                    }
                }
                Err(error) => tracing::debug!(%error, "asking for a settlement"),
            }
            tokio::time::sleep(PAUSE).await;
        };
        let mut waiting: FuturesUnordered<_> = (0..self.nodes.len()).map(wait).collect();
        tokio::time::timeout(WAIT, waiting.next()).await.ok().flatten()
    }

    /// The first interval that is not settled, as far as the first node that answers knows.
    pub(crate) async fn next(&self) -> Result<Interval, LedgerError> {
        first_good((0..self.nodes.len()).map(|node| self.status(node))).await.map(|status| status.next)
    }

    /// A page of at most `most` settlements from the interval `from` on; never empty.
    pub(crate) async fn settlements(&self, from: Interval, most: usize) -> Result<Vec<Settled>, LedgerError> {
        let limit = self.settlements_per_page.min(most);
        self.page(from, |node| node.settlements(from, limit)).await
    }

    /// The same, each as it was corrected last; with a member, its lines and trades alone.
    pub(crate) async fn settlements_in_force(
        &self,
        from: Interval,
        most: usize,
        member: Option<MemberId>,
    ) -> Result<Vec<Settled>, LedgerError> {
        let per_page = if member.is_some() { SETTLEMENTS_PER_PAGE_MAX } else { self.settlements_per_page };
        let limit = per_page.min(most);
        self.page(from, |node| node.settlements_in_force(from, limit, member)).await
    }

    /// The present members.
    pub(crate) async fn members(&self) -> Result<Vec<MemberStatus>, LedgerError> {
        self.ask_all(Node::members).await
    }

    /// At most so many decisions that were made, from a sequence number on; never empty.
    pub(crate) async fn decisions(&self, from: u64, limit: usize) -> Result<Vec<Decided>, LedgerError> {
        let page = async |node: usize| match self.ask(node, self.nodes[node].decisions(from, limit)).await {
            Ok(page) if page.first().is_some_and(|first| first.sequence == from) => Ok(page),
            Ok(page) => Err(LedgerError::Unexpected {
                url: self.url(node),
                expected: "decisions from the asked one on",
                found: page.first().map_or("none".into(), |first| first.sequence.to_string()),
            }),
            Err(error) => Err(error),
        };
        first_good((0..self.nodes.len()).map(page)).await
    }

    /// What a settled interval was computed from; none where all nodes that answer have pruned its readings.
    pub(crate) async fn inputs(&self, interval: Interval) -> Result<Option<Correctable>, LedgerError> {
        let inputs = async |node: &Node| match node.inputs(interval).await {
            Err(ApiError::Refused { status, .. }) if status.as_u16() == NOT_FOUND => Ok(None),
            answer => answer.map(Some),
        };
        let inputs = &inputs;
        let mut questions: FuturesUnordered<_> =
            self.nodes.iter().enumerate().map(|(node, asked)| self.ask(node, inputs(asked))).collect();
        let mut answer = Err(LedgerError::Nobody);
        while let Some(found) = questions.next().await {
            match found {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => answer = Ok(None),
                Err(error) if answer.is_err() => answer = Err(error),
                Err(_) => {}
            }
        }
        answer
    }

    async fn page<'a, F>(
        &'a self,
        from: Interval,
        question: impl Fn(&'a Node) -> F,
    ) -> Result<Vec<Settled>, LedgerError>
    where
        F: Future<Output = Result<Vec<Settled>, ApiError>>,
    {
        let question = &question;
        let page = async |node: usize| match self.ask(node, question(&self.nodes[node])).await {
            Ok(page) if page.first().is_some_and(|first| first.interval == from) => Ok(page),
            Ok(page) => {
                let found = page.first().map_or("none".into(), |first| first.interval.to_string());
                Err(LedgerError::Unexpected {
                    url: self.url(node),
                    expected: "settlements from the asked one on",
                    found,
                })
            }
            Err(error) => Err(error),
        };
        first_good((0..self.nodes.len()).map(page)).await
    }

    /// The height of the last block, as far as the first node that answers knows.
    pub(crate) async fn height(&self) -> Result<u64, LedgerError> {
        first_good((0..self.nodes.len()).map(|node| self.status(node))).await.map(|status| status.height)
    }

    /// The intervals that the block of a height settles or corrects.
    pub(crate) async fn intervals_in(&self, height: u64) -> Result<Vec<Interval>, LedgerError> {
        self.ask_all(|node| node.block(height)).await.map(|block| block.intervals)
    }

    /// The receipts of an interval's corrections, in their order.
    pub(crate) async fn corrections(&self, interval: Interval) -> Result<Vec<Receipt>, LedgerError> {
        self.ask_all(|node| node.corrections(interval)).await
    }

    /// All receipts of an interval as it was first settled.
    pub(crate) async fn receipts(&self, interval: Interval) -> Result<Vec<Receipt>, LedgerError> {
        self.ask_all(|node| node.receipts(interval)).await
    }

    /// How a member is registered, with the proof.
    pub(crate) async fn registration(&self, member: MemberId) -> Result<ProvedRegistration, LedgerError> {
        self.ask_all(|node| node.registration(member)).await
    }

    /// What a member may draw on an island, with the proof.
    pub(crate) async fn standby(&self, member: MemberId) -> Result<ProvedStandby, LedgerError> {
        self.ask_all(|node| node.standby(member)).await
    }

    /// Hands a transaction to every node until one takes it, or all that answer refuse it for good.
    pub(crate) async fn hand_in(&self, transaction: &Transaction) -> Submitted {
        let transaction: Arc<[u8]> = cbor::encode(transaction).into();
        loop {
            let mut answers = self.submit(&transaction);
            let mut refused = None;
            while let Some(answer) = answers.join_next().await {
                match answer {
                    Ok(Ok(taken @ (Submitted::Pending { .. } | Submitted::Open { .. } | Submitted::Exists { .. }))) => {
                        // The other nodes hear of it too, even if they are slow.
                        answers.detach_all();
                        return taken;
                    }
                    Ok(Ok(Submitted::Refused { refusal, .. })) if passes(&refusal) => {
                        tracing::debug!(refusal, "handing in a transaction");
                    }
                    Ok(Ok(refusal @ Submitted::Refused { .. })) => refused = Some(refusal),
                    Ok(Err(error)) => tracing::debug!(%error, "handing in a transaction"),
                    Err(_) => {}
                }
            }
            if let Some(refused) = refused {
                return refused;
            }
            tracing::warn!("no node of the ledger takes transactions; trying again");
            tokio::time::sleep(HAND_IN_PAUSE).await;
        }
    }

    /// Hands a transaction to every node. The answers come as they arrive.
    pub(crate) fn submit(&self, transaction: &Arc<[u8]>) -> JoinSet<Result<Submitted, LedgerError>> {
        let mut answers = JoinSet::new();
        for node in 0..self.nodes.len() {
            let (client, transaction) = (self.clone(), transaction.clone());
            answers.spawn(async move { client.submit_to(node, &transaction).await });
        }
        answers
    }

    async fn submit_to(&self, node: usize, transaction: &[u8]) -> Result<Submitted, LedgerError> {
        self.nodes[node].submit(transaction).await.map_err(|error| self.error(node, error))
    }

    /// Asks all nodes. The first good answer counts.
    async fn ask_all<'a, T, F>(&'a self, question: impl Fn(&'a Node) -> F) -> Result<T, LedgerError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        first_good(self.nodes.iter().enumerate().map(|(node, asked)| self.ask(node, question(asked)))).await
    }

    /// Asks one node, once it has said that it keeps our chain.
    async fn ask<T>(&self, node: usize, question: impl Future<Output = Result<T, ApiError>>) -> Result<T, LedgerError> {
        if self.ours[node].get().is_none() {
            self.status(node).await?;
        }
        question.await.map_err(|error| self.error(node, error))
    }

    fn error(&self, node: usize, error: ApiError) -> LedgerError {
        let url = self.url(node);
        let (expected, found) = match error {
            ApiError::Unanswered(error) => return LedgerError::Unreachable { url, reason: error.to_string() },
            ApiError::Refused { status, body, .. } => ("an answer in JSON", format!("{status}: {body}")),
            ApiError::Malformed { error, .. } => ("an answer in JSON", error.to_string()),
            // One that does not go on in order would be asked for ever, and a settlement lists them in this one.
            ApiError::MembersUnordered { found, .. } => ("members in ascending order", found.to_string()),
            ApiError::MembersTooMany => {
                ("no more members than a community may have", format!("more than {MEMBERS_MAX}"))
            }
        };
        LedgerError::Unexpected { url, expected, found: found.chars().take(200).collect() }
    }

    fn url(&self, node: usize) -> String {
        self.nodes[node].url().into()
    }
}

/// Whether another time may not bring this refusal. What a later version refuses something for is not known to pass.
fn passes(name: &str) -> bool {
    LedgerRefusal::of_answer(name).is_some_and(LedgerRefusal::passes)
}

/// The first good answer; if there is none, the last error, or that a node keeps another chain: that does not pass.
async fn first_good<T>(
    questions: impl Iterator<Item = impl Future<Output = Result<T, LedgerError>>>,
) -> Result<T, LedgerError> {
    let mut questions: FuturesUnordered<_> = questions.collect();
    let mut last = LedgerError::Nobody;
    while let Some(answer) = questions.next().await {
        match answer {
            Ok(answer) => return Ok(answer),
            Err(_) if matches!(last, LedgerError::OtherChain { .. }) => {}
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests;
