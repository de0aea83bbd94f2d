//! The audit: everything a ledger says, done again from its genesis.

mod ahead;
mod reading;
mod settled;

use std::{collections::BTreeMap, path::PathBuf};

use indicatif::ProgressBar;
use ledger::{
    chain::{BlockError, Executed, Readings, Tip, execute_last},
    state::{State, StateError},
};
use protocol::{
    commit::CommitError, genesis::Genesis, hash::Hash, interval::Interval, member::MemberId, merkle::MerkleRoot,
};
use serde::Serialize;

use self::ahead::Ahead;
use crate::{
    node::{ConfigError, GENESIS_FILE, LedgerError, STORE_DIRECTORY},
    store::{Store, StoreError, damaged},
};

pub use self::{
    reading::{Opened, open, open_copy},
    settled::{FirstSettled, each_settled},
};

/// What an audit found in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The chain.
    pub chain: Hash,
    /// Blocks executed again.
    pub blocks: u64,
    /// Settlements in them.
    pub settlements: u64,
    /// Of these, the ones that could not be computed again, because their readings were pruned: the first in the
    /// ledger. Their transfers, certificates and roots were followed, and the validators' signatures on them verified.
    pub settlements_pruned: u64,
    /// The first interval that was computed again; none if all readings were pruned.
    pub recomputed_from: Option<Interval>,
    /// Corrections computed again.
    pub corrections: u64,
    /// Readings whose signatures were verified again.
    pub readings: u64,
    /// Commit signatures verified again.
    pub commit_signatures: u64,
    /// The state's root after the last block.
    pub state_root: Hash,
    /// Sum of all balances: zero.
    pub balances_sum: i128,
}

/// Where an audit failed, and why.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The genesis cannot be read.
    #[error(transparent)]
    Genesis(#[from] ConfigError),
    /// There is no ledger.
    #[error("{}: expected a node's state directory, with `{GENESIS_FILE}` and `{STORE_DIRECTORY}/` in it", .0.display())]
    NoLedger(PathBuf),
    /// It is the ledger of another community than the one that is trusted.
    #[error("expected the ledger of the chain {expected}, found one of {found}")]
    OtherChain {
        /// The chain of the trusted genesis.
        expected: Hash,
        /// The chain of the one in the directory.
        found: Hash,
    },
    /// The store failed or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store is to be read as a copy, and cannot be copied.
    #[error("cannot copy {from} to {to}, to read it there: {error}; set TMPDIR to a directory with as much room")]
    Copy {
        /// The store.
        from: PathBuf,
        /// The directory for temporary files.
        to: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The genesis is no state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The stored ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A block is not what its transactions lead to.
    #[error("block {height}: {error}")]
    Block {
        /// Its height.
        height: u64,
        /// What differs.
        error: BlockError,
    },
    /// A block was not committed by the validators.
    #[error("block {height}: {error}")]
    Certificate {
        /// Its height.
        height: u64,
        /// What is wrong.
        error: CommitError,
    },
    /// A certificate of another block.
    #[error("block {height}: its certificate is of block {found}, expected {expected}")]
    OtherBlock {
        /// Its height.
        height: u64,
        /// The block's hash.
        expected: Hash,
        /// The certificate's.
        found: Hash,
    },
    /// The stored state is not the one that the blocks lead to.
    #[error("the stored state has the root {found}, the blocks lead to {expected}")]
    OtherState {
        /// The root after all blocks.
        expected: MerkleRoot,
        /// The root of what is stored.
        found: MerkleRoot,
    },
    /// Money came from nowhere.
    #[error("the balances sum to {0} nano-units, expected 0")]
    Unbalanced(i128),
}

/// Redoes every signature, clearing, transfer, root and certificate of a store, from the genesis on, on all cores.
pub fn audit(genesis: &Genesis, store: &dyn Store, progress: &ProgressBar) -> Result<Report, AuditError> {
    follow(genesis, store, progress, |_| Ok(()))
}

/// A block that was executed again, and what it led to.
struct Followed<'a> {
    height: u64,
    executed: &'a Executed,
    /// Whether its readings were pruned, so that nothing in it was computed again.
    pruned: bool,
}

/// Audits a store, and shows every block once it was executed. Whoever looks at it may end the audit.
fn follow<E: From<AuditError>>(
    genesis: &Genesis,
    store: &dyn Store,
    progress: &ProgressBar,
    mut look: impl FnMut(&Followed<'_>) -> Result<(), E>,
) -> Result<Report, E> {
    let chain = genesis.chain();
    let blocks = store.height().map_err(AuditError::from)?;
    progress.set_length(blocks);
    let mut tip = Tip { height: 0, block: chain };
    let (mut settlements_pruned, mut recomputed_from) = (0, None);
    let mut readings_verified = 0;
    let mut commit_signatures = 0;
    let start = State::genesis(genesis).map_err(AuditError::from)?;
    let state = ahead::fold::<_, E>(store, &chain, blocks, start, |mut state, ahead| {
        let Ahead { height, block, certificate, readings, certified } = ahead;
        let expected = block.header.hash();
        if certificate.block != expected || certificate.height != height {
            return Err(AuditError::OtherBlock { height, expected, found: certificate.block }.into());
        }
        if certified {
            certificate.check_signers(state.validators())
        } else {
            certificate.verify(&chain, state.validators())
        }
        .map_err(|error| AuditError::Certificate { height, error })?;
        commit_signatures += certificate.signatures.len() as u64;
        let pruned = matches!(readings, Readings::Pruned(_));
        if !pruned {
            restore_heads(store, &mut state, height)?;
        }
        let executed =
            execute_last(state, tip, &block, readings).map_err(|error| AuditError::Block { height, error })?;
        let settled = || executed.booked.iter().filter(|booked| booked.correction == 0);
        if pruned {
            settlements_pruned += settled().count() as u64;
        } else {
            readings_verified += block.transactions.iter().map(|it| it.readings().len() as u64).sum::<u64>();
            recomputed_from = recomputed_from.or(settled().next().map(|booked| booked.settlement.interval));
        }
        look(&Followed { height, executed: &executed, pruned })?;
        tip = Tip { height, block: expected };
        progress.inc(1);
        Ok(executed.state)
    })?;
    progress.finish_and_clear();
    check_stored_state(genesis, store, &state)?;
    match state.balances_sum() {
        0 => Ok(Report {
            chain,
            blocks,
            settlements: state.settlements(),
            settlements_pruned,
            recomputed_from,
            corrections: state.corrections(),
            readings: readings_verified,
            commit_signatures,
            state_root: state.root().hash,
            balances_sum: 0,
        }),
        sum => Err(AuditError::Unbalanced(sum).into()),
    }
}

/// Where the readings before were pruned, finds out what the last ones said: each is known by its hash.
fn restore_heads(store: &dyn Store, state: &mut State, height: u64) -> Result<(), AuditError> {
    let wanted: BTreeMap<Hash, MemberId> = state.pruned_heads().map(|(member, hash)| (hash, member)).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    for reading in store.pruned_readings()? {
        if let Some(member) = wanted.get(&reading.hash()) {
            state.restore_head(*member, &reading);
        }
    }
    match state.pruned_heads().next() {
        None => Ok(()),
        Some((member, hash)) => {
            let reason = format!("expected the last pruned reading {hash} of member {member} to be kept, it is not");
            Err(damaged(store, format!("what is before block {height}"), reason).into())
        }
    }
}

fn check_stored_state(genesis: &Genesis, store: &dyn Store, state: &State) -> Result<(), AuditError> {
    let entries = store.entries()?;
    if state.is_stored_as(&entries) {
        return Ok(());
    }
    // Something of it is not, which need not mean another state: a head may be known by its hash alone.
    let entries = entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
    let mut stored = State::from_entries(genesis, entries).map_err(|error| damaged(store, "the state", error))?;
    let (expected, (found, _)) = (state.root(), stored.seal());
    if expected == found { Ok(()) } else { Err(AuditError::OtherState { expected, found }) }
}
