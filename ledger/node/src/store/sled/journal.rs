//! The state as it is written: the changes of each block together at once, and entry by entry some blocks later. A
//! block of a large community changes thousands of small entries, most of which the next block changes again; each of
//! them written each time cost sled more than all else in a block.

use std::collections::BTreeMap;

use ledger::state::Changes;
use minicbor::bytes::{ByteSlice, ByteVec};
use protocol::cbor;

use super::{
    super::StoreError,
    keys::{JOURNAL, damaged, insert_chunks, key},
};

/// Each block writes one of so many parts of the entries, in turn; then the changes of a block are needed no longer.
const PARTS: u64 = 16;

/// What the last blocks changed.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Their changes that may be newer than the entries.
    changes: Changes,
    /// The blocks, in ascending order.
    heights: Vec<u64>,
}

impl Journal {
    /// Reads back the changes of a block. Blocks come in ascending order.
    pub(super) fn restore(&mut self, height: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let changes: Vec<(ByteVec, Option<ByteVec>)> =
            cbor::decode(bytes).map_err(|error| damaged(&prefix(height), error.to_string()))?;
        self.changes.extend(changes.into_iter().map(|(name, value)| (name.into(), value.map(Into::into))));
        self.heights.push(height);
        Ok(())
    }

    /// Adds the changes of a block to what it writes.
    pub(super) fn write(&self, batch: &mut sled::Batch, height: u64, changes: &Changes) {
        insert_chunks(batch, &prefix(height), &encoded(changes));
    }

    /// The entries that a block writes, because it is their turn; none in place of those that are gone.
    pub(super) fn due<'a>(&'a self, height: u64, changes: &'a Changes) -> BTreeMap<&'a [u8], Option<&'a [u8]>> {
        let due = self.changes.iter().chain(changes).filter(|(name, _)| has_turn(name, height));
        due.map(|(name, value)| (name.as_slice(), value.as_deref())).collect()
    }

    /// Under what the changes of blocks lie that are no longer needed once this block is written.
    pub(super) fn ended_by(&self, height: u64) -> impl Iterator<Item = Vec<u8>> {
        self.heights.iter().filter(move |past| has_ended(**past, height)).map(|past| prefix(*past))
    }

    /// A block is written.
    pub(super) fn written(&mut self, height: u64, changes: &Changes) {
        self.changes.extend(changes.iter().map(|(name, value)| (name.clone(), value.clone())));
        self.changes.retain(|name, _| !has_turn(name, height));
        self.heights.retain(|past| !has_ended(*past, height));
        self.heights.push(height);
    }

    /// Brings the entries up to the last block.
    pub(super) fn apply_to(&self, entries: &mut BTreeMap<Vec<u8>, Vec<u8>>) {
        for (name, value) in &self.changes {
            match value {
                Some(value) => entries.insert(name.clone(), value.clone()),
                None => entries.remove(name),
            };
        }
    }
}

/// Whether an entry is written with the block of this height.
fn has_turn(name: &[u8], height: u64) -> bool {
    // By the first byte of what the entry is about: sled holds neighbours together, and members are named by hashes, so
    // that all parts are about equal.
    let first = name.iter().skip_while(|byte| **byte != b'/').nth(1);
    first.map_or(0, |byte| u64::from(*byte) * PARTS / 256) == height % PARTS
}

fn has_ended(past: u64, height: u64) -> bool {
    past + PARTS <= height
}

fn prefix(height: u64) -> Vec<u8> {
    key(JOURNAL, &[&height.to_be_bytes()])
}

fn encoded(changes: &Changes) -> Vec<u8> {
    let bytes = <&ByteSlice>::from;
    let pairs = changes.iter().map(|(name, value)| (bytes(&name[..]), value.as_deref().map(bytes)));
    cbor::encode(&pairs.collect::<Vec<_>>())
}
