//! `mid_market_rate`: everyone at the midpoint of retail and feed-in price, the short side whole, the long side pro
//! rata.

use super::{Book, Clearing, Context, Mechanism, PictureKind, posted::Posted};

/// The mechanism `mid_market_rate`.
pub(super) struct MidMarketRate;

impl Mechanism for MidMarketRate {
    fn name(&self) -> &'static str {
        "mid_market_rate"
    }

    fn summary(&self) -> &'static str {
        "everyone at the midpoint of retail and feed-in price, the long side pro rata"
    }

    fn picture(&self) -> PictureKind {
        PictureKind::CommunityPrice
    }

    fn clear(&self, book: &Book<'_>, context: &Context<'_>) -> Clearing {
        let Some(posted) = Posted::new(book, context) else { return Clearing::nothing(book) };
        posted.clearing(posted.pro_rata_bids(posted.demand.min(posted.supply)))
    }
}
