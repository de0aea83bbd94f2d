//! The section `[broker_login]` of a configuration.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use settings::secret::SecretFile;

/// How to log in at a broker. All of it may be missing: then nobody says who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrokerLogin {
    /// The certificates, in PEM, to one of which the broker's has to lead.
    pub ca: Option<PathBuf>,
    /// The certificate that is shown to the broker, in PEM, and those over which it leads to one that the broker knows.
    pub certificate: Option<PathBuf>,
    /// The certificate's private key, in PEM.
    pub certificate_key: Option<SecretFile>,
    /// Who logs in with the password; without it, whom the program takes for its user.
    pub user: Option<String>,
    /// One line with the password.
    pub password_file: Option<SecretFile>,
}

impl BrokerLogin {
    /// Takes relative paths as paths from `base`.
    pub fn resolve(&mut self, base: &Path) {
        for path in [&mut self.ca, &mut self.certificate].into_iter().flatten() {
            *path = base.join(&*path);
        }
        for secret in [&mut self.certificate_key, &mut self.password_file].into_iter().flatten() {
            secret.resolve(base);
        }
    }
}
