//! All look-ups at a node, in their order.

use std::{collections::BTreeSet, convert::Infallible};

use protocol::{
    hash::Hash,
    log::Log as Tree,
    member::MemberId,
    merkle::{MerkleRoot, leaf_hash},
};

use crate::{
    access::{Access, Hour, Looked},
    answer::{Entry, Head},
};

/// Most look-ups that a log has: at most 140 MB of lines.
pub const ENTRIES_MAX: usize = 1_000_000;
/// Most look-ups in one answer.
const ANSWERED_MAX: usize = 1_000;

/// Why a file is no log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// A line is none of a log's.
    #[error(
        "line {0}: expected a look-up, found something else; put the file back from a backup, or move it away: then every household sees that look-ups are gone"
    )]
    Line(usize),
    /// There are more than a log has.
    #[error("expected at most {ENTRIES_MAX} look-ups, found more")]
    TooMany,
}

/// What became of a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// It is new: its line, to be put on the disk before the call is answered.
    Line(String),
    /// The same was logged in this hour.
    Known,
    /// There is no room for more.
    Full,
}

/// All look-ups at a node.
#[derive(Debug, Default)]
pub struct Log {
    entries: Vec<Access>,
    /// Hashes of the tree's complete nodes, level by level, from the leaves up.
    nodes: Vec<Vec<Hash>>,
    /// What was logged in the last hour that was.
    hour: Option<Hour>,
    lately: BTreeSet<(String, String, crate::Call, Option<MemberId>)>,
}

impl Log {
    /// Reads a log. A last line without an end is one that the power cut off: its call was never answered. How many
    /// bytes are whole.
    pub fn read(text: &str) -> Result<(Log, usize), LogError> {
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut log = Log::default();
        for (line, number) in text[..whole].lines().zip(1..) {
            if log.entries.len() == ENTRIES_MAX {
                return Err(LogError::TooMany);
            }
            let access = Access::read(line).ok_or(LogError::Line(number))?;
            log.remember(&access);
            log.push(access, line);
        }
        Ok((log, whole))
    }

    /// Logs a look-up by `who`, unless the same was logged in this hour.
    pub fn note(&mut self, at: i64, who: &str, role: &str, looked: Looked) -> Noted {
        let Looked { call, member } = looked;
        // A clock that was set back makes no second entry of an hour that was.
        let hour = Hour::of(at).max(self.hour.unwrap_or(Hour::of(at)));
        let access = Access { hour, who: who.to_owned(), role: role.to_owned(), call, member };
        if !self.remember(&access) {
            return Noted::Known;
        }
        if self.entries.len() == ENTRIES_MAX {
            return Noted::Full;
        }
        let line = access.line();
        self.push(access, &line);
        Noted::Line(line + "\n")
    }

    /// Whether it is new in its hour.
    fn remember(&mut self, access: &Access) -> bool {
        if self.hour != Some(access.hour) {
            self.hour = Some(access.hour);
            self.lately.clear();
        }
        self.lately.insert((access.who.clone(), access.role.clone(), access.call, access.member))
    }

    fn push(&mut self, access: Access, line: &str) {
        let Ok(completed) = self.tree().append(leaf_hash(line.as_bytes()));
        self.nodes.resize_with(self.nodes.len().max(completed.len()), Vec::new);
        for (level, node) in self.nodes.iter_mut().zip(completed) {
            level.push(node);
        }
        self.entries.push(access);
    }

    fn tree(&self) -> Tree<impl Fn(u8, u64) -> Result<Hash, Infallible> + '_> {
        Tree::new(self.entries.len() as u64, |level, place| {
            let node = self.nodes.get(usize::from(level)).and_then(|nodes| nodes.get(usize::try_from(place).ok()?));
            match node {
                Some(node) => Ok(*node),
                None => unreachable!("all nodes of the tree are kept"),
            }
        })
    }

    /// How many look-ups there are, and the root of the tree over them.
    pub fn head(&self, at: i64) -> Head {
        let Ok(MerkleRoot { leaves, hash }) = self.tree().root();
        Head { entries: leaves, root: hash, at }
    }

    /// The look-ups from one on that concern a member, each with its proof, and which one comes after those that were
    /// looked at: at most so many that an answer has its bounds.
    pub fn of(&self, member: MemberId, since: u64) -> (Vec<Entry>, u64) {
        let tree = self.tree();
        let mut found = Vec::new();
        let first = usize::try_from(since).unwrap_or(usize::MAX);
        for (index, access) in self.entries.iter().enumerate().skip(first) {
            if !access.concerns(member) {
                continue;
            }
            if found.len() == ANSWERED_MAX {
                return (found, index as u64);
            }
            // The library counts from 1.
            let Ok(Some(proof)) = tree.prove(index as u64 + 1) else { unreachable!("it is in the tree") };
            found.push(Entry { index: index as u64, line: access.line(), path: proof.path });
        }
        (found, self.entries.len() as u64)
    }

    /// That the first `size` look-ups are the beginning of all; none where there are not as many.
    pub fn consistency(&self, size: u64) -> Option<Vec<Hash>> {
        let Ok(path) = self.tree().prove_growth(size);
        path
    }
}
