//! All that can happen to a node, as one closed enum.

use std::{
    future::pending,
    path::{Path, PathBuf},
    pin::Pin,
};

use arc_malachitebft_app_channel::{
    AppMsg,
    app::{consensus::SignedConsensusMsg, engine::util::events::Event, events::RxEvent},
};
use protocol::commit::CommitCertificate;
use tokio::{
    sync::{
        broadcast::error::{RecvError, TryRecvError},
        mpsc,
    },
    task::JoinHandle,
    time::{Interval, Sleep},
};

use super::{Doubt, Halt, Work, context::Context};

/// Something that happened.
pub(super) enum Input {
    /// The node was asked to stop.
    Stop,
    /// The engine failed.
    Failed(Halt),
    /// The engine asks for something.
    Ask(Box<AppMsg<Context>>),
    /// A vote or proposal arrived. Its signature is unchecked.
    Received(Box<SignedConsensusMsg<Context>>),
    /// A peer sent a commit certificate. It is unchecked.
    Certificate(CommitCertificate),
    /// There is a reason for the next block.
    Work,
    /// The others' reason for the next block has not come here in time.
    Impatience,
    /// Something may not be signed.
    Refused(Doubt),
    /// Time to ask the others where they stand.
    AskOthers,
}

/// How long a proposer still waits for what the others have already.
pub(super) type Patience = Pin<Box<Sleep>>;

/// Where inputs come from.
pub(super) struct Inputs {
    pub(super) stop: Pin<Box<dyn Future<Output = ()> + Send>>,
    pub(super) asks: mpsc::Receiver<AppMsg<Context>>,
    pub(super) events: RxEvent<Context>,
    pub(super) engine: JoinHandle<()>,
    pub(super) certificates: mpsc::Receiver<CommitCertificate>,
    pub(super) refusals: mpsc::UnboundedReceiver<Result<Doubt, Halt>>,
    /// When a silent validator asks.
    pub(super) asking: Option<Interval>,
    /// Ends when the engine should have begun to listen; none once it has.
    pub(super) beginning: Option<Patience>,
    pub(super) wal: PathBuf,
}

impl Inputs {
    /// The next input. Cancel-safe.
    pub(super) async fn next(&mut self, work: &mut Option<Work>, patience: &mut Option<Patience>) -> Input {
        loop {
            tokio::select! {
                () = &mut self.stop => return Input::Stop,
                Some(refusal) = self.refusals.recv() => return match refusal {
                    Ok(doubt) => Input::Refused(doubt),
                    Err(halt) => Input::Failed(halt),
                },
                _ = &mut self.engine => return Input::Failed(self.cause()),
                event = self.events.recv() => if let Some(input) = significant(event, &self.wal) { return input },
                () = ticked(&mut self.asking) => return Input::AskOthers,
                ask = self.asks.recv() => return match ask {
                    Some(ask) => {
                        if matches!(ask, AppMsg::ConsensusReady { .. }) {
                            self.beginning = None;
                        }
                        Input::Ask(Box::new(ask))
                    }
                    None => Input::Failed(self.cause()),
                },
                // Where its network cannot listen, the engine logs it, and waits for ever for the network to begin.
                () = resolved(&mut self.beginning) => return Input::Failed(Halt::NotListening),
                Some(certificate) = self.certificates.recv() => return Input::Certificate(certificate),
                () = resolved(work) => {
                    *work = None;
                    return Input::Work;
                }
                () = resolved(patience) => {
                    *patience = None;
                    return Input::Impatience;
                }
            }
        }
    }

    /// Why the engine stopped, if it said so before.
    fn cause(&mut self) -> Halt {
        loop {
            match self.events.try_recv() {
                Ok(event) => {
                    if let Some(Input::Failed(halt)) = significant(Ok(event), &self.wal) {
                        return halt;
                    }
                }
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return Halt::EngineStopped,
            }
        }
    }
}

/// The events that matter to us. On damage to its log the engine hangs on purpose, so that nothing restarts it before
/// someone has looked; the event is the only sign.
fn significant(event: Result<Event<Context>, RecvError>, wal: &Path) -> Option<Input> {
    let corrupted = |reason: String| Halt::WalCorrupted { path: wal.to_owned(), reason };
    match event {
        Ok(Event::Received(message)) => Some(Input::Received(Box::new(message))),
        Ok(Event::WalCorrupted(error)) => Some(Input::Failed(corrupted(error.to_string()))),
        Ok(Event::WalResetError(error)) => Some(Input::Failed(corrupted(error.to_string()))),
        Ok(Event::WalReplayError(error)) => {
            Some(Input::Failed(Halt::WalReplay { path: wal.to_owned(), reason: error.to_string() }))
        }
        Ok(_) => None,
        // Votes may be lost here without harm; a damaged log is the last event there is, and is never lost.
        Err(RecvError::Lagged(_)) => None,
        // The engine is gone; its end is an input of its own.
        Err(RecvError::Closed) => None,
    }
}

async fn resolved<F: Future<Output = ()> + Unpin>(future: &mut Option<F>) {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

async fn ticked(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use arc_malachitebft_app_channel::app::engine::util::events::TxEvent;
    use tokio::{sync::oneshot, time::sleep};

    use super::*;

    #[tokio::test]
    async fn an_engine_that_does_not_begin_to_listen_is_no_silent_wait() {
        for listens in [true, false] {
            let (asked, asks) = mpsc::channel(1);
            let (_certificates, certificates) = mpsc::channel(1);
            let (_refusals, refusals) = mpsc::unbounded_channel();
            let events = TxEvent::new();
            let begins_within = if listens { Duration::from_secs(3_600) } else { Duration::from_millis(1) };
            let mut inputs = Inputs {
                stop: Box::pin(pending()),
                asks,
                events: events.subscribe(),
                engine: tokio::spawn(pending()),
                certificates,
                refusals,
                asking: None,
                beginning: Some(Box::pin(sleep(begins_within))),
                wal: PathBuf::new(),
            };
            if listens {
                let (reply, _) = oneshot::channel();
                asked.try_send(AppMsg::ConsensusReady { reply }).unwrap();
            }
            match inputs.next(&mut None, &mut None).await {
                Input::Ask(_) => assert!(listens && inputs.beginning.is_none()),
                Input::Failed(halt) => assert!(!listens && matches!(halt, Halt::NotListening), "{halt}"),
                _ => panic!("nothing else happened"),
            }
        }
    }
}
