//! Why a server turns a call or a connection away.

use axum::http::StatusCode;

/// What was too much, too slow or not for this server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// As many connections as may be are open.
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
    /// It is addressed to another server, or to this one under a name that it does not know.
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
    /// The body is larger than any that is expected.
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
    #[error("expected https, found plain http; ask at https://")]
    TlsExpected,
    /// No TLS connection came about.
    #[error("no TLS connection came about: {0}")]
    HandshakeFailed(String),
    /// The answer is not read.
    #[error("expected the answer to be read, found that it was not for {ms_max} ms")]
    AnswerNotRead {
        /// Longest pause of the reader, milliseconds.
        ms_max: u64,
    },
}

impl Refusal {
    /// The status of the answer, where somebody is left to hear it.
    pub fn status(&self) -> StatusCode {
        match self {
            Refusal::TooManyConnections { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::TooManyConnectionsOfAddress { .. } => StatusCode::TOO_MANY_REQUESTS,
            Refusal::HeadTooSlow { .. } | Refusal::BodyTooSlow { .. } | Refusal::AnswerNotRead { .. } => {
                StatusCode::REQUEST_TIMEOUT
            }
            Refusal::HeadTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Refusal::HostUnknown { .. } => StatusCode::MISDIRECTED_REQUEST,
            Refusal::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::BodyBroken | Refusal::TlsExpected | Refusal::HandshakeFailed(_) => StatusCode::BAD_REQUEST,
        }
    }
}
