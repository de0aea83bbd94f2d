//! What systemd hears of a running agent that it started: that it runs, how it does, and, where it wants to know, that
//! the agent's loop still comes round. On other systems, and started by somebody else, nothing.

use std::{convert::Infallible, time::Duration};

use tokio::{sync::watch, time::sleep};

use crate::{Status, pulse::Pulse};

/// Says that the agent runs, and goes on about how it does.
pub(crate) async fn tell(pulse: Pulse, mut status: watch::Receiver<Status>) -> Infallible {
    say(&format!("READY=1\nSTATUS={}", line(&status.borrow_and_update())));
    tokio::join!(keep_beating(&pulse), keep_saying(&mut status)).1
}

/// Says that the agent runs, and what it waits for.
pub(crate) fn waiting(line: &str) {
    say(&format!("READY=1\nSTATUS={line}"));
}

/// How often a loop that waits has to give a sign of life, if somebody wants one.
pub(crate) fn beat() -> Option<Duration> {
    patience().map(|patience| patience / 2)
}

/// A sign of life of a loop that waits.
pub(crate) fn beats() {
    say("WATCHDOG=1");
}

/// Says that the agent stops because it was told to, or has to.
pub(crate) fn stopping() {
    say("STOPPING=1");
}

/// A sign of life twice in the time after which systemd misses it, each once the loop has come round. A timer alone
/// would go on where the loop hangs.
async fn keep_beating(pulse: &Pulse) {
    let Some(patience) = patience() else { return };
    while pulse.beat().await {
        say("WATCHDOG=1");
        sleep(patience / 2).await;
    }
}

async fn keep_saying(status: &mut watch::Receiver<Status>) -> Infallible {
    while status.changed().await.is_ok() {
        say(&format!("STATUS={}", line(&status.borrow_and_update())));
    }
    // Nothing more will be said of an agent that has ended; why it has, others find out.
    std::future::pending().await
}

/// How an agent does, in one line.
fn line(status: &Status) -> String {
    let broker = if status.connected { "connected to the broker" } else { "not connected to the broker" };
    let read = status.last_interval.map_or_else(|| "nothing read yet".into(), |interval| format!("read {interval}"));
    let mut line = format!("{broker}; {read}; without a receipt: {}", status.outbox);
    // The gravest comes first.
    if let Some(alarm) = status.alarms.first() {
        line = format!("ALARM {}; {line}", alarm.replace('\n', " "));
    }
    line
}

/// After how long systemd takes an agent for dead that it has not heard of, if it is to.
fn patience() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    return sd_notify::watchdog_enabled();
    #[cfg(not(target_os = "linux"))]
    return None;
}

fn say(message: &str) {
    #[cfg(target_os = "linux")]
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Custom(message)]) {
        tracing::warn!("systemd does not hear of this agent: {error}");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = message;
}
