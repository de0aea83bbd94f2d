//! Template for a new mechanism. It is compiled and tested, but not part of the program.
//!
//! 1. Copy this file to `your_rule.rs`, rename the struct, the name and the summary, and say which picture it has.
//! 2. In `mod.rs` add `mod your_rule;` and one line to `mechanisms()`: `&your_rule::YourRule`.
//! 3. Describe it in `docs/mechanisms.md`: formula, source, guarantees, what it gives up, a worked example.
//!
//! A rule that needs parameters reads them from `context.terms` into a struct of its own, here in its file, as
//! `static_key` does; `protocol::parameters` is where rules state them.
//!
//! `clear` is a pure function: no clock, no randomness, no floating-point number, and no dependence on the order of the
//! orders. Every validator calls it and must get the same bytes. It has nothing to refuse: any book has a clearing, if
//! only `Clearing::nothing`.

use std::cmp::Ordering;

use protocol::money::Price;

use super::{
    Book, Clearing, Context, Mechanism, Order, PictureKind,
    pairing::{Deal, pair},
    rationing::fill,
};

/// This example trades at a posted price: whoever accepts it takes part, the short side in full, the long side pro
/// rata.
pub(super) struct PostedPrice(pub(super) Price);

impl Mechanism for PostedPrice {
    // What `rules.mechanism` and `--mechanism` say: lowercase, with underscores.
    fn name(&self) -> &'static str {
        "posted_price"
    }

    // One line for `--help` and the console.
    fn summary(&self) -> &'static str {
        "everyone at one posted price, the long side pro rata"
    }

    // What the console draws: here the price is set, and the shares of the households are the picture.
    fn picture(&self) -> PictureKind {
        PictureKind::CommunityPrice
    }

    fn clear(&self, book: &Book<'_>, context: &Context<'_>) -> Clearing {
        // 1. Who takes part. `fill` understands: greater trades in full, equal shares pro rata, less gets nothing.
        let PostedPrice(price) = *self;
        let wants = |accepts: bool| if accepts { Ordering::Equal } else { Ordering::Less };
        let bid = |bid: &Order<'_>| wants(bid.price >= price);
        let offer = |offer: &Order<'_>| wants(offer.price <= price);

        // 2. How much is traded. Sums are `u128`: many orders of many Wh do not overflow.
        let sum = |orders: &[Order<'_>], position: &dyn Fn(&Order<'_>) -> Ordering| -> u128 {
            orders.iter().filter(|order| position(order).is_eq()).map(|order| u128::from(order.quantity.wh())).sum()
        };
        let quantity = sum(&book.bids, &bid).min(sum(&book.offers, &offer));
        if quantity == 0 {
            return Clearing::nothing(book);
        }

        // 3. Who gets how much: whole Wh, ties by the seed.
        let bids = fill(&book.bids, quantity, context.tie_seed, bid);
        let offers = fill(&book.offers, quantity, context.tie_seed, offer);

        // 4. Who trades with whom: nearest first. The closure may give every pair a price of its own, and even let the
        // buyer pay more than the seller receives: the difference is booked to the grid operator.
        let trades = pair(book, &bids, &offers, context.grid, |_, _| Deal::at(price));

        // A mechanism without one price has `price: None`; `price_interval` is for those that know every clearing
        // price.
        Clearing { quantity, price: Some(price), bids, offers, trades, ..Clearing::nothing(book) }
    }
}

#[cfg(test)]
mod tests {
    use protocol::{energy::Energy, hash::Hash};

    use super::*;
    use crate::{clearing::Terms, grid::Grid};

    #[test]
    fn the_template_holds_what_every_clearing_must_hold() {
        let order = |id: &'static [u8], micro, wh| Order {
            id,
            price: Price::from_micro(micro).unwrap(),
            quantity: Energy::from_wh(wh),
            bus: Grid::ROOT,
        };
        let book = Book {
            bids: vec![order(b"b1", 30, 10), order(b"b2", 20, 20), order(b"b3", 10, 50)],
            offers: vec![order(b"o1", 10, 15), order(b"o2", 25, 99)],
        };
        let context = Context { grid: &Grid::single_bus(), tie_seed: &Hash::ZERO, terms: &Terms::default() };
        let clearing = PostedPrice(Price::from_micro(20).unwrap()).clear(&book, &context);
        assert_eq!(clearing.check(&book), Ok(()));
        assert_eq!(clearing.bids, [5, 10, 0].map(Energy::from_wh));
        assert_eq!(clearing.offers, [15, 0].map(Energy::from_wh));
        let nothing = PostedPrice(Price::MAX).clear(&book, &context);
        assert_eq!(nothing, Clearing::nothing(&book));
    }
}
