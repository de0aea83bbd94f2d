//! Whether a form comes from this page, as the browser says. Pure.

use axum::http::{HeaderMap, HeaderName, Uri, header};

/// Whether a request was made by a page of this server, and by no other site. A browser sends `Origin` with every form
/// that is posted (Fetch standard, "append a request `Origin` header"), and `Sec-Fetch-Site` where the connection is
/// one that it trusts.
pub(super) fn is_own(uri: &Uri, headers: &HeaderMap) -> bool {
    let only = |name: HeaderName| {
        let mut values = headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    };
    let site = HeaderName::from_static("sec-fetch-site");
    if headers.contains_key(&site) && only(site) != Some("same-origin") {
        return false;
    }
    // The target counts before the header (RFC 9112, section 3.2.2).
    let Some(asked) = uri.authority().map(|authority| authority.as_str()).or_else(|| only(header::HOST)) else {
        return false;
    };
    let from = only(header::ORIGIN).and_then(|origin| {
        // A proxy of the household's may speak TLS before it.
        origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))
    });
    from.is_some_and(|from| from.eq_ignore_ascii_case(asked))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn own(uri: &str, headers: &[(&'static str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        is_own(&uri.parse().unwrap(), &map)
    }

    #[test]
    fn only_a_page_of_this_very_address_is_own() {
        let host = ("host", "192.0.2.7:8787");
        let origin = ("origin", "http://192.0.2.7:8787");
        let site = |site| ("sec-fetch-site", site);
        assert!(own("/prices/set", &[host, origin]));
        assert!(own("/prices/set", &[host, origin, site("same-origin")]));
        assert!(own("http://pi.local/prices/set", &[("host", "other"), ("origin", "http://PI.local")]));
        assert!(own("/prices/set", &[("host", "pi.home"), ("origin", "https://pi.home")]), "behind a proxy with TLS");
        for foreign in ["http://evil.example", "http://192.0.2.7", "http://192.0.2.7:80", "null", "", "192.0.2.7:8787"]
        {
            assert!(!own("/prices/set", &[host, ("origin", foreign)]), "{foreign}");
        }
        for other in ["cross-site", "same-site", "none", ""] {
            assert!(!own("/prices/set", &[host, origin, site(other)]), "{other}");
        }
        assert!(!own("/prices/set", &[host]), "no browser");
        assert!(!own("/prices/set", &[origin]));
        assert!(!own("/prices/set", &[host, origin, ("origin", "http://evil.example")]));
        assert!(!own("/prices/set", &[host, origin, site("same-origin"), site("cross-site")]));
    }
}
