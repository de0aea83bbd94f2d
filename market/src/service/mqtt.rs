//! The link to the MQTT broker. One task does nothing but poll it; another one publishes, because a client that
//! publishes from the polling task waits for itself as soon as a queue is full.
//!
//! A message is acknowledged when the market says so, so that what a crash took away is delivered again. The session
//! outlives the connection. Both queues are bounded: when the market is slower than its agents, the connection is
//! dropped and taken up again, and the broker keeps what was not acknowledged.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use protocol::{
    envelope::ChainId,
    hash::Hash,
    limits::{ANSWER_BYTES_MAX, MESSAGE_BYTES_MAX},
    topic::Topics,
};
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, Packet, Publish, QoS, StateError, SubscribeFilter,
    SubscribeReasonCode,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

use super::config::Broker;

/// Most bytes of one packet from the broker. Above [`MESSAGE_BYTES_MAX`] a message is refused, but still by name.
const PACKET_BYTES_MAX: usize = 1_024 * 1_024;
/// Room for the topic and the header of a packet.
const HEADER_BYTES_MAX: usize = 1_024;
/// Most messages that wait for the market: 1 MiB of them.
const INBOX_MAX: usize = 1_024;
/// Most messages that wait to be published.
const OUTBOX_MAX: usize = 4_096;
/// Acknowledgements that can wait: one for each packet id there is, so that none is ever dropped.
const ACKS_MAX: usize = 65_536;
/// rumqttc's own queue, between the publishing and the polling task.
const REQUESTS_MAX: usize = 64;
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

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

/// A message that waits for its acknowledgement.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) body: Body,
    pub(crate) delivery: Delivery,
}

/// What a message holds.
#[derive(Debug)]
pub(crate) enum Body {
    /// The bytes.
    Whole(Vec<u8>),
    /// More bytes than any message of an agent has: only what they are called is kept.
    TooLarge {
        /// Hash of the bytes.
        hash: Hash,
        /// How many they are.
        bytes: usize,
    },
}

/// Names a delivery to the broker. Worth nothing on another connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivery {
    qos: QoS,
    packet: u16,
    connection: u64,
}

/// A message to an agent, or to all of them.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
}

/// Sends to the broker. Clones share one connection.
#[derive(Debug, Clone)]
pub(crate) struct Publisher {
    outbox: mpsc::Sender<Outgoing>,
    acks: mpsc::Sender<Delivery>,
    announcement: Arc<watch::Sender<Option<Outgoing>>>,
}

impl Publisher {
    /// Publishes what agents that connect later have to know too. Only the last announcement counts; a broker that
    /// comes back is told again.
    pub(crate) fn announce(&self, announcement: Outgoing) {
        self.announcement.send_replace(Some(announcement));
    }

    /// Publishes when there is room, in the order of the calls.
    pub(crate) async fn publish(&self, message: Outgoing) {
        // The receiving task ends only with the service.
        self.outbox.send(message).await.ok();
    }

    /// Publishes, or drops the message if too many wait: `false`. For answers, which agents ask for again.
    pub(crate) fn try_publish(&self, message: Outgoing) -> bool {
        self.outbox.try_send(message).is_ok()
    }

    /// Tells the broker that a message was dealt with.
    pub(crate) fn acknowledge(&self, delivery: Delivery) {
        self.acks.try_send(delivery).ok();
    }
}

/// The market's end of the link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) publisher: Publisher,
    pub(crate) inbox: mpsc::Receiver<Incoming>,
    /// The broker is contacted when this is used: not before the market knows from the ledger what it can take in.
    pub(crate) ready: Option<oneshot::Sender<()>>,
}

/// Starts the tasks of the link.
pub(crate) fn start(broker: &Broker, chain: &ChainId, topics: &Topics, tasks: &mut JoinSet<()>) -> Link {
    // 23 characters: any broker has to take that many.
    let id = format!("market-{}", &chain.to_string()[..16]);
    let mut options = MqttOptions::new(id, &broker.host, broker.port);
    options
        .set_clean_session(false)
        .set_manual_acks(true)
        .set_keep_alive(KEEP_ALIVE)
        .set_max_packet_size(PACKET_BYTES_MAX, ANSWER_BYTES_MAX + HEADER_BYTES_MAX);
    let (client, event_loop) = AsyncClient::new(options, REQUESTS_MAX);
    let (inbox_sender, inbox) = mpsc::channel(INBOX_MAX);
    let (outbox, outbox_receiver) = mpsc::channel(OUTBOX_MAX);
    let (acks, acks_receiver) = mpsc::channel(ACKS_MAX);
    let (ready, is_ready) = oneshot::channel();
    let (connected, is_connected) = watch::channel(false);
    let (announcement, announced) = watch::channel(None);
    let connection = Arc::new(AtomicU64::new(0));

    let poll = Poll {
        broker: broker.to_string(),
        client: client.clone(),
        event_loop,
        filters: vec![topics.all_readings(), topics.all_orders()],
        inbox: inbox_sender,
        connected,
        connection: connection.clone(),
        backoff: BACKOFF_MIN,
    };
    tasks.spawn(async move {
        if is_ready.await.is_ok() {
            poll.run().await;
        }
    });
    let outgoing =
        Outbox { client, messages: outbox_receiver, acks: acks_receiver, announced, is_connected, connection };
    tasks.spawn(outgoing.publish_all());
    let publisher = Publisher { outbox, acks, announcement: announcement.into() };
    Link { publisher, inbox, ready: Some(ready) }
}

/// What is to be published.
struct Outbox {
    client: AsyncClient,
    messages: mpsc::Receiver<Outgoing>,
    acks: mpsc::Receiver<Delivery>,
    announced: watch::Receiver<Option<Outgoing>>,
    is_connected: watch::Receiver<bool>,
    connection: Arc<AtomicU64>,
}

impl Outbox {
    /// Hands all of it to the client; all but acknowledgements only while there is a connection.
    async fn publish_all(mut self) {
        loop {
            let is_connected = *self.is_connected.borrow();
            tokio::select! {
                biased;
                Some(delivery) = self.acks.recv() => self.acknowledge(delivery).await,
                Ok(()) = self.announced.changed(), if is_connected => {
                    let announcement = self.announced.borrow_and_update().clone();
                    if let Some(announcement) = announcement {
                        self.publish(announcement, true).await;
                    }
                }
                Some(message) = self.messages.recv(), if is_connected => self.publish(message, false).await,
                Ok(()) = self.is_connected.changed() => self.announced.mark_changed(),
                else => return,
            }
        }
    }

    async fn acknowledge(&self, Delivery { qos, packet, connection }: Delivery) {
        if connection == self.connection.load(Ordering::Acquire) {
            let mut publish = Publish::new("", qos, Vec::new());
            publish.pkid = packet;
            self.log(self.client.ack(&publish).await);
        }
    }

    async fn publish(&self, Outgoing { topic, payload }: Outgoing, retain: bool) {
        if payload.len() > ANSWER_BYTES_MAX {
            // The client would try it again and again, and nothing else.
            tracing::error!(topic, bytes = payload.len(), "a message is too large to be published");
            return;
        }
        self.log(self.client.publish(topic, QoS::AtLeastOnce, retain, payload).await);
    }

    fn log(&self, sent: Result<(), rumqttc::ClientError>) {
        if let Err(error) = sent {
            tracing::error!(%error, "a message could not be published");
        }
    }
}

struct Poll {
    broker: String,
    client: AsyncClient,
    event_loop: EventLoop,
    filters: Vec<String>,
    inbox: mpsc::Sender<Incoming>,
    connected: watch::Sender<bool>,
    connection: Arc<AtomicU64>,
    backoff: Duration,
}

impl Poll {
    async fn run(mut self) {
        loop {
            match self.event_loop.poll().await {
                Ok(Event::Incoming(packet)) => {
                    if !self.take(packet) {
                        tracing::warn!("the intake is behind: the broker has to deliver again");
                        self.disconnect().await;
                    }
                }
                Ok(Event::Outgoing(_)) => {}
                Err(error) => self.failed(error).await,
            }
        }
    }

    /// Whether there was room for it.
    fn take(&mut self, packet: Packet) -> bool {
        match packet {
            Packet::ConnAck(_) => {
                self.connection.fetch_add(1, Ordering::AcqRel);
                self.event_loop.mqtt_options.set_clean_session(false);
                let filters = self.filters.iter().map(|filter| SubscribeFilter::new(filter.clone(), QoS::AtLeastOnce));
                tracing::info!(broker = %self.broker, "connected to the broker");
                self.backoff = BACKOFF_MIN;
                self.connected.send_replace(true);
                self.client.try_subscribe_many(filters).is_ok()
            }
            Packet::SubAck(answer) => {
                if answer.return_codes.contains(&SubscribeReasonCode::Failure) {
                    tracing::error!(broker = %self.broker, "the broker does not let the market read its agents' topics");
                }
                true
            }
            Packet::Publish(publish) => {
                let message = self.message(&publish);
                self.inbox.try_send(Incoming::Message(message)).is_ok() || publish.qos == QoS::AtMostOnce
            }
            _ => true,
        }
    }

    fn message(&self, publish: &Publish) -> Message {
        let bytes = publish.payload.len();
        let body = if bytes > MESSAGE_BYTES_MAX {
            Body::TooLarge { hash: Hash::of(&publish.payload), bytes }
        } else {
            Body::Whole(publish.payload.to_vec())
        };
        let connection = self.connection.load(Ordering::Acquire);
        Message {
            topic: publish.topic.clone(),
            body,
            delivery: Delivery { qos: publish.qos, packet: publish.pkid, connection },
        }
    }

    async fn failed(&mut self, error: ConnectionError) {
        if let ConnectionError::MqttState(StateError::Deserialization(error)) = &error
            && !matches!(error, rumqttc::Error::Io(_))
        {
            // The broker would deliver it again and again: a session without it is begun. Agents send again what
            // goes down with the old one.
            tracing::warn!(%error, "a packet that cannot be taken: the session with the broker is begun anew");
            self.event_loop.mqtt_options.set_clean_session(true);
            if let rumqttc::Error::PayloadSizeLimitExceeded(bytes) = error {
                self.inbox.try_send(Incoming::Oversized { bytes: *bytes }).ok();
            }
        } else if self.backoff == BACKOFF_MIN {
            tracing::warn!(broker = %self.broker, %error, "no connection to the broker; trying again");
        } else {
            tracing::debug!(broker = %self.broker, %error, "still no connection to the broker");
        }
        self.disconnect().await;
    }

    async fn disconnect(&mut self) {
        self.event_loop.clean();
        // `clean` forgets to: the client would wait for an acknowledgement that belongs to the old connection.
        self.event_loop.state.collision = None;
        self.connected.send_replace(false);
        // Acknowledgements of the old connection mean something else on the next one.
        self.connection.fetch_add(1, Ordering::AcqRel);
        tokio::time::sleep(self.backoff).await;
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
    }
}
