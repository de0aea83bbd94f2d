//! Starting and stopping an agent.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use broker_login::{Access, LoginError};
use ledger::proof::Verifier;
use protocol::{
    genesis::{Genesis, GenesisError, GenesisMember},
    hash::Hash,
    interval::Interval,
    key::{DeviceId, PublicKey, SecretKey},
    limits::GENESIS_BYTES_MAX,
    reading::ChainHead,
    topic::Topics,
};
use public_http::{Names, reaches_beyond, serve};
use settings::{address::Address, listen::Listen};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
};

use crate::{
    agent::{
        self, Agent, Link, Witnesses,
        core::{Core, Identity, Live, Work},
    },
    alarm::{AlarmKind, Alarms, Detail},
    asking, chain,
    choice::Choice,
    choice_file::{self, ChoiceError},
    choosing::choosing,
    config::Config,
    home_assistant,
    island::Behind,
    key::{KeyError, read_key},
    learned::{Known, Learned},
    mqtt::{self, DeviceTopics},
    orders::Orders,
    outbox::Outbox,
    page::Prices,
    pulse::pulse,
    registered::{Household, Registration, RegistrationFault},
    registered_file,
    running::{Beside, Running},
    server,
    shown::Shown,
    source::{Left, MeterSource, Placement, SourceError},
    store::{DATABASE, Loaded, Store, StoreError},
    witnessed::Witnessed,
};

/// Events waiting for the agent.
const EVENTS_MAX: usize = 64;
/// In the state: where the status page of the running agent is.
pub(crate) const STATUS_FILE: &str = "status.addr";

/// Why an agent does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The genesis cannot be read.
    #[error("expected the community's genesis file at {path}: {error}; your operator hands it out")]
    GenesisUnreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: String,
    },
    /// The genesis is none.
    #[error("{path}: {error}")]
    Genesis {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: GenesisError,
    },
    /// The member is known, and has another device.
    #[error(
        "device {device} is not registered in {path}, with this member key or another; configure the registered key; if it \
         was given another meter by a decision, say so under [registration]"
    )]
    OtherDevice {
        /// The device.
        device: Box<PublicKey>,
        /// The genesis.
        path: PathBuf,
    },
    /// Neither the device nor the member is known.
    #[error(
        "device {device} is not registered in {path}, nor is its member; hand enrolment.json to your operator: \
         `meter-agent run` waits for what the validators decide"
    )]
    NotRegistered {
        /// The device.
        device: Box<PublicKey>,
        /// The genesis.
        path: PathBuf,
    },
    /// The kept registration cannot be read or written.
    #[error("{path}: {error}; is the disk full, or not yours to write to?")]
    Registration {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The kept registration is false.
    #[error("{path}: {fault}; remove it, and the agent waits for a right one")]
    FalseRegistration {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: Box<RegistrationFault>,
    },
    /// The member's key is another than the registered one.
    #[error(
        "expected the member key {expected}, registered with this device, found {found} in {path}; if it was replaced \
         since the genesis, say so under [registration]"
    )]
    OtherMemberKey {
        /// The registered key.
        expected: Box<PublicKey>,
        /// The configured key.
        found: Box<PublicKey>,
        /// Where it is.
        path: String,
    },
    /// The registration is of another kind of interval, or from before the community.
    #[error("registration: expected a first interval from {first} on and as long, found {found}")]
    OtherTime {
        /// The community's first.
        first: Interval,
        /// The registration's.
        found: Interval,
    },
    /// The genesis begins at the beginning of time.
    #[error("{0}: expected a first interval after 1970-01-01")]
    NoTimeBefore(PathBuf),
    /// The meter.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The state.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was set on the page.
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    /// There is nothing to log in at the broker with.
    #[error(transparent)]
    Broker(#[from] LoginError),
    /// The nodes that are asked for witnesses.
    #[error("[witnesses] in agent.toml: {0}")]
    Witnesses(ledger_client::ClientError),
    /// The status page.
    #[error(
        "expected a free address for the status page, found {address}: {error}; set `status` to another, or to \"off\""
    )]
    Status {
        /// The address.
        address: Address,
        /// What the system says.
        error: std::io::Error,
    },
    /// The program itself.
    #[error("the agent could not be started: {0}")]
    Internal(String),
}

/// Everything of an agent that can be got wrong before it runs.
pub(crate) struct Prepared {
    identity: Identity,
    registration: Registration,
    meter: Box<dyn MeterSource>,
    access: Access,
}

/// Reads a genesis file.
pub(crate) fn read_genesis(path: &Path) -> Result<Genesis, StartError> {
    let unreadable = |error: String| StartError::GenesisUnreadable { path: path.into(), error };
    let length = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if length > GENESIS_BYTES_MAX as u64 {
        return Err(unreadable(format!("expected at most {GENESIS_BYTES_MAX} bytes, found {length}")));
    }
    let json = fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    Genesis::from_json(&json).map_err(|error| StartError::Genesis { path: path.into(), error })
}

/// What the validators have decided of this household after the genesis, as far as it was heard and proved.
pub(crate) fn decided(
    config: &Config,
    genesis: &Genesis,
    device: &PublicKey,
    member_key: &PublicKey,
) -> Result<Option<Registration>, StartError> {
    let path = registered_file::path(&config.state);
    let kept = registered_file::read(&config.state);
    let Some(json) = kept.map_err(|error| StartError::Registration { path: path.clone(), error })? else {
        return Ok(None);
    };
    let verifier = Verifier::new(genesis);
    let household = Household { genesis, verifier: &verifier, device: *device, member_key: *member_key };
    let false_one = |fault| StartError::FalseRegistration { path, fault: Box::new(fault) };
    household.check(&json).map(Some).map_err(false_one)
}

/// How this household was registered: as its configuration has it; or by the genesis, as the member whose device this
/// is, if `member_key` is that member's; or as the validators have decided since, which was proved.
pub(crate) fn registration(
    config: &Config,
    genesis: &Genesis,
    device: &PublicKey,
    member_key: &PublicKey,
) -> Result<Registration, StartError> {
    let first = genesis.first_interval;
    if let Some(later) = &config.registration {
        let found = later.first_interval;
        if found.since(first).is_none_or(|intervals| intervals < 0) {
            return Err(StartError::OtherTime { first, found });
        }
        return Ok(later.clone());
    }
    let Some(member) = genesis.members.iter().find(|member| member.device == *device) else {
        if let Some(decided) = decided(config, genesis, device, member_key)? {
            return Ok(decided);
        }
        let (device, path) = (Box::new(*device), config.genesis.clone());
        return Err(if genesis.members.iter().any(|member| member.key == *member_key) {
            StartError::OtherDevice { device, path }
        } else {
            StartError::NotRegistered { device, path }
        });
    };
    if member.key == *member_key {
        let GenesisMember { member, import_wh, export_wh, rated_power_w, .. } = *member;
        let transformer = genesis.rules.transformer.is_some_and(|meter| meter.member == member);
        let rated_power_w = Some(rated_power_w);
        Ok(Registration { member, first_interval: first, import_wh, export_wh, rated_power_w, transformer })
    } else {
        let path = config.member_key().to_string();
        Err(StartError::OtherMemberKey { expected: Box::new(member.key), found: Box::new(*member_key), path })
    }
}

/// Where the meter of a household is that was registered so.
pub(crate) fn placement(registration: &Registration, genesis: &Genesis) -> Placement {
    // Another meter or key changes nothing of the connection.
    let as_before = || genesis.members.iter().find(|member| member.member == registration.member);
    Placement {
        first: registration.first_interval,
        registers: registration.registers(),
        rated_power_w: registration.rated_power_w.or_else(|| Some(as_before()?.rated_power_w)),
    }
}

/// What it takes to log in at the broker, by the name that its access rules have for a device.
pub(crate) fn access(config: &Config, device: &DeviceId) -> Result<Access, LoginError> {
    Access::new(&config.broker, &config.broker_login, &device.multibase())
}

fn prepare(config: &Config) -> Result<Prepared, StartError> {
    let genesis = read_genesis(&config.genesis)?;
    let device_key: SecretKey = read_key(&config.device_key())?;
    let member_key = read_key(&config.member_key())?;
    let keys = (device_key.public(), member_key.public());
    let registration = registration(config, &genesis, &keys.0, &keys.1)?;
    if let Ok(Some(decided)) = decided(config, &genesis, &keys.0, &keys.1)
        && !decided.agrees_with(&registration)
    {
        tracing::warn!(
            "[registration] in agent.toml says {registration}, and counts; the validators have decided, and it is proved, \
             {decided}"
        );
    }
    let access = access(config, &device_key.public())?;
    let meter = config.source.open(&placement(&registration, &genesis))?;
    // Nobody else can tell what is left to chance, unless that is wanted.
    let own_chance = || Hash::of_parts(&[b"voisin strategy 1\0", &device_key.seed()]);
    let chance = config.chance.unwrap_or_else(own_chance);
    let configured = config.order.with_chance(&chance).unwrap_or_else(|| config.order.clone());
    let choice = choice_file::read(&config.state)?;
    let identity = Identity {
        name: config.name.clone(),
        chain: genesis.chain(),
        verifier: Verifier::new(&genesis),
        member: registration.member,
        registration: registration.clone(),
        transformer: registration.transformer,
        clock: meter.clock(),
        meter: meter.kind(),
        out_of_reach: meter.out_of_reach(),
        battery: config.battery.map(|battery| battery.0),
        behind: Behind::of(config.battery.as_ref().map(|battery| &battery.0), config.island.as_ref())
            .filter(|_| !registration.transformer),
        genesis,
        member_key,
        device_key,
        strategy: choice.map_or_else(|| configured.clone(), Choice::strategy),
        configured,
        choice,
    };
    Ok(Prepared { identity, registration, meter, access })
}

fn open(config: &Config) -> Result<(Prepared, Store, Loaded), StartError> {
    let prepared = prepare(config)?;
    let store = Store::open(&config.state, config.fsync)?;
    let loaded = store.load(prepared.identity.device_key.public(), prepared.identity.chain)?;
    Ok((prepared, store, loaded))
}

/// Listens for the status page, unless it is off.
pub(crate) async fn listen(status: &Listen) -> Result<Option<TcpListener>, StartError> {
    let Listen::At(address) = status else { return Ok(None) };
    let bound = TcpListener::bind((address.host(), address.port())).await;
    let listener = bound.map_err(|error| StartError::Status { address: address.clone(), error })?;
    if let Some(address) = listener.local_addr().ok().filter(|address| reaches_beyond(*address)) {
        tracing::warn!(
            "the status page on {address} can be reached from other machines, and has no login: whoever reaches it sees \
             this household's figures; if only this machine is to, set `status` to 127.0.0.1"
        );
    }
    Ok(Some(listener))
}

/// The status page's address, where others reach it under that.
fn page(address: SocketAddr) -> Option<String> {
    (reaches_beyond(address) && !address.ip().is_unspecified()).then(|| format!("http://{address}/"))
}

/// What the owner has to know of a state before anything happens.
fn alarms(loaded: &Loaded, state: &Path) -> Alarms {
    let mut alarms = Alarms::default();
    if loaded.dropped > 0 {
        alarms.raise(AlarmKind::StateDamaged, Detail::EntriesDropped(loaded.dropped as u64));
    }
    if let Some(interval) = loaded.two_truths {
        alarms.raise(AlarmKind::TwoTruths, Detail::TwoTruths(interval));
    }
    if loaded.lacked {
        let database = state.join(DATABASE).display().to_string();
        alarms.raise(AlarmKind::StateDamaged, Detail::DatabaseLost(database));
    }
    if loaded.receipts_refused > 0 {
        alarms.raise(AlarmKind::ReceiptDoesNotVerify, Detail::ReceiptsRefused(loaded.receipts_refused));
    }
    alarms
}

/// Starts an agent: returns when it runs, whether or not the broker can be reached yet.
pub fn start(config: Config) -> Pin<Box<dyn Future<Output = Result<Running, StartError>> + Send>> {
    // Boxed here, all that it runs is compiled with this crate, once, and not again with each program that starts it.
    Box::pin(start_here(config))
}

async fn start_here(config: Config) -> Result<Running, StartError> {
    let config = Arc::new(config);
    let opening = config.clone();
    let opened = tokio::task::spawn_blocking(move || open(&opening)).await;
    let (prepared, store, loaded) = opened.map_err(|error| StartError::Internal(error.to_string()))??;
    let Prepared { identity, registration, mut meter, access } = prepared;
    let first = registration.first_interval;
    let start = chain::start(first, registration.registers())
        .ok_or_else(|| StartError::NoTimeBefore(config.genesis.clone()))?;
    let head = loaded.head.unwrap_or(start);
    let last = loaded.head.map_or(Ok(None), |head| store.reading(head.sequence))?;
    let stored_uwh = last.and_then(|record| record.stored_uwh);
    if let (Some(model), Some(ChainHead { interval, registers, .. })) = (meter.model(), loaded.head) {
        model.resume(&Left { interval, registers, stored_uwh });
    }

    let listener = listen(&config.status).await?;
    let status_addr = listener.as_ref().and_then(|listener| listener.local_addr().ok());

    let alarms = alarms(&loaded, &config.state);
    let mut outbox = Outbox::default();
    for (sequence, record) in &loaded.unsettled {
        outbox.push(*sequence, record.message.hash(), record.interval);
    }

    let device = identity.device_key.public();
    let topics = DeviceTopics::new(&Topics::new(&identity.chain), &device);
    let (client, connection) = mqtt::client(&access, &device);
    let (events, inbox) = mpsc::channel(EVENTS_MAX);
    // A neighbourhood does not come back all in the same moment.
    let jitter = Duration::from_millis(u64::from(device.as_bytes()[0]));
    let connection = tokio::spawn(mqtt::poll(connection, client.clone(), access, topics.clone(), jitter, events));

    let store = Arc::new(store);
    let shown_store = Arc::downgrade(&store);
    let learned = Learned::of(&*identity.strategy, loaded.learned, start.interval);
    let mut core = Core {
        identity,
        head,
        before_first: start.interval,
        read_until: head.interval,
        outbox,
        orders: Orders::new(loaded.orders, loaded.order),
        learned,
        known: Known::default(),
        totals: loaded.totals,
        today: loaded.today,
        tariffs: loaded.tariffs,
        price: loaded.price,
        island: loaded.island,
        stored_uwh,
        receipts_refused: loaded.receipts_refused,
        alarms,
        witnessed: config.witnesses.as_ref().map(|witnesses| Witnessed::new(witnesses.policy.clone())),
        live: Live::default(),
        work: Work::default(),
    };
    let (stop, stopped) = oneshot::channel();
    let (pulse, asked) = pulse();
    let (chooser, chosen) = choosing();
    let (shown, status) = watch::channel(core.status(agent::now()));
    let set_point_s = config.battery.map(|_| first.length().seconds().unsigned_abs());
    let link =
        |config| home_assistant::Link::new(config, &device, &status.borrow(), status_addr.and_then(page), set_point_s);
    let home_assistant = config.home_assistant.as_ref().map(link).transpose()?;
    let billed = core.identity.genesis.time_zone.as_deref();
    let (local, sight) = (Arc::new(config.local_time(billed)), meter.watch());
    let (length, transformer) = (first.length(), core.identity.transformer);
    let state = config.state.as_path().into();
    let page = Shown { status: status.clone(), store: shown_store, state, length, transformer, local, sight };
    let prices = Prices::new(page.clone(), config.state.clone(), chooser)
        .map_err(|error| StartError::Internal(format!("no randomness for the page: {error}")))?;
    let (wanted, to_ask) = watch::channel(Vec::new());
    let (tell, answered) = mpsc::channel(EVENTS_MAX);
    let witnesses = config.witnesses.as_ref().map(|witnesses| Ok((asking::nodes(witnesses)?, witnesses.every_s)));
    let witnesses = witnesses.transpose().map_err(StartError::Witnesses)?.map(|(nodes, every_s)| {
        Beside::spawn("asking for witnesses", move |stopped| {
            asking::ask(nodes, Duration::from_secs(every_s), to_ask, tell, stopped)
        })
    });
    let agent = Agent { core, meter, store, link: Link::new(client, topics) };
    let agent = tokio::spawn(agent.run(inbox, stopped, asked, chosen, Witnesses { wanted, answered }, shown));

    let server = listener.map(|listener| {
        let names = Names::known(config.page_names());
        let site = server::site(page, prices, names);
        Beside::spawn("the status page", |stopped| serve(listener, site, stopped))
    });
    let home_assistant = home_assistant.map(|link| {
        let status = status.clone();
        Beside::spawn("the connection to Home Assistant", |stopped| link.run(status, stopped))
    });
    let beside = server.into_iter().chain(home_assistant).chain(witnesses).collect();
    let status_file = config.state.join(STATUS_FILE);
    if let Some(address) = status_addr
        && let Err(error) = fs::write(&status_file, format!("{address}\n"))
    {
        tracing::warn!("{}: {error}; `meter-agent status` will not find this agent", status_file.display());
    }
    Ok(Running { status_addr, status, pulse, stop: Some(stop), agent, connection, beside, status_file })
}
