//! What the supplier's energy emits.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ScenarioError;

/// The carbon intensity of the supplier's energy.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Carbon {
    /// In g of CO₂ for a kWh, at most [`INTENSITY_MAX`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intensity_g_per_kwh: Option<u32>,
    /// A CSV file `timestamp,intensity_g_per_kwh`: each row holds until the next, and before the first what is above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<PathBuf>,
}

/// Several times what the dirtiest fuel emits.
pub const INTENSITY_MAX: u32 = 10_000;

impl Carbon {
    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        match self.intensity_g_per_kwh {
            Some(found) if found > INTENSITY_MAX => {
                let message = format!("expected at most {INTENSITY_MAX}, found {found}");
                Err(ScenarioError::at("carbon.intensity_g_per_kwh", message))
            }
            _ => Ok(()),
        }
    }
}
