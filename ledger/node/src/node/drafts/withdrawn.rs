//! Approvals that were withdrawn. They are kept as long as the decision could still be made: another node, or a file,
//! may bring the approval again.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use protocol::{
    commit::Validator,
    envelope::{Payload, Sealed, Signed},
    hash::Hash,
    key::ValidatorId,
    withdrawal::Withdrawal,
};

use super::{KEPT_S, Put, TOLD_S};

/// Most that are kept of one validator.
const OF_ONE_MAX: usize = 64;
/// How their files end, beside those of the drafts.
const EXTENSION: &str = "withdrawn";

/// The withdrawn approvals that a node knows of.
#[derive(Default)]
pub(in crate::node) struct Withdrawn {
    kept: BTreeMap<(Hash, ValidatorId), Kept>,
    directory: Option<PathBuf>,
}

struct Kept {
    withdrawal: Signed<Withdrawal>,
    /// Unix seconds.
    since_s: i64,
}

impl Withdrawn {
    /// Whether a validator has withdrawn its approval of a decision.
    pub(in crate::node) fn holds(&self, decision: &Hash, validator: &ValidatorId) -> bool {
        self.kept.contains_key(&(*decision, *validator))
    }

    /// Keeps a withdrawal.
    pub(in crate::node) fn put(&mut self, withdrawal: Signed<Withdrawal>, now_s: i64) -> Put {
        let (decision, validator) = (withdrawal.decision, withdrawal.signer());
        if self.holds(&decision, &validator) {
            return Put::Known;
        }
        if self.kept.keys().filter(|(_, of)| *of == validator).count() >= OF_ONE_MAX {
            return Put::NoRoom;
        }
        if let Some(directory) = &self.directory {
            let file = file(directory, &withdrawal);
            if let Err(error) = fs::write(&file, withdrawal.bytes()) {
                tracing::warn!(file = %file.display(), %error, "a withdrawal is kept until the node stops, and no longer");
            }
        }
        self.kept.insert((decision, validator), Kept { withdrawal, since_s: now_s });
        Put::New
    }

    /// Forgets what is decided up to `decided`, what is too old, and what is of validators no more.
    pub(super) fn forget(&mut self, decided: u64, validators: &[Validator], now_s: i64) {
        let directory = self.directory.clone();
        self.kept.retain(|(_, of), Kept { withdrawal, since_s }| {
            let stays = withdrawal.sequence > decided
                && *since_s + KEPT_S >= now_s
                && validators.iter().any(|validator| validator.key == *of);
            if let (false, Some(directory)) = (stays, &directory) {
                let file = file(directory, withdrawal);
                match fs::remove_file(&file) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        tracing::warn!(file = %file.display(), %error, "a withdrawal that is over stays on disk; remove it");
                    }
                    _ => {}
                }
            }
            stays
        });
    }

    /// Those that other nodes should be told of again, by the hash of the message.
    pub(in crate::node) fn to_tell(&self, now_s: i64) -> Vec<Hash> {
        let young = self.kept.values().filter(|kept| kept.since_s + TOLD_S > now_s);
        young.map(|kept| kept.withdrawal.hash()).collect()
    }

    /// A withdrawal as it is told to other nodes.
    pub(in crate::node) fn message(&self, id: &Hash) -> Option<Vec<u8>> {
        let found = self.kept.values().find(|kept| kept.withdrawal.hash() == *id)?;
        Some(found.withdrawal.bytes().to_vec())
    }

    /// From now on keeps them in files as well; returns those that are there, of which none is verified.
    pub(in crate::node) fn keep_in(&mut self, directory: PathBuf) -> Vec<Sealed> {
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        let files = entries.map(|entry| entry.path()).filter(|file| file.extension().is_some_and(|it| it == EXTENSION));
        let read = |file: PathBuf| {
            let length = fs::metadata(&file).ok()?.len();
            if length > Withdrawal::BYTES_MAX as u64 { None } else { fs::read(&file).ok().map(Sealed::from) }
        };
        let before = files.filter_map(read).collect();
        self.directory = Some(directory);
        before
    }
}

fn file(directory: &Path, withdrawal: &Signed<Withdrawal>) -> PathBuf {
    let Withdrawal { sequence, decision } = **withdrawal;
    directory.join(format!("{sequence:06}-{decision}-{}.{EXTENSION}", withdrawal.signer().multibase()))
}
