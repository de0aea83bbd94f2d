//! What the agent proposes for a battery, over a real broker: said with an expiry, not retained, and not to be
//! commanded.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::net::SocketAddr;

use meter_agent::start;
use protocol::interval::utc_text;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, Publish, QoS};
use serde_json::{Value, json};
use support::{Home, Market, PATIENCE, interval};
use testkit::mosquitto::Mosquitto;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Consumption and production.
const METER: [(u64, u64); 3] = [(250, 50), (0, 100), (130, 30)];
/// Neighbours are at 0.19, between what the supplier gives and takes by more than it loses: all is up to the limits.
const BATTERY: &str = "[battery]\ncapacity_wh = 10000\npower_w = 3000\nround_trip_efficiency = 0.9\n";

/// Whoever listens at home.
struct Listener {
    client: AsyncClient,
    connection: EventLoop,
}

impl Listener {
    /// Hears what is said there, from now on and retained.
    async fn connect(name: &str, port: u16) -> Listener {
        let mut options = MqttOptions::new(name, "127.0.0.1", port);
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (client, connection) = AsyncClient::new(options, 64);
        let mut listener = Listener { client, connection };
        listener.client.try_subscribe("#", QoS::AtLeastOnce).unwrap();
        listener.until(|packet| matches!(packet, Packet::SubAck(_)).then_some(())).await;
        listener
    }

    async fn until<T>(&mut self, wanted: impl Fn(&Packet) -> Option<T>) -> T {
        let polling = async {
            loop {
                let Event::Incoming(packet) = self.connection.poll().await.unwrap() else { continue };
                if let Some(found) = wanted(&packet) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, polling).await.expect("nothing of the kind came")
    }

    /// The next message on a topic that ends so.
    async fn hears(&mut self, topic: &str) -> Publish {
        let is_it = |packet: &Packet| match packet {
            Packet::Publish(publish) if publish.topic.ends_with(topic) => Some(publish.clone()),
            _ => None,
        };
        self.until(is_it).await
    }

    async fn set_point(&mut self) -> Value {
        let said = self.hears("/set-point").await;
        assert!(!said.retain);
        serde_json::from_slice(&said.payload).unwrap()
    }

    async fn says(&mut self, topic: &str, payload: &str) {
        self.client.try_publish(topic, QoS::AtLeastOnce, false, payload).unwrap();
        self.until(|packet| matches!(packet, Packet::PubAck(_)).then_some(())).await;
    }
}

fn home(broker: u16, at_home: u16, more: &str) -> Home {
    let home = Home::new(broker, &METER);
    home.configure(broker, &format!("{more}[home_assistant]\nbroker = \"mqtt://127.0.0.1:{at_home}\"\n"));
    home
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_set_point_is_proposed_for_each_interval_and_nobody_commands_it() {
    let (broker, at_home) = (Mosquitto::start(), Mosquitto::start());
    let mut seen = Listener::connect("listener", at_home.port).await;
    let order = "[order]\nstrategy = \"fixed\"\nbuy = \"0.20\"\nsell = \"0.25\"\n";
    let home = home(broker.port, at_home.port, &format!("{order}{BATTERY}"));
    let mut market = Market::connect(&home, broker.port).await;
    let running = start(home.config()).await.unwrap();

    let description: Value = serde_json::from_slice(&seen.hears("/config").await.payload).unwrap();
    let shown = &description["components"]["set_point"];
    let found = ["device_class", "unit_of_measurement", "expire_after"].map(|name| &shown[name]);
    assert_eq!(json!(found), json!(["power", "W", 900]));
    assert!(!description.to_string().contains("command"), "{description}");

    // The order stands from the third interval on: until then it is a price taker, who says nothing of the battery.
    market.announce(0).await;
    market.order().await;
    market.reading().await;
    market.forward(home.receipt(0, 150, 0, 50, 0).to_json()).await;
    let of = |power: i64, at: i64| json!({ "set_point": power, "until": utc_text(interval(at).end_s()) });
    assert_eq!(seen.set_point().await, of(0, 1));
    market.announce(1).await;
    // Its order is for the third: 0.19 is no more than 0.20, and than 0.9 times 0.30.
    assert_eq!(seen.set_point().await, of(3_000, 2));

    let page = running.status_addr.unwrap();
    for (language, said) in [
        ("en", "<dt>Proposed to the battery</dt><dd>charge at 3"),
        ("fr", "<dt>Proposé à la batterie</dt><dd>charger à 3"),
        ("de", "<dt>Vorschlag für die Batterie</dt><dd>laden mit 3"),
    ] {
        let shown = get(page, &format!("/?lang={language}")).await;
        assert!(shown.contains(said), "{shown}");
    }
    assert!(get(page, "/status").await.contains("\"set_point\":{\"power_w\":3000,"), "the JSON says it, too");

    // Nobody commands it: whatever is said, what it shows next follows from the market.
    let topic = shown["state_topic"].as_str().unwrap();
    for suffix in ["/set", "/command", ""] {
        seen.says(&format!("{topic}{suffix}"), "{\"set_point\": -9999, \"until\": \"2099-01-01T00:00:00Z\"}").await;
    }
    assert_eq!(running.status().set_point.map(|set_point| set_point.power_w), Some(3_000));
    // Whoever comes later hears none, since none is retained, until there is a new one or Home Assistant starts.
    let mut late = Listener::connect("late", at_home.port).await;
    assert!(late.hears("/figures").await.retain);
    seen.says("homeassistant/status", "online").await;
    assert_eq!(late.set_point().await, of(3_000, 2));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn without_a_battery_nothing_is_proposed() {
    let (broker, at_home) = (Mosquitto::start(), Mosquitto::start());
    let mut seen = Listener::connect("listener", at_home.port).await;
    let home = home(broker.port, at_home.port, "");
    let mut market = Market::connect(&home, broker.port).await;
    let running = start(home.config()).await.unwrap();
    let description: Value = serde_json::from_slice(&seen.hears("/config").await.payload).unwrap();
    assert_eq!(description["components"].get("set_point"), None);
    market.announce(0).await;
    market.reading().await;
    market.forward(home.receipt(0, 150, 0, 50, 0).to_json()).await;
    let figures = |publish: &Packet| match publish {
        Packet::Publish(publish) if publish.topic.ends_with("/set-point") => panic!("{publish:?}"),
        Packet::Publish(publish) => {
            let figures: Value = serde_json::from_slice(&publish.payload).ok()?;
            (figures["price"] == "0.19").then_some(())
        }
        _ => None,
    };
    seen.until(figures).await;
    assert_eq!(running.status().set_point, None);
    assert!(!get(running.status_addr.unwrap(), "/").await.contains("battery"));
    running.stop().await;
}

/// The answer of the agent's page.
async fn get(page: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(page).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
