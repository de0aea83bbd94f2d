//! How many connections there may be, and how many of them from one address.

use std::{
    collections::{HashMap, hash_map::Entry},
    convert::Infallible,
    net::IpAddr,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    connection_limits::ConnectionLimits,
    core::{Endpoint, transport::PortUse},
    multiaddr::Protocol,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
        ToSwarm, dummy,
    },
};
use public_http::Client;

/// How much a node takes from its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerLimits {
    /// Connections that others opened, at once.
    pub incoming_max: u32,
    /// Of these and beside them, connections whose handshake is not done yet.
    pub handshakes_max: u32,
    /// Connections that others opened from one address (IPv6: one /64), those in handshake included.
    pub per_address_max: usize,
    /// Units of messages a second from one peer, in the long run: a message is one, and one more for each 16 KiB.
    pub units_per_second_max: u32,
    /// Units at once, from a peer that was silent for a while.
    pub units_burst_max: u32,
    /// Messages that wait to be checked.
    pub waiting_max: usize,
    /// Bytes of messages that wait to be checked.
    pub waiting_bytes_max: usize,
}

impl Default for PeerLimits {
    fn default() -> PeerLimits {
        PeerLimits {
            incoming_max: 128,
            handshakes_max: 64,
            per_address_max: 64,
            units_per_second_max: 1_000,
            units_burst_max: 4_000,
            waiting_max: 2_048,
            waiting_bytes_max: 64 * 1_024 * 1_024,
        }
    }
}

/// Two nodes that dial each other at once have two connections until one of them ends.
const PER_PEER_MAX: u32 = 2;

impl PeerLimits {
    /// The limits on connections, with room for `peers` that this node dials.
    pub(super) fn connections(&self, peers: usize) -> ConnectionLimits {
        let dialled = u32::try_from(peers).unwrap_or(u32::MAX);
        ConnectionLimits::default()
            .with_max_pending_incoming(Some(self.handshakes_max))
            .with_max_established_incoming(Some(self.incoming_max))
            .with_max_established_outgoing(Some(dialled))
            .with_max_established_per_peer(Some(PER_PEER_MAX))
    }
}

/// One address has as many connections as it may.
#[derive(Debug, thiserror::Error)]
#[error("expected at most {0} connections from one address, found another")]
pub(super) struct TooManyOfAddress(usize);

/// Counts connections that others opened, by address, and refuses those above the limit before any handshake.
pub(super) struct PerAddress {
    max: usize,
    counts: HashMap<Client, usize>,
    connections: HashMap<ConnectionId, Client>,
}

impl PerAddress {
    pub(super) fn new(max: usize) -> PerAddress {
        PerAddress { max, counts: HashMap::new(), connections: HashMap::new() }
    }

    fn enter(&mut self, connection: ConnectionId, client: Client) -> Result<(), TooManyOfAddress> {
        let count = self.counts.entry(client).or_default();
        if *count >= self.max {
            return Err(TooManyOfAddress(self.max));
        }
        *count += 1;
        self.connections.insert(connection, client);
        Ok(())
    }

    fn leave(&mut self, connection: ConnectionId) {
        let Some(client) = self.connections.remove(&connection) else { return };
        if let Entry::Occupied(mut count) = self.counts.entry(client) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

fn client(address: &Multiaddr) -> Option<Client> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::from(ip).into()),
        Protocol::Ip6(ip) => Some(IpAddr::from(ip).into()),
        _ => None,
    })
}

impl NetworkBehaviour for PerAddress {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        // There is no transport but TCP, whose addresses all have an IP.
        client(remote).map_or(Ok(()), |client| self.enter(connection, client)).map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(closed) => self.leave(closed.connection_id),
            FromSwarm::ListenFailure(failed) => self.leave(failed.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_as_many_connections_as_it_may_and_is_forgotten_after_the_last() {
        let mut per_address = PerAddress::new(2);
        let one = client(&"/ip4/192.0.2.1/tcp/1".parse().unwrap()).unwrap();
        // Two addresses of one household.
        let [two, same] = ["/ip6/2001:db8::1/tcp/1", "/ip6/2001:db8::2/tcp/1"]
            .map(|address| client(&address.parse().unwrap()).unwrap());
        let id = ConnectionId::new_unchecked;
        per_address.enter(id(1), one).unwrap();
        per_address.enter(id(2), one).unwrap();
        per_address.enter(id(3), one).unwrap_err();
        per_address.enter(id(4), two).unwrap();
        per_address.enter(id(5), same).unwrap();
        per_address.enter(id(6), two).unwrap_err();
        // One that was refused leaves nothing behind.
        per_address.leave(id(3));
        per_address.enter(id(7), one).unwrap_err();
        per_address.leave(id(1));
        per_address.enter(id(8), one).unwrap();
        [2, 4, 5, 8].into_iter().for_each(|connection| per_address.leave(id(connection)));
        assert!(per_address.counts.is_empty() && per_address.connections.is_empty());
    }
}
