//! A ledger node: the chain on disk, consensus with the other validators, and the HTTP API, tied together.

mod accesses;
mod app;
mod author;
mod checkpoints;
mod commit;
mod config;
mod decided;
mod drafting;
mod drafts;
mod exposition;
pub mod gossip;
mod head;
mod late;
mod ledger;
mod looked_up;
mod metrics;
mod past;
mod pool;
mod reach;
mod retention;
mod retirement_index;
mod retirements;
mod sums;
mod taken;
mod view;
mod wall_clock;
mod withdrawing;
mod witness;

use std::pin::Pin;
use std::{collections::HashMap, fs, net::SocketAddr, path::Path, sync::Arc};

use protocol::genesis::Genesis;
use settings::owner_only;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{Id, JoinHandle, JoinSet},
};

pub(crate) use self::wall_clock::now_s;
pub use self::{
    accesses::AccessLogError,
    checkpoints::{CHECKPOINT_FILE, WitnessConfig},
    commit::commit_of,
    config::{Config, ConfigError, read_genesis, read_key, signed_path},
    drafting::DRAFTS_DIRECTORY,
    gossip::Gossip,
    head::Head,
    ledger::{Ledger, LedgerError},
    retention::prune_next,
    witness::{EVIDENCE_DIRECTORY, evidence_files},
};
use crate::{
    api,
    consensus::{self, Halt},
    store::{SledStore, StoreError},
};

/// Why a node does not start. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration, or a file that it names.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Who may ask the API is not said, or not as it must be.
    #[error(transparent)]
    Access(#[from] api::SettingsError),
    /// The state directory cannot be used.
    #[error("{path}: {error}")]
    Directory {
        /// Which directory or file.
        path: String,
        /// The system's answer.
        error: std::io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is stored is not what the genesis leads to.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A witness cannot be asked.
    #[error("[[witnesses]] {witness}: {error}")]
    Witness {
        /// Its name.
        witness: String,
        /// Why.
        error: ledger_client::ClientError,
    },
    /// Who looks a household up cannot be written down.
    #[error(transparent)]
    Accesses(#[from] AccessLogError),
    /// Transactions can neither be heard nor told of.
    #[error(transparent)]
    Gossip(#[from] gossip::GossipError),
    /// The port of the API is taken, or not ours.
    #[error("cannot serve the API on {address}: {error}; is another node running there?")]
    Listen {
        /// The address as configured.
        address: SocketAddr,
        /// The system's answer.
        error: std::io::Error,
    },
}

/// A running node.
pub struct Running {
    /// Where the API is served.
    pub api: SocketAddr,
    /// The ledger it keeps.
    pub ledger: Arc<Ledger>,
    stop: watch::Sender<bool>,
    /// Until it has ended, and was asked why.
    consensus: Option<JoinHandle<Result<(), Halt>>>,
    services: Services,
}

/// Starts a node. Peers that cannot be reached yet are no error: the node keeps trying.
pub fn start(config: Config) -> Pin<Box<dyn Future<Output = Result<Running, StartError>> + Send>> {
    // Boxed here, all that it runs is compiled with this crate, once, and not again with each program that starts it.
    Box::pin(start_here(config))
}

async fn start_here(config: Config) -> Result<Running, StartError> {
    let genesis = config.read_genesis()?;
    let key = config.key.as_deref().map(read_key).transpose()?;
    let network_key = read_key(&config.network_key)?;
    let access = config.api_settings().open(config.api)?;
    prepare_directory(&config.state, &genesis)?;
    let api = TcpListener::bind(config.api).await.map_err(|error| StartError::Listen { address: config.api, error })?;
    let address = api.local_addr().map_err(|error| StartError::Listen { address: config.api, error })?;
    if public_http::reaches_beyond(address) {
        tracing::warn!(%address, "the API can be reached from other machines: over TLS alone, by whoever holds a token");
    }

    let store = SledStore::open(&config.state.join(STORE_DIRECTORY), &genesis.chain())?;
    let (ledger, outgoing) = Ledger::open(genesis, Arc::new(store), key.as_ref().map(|key| key.public()))?;
    let ledger = Arc::new(ledger);
    let drafts = config.state.join(DRAFTS_DIRECTORY);
    let path = drafts.display().to_string();
    ledger.keep_drafts_in(drafts).map_err(|error| StartError::Directory { path, error })?;
    ledger.keep_accesses_in(&config.state.join(accesses::ACCESSES_DIRECTORY))?;
    let (stop, stopped) = watch::channel(false);

    let mut witnesses = Vec::with_capacity(config.witnesses.len());
    for witness in &config.witnesses {
        let named = |error| StartError::Witness { witness: witness.key.name().to_owned(), error };
        witnesses.push((witness.clone(), witness.client().map_err(named)?));
    }
    let file = config.state.join(CHECKPOINT_FILE);
    ledger.checkpoints.open(&ledger.chain(), &network_key, key.clone(), file);

    let height_age_ms_max = config.heartbeat_ms.saturating_mul(HEARTBEATS_MISSED_MAX);
    let gossip = Gossip::open(config.gossip(&network_key), ledger.clone(), outgoing).await?;
    let app = app::App::new(ledger.clone(), config.heartbeat(), config.state.join(witness::EVIDENCE_DIRECTORY));
    let settings = config.consensus(&ledger, key, &network_key);
    let consensus = Some(tokio::spawn(consensus::run(settings, app, until(stopped.clone()))));
    let mut services = Services::default();
    services.spawn("passing transactions on to the other nodes", gossip.run(until(stopped.clone())));
    services.spawn("the API", api::serve(api, ledger.clone(), height_age_ms_max, access, until(stopped)));
    services.spawn("keeping the log of headers", checkpoints::keep(ledger.clone()));
    if !witnesses.is_empty() {
        services.spawn("showing checkpoints to witnesses", checkpoints::show(ledger.clone(), witnesses));
    }
    if let Some(days) = config.retention_days {
        services.spawn("forgetting readings after the retention period", retention::run(ledger.clone(), days));
    }
    Ok(Running { api: address, ledger, stop, consensus, services })
}

/// Heartbeats without a block before a node calls itself unhealthy.
const HEARTBEATS_MISSED_MAX: u64 = 3;

/// The sled database inside a node's state directory.
pub const STORE_DIRECTORY: &str = "ledger";
/// The copy of the genesis inside a node's state directory, which makes the directory auditable by itself.
pub const GENESIS_FILE: &str = "genesis.json";

fn prepare_directory(state: &Path, genesis: &Genesis) -> Result<(), StartError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error| StartError::Directory { path, error }
    };
    owner_only::create_directory(state).map_err(failed(state))?;
    if let Some(warning) = owner_only::warning(state) {
        tracing::warn!("{warning}");
    }
    let file = state.join(GENESIS_FILE);
    if !file.exists() {
        let json = serde_json::to_vec_pretty(genesis).map_err(|error| failed(&file)(error.into()))?;
        let draft = state.join("genesis.json.new");
        fs::write(&draft, json).map_err(failed(&draft))?;
        fs::rename(&draft, &file).map_err(failed(&file))?;
    }
    Ok(())
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the node itself is gone, which is a reason to stop too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

impl Running {
    /// Waits until consensus or a service of the node ends by itself, which they only do for a reason to stop the node.
    pub async fn failed(&mut self) -> Halt {
        let Some(consensus) = &mut self.consensus else { return Halt::EngineStopped };
        let outcome = tokio::select! {
            biased;
            outcome = consensus => outcome,
            halt = self.services.ended() => return halt,
        };
        self.consensus = None;
        match outcome {
            Ok(Err(halt)) => halt,
            Ok(Ok(())) => Halt::EngineStopped,
            Err(error) => Halt::crashed("consensus", &error),
        }
    }

    /// Stops cleanly: afterwards the state directory can be opened again. An error if consensus could not go on before
    /// it was stopped, unless [`failed`](Self::failed) has told it.
    pub async fn stop(self) -> Result<(), Halt> {
        let _ = self.stop.send(true);
        let outcome = match self.consensus {
            Some(consensus) => consensus.await.unwrap_or_else(|error| Err(Halt::crashed("consensus", &error))),
            None => Ok(()),
        };
        self.services.stop().await;
        outcome
    }
}

/// What a node does beside consensus: tasks that run until it stops.
#[derive(Default)]
struct Services {
    running: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Services {
    fn spawn(&mut self, name: &'static str, service: impl Future<Output = ()> + Send + 'static) {
        self.names.insert(self.running.spawn(service).id(), name);
    }

    /// Waits until one of them ends.
    async fn ended(&mut self) -> Halt {
        let name = |names: &HashMap<Id, &'static str>, id| names.get(&id).copied().unwrap_or("a service");
        match self.running.join_next_with_id().await {
            Some(Ok((id, ()))) => Halt::Ended { task: name(&self.names, id) },
            Some(Err(error)) => Halt::crashed(name(&self.names, error.id()), &error),
            None => std::future::pending().await,
        }
    }

    async fn stop(mut self) {
        self.running.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_service_that_ends_is_named_with_what_to_do() {
        let mut services = Services::default();
        services.spawn("waiting", std::future::pending());
        services.spawn("the API", async { panic!("no more") });
        let text = services.ended().await.to_string();
        assert!(text.starts_with("the API crashed: ") && text.contains("no more"), "{text}");
        assert!(text.ends_with("start the node again, and report it with the log"), "{text}");
        services.spawn("the API", async {});
        let text = services.ended().await.to_string();
        assert!(text.starts_with("the API ended before its time"), "{text}");
        services.stop().await;
    }
}
