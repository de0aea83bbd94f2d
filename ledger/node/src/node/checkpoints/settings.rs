//! What a configuration says of witnesses.

use std::path::{Path, PathBuf};

use ledger::logged::Policy;
use ledger_client::Client;
use protocol::note::NoteKey;
use serde::{Deserialize, Serialize};

/// Seconds between two checkpoints that a witness is shown.
const EVERY_S_DEFAULT: u64 = 60;

/// A witness that is shown the checkpoints of this node's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessConfig {
    /// Where it is asked: its address up to `/add-checkpoint`.
    pub url: String,
    /// Its name and key, as its operator tells them.
    pub key: NoteKey,
    /// PEM file with the certificates that its own must lead to; an https address needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Seconds between two checkpoints that it is shown.
    #[serde(default = "every_s_default")]
    pub every_s: u64,
}

fn every_s_default() -> u64 {
    EVERY_S_DEFAULT
}

impl WitnessConfig {
    /// Makes its files relative to a directory.
    pub(in crate::node) fn resolve(&mut self, directory: &Path) {
        self.ca = self.ca.take().map(|ca| directory.join(ca));
    }

    /// Checks that all of them can be asked, each once.
    pub(in crate::node) fn check(all: &[WitnessConfig]) -> Result<(), String> {
        Policy::new(all.iter().map(|witness| witness.key.clone()).collect(), 0).map_err(|error| error.to_string())?;
        match all.iter().find(|witness| witness.every_s == 0) {
            Some(witness) => Err(format!("`every_s` of {}: expected at least 1, found 0", witness.key.name())),
            None => Ok(()),
        }
    }

    /// A client that asks it.
    pub(in crate::node) fn client(&self) -> Result<Client, ledger_client::ClientError> {
        Client::new(&self.url, self.ca.as_deref(), None)
    }
}
