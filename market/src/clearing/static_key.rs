//! `static_key`: every consumer is entitled to a fixed part of what is produced, whether it can use it or not.

use std::collections::BTreeMap;

use protocol::{energy::Energy, member::MemberId, parameters::WHOLE_PPM};

use super::{
    Book, Clearing, Context, Mechanism, Order, PictureKind, Terms,
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
        let (claims, whole): (Vec<Claim>, u128) = match Shares::of(context.terms) {
            Some(shares) => {
                let claim = |(index, bid): (usize, &Order<'_>)| Claim { index, weight: shares.ppm(bid.id).into() };
                (consumers().map(claim).collect(), WHOLE_PPM.into())
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

/// Parts per million of all that is offered, as the rules name them.
pub(super) struct Shares {
    by_member: BTreeMap<MemberId, u32>,
    member_of: fn(&[u8]) -> Option<MemberId>,
}

impl Shares {
    /// None where the rules name no shares: then all have equal ones.
    pub(super) fn of(terms: &Terms<'_>) -> Option<Shares> {
        let shares = terms.said(|parameters| parameters.shares.as_ref())?;
        let by_member = shares.iter().map(|share| (share.member, share.ppm)).collect();
        Some(Shares { by_member, member_of: terms.member_of })
    }

    /// The share of whose bid this is: nothing, if it is not named.
    pub(super) fn ppm(&self, bid: &[u8]) -> u32 {
        (self.member_of)(bid).and_then(|member| self.by_member.get(&member).copied()).unwrap_or(0)
    }
}
