//! What both connections to the broker have in common.

use std::time::Duration;

use broker_login::Access;
use protocol::{envelope::ChainId, limits::ANSWER_BYTES_MAX};
use rumqttc::MqttOptions;

/// Most bytes of one packet from the broker. Above [`MESSAGE_BYTES_MAX`] a message is refused, but still by name.
const PACKET_BYTES_MAX: usize = 1_024 * 1_024;
/// Room for the topic and the header of a packet.
const HEADER_BYTES_MAX: usize = 1_024;
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Options of a connection, of which the broker knows the role.
pub(super) fn options(access: &Access, role: &str, chain: &ChainId) -> MqttOptions {
    // 23 characters: any broker has to take that many.
    let id = format!("{role}-{}", &chain.to_string()[..16]);
    let mut options = access.options(id);
    options
        .set_clean_session(false)
        .set_keep_alive(KEEP_ALIVE)
        .set_max_packet_size(PACKET_BYTES_MAX, ANSWER_BYTES_MAX + HEADER_BYTES_MAX);
    options
}

/// Pauses between attempts to connect, longer and longer.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff(BACKOFF_MIN)
    }
}

impl Backoff {
    /// Whether this is the first attempt since there was a connection.
    pub(super) fn is_first(&self) -> bool {
        self.0 == BACKOFF_MIN
    }

    pub(super) async fn pause(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(BACKOFF_MAX);
    }
}
