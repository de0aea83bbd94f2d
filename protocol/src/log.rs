//! The log of a chain: one Merkle tree (RFC 6962) over all its headers, in which the header of height `h`, in CBOR, is
//! leaf `h − 1`. So the bytes that a leaf is of are those that a certificate's block hash is of.
//!
//! Nothing of it is kept here. A node keeps the hashes of the nodes of the tree that are complete, and hands in how to
//! read one; proofs, tiles and roots are made of them by the crate `tlog_tiles`. Whoever checks needs none of them.

mod proof;
mod tile;

use std::cell::Cell;

use tlog_tiles::tlog::{self, HashReader};

use crate::{
    block::Header,
    cbor,
    hash::Hash,
    limits::LOG_PATH_MAX,
    merkle::{MerkleProof, MerkleRoot, leaf_hash},
};

pub use self::{
    proof::{LogProof, ProofExtra},
    tile::Tile,
};

/// The hash of a header's leaf.
pub fn header_leaf(header: &Header) -> Hash {
    leaf_hash(&cbor::encode(header))
}

/// Whether the tree of `new` begins with all that the tree of `old` has, by a consistency proof (RFC 6962 §2.1.2). A
/// tree of no leaves begins all others, without any proof.
pub fn grows(old: &MerkleRoot, new: &MerkleRoot, proof: &[Hash]) -> bool {
    if proof.len() > LOG_PATH_MAX || old.leaves > new.leaves {
        return false;
    }
    if old.leaves == 0 {
        return proof.is_empty() && old.hash == Hash::of(b"");
    }
    let proof = proof.iter().map(to_tlog).collect();
    tlog::check_tree(&proof, new.leaves, to_tlog(&new.hash), old.leaves, to_tlog(&old.hash)).is_ok()
}

fn to_tlog(hash: &Hash) -> tlog::Hash {
    tlog::Hash(*hash.as_bytes())
}

fn of_tlog(hash: tlog::Hash) -> Hash {
    Hash::from_bytes(hash.0)
}

/// A log of which the hashes of complete nodes can be read, each by its level, 0 for leaves, and its place there.
pub struct Log<R> {
    size: u64,
    read: R,
}

/// Hands hashes to the library, and keeps the reason where one cannot be read.
struct Reader<'a, R, E> {
    read: &'a R,
    failed: Cell<Option<E>>,
}

impl<E, R: Fn(u8, u64) -> Result<Hash, E>> HashReader for Reader<'_, R, E> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        let read = |index: &u64| {
            let (level, place) = tlog::split_stored_hash_index(*index);
            (self.read)(level, place).map(|hash| to_tlog(&hash))
        };
        indexes.iter().map(read).collect::<Result<_, E>>().map_err(|error| {
            self.failed.set(Some(error));
            tlog::Error::IndexesNotInTree
        })
    }
}

impl<E, R: Fn(u8, u64) -> Result<Hash, E>> Log<R> {
    /// The log of the first `size` blocks.
    pub fn new(size: u64, read: R) -> Log<R> {
        Log { size, read }
    }

    /// The hashes of the nodes that become complete with one more leaf: its own, and those above it, from below. At
    /// most 1 + log₂ of the size, and on average two.
    pub fn append(&self, leaf: Hash) -> Result<Vec<Hash>, E> {
        let nodes = self.ask(|reader| tlog::stored_hashes_for_record_hash(self.size, to_tlog(&leaf), reader))?;
        Ok(nodes.into_iter().map(of_tlog).collect())
    }

    /// The hash of a complete node.
    pub fn node(&self, level: u8, place: u64) -> Result<Hash, E> {
        (self.read)(level, place)
    }

    /// The root.
    pub fn root(&self) -> Result<MerkleRoot, E> {
        let hash = self.ask(|reader| tlog::tree_hash(self.size, reader))?;
        Ok(MerkleRoot { leaves: self.size, hash: of_tlog(hash) })
    }

    /// The proof that a header is in it; none of a height that is not.
    pub fn prove(&self, height: u64) -> Result<Option<MerkleProof>, E> {
        let Some(index) = height.checked_sub(1).filter(|index| *index < self.size) else { return Ok(None) };
        let path = self.ask(|reader| tlog::prove_record(self.size, index, reader))?;
        Ok(Some(MerkleProof { index, path: path.into_iter().map(of_tlog).collect() }))
    }

    /// The proof that it begins with the log of so many blocks; none if that is larger.
    pub fn prove_growth(&self, from: u64) -> Result<Option<Vec<Hash>>, E> {
        match from {
            0 => Ok(Some(Vec::new())),
            from if from > self.size => Ok(None),
            from => {
                let path = self.ask(|reader| tlog::prove_tree(self.size, from, reader))?;
                Ok(Some(path.into_iter().map(of_tlog).collect()))
            }
        }
    }

    /// The hashes of a tile, one after the other; none if not all of it is there yet.
    pub fn tile(&self, tile: &Tile) -> Result<Option<Vec<u8>>, E> {
        let mut bytes = Vec::new();
        let Some(places) = tile.places(self.size) else { return Ok(None) };
        for place in places {
            bytes.extend_from_slice(self.node(tile.height(), place)?.as_bytes());
        }
        Ok(Some(bytes))
    }

    fn ask<'a, T>(&'a self, question: impl FnOnce(&Reader<'a, R, E>) -> Result<T, tlog::Error>) -> Result<T, E> {
        let reader = Reader { read: &self.read, failed: Cell::new(None) };
        question(&reader).map_err(|error| match reader.failed.take() {
            Some(failed) => failed,
            None => unreachable!("only what is in the tree was asked for: {error}"),
        })
    }
}

#[cfg(test)]
mod tests;
