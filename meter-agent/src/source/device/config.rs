//! What `[source]` says of a device.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use settings::secret::SecretFile;

use super::{
    super::{
        line::Framing,
        modbus::Unit,
        sampler::{MaxAge, Poll},
    },
    tls::Fingerprint,
};

/// Which device, and how to reach it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceConfig {
    /// A template that comes with the agent, or the path of a file.
    pub(super) template: String,
    /// Where the device is; how it is written, the template decides.
    pub(super) address: String,
    /// The number of a Modbus device.
    #[serde(default)]
    pub(super) unit: Option<Unit>,
    /// Bits per second of a serial line.
    #[serde(default)]
    pub(super) baud: Option<u32>,
    /// Bits of a character of a serial line.
    #[serde(default)]
    pub(super) framing: Option<Framing>,
    /// How often it is asked.
    #[serde(default)]
    pub(super) poll_s: Poll,
    /// Most time between an interval's end and its sample.
    #[serde(default)]
    pub(super) max_age_s: MaxAge,
    /// The only serial number that is right.
    #[serde(default)]
    pub(super) serial: Option<String>,
    /// Whether the device's own clock says when its values were so.
    #[serde(default = "yes")]
    pub(super) meter_time: bool,
    /// Name to log in with.
    #[serde(default)]
    pub(super) user: Option<String>,
    /// The password.
    #[serde(default)]
    pub(super) password_file: Option<SecretFile>,
    /// A bearer token.
    #[serde(default)]
    pub(super) token_file: Option<SecretFile>,
    /// The certificates, in PEM, to one of which that of the household's broker, or of a device over https, has to
    /// lead.
    #[serde(default)]
    pub(super) ca: Option<PathBuf>,
    /// The fingerprint of the certificate of a device over https, which may be its own.
    #[serde(default)]
    pub(super) fingerprint: Option<Fingerprint>,
    /// What the template leaves to fill in.
    #[serde(default)]
    pub(super) with: BTreeMap<String, String>,
    /// The community takes readings of a device that counts each phase for itself.
    #[serde(default)]
    pub(super) unsummed_phases: bool,
}

fn yes() -> bool {
    true
}

impl DeviceConfig {
    /// The template's own file; none if it comes with the agent.
    pub(super) fn file(&self) -> Option<&Path> {
        (self.template.contains('/') || self.template.ends_with(".toml")).then(|| Path::new(&self.template))
    }
}
