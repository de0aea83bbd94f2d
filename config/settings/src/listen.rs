//! Where a program serves its page.

use std::str::FromStr;

use serde::Deserialize;

use super::address::{Address, AddressError};

/// Where a page is served: `HOST:PORT`, or `off`.
///
/// Unlike a broker's, its port is never left out: pages that people look at have no port of their own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Listen {
    /// Nowhere.
    Off,
    /// Here; port 0 is any free one.
    At(Address),
}

impl Listen {
    /// The host, under which a browser may ask for the page, too; none where it is served nowhere.
    pub fn host(&self) -> Option<&str> {
        match self {
            Listen::Off => None,
            Listen::At(address) => Some(address.host()),
        }
    }
}

impl FromStr for Listen {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Listen, AddressError> {
        if text == "off" {
            return Ok(Listen::Off);
        }
        let error = |advice| AddressError::new("an address such as 127.0.0.1:8080, or off", text, advice);
        Address::to_listen(text).map(Listen::At).map_err(error)
    }
}

impl TryFrom<String> for Listen {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Listen, AddressError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_served_somewhere_or_not() {
        assert_eq!("off".parse(), Ok(Listen::Off));
        for (text, spelled) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("0.0.0.0:0", "0.0.0.0:0"),
            ("[::]:080", "[::]:80"),
            // Whether it leads anywhere is not asked.
            ("Nowhere.invalid:80", "nowhere.invalid:80"),
        ] {
            match text.parse() {
                Ok(Listen::At(address)) => assert_eq!(address.to_string(), spelled),
                other => panic!("{text}: {other:?}"),
            }
        }
        for (text, advice) in [
            ("on", "add a port"),
            ("OFF", "add a port"),
            ("localhost", "add a port"),
            ("8080", "write the host as"),
            (":8080", "write the host as"),
            ("*:8080", "write the host as"),
            ("::1:8080", "put an IPv6 address in brackets"),
            ("localhost:http", "write the port in digits, 0 (any free one) to 65535"),
            ("http://localhost:8080", "write a host and a port, and nothing else"),
        ] {
            let error = text.parse::<Listen>().unwrap_err().to_string();
            let expected = format!("expected an address such as 127.0.0.1:8080, or off, found `{text}`: {advice}");
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}
