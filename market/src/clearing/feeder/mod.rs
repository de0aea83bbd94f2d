//! `feeder`: the most welfare that trades over the radial grid can reach, with a fee and a capacity on every line.
//!
//! One pass up the tree merges what each subtree can export at which price; a line moves the prices of what crosses it by
//! its fee and cuts off what it cannot carry. What the root neither sends nor draws decides who trades. One pass down
//! gives every bus its price. All in integers: prices are doubled, and bids one above their double, so that of all
//! optimal clearings the one with the largest volume comes out.

mod curve;
mod groups;
mod prices;

use protocol::{energy::Energy, money::Price};

use super::{
    Book, Clearing, Context, FeederClearing, Mechanism, Order,
    pairing::{Deal, pair},
    terms::Network,
};
use crate::grid::Grid;
use curve::{Curves, NIL};
use groups::Groups;
use prices::{Crossing, nodal_prices};

/// The mechanism `feeder`.
pub(super) struct Feeder;

impl Mechanism for Feeder {
    fn name(&self) -> &'static str {
        "feeder"
    }

    fn summary(&self) -> &'static str {
        "the largest welfare on the grid, with fees and capacities of its lines, at nodal prices"
    }

    fn clear(&self, book: &Book<'_>, context: &Context<'_>) -> Clearing {
        let places = Places::new(book, context.grid);
        let mut pass = Pass::new(book, context, &places);
        pass.climb();
        let crossings = std::mem::take(&mut pass.crossings);
        let mut bids = pass.finish();
        let offers = bids.split_off(book.bids.len());

        let flows = Flows::new(book, context.grid, &bids, &offers);
        let quantity = bids.iter().map(|fill| u128::from(fill.wh())).sum();
        let network = context.terms.network.as_ref();
        let prices = nodal_prices(context.grid, network, &crossings, &flows).filter(|_| quantity > 0);
        let Some(prices) = prices else {
            let feeder = Some(flows.clearing(network, Vec::new(), 0));
            return Clearing { feeder, ..Clearing::nothing(book) };
        };
        let price_at = |order: &Order<'_>| prices[places.bus(order)];
        let trades = pair(book, &bids, &offers, context.grid, |bid, offer| Deal {
            pays: price_at(bid),
            receives: price_at(offer),
        });
        let price = prices.iter().all(|price| *price == prices[0]).then_some(prices[0]);
        let mut clearing = Clearing { quantity, price, bids, offers, trades, ..Clearing::nothing(book) };
        let surplus = clearing.surplus(book);
        clearing.feeder = Some(flows.clearing(network, prices, surplus));
        clearing
    }
}

/// The orders of each bus: first bids, then offers, by number.
struct Places {
    buses: usize,
    /// Where in `numbers` each bus begins, and the end.
    starts: Vec<usize>,
    numbers: Vec<u32>,
}

impl Places {
    fn new(book: &Book<'_>, grid: &Grid) -> Places {
        let mut places = Places { buses: grid.parents().len(), starts: Vec::new(), numbers: Vec::new() };
        let mut starts = vec![0; places.buses + 1];
        let orders = || book.bids.iter().chain(&book.offers);
        for order in orders() {
            starts[places.bus(order) + 1] += 1;
        }
        for bus in 0..places.buses {
            starts[bus + 1] += starts[bus];
        }
        let mut next = starts.clone();
        let mut numbers = vec![0; book.bids.len() + book.offers.len()];
        for (number, order) in (0..).zip(orders()) {
            let place = &mut next[places.bus(order)];
            numbers[*place] = number;
            *place += 1;
        }
        (places.starts, places.numbers) = (starts, numbers);
        places
    }

    /// Where an order is; a bus that is not of this grid is taken for its root.
    fn bus(&self, order: &Order<'_>) -> usize {
        Some(order.bus.0 as usize).filter(|bus| *bus < self.buses).unwrap_or(0)
    }

    fn at(&self, bus: usize) -> &[u32] {
        &self.numbers[self.starts[bus]..self.starts[bus + 1]]
    }
}

/// A subtree's curve, and how much of it is import.
#[derive(Clone, Copy)]
struct Subtree {
    curve: u32,
    import: u128,
}

const NOTHING: Subtree = Subtree { curve: NIL, import: 0 };

/// The pass up the tree.
struct Pass<'a> {
    book: &'a Book<'a>,
    grid: &'a Grid,
    network: Option<&'a Network>,
    places: &'a Places,
    curves: Curves,
    groups: Groups<'a>,
    subtrees: Vec<Subtree>,
    crossings: Vec<Crossing>,
}

impl<'a> Pass<'a> {
    fn new(book: &'a Book<'a>, context: &Context<'a>, places: &'a Places) -> Pass<'a> {
        let [a, b, c, d, e, f, g, h, ..] = *context.tie_seed.as_bytes();
        Pass {
            book,
            grid: context.grid,
            network: context.terms.network.as_ref(),
            places,
            curves: Curves::new(book.bids.len() + book.offers.len(), u64::from_be_bytes([a, b, c, d, e, f, g, h])),
            groups: Groups::new(book, context.tie_seed),
            subtrees: vec![NOTHING; places.buses],
            crossings: vec![Crossing::default(); places.buses],
        }
    }

    /// The doubled price of an order, odd for bids: of equal prices, an offer comes before a bid and they trade.
    fn key(&self, number: u32) -> i64 {
        let bids = self.book.bids.len();
        let number = number as usize;
        match self.book.bids.get(number) {
            Some(bid) => 2 * bid.price.micro() + 1,
            None => 2 * self.book.offers[number - bids].price.micro(),
        }
    }

    fn climb(&mut self) {
        let grid = self.grid;
        for (bus, &parent) in grid.parents().iter().enumerate().rev() {
            let mut own = self.own(bus);
            self.crossings[bus].own = self.curves.keys_around(own.curve, own.import);
            if let Some(fee) = self.network.map(|network| network.between_buses.micro()).filter(|fee| *fee > 0) {
                self.charge(&mut own, 0, fee);
            }
            self.merge_into(bus, own);
            let mut subtree = self.subtrees[bus];
            self.crossings[bus].idle = self.curves.keys_around(subtree.curve, subtree.import);
            if bus == parent {
                continue;
            }
            if let Some(network) = self.network {
                let edge = network.edges[bus];
                let (export, import) = (edge.export_wh(), edge.import_wh());
                self.crossings[bus].exhausted_down = self.cut_import(&mut subtree, import);
                self.crossings[bus].exhausted_up = self.cut_export(&mut subtree, export);
                let fee = edge.fee.micro();
                if fee > 0 {
                    self.charge(&mut subtree, fee, fee);
                }
            }
            self.merge_into(parent, subtree);
        }
    }

    /// The curve of the orders at a bus.
    fn own(&mut self, bus: usize) -> Subtree {
        let mut sorted: Vec<(i64, u32)> =
            self.places.at(bus).iter().map(|&number| (self.key(number), number)).collect();
        sorted.retain(|(_, number)| self.groups.of_order(*number).wh > 0);
        sorted.sort_unstable();
        let mut own = NOTHING;
        for same in sorted.chunk_by(|one, other| one.0 == other.0) {
            let (key, first) = same[0];
            let mut group = self.groups.of_order(first);
            for (_, number) in &same[1..] {
                group = self.groups.unite(&group, &self.groups.of_order(*number));
            }
            if is_bid(key) {
                own.import += group.wh;
            }
            let node = self.curves.single(key, group);
            own.curve = self.curves.join(own.curve, node);
        }
        own
    }

    fn merge_into(&mut self, bus: usize, other: Subtree) {
        let Subtree { curve, import } = self.subtrees[bus];
        let groups = &mut self.groups;
        let curve = self.curves.merge(curve, other.curve, &mut |one, other| groups.unite(one, other));
        self.subtrees[bus] = Subtree { curve, import: import + other.import };
    }

    /// Makes import worth less by `down` and export cost more by `up`.
    fn charge(&mut self, subtree: &mut Subtree, down: i64, up: i64) {
        let (mut import, mut export) = self.curves.split_after(subtree.curve, subtree.import);
        let missing = subtree.import - self.curves.sum(import);
        if missing > 0 {
            // The group at zero is import in part: from here on it is two groups of two prices.
            let (straddling, rest) = self.curves.pop_first(export);
            let (drawn, sent) = self.groups.divide(&self.curves.group(straddling).clone(), missing);
            let key = self.curves.key(straddling);
            self.curves.replace(straddling, drawn);
            import = self.curves.join(import, straddling);
            let sent = self.curves.single(key, sent);
            export = self.curves.join(sent, rest);
        }
        self.curves.shift(import, -2 * down);
        self.curves.shift(export, 2 * up);
        subtree.curve = self.curves.join(import, export);
    }

    /// Cuts off import beyond `most`: the keys around the cut, if there was one.
    fn cut_import(&mut self, subtree: &mut Subtree, most: u128) -> Option<(i64, i64)> {
        let mut excess = subtree.import.checked_sub(most).filter(|excess| *excess > 0)?;
        subtree.import = most;
        let mut last_key = 0;
        while excess > 0 {
            let (first, rest) = self.curves.pop_first(subtree.curve);
            let (key, group) = (self.curves.key(first), *self.curves.group(first));
            last_key = key;
            if group.wh <= excess {
                excess -= group.wh;
                subtree.curve = rest;
                // What cannot be drawn from above: its offers produce, its bids go without.
                if !is_bid(key) {
                    self.groups.serve(&group);
                }
            } else {
                let (gone, kept) = self.groups.divide(&group, excess);
                if !is_bid(key) {
                    self.groups.serve(&gone);
                }
                self.curves.replace(first, kept);
                subtree.curve = self.curves.join(first, rest);
                excess = 0;
            }
        }
        let (_, next) = self.curves.keys_around(subtree.curve, 0);
        Some((last_key, next.unwrap_or(i64::MAX)))
    }

    /// Cuts off export beyond `most`: the keys around the cut, if there was one.
    fn cut_export(&mut self, subtree: &mut Subtree, most: u128) -> Option<(i64, i64)> {
        let export = self.curves.sum(subtree.curve) - subtree.import;
        let mut excess = export.checked_sub(most).filter(|excess| *excess > 0)?;
        let mut first_key = 0;
        while excess > 0 {
            let (last, rest) = self.curves.pop_last(subtree.curve);
            let (key, group) = (self.curves.key(last), *self.curves.group(last));
            first_key = key;
            if group.wh <= excess {
                excess -= group.wh;
                subtree.curve = rest;
                // What cannot be sent up: its bids are served, its offers do not produce.
                if is_bid(key) {
                    self.groups.serve(&group);
                }
            } else {
                let (kept, gone) = self.groups.divide(&group, group.wh - excess);
                if is_bid(key) {
                    self.groups.serve(&gone);
                }
                self.curves.replace(last, kept);
                subtree.curve = self.curves.join(rest, last);
                excess = 0;
            }
        }
        let kept = self.curves.sum(subtree.curve);
        let (before, _) = self.curves.keys_around(subtree.curve, kept);
        Some((before.unwrap_or(i64::MIN), first_key))
    }

    /// Decides who trades, now that the root is known to send and draw nothing.
    fn finish(mut self) -> Vec<Energy> {
        let Subtree { curve, import } = self.subtrees[0];
        let (produces, mut stays) = self.curves.split_after(curve, import);
        let part = import - self.curves.sum(produces);
        if part > 0 {
            let (straddling, rest) = self.curves.pop_first(stays);
            let group = *self.curves.group(straddling);
            let served = if is_bid(self.curves.key(straddling)) { group.wh - part } else { part };
            self.groups.share(&group, served);
            stays = rest;
        }
        for (curve, bids) in [(produces, false), (stays, true)] {
            for (group, key) in self.curves.groups(curve) {
                if is_bid(key) == bids {
                    self.groups.serve(&group);
                }
            }
        }
        self.groups.into_fills()
    }
}

fn is_bid(key: i64) -> bool {
    key & 1 == 1
}

/// What crosses each edge because of the trades, Wh.
struct Flows {
    /// What each bus's own orders send out, negative what they draw.
    own: Vec<i128>,
    /// What crosses the edge above each bus on the way up.
    up: Vec<i128>,
}

impl Flows {
    fn new(book: &Book<'_>, grid: &Grid, bids: &[Energy], offers: &[Energy]) -> Flows {
        let buses = grid.parents().len();
        let mut own = vec![0i128; buses];
        for (sign, orders, fills) in [(-1, &book.bids, bids), (1, &book.offers, offers)] {
            for (order, fill) in orders.iter().zip(fills) {
                let bus = Some(order.bus.0 as usize).filter(|bus| *bus < buses).unwrap_or(0);
                own[bus] += sign * i128::from(fill.wh());
            }
        }
        let mut up = own.clone();
        for (bus, &parent) in grid.parents().iter().enumerate().rev() {
            if bus != parent {
                up[parent] += up[bus];
            }
        }
        Flows { own, up }
    }

    fn clearing(&self, network: Option<&Network>, prices: Vec<Price>, surplus: i128) -> FeederClearing {
        let fees: i128 = network.map_or(0, |network| {
            let lines: i128 =
                network.edges.iter().zip(&self.up).map(|(edge, up)| i128::from(edge.fee.micro()) * up.abs()).sum();
            let sent: i128 = self.own.iter().map(|own| (*own).max(0)).sum();
            lines + i128::from(network.between_buses.micro()) * sent
        });
        FeederClearing { welfare: surplus - fees, flows: self.up.iter().map(|up| -up).collect(), nodal_prices: prices }
    }
}
