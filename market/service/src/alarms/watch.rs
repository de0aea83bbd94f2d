//! Once a second: what is the matter, who has acknowledged, what of it is new, and who is to be told.

use std::{path::PathBuf, time::Duration};

use settings::disk;
use tokio::{sync::mpsc, time::MissedTickBehavior};

use super::{
    directory::{Directory, DirectoryError, Kept},
    list::{Alarm, Change, Severity},
    notices::{Channel, Channels, message::Message, outbox::Outbox},
};
use crate::console::{Board, Disk};

const EVERY: Duration = Duration::from_secs(1);

/// The list as it was when the market stopped, and what of it is to be told. One that cannot be read is said, and
/// begins anew: no market stays down for it.
pub(crate) fn restore(board: &Board, directory: &Directory, channels: &Channels) -> Outbox {
    let Kept { alarms, mut notices } = directory.restore().unwrap_or_else(|error| {
        tracing::error!(%error, "the list of alarms is lost");
        Kept::default()
    });
    notices.go_on(&channels.configured(), channels.an_hour(), alarms.on(), board.now_s());
    board.restore_alarms(alarms);
    notices
}

/// Watches for ever. `state` is on the disk that is looked at.
pub(crate) async fn watch(board: Board, directory: Directory, state: PathBuf, mut outbox: Outbox, channels: Channels) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // One message is under way by each channel at most.
    let (tell, mut told) = mpsc::channel(1);
    let mut unwritten = false;
    let mut failed = false;
    // Let go when the market ends, however it does.
    let mut held = None;
    loop {
        tokio::select! {
            _ = every.tick() => {
                held = held.or_else(|| directory.occupy());
                board.disk(disk::room(&state).map(Disk::from));
                let changes = board.watch_alarms(directory.take());
                changes.iter().for_each(log);
                outbox.take(&changes, board.now_s());
                unwritten |= !changes.is_empty();
            }
            Some((channel, arrived)) = told.recv() => {
                unwritten |= came_of(&mut outbox, channel, arrived, board.now_s());
            }
        }
        if unwritten {
            match write(&directory, &board, &outbox).await {
                Ok(()) => (unwritten, failed) = (false, false),
                // Once: on a full disk it is tried again each second.
                Err(error) if !failed => {
                    failed = true;
                    tracing::error!(%error, "the list of alarms cannot be kept; it is tried again");
                }
                Err(_) => {}
            }
        }
        // What is called delivered is on disk.
        board.notices(outbox.states());
        // Also where it could not be written: that the disk is full is told as well.
        for (channel, message) in outbox.due(board.alarms().on(), board.now_s()) {
            tokio::spawn(send(channels.clone(), channel, message, tell.clone()));
        }
    }
}

async fn send(
    channels: Channels,
    channel: Channel,
    message: Message,
    tell: mpsc::Sender<(Channel, Result<(), String>)>,
) {
    let arrived = channels.send(channel, &message).await;
    // Nobody listens any more where the market stops.
    tell.send((channel, arrived)).await.ok();
}

/// Notes what came of a message. Whether that is to be kept.
fn came_of(outbox: &mut Outbox, channel: Channel, arrived: Result<(), String>, now: i64) -> bool {
    match arrived {
        Ok(()) => outbox.delivered(channel, now),
        Err(reason) => {
            tracing::warn!(%channel, reason, "a notice is not delivered; it is tried again");
            outbox.failed(channel, &reason, now);
            return false;
        }
    }
    true
}

async fn write(directory: &Directory, board: &Board, outbox: &Outbox) -> Result<(), DirectoryError> {
    let (directory, kept) = (directory.clone(), Kept { alarms: board.alarms(), notices: outbox.clone() });
    match tokio::task::spawn_blocking(move || directory.write(&kept)).await {
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
