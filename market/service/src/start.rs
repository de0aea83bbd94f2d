//! Starting and stopping the service.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
};

use broker_login::{Access, LoginError};
use ledger_client::ClientError;
use protocol::{
    answer::Refusal,
    envelope::ChainId,
    genesis::{Genesis, GenesisError},
    interval::{Interval, utc_text},
    limits::GENESIS_BYTES_MAX,
};
use public_http::{self, AccessError, Names};
use settings::{
    address::Address,
    listen::Listen,
    owner_only::{KeyFileError, read_key},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};

use super::{
    alarms::{
        self, Directory,
        notices::{Channels, NoticesError},
    },
    community::{Community, CommunityError},
    config::{Clock, Config},
    conflicts,
    console::{Board, CommunityInfo, MemberInfo, Operators, OperatorsError},
    desk,
    event_loop::{Market, Progress},
    ledger_client::{LedgerClient, LedgerError},
    mqtt,
    names::{self, NamesError},
    quotas,
    receipts::Forwarder,
    refusals::Refusals,
    registrations,
    store::{Store, StoreError},
    tasks::{Ended, Tasks},
    validators,
};

/// The market's name in the access rules of a broker.
const USER: &str = "market";
/// The task that everything else is there for.
const MARKET: &str = "the market's loop";

/// Why the market does not start: one line that says what was expected, what was found, and where.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file cannot be read.
    #[error("{key}: {path}: cannot be read: {error}")]
    Unreadable {
        /// The key of the configuration that names it.
        key: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The genesis is none.
    #[error("{path}: {error}")]
    Genesis {
        /// The genesis file.
        path: PathBuf,
        /// What is wrong with it.
        error: GenesisError,
    },
    /// The genesis or the key is not for this market.
    #[error("{path}: {error}")]
    Community {
        /// The genesis file.
        path: PathBuf,
        /// What does not fit.
        error: CommunityError,
    },
    /// The key file.
    #[error("`key`: {0}")]
    Key(#[from] KeyFileError),
    /// The directory of names is none.
    #[error(transparent)]
    Names(#[from] NamesError),
    /// The last interval is none.
    #[error("clock.until: expected the start of an interval of {minutes} minutes, found {}", utc_text(*.found_s))]
    Until {
        /// Length of the community's intervals.
        minutes: u32,
        /// What was found, seconds after 1970.
        found_s: i64,
    },
    /// The state directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The console's address cannot be used.
    #[error("console: expected a free address to listen on, found {address}: {error}")]
    Console {
        /// The address.
        address: Address,
        /// Why not.
        error: std::io::Error,
    },
    /// The console would be open to strangers, or cannot speak TLS.
    #[error(transparent)]
    ConsoleAccess(#[from] AccessError),
    /// Those who may acknowledge alarms are not named as they must be.
    #[error(transparent)]
    Operators(#[from] OperatorsError),
    /// There is nothing to log in at the broker with.
    #[error(transparent)]
    Broker(#[from] LoginError),
    /// Nobody can be told of alarms as the configuration says.
    #[error(transparent)]
    Notices(#[from] NoticesError),
    /// A ledger node cannot be asked as the configuration says.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A ledger node keeps another chain, and no node of ours answers.
    #[error("ledger: {url}: expected a node of chain {expected}, found one of {found}; is the genesis the node's?")]
    OtherChain {
        /// The node's address.
        url: String,
        /// The chain of the configured genesis.
        expected: ChainId,
        /// The node's chain.
        found: ChainId,
    },
}

/// A market that runs.
#[derive(Debug)]
pub struct Running {
    /// Where the console listens, unless it is off.
    pub console_addr: Option<SocketAddr>,
    /// What the console shows.
    pub board: Board,
    refusals: Refusals,
    stop: watch::Sender<bool>,
    progress: watch::Receiver<Progress>,
    forwarded: watch::Receiver<Option<Interval>>,
    tasks: Tasks,
}

impl Running {
    /// How often the market refused a message since it started, by name.
    pub fn refused(&self) -> BTreeMap<Refusal, u64> {
        self.refusals.counted()
    }

    /// The last interval that is settled, as far as this market knows.
    pub fn settled(&self) -> Option<Interval> {
        self.progress.borrow().settled
    }

    /// Waits until the last interval of a replay is settled and its receipts are forwarded; for ever, if there is no
    /// last one. An error if the market cannot go on.
    pub async fn finished(&mut self) -> Result<(), Ended> {
        let (progress, forwarded) = (&mut self.progress, &mut self.forwarded);
        let finished = async {
            // Whoever is gone has settled and forwarded nothing more: its end is told by the task itself.
            let settled = match progress.wait_for(|progress| progress.finished).await {
                Ok(progress) => progress.settled,
                Err(_) => std::future::pending().await,
            };
            if forwarded.wait_for(|forwarded| *forwarded >= settled).await.is_err() {
                std::future::pending().await
            }
        };
        tokio::select! {
            biased;
            ended = self.tasks.ended() => Err(ended),
            () = finished => Ok(()),
        }
    }

    /// Waits until the market cannot go on.
    pub async fn failed(&mut self) -> Ended {
        self.tasks.ended().await
    }

    /// Stops: what was acknowledged is on disk, what was not will be delivered again. An error if it could not go on
    /// before it was stopped.
    pub async fn stop(self) -> Result<(), Ended> {
        self.stop.send_replace(true);
        self.board.close();
        self.tasks.stop(MARKET).await
    }
}

/// Starts a market. Whether broker and ledger can be reached already does not matter: it tries until they can.
pub fn start(config: Config) -> Pin<Box<dyn Future<Output = Result<Running, StartError>> + Send>> {
    // Boxed here, all that it runs is compiled with this crate, once, and not again with each program that starts it.
    Box::pin(start_here(config))
}

async fn start_here(config: Config) -> Result<Running, StartError> {
    let community = Arc::new(read_community(&config)?);
    let until = last_interval(&config, &community.genesis)?;
    let known_as = match &config.directory {
        Some(path) => names::read(path)?,
        None => names::Names::new(),
    };
    let board = Board::new(info(&config, &community, &known_as));
    let operators = Operators::new(&config.console_operators)?;
    let console = listen(&config, &operators).await?;
    board.operated_by(operators);
    let access = Access::new(&config.broker, &config.broker_login, USER)?;
    let channels = Channels::open(&config.notices, &community.genesis.community)?;
    let ledger = LedgerClient::new(community.chain, &config.ledger, community.genesis.members.len())?;
    board.looks_back(ledger.clone(), &community.genesis);
    check_key(&config, &community, &ledger).await?;
    let store = Store::open(&config.state, &community.chain)?;

    let (stop, stopped) = watch::channel(false);
    let (progress, progress_receiver) = watch::channel(Progress::default());
    let (ahead_sender, ahead) = mpsc::channel(1);
    let refusals = Refusals::default();
    let mut tasks = Tasks::default();
    let console_addr = console.as_ref().and_then(|(listener, _)| listener.local_addr().ok());
    if let Some((listener, who)) = console {
        let site = board.site(console_names(&config), who);
        tasks.spawn_endless("the console", public_http::serve(listener, site, stopping(stopped.clone())));
    }
    let link = mqtt::start(&access, &community.chain, &community.topics, &board, &mut tasks);
    let desk = desk::start(ledger.clone(), &mut tasks);
    let conflicts = conflicts::start(store.clone(), ledger.clone(), &mut tasks);
    let (forwarder, receipts) =
        Forwarder::new(community.clone(), ledger.clone(), link.publisher.clone(), store.clone(), board.clone());
    tasks.spawn("forwarding receipts", forwarder.run());
    let (heard, hears) = watch::channel(None);
    let telling = registrations::tell(community.clone(), ledger.clone(), link.publisher.clone(), hears.clone());
    tasks.spawn_endless("telling households how they were registered", telling);
    let telling = quotas::tell(community.clone(), ledger.clone(), link.publisher.clone(), hears);
    tasks.spawn_endless("telling households what they may draw on an island", telling);
    let watched = validators::watch(ledger.clone(), board.clone(), ahead_sender);
    tasks.spawn_endless("looking after the validators", watched);
    let directory = Directory::of(&config.state);
    let outbox = alarms::watch::restore(&board, &directory, &channels);
    let watched = alarms::watch::watch(board.clone(), directory, config.state.clone(), outbox, channels);
    tasks.spawn_endless("looking after the alarms", watched);
    if let Some(path) = config.directory {
        let board = board.clone();
        let named = move |names| board.renamed(names);
        tasks.spawn_endless("following the directory of names", names::follow(path, named));
    }
    let forwarded = receipts.forwarded.clone();
    tracing::info!(
        community = community.genesis.community, chain = %community.chain, members = community.genesis.members.len(),
        mechanism = community.genesis.rules.mechanism, broker = %config.broker, "the market starts"
    );
    let market = Market {
        community,
        clock: config.clock,
        until,
        gate_delay_ms: config.gate_delay_ms.ms(),
        store,
        ledger,
        link,
        desk,
        conflicts,
        receipts,
        heard,
        ahead,
        board: board.clone(),
        refusals: refusals.clone(),
        progress,
        stop: stopped,
    };
    tasks.spawn(MARKET, market.run());
    Ok(Running { console_addr, board, refusals, stop, progress: progress_receiver, forwarded, tasks })
}

/// Listens for the console, unless it is off; for whom its configuration lets in.
async fn listen(
    config: &Config,
    operators: &Operators,
) -> Result<Option<(TcpListener, public_http::Access)>, StartError> {
    let Listen::At(address) = &config.console else { return Ok(None) };
    let error = |error| StartError::Console { address: address.clone(), error };
    let listener = TcpListener::bind((address.host(), address.port())).await.map_err(error)?;
    let found = listener.local_addr().map_err(error)?;
    let tokens = operators.among(config.console_tokens.clone());
    let access = public_http::Access::open("console", found, config.console_tls.as_ref(), &tokens)?;
    Ok(Some((listener, access)))
}

/// Checks that the community takes settlements that are signed with this key.
async fn check_key(config: &Config, community: &Community, ledger: &LedgerClient) -> Result<(), StartError> {
    // The genesis says who signs, until a decision of the validators says otherwise.
    let signs = match ledger.rules().await {
        Ok(rules) => rules.market,
        Err(LedgerError::OtherChain { url, expected, found }) => {
            return Err(StartError::OtherChain { url, expected, found });
        }
        Err(_) => community.genesis.market,
    };
    community.check_key(signs).map_err(|error| StartError::Community { path: config.genesis.clone(), error })
}

async fn stopping(mut stopped: watch::Receiver<bool>) {
    // An error means that the market itself is gone, which is a reason to stop too.
    stopped.wait_for(|stop| *stop).await.ok();
}

/// The names under which the console is asked: those of the configuration, the one it listens on among them.
fn console_names(config: &Config) -> Names {
    Names::known(config.console_names.iter().map(String::as_str).chain(config.console.host()))
}

/// Reads the genesis that a configuration names.
pub fn read_genesis(config: &Config) -> Result<Genesis, StartError> {
    let path = &config.genesis;
    let json = read("genesis", path, GENESIS_BYTES_MAX)?;
    Genesis::from_json(&json).map_err(|error| StartError::Genesis { path: path.clone(), error })
}

fn read_community(config: &Config) -> Result<Community, StartError> {
    let path = &config.genesis;
    let genesis = read_genesis(config)?;
    let key = read_key(&config.key)?;
    Community::new(genesis, key).map_err(|error| StartError::Community { path: path.clone(), error })
}

fn read(key: &'static str, path: &Path, bytes_max: usize) -> Result<Vec<u8>, StartError> {
    let unreadable = |error| StartError::Unreadable { key, path: path.into(), error };
    let bytes = std::fs::read(path).map_err(unreadable)?;
    if bytes.len() > bytes_max {
        let error = std::io::Error::other(format!("expected at most {bytes_max} bytes, found {}", bytes.len()));
        return Err(unreadable(error));
    }
    Ok(bytes)
}

fn last_interval(config: &Config, genesis: &Genesis) -> Result<Option<Interval>, StartError> {
    let Clock::Replay { until: Some(until), .. } = &config.clock else { return Ok(None) };
    let length = genesis.first_interval.length();
    let error = StartError::Until { minutes: length.minutes(), found_s: until.0 };
    Interval::new(until.0, length).map(Some).ok_or(error)
}

fn info(config: &Config, community: &Community, names: &names::Names) -> CommunityInfo {
    let genesis = &community.genesis;
    let member = |member: &protocol::genesis::GenesisMember| MemberInfo {
        member: member.member,
        name: names.get(&member.member).cloned().unwrap_or_else(|| member.member.to_string()),
        bus: member.bus.clone(),
        metered: true,
    };
    CommunityInfo {
        community: genesis.community.clone(),
        currency: genesis.currency.clone(),
        chain: community.chain,
        mechanism: genesis.rules.mechanism.clone(),
        retail_price: genesis.rules.retail_price,
        feed_in_price: genesis.rules.feed_in_price,
        first_interval: genesis.first_interval,
        members: genesis.members.iter().map(member).collect(),
        names: names.clone(),
        broker: config.broker.to_string(),
        validators: genesis.validators.clone(),
    }
}
