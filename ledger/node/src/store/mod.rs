//! What a node keeps on disk: blocks, the state after the last one, and the candidates of the height it works on.
//!
//! Whatever a method has written when it returns survives a crash: of the process, and, as far as the disk keeps its
//! word, of the machine. One commit is one atomic write.

mod memory;
mod sled;

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use protocol::{
    commit::CommitCertificate,
    correction::MemberInput,
    envelope::Sealed,
    hash::Hash,
    interval::Interval,
    key::{DeviceId, ValidatorId},
    member::{AccountId, MemberId},
};

use ledger::{chain::PrunedHeads, state::Changes};

pub use self::{memory::MemoryStore, sled::SledStore};

/// A committed block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlock {
    /// The block's bytes; without its readings, where they were pruned.
    pub body: Vec<u8>,
    /// The signatures that made it final.
    pub certificate: CommitCertificate,
    /// What is left of its readings, where they were pruned.
    pub pruned: Option<Vec<PrunedHeads>>,
}

/// A committed block's readings, to be forgotten.
#[derive(Debug, Clone)]
pub struct Pruning {
    /// The block.
    pub height: u64,
    /// Its bytes without the readings.
    pub body: Vec<u8>,
    /// The hashes that are left of them.
    pub heads: Vec<PrunedHeads>,
    /// Each device's last reading: kept until a later one takes its place, because the next is measured by it.
    pub last: Vec<(DeviceId, Sealed)>,
    /// The intervals settled in it, whose inputs are forgotten too.
    pub intervals: Vec<Interval>,
}

/// A block proposed for the height being decided, with our verdict.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct StoredCandidate {
    /// The block's hash.
    #[n(0)]
    pub block: Hash,
    /// The height.
    #[n(1)]
    pub height: u64,
    /// The round.
    #[n(2)]
    pub round: u32,
    /// Who proposed it in that round.
    #[n(3)]
    pub proposer: ValidatorId,
    /// The earlier round in which it gathered two thirds of the prevotes.
    #[n(4)]
    pub valid_round: Option<u32>,
    /// Whether we would commit it.
    #[n(5)]
    pub valid: bool,
}

/// Everything that one block changes on disk.
#[derive(Debug, Clone)]
pub struct Commit<'a> {
    /// The block.
    pub block: &'a StoredBlock,
    /// The state's entries that changed.
    pub changes: Changes,
    /// The intervals settled in it.
    pub intervals: Vec<Interval>,
    /// The corrections in it, by interval and number.
    pub corrections: Vec<(Interval, u32)>,
    /// The inputs of what was settled or corrected in it.
    pub inputs: Vec<(Interval, Vec<MemberInput>)>,
    /// What happened on whose account beside plain settlements, and in which open interval: to be found again.
    pub events: Vec<(AccountId, Interval)>,
    /// Each member's instructions in it, by sequence number.
    pub instructions: Vec<(MemberId, u64)>,
    /// The decisions in it, by sequence number.
    pub decisions: Vec<u64>,
    /// Whether others validate after it.
    pub changes_validators: bool,
}

impl Commit<'_> {
    /// A block that changes nothing else.
    pub fn only(block: &StoredBlock) -> Commit<'_> {
        Commit {
            block,
            changes: Changes::new(),
            intervals: Vec::new(),
            corrections: Vec::new(),
            inputs: Vec::new(),
            events: Vec::new(),
            instructions: Vec::new(),
            decisions: Vec::new(),
            changes_validators: false,
        }
    }
}

/// Why the store cannot do what was asked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk failed.
    #[error(
        "{place}: {error}; make room on the disk, or repair it, and start the node again: it fetches the ledger from the others, \
         also into an empty state on another disk"
    )]
    Io {
        /// The store's directory.
        place: String,
        /// What the system says.
        error: String,
    },
    /// Another process has it open.
    #[error("the store {0} is in use by another process; stop that node first")]
    InUse(String),
    /// The directory belongs to another ledger.
    #[error("the store belongs to the chain {found}, but the genesis is of {expected}; use another state directory")]
    OtherGenesis {
        /// The chain of the genesis.
        expected: Hash,
        /// The chain in the directory.
        found: Hash,
    },
    /// A later version's, or one that does not say which format it has.
    #[error("{0}; or move that directory away: with the same keys, the node fetches the ledger from the others")]
    Format(#[from] settings::state_format::FormatError),
    /// A block that is not here.
    #[error("there is no block of height {height} here")]
    Missing {
        /// Its height.
        height: u64,
    },
    /// What is stored is not what was written.
    #[error(
        "{place}: {key} is damaged: {reason}; stop the node, move {place} away, and start it again with the same keys: it \
         fetches the ledger from the others"
    )]
    Damaged {
        /// The store's directory.
        place: String,
        /// Which value.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Where a node keeps its chain. One suite of tests holds every implementation to the same behaviour.
pub trait Store: Send + Sync {
    /// Where it is, for people.
    fn place(&self) -> String;

    /// Height of the last committed block; 0 before the first.
    fn height(&self) -> Result<u64, StoreError>;

    /// A committed block.
    fn block(&self, height: u64) -> Result<Option<StoredBlock>, StoreError>;

    /// The height of the block that settled an interval.
    fn height_of(&self, interval: Interval) -> Result<Option<u64>, StoreError>;

    /// The heights of the blocks that corrected an interval, in their order.
    fn corrections(&self, interval: Interval) -> Result<Vec<u64>, StoreError>;

    /// The height of the block with a member's instruction.
    fn height_of_instruction(&self, member: MemberId, sequence: u64) -> Result<Option<u64>, StoreError>;

    /// The height of the block with a decision.
    fn height_of_decision(&self, sequence: u64) -> Result<Option<u64>, StoreError>;

    /// The heights of the blocks after which others validate, in ascending order.
    fn validator_changes(&self) -> Result<Vec<u64>, StoreError>;

    /// The heights of the blocks in which something beside plain settlements happened on an account, while an interval
    /// from the first to before the second was open. In ascending order.
    fn events(&self, account: AccountId, from: Interval, before: Interval) -> Result<Vec<u64>, StoreError>;

    /// The inputs of an interval, as last settled or corrected; none if they were pruned.
    fn inputs(&self, interval: Interval) -> Result<Option<Vec<MemberInput>>, StoreError>;

    /// The first block whose readings are still here; 1 if none were pruned.
    fn unpruned_from(&self) -> Result<u64, StoreError>;

    /// The last reading of each device that was pruned.
    fn pruned_readings(&self) -> Result<Vec<Sealed>, StoreError>;

    /// Forgets the readings of the first block that has them, in one atomic and durable write.
    fn prune(&self, pruning: &Pruning) -> Result<(), StoreError>;

    /// The state's entries after the last committed block.
    fn entries(&self) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StoreError>;

    /// Appends the block after the last one, with all that it changes, in one atomic and durable write. Candidates up
    /// to its height are forgotten.
    fn commit(&self, commit: &Commit<'_>) -> Result<(), StoreError>;

    /// How many blocks are in the log. Never more than were committed.
    fn log_size(&self) -> Result<u64, StoreError>;

    /// The hashes of the log's nodes that became complete with the block of a height, from its leaf up.
    fn log_nodes(&self, height: u64) -> Result<Vec<Hash>, StoreError>;

    /// Keeps the nodes that become complete with each of the next blocks of the log, all of them or none. It may forget
    /// them in a crash, the last ones first: they follow from the blocks, and are made again.
    fn extend_log(&self, nodes: &[Vec<Hash>]) -> Result<(), StoreError>;

    /// Keeps a candidate and its body, durably.
    fn put_candidate(&self, candidate: &StoredCandidate, body: &[u8]) -> Result<(), StoreError>;

    /// The candidates kept for a height, in order of round.
    fn candidates(&self, height: u64) -> Result<Vec<StoredCandidate>, StoreError>;

    /// The body of a candidate.
    fn candidate_body(&self, height: u64, block: &Hash) -> Result<Option<Vec<u8>>, StoreError>;
}

/// What a store holds makes no sense to whoever reads it.
pub(crate) fn damaged(store: &dyn Store, key: impl Into<String>, reason: impl ToString) -> StoreError {
    StoreError::Damaged { place: store.place(), key: key.into(), reason: reason.to_string() }
}

/// A block is only ever appended after the last one.
fn check_height(place: String, expected: u64, found: u64) -> Result<(), StoreError> {
    if expected == found {
        return Ok(());
    }
    let reason = format!("expected to append the block of height {expected}");
    Err(StoreError::Damaged { place, key: format!("block {found}"), reason })
}
