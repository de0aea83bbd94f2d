//! A running agent, from outside: what it says, why it ended, and how it is stopped.

use std::{fs, net::SocketAddr, path::PathBuf, pin::Pin, time::Duration};

use tokio::{
    sync::{oneshot, watch},
    task::{JoinError, JoinHandle},
    time::timeout,
};

use crate::{alarm::AlarmKind, pulse::Pulse, status::Status};

/// How long a stopping agent waits for the broker and for browsers.
const STOP_PATIENCE: Duration = Duration::from_secs(1);

/// A part of the agent has ended before the agent was stopped: a bug.
#[derive(Debug, thiserror::Error)]
#[error(
    "{task} ended before its time: {reason}; that is a bug: start the agent again, nothing that it has signed is lost, \
     and report it with the log"
)]
pub struct Ended {
    /// What it did.
    pub task: &'static str,
    /// Why it does so no longer.
    pub reason: String,
}

/// A task beside the agent, which has no say in what the agent does.
#[derive(Debug)]
pub(crate) struct Beside {
    name: &'static str,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Beside {
    /// Starts a task that ends when what it is given says so.
    pub(crate) fn spawn<F>(
        name: &'static str,
        task: impl FnOnce(Pin<Box<dyn Future<Output = ()> + Send>>) -> F,
    ) -> Beside
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = Box::pin(async {
            // Dropped is as good as told.
            let _ = stopped.await;
        });
        Beside { name, stop: Some(stop), task: tokio::spawn(task(stopped)) }
    }

    fn tell(&mut self) {
        if let Some(stop) = self.stop.take() {
            // One that ended by itself does not listen any more.
            let _ = stop.send(());
        }
    }

    /// Ends it, and waits until it has ended.
    pub(crate) async fn stop(&mut self) {
        self.tell();
        self.ended().await;
    }

    async fn ended(&mut self) {
        if !self.task.is_finished() && timeout(STOP_PATIENCE, &mut self.task).await.is_err() {
            self.task.abort();
            let _ = (&mut self.task).await;
        }
    }
}

/// A running agent. Stops when it is dropped; [`stop`](Running::stop) does it cleanly.
#[derive(Debug)]
pub struct Running {
    /// Where the status page is, unless it is off.
    pub status_addr: Option<SocketAddr>,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) pulse: Pulse,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) agent: JoinHandle<()>,
    pub(crate) connection: JoinHandle<()>,
    pub(crate) beside: Vec<Beside>,
    pub(crate) status_file: PathBuf,
}

impl Running {
    /// What the agent says of itself now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Why nothing can be stored, and so nothing signed, if that is so.
    pub fn storage_failed(&self) -> Option<String> {
        let status = self.status.borrow();
        status.alarms.iter().find(|alarm| alarm.starts_with(AlarmKind::StorageFailed.name())).cloned()
    }

    /// Waits until the agent's status is as wanted; false if the agent ended before.
    pub async fn wait_for(&mut self, wanted: impl FnMut(&Status) -> bool) -> bool {
        self.status.wait_for(wanted).await.is_ok()
    }

    /// Waits until a part of the agent ends, which none does before it is stopped unless something is wrong.
    pub async fn failed(&mut self) -> Ended {
        let (task, outcome) = tokio::select! {
            biased;
            outcome = &mut self.agent => ("the agent's loop", outcome),
            outcome = &mut self.connection => ("the connection to the broker", outcome),
            ended = first_ended(&mut self.beside) => ended,
        };
        let reason = outcome.err().map_or_else(|| "it gave no reason".into(), |error| error.to_string());
        Ended { task, reason }
    }

    /// Stops the agent. Afterwards its state is on the disk, and can be opened again at once.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // An agent that ended by itself does not listen any more.
            let _ = stop.send(());
        }
        // What has ended by itself was waited for by who asked why.
        if !self.agent.is_finished() {
            let _ = (&mut self.agent).await;
        }
        self.beside.iter_mut().for_each(Beside::tell);
        // Without a connection there is nobody to say goodbye to.
        if !self.status.borrow().connected {
            self.connection.abort();
        }
        if !self.connection.is_finished() && timeout(STOP_PATIENCE, &mut self.connection).await.is_err() {
            self.connection.abort();
            let _ = (&mut self.connection).await;
        }
        for beside in &mut self.beside {
            beside.ended().await;
        }
    }
}

/// The first that ends, and how; never, if there is none.
async fn first_ended(beside: &mut [Beside]) -> (&'static str, Result<(), JoinError>) {
    let mut tasks = beside.iter_mut();
    match (tasks.next(), tasks.next()) {
        (None, _) => std::future::pending().await,
        (Some(one), None) => (one.name, (&mut one.task).await),
        (Some(one), Some(other)) => tokio::select! {
            outcome = &mut one.task => (one.name, outcome),
            outcome = &mut other.task => (other.name, outcome),
        },
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.agent.abort();
        self.connection.abort();
        self.beside.iter().for_each(|beside| beside.task.abort());
        // Nobody answers there any more; a stale file is harmless.
        let _ = fs::remove_file(&self.status_file);
    }
}
