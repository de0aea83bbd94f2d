//! What the market tells its agents, on a connection to the broker of its own: announcements, answers and receipts. One
//! task does nothing but poll it; another one publishes, because a client that publishes from the polling task waits
//! for itself as soon as a queue is full.

use std::{sync::Arc, time::Duration};

use broker_login::Access;
use protocol::{envelope::ChainId, limits::ANSWER_BYTES_MAX};
use rumqttc::{AsyncClient, Event, EventLoop, Packet, QoS};
use tokio::{
    sync::{mpsc, watch},
    time::{Interval, MissedTickBehavior, interval},
};

use super::{
    connection::{Backoff, options},
    console::{Board, BrokerLink, LinkState},
    pipeline::PIPELINE_MAX,
    tasks::Tasks,
};

/// Most receipts that wait to be published.
const RECEIPTS_MAX: usize = 4_096;
/// Most answers that wait to be published: to all messages on the line, and as many again.
const ANSWERS_MAX: usize = 2 * PIPELINE_MAX;
/// rumqttc's own queue, between the publishing and the polling task.
const REQUESTS_MAX: usize = 64;
/// The announcement is said again after this long: announcements are unsigned, and whoever reaches the broker could
/// have retained another one since.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(10);

/// A message to an agent, or to all of them.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    /// Whether the broker keeps it for who connects later.
    pub(crate) retain: bool,
}

/// Publishes. Clones share one connection.
#[derive(Debug, Clone)]
pub(crate) struct Publisher {
    announcement: Arc<watch::Sender<Option<Outgoing>>>,
    answers: mpsc::Sender<Outgoing>,
    receipts: mpsc::Sender<Outgoing>,
}

impl Publisher {
    /// Publishes what agents that connect later have to know too. Only the last announcement counts; a broker that
    /// comes back is told again.
    pub(crate) fn announce(&self, announcement: Outgoing) {
        self.announcement.send_replace(Some(announcement));
    }

    /// Publishes an answer, or drops it if too many wait: `false`. Agents ask again for those.
    pub(crate) fn answer(&self, answer: Outgoing) -> bool {
        self.answers.try_send(answer).is_ok()
    }

    /// Waits until there is room for an answer to every message that can be on [the pipeline](super::pipeline): what
    /// has to be waited for before more messages are taken in.
    pub(crate) async fn room_for_answers(&self) {
        // The receiving task ends only with the service.
        self.answers.reserve_many(PIPELINE_MAX).await.ok();
    }

    /// Publishes a receipt when there is room, in the order of the calls.
    pub(crate) async fn receipt(&self, receipt: Outgoing) {
        // The receiving task ends only with the service.
        self.receipts.send(receipt).await.ok();
    }
}

/// Starts the tasks; they connect when the market is listening for the first time, so that nobody answers an
/// announcement before.
pub(super) fn start(
    access: &Access,
    chain: &ChainId,
    is_listening: watch::Receiver<bool>,
    board: &Board,
    tasks: &mut Tasks,
) -> Publisher {
    let (client, event_loop) = AsyncClient::new(options(access, "answer", chain), REQUESTS_MAX);
    let (announcement, announced) = watch::channel(None);
    let (answers, waiting_answers) = mpsc::channel(ANSWERS_MAX);
    let (receipts, waiting_receipts) = mpsc::channel(RECEIPTS_MAX);
    let (connected, is_connected) = watch::channel(false);
    let polling = poll(event_loop, access.clone(), connected, is_listening.clone(), board.clone());
    tasks.spawn_endless("the connection to the broker for answers", polling);
    let outbox =
        Outbox { client, announced, answers: waiting_answers, receipts: waiting_receipts, is_connected, is_listening };
    tasks.spawn_endless("publishing answers and receipts", outbox.publish_all());
    Publisher { announcement: announcement.into(), answers, receipts }
}

async fn poll(
    mut event_loop: EventLoop,
    access: Access,
    connected: watch::Sender<bool>,
    mut is_listening: watch::Receiver<bool>,
    board: Board,
) {
    if is_listening.wait_for(|listening| *listening).await.is_err() {
        return;
    }
    let mut backoff = Backoff::default();
    loop {
        match event_loop.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                backoff = Backoff::default();
                connected.send_replace(true);
                board.broker(BrokerLink::Answers, LinkState::Up);
            }
            Ok(_) => {}
            Err(error) => {
                let why = access.why(&error);
                if backoff.is_first() {
                    let broker = access.broker();
                    tracing::warn!(%broker, error = why, "no connection to the broker for answers; trying again");
                }
                board.broker(BrokerLink::Answers, LinkState::Failed(why));
                event_loop.clean();
                // `clean` forgets to: the client would wait for an acknowledgement that belongs to the old connection.
                event_loop.state.collision = None;
                connected.send_replace(false);
                backoff.pause().await;
            }
        }
    }
}

/// What is to be published.
struct Outbox {
    client: AsyncClient,
    announced: watch::Receiver<Option<Outgoing>>,
    answers: mpsc::Receiver<Outgoing>,
    receipts: mpsc::Receiver<Outgoing>,
    is_connected: watch::Receiver<bool>,
    is_listening: watch::Receiver<bool>,
}

impl Outbox {
    /// Hands all of it to the client, only while there is a connection; announcements only while the market listens,
    /// too.
    async fn publish_all(mut self) {
        let mut again = interval(ANNOUNCE_AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_connected = *self.is_connected.borrow();
            let is_listening = *self.is_listening.borrow();
            tokio::select! {
                biased;
                Ok(()) = self.is_connected.changed() => self.announced.mark_changed(),
                Ok(()) = self.is_listening.changed() => self.announced.mark_changed(),
                Some(()) = due(&mut self.announced, &mut again), if is_connected && is_listening => {
                    again.reset();
                    let announcement = self.announced.borrow_and_update().clone();
                    if let Some(announcement) = announcement {
                        self.publish(announcement).await;
                    }
                }
                Some(message) = either(&mut self.answers, &mut self.receipts), if is_connected => {
                    self.publish(message).await;
                }
                else => return,
            }
        }
    }

    async fn publish(&self, Outgoing { topic, payload, retain }: Outgoing) {
        if payload.len() > ANSWER_BYTES_MAX {
            // The client would try it again and again, and nothing else.
            tracing::error!(topic, bytes = payload.len(), "a message is too large to be published");
            return;
        }
        if let Err(error) = self.client.publish(topic, QoS::AtLeastOnce, retain, payload).await {
            tracing::error!(%error, "a message could not be published");
        }
    }
}

/// Waits until there is a new announcement, or it is time to say the last one again.
async fn due(announced: &mut watch::Receiver<Option<Outgoing>>, again: &mut Interval) -> Option<()> {
    tokio::select! {
        biased;
        changed = announced.changed() => changed.ok(),
        _ = again.tick() => Some(()),
    }
}

/// The next of either: many of one kind do not keep the other waiting.
async fn either(a: &mut mpsc::Receiver<Outgoing>, b: &mut mpsc::Receiver<Outgoing>) -> Option<Outgoing> {
    tokio::select! {
        Some(message) = a.recv() => Some(message),
        Some(message) = b.recv() => Some(message),
        else => None,
    }
}
