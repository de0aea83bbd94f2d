//! Who bids how: strategies of the household crate, each for a part of the homes.

use std::sync::Arc;

use household::strategy::{self, Strategy};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::{Part, ScenarioError};

/// A strategy for a part of the homes.
#[derive(Debug, Clone)]
pub struct Mix {
    /// Which part; those left over are price takers.
    pub share: Part,
    /// The strategy.
    pub strategy: StrategyOf,
}

/// A strategy, and what it was made from.
#[derive(Debug, Clone)]
pub struct StrategyOf {
    /// The strategy itself, the very one that an agent at home runs.
    pub bids: Arc<dyn Strategy>,
    /// Its name and settings, as written.
    written: toml::Table,
}

impl StrategyOf {
    /// What an agent's `[order]` says of it.
    pub fn order(&self) -> toml::Table {
        self.written.clone()
    }
}

const SHARE: &str = "share";
const STRATEGY: &str = "strategy";

impl<'de> Deserialize<'de> for Mix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Mix, D::Error> {
        let mut written = toml::Table::deserialize(deserializer)?;
        let share = written.remove(SHARE).ok_or_else(|| D::Error::missing_field(SHARE))?;
        let share: Part = share.try_into().map_err(|error: toml::de::Error| D::Error::custom(error.message()))?;
        let mut settings = written.clone();
        let name = settings.remove(STRATEGY).ok_or_else(|| D::Error::missing_field(STRATEGY))?;
        let name = name.as_str().ok_or_else(|| D::Error::custom("expected the strategy's name as text"))?;
        let bids = strategy::read(name, settings).map_err(|error| D::Error::custom(error.message()))?;
        Ok(Mix { share, strategy: StrategyOf { bids, written } })
    }
}

impl Serialize for Mix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut written = self.strategy.written.clone();
        written.insert(SHARE.into(), self.share.to_string().into());
        written.serialize(serializer)
    }
}

pub(super) fn check(strategies: &[Mix]) -> Result<(), ScenarioError> {
    let sum: u64 = strategies.iter().map(|mix| u64::from(mix.share.ppm())).sum();
    if sum <= 1_000_000 {
        return Ok(());
    }
    let sum = rust_decimal::Decimal::new(i64::try_from(sum).unwrap_or(i64::MAX), 6).normalize();
    Err(ScenarioError::at("strategies", format!("expected shares of at most 1 in all, found {sum}")))
}
