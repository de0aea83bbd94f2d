//! Transactions that any node was handed, on their way to every node.
//!
//! In: what [`Ledger::submit`] took, and what peers send over gossipsub, on a swarm of its own beside that of
//! consensus. Out: every transaction that this ledger takes into its pool goes on to the other nodes, if no block has
//! it soon, and nothing else does: a message is passed on only after the ledger has taken it (`verdict`). Nothing a
//! peer sends costs more than the limits allow (`limits`, `checks`), and a peer that sends what no honest node sends is
//! cut off (`scoring`).
//!
//! A decision that too few validators have approved goes the same way, from time to time again: it waits at every node.
//!
//! A lost message is no loss: the node that was handed the transaction proposes it when its turn comes.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    net::{SocketAddr, TcpListener},
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use libp2p::{
    Multiaddr, PeerId, Swarm,
    connection_limits::Exceeded,
    futures::StreamExt,
    gossipsub::{self, IdentTopic, MessageAcceptance, PublishError},
    multiaddr::Protocol,
    swarm::{ConnectionId, ListenError, SwarmEvent, dial_opts::DialOpts},
};
use protocol::hash::Hash;
use tokio::{sync::mpsc, time::MissedTickBehavior};

mod checks;
mod dialler;
mod limits;
mod metrics;
mod network;
mod scoring;
mod verdict;

pub(super) use self::metrics::Metrics;
use self::{
    checks::{Arrival, Checked, Checks, Kind},
    dialler::Dialler,
    limits::TooManyOfAddress,
    network::{Behaviour, BehaviourEvent},
    scoring::Exiles,
};
pub use self::{limits::PeerLimits, scoring::EXILE, verdict::Verdict};
use super::Ledger;

/// How a node takes part in gossip.
pub struct Settings {
    /// Seed of the key that authenticates connections.
    pub network_seed: [u8; 32],
    /// Where to listen, a multiaddress: `/ip4/ADDRESS/tcp/PORT` or `/ip6/ADDRESS/tcp/PORT`.
    pub listen: String,
    /// Where the other nodes listen, as multiaddresses.
    pub peers: Vec<String>,
    /// How much to take from them.
    pub limits: PeerLimits,
}

/// Why a node cannot take part in gossip.
#[derive(Debug, thiserror::Error)]
pub enum GossipError {
    /// An address that cannot be used.
    #[error("expected {expected}, found `{found}`")]
    BadAddress {
        /// What would have been right.
        expected: &'static str,
        /// What was there.
        found: String,
    },
    /// Nobody could connect to us: the port is taken, or the address is not ours.
    #[error("cannot listen for transactions on {address}: {reason}; is another node running there?")]
    Listen {
        /// The address as configured.
        address: String,
        /// The system's answer.
        reason: String,
    },
    /// The network could not be set up.
    #[error("cannot set up the network for transactions: {0}")]
    Network(String),
}

/// How long a transaction that this node was handed waits for a block before the other nodes are told. Whoever hands
/// one in hands it to every node that it reaches; many are in a block by then, and nobody need be told of those. A
/// proposer that was handed nothing itself waits longer than this, half of `propose_ms`, for what made the others
/// start.
const TELL_AFTER: Duration = Duration::from_millis(200);
/// Transactions that wait to be told of; one above that is not sent, its own node will propose it.
const UNSENT_MAX: usize = 10_000;
/// How often scores are looked at, and what could not be sent is tried again.
const TICK: Duration = Duration::from_secs(1);
/// How often decisions that wait for approvals are told again, for nodes that were away.
const TELL_DRAFTS_AGAIN: Duration = Duration::from_secs(600);
/// The same, when a node has come: no oftener, however often one comes and goes.
const TELL_NEWCOMERS: Duration = Duration::from_secs(5);
/// A node that has nobody to dial, or nothing to tell, looks again after that long.
const NOTHING_DUE: Duration = Duration::from_secs(3_600);

/// All that can happen.
enum Input {
    /// The node was asked to stop.
    Stop,
    /// The ledger took a transaction that this node was handed.
    Submitted(Hash),
    /// This node's validator has cosigned a checkpoint.
    Cosigned(Vec<u8>),
    /// It waited long enough for a block.
    Tell,
    /// The ledger has looked at a message.
    Checked(Checked),
    /// A peer is to be dialled.
    Dial,
    /// A while has passed.
    Tick,
    /// Something happened on the network.
    Network(Box<SwarmEvent<BehaviourEvent>>),
}

/// A node's part in gossip.
pub struct Gossip {
    ledger: Arc<Ledger>,
    swarm: Swarm<Behaviour>,
    address: Multiaddr,
    topic: IdentTopic,
    cosigned: IdentTopic,
    withdrawn: IdentTopic,
    submitted: mpsc::Receiver<Hash>,
    checks: Checks,
    dialler: Dialler,
    /// The connections that this node opened.
    dialled: HashMap<PeerId, ConnectionId>,
    exiles: Exiles,
    /// Transactions that the other nodes will be told of, by the time.
    untold: VecDeque<(Instant, Hash)>,
    /// Those of them for which there was no peer.
    unsent: BTreeSet<Hash>,
    /// When decisions that wait for approvals were last told.
    told_drafts: Instant,
    /// Whether a peer has come since.
    newcomers: bool,
}

impl Gossip {
    /// Listens, and dials nobody yet. `submitted` is the queue that [`Ledger::open`] returned. An error changes
    /// nothing.
    pub async fn open(
        settings: Settings,
        ledger: Arc<Ledger>,
        submitted: mpsc::Receiver<Hash>,
    ) -> Result<Gossip, GossipError> {
        let (listen, socket) = listen_address(&settings.listen)?;
        let cannot = |reason: String| GossipError::Listen { address: settings.listen.clone(), reason };
        // libp2p would share the port with another node of the same user, and each would hear half of the others.
        TcpListener::bind(socket).map_err(|error| cannot(error.to_string()))?;
        let peers: Vec<Multiaddr> = settings.peers.iter().map(|peer| parse(peer)).collect::<Result<_, _>>()?;
        let chain = ledger.chain();
        let mut swarm = network::swarm(&chain, settings.network_seed, &settings.limits, peers.len())?;
        swarm.listen_on(listen).map_err(|error| cannot(error.to_string()))?;
        let address = loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { address, .. } => break address,
                SwarmEvent::ListenerClosed { reason, .. } => return Err(cannot(format!("{reason:?}"))),
                _ => {}
            }
        };
        Ok(Gossip {
            checks: Checks::new(ledger.clone(), settings.limits),
            ledger,
            swarm,
            address,
            topic: network::topic(&chain),
            cosigned: network::cosigned_topic(&chain),
            withdrawn: network::withdrawn_topic(&chain),
            submitted,
            dialler: Dialler::new(peers, Instant::now()),
            dialled: HashMap::new(),
            exiles: Exiles::default(),
            untold: VecDeque::new(),
            unsent: BTreeSet::new(),
            told_drafts: Instant::now(),
            newcomers: false,
        })
    }

    /// Where it listens, with the port that the system chose if none was configured.
    pub fn address(&self) -> &Multiaddr {
        &self.address
    }

    /// Takes part until `stop` resolves.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        let mut stop: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(stop);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.dialler.next_due().unwrap_or_else(|| Instant::now() + NOTHING_DUE);
            let tell = self.untold.front().map_or_else(|| Instant::now() + NOTHING_DUE, |(at, _)| *at);
            let input = tokio::select! {
                () = &mut stop => Input::Stop,
                Some(transaction) = self.submitted.recv() => Input::Submitted(transaction),
                message = self.ledger.checkpoints.next_untold() => Input::Cosigned(message),
                checked = self.checks.next() => Input::Checked(checked),
                () = tokio::time::sleep_until(due.into()) => Input::Dial,
                () = tokio::time::sleep_until(tell.into()) => Input::Tell,
                _ = ticks.tick() => Input::Tick,
                event = self.swarm.select_next_some() => Input::Network(Box::new(event)),
            };
            match input {
                Input::Stop => return,
                Input::Submitted(transaction) => {
                    if self.untold.len() < UNSENT_MAX {
                        self.untold.push_back((Instant::now() + TELL_AFTER, transaction));
                    }
                }
                Input::Cosigned(message) => self.tell_cosigned(message),
                Input::Tell => self.tell(),
                Input::Checked(checked) => self.report(checked),
                Input::Dial => self.dial(),
                Input::Tick => self.tick(),
                Input::Network(event) => self.hear(*event),
            }
        }
    }

    /// Tells of what has waited long enough.
    fn tell(&mut self) {
        let now = Instant::now();
        while self.untold.front().is_some_and(|(at, _)| *at <= now)
            && let Some((_, transaction)) = self.untold.pop_front()
        {
            self.publish(transaction);
        }
    }

    /// Sends a transaction of our own to all peers, if it still waits for a block, or the withdrawal of an approval;
    /// tries again while there are none.
    fn publish(&mut self, transaction: Hash) {
        let (topic, message) = match self.ledger.message_of(&transaction) {
            Some(message) => (&self.topic, message),
            None => match self.ledger.withdrawal(&transaction) {
                Some(message) => (&self.withdrawn, message),
                None => return,
            },
        };
        let bytes = message.len();
        match self.swarm.behaviour_mut().gossipsub.publish(topic.clone(), message) {
            Ok(_) => {
                self.metrics().published.inc();
            }
            // It came from a peer, or was handed in before.
            Err(PublishError::Duplicate) => {}
            Err(PublishError::NoPeersSubscribedToTopic | PublishError::AllQueuesFull(_)) => {
                if self.unsent.len() < UNSENT_MAX {
                    self.unsent.insert(transaction);
                }
            }
            Err(error) => tracing::warn!(%error, bytes, "a transaction was not sent to other nodes"),
        }
    }

    /// Tells all peers what this node's validator has cosigned; where there are none, what it cosigns next.
    fn tell_cosigned(&mut self, message: Vec<u8>) {
        match self.swarm.behaviour_mut().gossipsub.publish(self.cosigned.clone(), message) {
            Ok(_)
            | Err(PublishError::Duplicate | PublishError::NoPeersSubscribedToTopic | PublishError::AllQueuesFull(_)) => {
            }
            Err(error) => tracing::warn!(%error, "what this validator has cosigned was not sent to other nodes"),
        }
    }

    fn publish_unsent(&mut self) {
        for transaction in std::mem::take(&mut self.unsent) {
            self.publish(transaction);
        }
    }

    fn dial(&mut self) {
        let now = Instant::now();
        for options in self.dialler.due(now) {
            let connection = DialOpts::connection_id(&options);
            if let Err(error) = self.swarm.dial(options) {
                tracing::debug!(%error, "a peer cannot be dialled");
                self.dialler.lost(connection, now);
            }
        }
    }

    fn tick(&mut self) {
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        peers.into_iter().for_each(|peer| self.cut_off_if_spent(peer));
        while let Some(peer) = self.exiles.release(Instant::now()) {
            self.swarm.behaviour_mut().exiled.unblock_peer(peer);
        }
        self.publish_unsent();
        if self.told_drafts.elapsed() >= if self.newcomers { TELL_NEWCOMERS } else { TELL_DRAFTS_AGAIN } {
            (self.told_drafts, self.newcomers) = (Instant::now(), false);
            self.ledger.drafts_to_tell().into_iter().for_each(|draft| self.publish(draft));
        }
        self.count_connections();
    }

    fn hear(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gossipsub(event)) => self.hear_gossip(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                if endpoint.is_dialer() {
                    self.dialled.insert(peer_id, connection_id);
                }
                self.count_connections();
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, num_established, .. } => {
                self.dialler.lost(connection_id, Instant::now());
                if self.dialled.get(&peer_id) == Some(&connection_id) {
                    self.dialled.remove(&peer_id);
                }
                if num_established == 0 {
                    self.checks.forget(&peer_id);
                }
                self.count_connections();
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                tracing::debug!(%error, "a peer cannot be reached");
                self.dialler.lost(connection_id, Instant::now());
            }
            SwarmEvent::IncomingConnectionError { error, .. } => self.metrics().refused(refusal(&error)),
            _ => {}
        }
    }

    fn hear_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source: peer, message_id: id, message } => {
                let kind = match &message.topic {
                    topic if *topic == self.cosigned.hash() => Kind::Cosigned,
                    topic if *topic == self.withdrawn.hash() => Kind::Withdrawn,
                    _ => Kind::Transaction,
                };
                let arrival = Arrival { peer, id, message: message.data, kind };
                if let Err(turned_away) = self.checks.enter(arrival) {
                    self.report(turned_away);
                }
            }
            gossipsub::Event::Subscribed { topic, .. } if topic == self.cosigned.hash() => {
                self.ledger.tell_cosigned_again();
            }
            gossipsub::Event::Subscribed { peer_id, .. } => {
                if let Some(connection) = self.dialled.get(&peer_id) {
                    self.dialler.useful(*connection);
                }
                self.newcomers = true;
                self.publish_unsent();
            }
            gossipsub::Event::GossipsubNotSupported { peer_id } => {
                // It speaks another protocol, or belongs to another chain.
                let _ = self.swarm.disconnect_peer_id(peer_id);
            }
            gossipsub::Event::Unsubscribed { .. } | gossipsub::Event::SlowPeer { .. } => {}
        }
    }

    /// Tells gossipsub what a message was worth: only what was accepted goes on to others.
    fn report(&mut self, Checked { peer, id, verdict }: Checked) {
        self.metrics().judged(&verdict);
        let acceptance = match verdict {
            Verdict::Accepted => MessageAcceptance::Accept,
            Verdict::Ignored(_) => MessageAcceptance::Ignore,
            Verdict::Rejected(_) => MessageAcceptance::Reject,
        };
        let gossipsub = &mut self.swarm.behaviour_mut().gossipsub;
        gossipsub.report_message_validation_result(&id, &peer, acceptance);
        self.cut_off_if_spent(peer);
    }

    fn cut_off_if_spent(&mut self, peer: PeerId) {
        let spent = |score| score < scoring::SCORE_MIN;
        let behaviour = self.swarm.behaviour_mut();
        if !behaviour.gossipsub.peer_score(&peer).is_some_and(spent) || !behaviour.exiled.block_peer(peer) {
            return;
        }
        tracing::warn!(%peer, "cut off for what it sent");
        if let Some(early) = self.exiles.send(peer, Instant::now()) {
            behaviour.exiled.unblock_peer(early);
        }
        self.metrics().cut_off.inc();
    }

    fn count_connections(&self) {
        let network = self.swarm.network_info();
        let passed_on_to = self.swarm.behaviour().gossipsub.mesh_peers(&self.topic.hash()).count();
        self.metrics().peers.set(i64::try_from(passed_on_to).unwrap_or(i64::MAX));
        self.metrics().connections.set(network.connection_counters().num_connections().into());
    }

    fn metrics(&self) -> &Metrics {
        &self.ledger.metrics.gossip
    }
}

/// The name of a reason to turn a connection away.
fn refusal(error: &ListenError) -> &'static str {
    match error {
        ListenError::Denied { cause } if cause.downcast_ref::<TooManyOfAddress>().is_some() => {
            "too_many_connections_of_address"
        }
        ListenError::Denied { cause } if cause.downcast_ref::<Exceeded>().is_some() => "too_many_connections",
        ListenError::Denied { .. } => "cut_off",
        _ => "handshake_failed",
    }
}

fn parse(text: &str) -> Result<Multiaddr, GossipError> {
    let expected = "a multiaddress such as /ip4/192.0.2.7/tcp/28000";
    text.parse().map_err(|_| GossipError::BadAddress { expected, found: text.to_owned() })
}

fn listen_address(text: &str) -> Result<(Multiaddr, SocketAddr), GossipError> {
    let address = parse(text)?;
    let parts: Vec<Protocol<'_>> = address.iter().collect();
    let socket: SocketAddr = match parts[..] {
        [Protocol::Ip4(ip), Protocol::Tcp(port)] => (ip, port).into(),
        [Protocol::Ip6(ip), Protocol::Tcp(port)] => (ip, port).into(),
        _ => {
            let expected = "/ip4/ADDRESS/tcp/PORT or /ip6/ADDRESS/tcp/PORT";
            return Err(GossipError::BadAddress { expected, found: text.to_owned() });
        }
    };
    Ok((address, socket))
}
