//! The connection to the broker: one task polls it and hands everything on as events.
//!
//! Traps of rumqttc 0.25: whoever polls must not wait for the request channel (it alone empties it), so this task only
//! uses `try_*`; un-acked publishes are forgotten whenever the broker forgot the session, so nothing here is trusted to
//! remember them, the outbox sends again; it reconnects at once and for ever, so the pauses are ours; it acknowledges
//! on receipt, so acknowledgements are ours too, after what was received is stored.

use std::time::Duration;

use broker_login::Access;
use protocol::{
    key::DeviceId,
    limits::{ANSWER_BYTES_MAX, MESSAGE_BYTES_MAX},
    topic::Topics,
};
use rumqttc::{
    AsyncClient, Event as MqttEvent, EventLoop, MqttOptions, Outgoing, Packet, Publish, QoS, SubscribeFilter,
    SubscribeReasonCode,
};
use tokio::sync::mpsc;

use crate::agent::core::Inbound;

/// Requests on their way to the connection.
const REQUESTS_MAX: usize = 256;
/// Publishes that the broker has not acknowledged.
const INFLIGHT_MAX: u16 = 64;
/// Topic and headers of a message, at most.
const HEADER_BYTES_MAX: usize = 1_024;
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// What comes from the connection.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// The broker accepted the connection; messages of it carry the same number.
    Connected {
        /// Counts connections.
        connection: u32,
    },
    /// There is no connection.
    Disconnected {
        /// Attempts that failed in a row.
        failures: u32,
        /// Why.
        error: String,
    },
    /// The broker does not let this device read its topics.
    SubscriptionRefused,
    /// A message from the market (or somebody who pretends to be it).
    Message {
        /// The connection it came with.
        connection: u32,
        /// On which topic.
        kind: Inbound,
        /// The message.
        publish: Publish,
    },
}

/// The topics of one device.
#[derive(Debug, Clone)]
pub(crate) struct DeviceTopics {
    pub(crate) reading: String,
    pub(crate) order: String,
    pub(crate) status: String,
    /// What it reads, in the order in which it subscribes.
    read: Vec<(String, Inbound)>,
}

impl DeviceTopics {
    pub(crate) fn new(topics: &Topics, device: &DeviceId) -> DeviceTopics {
        DeviceTopics {
            reading: topics.reading(device),
            order: topics.order(device),
            status: topics.status(device),
            // Quotas before the receipts that go by them, and all before the announcement, so that nothing is missed
            // that it brings about.
            read: vec![
                (topics.registration(device), Inbound::Registration),
                (topics.quota(device), Inbound::Quota),
                (topics.answer(device), Inbound::Answer),
                (topics.receipt(device), Inbound::Receipt),
                (topics.gate(), Inbound::Gate),
            ],
        }
    }

    /// Of a device that is not registered yet: it reads how it is, and nothing else.
    pub(crate) fn of_registration(topics: &Topics, device: &DeviceId) -> DeviceTopics {
        let read = vec![(topics.registration(device), Inbound::Registration)];
        DeviceTopics { read, ..DeviceTopics::new(topics, device) }
    }

    fn kind(&self, topic: &str) -> Option<Inbound> {
        self.read.iter().find_map(|(known, kind)| (known == topic).then_some(*kind))
    }

    pub(crate) fn filters(&self) -> impl Iterator<Item = SubscribeFilter> {
        self.read.iter().map(|(topic, _)| SubscribeFilter::new(topic.clone(), QoS::AtLeastOnce))
    }
}

/// The options of a session that outlives its connection: the broker queues while the agent is away.
pub(crate) fn options(access: &Access, client_id: String) -> MqttOptions {
    let mut options = access.options(client_id);
    options
        .set_clean_session(false)
        .set_keep_alive(Duration::from_secs(30))
        .set_inflight(INFLIGHT_MAX)
        .set_manual_acks(true)
        .set_max_packet_size(ANSWER_BYTES_MAX + HEADER_BYTES_MAX, MESSAGE_BYTES_MAX + HEADER_BYTES_MAX);
    options
}

/// A client and the connection that somebody has to [`poll`].
pub(crate) fn client(access: &Access, device: &DeviceId) -> (AsyncClient, EventLoop) {
    AsyncClient::new(options(access, device.multibase()), REQUESTS_MAX)
}

/// Polls the connection for ever, until it was told to disconnect or nobody listens any more.
///
/// Waiting for a slow listener holds up the broker and nothing else: the listener never waits for this task.
pub(crate) async fn poll(
    mut connection: EventLoop,
    client: AsyncClient,
    access: Access,
    topics: DeviceTopics,
    jitter: Duration,
    events: mpsc::Sender<Incoming>,
) {
    let mut number = 0;
    let mut failures: u32 = 0;
    let mut subscribed = true;
    loop {
        if !subscribed {
            subscribed = client.try_subscribe_many(topics.filters()).is_ok();
        }
        let event = match connection.poll().await {
            Ok(MqttEvent::Incoming(Packet::ConnAck(_))) => {
                failures = 0;
                number += 1;
                // Again on every connection: the broker may have forgotten the session, and retained messages come
                // anew.
                subscribed = client.try_subscribe_many(topics.filters()).is_ok();
                Incoming::Connected { connection: number }
            }
            Ok(MqttEvent::Incoming(Packet::Publish(publish))) => match topics.kind(&publish.topic) {
                Some(kind) => Incoming::Message { connection: number, kind, publish },
                None => continue,
            },
            Ok(MqttEvent::Incoming(Packet::SubAck(ack)))
                if ack.return_codes.contains(&SubscribeReasonCode::Failure) =>
            {
                Incoming::SubscriptionRefused
            }
            Ok(MqttEvent::Outgoing(Outgoing::Disconnect)) => return,
            Ok(_) => continue,
            Err(error) => {
                // The outbox sends again what matters, oldest first; leftovers would come before.
                connection.pending.clear();
                failures = failures.saturating_add(1);
                if events.send(Incoming::Disconnected { failures, error: access.why(&error) }).await.is_err() {
                    return;
                }
                let pause = PAUSE_MIN.saturating_mul(1 << (failures - 1).min(10)).min(PAUSE_MAX);
                tokio::time::sleep(pause + jitter).await;
                continue;
            }
        };
        if events.send(event).await.is_err() {
            return;
        }
    }
}
