//! Who asks, and what they may.

use std::fmt;

use axum::http::{HeaderMap, StatusCode, header};
use protocol::hash::Hash;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

/// What a token lets its holder do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Look at everything.
    Read,
    /// Hand something in, and everything that `read` may.
    Submit,
    /// Ask for the counters, and for nothing else.
    Metrics,
    /// Ask how the community is in an emergency, and for nothing else.
    Authority,
}

impl Role {
    /// Whether a token of this role is good for a call that needs `needed`.
    pub fn allows(self, needed: Role) -> bool {
        self == needed
            || matches!((self, needed), (Role::Submit, Role::Read) | (Role::Read | Role::Submit, Role::Authority))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Read => "read",
            Role::Submit => "submit",
            Role::Metrics => "metrics",
            Role::Authority => "authority",
        })
    }
}

/// The SHA-256 of each token, by role. A digest lets nobody in, so a configuration need not be secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tokens {
    /// Digests of tokens that may look.
    pub read: Vec<String>,
    /// Digests of tokens that may also hand something in.
    pub submit: Vec<String>,
    /// Digests of tokens that may ask for the counters.
    pub metrics: Vec<String>,
    /// Digests of tokens that may ask how the community is in an emergency.
    pub authority: Vec<String>,
}

/// What is wrong with a list of digests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokensError {
    /// Not the digest of a token. It is not repeated: it may be a token.
    #[error("{role}: expected the SHA-256 of a token as 64 lowercase hex digits, found something else")]
    Digest {
        /// Under which role it stands.
        role: Role,
    },
    /// One token, twice.
    #[error("expected every token once, found one under `{first}` and again under `{second}`")]
    Twice {
        /// Where it stands.
        first: Role,
        /// Where it stands again.
        second: Role,
    },
}

impl Tokens {
    /// The digests, if they are some.
    pub fn known(&self) -> Result<KnownTokens, TokensError> {
        let mut digests: Vec<(Role, Hash)> = Vec::new();
        let Tokens { read, submit, metrics, authority } = self;
        let roles =
            [(Role::Read, read), (Role::Submit, submit), (Role::Metrics, metrics), (Role::Authority, authority)];
        for (role, texts) in roles {
            for text in texts {
                let digest = text.parse().map_err(|_| TokensError::Digest { role })?;
                if let Some((first, _)) = digests.iter().find(|(_, known)| *known == digest) {
                    return Err(TokensError::Twice { first: *first, second: role });
                }
                digests.push((role, digest));
            }
        }
        Ok(KnownTokens(digests))
    }
}

/// The tokens that count.
#[derive(Debug, Clone, Default)]
pub struct KnownTokens(Vec<(Role, Hash)>);

/// Why a token does not count, or not for this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// The call says nothing of who asks.
    #[error("expected a token (`Authorization: Bearer TOKEN`) of the role `{needed}`, found none")]
    Missing {
        /// The role that the call needs.
        needed: Role,
    },
    /// Nobody was given this token. It is not repeated: it may be for another server.
    #[error("expected a token of the role `{needed}`, found one that is not known here")]
    Unknown {
        /// The role that the call needs.
        needed: Role,
    },
    /// The token is for other calls.
    #[error("expected a token of the role `{needed}`, found one of `{found}`")]
    RoleInsufficient {
        /// The role that the call needs.
        needed: Role,
        /// The role of the token.
        found: Role,
    },
}

impl TokenRefusal {
    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            TokenRefusal::Missing { .. } | TokenRefusal::Unknown { .. } => StatusCode::UNAUTHORIZED,
            TokenRefusal::RoleInsufficient { .. } => StatusCode::FORBIDDEN,
        }
    }

    /// The challenge of the answer (RFC 6750 §3), for calls to what is called `realm`.
    pub fn challenge(self, realm: &str) -> String {
        let rest = match self {
            TokenRefusal::Missing { .. } => String::new(),
            TokenRefusal::Unknown { .. } => ", error=\"invalid_token\"".into(),
            TokenRefusal::RoleInsufficient { needed, .. } => {
                format!(", error=\"insufficient_scope\", scope=\"{needed}\"")
            }
        };
        format!("Bearer realm=\"{realm}\"{rest}")
    }
}

impl KnownTokens {
    /// Whether there is none, so that everyone may do everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a call that shows `token` may do what needs `needed`. Where no token is known, everyone may.
    pub fn check(&self, needed: Role, token: Option<&[u8]>) -> Result<(), TokenRefusal> {
        if self.is_empty() {
            return Ok(());
        }
        match self.role(token.ok_or(TokenRefusal::Missing { needed })?) {
            None => Err(TokenRefusal::Unknown { needed }),
            Some(found) if !found.allows(needed) => Err(TokenRefusal::RoleInsufficient { needed, found }),
            Some(_) => Ok(()),
        }
    }

    /// Compares with every digest, each in constant time, so that how long it takes says nothing of what is known.
    fn role(&self, token: &[u8]) -> Option<Role> {
        let digest = Hash::of(token);
        let same = |known: &Hash| bool::from(known.as_bytes().ct_eq(digest.as_bytes()));
        self.0.iter().fold(None, |found, (role, known)| if same(known) { Some(*role) } else { found })
    }
}

/// The token of `Authorization: Bearer TOKEN` (RFC 6750 §2.1).
pub fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_one_and_stands_under_one_role() {
        let known = |read: &str, submit: &str| {
            let tokens = Tokens { read: vec![read.into()], submit: vec![submit.into()], ..Tokens::default() };
            tokens.known().map(|known| known.0.len()).map_err(|error| error.to_string())
        };
        let (one, other) = (Hash::of(b"one").to_string(), Hash::of(b"other").to_string());
        assert_eq!(known(&one, &other), Ok(2));
        let twice = known(&one, &one).unwrap_err();
        assert!(twice.ends_with("found one under `read` and again under `submit`"), "{twice}");
        let wrong = known(&one, "my-secret-token").unwrap_err();
        assert!(
            wrong.contains("submit: expected the SHA-256 of a token") && !wrong.contains("secret-token"),
            "{wrong}"
        );
    }
}
