//! `static_key`: every consumer is entitled to a fixed part of what is produced, whether it can use it or not.

use protocol::{energy::Energy, parameters::WHOLE_PPM};

use super::{
    Book, Clearing, Context, Mechanism, PictureKind,
    posted::Posted,
    rationing::{Claim, entitle, rank},
};

/// The mechanism `static_key`.
pub(super) struct StaticKey;

impl Mechanism for StaticKey {
    fn name(&self) -> &'static str {
        "static_key"
    }

    fn summary(&self) -> &'static str {
        "energy sharing by fixed shares of the production, at the community price"
    }

    fn picture(&self) -> PictureKind {
        PictureKind::CommunityPrice
    }

    fn clear(&self, book: &Book<'_>, context: &Context<'_>) -> Clearing {
        let Some(posted) = Posted::new(book, context) else { return Clearing::nothing(book) };
        let consumers = || book.bids.iter().enumerate().filter(|(_, bid)| posted.accepts_bid(bid));
        let (claims, whole): (Vec<Claim>, u128) = match &context.terms.shares {
            Some(shares) => {
                let weight = |id: &[u8]| shares.get(id).copied().unwrap_or(0).into();
                (consumers().map(|(index, bid)| Claim { index, weight: weight(bid.id) }).collect(), WHOLE_PPM.into())
            }
            None => {
                let claims: Vec<Claim> = consumers().map(|(index, _)| Claim { index, weight: 1 }).collect();
                let count = claims.len() as u128;
                (claims, count)
            }
        };
        let mut fills = vec![Energy::ZERO; book.bids.len()];
        entitle(
            &claims,
            posted.supply,
            whole,
            |index| rank(context.tie_seed, book.bids[index].id),
            |index, wh| {
                // Never above what was consumed: the rest of the entitlement goes to the supplier, not to others.
                let most = book.bids[index].quantity;
                fills[index] = u64::try_from(wh).map_or(most, |wh| most.min(Energy::from_wh(wh)));
            },
        );
        posted.clearing(fills)
    }
}
