//! The status page's server, for the household's own network. It reads; what it changes is up to the page of prices.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use protocol::interval::{Interval, parse_utc};
use public_http::{Names, Page, Site};
use tokio::sync::watch;

use crate::{
    page::{self, Prices},
    period::Period,
    shown::Shown,
    statement,
    status::Status,
    waiting::Waiting,
};

/// Scripts and styles from this server alone, and nothing from elsewhere.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The page and its JSON, to be asked for under these names.
pub(crate) fn site(shown: Shown, prices: Arc<Prices>, names: Names) -> Site<Page> {
    let router = router(shown).merge(page::prices_router(prices.clone()));
    let site = Page::site("the status page", router, CONTENT_SECURITY_POLICY, names, "status_names");
    site.with_forms(page::forms(prices))
}

/// The page of a household that waits for its registration, and its JSON.
pub(crate) fn waiting_site(waiting: watch::Receiver<Waiting>, names: Names) -> Site<Page> {
    Page::site("the status page", page::waiting_router(waiting), CONTENT_SECURITY_POLICY, names, "status_names")
}

fn router(shown: Shown) -> Router {
    page::router()
        .route("/status", get(status))
        .route("/statement", get(statement_json))
        .route("/neighbours", get(neighbours_json))
        .route("/receipts/{start}", get(receipt))
        .with_state(shown)
}

async fn status(State(shown): State<Shown>) -> Json<Status> {
    Json(shown.status.borrow().clone())
}

async fn statement_json(State(shown): State<Shown>) -> Response {
    match shown.read(|store| statement::lines(store, Period::default())).await {
        Ok(lines) => Json(lines).into_response(),
        Err(response) => response,
    }
}

async fn neighbours_json(State(shown): State<Shown>) -> Response {
    match shown.read(|store| statement::neighbour_lines(store, Period::default())).await {
        Ok(lines) => Json(lines).into_response(),
        Err(response) => response,
    }
}

async fn receipt(State(shown): State<Shown>, Path(start): Path<String>) -> Response {
    let Some(interval) = parse_utc(&start).ok().and_then(|start| Interval::new(start, shown.length)) else {
        let expected = format!("expected the start of an interval such as 2026-06-01T12:00:00Z, found `{start}`\n");
        return (StatusCode::BAD_REQUEST, expected).into_response();
    };
    match shown.read(move |store| store.receipt(interval)).await {
        Ok(Some(json)) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Ok(None) => (StatusCode::NOT_FOUND, format!("no verified receipt of {interval}\n")).into_response(),
        Err(response) => response,
    }
}
