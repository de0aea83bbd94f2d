//! Why a call is not let through to the routes: every refusal by name, as it is answered and counted.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use protocol::refusal::CallRefusal as Name;
use public_http::{self, TokenRefusal};

use super::problem::Problem;

/// Why a call, or a connection, is turned away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallRefusal {
    /// Its token does not count, or not for this call.
    #[error(transparent)]
    Token(#[from] TokenRefusal),
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
    /// The body is not said to be CBOR.
    #[error("expected the content type application/cbor, found {found}")]
    ContentTypeNotCbor {
        /// What was found.
        found: String,
    },
    /// It was too much, too slow or not for this server.
    #[error(transparent)]
    Server(#[from] public_http::Refusal),
}

impl CallRefusal {
    /// Its name, in answers and metrics.
    pub fn name(&self) -> &'static str {
        let name = match self {
            CallRefusal::Token(TokenRefusal::Missing { .. }) => Name::TokenMissing,
            CallRefusal::Token(TokenRefusal::Unknown { .. }) => Name::TokenUnknown,
            CallRefusal::Token(TokenRefusal::RoleInsufficient { .. }) => Name::RoleInsufficient,
            CallRefusal::RateLimited { .. } => Name::RateLimited,
            CallRefusal::ContentTypeNotCbor { .. } => Name::ContentTypeNotCbor,
            CallRefusal::Server(refusal) => named(refusal),
        };
        name.name()
    }

    fn status(&self) -> StatusCode {
        match self {
            CallRefusal::Token(refusal) => refusal.status(),
            CallRefusal::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            CallRefusal::ContentTypeNotCbor { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            CallRefusal::Server(refusal) => refusal.status(),
        }
    }

    /// What the answer says in its head (RFC 6750 and 9110).
    fn header(&self) -> Option<(header::HeaderName, String)> {
        match self {
            CallRefusal::Token(refusal) => Some((header::WWW_AUTHENTICATE, refusal.challenge("voisin-ledger"))),
            CallRefusal::RateLimited { retry_after_s, .. } => Some((header::RETRY_AFTER, retry_after_s.to_string())),
            CallRefusal::Server(
                public_http::Refusal::TooManyConnections { .. }
                | public_http::Refusal::TooManyConnectionsOfAddress { .. },
            ) => Some((header::RETRY_AFTER, "1".into())),
            _ => None,
        }
    }
}

fn named(refusal: &public_http::Refusal) -> Name {
    match refusal {
        public_http::Refusal::TooManyConnections { .. } => Name::TooManyConnections,
        public_http::Refusal::TooManyConnectionsOfAddress { .. } => Name::TooManyConnectionsOfAddress,
        public_http::Refusal::HeadTooSlow { .. } => Name::HeadTooSlow,
        public_http::Refusal::HeadTooLarge { .. } => Name::HeadTooLarge,
        public_http::Refusal::HostUnknown { .. } => Name::HostUnknown,
        public_http::Refusal::BodyTooLarge { .. } => Name::BodyTooLarge,
        public_http::Refusal::BodyTooSlow { .. } => Name::BodyTooSlow,
        public_http::Refusal::BodyBroken => Name::BodyBroken,
        public_http::Refusal::TlsExpected => Name::TlsExpected,
        public_http::Refusal::HandshakeFailed(_) => Name::HandshakeFailed,
        public_http::Refusal::AnswerNotRead { .. } => Name::AnswerNotRead,
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
        let page = include_str!("../../../../docs/operator.md");
        for name in Name::ALL {
            assert!(page.contains(&format!("| `{name}` |")), "docs/operator.md does not explain `{name}`");
        }
    }
}
