//! Blocks: built from transactions, and executed again by everyone who did not build them.

use protocol::{
    block::{Block, Header, Transaction, validators_hash},
    cbor,
    envelope::{ChainId, EnvelopeError, Sealed, Signed},
    hash::Hash,
    merkle::MerkleTree,
    reading::SignedReading,
    receipt::Receipt,
    settlement::{Entry, SignedSettlement},
};

use crate::state::{Applied, Refusal, State};

/// Most transactions of one block.
pub const TRANSACTIONS_PER_BLOCK_MAX: usize = 1_000;

/// The last block of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// Its height; 0 before the first block.
    pub height: u64,
    /// Its hash; the chain's name before the first block.
    pub block: Hash,
}

/// What a block leads to.
#[derive(Debug, Clone)]
pub struct Executed {
    /// The state after it.
    pub state: State,
    /// The settlements in it.
    pub settlements: Vec<SignedSettlement>,
}

/// Why a proposed block is voted down.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BlockError {
    /// The header is not the one that the chain and the transactions lead to.
    #[error("header field `{field}`: expected {expected}, found {found}")]
    Header {
        /// The first field that differs.
        field: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// More transactions than a block may have.
    #[error("expected at most {TRANSACTIONS_PER_BLOCK_MAX} transactions, found {0}")]
    TooManyTransactions(usize),
    /// A transaction that the state machine refuses.
    #[error("transaction {transaction} is refused as {}: {refusal}", refusal.name())]
    Refused {
        /// Its id.
        transaction: Hash,
        /// Why.
        refusal: Box<Refusal>,
    },
}

impl BlockError {
    /// The name under which logs and metrics count it.
    pub fn name(&self) -> String {
        match self {
            BlockError::Header { field, .. } => format!("header_{field}"),
            BlockError::TooManyTransactions(_) => "too_many_transactions".into(),
            BlockError::Refused { refusal, .. } => refusal.name(),
        }
    }
}

/// Builds the block after `tip` from the transactions that apply, in their order, and leaves out the others.
///
/// Returns the block, what it leads to, and the refused transactions.
pub fn build(
    state: &State,
    tip: Tip,
    transactions: impl IntoIterator<Item = Transaction>,
) -> (Block, Executed, Vec<(Hash, Refusal)>) {
    let validators = validators_hash(state.validators());
    let mut state = state.clone();
    let mut taken = Vec::new();
    let mut settlements = Vec::new();
    let mut refused = Vec::new();
    for transaction in transactions {
        match state.apply(&transaction) {
            Ok(applied) => {
                settlements.extend(settlement_of(applied));
                taken.push(transaction);
            }
            Err(refusal) => refused.push((transaction.id(), refusal)),
        }
        if taken.len() == TRANSACTIONS_PER_BLOCK_MAX {
            break;
        }
    }
    let header = header(&state, tip, validators, &taken, &settlements);
    (Block { header, transactions: taken }, Executed { state, settlements }, refused)
}

/// Executes a block that somebody else built: applies every transaction and compares every field of the header.
pub fn execute(state: &State, tip: Tip, block: &Block) -> Result<Executed, BlockError> {
    execute_opened(state, tip, block, Vec::new())
}

/// The readings of some blocks, in their order, each opened: all signatures verified together. `None` if any of them
/// cannot be opened; executing the blocks then says which and why.
pub fn open_readings(chain: &ChainId, blocks: &[Block]) -> Option<Vec<Vec<SignedReading>>> {
    fn readings(block: &Block) -> impl Iterator<Item = &Sealed> {
        block.transactions.iter().flat_map(Transaction::readings)
    }
    let messages = blocks.iter().flat_map(readings).map(|sealed| sealed.0.as_slice());
    let mut opened = Signed::open_all(messages, chain, |_| true).ok()?.into_iter();
    Some(blocks.iter().map(|block| opened.by_ref().take(readings(block).count()).collect()).collect())
}

/// Executes a block as [`execute`] does, without verifying the signatures of readings that
/// [were opened](open_readings) for this chain.
pub fn execute_opened(
    state: &State,
    tip: Tip,
    block: &Block,
    opened: Vec<SignedReading>,
) -> Result<Executed, BlockError> {
    if block.transactions.len() > TRANSACTIONS_PER_BLOCK_MAX {
        return Err(BlockError::TooManyTransactions(block.transactions.len()));
    }
    let validators = validators_hash(state.validators());
    check_position(state, tip, &block.header)?;
    let mut state = state.clone();
    let mut settlements = Vec::new();
    let mut opened = opened.into_iter();
    for transaction in &block.transactions {
        let readings = opened.by_ref().take(transaction.readings().len()).collect();
        let applied = state
            .apply_opened(transaction, readings)
            .map_err(|refusal| BlockError::Refused { transaction: transaction.id(), refusal: Box::new(refusal) })?;
        settlements.extend(settlement_of(applied));
    }
    let expected = header(&state, tip, validators, &block.transactions, &settlements);
    let found = &block.header;
    differs("validators", &expected.validators, &found.validators)?;
    differs("transactions", &expected.transactions, &found.transactions)?;
    differs("entries", &expected.entries, &found.entries)?;
    differs("state", &expected.state, &found.state)?;
    Ok(Executed { state, settlements })
}

/// What can be told of a header before its transactions are applied.
fn check_position(state: &State, tip: Tip, found: &Header) -> Result<(), BlockError> {
    differs("chain", &state.chain(), &found.chain)?;
    differs("height", &(tip.height + 1), &found.height)?;
    differs("previous", &tip.block, &found.previous)
}

fn differs<T: PartialEq + ToString>(field: &'static str, expected: &T, found: &T) -> Result<(), BlockError> {
    if expected == found {
        return Ok(());
    }
    Err(BlockError::Header { field, expected: expected.to_string(), found: found.to_string() })
}

/// The settlements in a committed block, opened. Their signatures were verified before it was committed: an error can
/// only be damage.
pub fn settlements(chain: &ChainId, block: &Block) -> Result<Vec<SignedSettlement>, EnvelopeError> {
    let settlement = |transaction: &Transaction| match transaction {
        Transaction::Settle { settlement, .. } => Some(Signed::open(&settlement.0, chain, |_| true)),
        Transaction::PlaceOrder(_) | Transaction::CommitReading(_) => None,
    };
    block.transactions.iter().filter_map(settlement).collect()
}

fn settlement_of(applied: Applied) -> Option<SignedSettlement> {
    match applied {
        Applied::Settled(settlement) => Some(*settlement),
        Applied::Ordered(_) | Applied::Committed(_) => None,
    }
}

fn header(
    state: &State,
    tip: Tip,
    validators: Hash,
    transactions: &[Transaction],
    settlements: &[SignedSettlement],
) -> Header {
    let ids: MerkleTree = transactions.iter().map(|transaction| transaction.id().as_bytes().to_vec()).collect();
    let entries: MerkleTree = entries(settlements).map(|entry| cbor::encode(&entry)).collect();
    Header {
        chain: state.chain(),
        height: tip.height + 1,
        previous: tip.block,
        validators,
        transactions: ids.root(),
        entries: entries.root(),
        state: state.root(),
    }
}

/// The entries of a block, in the order of its tree of entries.
fn entries(settlements: &[SignedSettlement]) -> impl Iterator<Item = Entry> + '_ {
    settlements.iter().flat_map(|settlement| settlement.payload().entries())
}

/// The receipts of a committed block, in the order of its tree of entries.
pub fn receipts(
    header: &Header,
    certificate: &protocol::certificate::CommitCertificate,
    settlements: &[SignedSettlement],
) -> Vec<Receipt> {
    let entries: Vec<Entry> = entries(settlements).collect();
    let tree: MerkleTree = entries.iter().map(cbor::encode).collect();
    let receipt = |(index, entry)| {
        Some(Receipt { entry, proof: tree.prove(index)?, header: header.clone(), certificate: certificate.clone() })
    };
    entries.into_iter().enumerate().filter_map(receipt).collect()
}
