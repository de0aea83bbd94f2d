//! Blocks: built from transactions, and executed again by everyone who did not build them.

use std::{
    borrow::{Borrow, Cow},
    sync::Arc,
};

use protocol::{
    block::{Block, Header, Transaction, validators_hash},
    cbor,
    commit::CommitCertificate,
    correction::Correction,
    envelope::{self, ChainId, EnvelopeError, Signed},
    hash::Hash,
    key::{DeviceId, PublicKey},
    limits::{BLOCK_BYTES_MAX, BLOCK_HEADER_BYTES_MAX, BLOCK_TRANSACTIONS_MAX, RECEIPT_NEIGHBOURS_MAX},
    merkle::{MerkleRoot, MerkleTree},
    reading::{Reading, SignedReading},
    receipt::{Receipt, ValidatorStep},
    refusal::LedgerRefusal,
    settlement::{Entry, Settlement},
};

use crate::state::{Applied, Booked, Changed, Changes, Opened, OpenedReadings, Refusal, State};

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
    changed: Changed,
    /// What was settled or corrected in it.
    pub booked: Vec<Booked>,
}

impl Executed {
    /// The entries of the state that changed. They are made for whoever asks: the root needs only their hashes.
    pub fn changes(&self) -> Changes {
        self.state.changes(&self.changed)
    }
}

/// The hashes of each device's last reading in a settlement whose readings were pruned.
pub type PrunedHeads = Vec<(DeviceId, Hash)>;

/// What is known of a block's readings beside the block.
#[derive(Debug)]
pub enum Readings {
    /// Nothing: their signatures have to be verified.
    Sealed,
    /// They were [opened](open_blocks) for this chain: their signatures hold. One item for each transaction; what in it
    /// is not the transaction's has to be verified.
    Opened(Vec<Opened>),
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
    #[error("expected at most {BLOCK_TRANSACTIONS_MAX} transactions, found {0}")]
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
            BlockError::Header { field, .. } => format!("{}_{field}", LedgerRefusal::Header),
            BlockError::TooManyTransactions(_) => LedgerRefusal::TooManyTransactions.to_string(),
            BlockError::Refused { refusal, .. } => refusal.name(),
        }
    }
}

/// A transaction that was applied to the state after a block before any block has it, so that a block that begins with
/// it need not apply it again. Only applying it makes one: what it says was computed, not told.
#[derive(Debug)]
pub struct Foreseen {
    tip: Tip,
    transaction: Arc<Transaction>,
    opened: OpenedReadings,
    state: State,
    applied: Applied,
}

impl Foreseen {
    /// Applies a transaction to the state after `tip`, with what was opened of it before.
    pub fn new(state: &State, tip: Tip, transaction: Arc<Transaction>, opened: &Opened) -> Result<Foreseen, Refusal> {
        let mut state = state.clone();
        let applied = state.apply_opened(&transaction, opened)?;
        Ok(Foreseen { tip, transaction, opened: opened.readings.clone(), state, applied })
    }

    /// The transaction's readings, as far as they were opened before.
    pub fn opened(&self) -> &OpenedReadings {
        &self.opened
    }

    /// Whether it says what `transaction` leads to after `tip`. The readings count, which no id covers.
    pub fn is_of(&self, tip: Tip, transaction: &Transaction) -> bool {
        self.tip == tip && *self.transaction == *transaction
    }
}

/// A block in the making: the state after the transactions so far.
struct Draft<'a> {
    tip: Tip,
    /// Hash of the validators that decide the block.
    validators: Hash,
    state: Cow<'a, State>,
    booked: Vec<Booked>,
    foreseen: Option<&'a Foreseen>,
}

impl<'a> Draft<'a> {
    fn new(state: Cow<'a, State>, tip: Tip, foreseen: Option<&'a Foreseen>) -> Draft<'a> {
        Draft { tip, validators: validators_hash(state.validators()), state, booked: Vec::new(), foreseen }
    }

    fn apply(&mut self, transaction: &Transaction, opened: &Opened) -> Result<(), Refusal> {
        // Of the first transaction alone it is known to which state it was applied.
        let foreseen = self.foreseen.take().filter(|foreseen| foreseen.is_of(self.tip, transaction));
        let applied = match foreseen {
            Some(foreseen) => {
                self.state = Cow::Owned(foreseen.state.clone());
                foreseen.applied.clone()
            }
            None => self.state.to_mut().apply_opened(transaction, opened)?,
        };
        self.booked.extend(booked_by(applied));
        Ok(())
    }

    fn finish(mut self, transactions: &[Transaction]) -> (Header, Executed) {
        let (root, changed) = self.state.to_mut().seal();
        let state = self.state.into_owned();
        let header = header(&state, root, self.tip, self.validators, transactions, &self.booked);
        (header, Executed { state, root, changed, booked: self.booked })
    }
}

/// Builds the block after `tip` from the transactions that apply, in their order, as many as a block has room for, and
/// leaves out the others. Each comes with what was opened of it before.
///
/// Returns the block, what it leads to, and the refused transactions.
pub fn build<T: Borrow<Transaction>, O: Into<Opened>>(
    state: &State,
    tip: Tip,
    transactions: impl IntoIterator<Item = (T, O)>,
) -> (Block, Executed, Vec<(Hash, Refusal)>) {
    build_foreseen(state, tip, transactions, None)
}

/// Builds a block as [`build`] does, where what the first transaction leads to may be known.
pub fn build_foreseen<T: Borrow<Transaction>, O: Into<Opened>>(
    state: &State,
    tip: Tip,
    transactions: impl IntoIterator<Item = (T, O)>,
    foreseen: Option<&Foreseen>,
) -> (Block, Executed, Vec<(Hash, Refusal)>) {
    let mut draft = Draft::new(Cow::Borrowed(state), tip, foreseen);
    let mut taken = Vec::new();
    let mut refused = Vec::new();
    let mut room = BLOCK_BYTES_MAX - BLOCK_HEADER_BYTES_MAX;
    for (transaction, opened) in transactions {
        let transaction: &Transaction = transaction.borrow();
        // What does not fit is the first of the next block: nothing that came later overtakes it.
        let Some(left) = room.checked_sub(cbor::encoded_len(transaction)) else { break };
        match draft.apply(transaction, &opened.into()) {
            Ok(()) => {
                taken.push(transaction.clone());
                room = left;
            }
            Err(refusal) => refused.push((transaction.id(), refusal)),
        }
        if taken.len() == BLOCK_TRANSACTIONS_MAX {
            break;
        }
    }
    let (header, executed) = draft.finish(&taken);
    (Block { header, transactions: taken }, executed, refused)
}

/// The settlements and readings of some blocks, in their order, each opened: all their signatures, and those of the
/// blocks' certificates, verified together. `None` if any of them does not hold or cannot be opened; executing the
/// blocks and verifying their certificates then says which and why.
pub fn open_blocks(chain: &ChainId, blocks: &[Block], certificates: &[CommitCertificate]) -> Option<Vec<Vec<Opened>>> {
    let transactions = || blocks.iter().flat_map(|block| &block.transactions);
    let settlements = transactions().filter_map(Transaction::settlement);
    let readings = transactions().flat_map(Transaction::readings);
    let commits = certificates.iter().flat_map(|certificate| certificate.claims(chain)).collect();
    let (settlements, readings) = envelope::open_all_with(settlements, readings, chain, commits)?;
    let (mut settlements, mut readings) = (settlements.into_iter(), readings.into_iter());
    let mut of_transaction = |transaction: &Transaction| Opened {
        settlement: transaction.settlement().and_then(|_| settlements.next()).map(Arc::new),
        readings: readings.by_ref().take(transaction.readings().len()).collect(),
    };
    Some(blocks.iter().map(|block| block.transactions.iter().map(&mut of_transaction).collect()).collect())
}

/// The readings of one transaction for the state it is applied to, their signatures verified together; `None` if one
/// cannot be opened. A device that the state does not know is nobody's.
pub fn open_readings_for(state: &State, transaction: &Transaction) -> Option<OpenedReadings> {
    let opened = Signed::open_each(transaction.readings(), &state.chain(), |key| state.known_device(key), usize::MAX);
    opened.into_iter().collect::<Result<_, _>>().ok()
}

/// Executes a block that somebody else built: applies every transaction and compares every field of the header.
pub fn execute(state: &State, tip: Tip, block: &Block, readings: Readings) -> Result<Executed, BlockError> {
    execute_foreseen(state, tip, block, readings, None)
}

/// Executes a block as [`execute`] does, where what its first transaction leads to may be known.
pub fn execute_foreseen(
    state: &State,
    tip: Tip,
    block: &Block,
    readings: Readings,
    foreseen: Option<&Foreseen>,
) -> Result<Executed, BlockError> {
    execute_on(Cow::Borrowed(state), tip, block, readings, foreseen)
}

/// Executes a block as [`execute`] does, on a state that nobody needs any more: it is changed, not copied.
pub fn execute_last(state: State, tip: Tip, block: &Block, readings: Readings) -> Result<Executed, BlockError> {
    execute_on(Cow::Owned(state), tip, block, readings, None)
}

fn execute_on(
    state: Cow<'_, State>,
    tip: Tip,
    block: &Block,
    readings: Readings,
    foreseen: Option<&Foreseen>,
) -> Result<Executed, BlockError> {
    if block.transactions.len() > BLOCK_TRANSACTIONS_MAX {
        return Err(BlockError::TooManyTransactions(block.transactions.len()));
    }
    check_position(&state, tip, &block.header)?;
    let mut draft = Draft::new(state, tip, foreseen);
    let (mut opened, mut pruned) = match readings {
        Readings::Sealed => (Vec::new().into_iter(), None),
        Readings::Opened(opened) => (opened.into_iter(), None),
        Readings::Pruned(pruned) => (Vec::new().into_iter(), Some(pruned.into_iter())),
    };
    for transaction in &block.transactions {
        let refused = |refusal| BlockError::Refused { transaction: transaction.id(), refusal: Box::new(refusal) };
        match (transaction, &mut pruned) {
            (Transaction::Settle { settlement, .. }, Some(pruned)) => {
                let heads = pruned.next().unwrap_or_default();
                let booked = draft.state.to_mut().apply_pruned(settlement, &heads).map_err(refused)?;
                draft.booked.push(booked);
            }
            _ => {
                draft.apply(transaction, &opened.next().unwrap_or_default()).map_err(refused)?;
            }
        }
    }
    let (expected, executed) = draft.finish(&block.transactions);
    let found = &block.header;
    differs("validators", &expected.validators, &found.validators)?;
    differs("next_validators", &expected.next_validators, &found.next_validators)?;
    differs("transactions", &expected.transactions, &found.transactions)?;
    differs("entries", &expected.entries, &found.entries)?;
    differs("state", &expected.state, &found.state)?;
    Ok(executed)
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
                let opened = settlement.open::<Settlement>(chain, |_| true)?;
                settled.push(Settled {
                    transaction: settlement.hash(),
                    settlement: opened.payload().clone(),
                    reversed: None,
                    correction: 0,
                });
            }
            Transaction::Decide { decision, .. } => {
                let id = decision.id();
                let corrected = |correction: &Correction| Settled {
                    transaction: id,
                    settlement: correction.settlement.clone(),
                    reversed: Some(correction.reversed.clone()),
                    correction: correction.number,
                };
                let decision = decision.open().map_err(|error| EnvelopeError::BadContent(error.to_string()))?;
                settled.extend(decision.action.corrections().iter().map(corrected));
            }
            Transaction::PlaceOrder(_)
            | Transaction::CommitReading(_)
            | Transaction::Instruct(_)
            | Transaction::ReportConflict { .. }
            | Transaction::ReportStatus(_) => {}
        }
    }
    Ok(settled)
}

fn booked_by(applied: Applied) -> Vec<Booked> {
    match applied {
        Applied::Booked(booked) => vec![*booked],
        Applied::TruedUp(booked) => booked,
        Applied::Ordered(_)
        | Applied::Committed(_)
        | Applied::Instructed(_)
        | Applied::Decided
        | Applied::Reported(_)
        | Applied::Suspended(_) => Vec::new(),
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
    let ids = ids(transactions);
    let entries = MerkleTree::of_encoded(booked.iter().flat_map(Booked::entries));
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

/// The tree over the ids of a block's transactions.
pub(crate) fn ids(transactions: &[Transaction]) -> MerkleTree {
    transactions.iter().map(|transaction| transaction.id().as_bytes().to_vec()).collect()
}

/// The receipts of a committed block, in the order of its tree of entries. `steps` lead from the genesis' validators to
/// the header's.
pub fn receipts(
    header: &Header,
    certificate: &CommitCertificate,
    settled: &[Settled],
    steps: &[ValidatorStep],
) -> Vec<Receipt> {
    let mut entries = Vec::new();
    for Settled { settlement, correction, .. } in settled {
        let mut neighbours = settlement.neighbours();
        let with_neighbours = |entry: Entry| {
            let listed = neighbours.remove(&entry.line.member).filter(|it| it.len() <= RECEIPT_NEIGHBOURS_MAX);
            (entry, listed.unwrap_or_default())
        };
        entries.extend(settlement.entries(*correction).map(with_neighbours));
    }
    let tree = MerkleTree::of_encoded(entries.iter().map(|(entry, _)| entry));
    let receipt = |(index, (entry, neighbours))| {
        Some(Receipt {
            entry,
            proof: tree.prove(index)?,
            header: header.clone(),
            certificate: certificate.clone(),
            steps: steps.to_vec(),
            neighbours,
        })
    };
    entries.into_iter().enumerate().filter_map(receipt).collect()
}

/// A block without its readings, and what is left of them: for each settlement the hashes of each device's last
/// reading; and the last readings themselves, by which later ones are measured.
pub fn prune(chain: &ChainId, block: &Block) -> Result<(Block, Vec<PrunedHeads>, Vec<SignedReading>), EnvelopeError> {
    let mut pruned = block.clone();
    let mut heads = Vec::new();
    let mut last = Vec::new();
    for transaction in &mut pruned.transactions {
        let Transaction::Settle { readings, .. } = transaction else { continue };
        let opened =
            Signed::<Reading>::open_all(&*readings, chain, PublicKey::from_bytes).map_err(|(_, error)| error)?;
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
