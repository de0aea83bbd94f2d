//! Lists in another order.

use proptest::{prelude::*, sample::Index};

/// Shuffles by giving each element a random place among those before it.
pub(crate) fn shuffled<T: Clone>(list: &[T], places: &[Index]) -> Vec<T> {
    let mut shuffled = Vec::with_capacity(list.len());
    for (item, place) in list.iter().zip(places.iter().cycle()) {
        let at = place.index(shuffled.len() + 1);
        shuffled.insert(at, item.clone());
    }
    shuffled
}

pub(crate) fn places() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 20)
}
