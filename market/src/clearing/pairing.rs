//! Who trades with whom: nearest first, so that a member sees whose roof the energy came from.
//!
//! Orders of the same bus are matched first. What is left climbs the tree, one pass from the leaves up, and is matched
//! at the first bus that it has in common with its counterpart. Of equally near ones, the lower id comes first. Every
//! match uses up a bid or an offer, so there are fewer matches than orders.

use std::cmp::Ordering;

use protocol::{energy::Energy, money::Price};

use super::{Book, Match, Order};
use crate::grid::{BusIndex, Grid};

/// The end of a queue.
const END: u32 = u32::MAX;

/// One side's filled orders, queued at the buses they have climbed to. The queues are linked through one list, so that
/// a whole queue climbs in one step.
struct Side {
    /// Wh left of each order's fill.
    left: Vec<u64>,
    /// The order behind each order.
    next: Vec<u32>,
    /// First and last order at each bus.
    queues: Vec<(u32, u32)>,
}

/// The first bytes of an id as a number: where two of them differ, they are in the order of the ids.
fn prefix(id: &[u8]) -> u64 {
    if let Some(bytes) = id.first_chunk() {
        return u64::from_be_bytes(*bytes);
    }
    let mut bytes = [0; 8];
    bytes[..id.len()].copy_from_slice(id);
    u64::from_be_bytes(bytes)
}

/// Whether one order's id comes before the other's.
fn are_in_order(one: &Order<'_>, other: &Order<'_>) -> bool {
    match prefix(one.id).cmp(&prefix(other.id)) {
        Ordering::Equal => one.id <= other.id,
        order => order.is_lt(),
    }
}

/// Whether all orders are at one bus and in order of their ids.
fn are_one_queue(orders: &[Order<'_>], bus: BusIndex) -> bool {
    let is_here = |order: &Order<'_>| order.bus == bus;
    orders.first().is_none_or(is_here) && orders.is_sorted_by(|one, other| is_here(other) && are_in_order(one, other))
}

impl Side {
    fn new(orders: &[Order<'_>], fills: &[Energy], filled: &[u32], grid: &Grid) -> Side {
        assert!(orders.len() < END as usize, "expected fewer than {END} orders, found {}", orders.len());
        let left: Vec<u64> = fills.iter().map(|fill| fill.wh()).collect();
        let buses = grid.parents().len();
        let mut side = Side { left, next: vec![END; orders.len()], queues: vec![(END, END); buses] };
        // As they are in a settlement: then nothing needs to be sorted.
        if orders.is_sorted_by(are_in_order) {
            filled.iter().for_each(|&index| side.queue(orders, index));
            return side;
        }
        let mut filled: Vec<(u64, u32)> =
            filled.iter().map(|&index| (prefix(orders[index as usize].id), index)).collect();
        // Most ids differ in their first bytes, which are near, while the rest of them is anywhere in memory.
        let id = |index: u32| orders[index as usize].id;
        filled.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| id(a.1).cmp(id(b.1))));
        filled.into_iter().for_each(|(_, index)| side.queue(orders, index));
        side
    }

    /// Queues a filled order at its bus.
    fn queue(&mut self, orders: &[Order<'_>], index: u32) {
        // A bus that is not of this grid is nobody's neighbour: it meets the others at the root.
        let bus = orders[index as usize].bus.0 as usize;
        let bus = Some(bus).filter(|bus| *bus < self.queues.len()).unwrap_or(0);
        self.append(bus, (index, index));
    }

    fn append(&mut self, bus: usize, queue: (u32, u32)) {
        match (self.queues[bus], queue) {
            (_, (END, _)) => {}
            ((END, _), queue) => self.queues[bus] = queue,
            ((first, last), (next, new_last)) => {
                self.next[last as usize] = next;
                self.queues[bus] = (first, new_last);
            }
        }
    }

    fn first(&self, bus: usize) -> Option<usize> {
        Some(self.queues[bus].0).filter(|first| *first != END).map(|first| first as usize)
    }

    /// Takes `wh` from the first order at `bus`.
    fn take(&mut self, bus: usize, wh: u64) {
        let (first, last) = self.queues[bus];
        let left = &mut self.left[first as usize];
        *left -= wh;
        if *left == 0 {
            self.queues[bus] = if first == last { (END, END) } else { (self.next[first as usize], last) };
        }
    }

    fn climb(&mut self, bus: usize, parent: usize) {
        let queue = std::mem::replace(&mut self.queues[bus], (END, END));
        self.append(parent, queue);
    }
}

/// What a matched pair agrees on, per kWh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deal {
    /// By the buyer.
    pub(crate) pays: Price,
    /// By the seller; what the buyer pays more is the grid operator's.
    pub(crate) receives: Price,
}

impl Deal {
    /// One price for both.
    pub(crate) const fn at(price: Price) -> Deal {
        Deal { pays: price, receives: price }
    }
}

/// Pairs the fills of a book, each match at the prices that `deal` gives for a bid and an offer.
pub(crate) fn pair(
    book: &Book<'_>,
    bids: &[Energy],
    offers: &[Energy],
    grid: &Grid,
    deal: impl Fn(&Order<'_>, &Order<'_>) -> Deal,
) -> Vec<Match> {
    let (bids_filled, offers_filled) = (filled(bids), filled(offers));
    // Each match uses up an order: never moved to make room, and what is not needed of this is never touched.
    let mut matches = Vec::with_capacity(bids_filled.len() + offers_filled.len());
    let mut agree = |bid: usize, offer: usize, wh: u64| {
        let Deal { pays, receives } = deal(&book.bids[bid], &book.offers[offer]);
        let (bid, offer) = (bid as u32, offer as u32);
        matches.push(Match { bid, offer, energy: Energy::from_wh(wh), price: pays, received: receives });
    };
    let bus = book.bids.first().map_or(Grid::ROOT, |bid| bid.bus);
    if are_one_queue(&book.bids, bus) && are_one_queue(&book.offers, bus) {
        meet((bids, &bids_filled), (offers, &offers_filled), agree);
        return matches;
    }
    let mut buyers = Side::new(&book.bids, bids, &bids_filled, grid);
    let mut sellers = Side::new(&book.offers, offers, &offers_filled, grid);
    // Backwards from the leaves to the root. A bus's own orders are at the front of its queues, because they were there
    // before any came up from below: so they meet each other first.
    for (bus, &parent) in grid.parents().iter().enumerate().rev() {
        while let (Some(bid), Some(offer)) = (buyers.first(bus), sellers.first(bus)) {
            let wh = buyers.left[bid].min(sellers.left[offer]);
            buyers.take(bus, wh);
            sellers.take(bus, wh);
            agree(bid, offer, wh);
        }
        if bus != parent {
            buyers.climb(bus, parent);
            sellers.climb(bus, parent);
        }
    }
    matches
}

/// The orders that are filled.
fn filled(fills: &[Energy]) -> Vec<u32> {
    let mut filled = vec![0; fills.len()];
    let mut count = 0;
    // Without a branch, because which ones are cannot be foreseen.
    for (order, fill) in (0..).zip(fills) {
        filled[count] = order;
        count += usize::from(!fill.is_zero());
    }
    filled.truncate(count);
    filled
}

/// Pairs the fills of two sides on one bus, in their order: queues that nobody joins later need no links.
fn meet(bids: (&[Energy], &[u32]), offers: (&[Energy], &[u32]), mut agree: impl FnMut(usize, usize, u64)) {
    let (mut bids, mut offers) = (Queue::new(bids), Queue::new(offers));
    while let (Some((bid, wanted)), Some((offer, had))) = (bids.first(), offers.first()) {
        let wh = wanted.min(had);
        agree(bid, offer, wh);
        bids.take(wh, wanted);
        offers.take(wh, had);
    }
}

/// One side's filled orders on one bus.
struct Queue<'a> {
    fills: &'a [Energy],
    filled: &'a [u32],
    /// How many are served.
    served: usize,
    /// Wh that the first that is not has got.
    taken: u64,
}

impl<'a> Queue<'a> {
    fn new((fills, filled): (&'a [Energy], &'a [u32])) -> Queue<'a> {
        Queue { fills, filled, served: 0, taken: 0 }
    }

    /// The first order, and what it has left.
    fn first(&self) -> Option<(usize, u64)> {
        let first = *self.filled.get(self.served)? as usize;
        Some((first, self.fills[first].wh() - self.taken))
    }

    /// Takes `wh` from the first order, which has `left`. Without a branch: which side is used up cannot be foreseen.
    fn take(&mut self, wh: u64, left: u64) {
        let used_up = wh == left;
        self.served += usize::from(used_up);
        self.taken = if used_up { 0 } else { self.taken + wh };
    }
}

#[cfg(test)]
mod tests {
    use protocol::genesis::{GridLine, GridPlan};

    use super::*;

    /// Id, bus and Wh of an order; or bid, offer and Wh of a match.
    type Wish = (&'static str, &'static str, u64);

    /// root ─ a ─ (a1, a2), root ─ b
    fn grid() -> Grid {
        let line = |name: &str, from: &str, to: &str| GridLine {
            line: name.into(),
            from: from.into(),
            to: to.into(),
            rated_va: 1,
        };
        let lines = vec![line("1", "root", "a"), line("2", "a", "a1"), line("3", "a", "a2"), line("4", "root", "b")];
        Grid::from_plan(&GridPlan { transformer: "T".into(), transformer_va: 1, root: "root".into(), lines }).unwrap()
    }

    /// Pairs orders of (id, bus, Wh), all filled, as (bid, offer, Wh).
    fn paired(bids: &[Wish], offers: &[Wish]) -> Vec<Wish> {
        let grid = grid();
        let orders = |list: &[Wish]| -> Vec<Order<'static>> {
            let order = |&(id, bus, wh): &Wish| Order {
                id: id.as_bytes(),
                price: Price::MAX,
                quantity: Energy::from_wh(wh),
                bus: grid.bus(Some(bus)).unwrap(),
            };
            list.iter().map(order).collect()
        };
        let book = Book { bids: orders(bids), offers: orders(offers) };
        let fills = |orders: &[Order<'_>]| -> Vec<Energy> { orders.iter().map(|order| order.quantity).collect() };
        let matches = pair(&book, &fills(&book.bids), &fills(&book.offers), &grid, |bid, _| Deal::at(bid.price));
        let name = |order: &Order<'static>| std::str::from_utf8(order.id).unwrap();
        matches
            .iter()
            .map(|m| (name(&book.bids[m.bid as usize]), name(&book.offers[m.offer as usize]), m.energy.wh()))
            .collect()
    }

    #[test]
    fn the_same_bus_comes_first_then_the_same_branch_then_the_rest() {
        let bids = [("far", "b", 10), ("near", "a2", 10), ("here", "a1", 10)];
        let offers = [("sun", "a1", 30)];
        assert_eq!(paired(&bids, &offers), [("here", "sun", 10), ("near", "sun", 10), ("far", "sun", 10)]);
    }

    #[test]
    fn of_equally_near_ones_the_lower_id_comes_first_whatever_the_order_of_the_book() {
        let mut bids = [("b2", "b", 10), ("b1", "b", 10), ("b3", "b", 10)];
        let offers = [("o2", "b", 12), ("o1", "b", 9), ("o3", "a1", 9)];
        let expected = [("b1", "o1", 9), ("b1", "o2", 1), ("b2", "o2", 10), ("b3", "o2", 1), ("b3", "o3", 9)];
        for _ in 0..3 {
            bids.rotate_left(1);
            assert_eq!(paired(&bids, &offers), expected);
        }
    }

    #[test]
    fn ids_that_begin_alike_are_in_order_too() {
        let bids = [("household-10", "b", 1), ("household-1", "b", 1), ("household", "b", 1), ("house", "b", 1)];
        let offers = [("sun", "b", 4)];
        let order = paired(&bids, &offers).into_iter().map(|(bid, _, _)| bid).collect::<Vec<_>>();
        assert_eq!(order, ["house", "household", "household-1", "household-10"]);
    }

    #[test]
    fn a_bus_serves_itself_before_its_branches() {
        let bids = [("below", "a1", 10), ("own", "a", 10)];
        let offers = [("sun", "a", 15), ("far", "b", 5)];
        assert_eq!(paired(&bids, &offers), [("own", "sun", 10), ("below", "sun", 5), ("below", "far", 5)]);
    }

    #[test]
    fn a_queue_that_ran_empty_takes_new_orders() {
        let bids = [("b1", "a1", 5), ("b2", "a2", 5), ("b3", "a", 5)];
        let offers = [("o1", "a1", 5), ("o2", "b", 10)];
        assert_eq!(paired(&bids, &offers), [("b1", "o1", 5), ("b3", "o2", 5), ("b2", "o2", 5)]);
    }
}
