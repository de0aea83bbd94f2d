//! `feeder`: the most welfare that trades over the radial grid can reach, with a fee and a capacity on every line.
//!
//! One pass up the tree merges what each subtree can export at which price; a line moves the prices of what crosses it
//! by its fee and cuts off what it cannot carry. What the root neither sends nor draws decides who trades. One pass
//! down gives every bus its price. All in integers: prices are doubled, and bids one above their double, so that of all
//! optimal clearings the one with the largest volume comes out.

mod curve;
mod groups;
mod prices;

use protocol::{energy::Energy, money::Price};

use super::{
    Book, Clearing, Context, FeederClearing, Mechanism, Order, PictureKind,
    network::Network,
    pairing::{Deal, pair},
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

    fn picture(&self) -> PictureKind {
        PictureKind::NodalPrices
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

/// An order at its bus.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Placed {
    /// The doubled price, odd for bids: of equal prices, an offer comes before a bid and they trade.
    key: i64,
    /// Its number: the bids come first, then the offers.
    number: u32,
    wh: u64,
}

/// The orders that want or have anything, bus by bus, in order of their keys. What the passes look at lies together,
/// and not where the book has it.
struct Places {
    buses: usize,
    /// Where in `orders` each bus begins, and the end.
    starts: Vec<usize>,
    orders: Vec<Placed>,
}

impl Places {
    fn new(book: &Book<'_>, grid: &Grid) -> Places {
        let mut places = Places { buses: grid.parents().len(), starts: Vec::new(), orders: Vec::new() };
        let key = |order: &Order<'_>, bid: i64| 2 * order.price.micro() + bid;
        let bids = book.bids.iter().map(|bid| (bid, key(bid, 1)));
        let numbered = (0..).zip(bids.chain(book.offers.iter().map(|offer| (offer, key(offer, 0)))));
        let orders = || numbered.clone().filter(|(_, (order, _))| !order.quantity.is_zero());
        let mut starts = vec![0; places.buses + 1];
        for (_, (order, _)) in orders() {
            starts[places.bus(order) + 1] += 1;
        }
        for bus in 0..places.buses {
            starts[bus + 1] += starts[bus];
        }
        let mut next = starts.clone();
        let mut placed = vec![Placed::default(); starts[places.buses]];
        for (number, (order, key)) in orders() {
            let place = &mut next[places.bus(order)];
            placed[*place] = Placed { key, number, wh: order.quantity.wh() };
            *place += 1;
        }
        for bus in starts.windows(2) {
            placed[bus[0]..bus[1]].sort_unstable();
        }
        (places.starts, places.orders) = (starts, placed);
        places
    }

    /// Where an order is; a bus that is not of this grid is taken for its root.
    fn bus(&self, order: &Order<'_>) -> usize {
        Some(order.bus.0 as usize).filter(|bus| *bus < self.buses).unwrap_or(0)
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
            grid: context.grid,
            network: context.terms.network.as_ref(),
            places,
            curves: Curves::new(u64::from_be_bytes([a, b, c, d, e, f, g, h])),
            groups: Groups::new(book, places, context.tie_seed),
            subtrees: vec![NOTHING; places.buses],
            crossings: vec![Crossing::default(); places.buses],
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
        let places = self.places;
        let (mut place, end) = (places.starts[bus], places.starts[bus + 1]);
        let mut own = NOTHING;
        while place < end {
            let key = places.orders[place].key;
            let mut group = self.groups.of_order(place);
            place += 1;
            while place < end && places.orders[place].key == key {
                group = self.groups.unite(&group, &self.groups.of_order(place));
                place += 1;
            }
            if is_bid(key) {
                own.import += group.wh;
            }
            own.curve = self.curves.append(own.curve, key, group);
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
        let [mut import, mut export] = self.curves.split_after(subtree.curve, subtree.import);
        let missing = subtree.import - self.curves.sum(import);
        if missing > 0 {
            // The group at zero is import in part: from here on it is two groups of two prices.
            let (key, straddling, rest) = self.curves.pop_first(export);
            let (drawn, sent) = self.groups.divide(&straddling, missing);
            import = self.curves.append(import, key, drawn);
            let sent = self.curves.single(key, sent);
            export = self.curves.join(sent, rest);
        }
        self.curves.shift(import, -2 * down);
        self.curves.shift(export, 2 * up);
        subtree.curve = self.curves.join(import, export);
    }

    /// Cuts off import beyond `most`: the keys around the cut, if there was one.
    fn cut_import(&mut self, subtree: &mut Subtree, most: u128) -> Option<(i64, i64)> {
        let excess = subtree.import.checked_sub(most).filter(|excess| *excess > 0)?;
        let [gone, mut kept] = self.curves.split_after(subtree.curve, excess);
        let (mut last_key, _) = self.curves.keys_around(gone, self.curves.sum(gone));
        let part = excess - self.curves.sum(gone);
        if part > 0 {
            let (key, straddling, rest) = self.curves.pop_first(kept);
            let (lost, left) = self.groups.divide(&straddling, part);
            if !is_bid(key) {
                self.groups.serve(&lost);
            }
            let left = self.curves.single(key, left);
            kept = self.curves.join(left, rest);
            last_key = Some(key);
        }
        // What cannot be drawn from above: its offers produce, its bids go without.
        self.serve(gone, false);
        *subtree = Subtree { curve: kept, import: most };
        let (_, next) = self.curves.keys_around(kept, 0);
        Some((last_key.unwrap_or(i64::MIN), next.unwrap_or(i64::MAX)))
    }

    /// Cuts off export beyond `most`: the keys around the cut, if there was one.
    fn cut_export(&mut self, subtree: &mut Subtree, most: u128) -> Option<(i64, i64)> {
        let all = self.curves.sum(subtree.curve);
        let left = subtree.import.saturating_add(most);
        if all <= left {
            return None;
        }
        let [mut kept, mut gone] = self.curves.split_after(subtree.curve, left);
        let part = left - self.curves.sum(kept);
        let (_, mut first_key) = self.curves.keys_around(gone, 0);
        if part > 0 {
            let (key, straddling, rest) = self.curves.pop_first(gone);
            let (stays, lost) = self.groups.divide(&straddling, part);
            if is_bid(key) {
                self.groups.serve(&lost);
            }
            (kept, gone) = (self.curves.append(kept, key, stays), rest);
            first_key = Some(key);
        }
        // What cannot be sent up: its bids are served, its offers do not produce.
        self.serve(gone, true);
        subtree.curve = kept;
        let (before, _) = self.curves.keys_around(kept, left);
        Some((before.unwrap_or(i64::MIN), first_key.unwrap_or(i64::MAX)))
    }

    /// Ends a curve: gives its bids, or its offers, all they want.
    fn serve(&mut self, curve: u32, bids: bool) {
        let groups = &mut self.groups;
        self.curves.drain(curve, |group, key| {
            if is_bid(key) == bids {
                groups.serve(group);
            }
        });
    }

    /// Decides who trades, now that the root is known to send and draw nothing.
    fn finish(mut self) -> Vec<Energy> {
        let Subtree { curve, import } = self.subtrees[0];
        let [produces, mut stays] = self.curves.split_after(curve, import);
        let part = import - self.curves.sum(produces);
        if part > 0 {
            let (key, group, rest) = self.curves.pop_first(stays);
            let served = if is_bid(key) { group.wh - part } else { part };
            self.groups.share(&group, served);
            stays = rest;
        }
        self.serve(produces, false);
        self.serve(stays, true);
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
