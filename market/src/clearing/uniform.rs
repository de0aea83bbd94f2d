//! `uniform`: the k-double auction, pay-as-clear. The largest volume, at one price in the middle of all clearing
//! prices.

use protocol::{energy::Energy, money::Price};

use super::{
    Book, Clearing, Context, Mechanism, PictureKind,
    crossing::{Crossing, Side, crossing_of},
    pairing::{Deal, pair},
    rationing::share,
};

/// The mechanism `uniform`.
pub(super) struct Uniform;

impl Mechanism for Uniform {
    fn name(&self) -> &'static str {
        "uniform"
    }

    fn summary(&self) -> &'static str {
        "one price for all, in the middle of the market-clearing prices, at the largest volume"
    }

    fn picture(&self) -> PictureKind {
        PictureKind::MeritOrder
    }

    fn clear(&self, book: &Book<'_>, context: &Context<'_>) -> Clearing {
        let Some((crossing, bids, offers)) = fill_at_crossing(book, context) else { return Clearing::nothing(book) };
        let price = Price::midpoint(crossing.low, crossing.high);
        let trades = pair(book, &bids, &offers, context.grid, |_, _| Deal::at(price));
        Clearing {
            quantity: crossing.quantity,
            price: Some(price),
            price_interval: Some((crossing.low, crossing.high)),
            bids,
            offers,
            trades,
            feeder: None,
        }
    }
}

/// Where a book crosses, and what each bid and each offer trades there; none where nothing trades.
pub(super) fn fill_at_crossing(book: &Book<'_>, context: &Context<'_>) -> Option<(Crossing, Vec<Energy>, Vec<Energy>)> {
    let (bids, offers) = (Side::new(&book.bids), Side::new(&book.offers));
    let crossing = crossing_of(&bids, &offers)?;
    // Those in the money in full, and those at the margin share what is left.
    let fill = |orders, (mut fills, marginal): (Vec<Energy>, Vec<usize>), in_the_money: u128| {
        share(orders, &marginal, crossing.quantity - in_the_money, context.tie_seed, &mut fills);
        fills
    };
    let bids = fill(&book.bids, bids.fills(crossing.low, |bid, low| bid > low), crossing.demand_above);
    let offers = fill(&book.offers, offers.fills(crossing.low, |offer, low| offer < low), crossing.supply_below);
    Some((crossing, bids, offers))
}
