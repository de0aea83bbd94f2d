//! Who is behind a group of units of one price, and how they share what the group gets.
//!
//! As long as no line came between them, all orders of a group share pro rata. Where a line lets only a part of a group
//! through, those behind it are sealed: from there on they count as one, with the part that gets through, and share
//! among themselves what that part and the part that stayed get together.

use protocol::{energy::Energy, hash::Hash};

use super::super::{
    Book, Order,
    rationing::{Claim, entitle, rank},
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

/// An order, or the sealed part of a group.
#[derive(Clone, Copy)]
struct Entry {
    wh: u128,
    next: u32,
    is: Is,
}

#[derive(Clone, Copy)]
enum Is {
    Order(u32),
    Sealed(u32),
}

/// A group that a line has cut.
struct Sealed {
    group: Group,
    /// What it gets, as far as that is decided.
    served: u128,
}

/// The groups of a book, whose orders are numbered: first the bids, then the offers.
pub(super) struct Groups<'a> {
    book: &'a Book<'a>,
    seed: &'a Hash,
    entries: Vec<Entry>,
    sealed: Vec<Sealed>,
    fills: Vec<Energy>,
    /// The lowest hash of each sealed group's orders, once a tie asked for it.
    ranks: Vec<Hash>,
}

impl<'a> Groups<'a> {
    pub(super) fn new(book: &'a Book<'a>, seed: &'a Hash) -> Groups<'a> {
        let orders = book.bids.iter().chain(&book.offers);
        let entry = |(number, order): (u32, &Order<'_>)| Entry {
            wh: order.quantity.wh().into(),
            next: END,
            is: Is::Order(number),
        };
        let entries: Vec<Entry> = (0..).zip(orders).map(entry).collect();
        let fills = vec![Energy::ZERO; entries.len()];
        Groups { book, seed, entries, sealed: Vec::new(), fills, ranks: Vec::new() }
    }

    /// The group of one order.
    pub(super) fn of_order(&self, number: u32) -> Group {
        Group { wh: self.entries[number as usize].wh, first: number, last: number }
    }

    pub(super) fn unite(&mut self, one: &Group, other: &Group) -> Group {
        self.entries[one.last as usize].next = other.first;
        Group { wh: one.wh + other.wh, first: one.first, last: other.last }
    }

    /// Divides a group: `wh` of it, and the rest. Neither is none or all of it.
    pub(super) fn divide(&mut self, group: &Group, wh: u128) -> (Group, Group) {
        let sealed = self.seal(group);
        (self.part_of(sealed, wh), self.part_of(sealed, group.wh - wh))
    }

    fn seal(&mut self, group: &Group) -> u32 {
        if group.first == group.last
            && let Is::Sealed(already) = self.entries[group.first as usize].is
        {
            return already;
        }
        self.sealed.push(Sealed { group: *group, served: 0 });
        (self.sealed.len() - 1) as u32
    }

    fn part_of(&mut self, sealed: u32, wh: u128) -> Group {
        let entry = self.entries.len() as u32;
        self.entries.push(Entry { wh, next: END, is: Is::Sealed(sealed) });
        Group { wh, first: entry, last: entry }
    }

    /// Gives a group all that it wants.
    pub(super) fn serve(&mut self, group: &Group) {
        for entry in self.list(group) {
            self.give(entry, self.entries[entry as usize].wh);
        }
    }

    /// Shares `wh` among a group, pro rata by largest remainder.
    pub(super) fn share(&mut self, group: &Group, wh: u128) {
        if wh == group.wh {
            return self.serve(group);
        }
        let list = self.list(group);
        let claim = |&entry: &u32| Claim { index: entry as usize, weight: self.entries[entry as usize].wh };
        let claims: Vec<Claim> = list.iter().map(claim).collect();
        if list.iter().any(|&entry| matches!(self.entries[entry as usize].is, Is::Sealed(_))) {
            self.rank_sealed();
        }
        let mut given = Vec::with_capacity(claims.len());
        entitle(&claims, wh, group.wh, |entry| self.rank(entry), |entry, wh| given.push((entry, wh)));
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
            at = self.entries[at as usize].next;
            list.push(at);
        }
        list
    }

    fn give(&mut self, entry: u32, wh: u128) {
        match self.entries[entry as usize].is {
            // No more than the order's own quantity, which is an `Energy`.
            Is::Order(number) => self.fills[number as usize] = Energy::from_wh(wh as u64),
            Is::Sealed(sealed) => self.sealed[sealed as usize].served += wh,
        }
    }

    fn rank(&self, entry: usize) -> Hash {
        match self.entries[entry].is {
            Is::Order(number) => {
                let bids = self.book.bids.len();
                let number = number as usize;
                let order = if number < bids { &self.book.bids[number] } else { &self.book.offers[number - bids] };
                rank(self.seed, order.id)
            }
            Is::Sealed(sealed) => self.ranks[sealed as usize],
        }
    }

    fn rank_sealed(&mut self) {
        while let Some(sealed) = self.sealed.get(self.ranks.len()) {
            let ranks = self.list(&sealed.group).into_iter().map(|entry| self.rank(entry as usize));
            let lowest = ranks.min().unwrap_or(Hash::ZERO);
            self.ranks.push(lowest);
        }
    }
}
