//! The ledger of a node: its store, the head of its chain, and the transactions that wait.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock},
    time::Instant,
};

use ledger::{
    chain::{self, BlockError, Executed, Foreseen, Readings, Tip},
    state::{Opened, OpenedReadings, Refusal, State, StateError},
};
use protocol::{
    api::Submitted,
    block::{Block, Transaction},
    cbor::{self, CborError},
    commit::CommitCertificate,
    envelope::ChainId,
    genesis::Genesis,
    hash::Hash,
    interval::Interval,
    key::ValidatorId,
    refusal::LedgerRefusal,
    settlement::SignedSettlement,
    unopened::Unopened,
};
use tokio::sync::{Notify, mpsc, watch};

use super::{
    accesses::AccessLog,
    author::check_author,
    checkpoints::Checkpoints,
    commit::commit_of,
    drafts::{Drafts, Gathered, in_words},
    gossip::Verdict,
    head::Head,
    metrics::Metrics,
    pool::Pool,
    retirement_index::RetirementIndex,
    taken::{Source, Taken},
};
use crate::{
    consensus::Connected,
    store::{Store, StoreError, StoredBlock, damaged},
};

/// Transactions on their way to the other nodes; one above that is not sent, its own node will propose it.
const OUTGOING_MAX: usize = 256;

/// Waiting transactions that are looked at again after each block. Each costs about a signature; the pool's ten
/// thousand have all had their turn after some 160 blocks.
const LOOKED_AT_AGAIN_MAX: usize = 64;

/// Why what is stored is no ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store failed or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The genesis is no state.
    #[error(transparent)]
    State(#[from] StateError),
}

/// The interval that a transaction settles, if it does, and its verified readings.
type Applies = (Option<Interval>, OpenedReadings);

/// The ledger of a node, shared by consensus, which moves it, and the API, which reads it.
pub struct Ledger {
    genesis: Genesis,
    validator: Option<ValidatorId>,
    pub(super) opened_at: Instant,
    pub(super) store: Arc<dyn Store>,
    head: RwLock<Arc<Head>>,
    pool: Mutex<Pool>,
    drafts: Mutex<Drafts>,
    retirements: Mutex<RetirementIndex>,
    /// Who looked up what, where that is logged.
    pub(super) accesses: OnceLock<AccessLog>,
    /// What the settlement that was checked last leads to, so that no block has to apply it again.
    foreseen: Mutex<Option<Arc<Foreseen>>>,
    /// Held while a settlement is checked or a block executed: whoever brings the same one meanwhile need not verify
    /// it, too.
    settling: Mutex<()>,
    /// Held while the log of headers is extended.
    pub(super) extending_log: Mutex<()>,
    pub(super) checkpoints: Checkpoints,
    work: Notify,
    committed: watch::Sender<u64>,
    outgoing: mpsc::Sender<Hash>,
    pub(super) metrics: Metrics,
    /// The nodes that are connected for consensus.
    pub(super) connected: Connected,
}

impl Ledger {
    /// Opens what is stored, and checks that the state is the one the last block promises.
    ///
    /// Returns the queue of transactions that other nodes should hear of, too, by their ids.
    pub fn open(
        genesis: Genesis,
        store: Arc<dyn Store>,
        validator: Option<ValidatorId>,
    ) -> Result<(Ledger, mpsc::Receiver<Hash>), LedgerError> {
        let head = read_head(&genesis, &*store)?;
        let (outgoing, queue) = mpsc::channel(OUTGOING_MAX);
        let ledger = Ledger {
            validator,
            opened_at: Instant::now(),
            committed: watch::Sender::new(head.tip.height),
            head: RwLock::new(Arc::new(head)),
            genesis,
            store,
            pool: Mutex::default(),
            drafts: Mutex::default(),
            retirements: Mutex::default(),
            accesses: OnceLock::new(),
            foreseen: Mutex::default(),
            settling: Mutex::default(),
            extending_log: Mutex::default(),
            checkpoints: Checkpoints::default(),
            work: Notify::new(),
            outgoing,
            metrics: Metrics::default(),
            connected: Connected::default(),
        };
        Ok((ledger, queue))
    }

    /// The genesis.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The chain: the hash of the genesis.
    pub fn chain(&self) -> ChainId {
        self.head().state.chain()
    }

    /// The node's validator key, if it votes.
    pub fn validator(&self) -> Option<ValidatorId> {
        self.validator
    }

    /// The last committed block and the state after it.
    pub fn head(&self) -> Arc<Head> {
        self.head.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells of every commit by its height.
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
    }

    /// Takes a transaction into the pool if it applies to the state as it is, and tells the other nodes.
    pub fn submit(&self, transaction: Transaction) -> Result<Submitted, LedgerError> {
        let id = transaction.id();
        Ok(self.answer(id, self.take_in(transaction, Source::Client)?))
    }

    /// Takes in the encoding of a transaction as [`submit`](Self::submit) does. The inner error says why the bytes are
    /// none.
    ///
    /// Decoding and checking take as long as a settlement has readings: not for a task that others wait for.
    pub fn submit_encoded(&self, bytes: &[u8]) -> Result<Result<Submitted, CborError>, LedgerError> {
        let unopened = match Unopened::read(bytes) {
            Ok(unopened) => unopened,
            Err(error) => return Ok(Err(error)),
        };
        let taken = match self.take_in_encoded(&unopened, bytes, Source::Client)? {
            Ok(taken) => taken,
            Err(error) => return Ok(Err(error)),
        };
        Ok(Ok(self.answer(unopened.id(), taken)))
    }

    fn answer(&self, id: Hash, taken: Taken) -> Submitted {
        match taken {
            Taken::New | Taken::Waiting => {
                // A full queue is no loss: this node proposes it as well.
                self.tell(id);
                Submitted::Pending { transaction: id }
            }
            Taken::Draft { power, .. } => {
                // The other nodes hear of all approvals that are known here, also of those that were handed in before.
                self.tell(id);
                let (signed, total) = in_words(power);
                Submitted::Open { transaction: id, signed, total }
            }
            Taken::TooManyDrafts => {
                let detail =
                    "expected room for a decision that waits for approvals, found none; approve or forget others first";
                Submitted::Refused {
                    transaction: id,
                    refusal: LedgerRefusal::TooManyDrafts.to_string(),
                    detail: detail.into(),
                }
            }
            Taken::RepeatsDraft(number) => {
                let detail = format!(
                    "expected a household that no draft takes in, found the key or the device of draft {number}; approve that \
                     one, or withdraw it"
                );
                Submitted::Refused { transaction: id, refusal: LedgerRefusal::RepeatsDraft.to_string(), detail }
            }
            Taken::ApprovalWithdrawn => {
                let detail = "expected an approval, found one that its validator has withdrawn, for good; let another \
                              validator draft it, or draft it under another number";
                Submitted::Refused {
                    transaction: id,
                    refusal: LedgerRefusal::ApprovalWithdrawn.to_string(),
                    detail: detail.into(),
                }
            }
            Taken::Refused(Refusal::Exists) => Submitted::Exists { transaction: id },
            Taken::Refused(refusal) => {
                let (refusal, detail) = (refusal.name(), refusal.to_string());
                Submitted::Refused { transaction: id, refusal, detail }
            }
            Taken::PoolFull => {
                let detail = "expected room in the pool of waiting transactions, found none; try again later".into();
                Submitted::Refused { transaction: id, refusal: LedgerRefusal::PoolFull.to_string(), detail }
            }
        }
    }

    /// Lets gossip tell the other nodes of something, by its id.
    pub(super) fn tell(&self, id: Hash) {
        // What finds no room is told again, or proposed by this node.
        let _ = self.outgoing.try_send(id);
    }

    /// The decisions that wait for approvals.
    pub(super) fn lock_drafts(&self) -> MutexGuard<'_, Drafts> {
        lock(&self.drafts)
    }

    /// Where instructions of members are.
    pub(super) fn lock_retirements(&self) -> MutexGuard<'_, RetirementIndex> {
        lock(&self.retirements)
    }

    /// Whether a transaction waits here for a block.
    pub fn is_waiting(&self, transaction: &Hash) -> bool {
        lock(&self.pool).contains(transaction)
    }

    /// A transaction as it is told to other nodes, while it waits for a block, or for approvals.
    pub(super) fn message_of(&self, transaction: &Hash) -> Option<Vec<u8>> {
        if let Some(waiting) = lock(&self.pool).get(transaction) {
            return Some(cbor::encode(&*waiting));
        }
        lock(&self.drafts).transaction(transaction).map(|draft| cbor::encode(&draft))
    }

    /// Takes in what another node sent.
    pub(super) fn take_in_gossip(&self, message: &[u8]) -> Verdict {
        let taken = match Unopened::read(message) {
            Ok(unopened) => self.take_in_encoded(&unopened, message, Source::Node),
            Err(error) => Ok(Err(error)),
        };
        match taken {
            Ok(Ok(Taken::New)) => Verdict::Accepted,
            Ok(Ok(Taken::Draft { new: true, .. })) => Verdict::Accepted,
            Ok(Ok(Taken::Draft { new: false, .. } | Taken::Waiting)) => Verdict::Ignored("waiting".into()),
            Ok(Ok(Taken::TooManyDrafts)) => Verdict::Ignored(LedgerRefusal::TooManyDrafts.to_string()),
            Ok(Ok(Taken::RepeatsDraft(_))) => Verdict::Ignored(LedgerRefusal::RepeatsDraft.to_string()),
            // That node has not heard of it.
            Ok(Ok(Taken::ApprovalWithdrawn)) => Verdict::Ignored(LedgerRefusal::ApprovalWithdrawn.to_string()),
            Ok(Ok(Taken::Refused(refusal))) => Verdict::refused(&refusal),
            Ok(Ok(Taken::PoolFull)) => Verdict::Ignored(LedgerRefusal::PoolFull.to_string()),
            Ok(Err(_)) => {
                let malformed = LedgerRefusal::Malformed.to_string();
                self.metrics.refused(malformed.clone());
                Verdict::Rejected(malformed)
            }
            Err(error) => {
                tracing::error!(%error, "a transaction from another node could not be checked");
                Verdict::Ignored("not_checked".into())
            }
        }
    }

    /// Takes in a transaction of which only the signed messages were found: who signed it first, then what is in it. So
    /// what a stranger sends costs no more than reading over it.
    fn take_in_encoded(
        &self,
        unopened: &Unopened<'_>,
        bytes: &[u8],
        source: Source,
    ) -> Result<Result<Taken, CborError>, LedgerError> {
        let id = unopened.id();
        if self.is_waiting(&id) {
            return Ok(Ok(Taken::Waiting));
        }
        if let Err(refusal) = check_author(unopened, &self.head().state) {
            return Ok(Ok(self.refused(id, refusal)));
        }
        match cbor::decode(bytes) {
            Ok(transaction) => self.take_in(transaction, source).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    pub(super) fn refused(&self, id: Hash, refusal: Refusal) -> Taken {
        tracing::warn!(transaction = %id, name = refusal.name(), %refusal, "transaction refused");
        self.metrics.refused(refusal.name());
        Taken::Refused(refusal)
    }

    pub(super) fn take_in(&self, transaction: Transaction, source: Source) -> Result<Taken, LedgerError> {
        let id = transaction.id();
        if lock(&self.pool).contains(&id) {
            return Ok(Taken::Waiting);
        }
        let transaction = match transaction {
            Transaction::Decide { decision, approvals } => match self.gather(decision, approvals, source) {
                Gathered::HandIn(transaction) => transaction,
                Gathered::Taken(taken) => return Ok(taken),
            },
            other => other,
        };
        let settles = matches!(transaction, Transaction::Settle { .. });
        let _settling = settles.then(|| lock(&self.settling));
        if settles && self.is_waiting(&id) {
            return Ok(Taken::Waiting);
        }
        let transaction = Arc::new(transaction);
        loop {
            let head = self.head();
            let (interval, opened) = match self.check(&head, &transaction)? {
                Ok(applies) => applies,
                Err(Refusal::Exists) => return Ok(Taken::Refused(Refusal::Exists)),
                Err(refusal) => return Ok(self.refused(id, refusal)),
            };
            let mut pool = lock(&self.pool);
            // A block that was committed during the check may have it: then it must not wait for another one.
            if self.head().tip != head.tip {
                continue;
            }
            if !pool.insert(transaction, opened, interval) {
                self.metrics.refused(LedgerRefusal::PoolFull.to_string());
                return Ok(Taken::PoolFull);
            }
            break;
        }
        // Waiters are woken one by one: consensus is the only one.
        self.work.notify_one();
        Ok(Taken::New)
    }

    /// Whether a transaction applies now; if it settles an interval, which. With its readings, verified here, once:
    /// whoever executes a block with this transaction takes them from the pool. A settlement that is not the market's,
    /// or comes too late, is refused before any of them is looked at.
    fn check(&self, head: &Head, transaction: &Arc<Transaction>) -> Result<Result<Applies, Refusal>, LedgerError> {
        let settlement = match transaction.settlement().map(|settlement| head.state.open_settlement(settlement)) {
            Some(Ok(proposed)) if proposed.interval < head.state.next() => {
                return self.compare_with_settled(&proposed).map(Err);
            }
            Some(Ok(proposed)) => Some(Arc::new(proposed)),
            Some(Err(error)) => return Ok(Err(error.into())),
            None => None,
        };
        let interval = settlement.as_ref().map(|proposed| proposed.interval);
        let foreseen = match self.foreseen_of(head.tip, transaction) {
            Some(foreseen) => foreseen,
            None => match self.foresee(head, transaction.clone(), settlement) {
                Ok(foreseen) => foreseen,
                Err(refusal) => return Ok(Err(self.compare_with_past(transaction, refusal)?)),
            },
        };
        Ok(Ok((interval, foreseen.opened().clone())))
    }

    /// What a transaction leads to after `tip`, if it was the last settlement to be checked.
    fn foreseen_of(&self, tip: Tip, transaction: &Transaction) -> Option<Arc<Foreseen>> {
        lock(&self.foreseen).clone().filter(|known| known.is_of(tip, transaction))
    }

    /// Finds what a transaction leads to, with the signatures of its readings verified, and of its settlement, if it is
    /// not opened yet. Of a settlement it is kept.
    fn foresee(
        &self,
        head: &Head,
        transaction: Arc<Transaction>,
        settlement: Option<Arc<SignedSettlement>>,
    ) -> Result<Arc<Foreseen>, Refusal> {
        let settles = matches!(*transaction, Transaction::Settle { .. });
        // Where one cannot be opened, applying the transaction says which one, and why.
        let readings = chain::open_readings_for(&head.state, &transaction).unwrap_or_default();
        let opened = Opened { settlement, readings };
        let foreseen = Arc::new(Foreseen::new(&head.state, head.tip, transaction, &opened)?);
        if settles {
            *lock(&self.foreseen) = Some(foreseen.clone());
        }
        Ok(foreseen)
    }

    /// Lets a transaction wait unchecked.
    #[cfg(test)]
    pub(super) fn wait_in_pool(&self, transaction: Transaction) {
        assert!(lock(&self.pool).insert(Arc::new(transaction), OpenedReadings::default(), None));
    }

    /// Resolves when a transaction waits.
    pub(super) async fn work(&self) {
        loop {
            let notified = self.work.notified();
            if !lock(&self.pool).is_empty() {
                return;
            }
            notified.await;
        }
    }

    /// Builds a block on the head from what waits, and drops from it what no longer applies.
    pub(super) fn build(&self) -> (Block, Executed) {
        let head = self.head();
        let waiting = lock(&self.pool).transactions();
        let foreseen = lock(&self.foreseen).clone();
        let (block, executed, refused) = chain::build_foreseen(&head.state, head.tip, waiting, foreseen.as_deref());
        self.drop_refused(&refused);
        (block, executed)
    }

    /// Executes a block on the head. What this node has verified and computed before, it does not do again.
    pub(super) fn execute(&self, block: &Block) -> Result<Executed, BlockError> {
        let head = self.head();
        // Whether a block brings a settlement first or the market, it is checked once.
        let _settling = lock(&self.settling);
        let follows = block.header.previous == head.tip.block;
        let foreseen = match block.transactions.first() {
            Some(first @ Transaction::Settle { .. }) if follows => self
                .foreseen_of(head.tip, first)
                // Where it is refused, executing the block says so.
                .or_else(|| self.foresee(&head, Arc::new(first.clone()), None).ok()),
            _ => None,
        };
        let mut opened = Vec::with_capacity(block.transactions.len());
        for (position, transaction) in block.transactions.iter().enumerate() {
            if transaction.readings().is_empty() || (position == 0 && foreseen.is_some()) {
                opened.push(Opened::default());
                continue;
            }
            let known = lock(&self.pool).opened(&transaction.id());
            // Where one cannot be opened, applying the transaction says which one, and why.
            let readings = known.or_else(|| chain::open_readings_for(&head.state, transaction));
            opened.push(readings.unwrap_or_default().into());
        }
        chain::execute_foreseen(&head.state, head.tip, block, Readings::Opened(opened), foreseen.as_deref())
    }

    fn drop_refused(&self, refused: &[(Hash, Refusal)]) {
        let mut pool = lock(&self.pool);
        for (id, refusal) in refused {
            tracing::warn!(transaction = %id, name = refusal.name(), %refusal, "transaction no longer applies");
            self.metrics.refused(refusal.name());
            pool.remove(id);
        }
    }

    /// Drops what waits and no longer applies, a few at a time. Whoever builds a block does so as well; a node without
    /// a key never builds one, and a validator only when it is its turn.
    fn look_again(&self) {
        let head = self.head();
        let waiting = lock(&self.pool).next_in_turn(LOOKED_AT_AGAIN_MAX);
        let refused = waiting.into_iter().filter_map(|(transaction, opened)| {
            let id = transaction.id();
            Foreseen::new(&head.state, head.tip, transaction, &opened.into()).err().map(|refusal| (id, refusal))
        });
        self.drop_refused(&refused.collect::<Vec<_>>());
    }

    /// Makes an executed block the head: durably on disk first, then for everyone who reads.
    pub(super) fn commit(
        &self,
        block: &Block,
        body: Vec<u8>,
        certificate: CommitCertificate,
        executed: Executed,
    ) -> Result<(), StoreError> {
        let tip = Tip { height: certificate.height, block: certificate.block };
        let stored = StoredBlock { body, certificate, pruned: None };
        self.store.commit(&commit_of(&self.head().state, block, &stored, &executed))?;

        let Executed { state, root, .. } = executed;
        let next = state.next();
        let head = Head { tip, state_root: root, state, committed_at: Some(Instant::now()) };
        *self.head.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(head);
        let mut pool = lock(&self.pool);
        block.transactions.iter().for_each(|transaction| pool.remove(&transaction.id()));
        pool.retain_from(next);
        drop(pool);
        // It was of the head before.
        *lock(&self.foreseen) = None;
        self.look_again();
        if let Err(error) = self.look_at_drafts() {
            tracing::error!(%error, "decisions that wait could not be looked at");
        }
        self.committed.send_replace(tip.height);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing between lock and unlock can leave these collections half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_head(genesis: &Genesis, store: &dyn Store) -> Result<Head, LedgerError> {
    let height = store.height()?;
    let mut state = if height == 0 {
        State::genesis(genesis)?
    } else {
        let entries = store.entries()?;
        State::from_entries(genesis, entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice())))
            .map_err(|error| damaged(store, format!("the state after block {height}"), error))?
    };
    // Before the first block nothing is stored yet: the first one stores all of it.
    let found = if height == 0 { state.root() } else { state.seal().0 };
    let tip = if height == 0 {
        Tip { height, block: genesis.chain() }
    } else {
        let named = || format!("the block of height {height}");
        let stored = store.block(height)?.ok_or_else(|| damaged(store, named(), "it is missing"))?;
        let block: Block = cbor::decode(&stored.body).map_err(|error| damaged(store, named(), error))?;
        let expected = block.header.state;
        if expected != found {
            let reason = format!("expected the root {expected}, found {found}");
            return Err(damaged(store, format!("the state after block {height}"), reason).into());
        }
        Tip { height, block: block.header.hash() }
    };
    Ok(Head { tip, state, state_root: found, committed_at: None })
}
