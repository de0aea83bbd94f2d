//! Which calls look a household up, and who makes them.

use access_log::{Call, Looked};
use axum::http::{HeaderMap, Uri};
use protocol::{hash::Hash, member::MemberId};
use public_http::{KnownTokens, Role, bearer};

/// Hex digits of a token's digest by which its holder is named.
const DIGITS: usize = 8;

/// What a call looks at; none where it says of no household anything.
pub(super) fn looked(uri: &Uri) -> Option<Looked> {
    let path: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
    // What cannot be read is of everybody: nobody escapes by another spelling.
    let queried = |key: &str| {
        let pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(found, _)| *found == key).find_map(|(_, value)| value.parse().ok())
    };
    let named = |text: &str| text.parse::<MemberId>().ok();
    let (call, member) = match path.as_slice() {
        ["v1", "settlements"] => (Call::Settlements, queried("member")),
        ["v1", "settlements", _, "receipts" | "corrections"] => (Call::Receipts, None),
        ["v1", "settlements", _, "inputs"] => (Call::Inputs, None),
        ["v1", "members"] => (Call::Members, None),
        ["v1", "members", member, "statement"] => (Call::Statement, named(member)),
        ["v1", "members", member, "registration"] => (Call::Registration, named(member)),
        ["v1", "members", member, "standby"] => (Call::Standby, named(member)),
        ["v1", "members", member, "accesses"] => (Call::Accesses, named(member)),
        ["v1", "certificates"] => (Call::Certificates, queried("holder")),
        _ => return None,
    };
    Some(Looked { call, member })
}

/// Who asks, and under which role: nobody, where no token is asked for.
pub(super) fn who(headers: &HeaderMap, tokens: &KnownTokens) -> (String, &'static str) {
    let Some(token) = bearer(headers).filter(|_| !tokens.is_empty()) else { return ("nobody".into(), "none") };
    let mut digest = Hash::of(token).to_string();
    digest.truncate(DIGITS);
    (digest, if tokens.check(Role::Submit, Some(token)).is_ok() { "submit" } else { "read" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_looks_at_one_or_at_everybody_whatever_its_spelling() {
        let ada = MemberId::from_bytes([0xad; 16]);
        for (uri, expected) in [
            (format!("/v1/members/{ada}/statement?limit=3"), Some((Call::Statement, Some(ada)))),
            (format!("/v1/members/%61{}/statement", &ada.to_string()[1..]), Some((Call::Statement, None))),
            (format!("/v1/settlements?from=x&member={ada}"), Some((Call::Settlements, Some(ada)))),
            ("/v1/settlements?member=%61d".into(), Some((Call::Settlements, None))),
            ("/v1/settlements/2026-06-01T12:00:00Z/receipts".into(), Some((Call::Receipts, None))),
            ("/v1/settlements/2026-06-01T12:00:00Z/inputs".into(), Some((Call::Inputs, None))),
            (format!("/v1/members/{ada}/standby"), Some((Call::Standby, Some(ada)))),
            ("/v1/members".into(), Some((Call::Members, None))),
            (format!("/v1/certificates?holder={ada}"), Some((Call::Certificates, Some(ada)))),
            ("/v1/status".into(), None),
            ("/".into(), None),
        ] {
            let found = looked(&uri.parse().unwrap()).map(|Looked { call, member }| (call, member));
            assert_eq!(found, expected, "{uri}");
        }
    }
}
