//! `cascading_key`: what is produced is allocated by fixed shares, and what a consumer cannot use is offered again to
//! the others, by the same shares, as long as someone can.

use std::cmp::Ordering;

use protocol::energy::Energy;

use super::{
    Book, Clearing, Context, Mechanism, PictureKind,
    posted::Posted,
    rationing::{Claim, entitle, rank},
    static_key::Shares,
};

/// The mechanism `cascading_key`.
pub(super) struct CascadingKey;

impl Mechanism for CascadingKey {
    fn name(&self) -> &'static str {
        "cascading_key"
    }

    fn summary(&self) -> &'static str {
        "energy sharing by fixed shares, what one cannot use offered again to the others, at the community price"
    }

    fn picture(&self) -> PictureKind {
        PictureKind::CommunityPrice
    }

    fn clear(&self, book: &Book<'_>, context: &Context<'_>) -> Clearing {
        let Some(posted) = Posted::new(book, context) else { return Clearing::nothing(book) };
        let shares = Shares::of(context.terms);
        let weight = |id: &[u8]| shares.as_ref().map_or(1, |shares| shares.ppm(id)).into();
        let consumers = book.bids.iter().enumerate().filter(|(_, bid)| posted.accepts_bid(bid));
        let mut open: Vec<Claim> = consumers.map(|(index, bid)| Claim { index, weight: weight(bid.id) }).collect();
        open.retain(|claim| claim.weight > 0);
        let wants = |claim: &Claim| u128::from(book.bids[claim.index].quantity.wh());
        // Who wants least for its share comes first: whatever the others leave, its part is enough first.
        open.sort_by(|one, other| match (wants(one) * other.weight).cmp(&(wants(other) * one.weight)) {
            Ordering::Equal => one.index.cmp(&other.index),
            order => order,
        });
        let mut fills = vec![Energy::ZERO; book.bids.len()];
        let (mut left, mut whole) = (posted.supply, open.iter().map(|claim| claim.weight).sum::<u128>());
        let mut served = 0;
        // None who is served takes more than its part, so the parts of those who come later never shrink.
        while let Some(claim) = open.get(served).filter(|claim| wants(claim) * whole <= claim.weight * left) {
            fills[claim.index] = book.bids[claim.index].quantity;
            left -= wants(claim);
            whole -= claim.weight;
            served += 1;
        }
        let open = &open[served..];
        if !open.is_empty() {
            entitle(
                open,
                left,
                whole,
                |index| rank(context.tie_seed, book.bids[index].id),
                // Each of them wants more than its part, and so the Wh that its part may be rounded up to.
                |index, wh| fills[index] = Energy::from_wh(wh as u64),
            );
        }
        posted.clearing(fills)
    }
}
