//! `dynamic_key`: what is produced is allocated to the consumers pro rata to what each consumed in the interval.

use super::{Book, Clearing, Context, Mechanism, PictureKind, posted::Posted};

/// The mechanism `dynamic_key`.
pub(super) struct DynamicKey;

impl Mechanism for DynamicKey {
    fn name(&self) -> &'static str {
        "dynamic_key"
    }

    fn summary(&self) -> &'static str {
        "energy sharing pro rata to each interval's consumption, at the community price"
    }

    fn picture(&self) -> PictureKind {
        PictureKind::CommunityPrice
    }

    fn clear(&self, book: &Book<'_>, context: &Context<'_>) -> Clearing {
        let Some(posted) = Posted::new(book, context) else { return Clearing::nothing(book) };
        posted.clearing(posted.pro_rata_bids(posted.demand.min(posted.supply)))
    }
}
