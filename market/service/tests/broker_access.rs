//! The access rules that come with Voisin, in a real broker: no device writes or reads what is another's. (That
//! signatures protect the market where there are no such rules, `service.rs` shows.)

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{path::Path, time::Duration};

use protocol::{hash::Hash, key::SecretKey, topic::Topics};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS, SubscribeReasonCode};
use testkit::mosquitto::Mosquitto;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(60);

/// A client that has logged in under this name.
struct Client {
    client: AsyncClient,
    heard: mpsc::UnboundedReceiver<Packet>,
}

impl Client {
    fn connect(port: u16, name: &str) -> Client {
        let mut options = MqttOptions::new(&name[..name.len().min(20)], "127.0.0.1", port);
        options.set_credentials(name, "");
        let (client, mut event_loop) = AsyncClient::new(options, 64);
        let (sender, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            // Ends with the broker.
            while let Ok(event) = event_loop.poll().await {
                if let Event::Incoming(packet @ (Packet::Publish(_) | Packet::PubAck(_) | Packet::SubAck(_))) = event {
                    sender.send(packet).ok();
                }
            }
        });
        Client { client, heard }
    }

    async fn next(&mut self) -> Packet {
        tokio::time::timeout(PATIENCE, self.heard.recv()).await.expect("the broker says nothing").unwrap()
    }

    /// Publishes, and waits until the broker has the message.
    async fn publish(&mut self, topic: &str) {
        self.client.publish(topic, QoS::AtLeastOnce, false, topic).await.unwrap();
        while !matches!(self.next().await, Packet::PubAck(_)) {}
    }

    async fn subscribe(&mut self, topic: &str) {
        self.client.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
        let Packet::SubAck(answer) = self.next().await else { panic!("no answer to a subscription") };
        // Mosquitto takes any subscription, and filters what it delivers.
        assert_eq!(answer.return_codes, [SubscribeReasonCode::Success(QoS::AtLeastOnce)]);
    }

    /// The topics of all that arrives until `last` does.
    async fn hear_until(&mut self, last: &str) -> Vec<String> {
        let mut topics = Vec::new();
        while topics.last().is_none_or(|topic| topic != last) {
            if let Packet::Publish(publish) = self.next().await {
                topics.push(publish.topic);
            }
        }
        topics
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_device_writes_and_reads_its_own_topics_and_no_others() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/mosquitto/acl.conf");
    let broker = Mosquitto::start_with(&format!("acl_file {}\n", rules.display()));
    let topics = Topics::new(&Hash::ZERO);
    let [ada, bob] = [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]).public());
    let mut market = Client::connect(broker.port, "market");
    let mut of_ada = Client::connect(broker.port, &ada.multibase());
    for filter in [topics.all_readings(), topics.all_orders()] {
        market.subscribe(&filter).await;
    }
    of_ada.subscribe("#").await;

    // What is not allowed is acknowledged, and goes nowhere.
    for topic in [topics.reading(&bob), topics.order(&bob), topics.gate(), topics.answer(&ada), topics.reading(&ada)] {
        of_ada.publish(&topic).await;
    }
    assert_eq!(market.hear_until(&topics.reading(&ada)).await, [topics.reading(&ada)]);
    of_ada.publish(&topics.order(&ada)).await;
    assert_eq!(market.hear_until(&topics.order(&ada)).await, [topics.order(&ada)]);

    for topic in [topics.answer(&bob), topics.receipt(&bob), topics.answer(&ada), topics.receipt(&ada), topics.gate()] {
        market.publish(&topic).await;
    }
    let heard = of_ada.hear_until(&topics.gate()).await;
    assert_eq!(heard, [topics.answer(&ada), topics.receipt(&ada), topics.gate()]);

    let mut stranger = Client::connect(broker.port, &bob.multibase().replace('z', "x"));
    stranger.publish(&topics.reading(&ada)).await;
    stranger.publish(&topics.gate()).await;
    of_ada.publish(&topics.reading(&ada)).await;
    assert_eq!(
        market.hear_until(&topics.reading(&ada)).await,
        [topics.reading(&ada)],
        "the device's own, and only that"
    );
}
