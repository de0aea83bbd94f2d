//! Blocks: built from transactions, and executed again by everyone who did not build them.

use protocol::{
    block::{Block, Header, Transaction, validators_hash},
    cbor,
    certificate::CommitCertificate,
    correction::Correction,
    envelope::{ChainId, EnvelopeError, Sealed, Signed},
    hash::Hash,
    key::DeviceId,
    merkle::{MerkleRoot, MerkleTree},
    reading::{Reading, SignedReading},
    receipt::{Receipt, ValidatorStep},
    settlement::{Entry, Settlement},
};

use crate::state::{Applied, Booked, Changes, Refusal, State};

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
    /// The state's root.
    pub root: MerkleRoot,
    /// The entries of the state that changed.
    pub changes: Changes,
    /// What was settled or corrected in it.
    pub booked: Vec<Booked>,
}

/// The hashes of each device's last reading in a settlement whose readings were pruned.
pub type PrunedHeads = Vec<(DeviceId, Hash)>;

/// What is known of a block's readings beside the block.
#[derive(Debug)]
pub enum Readings {
    /// Nothing: their signatures have to be verified.
    Sealed,
    /// They were [opened](open_readings) for this chain: their signatures hold.
    Opened(Vec<SignedReading>),
    /// They were [pruned](prune): one item for each settlement.
    Pruned(Vec<PrunedHeads>),
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

/// Builds the block after `tip` from the transactions that apply, in their order, and leaves out the others. Each comes
/// with its readings if they were opened before, so that they are not verified again.
///
/// Returns the block, what it leads to, and the refused transactions.
pub fn build(
    state: &State,
    tip: Tip,
    transactions: impl IntoIterator<Item = (Transaction, Vec<SignedReading>)>,
) -> (Block, Executed, Vec<(Hash, Refusal)>) {
    let validators = validators_hash(state.validators());
    let mut state = state.clone();
    let mut taken = Vec::new();
    let mut booked = Vec::new();
    let mut refused = Vec::new();
    for (transaction, opened) in transactions {
        match state.apply_opened(&transaction, opened) {
            Ok(applied) => {
                booked.extend(booked_by(applied));
                taken.push(transaction);
            }
            Err(refusal) => refused.push((transaction.id(), refusal)),
        }
        if taken.len() == TRANSACTIONS_PER_BLOCK_MAX {
            break;
        }
    }
    let (root, changes) = state.seal();
    let header = header(&state, root, tip, validators, &taken, &booked);
    (Block { header, transactions: taken }, Executed { state, root, changes, booked }, refused)
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

/// Executes a block that somebody else built: applies every transaction and compares every field of the header.
pub fn execute(state: &State, tip: Tip, block: &Block, readings: Readings) -> Result<Executed, BlockError> {
    if block.transactions.len() > TRANSACTIONS_PER_BLOCK_MAX {
        return Err(BlockError::TooManyTransactions(block.transactions.len()));
    }
    let validators = validators_hash(state.validators());
    check_position(state, tip, &block.header)?;
    let mut state = state.clone();
    let mut booked = Vec::new();
    let (mut opened, mut pruned) = match readings {
        Readings::Sealed => (Vec::new().into_iter(), None),
        Readings::Opened(opened) => (opened.into_iter(), None),
        Readings::Pruned(pruned) => (Vec::new().into_iter(), Some(pruned.into_iter())),
    };
    for transaction in &block.transactions {
        let refused = |refusal| BlockError::Refused { transaction: transaction.id(), refusal: Box::new(refusal) };
        let applied = match (transaction, &mut pruned) {
            (Transaction::Settle { settlement, .. }, Some(pruned)) => {
                let heads = pruned.next().unwrap_or_default();
                let applied = state.apply_pruned(settlement, &heads).map_err(refused)?;
                Applied::Booked(Box::new(applied))
            }
            _ => {
                let readings = opened.by_ref().take(transaction.readings().len()).collect();
                state.apply_opened(transaction, readings).map_err(refused)?
            }
        };
        booked.extend(booked_by(applied));
    }
    let (root, changes) = state.seal();
    let expected = header(&state, root, tip, validators, &block.transactions, &booked);
    let found = &block.header;
    differs("validators", &expected.validators, &found.validators)?;
    differs("next_validators", &expected.next_validators, &found.next_validators)?;
    differs("transactions", &expected.transactions, &found.transactions)?;
    differs("entries", &expected.entries, &found.entries)?;
    differs("state", &expected.state, &found.state)?;
    Ok(Executed { state, root, changes, booked })
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

/// A settlement in a committed block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Id of the transaction that booked it.
    pub transaction: Hash,
    /// What was booked.
    pub settlement: Settlement,
    /// What was reversed before, if it corrects anything.
    pub reversed: Option<Settlement>,
    /// 0 as first settled, then the number of the correction.
    pub correction: u32,
}

/// The settlements and corrections in a committed block. Signatures were verified before it was committed: an error can
/// only be damage.
pub fn settlements(chain: &ChainId, block: &Block) -> Result<Vec<Settled>, EnvelopeError> {
    let mut settled = Vec::new();
    for transaction in &block.transactions {
        match transaction {
            Transaction::Settle { settlement, .. } => {
                let opened = Signed::<Settlement>::open(&settlement.0, chain, |_| true)?;
                settled.push(Settled {
                    transaction: settlement.hash(),
                    settlement: opened.payload().clone(),
                    reversed: None,
                    correction: 0,
                });
            }
            Transaction::Decide { decision, .. } => {
                let corrected = |correction: &Correction| Settled {
                    transaction: decision.id(),
                    settlement: correction.settlement.clone(),
                    reversed: Some(correction.reversed.clone()),
                    correction: correction.number,
                };
                settled.extend(decision.action.corrections().iter().map(corrected));
            }
            Transaction::PlaceOrder(_) | Transaction::CommitReading(_) | Transaction::Instruct(_) => {}
        }
    }
    Ok(settled)
}

fn booked_by(applied: Applied) -> Vec<Booked> {
    match applied {
        Applied::Booked(booked) => vec![*booked],
        Applied::TruedUp(booked) => booked,
        Applied::Ordered(_) | Applied::Committed(_) | Applied::Instructed(_) | Applied::Decided => Vec::new(),
    }
}

fn header(
    state: &State,
    root: MerkleRoot,
    tip: Tip,
    validators: Hash,
    transactions: &[Transaction],
    booked: &[Booked],
) -> Header {
    let ids: MerkleTree = transactions.iter().map(|transaction| transaction.id().as_bytes().to_vec()).collect();
    let entries: MerkleTree = booked.iter().flat_map(Booked::entries).map(|entry| cbor::encode(&entry)).collect();
    Header {
        chain: state.chain(),
        height: tip.height + 1,
        previous: tip.block,
        validators,
        next_validators: validators_hash(state.validators()),
        transactions: ids.root(),
        entries: entries.root(),
        state: root,
    }
}

/// The receipts of a committed block, in the order of its tree of entries. `steps` lead from the genesis' validators to
/// the header's.
pub fn receipts(
    header: &Header,
    certificate: &CommitCertificate,
    settled: &[Settled],
    steps: &[ValidatorStep],
) -> Vec<Receipt> {
    let entries: Vec<Entry> =
        settled.iter().flat_map(|settled| settled.settlement.entries(settled.correction)).collect();
    let tree: MerkleTree = entries.iter().map(cbor::encode).collect();
    let receipt = |(index, entry)| {
        Some(Receipt {
            entry,
            proof: tree.prove(index)?,
            header: header.clone(),
            certificate: certificate.clone(),
            steps: steps.to_vec(),
        })
    };
    entries.into_iter().enumerate().filter_map(receipt).collect()
}

/// A block without its readings, and what is left of them: for each settlement the hashes of each device's last reading;
/// and the last readings themselves, by which later ones are measured.
pub fn prune(chain: &ChainId, block: &Block) -> Result<(Block, Vec<PrunedHeads>, Vec<SignedReading>), EnvelopeError> {
    let mut pruned = block.clone();
    let mut heads = Vec::new();
    let mut last = Vec::new();
    for transaction in &mut pruned.transactions {
        let Transaction::Settle { readings, .. } = transaction else { continue };
        let messages = readings.iter().map(|sealed| sealed.0.as_slice());
        let opened = Signed::<Reading>::open_all(messages, chain, |_| true).map_err(|(_, error)| error)?;
        let lasts = opened.chunk_by(|a, b| a.signer() == b.signer()).filter_map(<[SignedReading]>::last);
        heads.push(lasts.clone().map(|reading| (reading.signer(), reading.hash())).collect());
        last.extend(lasts.cloned());
        readings.clear();
    }
    Ok((pruned, heads, last))
}

/// Whether the validators after a block are others than those that decided it.
pub fn changes_validators(header: &Header) -> bool {
    header.validators != header.next_validators
}
