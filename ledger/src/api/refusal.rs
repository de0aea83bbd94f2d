//! Why a call is not let through to the routes: every refusal by name, as it is answered and counted.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use market::server;
use protocol::refusal::CallRefusal as Name;

use super::{problem::Problem, settings::Role};

/// Why a call, or a connection, is turned away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallRefusal {
    /// The call says nothing of who asks.
    #[error("expected a token (`Authorization: Bearer TOKEN`) of the role `{needed}`, found none")]
    TokenMissing {
        /// The role that the call needs.
        needed: Role,
    },
    /// Nobody was given this token. It is not repeated: it may be another node's.
    #[error("expected a token of the role `{needed}`, found one that this node does not know")]
    TokenUnknown {
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
    /// Too many calls from one address.
    #[error(
        "expected at most {per_second_max} calls a second from one address, found more; ask again in {retry_after_s} s"
    )]
    RateLimited {
        /// Calls a second in the long run.
        per_second_max: u32,
        /// Whole seconds until the next call is let through.
        retry_after_s: u64,
    },
    /// The node serves as many connections as it may.
    #[error("expected at most {max} connections at once, found more; ask again later")]
    TooManyConnections {
        /// Most connections at once.
        max: usize,
    },
    /// One address has as many connections as it may.
    #[error("expected at most {max} connections at once from one address, found more; reuse them")]
    TooManyConnectionsOfAddress {
        /// Most connections of one address.
        max: usize,
    },
    /// The body is not said to be CBOR.
    #[error("expected the content type application/cbor, found {found}")]
    ContentTypeNotCbor {
        /// What was found.
        found: String,
    },
    /// The body is larger than any transaction.
    #[error("expected a body of at most {bytes_max} bytes, found more")]
    BodyTooLarge {
        /// Most bytes.
        bytes_max: usize,
    },
    /// The body did not come in time.
    #[error("expected the whole body within {ms_max} ms, found less")]
    BodyTooSlow {
        /// Most milliseconds from the head to the end of the body.
        ms_max: u64,
    },
    /// The body ends before its end, or is not encoded as its head says.
    #[error("expected a whole body, found one that is cut off or wrongly encoded")]
    BodyBroken,
    /// Plain HTTP where TLS is spoken.
    #[error("this node speaks https only: ask at https://")]
    TlsExpected,
    /// No TLS connection came about.
    #[error("no TLS connection came about: {0}")]
    HandshakeFailed(String),
    /// A connection never asked anything.
    #[error("expected the head of a request within {ms_max} ms, found less")]
    HeadTooSlow {
        /// Most milliseconds for a request's head.
        ms_max: u64,
    },
    /// The head of a request is too large.
    #[error("expected the head of a request in at most {bytes_max} bytes, found more")]
    HeadTooLarge {
        /// Most bytes.
        bytes_max: usize,
    },
    /// The call is addressed to another server, or to this one under a name that it does not know.
    #[error(
        "expected a request for an address of this server, `localhost` or a name in its configuration (`{key}`), found \
         {found}"
    )]
    HostUnknown {
        /// The configuration's key for more names.
        key: &'static str,
        /// What it is addressed to.
        found: String,
    },
    /// The answer is not read.
    #[error("expected the answer to be read, found that it was not for {ms_max} ms")]
    AnswerNotRead {
        /// Longest pause of the reader, milliseconds.
        ms_max: u64,
    },
}

impl From<server::Refusal> for CallRefusal {
    fn from(refusal: server::Refusal) -> CallRefusal {
        match refusal {
            server::Refusal::TooManyConnections { max } => CallRefusal::TooManyConnections { max },
            server::Refusal::TooManyConnectionsOfAddress { max } => CallRefusal::TooManyConnectionsOfAddress { max },
            server::Refusal::HeadTooSlow { ms_max } => CallRefusal::HeadTooSlow { ms_max },
            server::Refusal::HeadTooLarge { bytes_max } => CallRefusal::HeadTooLarge { bytes_max },
            server::Refusal::HostUnknown { key, found } => CallRefusal::HostUnknown { key, found },
            server::Refusal::BodyTooLarge { bytes_max } => CallRefusal::BodyTooLarge { bytes_max },
            server::Refusal::BodyTooSlow { ms_max } => CallRefusal::BodyTooSlow { ms_max },
            server::Refusal::BodyBroken => CallRefusal::BodyBroken,
            server::Refusal::AnswerNotRead { ms_max } => CallRefusal::AnswerNotRead { ms_max },
        }
    }
}

impl CallRefusal {
    /// Its name, in answers and metrics.
    pub fn name(&self) -> &'static str {
        let name = match self {
            CallRefusal::TokenMissing { .. } => Name::TokenMissing,
            CallRefusal::TokenUnknown { .. } => Name::TokenUnknown,
            CallRefusal::RoleInsufficient { .. } => Name::RoleInsufficient,
            CallRefusal::RateLimited { .. } => Name::RateLimited,
            CallRefusal::TooManyConnections { .. } => Name::TooManyConnections,
            CallRefusal::TooManyConnectionsOfAddress { .. } => Name::TooManyConnectionsOfAddress,
            CallRefusal::ContentTypeNotCbor { .. } => Name::ContentTypeNotCbor,
            CallRefusal::BodyTooLarge { .. } => Name::BodyTooLarge,
            CallRefusal::BodyTooSlow { .. } => Name::BodyTooSlow,
            CallRefusal::BodyBroken => Name::BodyBroken,
            CallRefusal::TlsExpected => Name::TlsExpected,
            CallRefusal::HandshakeFailed(_) => Name::HandshakeFailed,
            CallRefusal::HeadTooSlow { .. } => Name::HeadTooSlow,
            CallRefusal::HeadTooLarge { .. } => Name::HeadTooLarge,
            CallRefusal::AnswerNotRead { .. } => Name::AnswerNotRead,
            CallRefusal::HostUnknown { .. } => Name::HostUnknown,
        };
        name.name()
    }

    fn status(&self) -> StatusCode {
        match self {
            CallRefusal::TokenMissing { .. } | CallRefusal::TokenUnknown { .. } => StatusCode::UNAUTHORIZED,
            CallRefusal::RoleInsufficient { .. } => StatusCode::FORBIDDEN,
            CallRefusal::RateLimited { .. } | CallRefusal::TooManyConnectionsOfAddress { .. } => {
                StatusCode::TOO_MANY_REQUESTS
            }
            CallRefusal::TooManyConnections { .. } => StatusCode::SERVICE_UNAVAILABLE,
            CallRefusal::ContentTypeNotCbor { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            CallRefusal::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            CallRefusal::BodyTooSlow { .. } | CallRefusal::HeadTooSlow { .. } | CallRefusal::AnswerNotRead { .. } => {
                StatusCode::REQUEST_TIMEOUT
            }
            CallRefusal::BodyBroken | CallRefusal::TlsExpected | CallRefusal::HandshakeFailed(_) => {
                StatusCode::BAD_REQUEST
            }
            CallRefusal::HeadTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            CallRefusal::HostUnknown { .. } => StatusCode::MISDIRECTED_REQUEST,
        }
    }

    /// What the answer says in its head (RFC 6750 and 9110).
    fn header(&self) -> Option<(header::HeaderName, String)> {
        let challenge =
            |rest: String| Some((header::WWW_AUTHENTICATE, format!("Bearer realm=\"voisin-ledger\"{rest}")));
        match self {
            CallRefusal::TokenMissing { .. } => challenge(String::new()),
            CallRefusal::TokenUnknown { .. } => challenge(", error=\"invalid_token\"".into()),
            CallRefusal::RoleInsufficient { needed, .. } => {
                challenge(format!(", error=\"insufficient_scope\", scope=\"{needed}\""))
            }
            CallRefusal::RateLimited { retry_after_s, .. } => Some((header::RETRY_AFTER, retry_after_s.to_string())),
            CallRefusal::TooManyConnections { .. } | CallRefusal::TooManyConnectionsOfAddress { .. } => {
                Some((header::RETRY_AFTER, "1".into()))
            }
            _ => None,
        }
    }
}

impl IntoResponse for CallRefusal {
    fn into_response(self) -> Response {
        let mut response = Problem::named(self.status(), self.name(), &self);
        if let Some((name, value)) = self.header()
            && let Ok(value) = HeaderValue::from_str(&value)
        {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_page_explains_every_refusal() {
        let page = include_str!("../../../docs/operator.md");
        for name in Name::ALL {
            assert!(page.contains(&format!("| `{name}` |")), "docs/operator.md does not explain `{name}`");
        }
    }
}
