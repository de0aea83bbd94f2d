//! The calls about the log of headers, in the formats of transparency logs (C2SP).

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use protocol::{api::Consistency, log::Tile};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    answer::{ApiError, blocking, parsed},
    problem::Problem,
};
use crate::node::Ledger;

/// The latest checkpoint of the log of headers (C2SP tlog-checkpoint): signed by the node as the log, cosigned by
/// validators, and by the witnesses that have seen it.
#[utoipa::path(get, path = "/v1/log/checkpoint",
    responses((status = 200, body = String, content_type = "text/plain"), (status = 404, body = Problem)))]
pub(super) async fn checkpoint(State(ledger): State<Arc<Ledger>>) -> Result<Response, ApiError> {
    let Json(checkpoint) = blocking(move || Ok(ledger.checkpoint()?.map(|signed| signed.to_string()))).await?;
    checkpoint.map(|text| text.into_response()).ok_or(ApiError::NoCheckpoint)
}

/// The proof that a block is in the log that validators have cosigned and witnesses have seen (C2SP tlog-proof).
#[utoipa::path(get, path = "/v1/log/proof/{height}", params(("height" = u64, Path, description = "From 1 on")),
    responses((status = 200, body = String, content_type = "text/plain"), (status = 400, body = Problem),
        (status = 404, body = Problem)))]
pub(super) async fn log_proof(
    State(ledger): State<Arc<Ledger>>,
    Path(height): Path<u64>,
) -> Result<Response, ApiError> {
    let Json(proof) = blocking(move || Ok(ledger.log_proof(height)?.map(|proof| proof.to_string()))).await?;
    proof.map(|text| text.into_response()).ok_or(ApiError::NotInLog(height))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Sizes {
    /// Blocks of the log as it was.
    from: u64,
    /// Blocks of the log as it is; without it, all.
    to: Option<u64>,
}

/// The proof that the log begins with what it was before (RFC 6962).
#[utoipa::path(get, path = "/v1/log/consistency", params(Sizes),
    responses((status = 200, body = Consistency), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn consistency(
    State(ledger): State<Arc<Ledger>>,
    Query(Sizes { from, to }): Query<Sizes>,
) -> Result<Json<Consistency>, ApiError> {
    let Json((to, proof)) = blocking(move || {
        let to = to.map_or_else(|| ledger.log_size(), Ok)?;
        Ok((to, ledger.consistency(from, to)?))
    })
    .await?;
    proof.map(Json).ok_or(ApiError::NoConsistency { from, to })
}

/// A tile of the log, or of its entries, the headers (C2SP tlog-tiles): `0/000`, `1/x001/234.p/56`, `entries/000`.
#[utoipa::path(get, path = "/v1/log/tile/{*tile}", params(("tile" = String, Path, description = "LEVEL/INDEX[.p/WIDTH]")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 400, body = Problem),
        (status = 404, body = Problem)))]
pub(super) async fn tile(State(ledger): State<Arc<Ledger>>, Path(tile): Path<String>) -> Result<Response, ApiError> {
    let tile: Tile = parsed(&tile)?;
    let Json(bytes) = blocking(move || ledger.tile(&tile)).await?;
    bytes.map(|bytes| bytes.into_response()).ok_or(ApiError::NoTile)
}
