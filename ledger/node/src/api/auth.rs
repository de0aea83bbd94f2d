//! Who asks, and what they may.

use axum::http::{HeaderMap, Method, header};
use protocol::hash::Hash;
use subtle::ConstantTimeEq;

use super::{refusal::CallRefusal, settings::Role};

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

/// Whether the holder of the call's token may make it. Without any known token, everyone may.
pub(super) fn check(
    digests: &[(Role, Hash)],
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Result<(), CallRefusal> {
    let Some(needed) = needed(method, path) else { return Ok(()) };
    if digests.is_empty() {
        return Ok(());
    }
    let token = bearer(headers).ok_or(CallRefusal::TokenMissing { needed })?;
    match role(digests, token) {
        None => Err(CallRefusal::TokenUnknown { needed }),
        Some(found) if !found.allows(needed) => Err(CallRefusal::RoleInsufficient { needed, found }),
        Some(_) => Ok(()),
    }
}

/// The token of `Authorization: Bearer TOKEN`.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}

/// Compares with every digest, each in constant time, so that how long it takes says nothing of what is known.
fn role(digests: &[(Role, Hash)], token: &[u8]) -> Option<Role> {
    let digest = Hash::of(token);
    let same = |known: &Hash| bool::from(known.as_bytes().ct_eq(digest.as_bytes()));
    digests.iter().fold(None, |found, (role, known)| if same(known) { Some(*role) } else { found })
}
