//! Devices that publish JSON to the household's own broker, which is not the community's.
//!
//! A retained message is an old one that looks new, and is passed over. A sample is as old as the oldest of its
//! messages.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    time::Duration,
};

use broker_login::Access;
use rumqttc::{AsyncClient, Event, EventLoop, Packet, Publish, QoS, SubscribeFilter, SubscribeReasonCode};
use tokio::time::{Interval, timeout};

use super::{
    super::sampler::NoSample,
    documents::{Documents, Place},
    points::Points,
    template::Mqtt,
};
use crate::wall_clock::now_s;

/// Most bytes of a message.
const MESSAGE_BYTES_MAX: usize = 64 * 1_024;
/// How long the broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
const REQUESTS_MAX: usize = 16;

/// The household's broker with what it takes to be let in, and what the template says of the device there.
#[derive(Debug, Clone)]
pub(super) struct MqttDevice {
    pub(super) access: Access,
    pub(super) settings: Mqtt,
}

/// A subscription.
pub(super) struct Connection {
    client: AsyncClient,
    event_loop: EventLoop,
    /// When to ask, where the device is asked.
    ticks: Interval,
    /// The latest message of each topic, and when it came, in seconds after 1970.
    heard: BTreeMap<String, (serde_json::Value, i64)>,
}

impl Connection {
    /// Subscribes to every topic that is read.
    pub(super) async fn connect(
        device: &MqttDevice,
        points: &Points<Place>,
        ticks: Interval,
    ) -> Result<Connection, String> {
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(|error| error.to_string())?;
        let name = format!("voisin-meter-{:016x}", u64::from_be_bytes(number));
        let mut options = device.access.options(name);
        options.set_max_packet_size(MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX);
        let (client, mut event_loop) = AsyncClient::new(options, REQUESTS_MAX);
        let topics: BTreeSet<&String> = points.fields().map(|place| &place.document).collect();
        let filters = topics.into_iter().map(|topic| SubscribeFilter::new(topic.clone(), QoS::AtMostOnce));
        client.try_subscribe_many(filters).map_err(|error| error.to_string())?;
        loop {
            match timeout(PATIENCE, event_loop.poll()).await {
                Ok(Ok(Event::Incoming(Packet::SubAck(ack)))) => {
                    if ack.return_codes.contains(&SubscribeReasonCode::Failure) {
                        return Err("the household's broker does not let this user read the device's topics".into());
                    }
                    break;
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(device.access.why(&error)),
                Err(_) => return Err(format!("no answer from the household's broker within {} s", PATIENCE.as_secs())),
            }
        }
        Ok(Connection { client, event_loop, ticks, heard: BTreeMap::new() })
    }

    /// Waits until the device has said everything at least once, and something anew; and as of when that is.
    pub(super) async fn listen(
        &mut self,
        device: &MqttDevice,
        points: &Points<Place>,
    ) -> Result<(Documents, i64), NoSample> {
        let topics: BTreeSet<&String> = points.fields().map(|place| &place.document).collect();
        loop {
            let publish = self.message(device).await?;
            if publish.retain || !topics.contains(&publish.topic) {
                continue;
            }
            let value = serde_json::from_slice(&publish.payload).map_err(|error| {
                NoSample::Unusable(format!("{}: expected JSON: {error}", super::unreadable::cut(&publish.topic)))
            })?;
            self.heard.insert(publish.topic, (value, now_s()));
            let times = self.heard.values().map(|(_, at_s)| *at_s);
            if let Some(at_s) = times.min().filter(|_| self.heard.len() == topics.len()) {
                let documents = self.heard.iter().map(|(topic, (value, _))| (topic.clone(), value.clone()));
                return Ok((Documents(documents.collect()), at_s));
            }
        }
    }

    /// The next message. The device is asked meanwhile, if it has to be.
    async fn message(&mut self, device: &MqttDevice) -> Result<Publish, NoSample> {
        let Connection { client, event_loop, ticks, .. } = self;
        loop {
            let mut event = pin!(event_loop.poll());
            let event = loop {
                tokio::select! {
                    event = &mut event => break event,
                    _ = ticks.tick() => if let Some(ask) = &device.settings.ask {
                        // What is lost is asked again.
                        let _ = client.try_publish(&ask.topic, QoS::AtMostOnce, false, ask.payload.as_bytes());
                    },
                }
            };
            match event {
                Ok(Event::Incoming(Packet::Publish(publish))) => return Ok(publish),
                Ok(_) => {}
                Err(error) => return Err(NoSample::Lost(device.access.why(&error))),
            }
        }
    }
}
