//! `pay_as_bid`: who trades as under `uniform`, but each pair at the midpoint of its own two limits.

use protocol::money::Price;

use super::{
    Book, Clearing, Context, Mechanism, PictureKind,
    pairing::{Deal, pair},
    uniform::fill_at_crossing,
};

/// The mechanism `pay_as_bid`.
pub(super) struct PayAsBid;

impl Mechanism for PayAsBid {
    fn name(&self) -> &'static str {
        "pay_as_bid"
    }

    fn summary(&self) -> &'static str {
        "each pair at the midpoint of its own two limits, at the largest volume"
    }

    fn picture(&self) -> PictureKind {
        PictureKind::MeritOrder
    }

    fn clear(&self, book: &Book<'_>, context: &Context<'_>) -> Clearing {
        let Some((crossing, bids, offers)) = fill_at_crossing(book, context) else { return Clearing::nothing(book) };
        // Every filled bid is at least the crossing's price and every filled offer at most: any pair of them can agree.
        let trades =
            pair(book, &bids, &offers, context.grid, |bid, offer| Deal::at(Price::midpoint(offer.price, bid.price)));
        Clearing { quantity: crossing.quantity, bids, offers, trades, ..Clearing::nothing(book) }
    }
}
