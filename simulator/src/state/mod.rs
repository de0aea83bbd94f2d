//! The directory of a live neighbourhood: genesis, keys, meters and configuration files of every part.
//!
//! | path | what |
//! |---|---|
//! | `genesis.json` | what everyone trusts; written last, so that an unfinished directory has none |
//! | `validator-N/` | `validator.toml`, the validator's keys, its chain |
//! | `market/` | `market.toml`, the market's key, the directory of names, what it took in |
//! | `agents/ID/` | `agent.toml`, `meter.csv`, the agent's keys, its outbox and receipts |
//!
//! Keys and genesis are made once. Configuration files are written at every start, from the options given; they are
//! the same files that `ledger serve`, `market serve` and `meter-agent run` take.

mod birth;
mod compare;
mod configs;
mod files;
mod meter;
mod of_scenario;
mod ports;

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use protocol::{
    genesis::{Genesis, GenesisError},
    interval::Interval,
    key::SecretKey,
    member::MemberId,
    money::Price,
    settlement::Tariffs,
};

pub(crate) use configs::GATE_DELAY_MS;
use configs::{AGENT_FILE, MARKET_FILE, VALIDATOR_FILE};
pub use configs::{Addresses, Broker, Run};
pub(crate) use of_scenario::setup as setup_of_scenario;
pub(crate) use ports::is_free;

use crate::{dataset::Dataset, orders::Orders, terms::Terms};

/// What a neighbourhood is made from.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Participants, energy, grid.
    pub dataset: Dataset,
    /// The first interval to be settled, one of the data set's.
    pub from: Interval,
    /// Name of the clearing mechanism.
    pub mechanism: String,
    /// What the supplier takes for a kWh.
    pub retail: Price,
    /// What the supplier gives for a kWh.
    pub feed_in: Price,
    /// How many validators.
    pub validators: usize,
    /// Price limits that participants' agents place.
    pub orders: Orders,
    /// What the mechanism is told beside.
    pub terms: Terms,
    /// What the supplier takes and gives from later intervals on, in their order.
    pub tariffs: Vec<(Interval, Tariffs)>,
    /// The intervals in which a participant's meter is out of reach, by participant and in their order.
    pub out_of_reach: BTreeMap<String, Vec<Range<Interval>>>,
}

/// A neighbourhood in its prepared directory; nobody else prepares or runs it while this value lives.
#[derive(Debug)]
pub struct Neighbourhood {
    root: PathBuf,
    /// The genesis.
    pub genesis: Genesis,
    /// The participants' names.
    pub names: BTreeMap<MemberId, String>,
    /// Where the parts are to be found.
    pub addresses: Addresses,
    _lock: File,
}

/// Why a directory cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file or directory that cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file or directory that cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The directory holds something else.
    #[error("{}: expected a new, empty or earlier state directory, found `{found}` in it and no genesis.json", path.display())]
    NotAState {
        /// The directory.
        path: PathBuf,
        /// Something that is in it.
        found: String,
    },
    /// Another process has it.
    #[error("{}: expected a state directory that nobody uses, found that another simulator runs on it", .0.display())]
    InUse(PathBuf),
    /// The genesis in the directory is none.
    #[error("{}: {error}", path.display())]
    Genesis {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: GenesisError,
    },
    /// The options would give another genesis.
    #[error("these options do not fit {}: expected {what} {expected} as it was started with, found {found}; \
             give that, or another --state", path.display())]
    Differs {
        /// The directory.
        path: PathBuf,
        /// What differs.
        what: String,
        /// What the directory has.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The directory of names is damaged.
    #[error("{}: expected rows of member,name for every member of genesis.json, found {found}; \
             add it, or give another --state", path.display())]
    Names {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// The options do not make a genesis.
    #[error("these options make no neighbourhood: {0}")]
    Impossible(GenesisError),
    /// No free port.
    #[error("expected {needed} free ports on 127.0.0.1 from {first} to {last}, found fewer")]
    NoPorts {
        /// How many are needed.
        needed: usize,
        /// The first that was tried.
        first: u16,
        /// The last that was tried.
        last: u16,
    },
    /// The operating system has no randomness to make keys from.
    #[error("the operating system gives no random bytes: {0}")]
    NoRandomness(String),
}

impl StateError {
    fn unwritable(path: &Path, error: io::Error) -> StateError {
        StateError::Unwritable { path: path.to_owned(), error }
    }

    fn unreadable(path: &Path, error: io::Error) -> StateError {
        StateError::Unreadable { path: path.to_owned(), error }
    }
}

/// Marks a directory whose first preparation is not finished.
const UNFINISHED: &str = "unfinished";
const LOCK: &str = "lock";
const GENESIS: &str = "genesis.json";
const MARKET: &str = "market";
const AGENTS: &str = "agents";
/// The state of an agent, in its directory.
const AGENT_STATE: &str = "data";
/// The market's directory of names.
const NAMES: &str = "members.csv";

impl Neighbourhood {
    /// Makes the directory `root`, or checks that it is one that `setup` made, and writes the configuration for `run`.
    pub fn prepare(root: &Path, setup: &Setup, run: &Run) -> Result<Neighbourhood, StateError> {
        check_usable(root)?;
        files::create_directory(root)?;
        // The programs of the parts may run in other directories, and so may this one later.
        let root = root.canonicalize().map_err(|error| StateError::unreadable(root, error))?;
        let lock = lock(&root)?;
        let genesis_file = root.join(GENESIS);
        let (genesis, names) = if genesis_file.exists() {
            let found = compare::read(&root)?;
            compare::check(&root, &found.0, &found.1, setup)?;
            found
        } else {
            clear_unfinished(&root)?;
            files::write(&root.join(UNFINISHED), b"", files::Readers::Everyone)?;
            birth::make(&root, setup)?
        };
        let addresses = configs::write(&root, setup, &genesis, run)?;
        remove_if_there(&root.join(UNFINISHED))?;
        Ok(Neighbourhood { root, genesis, names, addresses, _lock: lock })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The configuration files of the validators, in order.
    pub fn validator_configs(&self) -> Vec<PathBuf> {
        (0..self.genesis.validators.len()).map(|index| validator(&self.root, index).join(VALIDATOR_FILE)).collect()
    }

    /// The validators' keys, in order.
    pub fn validator_keys(&self) -> Result<Vec<SecretKey>, StateError> {
        (0..self.genesis.validators.len()).map(|index| files::read_key(&validator_key(&self.root, index))).collect()
    }

    /// The configuration file of the market.
    pub fn market_config(&self) -> PathBuf {
        self.root.join(MARKET).join(MARKET_FILE)
    }

    /// The configuration files of the agents, by participant.
    pub fn agent_configs(&self) -> BTreeMap<String, PathBuf> {
        self.names.values().map(|name| (name.clone(), agent(&self.root, name).join(AGENT_FILE))).collect()
    }
}

fn validator(root: &Path, index: usize) -> PathBuf {
    root.join(format!("validator-{index}"))
}

fn validator_key(root: &Path, index: usize) -> PathBuf {
    validator(root, index).join("validator.key")
}

fn agent(root: &Path, name: &str) -> PathBuf {
    root.join(AGENTS).join(name)
}

/// Refuses a directory with something else in it, before anything is written there.
fn check_usable(root: &Path) -> Result<(), StateError> {
    let entries = match root.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StateError::unreadable(root, error)),
    };
    let mut found = None;
    for entry in entries {
        let name = entry.map_err(|error| StateError::unreadable(root, error))?.file_name();
        match name.to_str() {
            Some(GENESIS | UNFINISHED) => return Ok(()),
            Some(name) if name == LOCK || name == format!("{UNFINISHED}.new") => {}
            _ => found = Some(name.to_string_lossy().into_owned()),
        }
    }
    match found {
        None => Ok(()),
        Some(found) => Err(StateError::NotAState { path: root.to_owned(), found }),
    }
}

fn lock(root: &Path) -> Result<File, StateError> {
    let path = root.join(LOCK);
    let file = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| StateError::unwritable(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StateError::InUse(root.to_owned())),
        Err(TryLockError::Error(error)) => Err(StateError::unwritable(&path, error)),
    }
}

/// Removes what an unfinished preparation left: nothing was ever started on it.
fn clear_unfinished(root: &Path) -> Result<(), StateError> {
    let unwritable = |error| StateError::unwritable(root, error);
    for entry in root.read_dir().map_err(|error| StateError::unreadable(root, error))? {
        let entry = entry.map_err(|error| StateError::unreadable(root, error))?;
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name == MARKET || name == AGENTS || name.starts_with("validator-"));
        if ours && entry.file_type().map_err(unwritable)?.is_dir() {
            fs::remove_dir_all(entry.path()).map_err(unwritable)?;
        }
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<(), StateError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StateError::unwritable(path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
