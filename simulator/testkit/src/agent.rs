//! An agent that talks to the market through a real MQTT broker, and remembers what it hears.

use std::time::Duration;

use protocol::{
    answer::{Announcement, Answer, Outcome, Refusal},
    hash::Hash,
    interval::Interval,
    key::DeviceId,
    receipt::Receipt,
    topic::Topics,
};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tokio::sync::mpsc;

/// Nothing here takes long; only something that hangs takes so long.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// An agent: it publishes bytes, and remembers what the market says to its device.
pub struct Agent {
    client: AsyncClient,
    topics: Topics,
    device: DeviceId,
    heard: mpsc::Receiver<Heard>,
    kept: Vec<Heard>,
}

#[derive(Debug)]
enum Heard {
    Gate(Announcement),
    Answer(Answer),
    Receipt(Box<Receipt>),
}

impl Agent {
    pub async fn connect(port: u16, topics: &Topics, device: DeviceId) -> Agent {
        Agent::connect_by(MqttOptions::new(&device.multibase()[..20], "127.0.0.1", port), topics, device).await
    }

    /// The same by other options, as of who has to log in.
    pub async fn connect_by(mut options: MqttOptions, topics: &Topics, device: DeviceId) -> Agent {
        options.set_max_packet_size(8 << 20, 16 << 20);
        let (client, mut event_loop) = AsyncClient::new(options, 64);
        let (sender, heard) = mpsc::channel(1_024);
        let own = topics.clone();
        let (subscribed, is_subscribed) = tokio::sync::oneshot::channel();
        for topic in [topics.gate(), topics.answer(&device), topics.receipt(&device)] {
            client.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
        }
        tokio::spawn(async move {
            let (mut answered, mut subscribed) = (0, Some(subscribed));
            // Ends when the agent is dropped, or its broker.
            while let Ok(event) = event_loop.poll().await {
                let heard = match event {
                    Event::Incoming(Packet::SubAck(_)) => {
                        answered += 1;
                        if let Some(subscribed) = subscribed.take_if(|_| answered == 3) {
                            subscribed.send(()).unwrap();
                        }
                        continue;
                    }
                    Event::Incoming(Packet::Publish(publish)) if publish.topic == own.gate() => {
                        Heard::Gate(serde_json::from_slice(&publish.payload).unwrap())
                    }
                    Event::Incoming(Packet::Publish(publish)) if publish.topic == own.answer(&device) => {
                        Heard::Answer(serde_json::from_slice(&publish.payload).unwrap())
                    }
                    Event::Incoming(Packet::Publish(publish)) => {
                        Heard::Receipt(Box::new(Receipt::from_json(&publish.payload).unwrap()))
                    }
                    _ => continue,
                };
                if sender.send(heard).await.is_err() {
                    return;
                }
            }
        });
        tokio::time::timeout(PATIENCE, is_subscribed).await.unwrap().unwrap();
        Agent { client, topics: topics.clone(), device, heard, kept: Vec::new() }
    }

    pub async fn publish_reading(&self, bytes: &[u8]) {
        self.client.publish(self.topics.reading(&self.device), QoS::AtLeastOnce, false, bytes).await.unwrap();
    }

    pub async fn publish_order(&self, bytes: &[u8]) {
        self.client.publish(self.topics.order(&self.device), QoS::AtLeastOnce, false, bytes).await.unwrap();
    }

    /// Publishes a reading and waits for the answer: nothing if it is accepted, else the refusal.
    pub async fn send(&mut self, bytes: &[u8]) -> Option<Refusal> {
        self.publish_reading(bytes).await;
        self.answer(bytes).await
    }

    /// The next answer to this message.
    pub async fn answer(&mut self, bytes: &[u8]) -> Option<Refusal> {
        let message = Hash::of(bytes);
        self.next(|heard| match heard {
            Heard::Answer(answer) if answer.message == message => Some(match answer.outcome {
                Outcome::Accepted => None,
                Outcome::Refused { refusal, .. } => Some(refusal),
            }),
            _ => None,
        })
        .await
    }

    /// Waits until the market announces this.
    pub async fn wait_open(&mut self, interval: Option<Interval>) {
        self.next(|heard| matches!(heard, Heard::Gate(gate) if gate.open == interval).then_some(())).await;
    }

    /// Retains an announcement that is not the market's.
    pub async fn forge_announcement(&self, open: Option<Interval>) {
        let forged = serde_json::to_vec(&Announcement { open, orders_from: None }).unwrap();
        self.client.publish(self.topics.gate(), QoS::AtLeastOnce, true, forged).await.unwrap();
    }

    /// Forgets what it heard so far, without having waited for it.
    pub fn forget(&mut self) {
        self.kept.clear();
    }

    /// The next receipt of this interval.
    pub async fn receipt(&mut self, interval: Interval) -> Receipt {
        self.next(|heard| match heard {
            Heard::Receipt(receipt) if receipt.entry.interval == interval => Some((**receipt).clone()),
            _ => None,
        })
        .await
    }

    /// Takes what fits out of what was heard, and waits for it if need be.
    async fn next<T>(&mut self, fits: impl Fn(&Heard) -> Option<T>) -> T {
        if let Some(position) = self.kept.iter().position(|heard| fits(heard).is_some()) {
            return fits(&self.kept.remove(position)).unwrap();
        }
        loop {
            let heard = tokio::time::timeout(PATIENCE, self.heard.recv()).await;
            let heard = heard.expect("the market says nothing").expect("the connection is gone");
            match fits(&heard) {
                Some(found) => return found,
                None => self.kept.push(heard),
            }
        }
    }
}
