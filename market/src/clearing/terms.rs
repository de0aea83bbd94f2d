//! What the rules say beside the mechanism's name. Each mechanism reads in its own file what is its own.

use protocol::{energy::Energy, member::MemberId, money::Price, parameters::Parameters};

use super::network::Network;

/// What a mechanism may read when it clears a book. It has a default for all that is not said, and ignores what is not
/// its own.
#[derive(Debug, Clone)]
pub struct Terms<'a> {
    /// The parameters of the rules; they speak of members.
    pub parameters: Option<&'a Parameters>,
    /// Whose an order is, by its id.
    pub member_of: fn(&[u8]) -> Option<MemberId>,
    /// The midpoint of the supplier's two prices, where there is a supplier.
    pub midpoint: Option<Price>,
    /// Fees and capacities; without them, the grid costs nothing and carries everything.
    pub network: Option<Network>,
    /// On an island, what each bid is entitled to, in the order of the book; empty where that was not said.
    pub quotas: Vec<Energy>,
}

impl Default for Terms<'_> {
    fn default() -> Self {
        Terms { parameters: None, member_of: member_by_name, midpoint: None, network: None, quotas: Vec::new() }
    }
}

impl<'a> Terms<'a> {
    /// What the parameters say about one thing.
    pub(super) fn said<T>(&self, about: impl FnOnce(&'a Parameters) -> Option<T>) -> Option<T> {
        self.parameters.and_then(about)
    }
}

/// Stands for whoever has this name, where a book knows names and no members; none of what is no text.
pub fn member_by_name(id: &[u8]) -> Option<MemberId> {
    std::str::from_utf8(id).ok().map(|name| MemberId::pseudonym(&[0; 16], name))
}
