//! The configuration of a node, and the files it names.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use protocol::{
    genesis::{Genesis, GenesisError},
    key::SecretKey,
    limits::GENESIS_BYTES_MAX,
};
use public_http::{Tls, Tokens};
use serde::{Deserialize, Serialize};
use settings::{
    owner_only::{self, KeyFileError},
    toml_error::one_line,
};

use super::{Ledger, checkpoints::WitnessConfig, gossip};
use crate::{
    api,
    consensus::{Settings, Timeouts},
};

/// Milliseconds between two blocks while there is nothing to settle.
const HEARTBEAT_MS_DEFAULT: u64 = 60_000;
/// Nodes on one machine, or behind one router, share an address.
const CONNECTIONS_PER_IP_MAX_DEFAULT: usize = 64;

/// A node's configuration: `config/validator-0.toml` explains every key. Paths are relative to the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The genesis file.
    pub genesis: PathBuf,
    /// The validator's secret key; a node without one follows and serves, and never votes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// The record of what the validator's key has signed; without this line, beside the key: its name and `.signed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<PathBuf>,
    /// The secret key that authenticates connections.
    pub network_key: PathBuf,
    /// The directory of blocks, state and vote log.
    pub state: PathBuf,
    /// Where to listen for other nodes, a multiaddress.
    pub listen: String,
    /// Where the other nodes listen.
    pub peers: Vec<String>,
    /// Where to listen for other nodes' transactions, a multiaddress.
    pub gossip_listen: String,
    /// Where the other nodes listen for transactions.
    pub gossip_peers: Vec<String>,
    /// Where to serve the HTTP API.
    pub api: SocketAddr,
    /// Milliseconds between two blocks while there is nothing to settle.
    #[serde(default = "heartbeat_ms_default")]
    pub heartbeat_ms: u64,
    /// Days after which readings are forgotten: they are needed to correct an interval and to clear it again, not for
    /// any proof. Without it, they are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// Most inbound connections from one address, for consensus and for transactions each.
    #[serde(default = "connections_per_ip_max_default")]
    pub connections_per_ip_max: usize,
    /// The node's name in logs and to its peers.
    pub name: String,
    /// How the API proves that it is this node's; needed beyond loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_tls: Option<Tls>,
    /// Who may ask; needed beyond loopback.
    #[serde(default)]
    pub api_tokens: Tokens,
    /// How much one client, and all together, may ask.
    #[serde(default)]
    pub api_limits: api::CallLimits,
    /// Names under which the API is asked over plain HTTP, as by a proxy, beside addresses and `localhost`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub api_names: Vec<String>,
    /// Whether everyone who reaches the API sees the page at `/`, and what that asks for, without a token.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub api_public: bool,
    /// Who is shown the checkpoints of this node's log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<WitnessConfig>,
    /// How long the steps of a round wait for the other validators.
    #[serde(default)]
    pub timeouts: Timeouts,
}

fn heartbeat_ms_default() -> u64 {
    HEARTBEAT_MS_DEFAULT
}

fn connections_per_ip_max_default() -> usize {
    CONNECTIONS_PER_IP_MAX_DEFAULT
}

/// What is wrong with a configuration, or with a file it names.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no configuration where one is expected.
    #[error("expected a configuration file at {}: {error}; `ledger init DIR` makes one", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// Not a configuration of this program.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, key, expected and found.
        reason: String,
    },
    /// Not a genesis.
    #[error("{}: {error}; put the genesis file there that the community agreed on", path.display())]
    Genesis {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: GenesisError,
    },
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
}

impl Config {
    /// Reads a configuration file; its relative paths are relative to the file's directory.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let malformed = |reason: String| ConfigError::Malformed { path: path.into(), reason };
        let text = fs::read_to_string(path).map_err(|error| ConfigError::Missing { path: path.into(), error })?;
        let mut config: Config = toml::from_str(&text).map_err(|error| malformed(one_line(&error, &text)))?;
        if config.heartbeat_ms == 0 {
            return Err(malformed("`heartbeat_ms`: expected at least 1, found 0".into()));
        }
        WitnessConfig::check(&config.witnesses).map_err(|reason| malformed(format!("[[witnesses]] {reason}")))?;
        config.timeouts.check().map_err(|reason| malformed(format!("[timeouts] {reason}")))?;
        let directory = path.parent().unwrap_or(Path::new("."));
        for file in [&mut config.genesis, &mut config.network_key, &mut config.state] {
            *file = directory.join(&*file);
        }
        config.key = config.key.map(|key| directory.join(key));
        config.signed = config.signed.map(|signed| directory.join(signed));
        config.witnesses.iter_mut().for_each(|witness| witness.resolve(directory));
        if let Some(tls) = &mut config.api_tls {
            tls.resolve(directory);
        }
        config.api_settings().check(config.api).map_err(|error| malformed(error.to_string()))?;
        Ok(config)
    }

    /// Who may ask the API, and how much.
    pub(super) fn api_settings(&self) -> api::Settings {
        let (tls, tokens, limits) = (self.api_tls.clone(), self.api_tokens.clone(), self.api_limits.clone());
        api::Settings { tls, tokens, limits, names: self.api_names.clone(), public: self.api_public }
    }

    /// Reads the genesis file.
    pub fn read_genesis(&self) -> Result<Genesis, ConfigError> {
        read_genesis(&self.genesis)
    }

    /// The record of what the validator's key has signed. `None` for a node without a key.
    pub fn signed_path(&self) -> Option<PathBuf> {
        let key = self.key.as_ref()?;
        Some(self.signed.clone().unwrap_or_else(|| signed_path(key)))
    }

    pub(super) fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }

    pub(super) fn gossip(&self, network_key: &SecretKey) -> gossip::Settings {
        gossip::Settings {
            network_seed: network_key.seed(),
            listen: self.gossip_listen.clone(),
            peers: self.gossip_peers.clone(),
            limits: gossip::PeerLimits {
                per_address_max: self.connections_per_ip_max,
                ..gossip::PeerLimits::default()
            },
        }
    }

    pub(super) fn consensus(&self, ledger: &Ledger, key: Option<SecretKey>, network_key: &SecretKey) -> Settings {
        Settings {
            chain: ledger.chain(),
            key,
            record_path: self.signed_path().unwrap_or_else(|| self.state.join("votes.signed")),
            network_seed: network_key.seed(),
            listen: self.listen.clone(),
            peers: self.peers.clone(),
            wal_path: self.state.join("votes.wal"),
            timeouts: self.timeouts,
            connections_per_ip_max: self.connections_per_ip_max,
            moniker: self.name.clone(),
            metrics: ledger.metrics.consensus.clone(),
            connected: ledger.connected.clone(),
        }
    }
}

/// Reads a genesis file, at most [`GENESIS_BYTES_MAX`] long.
pub fn read_genesis(path: &Path) -> Result<Genesis, ConfigError> {
    let read = |error| ConfigError::Read { path: path.into(), error };
    let length = fs::metadata(path).map_err(read)?.len();
    if length > GENESIS_BYTES_MAX as u64 {
        let reason = format!("expected a genesis of at most {GENESIS_BYTES_MAX} bytes, found {length}");
        return Err(ConfigError::Malformed { path: path.into(), reason });
    }
    let json = fs::read(path).map_err(read)?;
    Genesis::from_json(&json).map_err(|error| ConfigError::Genesis { path: path.into(), error })
}

/// Where the record of what a validator's key has signed is, unless the configuration says otherwise: beside the key.
pub fn signed_path(key: &Path) -> PathBuf {
    let mut path = key.as_os_str().to_owned();
    path.push(".signed");
    path.into()
}

/// Reads a secret key from a file that only its owner may read.
pub fn read_key(path: &Path) -> Result<SecretKey, ConfigError> {
    Ok(owner_only::read_key(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_is_no_file_the_message_says_how_to_get_one() {
        let error = Config::load(Path::new("nowhere.toml")).unwrap_err().to_string();
        assert!(
            error.starts_with("expected a configuration file at nowhere.toml: ") && error.contains("`ledger init DIR`"),
            "{error}"
        );
    }

    #[test]
    fn the_shipped_files_are_four_validators_that_know_each_other() {
        let shipped: Vec<Config> = (0..4)
            .map(|n| format!("{}/../../config/validator-{n}.toml", env!("CARGO_MANIFEST_DIR")))
            .map(|path| Config::load(Path::new(&path)).unwrap())
            .collect();
        for (n, config) in shipped.iter().enumerate() {
            assert!(config.state.ends_with(format!("run/validator-{n}")), "{}", config.state.display());
            assert!(config.key.as_ref().unwrap().starts_with(&config.state));
            let others: Vec<_> = shipped.iter().map(|other| &other.listen).filter(|it| **it != config.listen).collect();
            assert_eq!(config.peers.iter().collect::<Vec<_>>(), others);
            let others: Vec<_> =
                shipped.iter().map(|other| &other.gossip_listen).filter(|it| **it != config.gossip_listen).collect();
            assert_eq!(config.gossip_peers.iter().collect::<Vec<_>>(), others);
            assert_ne!(config.gossip_listen, config.listen);
        }
    }

    #[test]
    fn the_shipped_files_explain_every_optional_table_with_its_defaults() {
        for n in 0..4 {
            let path = format!("{}/../../config/validator-{n}.toml", env!("CARGO_MANIFEST_DIR"));
            let text = fs::read_to_string(path).unwrap();
            // What is commented out: tables and keys, but not sentences.
            let (_, commented) = text.split_once("\n# [api_tls]").unwrap();
            let commented = format!("# [api_tls]{commented}");
            let key = |line: &&str| {
                line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
            };
            let lines: Vec<_> = commented.lines().filter_map(|line| line.strip_prefix("# ")).filter(key).collect();
            let table: toml::Table = toml::from_str(&lines.join("\n")).unwrap();
            let limits: api::CallLimits = table["api_limits"].clone().try_into().unwrap();
            assert_eq!(limits, api::CallLimits::default());
            assert_eq!(
                table["api_limits"].as_table().unwrap(),
                &toml::Table::try_from(&limits).unwrap(),
                "a key is missing"
            );
            let tokens: Tokens = table["api_tokens"].clone().try_into().unwrap();
            assert_eq!(table["api_tokens"].as_table().unwrap(), &toml::Table::try_from(&tokens).unwrap());
            let timeouts: Timeouts = table["timeouts"].clone().try_into().unwrap();
            assert_eq!(timeouts, Timeouts::default());
            assert_eq!(table["timeouts"].as_table().unwrap(), &toml::Table::try_from(timeouts).unwrap());
            let tls: Tls = table["api_tls"].clone().try_into().unwrap();
            assert_eq!(table["api_tls"].as_table().unwrap(), &toml::Table::try_from(&tls).unwrap());
        }
    }

    #[test]
    fn timeouts_that_cannot_be_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("validator.toml");
        let shipped = include_str!("../../../../config/validator-0.toml");
        let load = |table: &str| {
            fs::write(&path, format!("{shipped}\n[timeouts]\n{table}\n")).unwrap();
            Config::load(&path).map(|config| config.timeouts)
        };
        let some = Timeouts { propose_ms: 70, ..Timeouts::default() };
        assert_eq!(load("propose_ms = 70").unwrap(), some);
        for (table, reason) in [
            ("step_ms = 0", "[timeouts] `step_ms`: expected 1 to `max_ms`, here 10000, found 0"),
            ("max_ms = 400", "[timeouts] `propose_ms`: expected 1 to `max_ms`, here 400, found 1000"),
            ("propose = 70", "unknown field `propose`"),
        ] {
            let error = load(table).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn the_files_of_the_api_are_relative_to_the_configuration() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("validator.toml");
        let shipped = include_str!("../../../../config/validator-0.toml").replace("127.0.0.1:26000", "192.0.2.7:26000");
        let digest = protocol::hash::Hash::ZERO;
        let opened = "[api_tls]\ncertificate_chain = \"tls/chain.pem\"\nprivate_key = \"/etc/key.pem\"\n";
        fs::write(&path, format!("{shipped}{opened}[api_tokens]\nread = [\"{digest}\"]\n")).unwrap();
        let config = Config::load(&path).unwrap();
        let tls = Tls { certificate_chain: directory.path().join("tls/chain.pem"), private_key: "/etc/key.pem".into() };
        assert_eq!(config.api_tls, Some(tls));
        fs::write(&path, shipped).unwrap();
        let error = Config::load(&path).unwrap_err().to_string();
        assert!(error.starts_with(&path.display().to_string()) && error.contains("needs TLS"), "{error}");
    }
}
