//! How a call is answered, or why it fails.

use std::{fmt::Display, str::FromStr};

use access_log::QuestionFault;
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use protocol::{interval::Interval, member::MemberId};

use super::problem::Problem;
use crate::node::LedgerError;

/// Why a call fails.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("{0}")]
    BadRequest(String),
    #[error("nothing is settled for {0}")]
    NotSettled(Interval),
    #[error("nothing is on record for {0} that could be corrected")]
    NothingToCorrect(Interval),
    #[error("expected a block of height 1 to {last}, found {found}")]
    NoBlock { last: u64, found: u64 },
    #[error(
        "expected a height of the last checkpoint that validators have cosigned, or of one before, found {0}; try again later"
    )]
    NotInLog(u64),
    #[error("there is no checkpoint yet")]
    NoCheckpoint,
    #[error("no island is declared or has begun: there is nothing to alert anybody of")]
    NoAlert,
    #[error("expected sizes of the log, the smaller one first, found {from} and {to}")]
    NoConsistency { from: u64, to: u64 },
    #[error("the log has not all of this tile")]
    NoTile,
    #[error("{0} is no member")]
    NoMember(MemberId),
    #[error(
        "expected a retired certificate, found none: there is no such one of {0} on record, or nobody has claimed it yet, \
         and who holds it is not said"
    )]
    NotRetired(Interval),
    #[error("{0} is no member, or there is no block yet that proves it")]
    NotProved(MemberId),
    #[error("{0} is no member, or this node logs no look-ups")]
    NoAccesses(MemberId),
    #[error(transparent)]
    NotItself(#[from] QuestionFault),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the call was cut off")]
    CutOff,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = match self {
            ApiError::BadRequest(_) => StatusCode::BAD_REQUEST,
            ApiError::NotSettled(_)
            | ApiError::NotProved(_)
            | ApiError::NotRetired(_)
            | ApiError::NoAccesses(_)
            | ApiError::NothingToCorrect(_)
            | ApiError::NoBlock { .. }
            | ApiError::NotInLog(_)
            | ApiError::NoCheckpoint
            | ApiError::NoAlert
            | ApiError::NoConsistency { .. }
            | ApiError::NoTile
            | ApiError::NoMember(_) => StatusCode::NOT_FOUND,
            ApiError::NotItself(_) => StatusCode::FORBIDDEN,
            ApiError::Ledger(_) | ApiError::CutOff => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Problem::of(status, self)
    }
}

/// Runs what reads the disk or verifies signatures outside the event loop.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LedgerError> + Send + 'static,
) -> Result<Json<T>, ApiError> {
    Ok(Json(tokio::task::spawn_blocking(work).await.map_err(|_| ApiError::CutOff)??))
}

/// What a part of a call says.
pub(super) fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|error| ApiError::BadRequest(format!("{error}")))
}
