//! The section `[home_assistant]` of `agent.toml`.

use std::path::Path;

use broker_login::BrokerLogin;
use serde::Deserialize;
use settings::broker::BrokerAddress;

/// Where Home Assistant looks for devices unless somebody changes it.
const PREFIX: &str = "homeassistant";

/// Where Home Assistant's broker is, and how to log in there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeAssistantConfig {
    /// The household's own broker: not the community's.
    pub(crate) broker: BrokerAddress,
    /// How to log in there.
    #[serde(default)]
    pub(crate) login: BrokerLogin,
    /// The topic under which Home Assistant looks for devices.
    #[serde(default)]
    pub(crate) prefix: Prefix,
}

impl HomeAssistantConfig {
    /// Takes relative paths as paths from `base`.
    pub(crate) fn resolve(&mut self, base: &Path) {
        self.login.resolve(base);
    }
}

/// A topic without wildcards.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Prefix(String);

impl Prefix {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Prefix {
    fn default() -> Prefix {
        Prefix(PREFIX.into())
    }
}

impl TryFrom<String> for Prefix {
    type Error = String;

    fn try_from(text: String) -> Result<Prefix, String> {
        let is_level = |level: &str| {
            !level.is_empty()
                && level.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'))
        };
        if text.len() <= 100 && text.split('/').all(is_level) {
            return Ok(Prefix(text));
        }
        let found: String = text.chars().take(80).collect::<String>().escape_debug().to_string();
        Err(format!("expected a topic of letters and digits such as {PREFIX}, found `{found}`"))
    }
}
