//! Merkle roots and inclusion proofs, as RFC 6962 §2.1 has them (crate `tlog_tiles`): leaves and nodes are hashed
//! apart, so that no node can pass for a leaf.

use std::fmt;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use tlog_tiles::tlog::{self, HashReader};

use crate::{cbor, hash::Hash};

/// A Merkle tree over byte strings. It keeps the hashes of its nodes that are complete, not the leaves; so a leaf costs
/// two hashes, however many there are, and one where its own is known.
#[derive(Debug, Clone, Default)]
pub struct MerkleTree {
    leaves: u64,
    nodes: Nodes,
}

/// Hashes of the nodes, in the order in which they became complete.
#[derive(Debug, Clone, Default)]
struct Nodes(Vec<tlog::Hash>);

impl HashReader for Nodes {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        let node = |index: &u64| self.0.get(usize::try_from(*index).ok()?).copied();
        indexes.iter().map(node).collect::<Option<_>>().ok_or(tlog::Error::IndexesNotInTree)
    }
}

/// What a tree is known by: its root and its size, as the tree head of RFC 6962 §3.5. Without the size, one leaf could
/// be proved at more than one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct MerkleRoot {
    /// Leaves of the tree.
    #[n(0)]
    pub leaves: u64,
    /// Hash of the topmost node; of a tree without leaves, the hash of nothing.
    #[n(1)]
    pub hash: Hash,
}

impl fmt::Display for MerkleRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} leaves", self.hash, self.leaves)
    }
}

/// Where a leaf is, and the hashes that lead from it to the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MerkleProof {
    /// Position of the leaf, from 0.
    pub index: u64,
    /// Sibling hashes, from the leaf up.
    pub path: Vec<Hash>,
}

/// The hash of a leaf.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Hash::from_bytes(tlog::record_hash(leaf).0)
}

impl<L: AsRef<[u8]>> FromIterator<L> for MerkleTree {
    fn from_iter<I: IntoIterator<Item = L>>(leaves: I) -> MerkleTree {
        let leaves: Vec<Hash> = leaves.into_iter().map(|leaf| leaf_hash(leaf.as_ref())).collect();
        MerkleTree::of_hashes(leaves.into_iter())
    }
}

impl MerkleTree {
    /// The tree over the leaves of these [hashes](leaf_hash).
    pub fn of_hashes(leaves: impl ExactSizeIterator<Item = Hash>) -> MerkleTree {
        let mut tree = MerkleTree::default();
        tree.set_leaves(leaves);
        tree
    }

    /// Makes this the tree over the leaves of these [hashes](leaf_hash). What is above leaves that stay the same is not
    /// hashed again.
    pub fn set_leaves(&mut self, leaves: impl ExactSizeIterator<Item = Hash>) {
        let before = self.leaves;
        self.leaves = leaves.len() as u64;
        self.nodes.0.resize(tlog::stored_hash_count(self.leaves) as usize, tlog::EMPTY_HASH);
        let mut changed = Vec::with_capacity(leaves.len());
        for (index, leaf) in (0..).zip(leaves) {
            let kept = self.node(0, index);
            if index >= before || kept.0 != *leaf.as_bytes() {
                *kept = tlog::Hash(*leaf.as_bytes());
                changed.push(index);
            }
        }
        self.rehash(changed);
    }

    /// Hashes the complete nodes above leaves that have changed, in ascending order.
    fn rehash(&mut self, mut changed: Vec<u64>) {
        let mut level = 0;
        while !changed.is_empty() {
            changed.iter_mut().for_each(|index| *index /= 2);
            changed.dedup();
            // The last node of a level may have no neighbour; then there is none above it yet.
            changed.retain(|index| (index + 1) << (level + 1) <= self.leaves);
            for index in &changed {
                let [left, right] = [2 * index, 2 * index + 1].map(|child| *self.node(level, child));
                *self.node(level + 1, *index) = tlog::node_hash(left, right);
            }
            level += 1;
        }
    }

    fn node(&mut self, level: u8, index: u64) -> &mut tlog::Hash {
        &mut self.nodes.0[tlog::stored_hash_index(level, index) as usize]
    }

    /// The tree over values, each encoded.
    pub fn of_encoded<T: Encode<()>>(values: impl IntoIterator<Item = T>) -> MerkleTree {
        let mut bytes = Vec::new();
        let leaf = |value| {
            bytes.clear();
            cbor::encode_into(&value, &mut bytes);
            leaf_hash(&bytes)
        };
        let leaves: Vec<Hash> = values.into_iter().map(leaf).collect();
        MerkleTree::of_hashes(leaves.into_iter())
    }

    /// The root.
    pub fn root(&self) -> MerkleRoot {
        match tlog::tree_hash(self.leaves, &self.nodes) {
            Ok(hash) => MerkleRoot { leaves: self.leaves, hash: Hash::from_bytes(hash.0) },
            Err(error) => unreachable!("all nodes of the tree are kept: {error}"),
        }
    }

    /// The proof for the leaf at `index`; `None` if there is no such leaf.
    pub fn prove(&self, index: usize) -> Option<MerkleProof> {
        let index = u64::try_from(index).ok()?;
        let path = tlog::prove_record(self.leaves, index, &self.nodes).ok()?;
        Some(MerkleProof { index, path: path.into_iter().map(|hash| Hash::from_bytes(hash.0)).collect() })
    }
}

impl MerkleProof {
    /// Whether `leaf` stands where this proof says in the tree of `root`.
    pub fn proves(&self, leaf: &[u8], root: &MerkleRoot) -> bool {
        let path = self.path.iter().map(|hash| tlog::Hash(*hash.as_bytes())).collect();
        let root_hash = tlog::Hash(*root.hash.as_bytes());
        tlog::check_record(&path, root.leaves, root_hash, self.index, tlog::record_hash(leaf)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use sha2::Sha256;

    use super::*;

    #[test]
    fn every_leaf_is_proved_and_no_other() {
        for leaves in 1..20 {
            let tree: MerkleTree = (0..leaves).map(|i: u8| vec![i]).collect();
            for index in 0..leaves {
                let proof = tree.prove(index.into()).unwrap();
                assert!(proof.proves(&[index], &tree.root()));
                assert!(!proof.proves(&[index + 1], &tree.root()));
                for wrong in [u64::from(index) + 1, u64::from(index) + 100, u64::MAX] {
                    assert!(!MerkleProof { index: wrong, ..proof.clone() }.proves(&[index], &tree.root()));
                }
            }
            assert_eq!(tree.prove(leaves.into()), None);
        }
    }

    #[test]
    fn the_root_says_how_many_leaves_there_are() {
        let [five, six] = [5, 6].map(|leaves: u8| (0..leaves).map(|i| vec![i]).collect::<MerkleTree>());
        let root = MerkleRoot { leaves: 6, ..five.root() };
        assert!(!six.prove(1).unwrap().proves(&[1], &root));
        assert_ne!(root, five.root());
    }

    #[test]
    fn another_library_makes_the_same_root_and_believes_the_proofs() {
        for leaves in (0_u64..70).chain([1_000]) {
            let tree: MerkleTree = (0..leaves).map(|leaf| leaf.to_be_bytes().to_vec()).collect();
            let mut other = MemoryBackedTree::<Sha256, [u8; 8]>::new();
            (0..leaves).for_each(|leaf| other.push(leaf.to_be_bytes()));
            let root = other.root();
            assert_eq!(tree.root().hash.as_bytes()[..], root.as_bytes()[..], "{leaves}");
            for leaf in (0..leaves).step_by(7) {
                let proof = tree.prove(leaf as usize).unwrap();
                let path = proof.path.iter().flat_map(|hash| *hash.as_bytes()).collect();
                let path = ct_merkle::InclusionProof::<Sha256>::try_from_bytes(path).unwrap();
                root.verify_inclusion(&leaf.to_be_bytes(), leaf, &path).unwrap();
            }
        }
    }

    #[test]
    fn a_tree_whose_leaves_change_is_the_one_made_anew() {
        let hashes = |leaves: &[u8]| leaves.iter().map(|leaf| leaf_hash(&[*leaf])).collect::<Vec<_>>();
        for leaves in 0..20 {
            let before: Vec<u8> = (0..leaves).collect();
            let same = |after: &[u8]| {
                let anew: MerkleTree = after.iter().map(|leaf| [*leaf]).collect();
                let mut changed = MerkleTree::of_hashes(hashes(&before).into_iter());
                changed.set_leaves(hashes(after).into_iter());
                assert_eq!((changed.root(), &changed.nodes.0), (anew.root(), &anew.nodes.0), "{before:?} to {after:?}");
            };
            same(&before);
            for index in 0..before.len() {
                let changed = |change: fn(&mut Vec<u8>, usize)| {
                    let mut after = before.clone();
                    change(&mut after, index);
                    same(&after);
                };
                changed(|after, index| after[index] = 100);
                changed(|after, index| after.insert(index, 100));
                changed(|after, index| {
                    after.remove(index);
                });
                changed(|after, index| after.truncate(index));
                changed(|after, index| after.extend(100..=100 + index as u8));
                changed(|after, index| after[index..].fill(100));
            }
        }
    }

    #[test]
    fn a_root_that_claims_too_many_leaves_is_no_trouble() {
        let proof = |path| MerkleProof { index: u64::MAX - 1, path: vec![Hash::ZERO; path] };
        let root = MerkleRoot { leaves: u64::MAX, hash: Hash::ZERO };
        assert!((0..70).all(|path| !proof(path).proves(&[1], &root)));
    }

    #[test]
    fn the_empty_root_is_the_hash_of_nothing() {
        assert_eq!(MerkleTree::default().root(), MerkleRoot { leaves: 0, hash: Hash::of(b"") });
    }
}
