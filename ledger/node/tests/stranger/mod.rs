//! A peer made by hand, which sends whatever it is told to.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::time::Duration;

use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder,
    futures::StreamExt,
    gossipsub::{self, ConfigBuilder, IdentTopic, MessageAuthenticity, MessageId},
    noise,
    swarm::SwarmEvent,
    tcp, yamux,
};
use protocol::hash::Hash;

/// How long a stranger attends to its line before it looks up.
const LOOK: Duration = Duration::from_millis(20);

/// A gossipsub peer of its own making.
pub(crate) struct Stranger {
    swarm: Swarm<gossipsub::Behaviour>,
    topic: IdentTopic,
    node: PeerId,
    connected: bool,
}

impl Stranger {
    /// Connects to a node, as a member of a chain's gossip, and waits until the node listens to it.
    pub(crate) async fn connect(chain: Hash, address: &Multiaddr, frame_bytes_max: usize) -> Stranger {
        Stranger::try_connect(chain, address, frame_bytes_max).await.unwrap()
    }

    /// Connects to a node, which may refuse.
    pub(crate) async fn try_connect(
        chain: Hash,
        address: &Multiaddr,
        frame_bytes_max: usize,
    ) -> Result<Stranger, String> {
        let topic = IdentTopic::new(format!("voisin/{chain}/transactions"));
        let config = ConfigBuilder::default()
            .protocol_id_prefix(format!("/voisin/{chain}/transactions"))
            .max_transmit_size(frame_bytes_max)
            .message_id_fn(|message| MessageId::from(message.data.clone()))
            .build()
            .unwrap();
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|key| {
                let mut gossipsub = gossipsub::Behaviour::new(MessageAuthenticity::Signed(key.clone()), config)?;
                gossipsub.subscribe(&topic)?;
                Ok(gossipsub)
            })
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
            .build();
        swarm.dial(address.clone()).unwrap();
        let node = loop {
            match swarm.select_next_some().await {
                SwarmEvent::Behaviour(gossipsub::Event::Subscribed { peer_id, .. }) => break peer_id,
                SwarmEvent::OutgoingConnectionError { error, .. } => return Err(format!("not let in: {error}")),
                SwarmEvent::ConnectionClosed { .. } => return Err("let in, and shown out".into()),
                _ => {}
            }
        };
        Ok(Stranger { swarm, topic, node, connected: true })
    }

    /// Sends a message; `false` if the node has hung up.
    pub(crate) async fn send(&mut self, message: Vec<u8>) -> bool {
        if self.is_connected().await {
            // Without a peer to send it to, it is refused here.
            let _ = self.swarm.behaviour_mut().publish(self.topic.clone(), message);
        }
        self.is_connected().await
    }

    /// Attends to the line for a moment; whether it still holds.
    pub(crate) async fn is_connected(&mut self) -> bool {
        let events = async {
            loop {
                if let SwarmEvent::ConnectionClosed { num_established: 0, .. } = self.swarm.select_next_some().await {
                    return;
                }
            }
        };
        if self.connected && tokio::time::timeout(LOOK, events).await.is_ok() {
            self.connected = false;
        }
        self.connected
    }

    /// Attends to the line until nothing has happened on it for a while.
    pub(crate) async fn flush(&mut self) {
        while tokio::time::timeout(LOOK * 10, self.swarm.select_next_some()).await.is_ok() {}
        self.connected = self.swarm.is_connected(&self.node);
    }

    /// Dials again, and waits until the node has hung up.
    pub(crate) async fn is_refused(&mut self, address: &Multiaddr) {
        self.swarm.dial(address.clone()).unwrap();
        loop {
            match self.swarm.select_next_some().await {
                SwarmEvent::ConnectionClosed { num_established: 0, .. }
                | SwarmEvent::OutgoingConnectionError { .. } => {
                    return;
                }
                SwarmEvent::Behaviour(gossipsub::Event::Subscribed { .. }) => panic!("the node listens to it again"),
                _ => {}
            }
        }
    }
}
