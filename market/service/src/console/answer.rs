//! How the API answers where it cannot give what was asked for, and what it gives as a file.

use axum::{
    Json,
    extract::rejection::QueryRejection,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use protocol::interval::{Interval, IntervalLength, parse_utc};

use super::{history::HistoryError, limits::LISTENERS_MAX, view::Problem};

/// Why a request is not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("{0}")]
    BadQuery(#[from] QueryRejection),
    #[error("expected a limit from 1 to {max}, found {found}")]
    BadLimit { max: usize, found: usize },
    #[error("{0}")]
    BadTime(#[from] protocol::text::ParseError),
    #[error("expected the start of an interval, a multiple of {minutes} minutes; found {found}")]
    NotAStart { minutes: u32, found: String },
    #[error("no curves or lines of {0}: expected one of the intervals settled last")]
    NotKept(Interval),
    #[error("expected the pseudonym of a member: {0}")]
    NoMember(protocol::text::ParseError),
    #[error("expected at most {LISTENERS_MAX} listeners at a time; try again later")]
    TooManyListeners,
    #[error("the table could not be written: {0}")]
    Table(#[from] ::csv::Error),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error("no curves of {0} to draw: expected an interval whose orders are known")]
    NotDrawn(String),
    #[error("the metrics could not be written: {0}")]
    Metrics(#[from] std::fmt::Error),
}

impl ApiError {
    /// One word for it.
    fn name(&self) -> &'static str {
        match self {
            ApiError::BadQuery(_) => "bad_query",
            ApiError::BadLimit { .. } => "bad_limit",
            ApiError::BadTime(_) => "bad_time",
            ApiError::NotAStart { .. } => "not_a_start",
            ApiError::NotKept(_) => "not_kept",
            ApiError::NoMember(_) => "no_member",
            ApiError::TooManyListeners => "too_many_listeners",
            ApiError::Table(_) => "table",
            ApiError::History(error) => error.name(),
            ApiError::NotDrawn(_) => "not_drawn",
            ApiError::Metrics(_) => "metrics",
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = match self {
            ApiError::BadQuery(_)
            | ApiError::BadLimit { .. }
            | ApiError::BadTime(_)
            | ApiError::NoMember(_)
            | ApiError::NotAStart { .. } => StatusCode::BAD_REQUEST,
            ApiError::History(HistoryError::Calendar(_)) => StatusCode::BAD_REQUEST,
            ApiError::History(HistoryError::Ledger(_)) => StatusCode::BAD_GATEWAY,
            ApiError::History(HistoryError::NotSettled(_)) => StatusCode::NOT_FOUND,
            ApiError::History(_) => StatusCode::SERVICE_UNAVAILABLE,
            ApiError::NotKept(_) | ApiError::NotDrawn(_) => StatusCode::NOT_FOUND,
            ApiError::TooManyListeners => StatusCode::SERVICE_UNAVAILABLE,
            ApiError::Metrics(_) | ApiError::Table(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let error = match &self {
            ApiError::BadQuery(rejection) => rejection.body_text(),
            error => error.to_string(),
        };
        (status, Json(Problem { error, refusal: Some(self.name()) })).into_response()
    }
}

/// A table to keep under this name.
pub(super) fn table(name: &str, csv: Vec<u8>) -> Response {
    let named = format!("attachment; filename=\"{name}\"");
    let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CONTENT_DISPOSITION, &named)];
    (headers, csv).into_response()
}

/// A limit that is none too many.
pub(super) fn check_limit(found: usize, max: usize) -> Result<usize, ApiError> {
    if (1..=max).contains(&found) { Ok(found) } else { Err(ApiError::BadLimit { max, found }) }
}

/// The interval that starts at `text`.
pub(super) fn parse_start(text: &str, length: IntervalLength) -> Result<Interval, ApiError> {
    let start_s = parse_utc(text)?;
    Interval::new(start_s, length)
        .ok_or_else(|| ApiError::NotAStart { minutes: length.minutes(), found: text.to_owned() })
}
