//! What a node's configuration says of its API: TLS, tokens by role, limits. And what it may not say.

use std::net::SocketAddr;

use public_http::{Access, AccessError, Tls, Tokens};
use serde::{Deserialize, Serialize};

/// The configuration's key of where the API listens.
const KEY: &str = "api";

/// How much one client, and all together, may ask of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallLimits {
    /// Calls a second from one address, in the long run.
    pub requests_per_second_max: u32,
    /// Calls at once from an address that asked nothing for a while.
    pub requests_burst_max: u32,
    /// Addresses whose calls are counted apart; those beyond share one allowance.
    pub addresses_max: usize,
    /// Connections at once.
    pub connections_max: usize,
    /// Connections at once from one address.
    pub connections_per_address_max: usize,
    /// Milliseconds for a TLS handshake, and for the head of each request.
    pub head_ms_max: u64,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
    /// Milliseconds for a request's body.
    pub body_ms_max: u64,
    /// Longest pause in the reading of an answer, milliseconds.
    pub answer_pause_ms_max: u64,
}

impl Default for CallLimits {
    fn default() -> CallLimits {
        CallLimits {
            requests_per_second_max: 50,
            requests_burst_max: 500,
            addresses_max: 10_000,
            connections_max: 512,
            connections_per_address_max: 64,
            head_ms_max: 10_000,
            head_bytes_max: 16_384,
            body_ms_max: 30_000,
            answer_pause_ms_max: 30_000,
        }
    }
}

impl CallLimits {
    /// Those that count before a call is known.
    pub(super) fn of_connections(&self) -> public_http::ConnectionLimits {
        public_http::ConnectionLimits {
            connections_max: self.connections_max,
            connections_per_address_max: self.connections_per_address_max,
            head_ms_max: self.head_ms_max,
            head_bytes_max: self.head_bytes_max,
            answer_pause_ms_max: self.answer_pause_ms_max,
        }
    }

    /// Each limit by name.
    fn all(&self) -> [(&'static str, u64); 9] {
        let wide = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
        [
            ("requests_per_second_max", self.requests_per_second_max.into()),
            ("requests_burst_max", self.requests_burst_max.into()),
            ("addresses_max", wide(self.addresses_max)),
            ("connections_max", wide(self.connections_max)),
            ("connections_per_address_max", wide(self.connections_per_address_max)),
            ("head_ms_max", self.head_ms_max),
            ("head_bytes_max", wide(self.head_bytes_max)),
            ("body_ms_max", self.body_ms_max),
            ("answer_pause_ms_max", self.answer_pause_ms_max),
        ]
    }
}

/// What is wrong with what a configuration says of the API. One line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It opens too much, or cannot be served.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A limit that lets nothing through.
    #[error("[api_limits] `{0}`: expected at least 1, found 0")]
    ZeroLimit(&'static str),
}

/// What a configuration says of the API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Without it, plain HTTP: on loopback only.
    pub tls: Option<Tls>,
    /// Without any, everyone may do everything: on loopback only.
    pub tokens: Tokens,
    /// How much.
    pub limits: CallLimits,
    /// Names, beside its addresses and `localhost`, under which it is asked over plain HTTP, as by a proxy.
    pub names: Vec<String>,
    /// Whether everyone who reaches it sees the page at `/`, and what that asks for, without a token.
    pub public: bool,
}

impl Settings {
    /// Whether an API at `address` may be served like this. Reads no file.
    pub fn check(&self, address: SocketAddr) -> Result<(), SettingsError> {
        self.check_limits()?;
        Access::check(KEY, address, self.tls.as_ref(), &self.tokens)?;
        Ok(())
    }

    /// Checks the settings for an API at `address`, and reads the files that they name.
    pub fn open(self, address: SocketAddr) -> Result<Opened, SettingsError> {
        self.check_limits()?;
        let access = Access::open(KEY, address, self.tls.as_ref(), &self.tokens)?;
        Ok(Opened { access, limits: self.limits, names: self.names, public: self.public })
    }

    fn check_limits(&self) -> Result<(), SettingsError> {
        match self.limits.all().into_iter().find(|(_, limit)| *limit == 0) {
            Some((name, _)) => Err(SettingsError::ZeroLimit(name)),
            None => Ok(()),
        }
    }
}

/// Who may ask a node, and how much: settings that were checked, and the files that they name.
#[derive(Debug, Clone)]
pub struct Opened {
    pub(super) access: Access,
    pub(super) limits: CallLimits,
    pub(super) names: Vec<String>,
    pub(super) public: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_in_the_list_that_refuses_zero() {
        let serde_json::Value::Object(limits) = serde_json::to_value(CallLimits::default()).unwrap() else {
            panic!("limits are a table")
        };
        let mut listed: Vec<_> = CallLimits::default().all().iter().map(|(name, _)| (*name).to_owned()).collect();
        listed.sort_unstable();
        assert_eq!(limits.keys().cloned().collect::<Vec<_>>(), listed);
        for name in limits.keys() {
            let mut changed = limits.clone();
            changed[name] = 0.into();
            let limits = serde_json::from_value(changed.into()).unwrap();
            let error = Settings { limits, ..Settings::default() }.check(([127, 0, 0, 1], 26_000).into()).unwrap_err();
            assert_eq!(error.to_string(), format!("[api_limits] `{name}`: expected at least 1, found 0"));
        }
    }
}
