//! What is varied: a key of the scenario, and the values that it takes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::scenario::{Scenario, ScenarioError};

/// A key and its values. Written as `market.mechanism=uniform,feeder`; entries of lists by their number, counted from
/// 0: `equipment.0.share=0,0.5,1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vary {
    /// The key, with dots between tables.
    pub key: String,
    /// The values, as written.
    pub values: Vec<String>,
}

/// Why a key cannot be varied.
#[derive(Debug, thiserror::Error)]
pub enum VaryError {
    /// Not of the form `key=value,value`.
    #[error("--vary: expected KEY=VALUE,VALUE such as market.mechanism=uniform,feeder, found `{0}`")]
    Form(String),
    /// No such place in the scenario.
    #[error("--vary {key}: expected a key of the scenario, found that `{part}` is none of its tables or entries")]
    NoSuchPlace {
        /// The key.
        key: String,
        /// Where it leads nowhere.
        part: String,
    },
    /// The scenario does not take it.
    #[error("--vary {key}={value}: {error}")]
    Refused {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// Why.
        error: ScenarioError,
    },
}

impl FromStr for Vary {
    type Err = VaryError;

    fn from_str(text: &str) -> Result<Vary, VaryError> {
        let form = || VaryError::Form(text.chars().take(80).collect());
        let (key, values) = text.split_once('=').ok_or_else(form)?;
        let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
        let key = key.trim();
        if key.is_empty() || key.split('.').any(str::is_empty) || values.iter().any(String::is_empty) {
            return Err(form());
        }
        Ok(Vary { key: key.to_owned(), values })
    }
}

impl fmt::Display for Vary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.values.join(","))
    }
}

impl Vary {
    /// The scenario with the key at one of its values: read as a number or a truth value if the key takes that, else as
    /// text.
    pub(super) fn apply(&self, scenario: &toml::Table, value: &str) -> Result<toml::Table, VaryError> {
        let typed: Option<toml::Value> =
            format!("v = {value}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("v"));
        let text = toml::Value::String(value.to_owned());
        let mut refused = None;
        for candidate in typed.into_iter().chain([text]) {
            let mut varied = scenario.clone();
            self.set(&mut varied, candidate)?;
            match toml::to_string(&varied)
                .map_err(|error| ScenarioError::at(&self.key, error))
                .and_then(|text| Scenario::parse(&text))
            {
                Ok(_) => return Ok(varied),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        let error = refused.unwrap_or_else(|| ScenarioError::at(&self.key, "expected a value, found none"));
        Err(VaryError::Refused { key: self.key.clone(), value: value.to_owned(), error: error.without_place() })
    }

    fn set(&self, scenario: &mut toml::Table, value: toml::Value) -> Result<(), VaryError> {
        let nowhere = |part: &str| VaryError::NoSuchPlace { key: self.key.clone(), part: part.to_owned() };
        let (path, last) = self.key.rsplit_once('.').unwrap_or(("", &self.key));
        let mut at = scenario;
        let mut parts = path.split('.').filter(|part| !part.is_empty());
        while let Some(part) = parts.next() {
            let entry = at.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            at = match entry {
                toml::Value::Table(table) => table,
                toml::Value::Array(entries) => {
                    let number = parts.next().ok_or_else(|| nowhere(part))?;
                    let entry = number.parse().ok().and_then(|number: usize| entries.get_mut(number));
                    entry.and_then(toml::Value::as_table_mut).ok_or_else(|| nowhere(number))?
                }
                _ => return Err(nowhere(part)),
            };
        }
        at.insert(last.to_owned(), value);
        Ok(())
    }
}
