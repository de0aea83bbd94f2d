//! Where a meter's telegrams come from, as people write it.

use std::{fmt, path::PathBuf};

use serde::Deserialize;
use settings::address::{Address, AddressError};

const EXPECTED: &str = "a meter such as serial:///dev/ttyUSB0 or tcp://192.168.1.20:8088";

/// `serial://PATH` of a port, or `tcp://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum MeterAddress {
    /// A serial port of this machine, by its absolute path.
    Serial(PathBuf),
    /// A device on the network that passes on what the meter sends.
    Tcp(Address),
}

impl TryFrom<String> for MeterAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<MeterAddress, AddressError> {
        let address = if let Some(path) = text.strip_prefix("serial://") {
            let is_path = path.starts_with('/') && !path.ends_with('/') && !path.contains('\0');
            is_path
                .then(|| MeterAddress::Serial(path.into()))
                .ok_or("write the whole path of the port, with three slashes")
        } else if let Some(place) = text.strip_prefix("tcp://") {
            Address::to_ask(place, None).map(MeterAddress::Tcp)
        } else {
            Err("begin with serial:// or tcp://")
        };
        address.map_err(|advice| AddressError::new(EXPECTED, &text, advice))
    }
}

impl fmt::Display for MeterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MeterAddress::Serial(path) => write!(f, "serial://{}", path.display()),
            MeterAddress::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_port_of_this_machine_or_one_of_the_network() {
        for text in
            ["serial:///dev/ttyUSB0", "serial:///dev/serial/by-id/usb-FTDI-if00", "tcp://p1.local:23", "tcp://[::1]:1"]
        {
            assert_eq!(MeterAddress::try_from(text.to_owned()).unwrap().to_string(), text);
        }
        for (text, advice) in [
            ("", "begin with"),
            ("/dev/ttyUSB0", "begin with"),
            ("http://p1.local", "begin with"),
            ("serial://dev/ttyUSB0", "three slashes"),
            ("serial://", "three slashes"),
            ("serial:///", "three slashes"),
            ("tcp://p1.local", "add a port"),
            ("tcp://p1.local:0", "1 to 65535"),
            ("tcp://p1.local:23/x", "nothing else"),
        ] {
            let error = MeterAddress::try_from(text.to_owned()).unwrap_err().to_string();
            assert!(error.starts_with("expected a meter such as") && error.contains(advice), "{text}: {error}");
        }
    }
}
