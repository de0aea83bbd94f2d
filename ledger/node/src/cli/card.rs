//! What the owner of a validator tells whoever founds the community: nothing of it is secret. `ledger init` writes it,
//! `ledger community init` reads it.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use protocol::{key::PublicKey, limits::NAME_BYTES_MAX};
use serde::Deserialize;
use settings::address::Address;

/// Directories of a founded community that are no validator's.
const RESERVED: [&str; 3] = ["broker", "household", "market"];

/// A `[[validators]]` table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Card {
    /// The node's name; its directory's name, too.
    pub(super) name: String,
    /// The key that signs its votes.
    pub(super) key: PublicKey,
    /// Where the other nodes reach it.
    pub(super) host: String,
    /// The port for blocks and votes there.
    pub(super) port: u16,
    /// The port for transactions there.
    pub(super) gossip_port: u16,
    /// Where the market asks it.
    pub(super) api: SocketAddr,
    /// The certificate that it shows there, a PEM file. Without it, plain HTTP.
    pub(super) certificate: Option<PathBuf>,
}

impl Card {
    /// Checks what one card can get wrong by itself.
    pub(super) fn check(&self) -> Result<(), String> {
        let Card { name, host, .. } = self;
        let usable = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(usable) || RESERVED.contains(&name.as_str())
        {
            return Err(format!(
                "expected a validator's name of letters, digits, - and _, none of {}, found `{}`",
                RESERVED.join(", "),
                cut(name)
            ));
        }
        for port in [self.port, self.gossip_port] {
            Address::to_ask(&place(host, port), None).map_err(|advice| {
                format!("validator {name}: expected a host and two ports, found {}: {advice}", cut(&place(host, port)))
            })?;
        }
        if self.port == self.gossip_port {
            return Err(format!("validator {name}: expected two ports, found {} for both", self.port));
        }
        if self.api.port() == 0 || self.api.ip().is_unspecified() {
            return Err(format!(
                "validator {name}: expected an address that the market can ask for `api`, found {}",
                self.api
            ));
        }
        if self.certificate.is_none() && !self.api.ip().is_loopback() {
            return Err(format!(
                "validator {name}: expected a `certificate`, because other machines reach its API at {}, found none; name a PEM file",
                self.api
            ));
        }
        Ok(())
    }

    /// Where to listen for other nodes, as a multiaddress: a host that is a name does not say on which address.
    pub(super) fn listens(&self, port: u16) -> String {
        match self.ip() {
            Some(IpAddr::V6(ip)) => format!("/ip6/{ip}/tcp/{port}"),
            Some(IpAddr::V4(ip)) => format!("/ip4/{ip}/tcp/{port}"),
            None => format!("/ip4/0.0.0.0/tcp/{port}"),
        }
    }

    /// Where the other nodes reach it, as a multiaddress.
    pub(super) fn is_reached(&self, port: u16) -> String {
        if self.ip().is_some() { self.listens(port) } else { format!("/dns/{}/tcp/{port}", self.host) }
    }

    fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// The table, as it is put behind community.toml.
impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Card { name, key, host, port, gossip_port, api, certificate } = self;
        let text = |text: &str| toml::Value::from(text).to_string();
        writeln!(f, "\n[[validators]]\nname = {}\nkey = \"{key}\"", text(name))?;
        writeln!(f, "host = {}\nport = {port}\ngossip_port = {gossip_port}\napi = \"{api}\"", text(host))?;
        match certificate {
            Some(path) => writeln!(f, "certificate = {}", text(&path.to_string_lossy())),
            None => Ok(()),
        }
    }
}

/// A host and a port as they are written.
fn place(host: &str, port: u16) -> String {
    if host.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// At most 80 characters of what was found, on one line.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(80).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use protocol::key::SecretKey;

    use super::*;

    fn card() -> Card {
        Card {
            name: "north".into(),
            key: SecretKey::from_seed(&[1; 32]).public(),
            host: "192.0.2.11".into(),
            port: 27000,
            gossip_port: 28000,
            api: "192.0.2.11:26000".parse().unwrap(),
            certificate: Some("north.pem".into()),
        }
    }

    #[derive(Deserialize)]
    struct File {
        validators: Vec<Card>,
    }

    #[test]
    fn what_is_written_is_read_again() {
        let with = Card { certificate: None, api: "127.0.0.1:26000".parse().unwrap(), ..card() };
        let text = format!("{}{with}", card());
        assert_eq!(toml::from_str::<File>(&text).unwrap().validators, [card(), with]);
    }

    #[test]
    fn a_host_is_an_address_or_a_name() {
        for (host, listens, reached) in [
            ("192.0.2.11", "/ip4/192.0.2.11/tcp/7", "/ip4/192.0.2.11/tcp/7"),
            ("2001:db8::1", "/ip6/2001:db8::1/tcp/7", "/ip6/2001:db8::1/tcp/7"),
            ("node.example", "/ip4/0.0.0.0/tcp/7", "/dns/node.example/tcp/7"),
        ] {
            let card = Card { host: host.into(), ..card() };
            assert_eq!((card.check(), card.listens(7), card.is_reached(7)), (Ok(()), listens.into(), reached.into()));
        }
    }

    #[test]
    fn what_no_card_can_say_is_named() {
        let api = |text: &str| text.parse().unwrap();
        for (card, expected) in [
            (Card { name: "".into(), ..card() }, "found ``"),
            (Card { name: "a/b".into(), ..card() }, "expected a validator's name of letters, digits, - and _"),
            (Card { name: "market".into(), ..card() }, "none of broker, household, market, found `market`"),
            (Card { host: "a b".into(), ..card() }, "found a b:27000"),
            (Card { port: 0, ..card() }, "write the port in digits"),
            (Card { port: 28000, ..card() }, "expected two ports, found 28000 for both"),
            (Card { api: api("0.0.0.0:26000"), ..card() }, "expected an address that the market can ask"),
            (Card { certificate: None, ..card() }, "expected a `certificate`"),
        ] {
            let error = card.check().unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
