//! Merkle roots and inclusion proofs, as RFC 6962 §2.1 has them (crate `ct-merkle`): leaves and nodes are hashed
//! apart, so that no node can pass for a leaf.

use std::fmt;

use ct_merkle::{InclusionProof, RootHash, digest::Update, mem_backed_tree::MemoryBackedTree};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::hash::Hash;

/// A leaf: bytes hashed as they are.
#[derive(Clone)]
struct Leaf(Vec<u8>);

impl ct_merkle::HashableLeaf for Leaf {
    fn hash<H: Update>(&self, hasher: &mut H) {
        hasher.update(&self.0);
    }
}

/// A Merkle tree over byte strings.
#[derive(Default)]
pub struct MerkleTree(MemoryBackedTree<Sha256, Leaf>);

/// What a tree is known by: its root and its size, as the tree head of RFC 6962 §3.5. Without the size, one leaf could be
/// proved at more than one place.
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

impl FromIterator<Vec<u8>> for MerkleTree {
    fn from_iter<I: IntoIterator<Item = Vec<u8>>>(leaves: I) -> MerkleTree {
        let mut tree = MemoryBackedTree::new();
        for leaf in leaves {
            tree.push(Leaf(leaf));
        }
        MerkleTree(tree)
    }
}

impl MerkleTree {
    /// The root.
    pub fn root(&self) -> MerkleRoot {
        MerkleRoot { leaves: self.0.len(), hash: Hash::from_bytes((*self.0.root().as_bytes()).into()) }
    }

    /// The proof for the leaf at `index`; `None` if there is no such leaf.
    pub fn prove(&self, index: usize) -> Option<MerkleProof> {
        self.0.get(index)?;
        let path = self.0.prove_inclusion(index);
        let path = path.as_bytes().chunks_exact(32).map(|chunk| {
            let mut bytes = [0; 32];
            bytes.copy_from_slice(chunk);
            Hash::from_bytes(bytes)
        });
        Some(MerkleProof { index: index as u64, path: path.collect() })
    }
}

impl MerkleProof {
    /// Whether `leaf` stands where this proof says in the tree of `root`.
    pub fn proves(&self, leaf: &[u8], root: &MerkleRoot) -> bool {
        if self.index >= root.leaves {
            return false;
        }
        let root = RootHash::<Sha256>::new((*root.hash.as_bytes()).into(), root.leaves);
        let path = self.path.iter().flat_map(|hash| *hash.as_bytes()).collect();
        match InclusionProof::try_from_bytes(path) {
            Ok(proof) => root.verify_inclusion(&Leaf(leaf.to_vec()), self.index, &proof).is_ok(),
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn the_empty_root_is_the_hash_of_nothing() {
        assert_eq!(MerkleTree::from_iter([]).root(), MerkleRoot { leaves: 0, hash: Hash::of(b"") });
    }
}
