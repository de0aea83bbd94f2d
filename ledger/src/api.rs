//! The HTTP API of a node: `protocol::api` over axum.
//!
//! Every answer is bounded: bodies in by [`TRANSACTION_BYTES_MAX`], pages out by [`SETTLEMENTS_PER_PAGE_MAX`], waiting by
//! [`WAIT_MS_MAX`].

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use protocol::{
    api::{BlockSummary, MemberStatus, SETTLEMENTS_PER_PAGE_MAX, Settled, Status, Submitted, WAIT_MS_MAX},
    block::Transaction,
    cbor,
    certificate::Validator,
    interval::{Interval, parse_utc},
    limits::TRANSACTION_BYTES_MAX,
    member::MemberId,
    receipt::Receipt,
    settlement::Entry,
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::node::{Ledger, LedgerError};

/// Serves the API until `stop` resolves.
pub(crate) async fn serve(
    listener: TcpListener,
    ledger: Arc<Ledger>,
    height_age_ms_max: u64,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    if let Err(error) = axum::serve(listener, router(ledger, height_age_ms_max)).with_graceful_shutdown(stop).await {
        tracing::error!(%error, "the API stopped");
    }
}

/// The API of a ledger, which is unhealthy when its last block is `height_age_ms_max` old.
pub fn router(ledger: Arc<Ledger>, height_age_ms_max: u64) -> Router {
    let health = move |State(ledger): State<Arc<Ledger>>| async move {
        let health = ledger.health(height_age_ms_max);
        (if health.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(health))
    };
    Router::new()
        .route("/v1/transactions", post(submit))
        .route("/v1/status", get(status))
        .route("/v1/members", get(members))
        .route("/v1/members/{member}/statement", get(statement))
        .route("/v1/blocks/{height}", get(block))
        .route("/v1/validators", get(validators))
        .route("/v1/health", get(health))
        .route("/v1/settlements", get(settlements))
        .route("/v1/settlements/{start}/receipts", get(receipts))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(TRANSACTION_BYTES_MAX))
        .with_state(ledger)
}

/// Why a call fails.
#[derive(Debug, thiserror::Error)]
enum ApiError {
    #[error("{0}")]
    BadRequest(String),
    #[error("nothing is settled for {0}")]
    NotSettled(Interval),
    #[error("expected a block of height 1 to {last}, found {found}")]
    NoBlock { last: u64, found: u64 },
    #[error("{0} is no member")]
    NoMember(MemberId),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the call was cut off")]
    CutOff,
}

/// The body of every error.
#[derive(Debug, Serialize)]
struct Problem {
    error: String,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = match self {
            ApiError::BadRequest(_) => StatusCode::BAD_REQUEST,
            ApiError::NotSettled(_) | ApiError::NoBlock { .. } | ApiError::NoMember(_) => StatusCode::NOT_FOUND,
            ApiError::Ledger(_) | ApiError::CutOff => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(Problem { error: self.to_string() })).into_response()
    }
}

/// Runs what reads the disk or verifies signatures outside the event loop.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LedgerError> + Send + 'static,
) -> Result<Json<T>, ApiError> {
    Ok(Json(tokio::task::spawn_blocking(work).await.map_err(|_| ApiError::CutOff)??))
}

async fn submit(State(ledger): State<Arc<Ledger>>, body: Bytes) -> Result<Json<Submitted>, ApiError> {
    let transaction: Transaction =
        cbor::decode(&body).map_err(|error| ApiError::BadRequest(format!("not a transaction: {error}")))?;
    blocking(move || ledger.submit(transaction)).await
}

async fn status(State(ledger): State<Arc<Ledger>>) -> Json<Status> {
    Json(ledger.status())
}

async fn members(State(ledger): State<Arc<Ledger>>) -> Json<Vec<MemberStatus>> {
    Json(ledger.members())
}

async fn validators(State(ledger): State<Arc<Ledger>>) -> Json<Vec<Validator>> {
    Json(ledger.validators())
}

async fn block(State(ledger): State<Arc<Ledger>>, Path(height): Path<u64>) -> Result<Json<BlockSummary>, ApiError> {
    let last = ledger.head().tip.height;
    let Json(block) = blocking(move || ledger.block(height)).await?;
    block.map(Json).ok_or(ApiError::NoBlock { last, found: height })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Period {
    from: Option<String>,
    limit: Option<usize>,
}

async fn statement(
    State(ledger): State<Arc<Ledger>>,
    Path(member): Path<String>,
    Query(period): Query<Period>,
) -> Result<Json<Vec<Entry>>, ApiError> {
    let member: MemberId = member.parse().map_err(|error| ApiError::BadRequest(format!("{error}")))?;
    if ledger.head().state.members().all(|(id, _)| *id != member) {
        return Err(ApiError::NoMember(member));
    }
    let (from, limit) = page(&ledger, period.from.as_deref(), period.limit)?;
    blocking(move || ledger.statement(member, from, limit)).await
}

/// Where a page starts, and how many intervals it has at most.
fn page(ledger: &Ledger, from: Option<&str>, limit: Option<usize>) -> Result<(Interval, usize), ApiError> {
    let from = from.map_or(Ok(ledger.genesis().first_interval), |start| interval(ledger, start))?;
    Ok((from, limit.unwrap_or(SETTLEMENTS_PER_PAGE_MAX).min(SETTLEMENTS_PER_PAGE_MAX)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    from: Option<String>,
    limit: Option<usize>,
    wait_ms: Option<u64>,
}

async fn settlements(
    State(ledger): State<Arc<Ledger>>,
    Query(query): Query<Page>,
) -> Result<Json<Vec<Settled>>, ApiError> {
    let Page { from, limit, wait_ms } = query;
    let (from, limit) = page(&ledger, from.as_deref(), limit)?;
    if let Some(wait_ms) = wait_ms {
        let wait = Duration::from_millis(wait_ms.min(WAIT_MS_MAX));
        let settled = || ledger.head().state.settled().is_some_and(|settled| settled >= from);
        // Not settled in time is an answer too: an empty page.
        let _ = tokio::time::timeout(wait, ledger.committed().wait_for(|_| settled())).await;
    }
    blocking(move || ledger.settlements(from, limit)).await
}

async fn receipts(
    State(ledger): State<Arc<Ledger>>,
    Path(start): Path<String>,
) -> Result<Json<Vec<Receipt>>, ApiError> {
    let interval = interval(&ledger, &start)?;
    if ledger.head().state.settled().is_none_or(|settled| settled < interval) {
        return Err(ApiError::NotSettled(interval));
    }
    blocking(move || ledger.receipts(interval)).await
}

/// The interval that starts at `start`, in the length that the community trades in.
fn interval(ledger: &Ledger, start: &str) -> Result<Interval, ApiError> {
    let length = ledger.genesis().first_interval.length();
    let start_s = parse_utc(start).map_err(|error| ApiError::BadRequest(error.to_string()))?;
    Interval::new(start_s, length).ok_or_else(|| {
        ApiError::BadRequest(format!("expected the start of a {}-minute interval, found {start}", length.minutes()))
    })
}

async fn metrics(State(ledger): State<Arc<Ledger>>) -> Result<Response, ApiError> {
    let text = ledger.metrics_text().map_err(|_| ApiError::CutOff)?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}
