//! Looking up many entries of a map that are asked for in the order of the map, as members are in a settlement: a step
//! for each instead of a search.

use std::{cmp::Ordering, iter::Peekable};

/// Ascending entries, asked for in ascending order.
pub(super) struct InOrder<I: Iterator>(Peekable<I>);

impl<'a, K: Ord + 'a, V: 'a, I: Iterator<Item = (&'a K, &'a V)>> InOrder<I> {
    pub(super) fn new(entries: I) -> InOrder<I> {
        InOrder(entries.peekable())
    }

    /// The value of a key, if there is one; `None` too where a later key was asked for before.
    pub(super) fn find(&mut self, key: &K) -> Option<&'a V> {
        loop {
            let (next, value) = *self.0.peek()?;
            match next.cmp(key) {
                Ordering::Less => self.0.next(),
                Ordering::Equal => return Some(value),
                Ordering::Greater => return None,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_found_in_its_order_and_nothing_else() {
        let entries = [(1, 'a'), (3, 'b'), (4, 'c')];
        let mut found = InOrder::new(entries.iter().map(|(key, value)| (key, value)));
        let asked = [0, 1, 1, 2, 4, 5, 1];
        assert_eq!(
            asked.map(|key| found.find(&key).copied()),
            [None, Some('a'), Some('a'), None, Some('c'), None, None]
        );
    }
}
