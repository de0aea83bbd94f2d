//! The libp2p side: transport, gossipsub and what guards them, put together.

use std::{io, time::Duration};

use libp2p::{
    Swarm, SwarmBuilder,
    allow_block_list::{self, BlockedPeers},
    connection_limits,
    gossipsub::{
        self, ConfigBuilder, IdentTopic, MaxCountSubscriptionFilter, MessageAuthenticity, MessageId, ValidationMode,
        WhitelistSubscriptionFilter,
    },
    identity::Keypair,
    noise,
    swarm::NetworkBehaviour,
    tcp, yamux,
};
use protocol::{envelope::ChainId, hash::Hash, limits::TRANSACTION_BYTES_MAX, unopened::Unopened};

use super::{
    GossipError,
    limits::{PeerLimits, PerAddress},
    scoring,
};

/// Gossipsub's frame around a transaction: topic, author, number, key, signature.
const FRAME_BYTES_MAX: usize = 1_024;
/// Streams on one connection: gossipsub keeps one each way, and opens a new one when an old one fails.
const STREAMS_MAX: usize = 16;
/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection stays on which gossip does not happen.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a message is known again. Afterwards the pool knows it, or the state.
const DUPLICATES_KNOWN_FOR: Duration = Duration::from_secs(120);
/// Heartbeats for which a message is kept: it has to be checked meanwhile.
const HISTORY_HEARTBEATS: usize = 12;
/// How long a message may wait for a slow line: a settlement of 4 MiB takes a while.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Messages that wait for a peer that reads slowly.
const SEND_QUEUE_MAX: usize = 256;
/// Messages of one frame, before the rest of it is not looked at.
const MESSAGES_PER_FRAME_MAX: usize = 256;

type Gossipsub =
    gossipsub::Behaviour<gossipsub::IdentityTransform, MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>>;

/// What guards the door comes first: a connection that one of them refuses never reaches gossipsub.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) exiled: allow_block_list::Behaviour<BlockedPeers>,
    per_address: PerAddress,
    connections: connection_limits::Behaviour,
    pub(super) gossipsub: Gossipsub,
}

/// The topic of a chain's transactions.
pub(super) fn topic(chain: &ChainId) -> IdentTopic {
    IdentTopic::new(format!("voisin/{chain}/transactions"))
}

/// The topic of what a chain's validators cosign.
pub(super) fn cosigned_topic(chain: &ChainId) -> IdentTopic {
    IdentTopic::new(format!("voisin/{chain}/cosigned"))
}

/// The topic of approvals that a chain's validators have withdrawn.
pub(super) fn withdrawn_topic(chain: &ChainId) -> IdentTopic {
    IdentTopic::new(format!("voisin/{chain}{WITHDRAWN}"))
}

/// How that topic ends.
const WITHDRAWN: &str = "/withdrawn";

/// A swarm that belongs to a chain and listens nowhere yet.
pub(super) fn swarm(
    chain: &ChainId,
    network_seed: [u8; 32],
    limits: &PeerLimits,
    peers: usize,
) -> Result<Swarm<Behaviour>, GossipError> {
    let failed = |reason: String| GossipError::Network(reason);
    let key = Keypair::ed25519_from_bytes(network_seed).map_err(|error| failed(error.to_string()))?;
    let mut behaviour = Some(Behaviour {
        exiled: allow_block_list::Behaviour::default(),
        per_address: PerAddress::new(limits.per_address_max),
        connections: connection_limits::Behaviour::new(limits.connections(peers)),
        gossipsub: gossipsub(chain, &key).map_err(failed)?,
    });
    let streams = || {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(STREAMS_MAX);
        config
    };
    let swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, streams)
        .map_err(|error| failed(error.to_string()))?
        .with_dns()
        .map_err(|error| failed(error.to_string()))?
        .with_behaviour(|_| behaviour.take().ok_or_else(|| io::Error::other("asked twice for its behaviour").into()))
        .map_err(|error| failed(error.to_string()))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE_TIMEOUT))
        .with_connection_timeout(HANDSHAKE_TIMEOUT)
        .build();
    Ok(swarm)
}

/// A message is known by its content: whoever sends a transaction under another number sends nothing new. But a
/// decision that waits for approvals, or an approval that was withdrawn, is told again and again, for nodes that were
/// away: another message each time.
fn message_id(message: &gossipsub::Message) -> MessageId {
    let is_told_again = || Unopened::is_decision(&message.data) || message.topic.as_str().ends_with(WITHDRAWN);
    let told = match (&message.source, message.sequence_number) {
        (Some(source), Some(number)) if is_told_again() => [&source.to_bytes()[..], &number.to_be_bytes()].concat(),
        _ => Vec::new(),
    };
    MessageId::from(Hash::of_parts(&[&message.data, &told]).as_bytes().to_vec())
}

fn gossipsub(chain: &ChainId, key: &Keypair) -> Result<Gossipsub, String> {
    let topics = [topic(chain), cosigned_topic(chain), withdrawn_topic(chain)];
    let config = ConfigBuilder::default()
        .protocol_id_prefix(format!("/voisin/{chain}/transactions"))
        .validation_mode(ValidationMode::Strict)
        .validate_messages()
        .max_transmit_size(TRANSACTION_BYTES_MAX + FRAME_BYTES_MAX)
        .message_id_fn(message_id)
        .duplicate_cache_time(DUPLICATES_KNOWN_FOR)
        .history_length(HISTORY_HEARTBEATS)
        .max_messages_per_rpc(Some(MESSAGES_PER_FRAME_MAX))
        .connection_handler_queue_len(SEND_QUEUE_MAX)
        .publish_queue_duration(SEND_TIMEOUT)
        .forward_queue_duration(SEND_TIMEOUT)
        // A node's own transactions go to all its peers at once, so that no peer alone can hold one back.
        .flood_publish(true)
        .build()
        .map_err(|error| error.to_string())?;
    let filter = MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(topics.iter().map(IdentTopic::hash).collect()),
        max_subscribed_topics: topics.len(),
        max_subscriptions_per_request: 8,
    };
    let authenticity = MessageAuthenticity::Signed(key.clone());
    let mut gossipsub = Gossipsub::new_with_subscription_filter(authenticity, config, filter)?;
    gossipsub.with_peer_score(scoring::params(topics.iter().map(IdentTopic::hash)), scoring::thresholds())?;
    for topic in &topics {
        gossipsub.subscribe(topic).map_err(|error| error.to_string())?;
    }
    Ok(gossipsub)
}
