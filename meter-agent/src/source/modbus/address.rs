//! Where a Modbus device is, as people write it.

use std::fmt;

use serde::Deserialize;
use settings::address::{Address, AddressError};

use super::super::line::{Framing, Line, LineError, MeterAddress};

/// Port of Modbus TCP (IANA: `mbap`).
const PORT: u16 = 502;
const EXPECTED: &str =
    "a Modbus device such as tcp://192.168.1.20:502, serial:///dev/ttyUSB0 or rtu+tcp://192.168.1.20:8899";

/// Where a device is.
#[derive(Debug, Clone)]
pub(in super::super) enum ModbusAddress {
    /// It, or a gateway, speaks Modbus TCP.
    Tcp(Address),
    /// It speaks RTU on this line.
    Rtu(Line),
}

/// The number of a device among those on one line or behind one gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
pub(in super::super) struct Unit(u8);

/// Why there can be no device.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum ModbusProblem {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The line cannot be used.
    #[error(transparent)]
    Line(#[from] LineError),
}

impl Unit {
    pub(super) fn number(self) -> u8 {
        self.0
    }
}

impl Default for Unit {
    fn default() -> Unit {
        Unit(1)
    }
}

impl TryFrom<u64> for Unit {
    type Error = String;

    fn try_from(number: u64) -> Result<Unit, String> {
        // 0 is all of them, which none answers; 255 the only one behind its own TCP port (Modbus Messaging on TCP/IP
        // 1.0b, section 4.4.2.2).
        match u8::try_from(number) {
            Ok(unit @ (1..=247 | 255)) => Ok(Unit(unit)),
            _ => Err(format!("expected `unit` from 1 to 247, or 255, found {number}")),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ModbusAddress {
    /// Reads where a device is, and whether it can be reached there as it is configured. A serial line has what is
    /// `usual` where the configuration says nothing.
    pub(in super::super) fn read(
        text: &str,
        baud: Option<u32>,
        framing: Option<Framing>,
        usual: (u32, Framing),
    ) -> Result<ModbusAddress, ModbusProblem> {
        let refused = |advice| AddressError::new(EXPECTED, text, advice);
        let address = if let Some(place) = text.strip_prefix("tcp://") {
            let address = Address::to_ask(place, Some(PORT)).map_err(refused)?;
            if baud.is_some() || framing.is_some() {
                return Err(LineError::NotSerial(MeterAddress::Tcp(address)).into());
            }
            return Ok(ModbusAddress::Tcp(address));
        } else if let Some(place) = text.strip_prefix("rtu+tcp://") {
            MeterAddress::Tcp(Address::to_ask(place, None).map_err(refused)?)
        } else if text.starts_with("serial://") {
            MeterAddress::try_from(text.to_owned())?
        } else {
            return Err(refused("begin with tcp://, serial:// or rtu+tcp://").into());
        };
        let line = Line { address, baud, framing, usual };
        line.check()?;
        Ok(ModbusAddress::Rtu(line))
    }
}
