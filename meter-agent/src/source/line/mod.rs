//! The line on which a meter's bytes come: a serial port of this machine, or a device on the network that passes them
//! on.

mod address;
mod frames;
mod port;

use std::io;

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::TcpStream,
};

#[cfg(test)]
pub(crate) use self::frames::NOISE_BYTES;
pub(crate) use self::{
    address::MeterAddress,
    frames::{Framer, Frames},
    port::{Framing, Port, PortError},
};
use super::sampler::NoSample;

/// Slowest serial port, bits per second: of optical heads when they begin.
const BAUD_MIN: u32 = 300;

/// Where the line is, and how a serial port is set.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Where.
    pub(crate) address: MeterAddress,
    /// Bits per second of a serial port, where they are configured.
    pub(crate) baud: Option<u32>,
    /// Bits of a character of a serial port, where they are configured.
    pub(crate) framing: Option<Framing>,
    /// What a serial port has where they are not.
    pub(crate) usual: (u32, Framing),
}

/// Why a line can never be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    /// The port.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Settings of a port without one.
    #[error("`baud` and `framing` are of a serial port, found the address {0}; leave them out")]
    NotSerial(MeterAddress),
    /// No speed that a port has.
    #[error("expected `baud` of at least {BAUD_MIN}, found {found}; without it, it is {usual}")]
    Baud {
        /// What is configured.
        found: u32,
        /// What most meters of this type have.
        usual: u32,
    },
}

/// An open line.
pub(crate) enum OpenLine {
    /// A port of this machine.
    Serial(Port),
    /// A connection.
    Tcp(TcpStream),
}

impl Line {
    /// Whether it can be used; a port is opened for that, and closed again.
    pub(crate) fn check(&self) -> Result<(), LineError> {
        let (baud, _) = self.serial();
        match &self.address {
            MeterAddress::Tcp(_) if self.baud.is_some() || self.framing.is_some() => {
                Err(LineError::NotSerial(self.address.clone()))
            }
            MeterAddress::Tcp(_) => Ok(()),
            MeterAddress::Serial(_) if baud < BAUD_MIN => Err(LineError::Baud { found: baud, usual: self.usual.0 }),
            MeterAddress::Serial(path) => Ok(self.port(path).map(drop)?),
        }
    }

    /// Opens it. An error is what to do about it, for people.
    pub(crate) async fn open(&self) -> Result<OpenLine, String> {
        match &self.address {
            MeterAddress::Serial(path) => self.port(path).map(OpenLine::Serial).map_err(|error| error.to_string()),
            MeterAddress::Tcp(address) => {
                let stream = TcpStream::connect((address.host(), address.port())).await;
                stream.map(OpenLine::Tcp).map_err(|error| format!("{address}: {error}"))
            }
        }
    }

    fn serial(&self) -> (u32, Framing) {
        (self.baud.unwrap_or(self.usual.0), self.framing.unwrap_or(self.usual.1))
    }

    fn port(&self, path: &std::path::Path) -> Result<Port, PortError> {
        let (baud, framing) = self.serial();
        Port::open(path, baud, framing)
    }
}

impl OpenLine {
    /// Waits for bytes, and puts as many as there are into `buffer`: at least one.
    pub(crate) async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, NoSample> {
        let received = match self {
            OpenLine::Serial(port) => receive(&mut port.stream, buffer).await,
            OpenLine::Tcp(stream) => receive(stream, buffer).await,
        };
        match received {
            Ok(0) => Err(NoSample::Lost("the connection was closed at the other end".into())),
            Ok(count) => Ok(count),
            Err(error) => Err(NoSample::Lost(error.to_string())),
        }
    }
}

async fn receive(stream: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> io::Result<usize> {
    stream.read(buffer).await
}
