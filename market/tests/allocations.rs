//! A clearing takes memory by the book and by the bus, never by the order: ten times the orders are a few more pieces
//! of memory, each of them larger.

#![allow(clippy::unwrap_used)]

#[path = "support/random_book.rs"]
mod random_book;

use market::clearing::mechanisms;
use random_book::RandomBook;

const BUSES: usize = 50;

#[test]
fn no_mechanism_allocates_for_each_order() {
    for mechanism in mechanisms() {
        let [few, many] = [1_000, 10_000].map(|count| {
            let random = RandomBook::new(count, BUSES);
            let (book, context) = (random.book(), random.context());
            let mut trades = 0;
            let taken = allocation_counter::measure(|| trades = mechanism.clear(&book, &context).trades.len());
            assert!(trades > 0, "{}", mechanism.name());
            taken.count_total
        });
        println!("{}: {few} allocations for 1,000 orders, {many} for 10,000", mechanism.name());
        // Where each bus has a list, it grows a few times.
        assert!(few > 0 && many - few < 5 * BUSES as u64, "{}", mechanism.name());
    }
}
