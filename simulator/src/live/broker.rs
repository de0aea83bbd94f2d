//! The embedded MQTT broker: rumqttd on the loopback interface.
//!
//! Good for a neighbourhood that lives in one process: it keeps everything in memory, knows no access control, and
//! cannot be stopped before the process ends. For anything else there is `--broker`.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    thread,
    time::Duration,
};

use rumqttd::{Config, ConnectionSettings, RouterConfig, SegmentConfig, ServerSettings};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

/// Most connections: as many agents as any data set has here, and the market.
const CONNECTIONS_MAX: usize = 10_010;
/// Most bytes of a message: the largest that a market sends.
const PAYLOAD_BYTES_MAX: usize = protocol::limits::ANSWER_BYTES_MAX;
/// Most messages on their way to one client.
const INFLIGHT_MAX: usize = 100;
/// Each subscription has a log of this many bytes a segment, from which its reader may fall behind by all but one.
/// The logs of agents' topics are many and hold one agent's messages, those of the market's hold everyone's.
const AGENT_SEGMENT_BYTES: usize = 128 * 1024;
const MARKET_SEGMENT_BYTES: usize = 4 * 1024 * 1024;
const SEGMENTS: usize = 4;
/// What only the market subscribes to, see `protocol::topic`.
const MARKET_FILTERS: [&str; 3] =
    ["voisin/v1/+/devices/+/reading", "voisin/v1/+/devices/+/order", "voisin/v1/+/devices/+/status"];
/// Time for a client to introduce itself, ms.
const CONNECT_TIMEOUT_MS: u16 = 60_000;
/// Time for the broker to start listening.
const START: Duration = Duration::from_secs(20);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(10);

/// Why the broker does not run.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// No thread for it.
    #[error("cannot start a thread for the MQTT broker: {0}")]
    NoThread(std::io::Error),
    /// It gave up, or does not listen.
    #[error("expected the MQTT broker to listen on {0}, found that it does not; is the port taken?")]
    NotListening(SocketAddr),
}

/// Starts the broker on `port` of the loopback interface, and waits until it listens.
pub(super) async fn start(port: u16) -> Result<(), BrokerError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut broker = rumqttd::Broker::new(config(address));
    let thread = thread::Builder::new()
        .name("broker".to_owned())
        .spawn(move || {
            if let Err(error) = broker.start() {
                tracing::error!(%error, "the embedded broker ended");
            }
        })
        .map_err(BrokerError::NoThread)?;
    let deadline = Instant::now() + START;
    while TcpStream::connect(address).await.is_err() {
        if thread.is_finished() || Instant::now() > deadline {
            return Err(BrokerError::NotListening(address));
        }
        sleep(LOOK).await;
    }
    // Someone else may have answered: then the broker could not bind, and ended.
    sleep(LOOK).await;
    if thread.is_finished() { Err(BrokerError::NotListening(address)) } else { Ok(()) }
}

fn config(listen: SocketAddr) -> Config {
    let market_log = SegmentConfig { max_segment_size: MARKET_SEGMENT_BYTES, max_segment_count: SEGMENTS };
    let market_logs = MARKET_FILTERS.map(|filter| (filter.to_owned(), market_log.clone())).into();
    let server = ServerSettings {
        name: "v4".to_owned(),
        listen,
        tls: None,
        next_connection_delay_ms: 0,
        connections: ConnectionSettings {
            connection_timeout_ms: CONNECT_TIMEOUT_MS,
            max_payload_size: PAYLOAD_BYTES_MAX,
            max_inflight_count: INFLIGHT_MAX,
            auth: None,
            external_auth: None,
            dynamic_filters: true,
        },
    };
    Config {
        id: 0,
        router: RouterConfig {
            max_connections: CONNECTIONS_MAX,
            max_outgoing_packet_count: 200,
            max_segment_size: AGENT_SEGMENT_BYTES,
            max_segment_count: SEGMENTS,
            custom_segment: Some(market_logs),
            initialized_filters: None,
            ..RouterConfig::default()
        },
        v4: Some(HashMap::from([("1".to_owned(), server)])),
        ..Config::default()
    }
}
