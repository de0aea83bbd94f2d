//! `mcafee`: trade reduction, under which no price limit but the true one is worth stating.

use std::cmp::Ordering;

use protocol::{energy::Energy, hash::Hash, money::Price};

use super::{
    Book, Clearing, Context, Mechanism, Order, PictureKind,
    crossing::crossing,
    pairing::{Deal, pair},
    rationing::{rank, share},
};

/// The mechanism `mcafee`.
pub(super) struct McAfee;

impl Mechanism for McAfee {
    fn name(&self) -> &'static str {
        "mcafee"
    }

    fn summary(&self) -> &'static str {
        "McAfee's trade reduction: stating the true limits is best, the marginal trade may be given up"
    }

    fn picture(&self) -> PictureKind {
        PictureKind::MeritOrder
    }

    fn clear(&self, book: &Book<'_>, context: &Context<'_>) -> Clearing {
        let Some(crossing) = crossing(book) else { return Clearing::nothing(book) };
        let seed = context.tie_seed;
        let buyers = Ranking::new(&book.bids, crossing.quantity, seed, |one, other| other.cmp(&one));
        let sellers = Ranking::new(&book.offers, crossing.quantity, seed, |one, other| one.cmp(&other));
        let (Some(mut buyers), Some(mut sellers)) = (buyers, sellers) else { return Clearing::nothing(book) };

        let (highest, lowest) = (book.bids[buyers.marginal].price, book.offers[sellers.marginal].price);
        let one_price = buyers.next.zip(sellers.next).map(|(bid, offer)| Price::midpoint(bid, offer));
        let deal = match one_price.filter(|price| is_unit_book(book) && (lowest..=highest).contains(price)) {
            Some(price) => {
                buyers.better.push(buyers.marginal);
                sellers.better.push(sellers.marginal);
                Deal::at(price)
            }
            None => Deal { pays: highest, receives: lowest },
        };
        let (demand, supply) = (total(&book.bids, &buyers.better), total(&book.offers, &sellers.better));
        let quantity = demand.min(supply);
        if quantity == 0 {
            return Clearing::nothing(book);
        }
        let fills = |orders: &[Order<'_>], among: &[usize]| {
            let mut fills = vec![Energy::ZERO; orders.len()];
            share(orders, among, quantity, seed, &mut fills);
            fills
        };
        let (bids, offers) = (fills(&book.bids, &buyers.better), fills(&book.offers, &sellers.better));
        let trades = pair(book, &bids, &offers, context.grid, |_, _| deal);
        let price = (deal.pays == deal.receives).then_some(deal.pays);
        Clearing { quantity, price, bids, offers, trades, ..Clearing::nothing(book) }
    }
}

/// One side, best price first, equal prices by the hash of their ids: a strict order that no price can bend but by
/// passing another's.
struct Ranking {
    /// The orders before the marginal one.
    better: Vec<usize>,
    /// The last order that trades at the largest volume.
    marginal: usize,
    /// The price of the order behind it, if there is one.
    next: Option<Price>,
}

impl Ranking {
    fn new(
        orders: &[Order<'_>],
        quantity: u128,
        seed: &Hash,
        better_first: impl Fn(Price, Price) -> Ordering,
    ) -> Option<Ranking> {
        let mut sorted: Vec<usize> = (0..orders.len()).filter(|&index| !orders[index].quantity.is_zero()).collect();
        sorted.sort_unstable_by(|&a, &b| better_first(orders[a].price, orders[b].price));
        let at = reaches(orders, &sorted, quantity)?;
        // Only among equals of the marginal order does it matter who comes first.
        let price = orders[sorted[at]].price;
        let start = sorted.partition_point(|&index| better_first(orders[index].price, price).is_lt());
        let end = sorted.partition_point(|&index| better_first(orders[index].price, price).is_le());
        sorted[start..end].sort_by_cached_key(|&index| rank(seed, orders[index].id));
        let at = reaches(orders, &sorted, quantity)?;
        let next = sorted.get(at + 1).map(|&index| orders[index].price);
        let marginal = sorted[at];
        sorted.truncate(at);
        Some(Ranking { better: sorted, marginal, next })
    }
}

/// The first place at which the orders so far add up to `quantity`.
fn reaches(orders: &[Order<'_>], sorted: &[usize], quantity: u128) -> Option<usize> {
    let mut sum = 0;
    sorted.iter().position(|&index| {
        sum += u128::from(orders[index].quantity.wh());
        sum >= quantity
    })
}

fn total(orders: &[Order<'_>], among: &[usize]) -> u128 {
    among.iter().map(|&index| u128::from(orders[index].quantity.wh())).sum()
}

/// Whether all orders are of one size, as in McAfee's paper. Only there the price in the middle is safe: elsewhere a
/// large order could let others slip before it and so move that price.
fn is_unit_book(book: &Book<'_>) -> bool {
    let mut sizes = book.bids.iter().chain(&book.offers).map(|order| order.quantity).filter(|size| !size.is_zero());
    let first = sizes.next();
    sizes.all(|size| Some(size) == first)
}
