//! What EnergyTag's bundles say that the ledger does not know: a file of whoever exports.

use std::collections::BTreeMap;

use jiff::civil::Date;
use protocol::{key::DeviceId, limits::TEXT_BYTES_MAX};
use serde::Deserialize;

/// Most bytes of the file.
pub const REGISTRY_BYTES_MAX: u64 = 1_024 * 1_024;

/// Why a registry's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A value that cannot be.
    #[error("{key}: expected {expected}, found {found}")]
    Value {
        /// Its key.
        key: String,
        /// What it should be.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// Something is said of a device that nobody has.
    #[error("[devices.{0:?}]: expected a device that measures or has certificates on this ledger, found none such")]
    NoSuchDevice(String),
}

/// The registry: who issues, and where. Keys are explained in `config/energytag.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    pub(super) issuing_body: String,
    pub(super) country: String,
    pub(super) market_zone: String,
    pub(super) grid: String,
    pub(super) registry_configuration: u8,
    /// Latitude and longitude, in degrees.
    pub(super) location: [f64; 2],
    pub(super) dissemination_level: Option<String>,
    pub(super) issuance_purpose: Option<String>,
    pub(super) legal_status: Option<String>,
    pub(super) quality_scheme_reference: Option<String>,
    pub(super) support_received: Option<String>,
    #[serde(default)]
    pub(super) devices: BTreeMap<DeviceId, Plant>,
}

/// What stands behind a device.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plant {
    pub(super) name: Option<String>,
    pub(super) technology_type: Option<String>,
    pub(super) production_start: Option<String>,
    pub(super) capacity_w: Option<u64>,
    pub(super) location: Option<[f64; 2]>,
}

impl Registry {
    /// Checks what a file says.
    pub fn check(self) -> Result<Registry, RegistryError> {
        let country = &self.country;
        if country.len() != 2 || !country.bytes().all(|letter| letter.is_ascii_uppercase()) {
            return Err(value("country", "a code of two letters (ISO 3166-1), such as AT", country));
        }
        if !(1..=3).contains(&self.registry_configuration) {
            let expected = "1, 2 or 3 (EnergyTag's standard, version 2)";
            return Err(value("registry_configuration", expected, &self.registry_configuration.to_string()));
        }
        let texts = [("issuing_body", &self.issuing_body), ("market_zone", &self.market_zone), ("grid", &self.grid)];
        let optional = [
            ("dissemination_level", &self.dissemination_level),
            ("issuance_purpose", &self.issuance_purpose),
            ("legal_status", &self.legal_status),
            ("quality_scheme_reference", &self.quality_scheme_reference),
            ("support_received", &self.support_received),
        ];
        let optional = optional.into_iter().filter_map(|(key, text)| Some((key, text.as_ref()?)));
        texts.into_iter().chain(optional).try_for_each(|(key, text)| check_text(key, text))?;
        check_location("location", self.location)?;
        for (device, plant) in &self.devices {
            plant.check(&format!("devices.\"{device}\""))?;
        }
        Ok(self)
    }
}

impl Plant {
    fn check(&self, table: &str) -> Result<(), RegistryError> {
        for (key, text) in [("name", &self.name), ("technology_type", &self.technology_type)] {
            text.as_ref().map_or(Ok(()), |text| check_text(&format!("{table}.{key}"), text))?;
        }
        if let Some(day) = &self.production_start
            // One spelling.
            && day.parse::<Date>().ok().is_none_or(|parsed| parsed.to_string() != *day)
        {
            return Err(value(&format!("{table}.production_start"), "a day such as 2019-05-01", day));
        }
        self.location.map_or(Ok(()), |location| check_location(&format!("{table}.location"), location))
    }
}

fn value(key: &str, expected: &'static str, found: &str) -> RegistryError {
    let found = format!("`{}`", found.escape_debug().take(80).collect::<String>());
    RegistryError::Value { key: key.to_owned(), expected, found }
}

fn check_text(key: &str, text: &str) -> Result<(), RegistryError> {
    let is_one = !text.trim().is_empty() && text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control);
    if is_one { Ok(()) } else { Err(value(key, "a text of 1 to 140 bytes in one line", text)) }
}

fn check_location(key: &str, [latitude, longitude]: [f64; 2]) -> Result<(), RegistryError> {
    if (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude) {
        return Ok(());
    }
    let expected = "latitude and longitude in degrees, such as [48.21, 16.37]";
    Err(RegistryError::Value { key: key.to_owned(), expected, found: format!("{latitude}, {longitude}") })
}
