//! The state as entries: what is stored, and what the root is made of.
//!
//! A leaf of the root is an entry's key and the hash of its value. Both are kept, and only what a block has touched is
//! encoded and hashed again. What grows with every interval (what it was settled from, and its certificates) has one
//! leaf a day, which is the root over that day's intervals; so the tree stays small.

use std::{collections::BTreeMap, sync::Arc};

use protocol::{
    hash::Hash,
    interval::Interval,
    island,
    member::MemberId,
    merkle::{MerkleProof, MerkleRoot, MerkleTree, leaf_hash},
    registration::{self, state_leaf},
};

/// Names an entry. In the order of their keys' bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// What a member owes and is owed, its chain's head, its orders.
    Account(MemberId),
    /// The root over a day's intervals, by the day's first second. A leaf, not stored.
    Day(i64),
    /// Where a member's registers stand. Stored, not a leaf: the chain's head, which is in the account, covers it.
    Head(MemberId),
    /// What an interval was settled from. Stored, not a leaf: its day covers it.
    Interval(Interval),
    /// The island, and what would begin one.
    Island,
    /// Who a member is.
    Member(MemberId),
    /// The rules, by the interval from which on they hold.
    Rules,
    /// What changes with an interval to come.
    Schedule,
    /// What is known of a member for an island.
    Standby(MemberId),
    /// The market as a whole.
    Totals,
}

const ACCOUNT: &[u8] = b"account/";
const DAY: &[u8] = b"day/";
const HEAD: &[u8] = b"head/";
const INTERVAL: &[u8] = b"interval/";
const ISLAND: &[u8] = b"island";
const MEMBER: &[u8] = registration::STATE_PREFIX;
const RULES: &[u8] = b"rules";
const SCHEDULE: &[u8] = b"schedule";
const STANDBY: &[u8] = island::STATE_PREFIX;
const TOTALS: &[u8] = b"totals";

impl Key {
    pub(super) fn bytes(self) -> Vec<u8> {
        match self {
            Key::Account(id) => [ACCOUNT, id.as_bytes()].concat(),
            Key::Day(start_s) => [DAY, &start_s.to_be_bytes()[..]].concat(),
            Key::Head(id) => [HEAD, id.as_bytes()].concat(),
            Key::Interval(interval) => {
                let minutes = interval.length().minutes().to_be_bytes();
                [INTERVAL, &interval.start_s().to_be_bytes()[..], &minutes[..]].concat()
            }
            Key::Island => ISLAND.to_vec(),
            Key::Member(id) => [MEMBER, id.as_bytes()].concat(),
            Key::Rules => RULES.to_vec(),
            Key::Schedule => SCHEDULE.to_vec(),
            Key::Standby(id) => [STANDBY, id.as_bytes()].concat(),
            Key::Totals => TOTALS.to_vec(),
        }
    }

    /// The key of a stored entry; `None` if it is none.
    pub(super) fn stored(bytes: &[u8]) -> Option<Key> {
        let member = |prefix| Some(MemberId::from_bytes(bytes.strip_prefix(prefix)?.try_into().ok()?));
        let interval = || {
            let (start_s, minutes) = bytes.strip_prefix(INTERVAL)?.split_first_chunk()?;
            let length = u32::from_be_bytes(minutes.try_into().ok()?).try_into().ok()?;
            Interval::new(i64::from_be_bytes(*start_s), length)
        };
        match bytes {
            ISLAND => Some(Key::Island),
            RULES => Some(Key::Rules),
            SCHEDULE => Some(Key::Schedule),
            TOTALS => Some(Key::Totals),
            _ => (member(ACCOUNT).map(Key::Account))
                .or_else(|| member(HEAD).map(Key::Head))
                .or_else(|| member(MEMBER).map(Key::Member))
                .or_else(|| member(STANDBY).map(Key::Standby))
                .or_else(|| interval().map(Key::Interval)),
        }
    }

    /// The hash of the leaf of an entry, which is written into `leaf`.
    fn leaf(self, value: &[u8], leaf: &mut Vec<u8>) -> Hash {
        leaf.clear();
        state_leaf(self.bytes(), value, leaf);
        leaf_hash(leaf)
    }

    fn is_leaf(self) -> bool {
        !matches!(self, Key::Head(_) | Key::Interval(_))
    }

    pub(super) fn is_stored(self) -> bool {
        !matches!(self, Key::Day(_))
    }
}

/// Names the entries that a block has changed.
#[derive(Debug, Clone)]
pub struct Changed(Vec<Key>);

impl Changed {
    pub(super) fn stored(&self) -> impl Iterator<Item = Key> {
        self.0.iter().copied().filter(|key| key.is_stored())
    }
}

/// Entries that a block has changed, by their keys; none where one is gone.
pub type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The leaves of the state, and which entries are newer than their leaves.
#[derive(Debug, Clone, Default)]
pub(super) struct Leaves {
    /// The hashes of the leaves, in ascending order of key.
    hashes: Arc<Vec<(Key, Hash)>>,
    /// The tree over them.
    tree: Arc<MerkleTree>,
    /// In no order, some more than once.
    touched: Vec<Key>,
    root: Option<MerkleRoot>,
}

impl Leaves {
    /// An entry has changed.
    pub(super) fn touch(&mut self, key: Key) {
        self.touched.push(key);
        self.root = None;
    }

    /// The root, if nothing has changed since it was made.
    pub(super) fn root(&self) -> Option<MerkleRoot> {
        self.root
    }

    /// The way from an entry's leaf to the root; none if there is no such leaf, or something has changed since the root
    /// was made.
    pub(super) fn prove(&self, key: Key) -> Option<MerkleProof> {
        self.root?;
        let index = self.hashes.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        self.tree.prove(index)
    }

    /// Hashes what was touched, and makes the root. `write` appends an entry's value, or says that there is none.
    /// Returns what has changed since the last time.
    pub(super) fn seal(&mut self, write: impl Fn(Key, &mut Vec<u8>) -> bool) -> (MerkleRoot, Changed) {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort();
        touched.dedup();
        let (mut value, mut leaf) = (Vec::new(), Vec::new());
        let mut leaf = |key: Key| {
            value.clear();
            write(key, &mut value).then(|| key.leaf(&value, &mut leaf))
        };
        let hashes = touched.iter().filter(|key| key.is_leaf()).map(|key| (*key, leaf(*key))).collect();
        let hashes = merged(&self.hashes, hashes);
        let tree = Arc::make_mut(&mut self.tree);
        tree.set_leaves(hashes.iter().map(|(_, hash)| *hash));
        let root = tree.root();
        self.hashes = Arc::new(hashes);
        self.root = Some(root);
        (root, Changed(touched))
    }
}

/// Some leaves after changes to them, all in ascending order of key.
fn merged(leaves: &[(Key, Hash)], changes: Vec<(Key, Option<Hash>)>) -> Vec<(Key, Hash)> {
    let mut merged = Vec::with_capacity(leaves.len() + changes.len());
    let mut leaves = leaves.iter().copied().peekable();
    for (key, hash) in changes {
        merged.extend(std::iter::from_fn(|| leaves.next_if(|(other, _)| *other < key)));
        leaves.next_if(|(other, _)| *other == key);
        merged.extend(hash.map(|hash| (key, hash)));
    }
    merged.extend(leaves);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_their_bytes_and_found_again() {
        let member = |byte| MemberId::from_bytes([byte; 16]);
        let interval = |number| "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(number).unwrap();
        let keys = [
            Key::Account(member(1)),
            Key::Account(member(2)),
            Key::Day(0),
            Key::Day(86_400),
            Key::Head(member(1)),
            Key::Interval(interval(0)),
            Key::Interval(interval(1)),
            Key::Island,
            Key::Member(member(1)),
            Key::Rules,
            Key::Schedule,
            Key::Standby(member(1)),
            Key::Totals,
        ];
        assert!(keys.is_sorted());
        assert!(keys.map(Key::bytes).is_sorted());
        for key in keys {
            assert_eq!(Key::stored(&key.bytes()), Some(key).filter(|key| key.is_stored()));
        }
        assert_eq!(Key::stored(b"account/short"), None);
        assert_eq!(Key::stored(b""), None);
    }
}
