//! The files that come with Voisin for a broker of strangers, in a real Mosquitto: who shows no certificate that it
//! knows is not let in, and no device writes or reads what is another's. (That signatures protect the market where
//! there are no such rules, `broker_tls.rs` and `service.rs` show.)

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use protocol::{hash::Hash, key::SecretKey, topic::Topics};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS, SubscribeReasonCode};
use testkit::secure_broker::SecureBroker;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(60);

/// A client that has logged in.
struct Client {
    client: AsyncClient,
    heard: mpsc::UnboundedReceiver<Packet>,
}

impl Client {
    fn connect(options: MqttOptions) -> Client {
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

/// No device writes or reads what is another's; each is called by its user's name.
async fn assert_rules(connect: impl Fn(&str) -> Client) {
    let topics = Topics::new(&Hash::ZERO);
    let [ada, bob] = [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]).public());
    let mut market = connect("market");
    let mut of_ada = connect(&ada.multibase());
    for filter in [topics.all_readings(), topics.all_orders(), topics.all_statuses()] {
        market.subscribe(&filter).await;
    }
    let of_bob = [topics.answer(&bob), topics.receipt(&bob), topics.registration(&bob), topics.quota(&bob)];
    for filter in of_bob.iter().map(String::as_str).chain(["#", &topics.all_readings()]) {
        of_ada.subscribe(filter).await;
    }

    // What is not allowed is acknowledged, and goes nowhere.
    for topic in [
        topics.reading(&bob),
        topics.order(&bob),
        topics.status(&bob),
        topics.gate(),
        topics.registration(&ada),
        topics.quota(&ada),
        topics.answer(&ada),
        topics.reading(&ada),
    ] {
        of_ada.publish(&topic).await;
    }
    assert_eq!(market.hear_until(&topics.reading(&ada)).await, [topics.reading(&ada)]);
    of_ada.publish(&topics.order(&ada)).await;
    assert_eq!(market.hear_until(&topics.order(&ada)).await, [topics.order(&ada)]);
    of_ada.publish(&topics.status(&ada)).await;
    assert_eq!(market.hear_until(&topics.status(&ada)).await, [topics.status(&ada)]);

    for topic in [
        topics.answer(&bob),
        topics.receipt(&bob),
        topics.registration(&bob),
        topics.quota(&bob),
        topics.answer(&ada),
        topics.receipt(&ada),
        topics.registration(&ada),
        topics.quota(&ada),
        topics.gate(),
    ] {
        market.publish(&topic).await;
    }
    let heard = of_ada.hear_until(&topics.gate()).await;
    let own = [topics.answer(&ada), topics.receipt(&ada), topics.registration(&ada), topics.quota(&ada)];
    assert_eq!(heard, [&own[..], &[topics.gate()]].concat());

    let mut stranger = connect(&bob.multibase().replace('z', "x"));
    stranger.publish(&topics.reading(&ada)).await;
    stranger.publish(&topics.gate()).await;
    of_ada.publish(&topics.reading(&ada)).await;
    assert_eq!(
        market.hear_until(&topics.reading(&ada)).await,
        [topics.reading(&ada)],
        "the device's own, and only that"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_device_writes_and_reads_its_own_topics_and_no_others() {
    let broker = SecureBroker::with_certificates();
    assert_rules(|name| Client::connect(broker.options(name))).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_user_with_a_password_writes_and_reads_its_own_topics_and_no_others() {
    let [ada, bob] = [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]).public().multibase());
    let broker = SecureBroker::with_passwords(&["market", &ada, &bob.replace('z', "x")]);
    let access = |name: &str| broker.access(&broker.password_login(name, &format!("{name}-secret")));
    assert_rules(|name| Client::connect(access(name).options(name.into()))).await;
}

/// What is said of an attempt to log in.
async fn refusal(broker: &SecureBroker, login: &str) -> String {
    let access = broker.access(login);
    let (_client, mut event_loop) = AsyncClient::new(access.options("somebody".into()), 1);
    let answer = tokio::time::timeout(PATIENCE, event_loop.poll()).await.expect("the broker says nothing");
    access.why(&answer.expect_err("expected to be refused, and was let in"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn who_has_no_certificate_that_counts_is_not_let_in_and_told_why() {
    let broker = SecureBroker::with_certificates();
    for (login, expected) in [
        (broker.anonymous_login(), "it demands a certificate"),
        (broker.expired_login("market"), "it says that our certificate has expired"),
        (broker.foreign_login("market"), "it says that our certificate is of no authority that it knows"),
        (broker.mistaken_login(), "its certificate leads to none that `ca` of [broker_login] trusts"),
    ] {
        let why = refusal(&broker, &login).await;
        // Where the broker hangs up while we still send, its reason is lost.
        assert!(why.starts_with(expected) || (why.starts_with("it hung up") && why.contains("certificate`")), "{why}");
    }
    Client::connect(broker.options("market")).subscribe("#").await;

    let broker = SecureBroker::with_passwords(&["market"]);
    for (login, expected) in [
        (broker.anonymous_login(), "it lets in nobody without a user and a password"),
        (broker.password_login("market", "guessed"), "it refuses the user `market` or the password"),
        (broker.password_login("eve", "eve-secret"), "it refuses the user `eve` or the password"),
    ] {
        let why = refusal(&broker, &login).await;
        assert!(why.starts_with(expected) && !why.contains("guessed") && !why.contains("-secret"), "{why}");
    }
}
