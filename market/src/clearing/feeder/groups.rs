//! Who is behind a group of units of one price, and how they share what the group gets.
//!
//! As long as no line came between them, all orders of a group share pro rata. Where a line lets only a part of a group
//! through, those behind it are sealed: from there on they count as one, with the part that gets through, and share
//! among themselves what that part and the part that stayed get together.

use protocol::{energy::Energy, hash::Hash};

use super::{
    super::{
        Book,
        rationing::{Claim, entitle, rank},
    },
    Places,
};

/// The end of a list.
const END: u32 = u32::MAX;

/// Units of one price and one side: a list of entries.
#[derive(Clone, Copy)]
pub(super) struct Group {
    pub(super) wh: u128,
    first: u32,
    last: u32,
}

impl Group {
    /// The group of one entry.
    pub(super) fn new(wh: u128, entry: u32) -> Group {
        Group { wh, first: entry, last: entry }
    }
}

/// A part of a sealed group.
#[derive(Clone, Copy)]
struct Part {
    wh: u128,
    sealed: u32,
}

/// What an entry is.
enum Is {
    /// An order, by its place.
    Order(usize),
    /// A part of a sealed group.
    Part(Part),
}

/// A group that a line has cut.
struct Sealed {
    group: Group,
    /// What it gets, as far as that is decided.
    served: u128,
}

/// The groups of a book. Their entries are the orders, by their places, and after them the parts of sealed groups.
pub(super) struct Groups<'a> {
    book: &'a Book<'a>,
    places: &'a Places,
    seed: &'a Hash,
    /// The entry after each one in its list.
    next: Vec<u32>,
    parts: Vec<Part>,
    sealed: Vec<Sealed>,
    fills: Vec<Energy>,
    /// The lowest hash of each sealed group's orders, where a tie asked for it.
    ranks: Vec<Option<Hash>>,
}

impl<'a> Groups<'a> {
    pub(super) fn new(book: &'a Book<'a>, places: &'a Places, seed: &'a Hash) -> Groups<'a> {
        let next = vec![END; places.orders.len()];
        let fills = vec![Energy::ZERO; book.bids.len() + book.offers.len()];
        Groups { book, places, seed, next, parts: Vec::new(), sealed: Vec::new(), fills, ranks: Vec::new() }
    }

    /// The group of one order, by its place.
    pub(super) fn of_order(&self, place: usize) -> Group {
        Group::new(self.places.orders[place].wh.into(), place as u32)
    }

    pub(super) fn unite(&mut self, one: &Group, other: &Group) -> Group {
        self.next[one.last as usize] = other.first;
        Group { wh: one.wh + other.wh, first: one.first, last: other.last }
    }

    /// Divides a group: `wh` of it, and the rest. Neither is none or all of it.
    pub(super) fn divide(&mut self, group: &Group, wh: u128) -> (Group, Group) {
        let sealed = self.seal(group);
        (self.part_of(sealed, wh), self.part_of(sealed, group.wh - wh))
    }

    fn seal(&mut self, group: &Group) -> u32 {
        if group.first == group.last
            && let Is::Part(part) = self.entry(group.first)
        {
            return part.sealed;
        }
        self.sealed.push(Sealed { group: *group, served: 0 });
        (self.sealed.len() - 1) as u32
    }

    fn part_of(&mut self, sealed: u32, wh: u128) -> Group {
        let entry = self.next.len() as u32;
        self.next.push(END);
        self.parts.push(Part { wh, sealed });
        Group::new(wh, entry)
    }

    fn entry(&self, entry: u32) -> Is {
        match (entry as usize).checked_sub(self.places.orders.len()) {
            Some(part) => Is::Part(self.parts[part]),
            None => Is::Order(entry as usize),
        }
    }

    fn wh(&self, entry: u32) -> u128 {
        match self.entry(entry) {
            Is::Order(place) => self.places.orders[place].wh.into(),
            Is::Part(part) => part.wh,
        }
    }

    /// Gives a group all that it wants.
    pub(super) fn serve(&mut self, group: &Group) {
        let mut entry = group.first;
        self.give(entry, self.wh(entry));
        while entry != group.last {
            entry = self.next[entry as usize];
            self.give(entry, self.wh(entry));
        }
    }

    /// Shares `wh` among a group, pro rata by largest remainder.
    pub(super) fn share(&mut self, group: &Group, wh: u128) {
        if wh == group.wh {
            return self.serve(group);
        }
        if group.first == group.last {
            return self.give(group.first, wh);
        }
        let list = self.list(group);
        let claim = |&entry: &u32| Claim { index: entry as usize, weight: self.wh(entry) };
        let claims: Vec<Claim> = list.iter().map(claim).collect();
        let mut given = Vec::with_capacity(claims.len());
        entitle(&claims, wh, group.wh, |entry| self.rank(entry as u32), |entry, wh| given.push((entry, wh)));
        for (entry, wh) in given {
            self.give(entry as u32, wh);
        }
    }

    /// What every order gets, bids first, once all groups of the book are served or left out.
    pub(super) fn into_fills(mut self) -> Vec<Energy> {
        // A sealed group's entries are never of groups that were sealed later.
        for sealed in (0..self.sealed.len()).rev() {
            let Sealed { group, served } = self.sealed[sealed];
            self.share(&group, served);
        }
        self.fills
    }

    fn list(&self, group: &Group) -> Vec<u32> {
        let mut list = vec![group.first];
        let mut at = group.first;
        while at != group.last {
            at = self.next[at as usize];
            list.push(at);
        }
        list
    }

    fn give(&mut self, entry: u32, wh: u128) {
        match self.entry(entry) {
            // No more than the order's own quantity, which is an `Energy`.
            Is::Order(place) => {
                self.fills[self.places.orders[place].number as usize] = Energy::from_wh(wh as u64);
            }
            Is::Part(part) => self.sealed[part.sealed as usize].served += wh,
        }
    }

    fn rank(&mut self, entry: u32) -> Hash {
        match self.entry(entry) {
            Is::Order(place) => {
                let bids = self.book.bids.len();
                let number = self.places.orders[place].number as usize;
                let order = if number < bids { &self.book.bids[number] } else { &self.book.offers[number - bids] };
                rank(self.seed, order.id)
            }
            Is::Part(part) => self.rank_of_sealed(part.sealed),
        }
    }

    fn rank_of_sealed(&mut self, sealed: u32) -> Hash {
        self.ranks.resize(self.sealed.len(), None);
        // Groups are sealed within groups as often as lines are behind lines: too often for the stack.
        let mut open = vec![sealed];
        let mut lowest = Hash::ZERO;
        while let Some(&top) = open.last() {
            if let Some(known) = self.ranks[top as usize] {
                lowest = known;
                open.pop();
                continue;
            }
            let list = self.list(&self.sealed[top as usize].group);
            let unknown = list.iter().filter_map(|&entry| match self.entry(entry) {
                Is::Part(part) if self.ranks[part.sealed as usize].is_none() => Some(part.sealed),
                Is::Part(_) | Is::Order(_) => None,
            });
            let waits_from = open.len();
            open.extend(unknown);
            if open.len() == waits_from {
                let ranks = list.into_iter().map(|entry| self.rank(entry));
                self.ranks[top as usize] = ranks.min();
            }
        }
        lowest
    }
}
