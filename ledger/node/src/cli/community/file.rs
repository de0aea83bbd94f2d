//! What a founder writes: community.toml, and the tables of those who keep the keys behind it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use protocol::{hash::Hash, interval::IntervalLength, key::PublicKey, money::Price};
use serde::Deserialize;
use settings::{broker::BrokerAddress, toml_error::one_line};

use crate::cli::card::Card;

/// Most bytes of it: a hundred validators need a third.
const BYTES_MAX: u64 = 256 * 1_024;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) currency: String,
    pub(super) time_zone: Option<String>,
    pub(super) interval_minutes: IntervalLength,
    pub(super) start: Option<String>,
    pub(super) broker: BrokerAddress,
    /// A CSV.
    pub(super) members: Option<PathBuf>,
    /// A directory.
    pub(super) grid: Option<PathBuf>,
    /// A plan.
    pub(super) island: Option<PathBuf>,
    #[serde(default)]
    pub(super) allow_no_fault: bool,
    pub(super) tariffs: Tariffs,
    pub(super) mechanism: Mechanism,
    pub(super) law: Option<Law>,
    pub(super) transformer: Option<Transformer>,
    pub(super) market: Option<Market>,
    #[serde(default)]
    pub(super) validators: Vec<Card>,
}

/// What the supplier takes and gives for a kWh.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tariffs {
    pub(super) retail: Price,
    pub(super) feed_in: Price,
}

/// How neighbours trade.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mechanism {
    pub(super) name: String,
    pub(super) price: Option<Price>,
    pub(super) keys: Option<PathBuf>,
    pub(super) fees: Option<PathBuf>,
    /// From 0 to 1, as text: no floating-point number is read.
    pub(super) derate: Option<String>,
}

/// The rule pack of the country's law that the community follows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Law {
    pub(super) pack: PathBuf,
    /// Of the network, per kWh.
    pub(super) network_price: Option<Price>,
    /// Which of the pack's, by its name.
    pub(super) discount: Option<String>,
    /// A CSV.
    pub(super) participants: Option<PathBuf>,
}

/// The transformer's meter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Transformer {
    /// Of which row of the members.
    pub(super) name: String,
    #[serde(default)]
    pub(super) tolerance_wh: u64,
    /// From 0 to 1, as text.
    pub(super) tolerance: Option<String>,
}

/// What the market's operator says: its key, and the SHA-256 of the token that it shows each validator.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Market {
    pub(super) key: PublicKey,
    #[serde(default)]
    pub(super) tokens: BTreeMap<String, Hash>,
}

impl File {
    /// Reads the file. An error says in one line what is wrong in it and where.
    pub(super) fn read(path: &Path) -> Result<File, String> {
        let named = |error: String| format!("{}: {error}", path.display());
        let length = fs::metadata(path).map_err(|error| {
            named(format!("expected a community's file: {error}; `ledger community example` prints one"))
        });
        let length = length?.len();
        if length > BYTES_MAX {
            return Err(named(format!("expected at most {BYTES_MAX} bytes, found {length}")));
        }
        let text = fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
        toml::from_str(&text).map_err(|error| named(one_line(&error, &text)))
    }
}
