//! `priority_key`: consumers are served one after the other, each in full as long as there is something left.

use std::collections::BTreeMap;

use protocol::energy::Energy;

use super::{Book, Clearing, Context, Mechanism, PictureKind, posted::Posted, rationing::share};

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
        let place = |id: &[u8]| context.terms.priority.get(id).copied().unwrap_or(usize::MAX);
        let mut queue: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, bid) in book.bids.iter().enumerate().filter(|(_, bid)| posted.accepts_bid(bid)) {
            queue.entry(place(bid.id)).or_default().push(index);
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
