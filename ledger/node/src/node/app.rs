//! The ledger's side of consensus: builds blocks, recomputes those of others, and commits.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use ledger::{chain::Executed, evidence::Evidence};
use protocol::{
    block::Block,
    cbor,
    commit::{CommitCertificate, Validator},
    hash::Hash,
    key::ValidatorId,
    limits::BLOCK_BYTES_MAX,
    refusal::LedgerRefusal,
};

use super::{Ledger, witness};
use crate::{
    consensus::{Application, Candidate, Halt, Work},
    store::{StoreError, StoredCandidate},
};

/// A ledger as consensus sees it.
pub(super) struct App {
    ledger: Arc<Ledger>,
    heartbeat: Duration,
    /// Where evidence against validators is kept.
    evidence: PathBuf,
    /// What the valid candidates of the next height lead to, so that a commit need not execute them again.
    executed: BTreeMap<Hash, (Block, Executed)>,
}

impl App {
    pub(super) fn new(ledger: Arc<Ledger>, heartbeat: Duration, evidence: PathBuf) -> App {
        App { ledger, heartbeat, evidence, executed: BTreeMap::new() }
    }

    /// Decodes a body and executes it on the head, outside the event loop: both take as long as a block has readings.
    /// `None` if it is no block; a block beside `None` is not what the head leads to.
    async fn look_at(&self, body: Bytes) -> Result<Option<(Block, Option<Executed>)>, Halt> {
        let ledger = self.ledger.clone();
        let look = move || {
            let block = if body.len() > BLOCK_BYTES_MAX { None } else { cbor::decode::<Block>(&body).ok() };
            block.map(|block| {
                let executed = execute(&ledger, &block);
                (block, executed)
            })
        };
        tokio::task::spawn_blocking(look).await.map_err(|error| Halt::crashed("looking at a block", &error))
    }

    /// The body of a block that was already found valid.
    fn good_body(&self, height: u64, block: &Hash) -> Result<Option<Vec<u8>>, Halt> {
        let candidates = self.ledger.store.candidates(height).map_err(halt)?;
        if !candidates.iter().any(|found| found.block == *block && found.valid) {
            return Ok(None);
        }
        self.ledger.store.candidate_body(height, block).map_err(halt)
    }

    fn stored_candidate(&self, height: u64, round: u32) -> Result<Option<(Candidate, Bytes)>, Halt> {
        let Some(me) = self.ledger.validator() else { return Ok(None) };
        let candidates = self.ledger.store.candidates(height).map_err(halt)?;
        let Some(mine) = candidates.into_iter().find(|found| found.round == round && found.proposer == me) else {
            return Ok(None);
        };
        let body = self.ledger.store.candidate_body(height, &mine.block).map_err(halt)?;
        Ok(body.map(|body| (candidate(mine), Bytes::from(body))))
    }
}

#[async_trait]
impl Application for App {
    fn next_height(&self) -> (u64, Vec<Validator>) {
        let head = self.ledger.head();
        (head.tip.height + 1, head.state.validators().to_vec())
    }

    fn work(&mut self) -> Work {
        let ledger = self.ledger.clone();
        let heartbeat = tokio::time::sleep(self.heartbeat);
        Box::pin(async move {
            tokio::select! {
                () = ledger.work() => {}
                () = heartbeat => {}
            }
        })
    }

    async fn propose(&mut self, height: u64, round: u32) -> Result<(Candidate, Bytes), Halt> {
        if let Some(same) = self.stored_candidate(height, round)? {
            return Ok(same);
        }
        let (block, executed) = self.ledger.build();
        let me = self.ledger.validator().ok_or_else(|| Halt::Storage("asked to propose without a key".into()))?;
        let hash = block.header.hash();
        let body = cbor::encode(&block);
        let stored = StoredCandidate { block: hash, height, round, proposer: me, valid_round: None, valid: true };
        self.ledger.store.put_candidate(&stored, &body).map_err(halt)?;
        self.executed.insert(hash, (block, executed));
        Ok((candidate(stored), body.into()))
    }

    async fn receive(
        &mut self,
        height: u64,
        round: u32,
        proposer: ValidatorId,
        valid_round: Option<u32>,
        body: Bytes,
    ) -> Result<Option<Candidate>, Halt> {
        let Some((block, executed)) = self.look_at(body.clone()).await? else {
            self.ledger.metrics.refused(LedgerRefusal::Malformed.to_string());
            return Ok(None);
        };
        let hash = block.header.hash();
        // The hash covers the header, not the readings: a spoilt copy must not replace the good body of the same block.
        let good = if executed.is_some() { None } else { self.good_body(height, &hash)? };
        let valid = executed.is_some() || good.is_some();
        let stored = StoredCandidate { block: hash, height, round, proposer, valid_round, valid };
        self.ledger.store.put_candidate(&stored, good.as_deref().unwrap_or(&body)).map_err(halt)?;
        if let Some(executed) = executed {
            self.executed.insert(hash, (block, executed));
        }
        Ok(Some(candidate(stored)))
    }

    async fn candidates(&mut self, height: u64, round: u32) -> Result<Vec<Candidate>, Halt> {
        let candidates = self.ledger.store.candidates(height).map_err(halt)?;
        Ok(candidates.into_iter().filter(|found| found.round == round).map(candidate).collect())
    }

    async fn body(&mut self, height: u64, block: &Hash) -> Result<Option<Bytes>, Halt> {
        Ok(self.ledger.store.candidate_body(height, block).map_err(halt)?.map(Bytes::from))
    }

    async fn commit(&mut self, certificate: CommitCertificate) -> Result<bool, Halt> {
        let Some(body) = self.ledger.store.candidate_body(certificate.height, &certificate.block).map_err(halt)? else {
            return Ok(false);
        };
        let body = Bytes::from(body);
        let (block, executed) = match self.executed.remove(&certificate.block) {
            Some(known) => known,
            None => {
                let Some((block, Some(executed))) = self.look_at(body.clone()).await? else { return Ok(false) };
                (block, executed)
            }
        };
        self.ledger.commit(&block, body.into(), certificate, executed).map_err(halt)?;
        self.executed.clear();
        Ok(true)
    }

    async fn witnessed(&mut self, evidence: Evidence) {
        let kept = match evidence.verify(self.ledger.genesis()) {
            Ok(()) => witness::keep(&self.evidence, &evidence).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match kept {
            Ok(Some(file)) => tracing::warn!(file = %file.display(), "kept: `ledger evidence` checks it"),
            Ok(None) => {}
            Err(error) => tracing::error!(error, ?evidence, "the evidence could not be kept"),
        }
    }

    fn history_start(&self) -> u64 {
        // A store that cannot say it cannot serve either.
        self.ledger.store.unpruned_from().unwrap_or(u64::MAX)
    }

    async fn decided(&mut self, height: u64) -> Result<Option<(CommitCertificate, Bytes)>, Halt> {
        let stored = self.ledger.store.block(height).map_err(halt)?;
        Ok(stored.filter(|stored| stored.pruned.is_none()).map(|stored| (stored.certificate, stored.body.into())))
    }
}

/// Executes a block on the head; `None`, named in log and metrics, if it is not what the head leads to.
fn execute(ledger: &Ledger, block: &Block) -> Option<Executed> {
    match ledger.execute(block) {
        Ok(executed) => Some(executed),
        Err(error) => {
            let height = block.header.height;
            tracing::warn!(height, block = %block.header.hash(), name = error.name(), %error, "proposal voted down");
            ledger.metrics.refused(error.name());
            None
        }
    }
}

fn candidate(stored: StoredCandidate) -> Candidate {
    let StoredCandidate { block, height, round, proposer, valid_round, valid } = stored;
    Candidate { block, height, round, proposer, valid_round, valid }
}

fn halt(error: StoreError) -> Halt {
    Halt::Storage(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Poll, Waker},
    };

    use protocol::{
        block::Transaction,
        cbor::Encoded,
        decision::{Action, Decision},
        genesis::{Genesis, GridLine, GridPlan},
        key::SecretKey,
        limits::{NAME_BYTES_MAX, TRANSACTION_BYTES_MAX},
    };

    use super::*;
    use crate::store::MemoryStore;

    /// A grid of one bus and as many lines as make a decision nearly as large as a transaction may be.
    fn large_grid() -> GridPlan {
        let name = |number: usize| format!("{number:0width$}", width = NAME_BYTES_MAX);
        let line = |number| GridLine { line: name(number), from: "root".into(), to: name(number), rated_va: 1 };
        let lines = (0..TRANSACTION_BYTES_MAX / (2 * NAME_BYTES_MAX + 12) - 10).map(line).collect();
        GridPlan { transformer: "transformer".into(), transformer_va: 400_000, root: "root".into(), lines }
    }

    fn vector() -> Genesis {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../../../protocol/vectors/receipts.json")).unwrap();
        Genesis::from_json(vectors[0]["genesis"].to_string().as_bytes()).unwrap()
    }

    fn app(genesis: Genesis, key: &SecretKey) -> App {
        let (ledger, _submitted) = Ledger::open(genesis, Arc::new(MemoryStore::default()), Some(key.public())).unwrap();
        App::new(Arc::new(ledger), Duration::from_secs(1), PathBuf::new())
    }

    fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    /// All others of the node wait on the one worker of this runtime. Blocks are looked at elsewhere: while the only
    /// thread for that is taken, nothing comes of one, and the worker is free.
    #[test]
    fn a_block_is_looked_at_while_the_worker_does_something_else() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let mut genesis = vector();
            let key = SecretKey::from_seed(&[1; 32]);
            genesis.validators = vec![Validator { key: key.public(), power: 1 }];
            let (candidate, body) = app(genesis.clone(), &key).propose(1, 0).await.unwrap();
            let mut app = app(genesis, &key);
            let certificate = CommitCertificate { height: 1, round: 0, block: candidate.block, signatures: vec![] };

            let (free, taken) = std::sync::mpsc::channel::<()>();
            let other = tokio::task::spawn_blocking(move || taken.recv());
            let mut received = app.receive(1, 0, key.public(), None, body);
            assert!(poll_once(&mut received).is_pending());
            free.send(()).unwrap();
            other.await.unwrap().unwrap();
            assert!(received.await.unwrap().unwrap().valid);

            // As after a start: what it leads to is not known yet.
            app.executed.clear();
            let (free, taken) = std::sync::mpsc::channel::<()>();
            tokio::task::spawn_blocking(move || taken.recv());
            let mut committed = app.commit(certificate);
            assert!(poll_once(&mut committed).is_pending());
            free.send(()).unwrap();
            assert!(committed.await.unwrap());
            assert_eq!(app.next_height().0, 2);
        });
    }

    #[tokio::test]
    async fn a_block_has_as_many_bytes_as_it_may_and_the_next_one_has_the_rest() {
        let mut genesis = vector();
        let key = SecretKey::from_seed(&[1; 32]);
        genesis.validators = vec![Validator { key: key.public(), power: 1 }];
        genesis.grid = None;
        genesis.members.iter_mut().for_each(|member| member.bus = Some("root".into()));
        let mut app = app(genesis.clone(), &key);
        // Each applies after the one before only. So they have to wait together, as they could if the head moved
        // meanwhile.
        let mut transactions = Vec::new();
        for sequence in 1..=3 {
            let from = genesis.first_interval.offset(i64::try_from(sequence).unwrap()).unwrap();
            let action = Action::SetRules { from, rules: genesis.rules.clone(), grid: Some(Box::new(large_grid())) };
            let decision = Decision { sequence, action };
            let approvals = vec![decision.approve(&genesis.chain(), &key)];
            let transaction = Transaction::Decide { decision: Encoded::of(&decision), approvals };
            assert!(cbor::encoded_len(&transaction) > TRANSACTION_BYTES_MAX * 9 / 10);
            assert!(cbor::encoded_len(&transaction) <= TRANSACTION_BYTES_MAX);
            transactions.push(transaction.id());
            app.ledger.wait_in_pool(transaction);
        }
        let mut committed = Vec::new();
        for (height, expected) in [(1, 2), (2, 1)] {
            let (candidate, body) = app.propose(height, 0).await.unwrap();
            assert!(body.len() <= BLOCK_BYTES_MAX, "{}", body.len());
            let block: Block = cbor::decode(&body).unwrap();
            assert_eq!(block.transactions.len(), expected);
            committed.extend(block.transactions.iter().map(Transaction::id));
            let certificate = CommitCertificate { height, round: 0, block: candidate.block, signatures: vec![] };
            assert!(app.commit(certificate).await.unwrap());
        }
        assert_eq!(committed, transactions, "none is lost, none overtakes another");
    }
}
