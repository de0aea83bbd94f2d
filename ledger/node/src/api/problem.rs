//! The body of every error: a name for programs, a sentence for people.

use axum::{
    Json,
    body::{Body, to_bytes},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

/// Most bytes of a library's error text that are passed on.
const TEXT_BYTES_MAX: usize = 8 * 1_024;

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// The refusal's name.
    refusal: String,
    /// What was expected, and what was found.
    error: String,
}

impl Problem {
    /// An error that has a name of its own.
    pub(super) fn named(status: StatusCode, name: &str, error: impl ToString) -> Response {
        (status, Json(Problem { refusal: name.into(), error: error.to_string() })).into_response()
    }

    /// An error that its status names.
    pub(super) fn of(status: StatusCode, error: impl ToString) -> Response {
        Problem::named(status, &status_name(status), error)
    }
}

/// `Not Found` is `not_found`.
fn status_name(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("error").to_lowercase().replace([' ', '-'], "_")
}

/// Gives the errors that axum answers by itself (no such route, a query that cannot be read) the same body as all
/// others.
pub(super) async fn explain(response: Response) -> Response {
    let status = response.status();
    let json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes() == b"application/json");
    if json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = to_bytes(body, TEXT_BYTES_MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let error =
        if text.is_empty() { status.canonical_reason().unwrap_or("an error").to_lowercase() } else { text.into() };
    let (described, body) = Problem::of(status, error).into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(described.headers);
    Response::from_parts(parts, Body::new(body))
}
