//! The link to the MQTT broker: two connections, one that only listens, and [one that only
//! publishes](super::publisher).
//!
//! All queues are bounded. When the market is slower than its agents, it stops reading from the connection that listens
//! until there is room: then the broker has to keep what it cannot send. On one connection for both, that would also
//! stop the broker's acknowledgements of answers, and the answers are what the market would wait for. That the broker
//! itself lets only so many messages be in flight is not enough: Mosquitto 2.0.11 lets more be with each
//! acknowledgement.
//!
//! A message is acknowledged when the market says so, so that what a crash took away is delivered again. The session
//! outlives the connection.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use broker_login::Access;
use protocol::{
    envelope::{ChainId, Sealed},
    hash::Hash,
    limits::MESSAGE_BYTES_MAX,
    topic::Topics,
};
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, Packet, Publish, QoS, StateError, SubscribeFilter,
    SubscribeReasonCode,
};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    connection::{Backoff, options},
    console::{Board, BrokerLink, LinkState},
    message::{Body, Delivery, Message},
    publisher::{self, Publisher},
    tasks::Tasks,
};

/// Most messages that wait for the market: 4 MiB of them. The example configuration of Mosquitto lets as many be in
/// flight.
const INBOX_MAX: usize = 4_096;
/// Acknowledgements that can wait: one for each packet id there is, so that none is ever dropped.
const ACKS_MAX: usize = 65_536;
/// rumqttc's own queue, between the acknowledging and the polling task.
const REQUESTS_MAX: usize = 64;

/// What comes from the broker.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A message on a topic that the market subscribes to.
    Message(Message),
    /// A message so large that the broker's connection had to be given up to get rid of it.
    Oversized {
        /// How large it claims to be.
        bytes: usize,
    },
}

/// The market's end of the link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) publisher: Publisher,
    pub(crate) inbox: mpsc::Receiver<Incoming>,
    /// The broker is contacted when this is used: not before the market knows from the ledger what it can take in.
    pub(crate) ready: Option<oneshot::Sender<()>>,
    acks: mpsc::Sender<Delivery>,
}

impl Link {
    /// Tells the broker that a message was dealt with.
    pub(crate) fn acknowledge(&self, delivery: Delivery) {
        self.acks.try_send(delivery).ok();
    }
}

/// Starts the tasks of the link.
pub(crate) fn start(access: &Access, chain: &ChainId, topics: &Topics, board: &Board, tasks: &mut Tasks) -> Link {
    let mut options = options(access, "market", chain);
    options.set_manual_acks(true);
    let (client, event_loop) = AsyncClient::new(options, REQUESTS_MAX);
    let (inbox_sender, inbox) = mpsc::channel(INBOX_MAX);
    let (acks, acks_receiver) = mpsc::channel(ACKS_MAX);
    let (ready, is_ready) = oneshot::channel();
    let (listening, is_listening) = watch::channel(false);
    let connection = Arc::new(AtomicU64::new(0));
    let listen = Listen {
        access: access.clone(),
        client: client.clone(),
        event_loop,
        filters: vec![topics.all_readings(), topics.all_orders(), topics.all_statuses()],
        inbox: inbox_sender,
        listening,
        connection: connection.clone(),
        backoff: Backoff::default(),
        board: board.clone(),
    };
    tasks.spawn_endless("listening to the broker", async move {
        if is_ready.await.is_ok() {
            listen.run().await;
        }
    });
    tasks.spawn_endless("acknowledging messages", acknowledge_all(client, acks_receiver, connection));
    let publisher = publisher::start(access, chain, is_listening, board, tasks);
    Link { publisher, inbox, ready: Some(ready), acks }
}

/// Hands acknowledgements to the client. Those of an earlier connection mean something else on this one.
async fn acknowledge_all(client: AsyncClient, mut acks: mpsc::Receiver<Delivery>, current: Arc<AtomicU64>) {
    while let Some(Delivery { qos, packet, connection }) = acks.recv().await {
        if connection == current.load(Ordering::Acquire) {
            let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(qos.min(2))];
            let mut publish = Publish::new("", qos, Vec::new());
            publish.pkid = packet;
            if let Err(error) = client.ack(&publish).await {
                tracing::error!(%error, "a message could not be acknowledged");
            }
        }
    }
}

/// The connection that listens.
struct Listen {
    access: Access,
    client: AsyncClient,
    event_loop: EventLoop,
    filters: Vec<String>,
    inbox: mpsc::Sender<Incoming>,
    listening: watch::Sender<bool>,
    connection: Arc<AtomicU64>,
    backoff: Backoff,
    board: Board,
}

impl Listen {
    /// Polls the client, and nothing but waits for room in the inbox in between: the market makes room whatever happens
    /// here, since it waits for nothing that goes over this connection.
    async fn run(mut self) {
        loop {
            match self.event_loop.poll().await {
                Ok(Event::Incoming(packet)) => {
                    if !self.take(packet).await {
                        self.disconnect().await;
                    }
                }
                Ok(Event::Outgoing(_)) => {}
                Err(error) => self.failed(error).await,
            }
        }
    }

    /// Whether to go on with this connection.
    async fn take(&mut self, packet: Packet) -> bool {
        match packet {
            Packet::ConnAck(_) => {
                self.connection.fetch_add(1, Ordering::AcqRel);
                self.event_loop.mqtt_options.set_clean_session(false);
                let filters = self.filters.iter().map(|filter| SubscribeFilter::new(filter.clone(), QoS::AtLeastOnce));
                tracing::info!(broker = %self.access.broker(), "connected to the broker");
                self.backoff = Backoff::default();
                // It has room: the queue was emptied when the last connection was given up.
                self.client.try_subscribe_many(filters).is_ok()
            }
            Packet::SubAck(answer) => {
                let state = if answer.return_codes.contains(&SubscribeReasonCode::Failure) {
                    const REFUSED: &str = "the broker does not let the market read its agents' topics";
                    tracing::error!(broker = %self.access.broker(), "{REFUSED}");
                    LinkState::Refused(REFUSED.into())
                } else {
                    LinkState::Up
                };
                self.board.broker(BrokerLink::Readings, state);
                self.listening.send_replace(true);
                true
            }
            Packet::Publish(publish) => {
                let message = Incoming::Message(self.message(&publish));
                // The market takes from the inbox as long as the service runs.
                self.inbox.send(message).await.ok();
                true
            }
            _ => true,
        }
    }

    fn message(&self, publish: &Publish) -> Message {
        let bytes = publish.payload.len();
        let body = if bytes > MESSAGE_BYTES_MAX {
            Body::TooLarge { hash: Hash::of(&publish.payload), bytes }
        } else {
            Body::Whole(Sealed::from(publish.payload.as_ref()))
        };
        let connection = self.connection.load(Ordering::Acquire);
        Message {
            topic: publish.topic.clone(),
            body,
            delivery: Delivery { qos: publish.qos as u8, packet: publish.pkid, connection },
        }
    }

    async fn failed(&mut self, error: ConnectionError) {
        let why = self.access.why(&error);
        self.board.broker(BrokerLink::Readings, LinkState::Failed(why.clone()));
        if let ConnectionError::MqttState(StateError::Deserialization(error)) = &error
            && !matches!(error, rumqttc::Error::Io(_))
        {
            // The broker would deliver it again and again: a session without it is begun. Agents send again what
            // goes down with the old one.
            tracing::warn!(%error, "a packet that cannot be taken: the session with the broker is begun anew");
            self.event_loop.mqtt_options.set_clean_session(true);
            if let rumqttc::Error::PayloadSizeLimitExceeded(bytes) = error {
                self.inbox.send(Incoming::Oversized { bytes: *bytes }).await.ok();
            }
        } else if self.backoff.is_first() {
            tracing::warn!(broker = %self.access.broker(), error = why, "no connection to the broker; trying again");
        } else {
            tracing::debug!(broker = %self.access.broker(), error = why, "still no connection to the broker");
        }
        self.disconnect().await;
    }

    async fn disconnect(&mut self) {
        self.event_loop.clean();
        self.listening.send_replace(false);
        // Acknowledgements of the old connection mean something else on the next one.
        self.connection.fetch_add(1, Ordering::AcqRel);
        self.backoff.pause().await;
    }
}
