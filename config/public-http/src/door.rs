//! How many are inside: connections at once, of one address and of all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{client::Client, limits::ConnectionLimits, refusal::Refusal};

/// Counts who is inside.
#[derive(Debug)]
pub(super) struct Door {
    inside: Mutex<Inside>,
    connections_max: usize,
    connections_per_address_max: usize,
}

#[derive(Debug, Default)]
struct Inside {
    all: usize,
    by_client: HashMap<Client, usize>,
}

impl Door {
    pub(super) fn new(limits: &ConnectionLimits) -> Arc<Door> {
        Arc::new(Door {
            inside: Mutex::default(),
            connections_max: limits.connections_max,
            connections_per_address_max: limits.connections_per_address_max,
        })
    }

    /// Lets a connection in, for as long as its place is kept.
    pub(super) fn enter(self: &Arc<Door>, client: Client) -> Result<Place, Refusal> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.all >= self.connections_max {
            return Err(Refusal::TooManyConnections { max: self.connections_max });
        }
        let own = inside.by_client.entry(client).or_default();
        if *own >= self.connections_per_address_max {
            return Err(Refusal::TooManyConnectionsOfAddress { max: self.connections_per_address_max });
        }
        *own += 1;
        inside.all += 1;
        Ok(Place { door: self.clone(), client })
    }
}

/// A connection's place inside, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    door: Arc<Door>,
    client: Client,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.door.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.all -= 1;
        if let Some(own) = inside.by_client.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                inside.by_client.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn who_leaves_makes_room_and_is_forgotten() {
        let limits =
            ConnectionLimits { connections_max: 3, connections_per_address_max: 2, ..ConnectionLimits::of_a_page() };
        let door = Door::new(&limits);
        let client = |n: u8| Client::from(IpAddr::from([10, 0, 0, n]));
        let first = door.enter(client(1)).unwrap();
        let _second = door.enter(client(1)).unwrap();
        assert_eq!(door.enter(client(1)).unwrap_err(), Refusal::TooManyConnectionsOfAddress { max: 2 });
        let other = door.enter(client(2)).unwrap();
        assert_eq!(door.enter(client(3)).unwrap_err(), Refusal::TooManyConnections { max: 3 });
        drop(other);
        drop(first);
        assert_eq!(door.inside.lock().unwrap().by_client.len(), 1);
        drop((door.enter(client(1)).unwrap(), door.enter(client(2)).unwrap()));
    }
}
