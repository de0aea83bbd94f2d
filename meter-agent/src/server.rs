//! The status page's server: read-only, for the household's own network.

use std::sync::{Arc, Weak};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use protocol::interval::{Interval, IntervalLength, parse_utc};
use public_http::{Names, Page, Site};
use tokio::sync::watch;

use crate::{
    page,
    statement::{self, Period},
    status::Status,
    store::{Store, StoreError},
};

/// What the server shows.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) status: watch::Receiver<Status>,
    /// Not the server's: an open browser must not keep the state locked when the agent stops.
    pub(crate) store: Weak<Store>,
    pub(crate) length: IntervalLength,
}

/// The page has no scripts, and nothing from elsewhere.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page and its JSON, to be asked for under these names.
pub(crate) fn site(shown: Shown, names: Names) -> Site<Page> {
    Page::site("the status page", router(shown), CONTENT_SECURITY_POLICY, names, "status_names")
}

fn router(shown: Shown) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/status", get(status))
        .route("/statement", get(statement_json))
        .route("/receipts/{start}", get(receipt))
        .with_state(shown)
}

async fn home(State(shown): State<Shown>) -> Html<String> {
    Html(page::render(&shown.status.borrow()))
}

async fn status(State(shown): State<Shown>) -> Json<Status> {
    Json(shown.status.borrow().clone())
}

async fn statement_json(State(shown): State<Shown>) -> Response {
    let read = with_store(shown.store, |store| statement::lines(store, Period::default())).await;
    match read {
        Some(Ok(lines)) => Json(lines).into_response(),
        Some(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        None => stopping(),
    }
}

async fn receipt(State(shown): State<Shown>, Path(start): Path<String>) -> Response {
    let Some(interval) = parse_utc(&start).ok().and_then(|start| Interval::new(start, shown.length)) else {
        let expected = format!("expected the start of an interval such as 2026-06-01T12:00:00Z, found `{start}`\n");
        return (StatusCode::BAD_REQUEST, expected).into_response();
    };
    match with_store(shown.store, move |store| store.receipt(interval)).await {
        Some(Ok(Some(json))) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Some(Ok(None)) => (StatusCode::NOT_FOUND, format!("no verified receipt of {interval}\n")).into_response(),
        Some(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        None => stopping(),
    }
}

fn stopping() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "the agent is stopping\n").into_response()
}

/// Reads from the state on a thread that may wait for the disk.
async fn with_store<T: Send + 'static>(
    store: Weak<Store>,
    read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Option<Result<T, StoreError>> {
    let store: Arc<Store> = store.upgrade()?;
    tokio::task::spawn_blocking(move || read(&store)).await.ok()
}
