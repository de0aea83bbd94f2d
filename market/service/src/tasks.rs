//! The tasks of a market. Each of them runs until the market is stopped: one that ends before has failed, and the
//! market with it.

use std::{collections::HashMap, io, time::Duration};

use tokio::task::{Id, JoinSet};

use super::store::StoreError;

/// A task whose counterpart has failed ends without a reason of its own: the reason is waited for this long.
const REASON_PATIENCE: Duration = Duration::from_secs(1);

/// A task of the market has ended before the market was stopped.
#[derive(Debug, thiserror::Error)]
#[error("{task} ended before its time: {reason}")]
pub struct Ended {
    /// What it did.
    pub task: &'static str,
    /// Why it does so no longer.
    pub reason: Reason,
}

/// Why a task has ended, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The state cannot be kept.
    #[error(
        "{0}; make room on the disk, or repair it, and start the market again: what it acknowledged is on disk, the rest \
         is delivered again"
    )]
    Store(StoreError),
    /// No more connections can be taken.
    #[error("{0}; start the market again")]
    Io(#[from] io::Error),
    /// It panicked.
    #[error("it crashed: {0}; that is a bug: start the market again, and report it with the log")]
    Crashed(String),
    /// It gave none.
    #[error("it gave no reason; that is a bug: start the market again, and report it with the log")]
    None,
}

impl From<StoreError> for Reason {
    fn from(error: StoreError) -> Reason {
        match error {
            StoreError::Crashed(panic) => Reason::Crashed(panic),
            error => Reason::Store(error),
        }
    }
}

/// Tasks by what they do.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    running: JoinSet<Result<(), Reason>>,
    names: HashMap<Id, &'static str>,
    unexplained: Option<Ended>,
}

impl Tasks {
    /// Starts a task, named by what it does.
    pub(crate) fn spawn<E: Into<Reason> + 'static>(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let handle = self.running.spawn(async move { task.await.map_err(Into::into) });
        self.names.insert(handle.id(), name);
    }

    /// Starts a task that cannot fail.
    pub(crate) fn spawn_endless(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn(name, async move {
            task.await;
            Ok::<(), Reason>(())
        });
    }

    /// Waits until a task ends, for whatever reason. May be dropped and asked again.
    pub(crate) async fn ended(&mut self) -> Ended {
        if self.unexplained.is_none() {
            match self.next().await {
                Ended { task, reason: Reason::None } => self.unexplained = Some(Ended { task, reason: Reason::None }),
                explained => return explained,
            }
        }
        let explained = async {
            loop {
                match self.next().await {
                    Ended { reason: Reason::None, .. } => {}
                    explained => return explained,
                }
            }
        };
        match tokio::time::timeout(REASON_PATIENCE, explained).await {
            Ok(explained) => explained,
            Err(_) => self.unexplained.take().unwrap_or(Ended { task: "a task", reason: Reason::None }),
        }
    }

    /// After the tasks were told to stop: waits for the one of this name, and ends the others. An error if one of them
    /// had failed, or fails now.
    pub(crate) async fn stop(mut self, last: &'static str) -> Result<(), Ended> {
        let mut failed = None;
        while self.names.values().any(|name| *name == last) {
            match self.next().await {
                Ended { reason: Reason::None, .. } => {}
                ended => failed = failed.or(Some(ended)),
            }
        }
        // Waits for them to let go of the state, so that the next market finds it free.
        self.running.shutdown().await;
        failed.map_or(Ok(()), Err)
    }

    /// The next task that ends; never, if none runs.
    async fn next(&mut self) -> Ended {
        let Some(ended) = self.running.join_next_with_id().await else { return std::future::pending().await };
        let (id, reason) = match ended {
            Ok((id, Ok(()))) => (id, Reason::None),
            Ok((id, Err(reason))) => (id, reason),
            Err(error) => (error.id(), Reason::Crashed(error.to_string())),
        };
        Ended { task: self.names.remove(&id).unwrap_or("a task"), reason }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tokio::sync::oneshot;

    use super::*;

    fn full() -> StoreError {
        StoreError::Io { path: PathBuf::from("/state"), error: io::ErrorKind::StorageFull.into() }
    }

    #[tokio::test]
    async fn whatever_ends_is_named_with_the_reason_and_the_remedy() {
        let mut tasks = Tasks::default();
        tasks.spawn_endless("waiting", std::future::pending());
        tasks.spawn("writing", async { Err(full()) });
        let text = tasks.ended().await.to_string();
        assert!(text.starts_with("writing ended before its time: /state: "), "{text}");
        assert!(text.contains("make room on the disk"), "{text}");
        tasks.spawn_endless("computing", async { panic!("no {}", 1) });
        let text = tasks.ended().await.to_string();
        assert!(text.starts_with("computing ended before its time: it crashed: "), "{text}");
        assert!(text.contains("no 1") && text.contains("that is a bug"), "{text}");
        tasks.spawn_endless("leaving", async {});
        let text = tasks.ended().await.to_string();
        assert!(text.starts_with("leaving ended before its time: it gave no reason"), "{text}");
    }

    #[tokio::test]
    async fn the_task_that_failed_is_named_and_not_those_that_miss_it() {
        let mut tasks = Tasks::default();
        let (counterpart, missed) = oneshot::channel::<()>();
        tasks.spawn_endless("listening", async { drop(missed.await) });
        tasks.spawn("writing", async move {
            drop(counterpart);
            // The other has ended meanwhile.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            Err(full())
        });
        assert_eq!(tasks.ended().await.task, "writing");
    }

    #[tokio::test]
    async fn a_failure_is_told_also_to_who_stops_the_market_in_the_same_moment() {
        let mut tasks = Tasks::default();
        tasks.spawn("the market", async { Err(full()) });
        tasks.spawn_endless("waiting", std::future::pending());
        tokio::task::yield_now().await;
        assert_eq!(tasks.stop("the market").await.unwrap_err().task, "the market");

        let mut tasks = Tasks::default();
        tasks.spawn_endless("the market", async {});
        tasks.spawn_endless("waiting", std::future::pending());
        assert!(tasks.stop("the market").await.is_ok());
    }
}
