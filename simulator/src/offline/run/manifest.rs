//! What a run was made from: enough to make it again, and to see whether two runs are of the same.

use std::collections::BTreeSet;

use protocol::hash::Hash;
use serde::Serialize;

use crate::{
    dataset::Fingerprint,
    offline::{community::Community, details::Detail},
    scenario::Scenario,
};

/// What a run was made from. It knows no clock, no machine and no number of threads.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Manifest {
    /// Version of the simulator.
    version: &'static str,
    /// The commit that it was built from, if that is known.
    commit: Option<&'static str>,
    /// The scenario, with all defaults.
    scenario: Scenario,
    /// SHA-256 of every file that the community was read from.
    data: Vec<Fingerprint>,
    #[serde(flatten)]
    written: Written,
}

/// Which files were written, of those that can be left out or asked for.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Written {
    /// Whether the table of lines.
    pub(super) lines: bool,
    /// Which tables of details.
    pub(super) tables: BTreeSet<Detail>,
    /// Whether the report.
    pub(super) report: bool,
}

impl Manifest {
    pub(super) fn of(scenario: &Scenario, community: &Community, written: Written) -> Manifest {
        let mut scenario = scenario.clone();
        // Where the data lies on this machine says nothing about it.
        for file in scenario.files_mut() {
            *file = file.file_name().unwrap_or_default().into();
        }
        Manifest {
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("VOISIN_COMMIT"),
            scenario,
            data: community.data.clone(),
            written,
        }
    }

    /// The manifest as JSON.
    pub(super) fn json(&self) -> Vec<u8> {
        // All of it is text, numbers and lists of them.
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// Version of the simulator.
    pub(super) fn version(&self) -> &str {
        self.version
    }

    /// The scenario, with all defaults.
    pub(super) fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// What an offline run's ties follow from: the scenario, with its seed, and the data.
    pub(super) fn ties(&self, community: &Community) -> Hash {
        Hash::of(&serde_json::to_vec(&(&self.scenario, community.data_of_ties())).unwrap_or_default())
    }
}
