//! A serial port, for us alone.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Error, ErrorKind},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serial2_tokio::{CharSize, Parity, SerialPort, Settings, StopBits};

/// How many bits a character has on the line, and which check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum Framing {
    /// Eight, without parity: DSMR P1, and most others.
    #[default]
    #[serde(rename = "8N1")]
    EightNone,
    /// Eight, with even parity: Modbus as it was written.
    #[serde(rename = "8E1")]
    EightEven,
    /// Eight, with odd parity.
    #[serde(rename = "8O1")]
    EightOdd,
    /// Eight, without parity, and two stop bits in its place.
    #[serde(rename = "8N2")]
    EightNoneTwo,
    /// Seven, with even parity: IEC 62056-21 as it was written, for some D0 heads.
    #[serde(rename = "7E1")]
    SevenEven,
}

/// Why a port cannot be used, in one line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PortError {
    /// It is not there.
    #[error(
        "expected a serial port at {}, found none: plug in the cable; `ls /dev/serial/by-id` shows what is there",
        .0.display()
    )]
    Missing(PathBuf),
    /// It is not ours to open.
    #[error(
        "{}: this user may not open it: add the user to `dialout` (`sudo usermod -aG dialout USER`), and log in again",
        .0.display()
    )]
    NotPermitted(PathBuf),
    /// Another program has it.
    #[error(
        "{}: another program, or a running agent, reads this port: stop it, since each of two gets half of a telegram",
        .0.display()
    )]
    Taken(PathBuf),
    /// Anything else, for example a file that is no port.
    #[error("expected a serial port at {}: {error}", path.display())]
    Other {
        /// Where.
        path: PathBuf,
        /// What the system says.
        error: Error,
    },
}

/// An open port.
pub(crate) struct Port {
    /// What comes.
    pub(crate) stream: SerialPort,
    /// Holds the lock by which programs keep each other off a port.
    lock: File,
}

impl Port {
    /// Opens a port at `baud` bits per second.
    pub(crate) fn open(path: &Path, baud: u32, framing: Framing) -> Result<Port, PortError> {
        let failed = |error: Error| match error.kind() {
            ErrorKind::NotFound => PortError::Missing(path.into()),
            ErrorKind::PermissionDenied => PortError::NotPermitted(path.into()),
            ErrorKind::ResourceBusy => PortError::Taken(path.into()),
            _ => PortError::Other { path: path.into(), error },
        };
        // Opened a second time for the lock: it must neither wait for a carrier nor take over the terminal.
        let lock = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
        let lock = lock.map_err(failed)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => PortError::Taken(path.into()),
            TryLockError::Error(error) => failed(error),
        })?;
        let settings = |mut settings: Settings| {
            settings.set_raw();
            settings.set_baud_rate(baud)?;
            let (size, parity, stop) = match framing {
                Framing::EightNone => (CharSize::Bits8, Parity::None, StopBits::One),
                Framing::EightEven => (CharSize::Bits8, Parity::Even, StopBits::One),
                Framing::EightOdd => (CharSize::Bits8, Parity::Odd, StopBits::One),
                Framing::EightNoneTwo => (CharSize::Bits8, Parity::None, StopBits::Two),
                Framing::SevenEven => (CharSize::Bits7, Parity::Even, StopBits::One),
            };
            settings.set_char_size(size);
            settings.set_parity(parity);
            settings.set_stop_bits(stop);
            Ok(settings)
        };
        Ok(Port { stream: SerialPort::open(path, settings).map_err(failed)?, lock })
    }

    /// What is sent and received, and the lock, which has to be kept as long.
    pub(crate) fn into_parts(self) -> (SerialPort, File) {
        (self.stream, self.lock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_cannot_be_used_is_named_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tty");
        let refused = |path: &Path| Port::open(path, 115_200, Framing::default()).err().unwrap().to_string();
        assert!(refused(&file).contains("found none: plug in the cable"), "{}", refused(&file));
        std::fs::write(&file, "").unwrap();
        assert!(refused(&file).contains("expected a serial port at"), "{}", refused(&file));
        let lock = File::open(&file).unwrap();
        lock.lock().unwrap();
        assert!(refused(&file).contains("another program, or a running agent, reads"), "{}", refused(&file));
        let denied = PortError::NotPermitted(file).to_string();
        assert!(denied.contains("add the user to `dialout`"), "{denied}");
    }
}
