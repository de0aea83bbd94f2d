//! Free ports on the loopback interface for the parts of a neighbourhood.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::{StateError, files};

/// Where ports are looked for: below those from which systems take the ports of outgoing connections.
const PORT_MIN: u16 = 20_000;
const PORT_MAX: u16 = 31_999;

/// Whether `address` can be listened on.
pub(crate) fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

/// Ports that were found free, kept so until this value is dropped.
pub(super) struct Ports {
    taken: Vec<TcpListener>,
    left_alone: Option<u16>,
    next: u16,
    left: u16,
}

impl Ports {
    /// Starts looking at a random port, so that two neighbourhoods seldom look at the same ones.
    pub(super) fn new() -> Result<Ports, StateError> {
        let start = u16::from_be_bytes(files::random()?) % (PORT_MAX - PORT_MIN + 1);
        Ok(Ports { taken: Vec::new(), left_alone: None, next: PORT_MIN + start, left: PORT_MAX - PORT_MIN + 1 })
    }

    /// Does not hand out `port`.
    pub(super) fn leave(&mut self, port: u16) {
        self.left_alone = Some(port);
    }

    /// The port `wanted`, if it is free, else another one.
    pub(super) fn take(&mut self, wanted: Option<u16>) -> Result<u16, StateError> {
        if let Some(port) = wanted.filter(|port| *port != 0)
            && self.hold(port)
        {
            return Ok(port);
        }
        while self.left > 0 {
            let port = self.next;
            self.left -= 1;
            self.next = if port == PORT_MAX { PORT_MIN } else { port + 1 };
            if self.hold(port) {
                return Ok(port);
            }
        }
        Err(StateError::NoPorts { needed: self.taken.len() + 1, first: PORT_MIN, last: PORT_MAX })
    }

    fn hold(&mut self, port: u16) -> bool {
        if self.left_alone == Some(port) {
            return false;
        }
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => {
                self.taken.push(listener);
                true
            }
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_not_given_out() {
        let mut ports = Ports::new().unwrap();
        let first = ports.take(None).unwrap();
        assert_eq!(ports.take(Some(first)).map(|port| port != first).ok(), Some(true));
        assert!(!is_free((Ipv4Addr::LOCALHOST, first).into()));
        drop(ports);
        assert_eq!(Ports::new().unwrap().take(Some(first)).unwrap(), first);
    }
}
