//! The connection to Home Assistant's broker: one task, beside the agent and without a say in what it does.

use std::{pin::pin, time::Duration};

use broker_login::{Access, LoginError};
use protocol::key::DeviceId;
use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Outgoing, Packet, QoS};
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    config::HomeAssistantConfig,
    description::Device,
    figures::{self, figures, set_point},
};
use crate::{set_point::SetPoint, status::Status, wall_clock::now_s};

const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Between attempts to connect: longer and longer.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long a broker may take to hear that the agent stops, or that everything is to be removed.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
const PACKET_BYTES_MAX: usize = 64 * 1_024;
const REQUESTS_MAX: usize = 16;
const ONLINE: &str = "online";
const OFFLINE: &str = "offline";

/// Why nothing could be removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// There is nothing to log in with.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The broker did not take it.
    #[error("expected Home Assistant's broker at {broker}: {why}")]
    Broker {
        /// Where it was looked for.
        broker: String,
        /// Why.
        why: String,
    },
}

/// What is said to Home Assistant, and where.
pub(crate) struct Link {
    access: Access,
    device: Device,
}

impl Link {
    /// Reads what it takes to log in. The status page is named if `page` says where others reach it; set-points that
    /// are meant for so long are shown if `set_point_s` says so.
    pub(crate) fn new(
        config: &HomeAssistantConfig,
        device: &DeviceId,
        status: &Status,
        page: Option<String>,
        set_point_s: Option<u64>,
    ) -> Result<Link, LoginError> {
        let id = id_of(device);
        let device = Device {
            name: status.name.clone().unwrap_or_else(|| "Voisin".into()),
            currency: status.currency.clone(),
            page,
            prefix: config.prefix.as_str().into(),
            set_point_s,
            id,
        };
        Ok(Link { access: Access::at_home(&config.broker, &config.login, "voisin")?, device })
    }

    /// Says everything, and again when it changes or Home Assistant starts, until told to stop.
    pub(crate) async fn run(self, mut status: watch::Receiver<Status>, mut stop: impl Future<Output = ()> + Unpin) {
        let (client, mut connection) = AsyncClient::new(self.options(), REQUESTS_MAX);
        let mut pause = PAUSE_MIN;
        let mut connected = false;
        let mut proposed = None;
        loop {
            let event = {
                let mut poll = pin!(connection.poll());
                loop {
                    tokio::select! {
                        () = &mut stop => break None,
                        event = &mut poll => break Some(event),
                        changed = status.changed(), if connected => match changed {
                            Ok(()) => {
                                self.say_figures(&client, &status);
                                self.propose(&client, &status, &mut proposed);
                            }
                            // The agent has ended: whoever started it tells this task, too.
                            Err(_) => connected = false,
                        },
                    }
                }
            };
            let Some(event) = event else { return self.stop(client, connection, connected).await };
            match event {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    (connected, pause) = (true, PAUSE_MIN);
                    // Again on every connection: the broker may have forgotten everything.
                    let _ = client.try_subscribe(self.device.birth_topic(), QoS::AtLeastOnce);
                    self.say_all(&client, &status, &mut proposed);
                }
                Ok(Event::Incoming(Packet::Publish(publish))) if publish.payload == ONLINE => {
                    self.say_all(&client, &status, &mut proposed);
                }
                Ok(_) => {}
                Err(error) => {
                    if pause == PAUSE_MIN {
                        let (broker, why) = (self.access.broker(), self.access.why(&error));
                        tracing::warn!(%broker, "Home Assistant's broker cannot be reached: {why}");
                    }
                    connected = false;
                    tokio::select! {
                        () = &mut stop => return,
                        () = sleep(pause) => {}
                    }
                    pause = (2 * pause).min(PAUSE_MAX);
                }
            }
        }
    }

    fn options(&self) -> MqttOptions {
        // Not under the device's name alone: the household's broker may be the community's.
        let mut options = self.access.options(format!("voisin-home-{}", self.device.id));
        let will = LastWill::new(self.device.availability_topic(), OFFLINE, QoS::AtLeastOnce, true);
        options.set_keep_alive(KEEP_ALIVE).set_last_will(will).set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
        options
    }

    fn say_all(&self, client: &AsyncClient, status: &watch::Receiver<Status>, proposed: &mut Option<SetPoint>) {
        say(client, self.device.description_topic(), self.device.description().to_string());
        say(client, self.device.availability_topic(), ONLINE.into());
        self.say_figures(client, status);
        *proposed = None;
        self.propose(client, status, proposed);
    }

    fn say_figures(&self, client: &AsyncClient, status: &watch::Receiver<Status>) {
        let figures: Value = figures(&status.borrow());
        say(client, self.device.figures_topic(), figures.to_string());
    }

    /// Says what is proposed for the battery, where that is another than what was `proposed` and no more than its time
    /// has passed. It is not retained: whoever comes later must not take it for one of now.
    fn propose(&self, client: &AsyncClient, status: &watch::Receiver<Status>, proposed: &mut Option<SetPoint>) {
        let now = figures::proposed(&status.borrow(), now_s());
        if let Some(is) = now.filter(|is| *proposed != Some(*is)) {
            let (topic, payload) = (self.device.set_point_topic(), set_point(is).to_string());
            let _ = client.try_publish(topic, QoS::AtLeastOnce, false, payload);
        }
        *proposed = now;
    }

    /// Says that the agent stops: a connection that is closed in order has no last will.
    async fn stop(self, client: AsyncClient, mut connection: EventLoop, connected: bool) {
        if connected {
            say(&client, self.device.availability_topic(), OFFLINE.into());
            // As well as it can be.
            let _ = close(&client, &mut connection).await;
        }
    }
}

/// Retained, so that Home Assistant finds it whenever it starts. What is lost is said again with the next change.
fn say(client: &AsyncClient, topic: String, payload: String) {
    let _ = client.try_publish(topic, QoS::AtLeastOnce, true, payload);
}

/// Disconnects after all that was said: a broker takes in order what comes.
async fn close(client: &AsyncClient, connection: &mut EventLoop) -> Result<(), Unclosed> {
    let _ = client.try_disconnect();
    let closed = async {
        while !matches!(connection.poll().await?, Event::Outgoing(Outgoing::Disconnect)) {}
        Ok(())
    };
    timeout(STOP_PATIENCE, closed).await.map_err(|_| Unclosed::Late)?.map_err(|error| Unclosed::Failed(Box::new(error)))
}

/// Why what was said last may not have been heard.
enum Unclosed {
    Late,
    Failed(Box<ConnectionError>),
}

/// Removes the device from Home Assistant, and what is retained of it.
pub(crate) async fn remove(config: &HomeAssistantConfig, device: &DeviceId) -> Result<(), LinkError> {
    let access = Access::at_home(&config.broker, &config.login, "voisin")?;
    let id = id_of(device);
    let device = Device {
        name: String::new(),
        currency: String::new(),
        page: None,
        prefix: config.prefix.as_str().into(),
        set_point_s: None,
        id,
    };
    let (client, mut connection) =
        AsyncClient::new(access.options(format!("voisin-home-{}-remove", device.id)), REQUESTS_MAX);
    for topic in [device.description_topic(), device.figures_topic(), device.availability_topic()] {
        say(&client, topic, String::new());
    }
    let why = match close(&client, &mut connection).await {
        Ok(()) => return Ok(()),
        Err(Unclosed::Failed(error)) => access.why(&error),
        Err(Unclosed::Late) => format!("no answer within {} s", STOP_PATIENCE.as_secs()),
    };
    Err(LinkError::Broker { broker: access.broker().to_string(), why })
}

/// Letters and digits only, as topics of Home Assistant have them.
fn id_of(device: &DeviceId) -> String {
    device.multibase()
}
