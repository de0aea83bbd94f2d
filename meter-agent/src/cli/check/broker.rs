//! Whether the broker lets this device in, and read what is for it.

use std::time::Duration;

use broker_login::Access;
use protocol::{genesis::Genesis, key::DeviceId, topic::Topics};
use rumqttc::{AsyncClient, Event, Packet, SubscribeReasonCode};
use tokio::time::timeout;

use crate::mqtt::{self, DeviceTopics};

/// How long the broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connects once, under a name of its own: with the device's, a running agent would be disconnected. Where the
/// community is known, it asks for the device's own topics.
pub(super) async fn reach(access: &Access, device: &DeviceId, genesis: Option<&Genesis>) -> Result<(), String> {
    let mut options = mqtt::options(access, format!("{}-check", device.multibase()));
    options.set_clean_session(true);
    let (client, mut connection) = AsyncClient::new(options, 4);
    let silent = || format!("no answer within {} s", PATIENCE.as_secs());
    match timeout(PATIENCE, connection.poll()).await {
        Ok(Ok(Event::Incoming(Packet::ConnAck(_)))) => {}
        Ok(Ok(other)) => return Err(format!("it answers {other:?}")),
        Ok(Err(error)) => return Err(access.why(&error)),
        Err(_) => return Err(silent()),
    }
    if let Some(genesis) = genesis {
        let topics = DeviceTopics::new(&Topics::new(&genesis.chain()), device);
        client.try_subscribe_many(topics.filters()).map_err(|error| error.to_string())?;
        let answer = async {
            loop {
                match connection.poll().await {
                    Ok(Event::Incoming(Packet::SubAck(ack))) => return Ok(ack.return_codes),
                    Ok(_) => {}
                    Err(error) => return Err(access.why(&error)),
                }
            }
        };
        if timeout(PATIENCE, answer).await.map_err(|_| silent())??.contains(&SubscribeReasonCode::Failure) {
            return Err(
                "it does not let this device read its own topics: ask your operator for this device's access".into()
            );
        }
    }
    // Polite, nothing more.
    let _ = client.try_disconnect();
    let _ = timeout(PATIENCE, connection.poll()).await;
    Ok(())
}
