//! Starting the engine, the loop, and stopping it so that it can be started again at once.

use std::{
    fs::{File, TryLockError},
    io,
    net::{SocketAddr, TcpListener},
    path::Path,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use arc_malachitebft_app_channel::{
    Channels, ConsensusContext, EngineBuilder, EngineHandle, NetworkContext, NetworkIdentity, RequestContext,
    SyncContext, WalContext,
    app::{
        config::{
            ConsensusConfig, DiscoveryConfig, NodeConfig, P2pConfig, ProtocolNames, PubSubMaxSizePerTopic,
            ValuePayload, ValueSyncConfig,
        },
        engine::{network, node::NodeRef, sync, wal},
        net::Multiaddr,
        types::{Keypair, PeerId, codec::Codec},
    },
};
use protocol::{hash::Hash, key::PublicKey};
use settings::owner_only;
use tokio::{
    sync::mpsc,
    time::{Instant, interval, sleep},
};
use tracing::warn;

#[cfg(feature = "byzantine")]
use super::Byzantine;
use super::{
    Application, Halt, Settings,
    certainty::{begin_silence, end_silence, open_record},
    codec::{WalCodec, WireCodec},
    company,
    context::Context,
    inputs::{Input, Inputs},
    node::{Change, Node},
    parts::CHUNK_BYTES,
    record::{SharedRecord, check_log},
    signing::{Signer, Verifier, proof},
    sync::{SYNC_BLOCKS_MAX, SYNC_BYTES_MAX},
    words::Address,
};

/// Room for certificates and framing around [`SYNC_BYTES_MAX`].
const FRAMING_BYTES_MAX: usize = 1_024 * 1_024;
/// Room for what is published: votes, certificates and chunks of bodies, with gossip's own frame around them.
const GOSSIP_BYTES_MAX: usize = 512 * 1_024;
const _: () = assert!(GOSSIP_BYTES_MAX > 2 * CHUNK_BYTES);
/// How often a node tells its peers which height it has. An idle node that missed a block learns of it this late.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);
/// How long to wait for a peer's history.
const SYNC_TIMEOUT: Duration = Duration::from_secs(5);
/// How long beginning to listen may take.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long stopping may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a silent validator asks the others where they stand.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

/// No validator lies.
#[cfg(not(feature = "byzantine"))]
type Byzantine = std::convert::Infallible;

/// Takes part in consensus until `stop` resolves. On return the port, the write-ahead log and the signing record are
/// free again, so that a node may be started anew at once, in this process or another. To be awaited to its end:
/// dropped before, it would leave the engine running.
pub async fn run(
    settings: Settings,
    app: impl Application,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Halt> {
    run_as(settings, app, stop, None).await
}

/// As [`run`], and lies. Afterwards the port stays taken: the network behind the engine's proxy is stopped by nobody.
#[cfg(feature = "byzantine")]
pub async fn run_byzantine(
    settings: Settings,
    app: impl Application,
    stop: impl Future<Output = ()> + Send + 'static,
    byzantine: Byzantine,
) -> Result<(), Halt> {
    run_as(settings, app, stop, Some(byzantine)).await
}

async fn run_as(
    settings: Settings,
    mut app: impl Application,
    stop: impl Future<Output = ()> + Send + 'static,
    byzantine: Option<Byzantine>,
) -> Result<(), Halt> {
    let address = listen_address(&settings.listen)?;
    free(address).map_err(|error| Halt::Listen { address: settings.listen.clone(), error })?;
    let (record, mut silence) = match &settings.key {
        Some(key) => {
            let (record, silence) = open_record(&settings, key.public(), app.next_height().0)?;
            (Some(record), silence)
        }
        None => (None, None),
    };
    let wal = settings.wal_path.clone();
    lock(&wal).map_err(|error| Halt::Wal { path: wal.clone(), error })?;
    check_log(&wal)?;

    let mut stop: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(stop);
    loop {
        let (signer_side, refusals) = mpsc::unbounded_channel();
        let (sender, certificates) = mpsc::channel(64);
        settings.metrics.silent.set(silence.is_some().into());
        let voter = match (&settings.key, &record, &silence) {
            (Some(key), Some(record), None) => {
                Some(Signer { chain: settings.chain, key: key.clone(), record: record.clone(), refusals: signer_side })
            }
            _ => None,
        };
        let (Channels { consensus, network, events, requests, net_requests }, EngineHandle { actor, handle }) =
            start(&settings, voter, WireCodec { certificates: sender }, byzantine).await?;
        let company =
            tokio::spawn(company::follow(net_requests.clone(), settings.peers.len(), settings.connected.clone()));
        // Dropping these would end tasks of the engine.
        let _requests = (requests, net_requests);
        let asking = silence.as_ref().filter(|silence| silence.asks()).map(|_| interval(ASK_INTERVAL));
        let mut inputs = Inputs {
            stop,
            asks: consensus,
            events: events.subscribe(),
            engine: handle,
            certificates,
            refusals,
            asking,
            beginning: Some(Box::pin(sleep(BEGIN_TIMEOUT))),
            wal: wal.clone(),
        };
        let mut node = match Node::new(app, &settings, network, record.clone(), silence) {
            Ok(node) => node,
            Err(halt) => {
                company.abort();
                stop_engine(&actor).await;
                return Err(halt);
            }
        };
        let outcome = follow(&mut node, &mut inputs).await;

        // Before the others' connections are closed: that is no news.
        company.abort();
        stop_engine(&actor).await;
        stop = inputs.stop;
        app = node.into_app();
        wait_until_free(address, &wal, record.as_ref()).await;
        let (Some(change), Some(record)) = (outcome?, &record) else { return Ok(()) };
        silence = match change {
            Change::Vote => {
                end_silence(record, app.next_height().0)?;
                None
            }
            Change::KeepSilent(doubt) => Some(begin_silence(record, doubt)?),
        };
    }
}

/// Waits until the engine has given back what the next one needs, but not for ever.
async fn wait_until_free(address: SocketAddr, wal: &Path, record: Option<&SharedRecord>) {
    let deadline = Instant::now() + STOP_TIMEOUT;
    while let Err(error) = free(address).and_then(|()| lock(wal)).and_then(|()| given_back(record)) {
        if Instant::now() > deadline {
            warn!(%error, "the port, the write-ahead log or the signing record is still in use");
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

fn free(address: SocketAddr) -> io::Result<()> {
    TcpListener::bind(address).map(drop)
}

/// Handles inputs until the node is to stop, or to go on in another way.
async fn follow(node: &mut Node<impl Application>, inputs: &mut Inputs) -> Result<Option<Change>, Halt> {
    loop {
        match inputs.next(&mut node.work, &mut node.patience).await {
            Input::Stop => return Ok(None),
            input => node.handle(input).await?,
        }
        if let Some(change) = node.change() {
            return Ok(Some(change));
        }
    }
}

/// Stops the engine's actors one by one. Left to itself, their supervisor would kill them all at once; and a network
/// that is killed, not asked to stop, goes on listening.
async fn stop_engine(supervisor: &NodeRef) {
    let actors = supervisor.get_children();
    actors.iter().for_each(|actor| actor.unlink(supervisor.get_cell()));
    let (tidy, others): (Vec<_>, Vec<_>) = actors.into_iter().partition(|actor| {
        let kinds = [
            actor.is_message_type_of::<network::Msg<Context>>(),
            actor.is_message_type_of::<sync::Msg<Context>>(),
            actor.is_message_type_of::<wal::Msg<Context>>(),
        ];
        kinds.contains(&Some(true))
    });
    // These may be waiting for an answer that will not come.
    for actor in others {
        let _ = actor.kill_and_wait(Some(STOP_TIMEOUT)).await;
    }
    for actor in tidy {
        let _ = actor.stop_and_wait(None, Some(STOP_TIMEOUT)).await;
    }
    let _ = supervisor.kill_and_wait(Some(STOP_TIMEOUT)).await;
}

async fn start(
    settings: &Settings,
    voter: Option<Signer>,
    codec: WireCodec,
    byzantine: Option<Byzantine>,
) -> Result<(Channels<Context>, EngineHandle), Halt> {
    let failed = |error: &dyn std::fmt::Display| Halt::EngineFailed(error.to_string());
    let keypair = Keypair::ed25519_from_bytes(settings.network_seed).map_err(|error| failed(&error))?;
    let config = EngineConfig::new(settings)?;
    let verifier = Box::new(Verifier { chain: settings.chain });
    let moniker = settings.moniker.clone();
    let (consensus, identity) = match voter {
        Some(signer) => {
            let public = signer.key.public();
            let peer_id = PeerId::from_multihash(keypair.public().to_peer_id().into());
            let peer_id = peer_id.map_err(|_| Halt::EngineFailed("the network key has no peer id".into()))?;
            let proof = codec.encode(&proof(&signer.key, public.as_bytes().to_vec(), peer_id.to_bytes()));
            let proof = proof.map_err(|error| failed(&error))?;
            let identity = NetworkIdentity::new_validator(moniker, keypair, public.to_string(), proof);
            (ConsensusContext::new_validator(Address(public), verifier, Box::new(signer)), identity)
        }
        None => {
            // The engine wants an address. The network's key is no validator's, so that nobody expects votes of it.
            let key = keypair.clone().try_into_ed25519().map_err(|error| failed(&error))?.public().to_bytes();
            let key = PublicKey::from_bytes(&key).ok_or_else(|| failed(&"the network key is weak"))?;
            let identity = NetworkIdentity::new(moniker, keypair, None);
            (ConsensusContext::new_full_node(Address(key), verifier), identity)
        }
    };
    let builder =
        EngineBuilder::new(Context, config).with_default_wal(WalContext::new(settings.wal_path.clone(), WalCodec));
    #[cfg(feature = "byzantine")]
    if let (Some(byzantine), Some(key)) = (byzantine, settings.key.clone()) {
        let network = byzantine.network(identity, codec.clone(), settings.chain, key);
        let builder = builder.with_byzantine_network(network).await.map_err(|error| failed(&error))?;
        let builder = builder.with_default_sync(SyncContext::new(codec)).with_default_consensus(consensus);
        let engine = builder.with_default_request(RequestContext::new(100)).build().await;
        return engine.map_err(|error| failed(&error));
    }
    #[cfg(not(feature = "byzantine"))]
    let None = byzantine;
    builder
        .with_default_network(NetworkContext::new(identity, codec.clone()))
        .with_default_sync(SyncContext::new(codec))
        .with_default_consensus(consensus)
        .with_default_request(RequestContext::new(100))
        .build()
        .await
        .map_err(|error| failed(&error))
}

struct EngineConfig {
    moniker: String,
    consensus: ConsensusConfig,
    value_sync: ValueSyncConfig,
}

impl EngineConfig {
    fn new(settings: &Settings) -> Result<EngineConfig, Halt> {
        // The engine's type for sizes can be had only from one of its values.
        let bytes = |bytes: usize| {
            let mut size = P2pConfig::default().rpc_max_size;
            size.0 = bytes as u64;
            size
        };
        let peers = settings.peers.iter().map(|peer| multiaddr(peer, "a multiaddress like /dns4/HOST/tcp/27000"));
        let p2p = P2pConfig {
            listen_addr: multiaddr(&settings.listen, LISTEN_EXPECTED)?,
            persistent_peers: peers.collect::<Result<_, _>>()?,
            discovery: DiscoveryConfig {
                max_connections_per_ip: settings.connections_per_ip_max,
                // Behind one address the default would lock out a neighbour for half a minute after each disconnect.
                ip_throttle_duration: Duration::ZERO,
                ..DiscoveryConfig::default()
            },
            pubsub_max_size: bytes(GOSSIP_BYTES_MAX),
            pubsub_max_size_per_topic: PubSubMaxSizePerTopic {
                consensus: Some(bytes(4 * 1_024)),
                proposal_parts: None,
                liveness: Some(bytes(256 * 1_024)),
            },
            rpc_max_size: bytes(SYNC_BYTES_MAX + FRAMING_BYTES_MAX),
            protocol_names: protocol_names(&settings.chain),
            ..P2pConfig::default()
        };
        let consensus = ConsensusConfig {
            enabled: true,
            p2p,
            // Anything else would make the engine take every proposal for valid without asking us.
            value_payload: ValuePayload::ProposalAndParts,
            ..ConsensusConfig::default()
        };
        let value_sync = ValueSyncConfig {
            status_update_interval: STATUS_INTERVAL,
            request_timeout: SYNC_TIMEOUT,
            max_response_size: bytes(SYNC_BYTES_MAX + FRAMING_BYTES_MAX),
            batch_size: SYNC_BLOCKS_MAX,
            ..ValueSyncConfig::default()
        };
        Ok(EngineConfig { moniker: settings.moniker.clone(), consensus, value_sync })
    }
}

/// Protocol names with the chain in them: nodes of different chains refuse each other.
fn protocol_names(chain: &Hash) -> ProtocolNames {
    let name = |part| format!("/voisin/{chain}/{part}/v1");
    ProtocolNames {
        consensus: name("consensus"),
        discovery_kad: name("discovery-kad"),
        discovery_regres: name("discovery"),
        sync: name("sync"),
        validator_proof: name("validator-proof"),
    }
}

impl NodeConfig for EngineConfig {
    fn moniker(&self) -> &str {
        &self.moniker
    }

    fn consensus(&self) -> &ConsensusConfig {
        &self.consensus
    }

    fn consensus_mut(&mut self) -> &mut ConsensusConfig {
        &mut self.consensus
    }

    fn value_sync(&self) -> &ValueSyncConfig {
        &self.value_sync
    }

    fn value_sync_mut(&mut self) -> &mut ValueSyncConfig {
        &mut self.value_sync
    }
}

const LISTEN_EXPECTED: &str = "/ip4/ADDRESS/tcp/PORT or /ip6/ADDRESS/tcp/PORT";

fn multiaddr(text: &str, expected: &'static str) -> Result<Multiaddr, Halt> {
    text.parse().map_err(|_| Halt::BadAddress { expected, found: text.to_owned() })
}

fn listen_address(text: &str) -> Result<SocketAddr, Halt> {
    let parts: Vec<_> = text.split('/').collect();
    let address = match parts[..] {
        ["", "ip4", ip, "tcp", port] => format!("{ip}:{port}").parse().ok(),
        ["", "ip6", ip, "tcp", port] => format!("[{ip}]:{port}").parse().ok(),
        _ => None,
    };
    address.ok_or_else(|| Halt::BadAddress { expected: LISTEN_EXPECTED, found: text.to_owned() })
}

/// Whether nobody else holds the write-ahead log. The engine's own message about it would name no file.
fn lock(wal: &Path) -> io::Result<()> {
    if let Some(directory) = wal.parent() {
        owner_only::create_directory(directory)?;
    }
    let file = File::options().read(true).write(true).create(true).truncate(false).open(wal)?;
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(io::ErrorKind::ResourceBusy, "it is in use")),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether the engine's signer has let go of the record, whose lock would keep the next run out: an actor's end is
/// reported before what it held is dropped.
fn given_back(record: Option<&SharedRecord>) -> io::Result<()> {
    match record.map_or(1, Arc::strong_count) {
        1 => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::ResourceBusy, "the signer still holds the signing record")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listens_on_ip_and_tcp_only() {
        for good in ["/ip4/127.0.0.1/tcp/27000", "/ip6/::1/tcp/1", "/ip4/0.0.0.0/tcp/0"] {
            assert!(listen_address(good).is_ok() && multiaddr(good, "").is_ok(), "{good}");
        }
        for bad in ["", "127.0.0.1:27000", "/ip4/127.0.0.1/udp/1/quic-v1", "/ip4/::1/tcp/1", "/ip4/1.2.3.4/tcp/66000"] {
            assert!(matches!(listen_address(bad), Err(Halt::BadAddress { .. })), "{bad}");
        }
    }
}
