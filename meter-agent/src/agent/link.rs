//! The agent's end of its connection to the broker: messages go out as far as it takes them, and what was received is
//! acknowledged on the connection it came with.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use rumqttc::{AsyncClient, Publish, QoS};

use super::core::{Delivery, Event, Outgoing};
use crate::mqtt::{DeviceTopics, Incoming};

/// A connection that was too busy for an acknowledgement is tried again after this long.
const BUSY_RETRY: Duration = Duration::from_millis(250);

/// The agent's end of its connection to the broker.
pub(crate) struct Link {
    client: AsyncClient,
    topics: DeviceTopics,
    /// The current connection.
    connection: Option<u32>,
    /// The message that was received last.
    heard: (Delivery, Option<Received>),
    /// Messages that may be acknowledged and are not yet.
    acks: VecDeque<Received>,
}

struct Received {
    connection: u32,
    publish: Publish,
}

impl Link {
    pub(crate) fn new(client: AsyncClient, topics: DeviceTopics) -> Link {
        Link { client, topics, connection: None, heard: (0, None), acks: VecDeque::new() }
    }

    /// What came from the connection, in the core's words.
    pub(super) fn take(&mut self, incoming: Incoming) -> Event {
        match incoming {
            Incoming::Connected { connection } => {
                self.connection = Some(connection);
                self.acks.clear();
                Event::Connected
            }
            Incoming::Disconnected { failures, error } => {
                self.connection = None;
                Event::Disconnected { failures, error }
            }
            Incoming::SubscriptionRefused => Event::SubscriptionRefused,
            Incoming::Message { connection, kind, publish } => {
                let delivery = self.heard.0 + 1;
                let (retained, payload) = (publish.retain, publish.payload.to_vec());
                self.heard = (delivery, Some(Received { connection, publish }));
                Event::Message { delivery, kind, retained, payload }
            }
        }
    }

    /// What the message of this delivery says is stored.
    pub(super) fn may_acknowledge(&mut self, delivery: Delivery) {
        if self.heard.0 == delivery {
            self.acks.extend(self.heard.1.take());
        }
        self.acknowledge();
    }

    /// Acknowledges what may be, as far as the connection takes it.
    pub(super) fn acknowledge(&mut self) {
        if self.connection.is_none() {
            return;
        }
        while let Some(Received { connection, publish }) = self.acks.front() {
            // The broker delivers again what came with an older connection.
            if Some(*connection) == self.connection && self.client.try_ack(publish).is_err() {
                return;
            }
            self.acks.pop_front();
        }
    }

    /// When to try again what the connection was too busy for.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        (self.connection.is_some() && !self.acks.is_empty()).then(|| Instant::now() + BUSY_RETRY)
    }

    /// Hands messages to the connection; says how many it took.
    pub(super) fn publish(&self, messages: &[Outgoing]) -> usize {
        let takes = |message: &&Outgoing| {
            let (topic, message) = match message {
                Outgoing::Order(message) => (&self.topics.order, message),
                Outgoing::Status(message) => (&self.topics.status, message),
                Outgoing::Reading(_, message) => (&self.topics.reading, message),
            };
            self.client.try_publish(topic, QoS::AtLeastOnce, false, message.bytes().to_vec()).is_ok()
        };
        messages.iter().take_while(takes).count()
    }

    /// How many messages may be acknowledged and are not yet.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.acks.len()
    }

    /// Says goodbye, after acknowledging what may be.
    pub(super) fn close(&mut self) {
        self.acknowledge();
        // Best effort: a broker that is away notices by itself.
        let _ = self.client.try_disconnect();
    }
}
