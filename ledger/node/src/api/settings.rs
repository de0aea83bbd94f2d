//! What a node's configuration says of its API: TLS, tokens by role, limits. And what it may not say.

use std::{
    fmt, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use protocol::hash::Hash;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde::{Deserialize, Serialize};

use settings::owner_only::{self, SecretError};

/// What a token lets its holder do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Ask for everything that the ledger holds.
    Read,
    /// Hand in transactions, and everything that `read` may.
    Submit,
    /// Ask for the counters, and for nothing of the ledger.
    Metrics,
}

impl Role {
    /// Whether a token of this role is good for a call that needs `needed`.
    pub fn allows(self, needed: Role) -> bool {
        self == needed || (self, needed) == (Role::Submit, Role::Read)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Read => "read",
            Role::Submit => "submit",
            Role::Metrics => "metrics",
        })
    }
}

/// How a node proves that it is the one that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM file: the node's certificate, then those between it and its authority's.
    pub certificate_chain: PathBuf,
    /// PEM file: the certificate's private key.
    pub private_key: PathBuf,
}

/// Who may ask: the SHA-256 of each token, by role. A digest lets nobody in, so a configuration need not be secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tokens {
    /// Digests of tokens that may ask.
    pub read: Vec<String>,
    /// Digests of tokens that may also hand in transactions.
    pub submit: Vec<String>,
    /// Digests of tokens that may ask for the counters.
    pub metrics: Vec<String>,
}

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
pub enum AccessError {
    /// Anyone on the way could read along, and change what is said.
    #[error(
        "`api`: {0} can be reached from other machines, which needs TLS: set `certificate_chain` and `private_key` in \
         [api_tls], or listen on 127.0.0.1"
    )]
    NoTls(SocketAddr),
    /// Anyone could ask anything.
    #[error(
        "`api`: {0} can be reached from other machines, which needs tokens: set the SHA-256 of at least one in \
         [api_tokens], or listen on 127.0.0.1"
    )]
    NoTokens(SocketAddr),
    /// Not the digest of a token. It is not repeated: it may be a token.
    #[error("[api_tokens] {role}: expected the SHA-256 of a token as 64 lowercase hex digits, found something else")]
    Digest {
        /// Under which role it stands.
        role: Role,
    },
    /// One token, twice.
    #[error("[api_tokens]: expected every token once, found one under `{first}` and again under `{second}`")]
    TokenTwice {
        /// Where it stands.
        first: Role,
        /// Where it stands again.
        second: Role,
    },
    /// A limit that lets nothing through.
    #[error("[api_limits] `{0}`: expected at least 1, found 0")]
    ZeroLimit(&'static str),
    /// A file cannot be read.
    #[error("[api_tls] cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// Others may read the private key, or it cannot be read.
    #[error("[api_tls] private key {}: {error}", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// Why it is no secret.
        error: SecretError,
    },
    /// Something else is in the file.
    #[error("[api_tls] {}: expected {expected} in PEM, found {found}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// Certificate and key do not go together, or are of a kind that is not known.
    #[error("[api_tls] {}: {error}", path.display())]
    Tls {
        /// The certificate's file.
        path: PathBuf,
        /// What the TLS library says.
        error: rustls::Error,
    },
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
}

impl Settings {
    /// Whether an API at `address` may be served like this. Reads no file.
    pub fn check(&self, address: SocketAddr) -> Result<(), AccessError> {
        let digests = self.digests()?;
        if let Some((name, _)) = self.limits.all().into_iter().find(|(_, limit)| *limit == 0) {
            return Err(AccessError::ZeroLimit(name));
        }
        if address.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        match (&self.tls, digests.is_empty()) {
            (None, _) => Err(AccessError::NoTls(address)),
            (Some(_), true) => Err(AccessError::NoTokens(address)),
            (Some(_), false) => Ok(()),
        }
    }

    /// Checks the settings for an API at `address`, and reads the files that they name.
    pub fn open(self, address: SocketAddr) -> Result<Access, AccessError> {
        self.check(address)?;
        let digests = self.digests()?;
        let tls = self.tls.as_ref().map(read_tls).transpose()?.map(Arc::new);
        Ok(Access { tls, digests, limits: self.limits, names: self.names })
    }

    fn digests(&self) -> Result<Vec<(Role, Hash)>, AccessError> {
        let mut digests: Vec<(Role, Hash)> = Vec::new();
        let Tokens { read, submit, metrics } = &self.tokens;
        for (role, texts) in [(Role::Read, read), (Role::Submit, submit), (Role::Metrics, metrics)] {
            for text in texts {
                let digest = text.parse().map_err(|_| AccessError::Digest { role })?;
                if let Some((first, _)) = digests.iter().find(|(_, known)| *known == digest) {
                    return Err(AccessError::TokenTwice { first: *first, second: role });
                }
                digests.push((role, digest));
            }
        }
        Ok(digests)
    }
}

/// Who may ask a node, and how much: settings that were checked, and the files they name.
#[derive(Debug, Clone)]
pub struct Access {
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) digests: Vec<(Role, Hash)>,
    pub(super) limits: CallLimits,
    pub(super) names: Vec<String>,
}

fn read_tls(tls: &Tls) -> Result<ServerConfig, AccessError> {
    let path = &tls.certificate_chain;
    let expected = "certificates";
    let bad = |found: String| AccessError::Pem { path: path.clone(), expected, found };
    let chain = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad(error.to_string()))?;
    if chain.is_empty() {
        return Err(bad("none".into()));
    }
    let secret = owner_only::read_secret(&tls.private_key)
        .map_err(|error| AccessError::Secret { path: tls.private_key.clone(), error })?;
    let key = PrivateKeyDer::from_pem_slice(&secret).map_err(|error| AccessError::Pem {
        path: tls.private_key.clone(),
        expected: "a private key",
        found: error.to_string(),
    })?;
    let failed = |error| AccessError::Tls { path: path.clone(), error };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(failed)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(failed)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn read(path: &Path) -> Result<Vec<u8>, AccessError> {
    fs::read(path).map_err(|error| AccessError::Read { path: path.into(), error })
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

    #[test]
    fn what_other_machines_can_reach_has_tls_and_tokens() {
        let tls = || Some(Tls { certificate_chain: "a".into(), private_key: "b".into() });
        let tokens = || Tokens { metrics: vec![Hash::ZERO.to_string()], ..Tokens::default() };
        let check = |address: &str, tls, tokens: Tokens| {
            let settings = Settings { tls, tokens, ..Settings::default() };
            settings.check(address.parse().unwrap()).map_err(|error| error.to_string())
        };
        for address in
            ["0.0.0.0:26000", "192.168.0.7:26000", "[::]:26000", "[2001:db8::1]:26000", "[::ffff:10.0.0.1]:1"]
        {
            let error = check(address, None, tokens()).unwrap_err();
            assert!(error.contains(address) && error.contains("needs TLS: set `certificate_chain`"), "{error}");
            let error = check(address, tls(), Tokens::default()).unwrap_err();
            assert!(error.contains(address) && error.contains("needs tokens: set the SHA-256"), "{error}");
            assert_eq!(check(address, tls(), tokens()), Ok(()));
        }
        for address in ["127.0.0.1:26000", "127.9.9.9:26000", "[::1]:26000", "[::ffff:127.0.0.1]:26000"] {
            assert_eq!(check(address, None, Tokens::default()), Ok(()));
        }
    }

    #[test]
    fn a_digest_is_one_and_stands_under_one_role() {
        let check = |read: &str, submit: &str| {
            let tokens = Tokens { read: vec![read.into()], submit: vec![submit.into()], metrics: Vec::new() };
            let settings = Settings { tokens, ..Settings::default() };
            settings.check(([127, 0, 0, 1], 26_000).into()).map_err(|error| error.to_string())
        };
        let (one, other) = (Hash::of(b"one").to_string(), Hash::of(b"other").to_string());
        assert_eq!(check(&one, &other), Ok(()));
        let twice = check(&one, &one).unwrap_err();
        assert!(twice.ends_with("found one under `read` and again under `submit`"), "{twice}");
        let wrong = check(&one, "my-secret-token").unwrap_err();
        assert!(
            wrong.contains("submit: expected the SHA-256 of a token") && !wrong.contains("secret-token"),
            "{wrong}"
        );
    }
}
