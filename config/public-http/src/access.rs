//! What a configuration says of who may ask a server, and over what. And what it may not say.

use std::{net::SocketAddr, sync::Arc};

use rustls::ServerConfig;

use super::{
    page::reaches_beyond,
    tls::{Tls, TlsError},
    tokens::{KnownTokens, Tokens, TokensError},
};

/// What is wrong with it. One line that says what to do; `key` is the address's in the configuration, such as `api`,
/// beside which there are `[api_tls]` and `[api_tokens]`.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Anyone on the way could read along, and change what is said.
    #[error(
        "`{key}`: {address} can be reached from other machines, which needs TLS: set `certificate_chain` and \
         `private_key` in [{key}_tls], or listen on 127.0.0.1"
    )]
    NoTls {
        /// The configuration's key.
        key: &'static str,
        /// Where it should listen.
        address: SocketAddr,
    },
    /// Anyone could ask anything.
    #[error(
        "`{key}`: {address} can be reached from other machines, which needs tokens: set the SHA-256 of at least one in \
         [{key}_tokens], or listen on 127.0.0.1"
    )]
    NoTokens {
        /// The configuration's key.
        key: &'static str,
        /// Where it should listen.
        address: SocketAddr,
    },
    /// The digests are none.
    #[error("[{key}_tokens] {error}")]
    Tokens {
        /// The configuration's key.
        key: &'static str,
        /// What is wrong with them.
        error: TokensError,
    },
    /// TLS cannot be spoken.
    #[error("[{key}_tls] {error}")]
    Tls {
        /// The configuration's key.
        key: &'static str,
        /// Why.
        error: TlsError,
    },
}

/// Who may ask, and over what: settings that were checked, and the files that they name.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// How to speak TLS; without it, plain HTTP.
    pub tls: Option<Arc<ServerConfig>>,
    /// Who may ask; without any, everyone.
    pub tokens: KnownTokens,
}

impl Access {
    /// Whether a server at `address` may be run like this: beyond loopback, with TLS and at least one token. Reads no
    /// file.
    pub fn check(
        key: &'static str,
        address: SocketAddr,
        tls: Option<&Tls>,
        tokens: &Tokens,
    ) -> Result<KnownTokens, AccessError> {
        let known = tokens.known().map_err(|error| AccessError::Tokens { key, error })?;
        if !reaches_beyond(address) {
            return Ok(known);
        }
        match (tls, known.is_empty()) {
            (None, _) => Err(AccessError::NoTls { key, address }),
            (Some(_), true) => Err(AccessError::NoTokens { key, address }),
            (Some(_), false) => Ok(known),
        }
    }

    /// Checks the same, and reads the files.
    pub fn open(
        key: &'static str,
        address: SocketAddr,
        tls: Option<&Tls>,
        tokens: &Tokens,
    ) -> Result<Access, AccessError> {
        let tokens = Access::check(key, address, tls, tokens)?;
        let tls = tls.map(Tls::read).transpose().map_err(|error| AccessError::Tls { key, error })?;
        Ok(Access { tls, tokens })
    }
}

#[cfg(test)]
mod tests {
    use protocol::hash::Hash;

    use super::*;

    #[test]
    fn what_other_machines_can_reach_has_tls_and_tokens() {
        let tls = || Some(Tls { certificate_chain: "a".into(), private_key: "b".into() });
        let tokens = || Tokens { metrics: vec![Hash::ZERO.to_string()], ..Tokens::default() };
        let check = |address: &str, tls: Option<Tls>, tokens: Tokens| {
            let checked = Access::check("api", address.parse().unwrap(), tls.as_ref(), &tokens);
            checked.map(|_| ()).map_err(|error| error.to_string())
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
}
