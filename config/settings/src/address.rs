//! Hosts and ports as people write them: one grammar, whatever is to be found there.
//!
//! A host is a name, an IPv4 address, or an IPv6 address in brackets and without a zone; a port is digits. Nothing is
//! resolved while it is read: a name may lead somewhere only later, and elsewhere every time.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

/// Most characters of an address that are quoted.
const FOUND_MAX: usize = 80;
/// Longest name, and longest part of one (RFC 1035, section 2.3.4).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

const NOTHING_ELSE: &str = "write a host and a port, and nothing else";
const HOST: &str = "write the host as a name, an IPv4 address, or an IPv6 address in brackets";
const BRACKETS: &str = "put an IPv6 address in brackets, as in [::1]";
const NO_PORT: &str = "add a port";
const PORT: &str = "write the port in digits, 1 to 65535";
const PORT_OR_ANY: &str = "write the port in digits, 0 (any free one) to 65535";

/// Why a text is no address: what was expected, what was found and what to do, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found `{found}`: {advice}")]
pub struct AddressError {
    /// What would have been right.
    pub expected: &'static str,
    /// What was there, cut to 80 characters.
    pub found: String,
    /// What to do about it.
    pub advice: &'static str,
}

impl AddressError {
    /// An error about `found`, which is cut, and escaped where it would break the line.
    pub fn new(expected: &'static str, found: &str, advice: &'static str) -> AddressError {
        let found = found.chars().take(FOUND_MAX).collect::<String>().escape_debug().to_string();
        AddressError { expected, found, advice }
    }
}

/// A host and a port. As text, the one spelling of them: lowercase, brackets around IPv6, always a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// A port of this machine that no other machine reaches.
    pub fn loopback(port: u16) -> Address {
        Address { host: Ipv4Addr::LOCALHOST.to_string(), port }
    }

    /// Reads where to connect to: `HOST:PORT`, or `HOST` where there is a port to take then. An error is what to do.
    pub fn to_ask(text: &str, default: Option<u16>) -> Result<Address, &'static str> {
        let (host, port) = split(text)?;
        let port =
            port.map_or(default.ok_or(NO_PORT), |digits| number(digits).filter(|port| *port != 0).ok_or(PORT))?;
        Ok(Address { host, port })
    }

    /// Reads where to listen: `HOST:PORT`, where port 0 is any free one. An error is what to do.
    pub fn to_listen(text: &str) -> Result<Address, &'static str> {
        let (host, port) = split(text)?;
        let port = number(port.ok_or(NO_PORT)?).ok_or(PORT_OR_ANY)?;
        Ok(Address { host, port })
    }

    /// Name or address, without brackets: with the port, what sockets take.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// The host in its one spelling, and what stands for a port, if anything does.
fn split(text: &str) -> Result<(String, Option<&str>), &'static str> {
    if text.contains(['/', '@', '?', '#']) || text.contains(char::is_whitespace) {
        return Err(NOTHING_ELSE);
    }
    if let Some(bracketed) = text.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']').ok_or(HOST)?;
        let host: Ipv6Addr = host.parse().map_err(|_| HOST)?;
        let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or(NOTHING_ELSE)?) };
        return Ok((host.to_string(), port));
    }
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    match port {
        Some(port) if port.contains(':') => Err(BRACKETS),
        _ if host.parse::<Ipv4Addr>().is_ok() || is_name(host) => Ok((host.to_ascii_lowercase(), port)),
        _ => Err(HOST),
    }
}

fn is_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    // The underscore is of no host's name, but containers are called so.
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // No name ends in a number: it is an address with a slip in it, for which resolvers know some other one.
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= NAME_BYTES_MAX && name.split('.').all(is_label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

fn number(digits: &str) -> Option<u16> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use std::net::ToSocketAddrs;

    use super::*;

    #[test]
    fn a_host_has_one_spelling() {
        let label = "a".repeat(LABEL_BYTES_MAX);
        let longest = format!("{label}.{label}.{label}.{}", &label[2..]);
        assert_eq!(longest.len(), NAME_BYTES_MAX);
        for (written, spelled) in [
            ("localhost", "localhost"),
            ("Broker.Example", "broker.example"),
            ("broker.example.", "broker.example."),
            ("voisin_broker-1", "voisin_broker-1"),
            ("4th.street", "4th.street"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("192.0.2.7", "192.0.2.7"),
            ("[::1]", "[::1]"),
            ("[2001:DB8:0:0::7]", "[2001:db8::7]"),
            ("[::ffff:192.0.2.7]", "[::ffff:192.0.2.7]"),
            (&longest, &longest),
        ] {
            for (text, port) in
                [(written.to_owned(), 7), (format!("{written}:1"), 1), (format!("{written}:065535"), 65535)]
            {
                let address = Address::to_ask(&text, Some(7)).unwrap();
                assert_eq!(address.to_string(), format!("{spelled}:{port}"), "{text}");
                assert_eq!(Address::to_ask(&address.to_string(), None), Ok(address), "{text}");
            }
            assert_eq!(Address::to_listen(&format!("{written}:0")).unwrap().to_string(), format!("{spelled}:0"));
            assert_eq!(Address::to_listen(written), Err(NO_PORT), "{written}");
            assert_eq!(Address::to_ask(written, None), Err(NO_PORT), "{written}");
        }
    }

    #[test]
    fn sockets_take_a_host_as_it_is_kept() {
        for text in ["127.0.0.1:7", "[::1]:7"] {
            let address = Address::to_listen(text).unwrap();
            let found = (address.host(), address.port()).to_socket_addrs().unwrap().next().unwrap();
            assert_eq!(found.to_string(), text);
        }
        assert_eq!(Address::loopback(7), Address::to_listen("127.0.0.1:7").unwrap());
    }

    #[test]
    fn anything_else_is_refused_with_what_to_do() {
        let (label, name) = ("a".repeat(LABEL_BYTES_MAX + 1), "a.".repeat(127) + "a");
        for (text, advice) in [
            ("", HOST),
            (":1", HOST),
            ("a..b:1", HOST),
            (".:1", HOST),
            ("bücher.example:1", HOST),
            ("a%b:1", HOST),
            ("a\0:1", HOST),
            (&label, HOST),
            (&name, HOST),
            ("8080", HOST),
            ("127.0.0.01:1", HOST),
            ("127.0.0.256:1", HOST),
            ("127.1:1", HOST),
            ("127.0.0.1.:1", HOST),
            ("[]:1", HOST),
            ("[::1:1", HOST),
            ("[127.0.0.1]:1", HOST),
            ("[a]:1", HOST),
            ("[fe80::1%eth0]:1", HOST),
            ("[::1]1", NOTHING_ELSE),
            ("::1", BRACKETS),
            ("::1:1", BRACKETS),
            ("a:1:2", BRACKETS),
            ("a:", PORT),
            ("a:+1", PORT),
            ("a:-1", PORT),
            ("a:65536", PORT),
            ("a:mqtt", PORT),
            ("a:\u{661}", PORT),
            ("[::1]:", PORT),
            ("ada:secret@a:1", NOTHING_ELSE),
            ("a:1/", NOTHING_ELSE),
            ("a/b:1", NOTHING_ELSE),
            ("a:1?b", NOTHING_ELSE),
            ("a:1#b", NOTHING_ELSE),
            (" a:1", NOTHING_ELSE),
            ("a:1 ", NOTHING_ELSE),
            ("a:1\n", NOTHING_ELSE),
        ] {
            assert_eq!(Address::to_ask(text, Some(7)), Err(advice), "{text}");
            let advice = match advice {
                PORT => PORT_OR_ANY,
                HOST | BRACKETS | NOTHING_ELSE => advice,
                other => panic!("{other}"),
            };
            assert_eq!(Address::to_listen(text), Err(advice), "{text}");
        }
        assert_eq!(Address::to_ask("a:0", Some(7)), Err(PORT), "nothing listens there");
    }

    #[test]
    fn an_error_is_one_short_line() {
        let error = AddressError::new("a place", &("a\nb".to_owned() + &"c".repeat(100)), HOST).to_string();
        let expected = format!("expected a place, found `a\\nb{}`: {HOST}", "c".repeat(77));
        assert_eq!(error, expected);
    }
}
