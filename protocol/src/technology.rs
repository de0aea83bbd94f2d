//! What energy is made from.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// What a device's production is made from: what its granular certificates say (EnergyTag, *GC Scheme Standard* v2,
/// energy source).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Technology {
    /// Photovoltaics.
    #[n(0)]
    Solar,
    /// Wind.
    #[n(1)]
    Wind,
    /// Running or stored water.
    #[n(2)]
    Hydro,
    /// Biogas or solid biomass.
    #[n(3)]
    Biomass,
    /// The heat of the earth.
    #[n(4)]
    Geothermal,
}

impl Technology {
    /// Its name in files and answers.
    pub fn name(self) -> &'static str {
        match self {
            Technology::Solar => "solar",
            Technology::Wind => "wind",
            Technology::Hydro => "hydro",
            Technology::Biomass => "biomass",
            Technology::Geothermal => "geothermal",
        }
    }
}
