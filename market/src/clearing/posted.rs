//! What the mechanisms at the community price have in common: who accepts it, and how sellers share what is sold.

use std::cmp::Ordering;

use protocol::{energy::Energy, money::Price};

use super::{
    Book, Clearing, Context, Order, Terms,
    pairing::{Deal, pair},
    rationing::fill,
};

/// A book at the community price: whoever's limit excludes it does not take part.
pub(super) struct Posted<'a> {
    book: &'a Book<'a>,
    context: &'a Context<'a>,
    price: Price,
    /// What those who accept the price want, Wh.
    pub(super) demand: u128,
    /// What those who accept the price offer, Wh.
    pub(super) supply: u128,
}

impl<'a> Posted<'a> {
    /// None where nothing can be traded.
    pub(super) fn new(book: &'a Book<'a>, context: &'a Context<'a>) -> Option<Posted<'a>> {
        let price = community_price(book, context.terms)?;
        let mut posted = Posted { book, context, price, demand: 0, supply: 0 };
        posted.demand = total(book.bids.iter().filter(|bid| posted.accepts_bid(bid)));
        posted.supply = total(book.offers.iter().filter(|offer| posted.accepts_offer(offer)));
        (posted.demand > 0 && posted.supply > 0).then_some(posted)
    }

    /// Whether a bid takes part.
    pub(super) fn accepts_bid(&self, bid: &Order<'_>) -> bool {
        bid.price >= self.price && !bid.quantity.is_zero()
    }

    fn accepts_offer(&self, offer: &Order<'_>) -> bool {
        offer.price <= self.price && !offer.quantity.is_zero()
    }

    /// Shares `total` Wh among the bids that take part, pro rata to what they want.
    pub(super) fn pro_rata_bids(&self, total: u128) -> Vec<Energy> {
        fill(&self.book.bids, total, self.context.tie_seed, |bid| equal_if(self.accepts_bid(bid)))
    }

    /// The clearing in which the bids get `bids`: the sellers share the sale pro rata to what they offer.
    pub(super) fn clearing(&self, bids: Vec<Energy>) -> Clearing {
        let quantity = bids.iter().map(|fill| u128::from(fill.wh())).sum();
        if quantity == 0 {
            return Clearing::nothing(self.book);
        }
        let offers =
            fill(&self.book.offers, quantity, self.context.tie_seed, |offer| equal_if(self.accepts_offer(offer)));
        let trades = pair(self.book, &bids, &offers, self.context.grid, |_, _| Deal::at(self.price));
        Clearing { quantity, price: Some(self.price), bids, offers, trades, ..Clearing::nothing(self.book) }
    }
}

/// The price that the rules name, else the midpoint of the supplier's two prices; where there is no supplier, that of
/// the book's highest bid and lowest offer: none where one side is empty.
pub(super) fn community_price(book: &Book<'_>, terms: &Terms<'_>) -> Option<Price> {
    let highest = || book.bids.iter().filter(|bid| !bid.quantity.is_zero()).map(|bid| bid.price).max();
    let lowest = || book.offers.iter().filter(|offer| !offer.quantity.is_zero()).map(|offer| offer.price).min();
    let said = terms.said(|parameters| parameters.community_price).or(terms.midpoint);
    said.or_else(|| Some(Price::midpoint(lowest()?, highest()?)))
}

/// Where `fill` places an order: among those that share, or among those that get nothing.
fn equal_if(takes_part: bool) -> Ordering {
    if takes_part { Ordering::Equal } else { Ordering::Less }
}

fn total<'a>(orders: impl Iterator<Item = &'a Order<'a>>) -> u128 {
    orders.map(|order| u128::from(order.quantity.wh())).sum()
}
