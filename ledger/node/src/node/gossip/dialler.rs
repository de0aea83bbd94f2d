//! The peers of the configuration: dialled until they answer, and again when they are gone.

use std::time::{Duration, Instant};

use libp2p::{
    Multiaddr,
    swarm::{ConnectionId, dial_opts::DialOpts},
};

/// The pause after the first failure; it doubles with every other.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// Where doubling ends.
const PAUSE_MAX: Duration = Duration::from_secs(30);

struct Peer {
    address: Multiaddr,
    /// Attempts since a connection was last of use.
    attempts: u32,
    state: Dialling,
}

enum Dialling {
    /// To be dialled then.
    Due(Instant),
    /// Dialled, perhaps connected.
    Busy(ConnectionId),
}

pub(super) struct Dialler(Vec<Peer>);

impl Dialler {
    pub(super) fn new(addresses: impl IntoIterator<Item = Multiaddr>, now: Instant) -> Dialler {
        let peer = |address| Peer { address, attempts: 0, state: Dialling::Due(now) };
        Dialler(addresses.into_iter().map(peer).collect())
    }

    /// What is to be dialled now. It counts as dialled from here on, until [`lost`](Self::lost).
    pub(super) fn due(&mut self, now: Instant) -> Vec<DialOpts> {
        let due = |peer: &&mut Peer| matches!(peer.state, Dialling::Due(at) if at <= now);
        let dial = |peer: &mut Peer| {
            let options = DialOpts::from(peer.address.clone());
            peer.attempts = peer.attempts.saturating_add(1);
            peer.state = Dialling::Busy(options.connection_id());
            options
        };
        self.0.iter_mut().filter(due).map(dial).collect()
    }

    /// When the next is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let due = |peer: &Peer| match peer.state {
            Dialling::Due(at) => Some(at),
            Dialling::Busy(_) => None,
        };
        self.0.iter().filter_map(due).min()
    }

    /// A connection did not come about, or has ended.
    pub(super) fn lost(&mut self, connection: ConnectionId, now: Instant) {
        if let Some(peer) = self.of(connection) {
            let doubled = PAUSE_MIN.saturating_mul(2u32.saturating_pow(peer.attempts.saturating_sub(1)));
            peer.state = Dialling::Due(now + doubled.min(PAUSE_MAX));
        }
    }

    /// A connection is of use: the next failure is a first one.
    pub(super) fn useful(&mut self, connection: ConnectionId) {
        if let Some(peer) = self.of(connection) {
            peer.attempts = 0;
        }
    }

    fn of(&mut self, connection: ConnectionId) -> Option<&mut Peer> {
        self.0.iter_mut().find(|peer| matches!(peer.state, Dialling::Busy(its) if its == connection))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_dialled_ever_less_often_until_it_is_of_use() {
        let mut now = Instant::now();
        let mut dialler = Dialler::new(["/ip4/192.0.2.1/tcp/1".parse().unwrap()], now);
        let mut pauses = Vec::new();
        for attempt in 0..10 {
            let dialled = dialler.due(now);
            assert_eq!(dialled.len(), 1);
            assert!(dialler.due(now).is_empty() && dialler.next_due().is_none(), "it is dialled once");
            if attempt == 8 {
                dialler.useful(dialled[0].connection_id());
            }
            dialler.lost(dialled[0].connection_id(), now);
            let due = dialler.next_due().unwrap();
            pauses.push((due - now).as_millis());
            now = due;
        }
        assert_eq!(pauses, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 250, 250]);
    }
}
