//! The role that each call needs.

use axum::http::Method;
use public_http::Role;

/// The role that a call needs; none for what everyone may know: whether the node is well, and how to ask it.
///
/// A route that nobody thought of here needs `read`, or `submit` if it may change something.
pub(super) fn needed(method: &Method, path: &str) -> Option<Role> {
    match path {
        _ if *method != Method::GET && *method != Method::HEAD => Some(Role::Submit),
        "/v1/health" | "/openapi.json" | "/docs" => None,
        "/metrics" => Some(Role::Metrics),
        _ if path.starts_with("/docs/") => None,
        _ => Some(Role::Read),
    }
}
