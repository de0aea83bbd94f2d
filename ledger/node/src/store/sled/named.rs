//! The store as others see it: every error names its directory, a panic of sled is an error, and a height that was
//! reached is not forgotten in silence.
//!
//! sled takes a damaged end of its log for a write that was never finished, and drops it. So the height of the last
//! block is also in a small file beside it, written after each block: a tree that is behind it has lost blocks.

use std::{
    collections::BTreeMap,
    fs,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
};

use protocol::{
    correction::MemberInput,
    envelope::{ChainId, Sealed},
    hash::Hash,
    interval::Interval,
    member::{AccountId, MemberId},
};
use settings::state_format;

use super::{
    Tree,
    keys::{CHECKSUM_BYTES, broken, checksum},
};
use crate::store::{Commit, Pruning, Store, StoreError, StoredBlock, StoredCandidate};

/// The format of the store, and of what a node keeps beside it: another number for any change that an older program
/// would misread.
const FORMAT: u32 = 1;
/// The file with the height of the last block, in the store's directory.
const HEIGHT_FILE: &str = "height";

/// A store in a directory of its own.
pub struct SledStore {
    tree: Tree,
    directory: PathBuf,
}

impl SledStore {
    /// Opens the store in `directory`, or makes it there, for the ledger `chain`.
    pub fn open(directory: &Path, chain: &ChainId) -> Result<SledStore, StoreError> {
        named(directory, || {
            state_format::check(directory, FORMAT)?;
            let tree = Tree::open(directory, chain)?;
            state_format::mark(directory, FORMAT, env!("CARGO_PKG_VERSION"))?;
            let (expected, found) = (read_height(directory), tree.height()?);
            if expected.is_some_and(|expected| found < expected) {
                let expected = expected.unwrap_or_default();
                return Err(broken(format!("expected the blocks up to height {expected}, found those up to {found}")));
            }
            Ok(SledStore { tree, directory: directory.to_owned() })
        })
    }

    fn named<T>(&self, work: impl FnOnce(&Tree) -> Result<T, StoreError>) -> Result<T, StoreError> {
        named(&self.directory, || work(&self.tree))
    }
}

fn named<T>(directory: &Path, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    // sled panics on some of what it did not write. Nothing of it is used after an error.
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    done.unwrap_or_else(|_| Err(broken("it is not what was written"))).map_err(|error| {
        let here = directory.display().to_string();
        match error {
            StoreError::Damaged { place, key, reason } if place.is_empty() => {
                StoreError::Damaged { place: here, key, reason }
            }
            StoreError::Io { place, error } if place.is_empty() => StoreError::Io { place: here, error },
            other => other,
        }
    })
}

/// The height that was written; none if the file is not there or not whole, as after a power cut.
fn read_height(directory: &Path) -> Option<u64> {
    let bytes = fs::read(directory.join(HEIGHT_FILE)).ok()?;
    let (sum, height) = bytes.split_at_checked(CHECKSUM_BYTES)?;
    let whole = sum == checksum(HEIGHT_FILE.as_bytes(), height);
    height.try_into().ok().filter(|_| whole).map(u64::from_be_bytes)
}

fn write_height(directory: &Path, height: u64) -> std::io::Result<()> {
    let height = height.to_be_bytes();
    // Not synced: the block is, and a file that a power cut has spoilt or set back says nothing wrong.
    fs::write(directory.join(HEIGHT_FILE), [&checksum(HEIGHT_FILE.as_bytes(), &height)[..], &height].concat())
}

impl Store for SledStore {
    fn place(&self) -> String {
        self.directory.display().to_string()
    }

    fn height(&self) -> Result<u64, StoreError> {
        self.named(Tree::height)
    }

    fn block(&self, height: u64) -> Result<Option<StoredBlock>, StoreError> {
        self.named(|tree| tree.block(height))
    }

    fn height_of(&self, interval: Interval) -> Result<Option<u64>, StoreError> {
        self.named(|tree| tree.height_of(interval))
    }

    fn corrections(&self, interval: Interval) -> Result<Vec<u64>, StoreError> {
        self.named(|tree| tree.corrections(interval))
    }

    fn height_of_instruction(&self, member: MemberId, sequence: u64) -> Result<Option<u64>, StoreError> {
        self.named(|tree| tree.height_of_instruction(member, sequence))
    }

    fn height_of_decision(&self, sequence: u64) -> Result<Option<u64>, StoreError> {
        self.named(|tree| tree.height_of_decision(sequence))
    }

    fn validator_changes(&self) -> Result<Vec<u64>, StoreError> {
        self.named(Tree::validator_changes)
    }

    fn events(&self, account: AccountId, from: Interval, before: Interval) -> Result<Vec<u64>, StoreError> {
        self.named(|tree| tree.events(account, from, before))
    }

    fn inputs(&self, interval: Interval) -> Result<Option<Vec<MemberInput>>, StoreError> {
        self.named(|tree| tree.inputs(interval))
    }

    fn unpruned_from(&self) -> Result<u64, StoreError> {
        self.named(Tree::unpruned_from)
    }

    fn pruned_readings(&self) -> Result<Vec<Sealed>, StoreError> {
        self.named(Tree::pruned_readings)
    }

    fn prune(&self, pruning: &Pruning) -> Result<(), StoreError> {
        self.named(|tree| tree.prune(pruning))
    }

    fn entries(&self) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StoreError> {
        self.named(Tree::entries)
    }

    fn commit(&self, commit: &Commit<'_>) -> Result<(), StoreError> {
        self.named(|tree| {
            tree.commit(commit)?;
            write_height(&self.directory, commit.block.certificate.height)
                .map_err(|error| StoreError::Io { place: String::new(), error: error.to_string() })
        })
    }

    fn log_size(&self) -> Result<u64, StoreError> {
        self.named(Tree::log_size)
    }

    fn log_nodes(&self, height: u64) -> Result<Vec<Hash>, StoreError> {
        self.named(|tree| tree.log_nodes(height))
    }

    fn extend_log(&self, nodes: &[Vec<Hash>]) -> Result<(), StoreError> {
        self.named(|tree| tree.extend_log(nodes))
    }

    fn put_candidate(&self, candidate: &StoredCandidate, body: &[u8]) -> Result<(), StoreError> {
        self.named(|tree| tree.put_candidate(candidate, body))
    }

    fn candidates(&self, height: u64) -> Result<Vec<StoredCandidate>, StoreError> {
        self.named(|tree| tree.candidates(height))
    }

    fn candidate_body(&self, height: u64, block: &Hash) -> Result<Option<Vec<u8>>, StoreError> {
        self.named(|tree| tree.candidate_body(height, block))
    }
}
