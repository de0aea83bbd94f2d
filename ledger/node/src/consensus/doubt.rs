//! Whether a validator can be sure of what it has signed: from what is on disk when it starts, and from what is found out
//! later.

use std::sync::{Arc, Mutex, PoisonError};

use protocol::{hash::Hash, key::ValidatorId};
use tracing::{info, warn};

use super::{
    Halt, Settings,
    record::{Record, Silent, log_height},
    signing::SharedRecord,
    silence::Silence,
};

/// Why a validator cannot be sure of what it has signed, so that it keeps silent for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Doubt {
    /// There is no record of what the key has signed.
    #[error("there is no record of what this key has signed")]
    NoRecord,
    /// The record cannot be read.
    #[error("the record of what this key has signed is damaged")]
    DamagedRecord,
    /// The record was copied: the key may have signed more since.
    #[error("the record of what this key has signed is a copy, and may be old")]
    CopiedRecord,
    /// The ledger holds a vote of the key that its record doesn't know.
    #[error(
        "block {height} holds a vote of this key that its record does not know: the record is old, or another node uses \
         the key"
    )]
    OldRecord {
        /// Height of the vote.
        height: u64,
    },
    /// The write-ahead log does not hold the last votes.
    #[error("the write-ahead log does not hold the votes at height {signed}, which were signed")]
    LostLog {
        /// The highest height at which the key has signed.
        signed: u64,
    },
    /// The engine wanted a second message of one kind for one height and round.
    #[error("a second vote or proposal was about to be signed at height {height}, round {round}")]
    Contradiction {
        /// The height.
        height: u64,
        /// The round.
        round: u32,
    },
    /// It was in doubt when it stopped, and did not find out.
    #[error("it kept silent before it was stopped, and still does not know what it has signed")]
    StillSilent,
}

/// The record of the key, and the silence to begin with if what is on disk does not tell all that it has signed. `next` is
/// the height after the last one committed.
pub(super) fn open_record(
    settings: &Settings,
    validator: ValidatorId,
    next: u64,
) -> Result<(SharedRecord, Option<Silence>), Halt> {
    let path = &settings.record_path;
    let (record, doubt) = match Record::open(path, validator)? {
        Ok(record) => {
            let signed = record.height();
            // A log of a later height was begun when this one was decided.
            let is_lost = signed >= next && log_height(&settings.wal_path).is_none_or(|height| height < signed);
            let doubt = match record.silent() {
                Some(_) => Some(Doubt::StillSilent),
                None => is_lost.then_some(Doubt::LostLog { signed }),
            };
            (record, doubt)
        }
        Err(doubt) => {
            let created = Record::create(path, validator, 0, Some(Silent::UntilAnswered));
            (created.map_err(|error| Halt::Record { path: path.clone(), error })?, Some(doubt))
        }
    };
    let record = Arc::new(Mutex::new(record));
    let silence = doubt.map(|doubt| begin_silence(&record, doubt)).transpose()?;
    Ok((record, silence))
}

/// The validator may not vote from here on, nor after a restart.
pub(super) fn begin_silence(record: &SharedRecord, doubt: Doubt) -> Result<Silence, Halt> {
    let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
    let until = match doubt {
        Doubt::LostLog { signed } => Silent::Until(signed),
        Doubt::Contradiction { .. } => Silent::Until(record.height()),
        Doubt::StillSilent => record.silent().unwrap_or(Silent::UntilAnswered),
        Doubt::NoRecord | Doubt::DamagedRecord | Doubt::CopiedRecord | Doubt::OldRecord { .. } => Silent::UntilAnswered,
    };
    record.set_silent(Some(until))?;
    match until {
        Silent::Until(height) => {
            warn!(reason = %doubt, until = height, "not voting until the others have decided this height");
        }
        Silent::UntilAnswered => {
            warn!(reason = %doubt, "not voting until the others have told where they stand, and gone on from there");
        }
    }
    let mut word = [0; 32];
    getrandom::fill(&mut word).map_err(|error| Halt::EngineFailed(format!("no random numbers: {error}")))?;
    Ok(Silence::new(until, Hash::from_bytes(word)))
}

/// No height is left at which the validator may have voted.
pub(super) fn end_silence(record: &SharedRecord, next: u64) -> Result<(), Halt> {
    info!(height = next, "no doubt is left about what this validator has signed: voting again");
    record.lock().unwrap_or_else(PoisonError::into_inner).set_silent(None)
}
