//! A store in memory: the sled store's twin, for tests and for networks that are thrown away.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use protocol::{
    correction::MemberInput,
    envelope::Sealed,
    hash::Hash,
    interval::Interval,
    key::DeviceId,
    member::{AccountId, MemberId},
};

use super::{Commit, Pruning, Store, StoreError, StoredBlock, StoredCandidate};

/// A store that forgets everything when it is dropped.
#[derive(Default)]
pub struct MemoryStore(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    blocks: Vec<StoredBlock>,
    intervals: BTreeMap<Interval, u64>,
    corrections: BTreeMap<(Interval, u32), u64>,
    instructions: BTreeMap<(MemberId, u64), u64>,
    decisions: BTreeMap<u64, u64>,
    validator_changes: Vec<u64>,
    events: BTreeSet<(AccountId, Interval, u64)>,
    inputs: BTreeMap<Interval, Vec<MemberInput>>,
    pruned: u64,
    pruned_readings: BTreeMap<DeviceId, Sealed>,
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    log: Vec<Vec<Hash>>,
    candidates: BTreeMap<(u64, u32, Hash), StoredCandidate>,
    bodies: BTreeMap<(u64, Hash), Vec<u8>>,
}

impl MemoryStore {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn place(&self) -> String {
        "a store in memory".into()
    }

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

    fn corrections(&self, interval: Interval) -> Result<Vec<u64>, StoreError> {
        let contents = self.contents();
        Ok(contents.corrections.range((interval, 0)..=(interval, u32::MAX)).map(|(_, height)| *height).collect())
    }

    fn height_of_instruction(&self, member: MemberId, sequence: u64) -> Result<Option<u64>, StoreError> {
        Ok(self.contents().instructions.get(&(member, sequence)).copied())
    }

    fn height_of_decision(&self, sequence: u64) -> Result<Option<u64>, StoreError> {
        Ok(self.contents().decisions.get(&sequence).copied())
    }

    fn validator_changes(&self) -> Result<Vec<u64>, StoreError> {
        Ok(self.contents().validator_changes.clone())
    }

    fn events(&self, account: AccountId, from: Interval, before: Interval) -> Result<Vec<u64>, StoreError> {
        let contents = self.contents();
        let heights: BTreeSet<u64> =
            contents.events.range((account, from, 0)..(account, before, 0)).map(|(.., height)| *height).collect();
        Ok(heights.into_iter().collect())
    }

    fn inputs(&self, interval: Interval) -> Result<Option<Vec<MemberInput>>, StoreError> {
        Ok(self.contents().inputs.get(&interval).cloned())
    }

    fn unpruned_from(&self) -> Result<u64, StoreError> {
        Ok(self.contents().pruned + 1)
    }

    fn pruned_readings(&self) -> Result<Vec<Sealed>, StoreError> {
        Ok(self.contents().pruned_readings.values().cloned().collect())
    }

    fn prune(&self, pruning: &Pruning) -> Result<(), StoreError> {
        let mut contents = self.contents();
        super::check_height(self.place(), contents.pruned + 1, pruning.height)?;
        let index = contents.pruned as usize;
        let Some(block) = contents.blocks.get_mut(index) else {
            return Err(StoreError::Missing { height: pruning.height });
        };
        block.body = pruning.body.clone();
        block.pruned = Some(pruning.heads.clone());
        contents.pruned += 1;
        contents.pruned_readings.extend(pruning.last.iter().cloned());
        pruning.intervals.iter().for_each(|interval| {
            contents.inputs.remove(interval);
        });
        Ok(())
    }

    fn entries(&self) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StoreError> {
        Ok(self.contents().entries.clone())
    }

    fn commit(&self, commit: &Commit<'_>) -> Result<(), StoreError> {
        let mut contents = self.contents();
        let height = contents.blocks.len() as u64 + 1;
        super::check_height(self.place(), height, commit.block.certificate.height)?;
        contents.blocks.push(commit.block.clone());
        contents.intervals.extend(commit.intervals.iter().map(|interval| (*interval, height)));
        contents.corrections.extend(commit.corrections.iter().map(|name| (*name, height)));
        contents.instructions.extend(commit.instructions.iter().map(|name| (*name, height)));
        contents.decisions.extend(commit.decisions.iter().map(|sequence| (*sequence, height)));
        contents.validator_changes.extend(commit.changes_validators.then_some(height));
        contents.events.extend(commit.events.iter().map(|(account, interval)| (*account, *interval, height)));
        contents.inputs.extend(commit.inputs.iter().cloned());
        for (key, value) in &commit.changes {
            match value {
                Some(value) => contents.entries.insert(key.clone(), value.clone()),
                None => contents.entries.remove(key),
            };
        }
        contents.candidates.retain(|(candidate, ..), _| *candidate > height);
        contents.bodies.retain(|(candidate, _), _| *candidate > height);
        Ok(())
    }

    fn log_size(&self) -> Result<u64, StoreError> {
        Ok(self.contents().log.len() as u64)
    }

    fn log_nodes(&self, height: u64) -> Result<Vec<Hash>, StoreError> {
        let index = height.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        let nodes = index.and_then(|index| self.contents().log.get(index).cloned());
        nodes.ok_or(StoreError::Missing { height })
    }

    fn extend_log(&self, nodes: &[Vec<Hash>]) -> Result<(), StoreError> {
        let mut contents = self.contents();
        if contents.log.len() + nodes.len() > contents.blocks.len() {
            return Err(StoreError::Missing { height: contents.blocks.len() as u64 + 1 });
        }
        contents.log.extend_from_slice(nodes);
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
