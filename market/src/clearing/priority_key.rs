//! `priority_key`: consumers are served one after the other, each in full as long as there is something left.

use std::collections::BTreeMap;

use protocol::{energy::Energy, member::MemberId};

use super::{Book, Clearing, Context, Mechanism, PictureKind, Terms, posted::Posted, rationing::share};

/// The mechanism `priority_key`.
pub(super) struct PriorityKey;

impl Mechanism for PriorityKey {
    fn name(&self) -> &'static str {
        "priority_key"
    }

    fn summary(&self) -> &'static str {
        "energy sharing in a fixed order of consumers, at the community price"
    }

    fn picture(&self) -> PictureKind {
        PictureKind::CommunityPrice
    }

    fn clear(&self, book: &Book<'_>, context: &Context<'_>) -> Clearing {
        let Some(posted) = Posted::new(book, context) else { return Clearing::nothing(book) };
        let places = Places::of(context.terms);
        let mut queue: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, bid) in book.bids.iter().enumerate().filter(|(_, bid)| posted.accepts_bid(bid)) {
            queue.entry(places.place(bid.id)).or_default().push(index);
        }
        let mut fills = vec![Energy::ZERO; book.bids.len()];
        let mut left = posted.supply;
        // Those without a place of their own share the last one pro rata.
        for among in queue.values() {
            share(&book.bids, among, left, context.tie_seed, &mut fills);
            left -= among.iter().map(|&index| u128::from(fills[index].wh())).sum::<u128>();
        }
        posted.clearing(fills)
    }
}

/// The order in which consumers are served, as the rules name it.
struct Places {
    by_member: BTreeMap<MemberId, usize>,
    member_of: fn(&[u8]) -> Option<MemberId>,
}

impl Places {
    fn of(terms: &Terms<'_>) -> Places {
        let priority = terms.said(|parameters| parameters.priority.as_ref()).into_iter().flatten();
        Places { by_member: priority.copied().zip(0..).collect(), member_of: terms.member_of }
    }

    /// The place of whose bid this is: the last, if it is not named.
    fn place(&self, bid: &[u8]) -> usize {
        // Where nobody is named, nobody need be looked for.
        let member = if self.by_member.is_empty() { None } else { (self.member_of)(bid) };
        member.and_then(|member| self.by_member.get(&member).copied()).unwrap_or(usize::MAX)
    }
}
