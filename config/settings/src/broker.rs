//! Where the MQTT broker is.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::Deserialize;

use super::address::{Address, AddressError};

/// Port of MQTT (IANA: `mqtt`), and of MQTT over TLS (`secure-mqtt`).
const PORT: u16 = 1883;
const TLS_PORT: u16 = 8883;
const EXPECTED: &str = "a broker such as mqtt://127.0.0.1:1883 or mqtts://broker.example:8883";

/// A broker's address: `mqtt://HOST:PORT`, or `mqtts://HOST:PORT` over TLS; without a port, 1883 and 8883.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct BrokerAddress {
    tls: bool,
    place: Address,
}

impl BrokerAddress {
    /// A broker on this machine.
    pub fn loopback(port: u16) -> BrokerAddress {
        BrokerAddress { tls: false, place: Address::loopback(port) }
    }

    /// Name or address, without brackets.
    pub fn host(&self) -> &str {
        self.place.host()
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.place.port()
    }

    /// Whether it is spoken to over TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Whether what is sent there stays on this machine. A name may lead anywhere, but for the one that never does.
    pub fn is_on_this_machine(&self) -> bool {
        let host = self.host();
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

impl FromStr for BrokerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<BrokerAddress, AddressError> {
        let (tls, place) = match (text.strip_prefix("mqtt://"), text.strip_prefix("mqtts://")) {
            (Some(place), _) => (false, Address::to_ask(place, Some(PORT))),
            (_, Some(place)) => (true, Address::to_ask(place, Some(TLS_PORT))),
            _ => (false, Err("begin with mqtt:// or mqtts://")),
        };
        let place = place.map_err(|advice| AddressError::new(EXPECTED, text, advice))?;
        Ok(BrokerAddress { tls, place })
    }
}

impl TryFrom<String> for BrokerAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<BrokerAddress, AddressError> {
        text.parse()
    }
}

impl fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "mqtts" } else { "mqtt" }, self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_may_be_left_out_and_is_always_told() {
        for (text, spelled) in [
            ("mqtt://localhost", "mqtt://localhost:1883"),
            ("mqtt://Broker.example:1884", "mqtt://broker.example:1884"),
            ("mqtt://[::1]", "mqtt://[::1]:1883"),
            ("mqtt://[0:0::1]:1", "mqtt://[::1]:1"),
            ("mqtts://Broker.example", "mqtts://broker.example:8883"),
            ("mqtts://[::1]:1883", "mqtts://[::1]:1883"),
        ] {
            let broker: BrokerAddress = text.parse().unwrap();
            assert_eq!(broker.to_string(), spelled);
            assert_eq!(broker.is_tls(), text.starts_with("mqtts"));
            assert_eq!(spelled.parse(), Ok(broker));
        }
        let broker: BrokerAddress = "mqtt://[::1]".parse().unwrap();
        assert_eq!((broker.host(), broker.port()), ("::1", 1883));
        assert_eq!(BrokerAddress::loopback(7).to_string(), "mqtt://127.0.0.1:7");
    }

    #[test]
    fn it_is_known_whether_what_is_sent_there_leaves_this_machine() {
        for (host, stays) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]", true),
            ("192.0.2.7", false),
            ("localhost.example", false),
            ("127.0.0.1.example", false),
        ] {
            let broker: BrokerAddress = format!("mqtt://{host}").parse().unwrap();
            assert_eq!(broker.is_on_this_machine(), stays, "{host}");
        }
    }

    #[test]
    fn anything_else_is_refused_in_one_line() {
        for (text, advice) in [
            ("", "begin with mqtt:// or mqtts://"),
            ("localhost", "begin with mqtt:// or mqtts://"),
            ("localhost:1883", "begin with mqtt:// or mqtts://"),
            ("MQTT://localhost", "begin with mqtt:// or mqtts://"),
            ("tcp://localhost:1883", "begin with mqtt:// or mqtts://"),
            ("mqtts:localhost", "begin with mqtt:// or mqtts://"),
            ("mqtts://", "write the host as"),
            ("mqtts://localhost:8883/", "write a host and a port, and nothing else"),
            ("mqtt://", "write the host as"),
            ("mqtt://:1883", "write the host as"),
            ("mqtt://::1", "put an IPv6 address in brackets"),
            ("mqtt://localhost:0", "write the port in digits, 1 to 65535"),
            ("mqtt://localhost:+1883", "write the port in digits, 1 to 65535"),
            ("mqtt://localhost:1883/", "write a host and a port, and nothing else"),
            ("mqtt://ada@localhost", "write a host and a port, and nothing else"),
        ] {
            let error = text.parse::<BrokerAddress>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("expected {EXPECTED}, found `{text}`: {advice}")), "{error}");
        }
    }
}
