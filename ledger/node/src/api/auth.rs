//! The role that each call needs.

use axum::http::Method;
use public_http::Role;

/// Whether a call is one of those that the node's pages make: of no member what it consumes, but for what it has
/// claimed itself. Where a configuration says `api_public`, they need no role.
pub(super) fn is_of_the_page(method: &Method, path: &str) -> bool {
    let read = [Method::GET, Method::HEAD].contains(method);
    let one = [
        "/",
        "/favicon.ico",
        "/v1/community",
        "/v1/sums",
        "/v1/decisions",
        "/v1/status",
        "/v1/validators",
        "/certificate",
    ];
    let below = ["/assets/", "/v1/blocks/", "/v1/log/", "/v1/retirements/"];
    read && (one.contains(&path) || below.iter().any(|folder| path.starts_with(folder)))
}

/// The role that a call needs; none for what everyone may know: whether the node is well, and how to ask it.
///
/// A route that nobody thought of here needs `read`, or `submit` if it may change something.
pub(super) fn needed(method: &Method, path: &str) -> Option<Role> {
    match path {
        _ if *method != Method::GET && *method != Method::HEAD => Some(Role::Submit),
        "/v1/health" | "/openapi.json" | "/docs" => None,
        "/metrics" => Some(Role::Metrics),
        "/v1/situation" | "/v1/situation/alert" => Some(Role::Authority),
        "/situation" => None,
        // What is inside the program says nothing of the ledger.
        _ if ["/docs/", "/assets/"].iter().any(|folder| path.starts_with(folder)) => None,
        _ => Some(Role::Read),
    }
}
