//! The ledger of a node: its store, the head of its chain, and the transactions that wait.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Instant,
};

use bytes::Bytes;
use protocol::{
    api::Submitted,
    block::{Block, Transaction},
    cbor::{self, CborError},
    certificate::CommitCertificate,
    envelope::{ChainId, Signed},
    genesis::Genesis,
    hash::Hash,
    interval::Interval,
    key::ValidatorId,
    merkle::MerkleRoot,
    reading::{Reading, SignedReading},
};
use tokio::sync::{Notify, mpsc, watch};

use super::past::{commit_of, settlement_of};
use super::{gossip::Verdict, head::Head, metrics::Metrics, pool::Pool};
use crate::{
    chain::{Executed, Readings, Tip},
    state::{Refusal, State, StateError},
    store::{Store, StoreError, StoredBlock},
};

/// Transactions on their way to the other nodes; one above that is not sent, its own node will propose it.
const OUTGOING_MAX: usize = 256;

/// What a transaction is refused for when too many wait.
const POOL_FULL: &str = "pool_full";

/// What became of a transaction.
enum Taken {
    /// It waits from now on.
    New,
    /// It waits already.
    Waiting,
    /// It does not apply.
    Refused(Refusal),
    /// Too many wait.
    PoolFull,
}

/// Why what is stored is no ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store failed or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The genesis or the stored entries are no state.
    #[error(transparent)]
    State(#[from] StateError),
    /// A stored block cannot be read.
    #[error("block {height}: {error}")]
    Block {
        /// Its height.
        height: u64,
        /// What is wrong with it.
        error: CborError,
    },
    /// The stored state is not the one that the last block promises.
    #[error("the state after block {height} is damaged: expected the root {expected}, found {found}")]
    OtherRoot {
        /// Height of the last block.
        height: u64,
        /// The root in its header.
        expected: MerkleRoot,
        /// The root of what is stored.
        found: MerkleRoot,
    },
}

/// The interval that a transaction settles, if it does, and its verified readings.
type Applies = (Option<Interval>, Vec<SignedReading>);

/// The ledger of a node, shared by consensus, which moves it, and the API, which reads it.
pub struct Ledger {
    genesis: Genesis,
    validator: Option<ValidatorId>,
    pub(super) opened_at: Instant,
    pub(super) store: Arc<dyn Store>,
    head: RwLock<Arc<Head>>,
    pool: Mutex<Pool>,
    work: Notify,
    committed: watch::Sender<u64>,
    outgoing: mpsc::Sender<Bytes>,
    pub(super) metrics: Metrics,
}

impl Ledger {
    /// Opens what is stored, and checks that the state is the one the last block promises.
    ///
    /// Returns the queue of transactions that other nodes should hear of, too.
    pub fn open(
        genesis: Genesis,
        store: Arc<dyn Store>,
        validator: Option<ValidatorId>,
    ) -> Result<(Ledger, mpsc::Receiver<Bytes>), LedgerError> {
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
            work: Notify::new(),
            outgoing,
            metrics: Metrics::default(),
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
        let bytes = cbor::encode(&transaction);
        Ok(match self.take_in(transaction, bytes.len())? {
            Taken::New | Taken::Waiting => {
                // A full queue is no loss: this node proposes it as well.
                let _ = self.outgoing.try_send(bytes.into());
                Submitted::Pending { transaction: id }
            }
            Taken::Refused(Refusal::Exists) => Submitted::Exists { transaction: id },
            Taken::Refused(refusal) => {
                let (refusal, detail) = (refusal.name(), refusal.to_string());
                Submitted::Refused { transaction: id, refusal, detail }
            }
            Taken::PoolFull => {
                let detail = "expected room in the pool of waiting transactions, found none; try again later".into();
                Submitted::Refused { transaction: id, refusal: POOL_FULL.into(), detail }
            }
        })
    }

    /// Whether a transaction waits here for a block.
    pub fn is_waiting(&self, transaction: &Hash) -> bool {
        lock(&self.pool).contains(transaction)
    }

    /// Takes in what another node sent.
    pub(super) fn take_in_gossip(&self, message: &[u8]) -> Verdict {
        let Ok(transaction) = cbor::decode::<Transaction>(message) else {
            self.metrics.refused("malformed".into());
            return Verdict::Rejected("malformed".into());
        };
        match self.take_in(transaction, message.len()) {
            Ok(Taken::New) => Verdict::Accepted,
            Ok(Taken::Waiting) => Verdict::Ignored("waiting".into()),
            Ok(Taken::Refused(refusal)) => Verdict::refused(&refusal),
            Ok(Taken::PoolFull) => Verdict::Ignored(POOL_FULL.into()),
            Err(error) => {
                tracing::error!(%error, "a transaction from another node could not be checked");
                Verdict::Ignored("not_checked".into())
            }
        }
    }

    fn take_in(&self, transaction: Transaction, bytes: usize) -> Result<Taken, LedgerError> {
        let id = transaction.id();
        if lock(&self.pool).contains(&id) {
            return Ok(Taken::Waiting);
        }
        let (interval, opened) = match self.check(&transaction)? {
            Ok(applies) => applies,
            Err(Refusal::Exists) => return Ok(Taken::Refused(Refusal::Exists)),
            Err(refusal) => {
                tracing::warn!(transaction = %id, name = refusal.name(), %refusal, "transaction refused");
                self.metrics.refused(refusal.name());
                return Ok(Taken::Refused(refusal));
            }
        };
        if !lock(&self.pool).insert(transaction, opened, interval, bytes) {
            self.metrics.refused(POOL_FULL.into());
            return Ok(Taken::PoolFull);
        }
        // Waiters are woken one by one: consensus is the only one.
        self.work.notify_one();
        Ok(Taken::New)
    }

    /// Whether a transaction applies now; if it settles an interval, which. With its readings, verified here, once:
    /// whoever executes a block with this transaction takes them from the pool. A settlement that is not the market's,
    /// or comes too late, is refused before any of them is looked at.
    fn check(&self, transaction: &Transaction) -> Result<Result<Applies, Refusal>, LedgerError> {
        let head = self.head();
        let interval = match transaction {
            Transaction::Settle { settlement, .. } => match settlement_of(settlement, &head.state) {
                Ok(proposed) if proposed.interval < head.state.next() => {
                    return self.compare_with_settled(&proposed).map(Err);
                }
                Ok(proposed) => Some(proposed.interval),
                Err(error) => return Ok(Err(error.into())),
            },
            _ => None,
        };
        // Where one cannot be opened, applying the transaction says which one, and why.
        let opened = self.open_readings(transaction).unwrap_or_default();
        let refusal = match head.state.clone().apply_opened(transaction, opened.clone()) {
            Ok(_) => return Ok(Ok((interval, opened))),
            Err(refusal) => refusal,
        };
        Ok(Err(self.compare_with_past(transaction, refusal)?))
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

    /// The transactions that wait, each with its readings if their signatures were verified.
    pub(super) fn waiting(&self) -> Vec<(Transaction, Vec<SignedReading>)> {
        lock(&self.pool).transactions()
    }

    /// The readings of a transaction, their signatures verified together; none if one cannot be opened.
    fn open_readings(&self, transaction: &Transaction) -> Option<Vec<SignedReading>> {
        let messages = transaction.readings().iter().map(|sealed| sealed.0.as_slice());
        Signed::<Reading>::open_all(messages, &self.chain(), |_| true).ok()
    }

    /// The readings of a block, opened: those that wait here were verified before.
    pub(super) fn readings_of(&self, block: &Block) -> Readings {
        let mut opened = Vec::new();
        for transaction in &block.transactions {
            let known = lock(&self.pool).opened(&transaction.id());
            // Where one cannot be opened, executing the block says which one, and why.
            let Some(readings) = known.or_else(|| self.open_readings(transaction)) else { return Readings::Sealed };
            opened.extend(readings);
        }
        Readings::Opened(opened)
    }

    pub(super) fn drop_refused(&self, refused: &[(Hash, Refusal)]) {
        let mut pool = lock(&self.pool);
        for (id, refusal) in refused {
            tracing::warn!(transaction = %id, name = refusal.name(), %refusal, "transaction no longer applies");
            pool.remove(id);
        }
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
        State::from_entries(genesis, entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice())))?
    };
    // Before the first block nothing is stored yet: the first one stores all of it.
    let found = if height == 0 { state.root() } else { state.seal().0 };
    let tip = if height == 0 {
        Tip { height, block: genesis.chain() }
    } else {
        let stored = store.block(height)?.ok_or_else(|| StoreError::Damaged {
            key: format!("a block of height {height}"),
            reason: "it is missing".into(),
        })?;
        let block: Block = cbor::decode(&stored.body).map_err(|error| LedgerError::Block { height, error })?;
        if block.header.state != found {
            return Err(LedgerError::OtherRoot { height, expected: block.header.state, found });
        }
        Tip { height, block: block.header.hash() }
    };
    Ok(Head { tip, state, state_root: found, committed_at: None })
}
