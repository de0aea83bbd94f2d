//! Which ledger nodes the market asks: an address, or an address with what to trust there and what to show.

use std::{fmt, path::PathBuf};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};
use settings::address::{Address, AddressError};

/// The HTTP API of a ledger node, `http://HOST:PORT` or `https://HOST:PORT`: nodes have no port of their own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct LedgerUrl(String);

impl LedgerUrl {
    /// The address, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for LedgerUrl {
    type Error = AddressError;

    fn try_from(text: String) -> Result<LedgerUrl, AddressError> {
        let url = text.strip_suffix('/').unwrap_or(&text);
        let parts = ["http://", "https://"].iter().find_map(|scheme| Some((scheme, url.strip_prefix(scheme)?)));
        let url = match parts {
            Some((scheme, place)) => Address::to_ask(place, None).map(|address| format!("{scheme}{address}")),
            None => Err("begin with http:// or https://"),
        };
        let expected = "a ledger node such as http://127.0.0.1:26000 or https://ledger.example:26000";
        url.map(LedgerUrl).map_err(|advice| AddressError::new(expected, &text, advice))
    }
}

/// A ledger node to ask. In the file a bare address stands for one with nothing else.
///
/// Every node has its own token: whoever runs a node sees the tokens that it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerNode {
    /// Its address.
    pub url: LedgerUrl,
    /// PEM file with the certificates that the node's own must lead to; an https address needs one.
    pub ca: Option<PathBuf>,
    /// File with the token that says who asks.
    pub token: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    url: LedgerUrl,
    ca: Option<PathBuf>,
    token: Option<PathBuf>,
}

impl<'de> Deserialize<'de> for LedgerNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LedgerNode, D::Error> {
        // Not `untagged`, which would hide what is wrong.
        struct AddressOrTable;
        impl<'de> Visitor<'de> for AddressOrTable {
            type Value = LedgerNode;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address, or a table of `url`, `ca` and `token`")
            }

            fn visit_str<E: Error>(self, url: &str) -> Result<LedgerNode, E> {
                let url = url.to_owned().try_into().map_err(E::custom)?;
                Ok(LedgerNode { url, ca: None, token: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<LedgerNode, A::Error> {
                let Table { url, ca, token } = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(LedgerNode { url, ca, token })
            }
        }
        deserializer.deserialize_any(AddressOrTable)
    }
}
