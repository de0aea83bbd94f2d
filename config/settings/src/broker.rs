//! Where the MQTT broker is.

use std::{fmt, str::FromStr};

use serde::Deserialize;

use super::address::{Address, AddressError};

/// Port of MQTT (IANA: `mqtt`).
const PORT: u16 = 1883;
const EXPECTED: &str = "a broker such as mqtt://127.0.0.1:1883";

/// A broker's address: `mqtt://HOST:PORT`, or `mqtt://HOST` for port 1883.
///
/// `mqtts://`, which would be port 8883, is refused: no program here speaks TLS to a broker, and to take it for
/// `mqtt://` would send in the open what somebody wanted hidden.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct BrokerAddress(Address);

impl BrokerAddress {
    /// A broker on this machine.
    pub fn loopback(port: u16) -> BrokerAddress {
        BrokerAddress(Address::loopback(port))
    }

    /// Name or address, without brackets.
    pub fn host(&self) -> &str {
        self.0.host()
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.0.port()
    }
}

impl FromStr for BrokerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<BrokerAddress, AddressError> {
        let address = match text.strip_prefix("mqtt://") {
            Some(place) => Address::to_ask(place, Some(PORT)),
            None if text.starts_with("mqtts://") => {
                Err("TLS to a broker is not supported; name this end of a tunnel that leads there, by mqtt://")
            }
            None => Err("begin with mqtt://"),
        };
        address.map(BrokerAddress).map_err(|advice| AddressError::new(EXPECTED, text, advice))
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
        write!(f, "mqtt://{}", self.0)
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
        ] {
            let broker: BrokerAddress = text.parse().unwrap();
            assert_eq!(broker.to_string(), spelled);
            assert_eq!(spelled.parse(), Ok(broker));
        }
        let broker: BrokerAddress = "mqtt://[::1]".parse().unwrap();
        assert_eq!((broker.host(), broker.port()), ("::1", 1883));
        assert_eq!(BrokerAddress::loopback(7).to_string(), "mqtt://127.0.0.1:7");
    }

    #[test]
    fn anything_else_is_refused_in_one_line() {
        for (text, advice) in [
            ("", "begin with mqtt://"),
            ("localhost", "begin with mqtt://"),
            ("localhost:1883", "begin with mqtt://"),
            ("MQTT://localhost", "begin with mqtt://"),
            ("tcp://localhost:1883", "begin with mqtt://"),
            ("mqtts://localhost", "TLS to a broker is not supported"),
            ("mqtts://localhost:8883", "TLS to a broker is not supported"),
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
