//! Under which names a server is to be asked.
//!
//! A page of a stranger can have a browser ask this machine, under a name of the stranger's that leads here (DNS
//! rebinding), and read the answer. The name is in the request's head: so only names that are known here are answered.
//! An address is nobody's name: no such page has one.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header, uri::Authority};

/// The names under which a server is to be asked, beside all addresses and `localhost`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    known: Vec<String>,
    any: bool,
}

impl Names {
    /// These names: `console.example`, without a port.
    pub fn known(names: impl IntoIterator<Item = impl AsRef<str>>) -> Names {
        Names { known: names.into_iter().map(|name| normal(name.as_ref())).collect(), any: false }
    }

    /// Whatever it is asked as. For a server that speaks TLS alone: who asks has checked its certificate's name.
    pub fn any() -> Names {
        Names { known: Vec::new(), any: true }
    }

    /// Whether a request is addressed to one of them; otherwise what it is addressed to.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), String> {
        if self.any {
            return Ok(());
        }
        let mut hosts = headers.get_all(header::HOST).iter();
        let (host, more) = (hosts.next(), hosts.next());
        let found = match (uri.authority(), host, more) {
            (_, _, Some(_)) => return Err("several".into()),
            (Some(authority), _, None) => authority.host().to_owned(),
            (None, Some(host), None) => match host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) {
                Some(authority) => authority.host().to_owned(),
                None => return Err("no name".into()),
            },
            (None, None, None) => return Err("none".into()),
        };
        if self.knows(&found) { Ok(()) } else { Err(format!("`{}`", found.escape_debug())) }
    }

    fn knows(&self, host: &str) -> bool {
        let is_address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        let host = normal(host);
        is_address || host == "localhost" || self.known.contains(&host)
    }
}

/// Names are the same in any case, and with or without the dot of the root.
fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(names: &Names, uri: &str, hosts: &[&str]) -> Result<(), String> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_str(host).unwrap());
        }
        names.check(&uri.parse().unwrap(), &headers)
    }

    #[test]
    fn addresses_localhost_and_known_names_are_answered_and_no_others() {
        let names = Names::known(["Console.example", "market.example."]);
        for host in [
            "127.0.0.1:8080",
            "192.0.2.7",
            "[::1]:8080",
            "[2001:db8::7]",
            "localhost",
            "LOCALHOST:1",
            "console.example:8080",
            "CONSOLE.EXAMPLE.",
            "market.example",
        ] {
            assert_eq!(check(&names, "/", &[host]), Ok(()), "{host}");
        }
        for host in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "", "a b"]
        {
            assert!(check(&names, "/", &[host]).is_err(), "{host}");
        }
        assert_eq!(check(&names, "/", &["evil.example:80"]), Err("`evil.example`".into()));
        assert_eq!(check(&names, "/", &[]), Err("none".into()));
        assert_eq!(check(&names, "/", &["localhost", "evil.example"]), Err("several".into()));
        // An absolute address counts, not the header beside it (RFC 9112, section 3.2.2).
        assert!(check(&names, "http://evil.example/", &["localhost"]).is_err());
        assert_eq!(check(&names, "http://localhost/", &["localhost"]), Ok(()));
        assert_eq!(check(&Names::any(), "/", &["evil.example"]), Ok(()));
    }
}
