//! Modbus, as any source reads it: over TCP, or over a line of RTU that is a serial port or passed on over TCP.
//!
//! One request at a time on one connection, which is given up when an answer is late: a gateway may give it to the next
//! request.

mod address;

use std::{fmt, fs::File, time::Duration};

use tokio::{net::TcpStream, time::timeout};
use tokio_modbus::{
    Error, ExceptionCode, Request, Response, Slave,
    client::{Client, Context, rtu, tcp},
};

pub(super) use self::address::{ModbusAddress, ModbusProblem, Unit};
use super::{line::OpenLine, sampler::NoSample};

/// How long a device may take to answer: at 1,200 baud an answer of a few words takes a fifth of a second.
const PATIENCE: Duration = Duration::from_secs(3);

/// Which of the two tables of registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    /// Read by function 4.
    Input,
    /// Read by function 3.
    Holding,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Table::Input => "input",
            Table::Holding => "holding",
        })
    }
}

/// Why registers were not read.
#[derive(Debug)]
pub(super) enum NoWords {
    /// The connection is of no more use.
    Lost(String),
    /// The device, or a gateway before it, says no.
    Refused(ExceptionCode),
    /// Another number of words.
    Count { expected: u16, found: usize },
}

/// An open connection.
pub(super) struct Connection {
    context: Context,
    unit: Unit,
    /// Keeps other programs off the port.
    _lock: Option<File>,
}

impl ModbusAddress {
    /// Connects to a unit there. An error is what to do about it, for people.
    pub(super) async fn connect(&self, unit: Unit) -> Result<Connection, String> {
        let slave = Slave(unit.number());
        let (context, lock) = match self {
            ModbusAddress::Tcp(address) => {
                let stream = TcpStream::connect((address.host(), address.port())).await;
                (tcp::attach_slave(stream.map_err(|error| format!("{address}: {error}"))?, slave), None)
            }
            ModbusAddress::Rtu(line) => match line.open().await? {
                OpenLine::Serial(port) => {
                    let (stream, lock) = port.into_parts();
                    (rtu::attach_slave(stream, slave), Some(lock))
                }
                OpenLine::Tcp(stream) => (rtu::attach_slave(stream, slave), None),
            },
        };
        Ok(Connection { context, unit, _lock: lock })
    }
}

impl Connection {
    /// Reads registers from an address on.
    pub(super) async fn read(&mut self, table: Table, address: u16, count: u16) -> Result<Vec<u16>, NoWords> {
        // Not by the library's own functions for this: they take it for granted that as many words come as were asked.
        let request = match table {
            Table::Input => Request::ReadInputRegisters(address, count),
            Table::Holding => Request::ReadHoldingRegisters(address, count),
        };
        let unit = self.unit;
        let words = match timeout(PATIENCE, self.context.call(request)).await {
            Ok(Ok(Ok(Response::ReadInputRegisters(words) | Response::ReadHoldingRegisters(words)))) => words,
            Ok(Ok(Ok(_))) => return Err(NoWords::Lost("what was answered is to another question".into())),
            Ok(Ok(Err(exception))) => return Err(NoWords::Refused(exception)),
            Ok(Err(Error::Transport(error))) => return Err(NoWords::Lost(error.to_string())),
            Ok(Err(Error::Protocol(error))) => return Err(NoWords::Lost(error.to_string())),
            Err(_) => {
                let seconds = PATIENCE.as_secs();
                let advice = "is `unit` right, and is it on?";
                return Err(NoWords::Lost(format!("unit {unit} gave no answer within {seconds} s: {advice}")));
            }
        };
        let found = words.len();
        if found == usize::from(count) { Ok(words) } else { Err(NoWords::Count { expected: count, found }) }
    }

    /// What it means that registers were not read, for whoever chose the device.
    pub(super) fn said(&self, no_words: NoWords, table: Table, address: u16) -> NoSample {
        let unit = self.unit;
        match no_words {
            NoWords::Lost(error) => NoSample::Lost(error),
            NoWords::Refused(exception) => NoSample::Unusable(refused(exception, table, address, unit)),
            NoWords::Count { expected, found } => NoSample::Unusable(format!(
                "unit {unit}, {table} register {address}: expected {expected} words, found {found}"
            )),
        }
    }
}

fn refused(exception: ExceptionCode, table: Table, address: u16, unit: Unit) -> String {
    match exception {
        ExceptionCode::IllegalFunction | ExceptionCode::IllegalDataAddress | ExceptionCode::IllegalDataValue => {
            format!("unit {unit} has no {table} register {address} ({exception}): is it the device that you chose?")
        }
        ExceptionCode::GatewayPathUnavailable | ExceptionCode::GatewayTargetDevice => {
            format!("the gateway does not reach unit {unit} ({exception}): is `unit` right, and is it connected?")
        }
        other => format!("unit {unit}, {table} register {address}: {other}: is `unit` right, and is the device well?"),
    }
}
