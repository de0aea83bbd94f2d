//! A store in memory: the sled store's twin, for tests and for networks that are thrown away.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use protocol::{hash::Hash, interval::Interval};

use super::{Commit, Store, StoreError, StoredBlock, StoredCandidate};

/// A store that forgets everything when it is dropped.
#[derive(Default)]
pub struct MemoryStore(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    blocks: Vec<StoredBlock>,
    intervals: BTreeMap<Interval, u64>,
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    candidates: BTreeMap<(u64, u32, Hash), StoredCandidate>,
    bodies: BTreeMap<(u64, Hash), Vec<u8>>,
}

impl MemoryStore {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn height(&self) -> Result<u64, StoreError> {
        Ok(self.contents().blocks.len() as u64)
    }

    fn block(&self, height: u64) -> Result<Option<StoredBlock>, StoreError> {
        let index = height.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        Ok(index.and_then(|index| self.contents().blocks.get(index).cloned()))
    }

    fn height_of(&self, interval: Interval) -> Result<Option<u64>, StoreError> {
        Ok(self.contents().intervals.get(&interval).copied())
    }

    fn entries(&self) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StoreError> {
        Ok(self.contents().entries.clone())
    }

    fn commit(&self, commit: &Commit<'_>) -> Result<(), StoreError> {
        let mut contents = self.contents();
        let height = contents.blocks.len() as u64 + 1;
        super::check_height(height, commit.block.certificate.height)?;
        contents.blocks.push(commit.block.clone());
        contents.intervals.extend(commit.intervals.iter().map(|interval| (*interval, height)));
        contents.entries.extend(commit.entries.clone());
        contents.candidates.retain(|(candidate, ..), _| *candidate > height);
        contents.bodies.retain(|(candidate, _), _| *candidate > height);
        Ok(())
    }

    fn put_candidate(&self, candidate: &StoredCandidate, body: &[u8]) -> Result<(), StoreError> {
        let mut contents = self.contents();
        let StoredCandidate { block, height, round, .. } = *candidate;
        contents.bodies.insert((height, block), body.to_vec());
        contents.candidates.insert((height, round, block), candidate.clone());
        Ok(())
    }

    fn candidates(&self, height: u64) -> Result<Vec<StoredCandidate>, StoreError> {
        let contents = self.contents();
        Ok(contents.candidates.values().filter(|candidate| candidate.height == height).cloned().collect())
    }

    fn candidate_body(&self, height: u64, block: &Hash) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.contents().bodies.get(&(height, *block)).cloned())
    }
}
