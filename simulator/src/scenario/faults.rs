//! What goes wrong.

use serde::{Deserialize, Serialize};

use super::{Part, ScenarioError};

/// What goes wrong: meters whose readings come late, so that the supplier has what flowed meanwhile, or meters that say
/// something else than what flows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Part of the meters that are out of reach at times.
    pub offline: Part,
    /// On which part of their days [default: 1, all].
    #[serde(default = "whole")]
    pub days: Part,
    /// Meters that say something else than what flows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dishonest: Option<Dishonest>,
}

fn whole() -> Part {
    Part::from_ppm(1_000_000)
}

/// Meters that say something else than what flows, beside one at the transformer that does not.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dishonest {
    /// Part of the members whose meters do.
    pub share: Part,
    /// Part of what they draw that they leave out.
    #[serde(default)]
    pub hides: Part,
    /// How much more they say to feed in, as a part of what they do.
    #[serde(default)]
    pub invents: Part,
    /// How far the transformer's meter may be from the members' sum, as a part of all that they drew and fed in.
    #[serde(default = "losses")]
    pub tolerance: Part,
}

/// What low-voltage lines lose at most in ordinary years.
fn losses() -> Part {
    Part::from_ppm(30_000)
}

impl Faults {
    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        match self.dishonest {
            Some(_) if self.offline.ppm() > 0 => Err(ScenarioError::at(
                "faults",
                "expected either meters that are offline or such that are dishonest, found both: leave one out",
            )),
            Some(Dishonest { hides, invents, .. }) if hides.ppm() == 0 && invents.ppm() == 0 => {
                Err(ScenarioError::at("faults.dishonest", "expected `hides`, `invents` or both above 0, found neither"))
            }
            Some(_) | None => Ok(()),
        }
    }
}
