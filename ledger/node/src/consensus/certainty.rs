//! Whether a validator can be sure of what it has signed: from what is on disk when it starts, and from what is found
//! out later.

use std::sync::{Arc, Mutex, PoisonError};

use protocol::{hash::Hash, key::ValidatorId};
use tracing::{info, warn};

use super::{
    Halt, Settings,
    doubt::Doubt,
    record::{Record, SharedRecord, Silent, log_height},
    silence::Silence,
};

/// The record of the key, and the silence to begin with if what is on disk does not tell all that it has signed. `next`
/// is the height after the last one committed.
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
