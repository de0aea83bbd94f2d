//! Once a second: what is the matter, who has acknowledged, and what of it is new.

use std::{path::PathBuf, time::Duration};

use tokio::time::MissedTickBehavior;

use super::{
    directory::{Directory, DirectoryError},
    list::{Alarm, Change, Severity},
};
use crate::console::{Board, Disk};

const EVERY: Duration = Duration::from_secs(1);

/// The list as it was when the market stopped. One that cannot be read is said, and begins anew: no market stays down
/// for it.
pub(crate) fn restore(board: &Board, directory: &Directory) {
    match directory.read() {
        Ok(alarms) => board.restore_alarms(alarms),
        Err(error) => tracing::error!(%error, "the list of alarms is lost"),
    }
}

/// Watches for ever. `state` is on the disk that is looked at.
pub(crate) async fn watch(board: Board, directory: Directory, state: PathBuf) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unwritten = false;
    let mut failed = false;
    loop {
        every.tick().await;
        board.disk(disk(&state));
        let changes = board.watch_alarms(directory.take());
        changes.iter().for_each(log);
        unwritten |= !changes.is_empty();
        if !unwritten {
            continue;
        }
        match write(&directory, &board).await {
            Ok(()) => (unwritten, failed) = (false, false),
            // Once: on a full disk it is tried again each second.
            Err(error) if !failed => {
                failed = true;
                tracing::error!(%error, "the list of alarms cannot be kept; it is tried again");
            }
            Err(_) => {}
        }
    }
}

async fn write(directory: &Directory, board: &Board) -> Result<(), DirectoryError> {
    let (directory, alarms) = (directory.clone(), board.alarms());
    match tokio::task::spawn_blocking(move || directory.write(&alarms)).await {
        Ok(written) => written,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn log(change: &Change) {
    let (what, alarm) = match change {
        Change::Raised(alarm) if alarm.severity == Severity::Critical => {
            let Alarm { name, cause, action, .. } = alarm;
            tracing::error!(%name, cause, action, "alarm");
            return;
        }
        Change::Raised(alarm) => ("alarm", alarm),
        Change::Changed(alarm) => ("the alarm is now", alarm),
        Change::Cleared(Alarm { name, .. }) => {
            tracing::info!(%name, "the alarm is over");
            return;
        }
        Change::Acknowledged(Alarm { name, acknowledged, .. }) => {
            let by = acknowledged.as_ref().map(|acknowledged| acknowledged.by.as_str());
            tracing::info!(%name, by, "the alarm is acknowledged");
            return;
        }
    };
    let Alarm { name, cause, action, .. } = alarm;
    tracing::warn!(%name, cause, action, "{what}");
}

/// The room on the disk that `directory` is on; none where the system does not say.
#[cfg(unix)]
fn disk(directory: &std::path::Path) -> Option<Disk> {
    let found = rustix::fs::statvfs(directory).ok()?;
    let bytes = |blocks: u64| blocks.checked_mul(found.f_frsize);
    Some(Disk { free_bytes: bytes(found.f_bavail)?, total_bytes: bytes(found.f_blocks)? })
}

#[cfg(not(unix))]
fn disk(_: &std::path::Path) -> Option<Disk> {
    None
}
