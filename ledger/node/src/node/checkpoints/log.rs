//! The log in the store. It is made of the blocks, so that a store from before there was one gets it, too.

use std::sync::PoisonError;

use minicbor::{Decode, Decoder};
use protocol::{
    api::Consistency,
    block::Header,
    cbor,
    checkpoint::{Checkpoint, SignedCheckpoint},
    hash::Hash,
    log::{Log, LogProof, ProofExtra, Tile, header_leaf},
};

use super::Published;
use crate::{
    node::{Ledger, LedgerError},
    store::{Store, StoreError, damaged},
};

/// Blocks that are laid into the log in one write.
const EXTENDED_AT_ONCE_MAX: usize = 256;

/// The log of the first `size` blocks of a store.
fn log_of(store: &dyn Store, size: u64) -> Log<impl Fn(u8, u64) -> Result<Hash, StoreError> + '_> {
    Log::new(size, move |level, place| {
        // A node is complete with the last of its leaves.
        let height = (place + 1) << level;
        let node = store.log_nodes(height)?.get(usize::from(level)).copied();
        node.ok_or_else(|| damaged(store, format!("the log of headers at height {height}"), "a node is missing"))
    })
}

/// The header of a stored block, without what follows it.
fn header(store: &dyn Store, height: u64) -> Result<Header, StoreError> {
    let stored = store.block(height)?.ok_or(StoreError::Missing { height })?;
    let mut decoder = Decoder::new(&stored.body);
    let header = decoder.array().and_then(|_| Header::decode(&mut decoder, &mut ()));
    header.map_err(|error| damaged(store, format!("the block of height {height}"), error))
}

/// Lays the next blocks into the log, as many as are written at once; says how many it has.
fn extend(store: &dyn Store) -> Result<u64, StoreError> {
    let size = store.log_size()?;
    let mut nodes: Vec<Vec<Hash>> = Vec::new();
    for height in (size + 1..=store.height()?).take(EXTENDED_AT_ONCE_MAX) {
        let leaf = header_leaf(&header(store, height)?);
        let stored = log_of(store, size);
        let log = Log::new(height - 1, |level, place| {
            let with = (place + 1) << level;
            let node = with.checked_sub(size + 1).and_then(|index| nodes.get(index as usize));
            match node.and_then(|nodes| nodes.get(usize::from(level))) {
                Some(node) => Ok(*node),
                None => stored.node(level, place),
            }
        });
        let completed = log.append(leaf)?;
        nodes.push(completed);
    }
    if !nodes.is_empty() {
        store.extend_log(&nodes)?;
    }
    Ok(size + nodes.len() as u64)
}

impl Ledger {
    /// The log of the first `size` blocks.
    pub(super) fn log(&self, size: u64) -> Log<impl Fn(u8, u64) -> Result<Hash, StoreError> + '_> {
        log_of(&*self.store, size)
    }

    /// Blocks in the log: all, but for some that were committed just now.
    pub fn log_size(&self) -> Result<u64, LedgerError> {
        Ok(self.store.log_size()?)
    }

    /// Lays blocks into the log that are not in it yet, 256 at most: whoever wants all asks again while it has fewer
    /// than there are. Says how many it has.
    pub fn extend_log(&self) -> Result<u64, LedgerError> {
        // One at a time: whoever comes second finds nothing to do.
        let _extending = self.extending_log.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(extend(&*self.store)?)
    }

    /// The latest checkpoint: the last that enough validators have cosigned, shown to the witnesses; before there is
    /// one, this node's own. None before the first block.
    pub fn checkpoint(&self) -> Result<Option<SignedCheckpoint>, LedgerError> {
        if let Some(published) = &self.checkpoints.served().latest {
            return Ok(Some(published.checkpoint.clone()));
        }
        let size = self.log_size()?;
        let Some(keys) = self.checkpoints.keys.get().filter(|_| size > 0) else { return Ok(None) };
        let root = self.log(size).root()?;
        let (secret, key) = &keys.log;
        Ok(Some(SignedCheckpoint::sign(Checkpoint::of(&self.chain(), root), secret, key)))
    }

    /// The proof that the block of a height is in the log, with a checkpoint that enough validators have cosigned; none
    /// while there is no such checkpoint that reaches so far.
    pub fn log_proof(&self, height: u64) -> Result<Option<LogProof>, LedgerError> {
        let published = self.checkpoints.served().for_height(height).cloned();
        match published {
            Some(published) => self.proof_by(height, published),
            None => Ok(None),
        }
    }

    pub(super) fn proof_by(&self, height: u64, published: Published) -> Result<Option<LogProof>, LedgerError> {
        let size = published.size();
        let Published { checkpoint, steps, cosigners, .. } = published;
        let Some(proof) = self.log(size).prove(height)? else { return Ok(None) };
        let header = header(&*self.store, height)?;
        Ok(Some(LogProof { extra: ProofExtra { header, steps, cosigners }, proof, checkpoint }))
    }

    /// That the log of `to` blocks begins with that of `from`; none where there are not so many, or fewer than `from`.
    pub fn consistency(&self, from: u64, to: u64) -> Result<Option<Consistency>, LedgerError> {
        if to > self.log_size()? {
            return Ok(None);
        }
        let log = self.log(to);
        let Some(path) = log.prove_growth(from)? else { return Ok(None) };
        Ok(Some(Consistency { from: self.log(from).root()?, to: log.root()?, path }))
    }

    /// A tile of the log, or of its entries; none if the log has not all of it.
    pub fn tile(&self, tile: &Tile) -> Result<Option<Vec<u8>>, LedgerError> {
        let size = self.log_size()?;
        if !tile.has_entries() {
            return Ok(self.log(size).tile(tile)?);
        }
        let Some(places) = tile.places(size) else { return Ok(None) };
        let mut bytes = Vec::new();
        for place in places {
            let entry = cbor::encode(&header(&*self.store, place + 1)?);
            let Ok(length) = u16::try_from(entry.len()) else { unreachable!("a header has less than a kilobyte") };
            bytes.extend(length.to_be_bytes());
            bytes.extend(entry);
        }
        Ok(Some(bytes))
    }
}
