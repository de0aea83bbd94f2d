//! The layers around the routes. A call that they let through has an allowance, a role, and its whole body in memory.

use std::sync::Arc;

use access_log::{Call, Looked};
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header::CONTENT_TYPE},
    middleware::{Next, from_fn_with_state, map_response},
    response::{IntoResponse, Response},
};
use protocol::limits::TRANSACTION_BYTES_MAX;
use public_http::{Client, bearer, whole_body};

use super::{
    auth, look_ups,
    problem::{self, Problem},
    rate::Rate,
    refusal::CallRefusal,
    settings::Opened,
};
use crate::node::{Ledger, now_s};

/// What the layers need to know.
pub(super) struct Guard {
    pub(super) opened: Opened,
    pub(super) ledger: Arc<Ledger>,
    rate: Rate,
}

impl Guard {
    pub(super) fn new(opened: Opened, ledger: Arc<Ledger>) -> Arc<Guard> {
        Arc::new(Guard { rate: Rate::new(&opened.limits), opened, ledger })
    }

    /// Takes one call from the client's allowance.
    pub(super) fn take(&self, client: Client) -> Result<(), CallRefusal> {
        self.rate.take(client)
    }

    /// Counts a refusal; it is what answers the call.
    pub(super) fn refuse(&self, refusal: CallRefusal) -> Response {
        self.counted(&refusal);
        refusal.into_response()
    }

    /// Counts a refusal.
    pub(super) fn counted(&self, refusal: &CallRefusal) {
        tracing::debug!(name = refusal.name(), %refusal, "a call is refused");
        self.ledger.count_refused_call(refusal.name());
    }
}

/// The routes, guarded.
pub(super) fn guarded(router: Router, guard: &Arc<Guard>) -> Router {
    router.layer(from_fn_with_state(guard.clone(), let_through)).layer(map_response(problem::explain))
}

async fn let_through(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let request = match check(&guard, request).await {
        Ok(request) => request,
        Err(refusal) => return guard.refuse(refusal),
    };
    if let Some(looked) = look_ups::looked(request.uri()) {
        let (who, role) = look_ups::who(request.headers(), &guard.opened.access.tokens);
        if let Err(error) = write_down(guard.ledger.clone(), looked, who, role).await {
            return Problem::of(StatusCode::SERVICE_UNAVAILABLE, error);
        }
    }
    next.run(request).await
}

/// Writes down who looks up what, before it is answered. Settlement goes on without: whoever may be the market may look
/// up what cannot be written down, and the node says so.
async fn write_down(ledger: Arc<Ledger>, looked: Looked, who: String, role: &'static str) -> Result<(), String> {
    let noted = tokio::task::spawn_blocking(move || {
        ledger.note_access(now_s(), &who, role, looked).map_err(|error| error.to_string())
    });
    goes_on(role, looked.call, noted.await.unwrap_or_else(|error| Err(error.to_string())))
}

/// What follows for the call from whether it was written down. The log itself is shown only as it is on the disk.
fn goes_on(role: &str, call: Call, noted: Result<(), String>) -> Result<(), String> {
    match noted {
        Err(error) if role != "read" && call != Call::Accesses => {
            tracing::error!(%error, "a look-up by who may be the market is not written down");
            Ok(())
        }
        noted => noted,
    }
}

/// In the order of what it costs: the rate before the role, so that tokens cannot be tried out fast; the role and the
/// content type before the body, so that a stranger's is never read.
async fn check(guard: &Guard, request: Request) -> Result<Request, CallRefusal> {
    if let Some(client) = request.extensions().get::<Client>() {
        guard.take(*client)?;
    }
    let (method, path) = (request.method(), request.uri().path());
    let is_open = guard.opened.public && auth::is_of_the_page(method, path);
    if let Some(needed) = auth::needed(method, path).filter(|_| !is_open) {
        guard.opened.access.tokens.check(needed, bearer(request.headers()))?;
    }
    check_content_type(request.method(), request.headers())?;
    Ok(whole_body(request, TRANSACTION_BYTES_MAX, guard.opened.limits.body_ms_max).await?)
}

/// What is handed in is CBOR, and says so. A page of another origin cannot: a browser lets it send, unasked, only what
/// a form could send, and asks the node first for anything else.
fn check_content_type(method: &Method, headers: &HeaderMap) -> Result<(), CallRefusal> {
    if *method != Method::POST || headers.get(CONTENT_TYPE).is_some_and(|found| found == CBOR) {
        return Ok(());
    }
    let found = headers.get(CONTENT_TYPE).map_or("none", |found| found.to_str().unwrap_or("one that is no text"));
    Err(CallRefusal::ContentTypeNotCbor { found: found.chars().take(80).collect() })
}

/// The media type of CBOR (RFC 8949 §9.5).
const CBOR: &str = "application/cbor";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_written_down_is_answered_to_who_may_be_the_market_alone() {
        for (role, answered) in [("submit", true), ("none", true), ("read", false)] {
            let no_room = || Err("no room".to_owned());
            assert_eq!(goes_on(role, Call::Receipts, no_room()).is_ok(), answered, "{role}");
            assert!(goes_on(role, Call::Accesses, no_room()).is_err());
            assert!(goes_on(role, Call::Receipts, Ok(())).is_ok());
        }
    }
}
