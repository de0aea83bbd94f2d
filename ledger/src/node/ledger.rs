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
    settlement::Settlement,
};
use tokio::sync::{Notify, mpsc, watch};

use super::{head::Head, metrics::Metrics, pool::Pool};
use crate::{
    chain::{Executed, Tip},
    state::{Refusal, State, StateError},
    store::{Commit, Store, StoreError, StoredBlock},
};

/// Transactions on their way to the other nodes; one above that is not sent, its own node will propose it.
const OUTGOING_MAX: usize = 256;

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
        let bytes = cbor::encode(&transaction);
        let submitted = self.take_in(transaction, bytes.len())?;
        if let Submitted::Pending { .. } = submitted {
            // A full queue is no loss: this node proposes it as well.
            let _ = self.outgoing.try_send(bytes.into());
        }
        Ok(submitted)
    }

    pub(super) fn take_in_gossip(&self, message: &[u8]) {
        let Ok(transaction) = cbor::decode::<Transaction>(message) else {
            self.metrics.refused("malformed".into());
            return;
        };
        if let Err(error) = self.take_in(transaction, message.len()) {
            tracing::error!(%error, "a transaction from another node could not be checked");
        }
    }

    fn take_in(&self, transaction: Transaction, bytes: usize) -> Result<Submitted, LedgerError> {
        let id = transaction.id();
        if lock(&self.pool).contains(&id) {
            return Ok(Submitted::Pending { transaction: id });
        }
        let interval = match self.check(&transaction)? {
            Ok(interval) => interval,
            Err(Refusal::Exists) => return Ok(Submitted::Exists { transaction: id }),
            Err(refusal) => {
                tracing::warn!(transaction = %id, name = refusal.name(), %refusal, "transaction refused");
                self.metrics.refused(refusal.name());
                return Ok(Submitted::Refused {
                    transaction: id,
                    refusal: refusal.name(),
                    detail: refusal.to_string(),
                });
            }
        };
        if !lock(&self.pool).insert(transaction, interval, bytes) {
            self.metrics.refused("pool_full".into());
            let detail = "expected room in the pool of waiting transactions, found none; try again later".into();
            return Ok(Submitted::Refused { transaction: id, refusal: "pool_full".into(), detail });
        }
        // Waiters are woken one by one: consensus is the only one.
        self.work.notify_one();
        Ok(Submitted::Pending { transaction: id })
    }

    /// Whether a transaction applies now; if it settles an interval, which.
    fn check(&self, transaction: &Transaction) -> Result<Result<Option<Interval>, Refusal>, LedgerError> {
        let head = self.head();
        let interval = match transaction {
            Transaction::PlaceOrder(_) | Transaction::CommitReading(_) => None,
            Transaction::Settle { settlement, .. } => {
                let market = self.genesis.market;
                let opened = Signed::<Settlement>::open(&settlement.0, &head.state.chain(), |signer| *signer == market);
                match opened {
                    Ok(proposed) if proposed.interval < head.state.next() => {
                        return self.compare_with_settled(&proposed).map(Err);
                    }
                    Ok(proposed) => Some(proposed.interval),
                    Err(error) => return Ok(Err(error.into())),
                }
            }
        };
        Ok(head.state.clone().apply(transaction).map(|_| interval))
    }

    /// `exists`, or the first field in which the settlement on the ledger differs.
    fn compare_with_settled(&self, proposed: &Settlement) -> Result<Refusal, LedgerError> {
        let Some(settled) = self.settlement(proposed.interval)? else {
            let expected = self.head().state.next();
            return Ok(Refusal::IntervalNotNext { expected, found: proposed.interval });
        };
        let fields = [
            ("readings", settled.readings == proposed.readings),
            ("price", settled.price == proposed.price),
            ("lines", settled.lines == proposed.lines),
            ("trades", settled.trades == proposed.trades),
            ("minted", settled.minted == proposed.minted),
            ("supplier", settled.supplier == proposed.supplier),
            ("operator", settled.operator == proposed.operator),
        ];
        let different = fields.into_iter().find(|(_, same)| !same);
        Ok(different.map_or(Refusal::Exists, |(field, _)| Refusal::ExistsWithDifferent(field)))
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

    pub(super) fn waiting(&self) -> Vec<Transaction> {
        lock(&self.pool).transactions()
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
        let mut entries = executed.state.entries();
        let before = self.head().state.entries();
        entries.retain(|key, value| before.get(key) != Some(value));
        let tip = Tip { height: certificate.height, block: certificate.block };
        let intervals = executed.settlements.iter().map(|settlement| settlement.interval).collect();
        self.store.commit(&Commit { block: &StoredBlock { body, certificate }, entries, intervals })?;

        let head =
            Head { tip, state_root: block.header.state, state: executed.state, committed_at: Some(Instant::now()) };
        let next = head.state.next();
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
    let state = if height == 0 {
        State::genesis(genesis)?
    } else {
        let entries = store.entries()?;
        State::from_entries(genesis, entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice())))?
    };
    let found = state.root();
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
