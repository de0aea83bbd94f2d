//! What a household gets, and how it checks that nothing was taken back since it asked last.

use minicbor::{Decode, Encode};
use protocol::{
    envelope::{ChainId, Payload, Sealed},
    hash::Hash,
    key::PublicKey,
    log::grows,
    member::MemberId,
    merkle::{MerkleProof, MerkleRoot},
};
use serde::{Deserialize, Serialize};

use crate::access::Access;

/// Most hashes of a proof.
const PATH_MAX: usize = 64;

/// How many look-ups a log has, and the root of the tree over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Head {
    /// Look-ups.
    #[n(0)]
    pub entries: u64,
    /// The root (RFC 6962 §2.1); each leaf is a line without its end.
    #[n(1)]
    pub root: Hash,
    /// When it was signed, seconds since 1970.
    #[n(2)]
    pub at: i64,
}

impl Payload for Head {
    const DOMAIN: &'static str = "voisin/access-head/v1";
    const BYTES_MAX: usize = 512;
}

/// One look-up, with its proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Which it is, from 0.
    pub index: u64,
    /// The line.
    pub line: String,
    /// Hashes that lead from it to the root, from the leaf up.
    pub path: Vec<Hash>,
}

/// The look-ups that concern a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accesses {
    /// The key of the node's log.
    pub key: PublicKey,
    /// The signed head: two of one node's that contradict each other convict it.
    pub head: Sealed,
    /// The look-ups, in their order.
    pub entries: Vec<Entry>,
    /// From which one on the next page begins; as many as there are, where this is the last.
    pub next: u64,
    /// That what the household saw last is the beginning of this.
    pub consistency: Vec<Hash>,
}

/// What a household remembers of a node's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// The key of the node's log.
    pub key: PublicKey,
    /// How many look-ups there were.
    pub entries: u64,
    /// The root over them.
    pub root: Hash,
}

/// Why an answer is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// It goes on where there is nothing, or before where it is.
    #[error("expected the next page to begin within the log and after this one, found {0}")]
    BadPage(u64),
    /// The log has another key than before.
    #[error(
        "expected the log of the key {expected}, found another's, {found}: it began anew, or somebody else answers"
    )]
    OtherKey {
        /// The key that it had.
        expected: PublicKey,
        /// The key that it has.
        found: PublicKey,
    },
    /// The head is not signed by the log's key.
    #[error("expected a head that the log's key has signed: {0}")]
    BadSignature(String),
    /// There are fewer than there were.
    #[error("expected at least the {expected} look-ups that there were, found {found}: some were taken back")]
    Shrunk {
        /// How many there were.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// What was there is not the beginning of what is there.
    #[error("expected the {0} look-ups that there were, unchanged, found others in their place: the log was rewritten")]
    Rewritten(u64),
    /// A look-up is not in the log.
    #[error("expected look-ups that the log has, in their order, each about you or everybody; look-up {0} is none")]
    NotProved(u64),
}

impl Accesses {
    /// Checks an answer to `member`, which asked from the look-up `since` on. What is remembered of it from now on, and
    /// the look-ups.
    pub fn check(
        &self,
        chain: &ChainId,
        member: MemberId,
        since: u64,
        seen: Option<&Seen>,
    ) -> Result<(Seen, Vec<Access>), AnswerFault> {
        if let Some(seen) = seen.filter(|seen| seen.key != self.key) {
            return Err(AnswerFault::OtherKey { expected: seen.key, found: self.key });
        }
        let head = self.head.open::<Head>(chain, |key| *key == self.key);
        let head = head.map_err(|error| AnswerFault::BadSignature(error.to_string()))?;
        let root = MerkleRoot { leaves: head.entries, hash: head.root };
        if let Some(seen) = seen {
            self.check_growth(&root, seen)?;
        }
        let mut found = Vec::new();
        let mut next = since;
        for Entry { index, line, path } in &self.entries {
            let wrong = AnswerFault::NotProved(*index);
            let access = Access::read(line).filter(|access| access.concerns(member) && *index >= next);
            let access = access.filter(|_| path.len() <= PATH_MAX).ok_or(wrong.clone())?;
            if !(MerkleProof { index: *index, path: path.clone() }).proves(line.as_bytes(), &root) {
                return Err(wrong);
            }
            next = index + 1;
            found.push(access);
        }
        if self.next < next || self.next > root.leaves {
            return Err(AnswerFault::BadPage(self.next));
        }
        Ok((Seen { key: self.key, entries: root.leaves, root: root.hash }, found))
    }

    fn check_growth(&self, root: &MerkleRoot, seen: &Seen) -> Result<(), AnswerFault> {
        let before = MerkleRoot { leaves: seen.entries, hash: seen.root };
        if root.leaves < before.leaves {
            return Err(AnswerFault::Shrunk { expected: before.leaves, found: root.leaves });
        }
        if before.leaves == 0 || *root == before || grows(&before, root, &self.consistency) {
            return Ok(());
        }
        Err(AnswerFault::Rewritten(before.leaves))
    }
}
