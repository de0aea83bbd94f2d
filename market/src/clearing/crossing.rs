//! Where supply and demand cross.
//!
//! The lowest clearing price is the smallest price up to which at least as much is offered as is bid above it. As the
//! price rises, supply up to it only grows and demand above it only shrinks, so the crossing can be searched for. It is
//! found without sorting: the orders are summed up in buckets of equal width, and the bucket with the crossing is
//! divided again, until it is one price wide. The whole book is looked at once; from then on only prices and
//! quantities, which are a third of its bytes, and after the first buckets only what is in one of them.

use protocol::{energy::Energy, limits::PRICE_MICRO_MAX, money::Price};

use super::{Book, Order};

/// Most buckets of one pass, as a power of two: the whole range of prices, 2³¹, is divided in three passes.
const BUCKET_BITS_MAX: u32 = 11;
/// Fewest, where only a few orders are left: more would cost more than the orders.
const BUCKET_BITS_MIN: u32 = 4;

/// Where supply and demand cross, in a book in which something trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crossing {
    /// The largest volume that can be traded at one price, Wh.
    pub(crate) quantity: u128,
    /// The lowest clearing price. Bids above it and offers below it trade in full; those at it share what is left.
    pub(crate) low: Price,
    /// The highest clearing price.
    pub(crate) high: Price,
    /// Σ of the bids above `low`, Wh.
    pub(crate) demand_above: u128,
    /// Σ of the offers below `low`, Wh.
    pub(crate) supply_below: u128,
}

/// Prices and quantities of one side, each in a row of its own.
pub(crate) struct Side {
    /// Each order's price, counted from the lowest price there is; [`ABSENT`] where it wants nothing.
    prices: Vec<u32>,
    quantities: Vec<Energy>,
    lowest: u32,
    highest: u32,
}

/// Orders that are looked at together: their 32 KiB stay near.
const PIECE: usize = 1024;

/// No price.
const ABSENT: u32 = u32::MAX;

impl Side {
    pub(crate) fn new(orders: &[Order<'_>]) -> Side {
        let mut side = Side {
            prices: Vec::with_capacity(orders.len()),
            quantities: Vec::with_capacity(orders.len()),
            lowest: ABSENT,
            highest: 0,
        };
        // Piece by piece, so that each order is fetched once, and without a branch within a piece.
        for piece in orders.chunks(PIECE) {
            let price = |order: &Order<'_>| if order.quantity.is_zero() { ABSENT } else { counted(order.price) };
            let from = side.prices.len();
            side.prices.extend(piece.iter().map(price));
            side.quantities.extend(piece.iter().map(|order| order.quantity));
            for &price in &side.prices[from..] {
                side.lowest = side.lowest.min(price);
                side.highest = side.highest.max(if price == ABSENT { 0 } else { price });
            }
        }
        side
    }

    /// Fills of orders in the money, as much as they want, and which orders are at the margin, `at`. `is_in` says which
    /// prices are in the money.
    pub(crate) fn fills(self, at: Price, is_in: impl Fn(u32, u32) -> bool) -> (Vec<Energy>, Vec<usize>) {
        let (at, mut fills) = (counted(at), self.quantities);
        // Without a branch, because what comes next cannot be foreseen. Who wants nothing is filled with that.
        for (price, fill) in self.prices.iter().zip(&mut fills) {
            *fill = if is_in(*price, at) { *fill } else { Energy::ZERO };
        }
        (fills, indexes_within(&self.prices, at, at).collect())
    }

    /// The orders within a range, price and quantity.
    fn within(&self, low: u32, high: u32) -> Vec<(u32, u64)> {
        let order = |index: usize| (self.prices[index], self.quantities[index].wh());
        indexes_within(&self.prices, low, high).map(order).collect()
    }

    /// The lowest price above `price`.
    fn next(&self, price: u32) -> u32 {
        self.prices.iter().map(|&other| if other > price { other } else { ABSENT }).min().unwrap_or(ABSENT)
    }
}

/// Where the prices from `low` to `high` are: few, so that most pieces are passed over as a whole, without a branch.
fn indexes_within(prices: &[u32], low: u32, high: u32) -> impl Iterator<Item = usize> {
    const STRIDE: usize = 64;
    let is_within = move |price: u32| price.wrapping_sub(low) <= high - low;
    let has_any = move |piece: &[u32]| piece.iter().fold(false, |any, price| any | is_within(*price));
    let found = prices.chunks(STRIDE).enumerate().filter(move |(_, piece)| has_any(piece));
    found.flat_map(move |(number, piece)| {
        (number * STRIDE..).zip(piece).filter(move |(_, price)| is_within(**price)).map(|(index, _)| index)
    })
}

/// How many micro-units a price is above the lowest there is.
fn counted(price: Price) -> u32 {
    (price.micro() + PRICE_MICRO_MAX).clamp(0, 2 * PRICE_MICRO_MAX) as u32
}

fn price(counted: u32) -> Option<Price> {
    Price::from_micro(i64::from(counted) - PRICE_MICRO_MAX)
}

/// Prices that are still searched, and what lies outside.
struct Range {
    low: u32,
    high: u32,
    demand_above: u128,
    supply_below: u128,
}

/// The crossing of a book; none where nothing trades.
pub(crate) fn crossing(book: &Book<'_>) -> Option<Crossing> {
    crossing_of(&Side::new(&book.bids), &Side::new(&book.offers))
}

/// The crossing of two sides; none where nothing trades.
pub(crate) fn crossing_of(bids: &Side, offers: &Side) -> Option<Crossing> {
    // Where there are no offers, their lowest price is higher than any.
    if bids.lowest == ABSENT || offers.lowest > bids.highest {
        return None;
    }
    let mut range = Range { low: offers.lowest, high: bids.highest, demand_above: 0, supply_below: 0 };
    let (mut demand, mut supply) = (Vec::new(), Vec::new());
    // What is still searched, once it is less than the whole book.
    let mut searched: Option<[Vec<(u32, u64)>; 2]> = None;
    loop {
        let left = searched.as_ref().map_or(bids.prices.len() + offers.prices.len(), |[a, b]| a.len() + b.len());
        let bucket_bits = left.max(1).ilog2().clamp(BUCKET_BITS_MIN, BUCKET_BITS_MAX);
        let width_bits = (32 - (range.high - range.low).leading_zeros()).saturating_sub(bucket_bits);
        for sums in [&mut demand, &mut supply] {
            sums.clear();
            sums.resize(((range.high - range.low) >> width_bits) as usize + 1, 0);
        }
        match &searched {
            None => {
                let all = |side: &Side, buckets: &mut [u128]| {
                    let quantities = side.quantities.iter().map(|quantity| quantity.wh());
                    sum_up(side.prices.iter().copied().zip(quantities), &range, width_bits, buckets);
                };
                all(bids, &mut demand);
                all(offers, &mut supply);
            }
            Some([bids, offers]) => {
                sum_up(bids.iter().copied(), &range, width_bits, &mut demand);
                sum_up(offers.iter().copied(), &range, width_bits, &mut supply);
            }
        }

        let mut demand_left = range.demand_above + demand.iter().sum::<u128>();
        let mut supply_below = range.supply_below;
        let mut bucket = 0;
        // Up to the end of the range there is as much supply as demand above it, so some bucket ends this loop.
        while supply_below + supply[bucket] < demand_left - demand[bucket] {
            demand_left -= demand[bucket];
            supply_below += supply[bucket];
            bucket += 1;
        }
        let demand_above = demand_left - demand[bucket];
        range.low += (bucket as u32) << width_bits;
        if width_bits == 0 {
            let supply_up_to = supply_below + supply[bucket];
            let low = price(range.low)?;
            // The price can rise as long as nobody leaves and nobody joins: up to the next order's.
            let next = || price(bids.next(range.low).min(offers.next(range.low)));
            let high = if demand_above == supply_up_to { next()? } else { low };
            return Some(Crossing { quantity: demand_left.min(supply_up_to), low, high, demand_above, supply_below });
        }
        range.high = range.high.min(range.low + (1 << width_bits) - 1);
        range.demand_above = demand_above;
        range.supply_below = supply_below;
        searched = Some([bids, offers].map(|side| side.within(range.low, range.high)));
    }
}

/// Adds the quantities of the orders within a range to its buckets of 2^`width_bits` prices.
fn sum_up(orders: impl Iterator<Item = (u32, u64)>, range: &Range, width_bits: u32, buckets: &mut [u128]) {
    for (price, wh) in orders {
        if (range.low..=range.high).contains(&price) {
            buckets[((price - range.low) >> width_bits) as usize] += u128::from(wh);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Grid;

    fn orders(list: &[(i64, u64)]) -> Vec<Order<'static>> {
        let order = |&(micro, wh): &(i64, u64)| Order {
            id: b"",
            price: Price::from_micro(micro).unwrap(),
            quantity: Energy::from_wh(wh),
            bus: Grid::ROOT,
        };
        list.iter().map(order).collect()
    }

    fn cross(bids: &[(i64, u64)], offers: &[(i64, u64)]) -> Option<(u128, i64, i64)> {
        let crossing = crossing(&Book { bids: orders(bids), offers: orders(offers) })?;
        Some((crossing.quantity, crossing.low.micro(), crossing.high.micro()))
    }

    #[test]
    fn books_cross_where_they_should() {
        const MAX: i64 = PRICE_MICRO_MAX;
        assert_eq!(cross(&[], &[]), None);
        assert_eq!(cross(&[(5, 1)], &[]), None);
        assert_eq!(cross(&[], &[(5, 1)]), None);
        assert_eq!(cross(&[(4, 1)], &[(5, 1)]), None);
        assert_eq!(cross(&[], &[(-MAX, 1)]), None);
        assert_eq!(cross(&[(MAX, 1)], &[]), None);
        assert_eq!(cross(&[(-MAX, 0)], &[(-MAX, 1)]), None);
        assert_eq!(cross(&[(9, 0), (4, 1)], &[(5, 1), (1, 0)]), None, "an order of nothing moves nothing");
        assert_eq!(cross(&[(5, 1)], &[(5, 1)]), Some((1, 5, 5)));
        assert_eq!(cross(&[(MAX, 1)], &[(-MAX, 1)]), Some((1, -MAX, MAX)));
        assert_eq!(cross(&[(MAX, 2)], &[(-MAX, 1)]), Some((1, MAX, MAX)));
        assert_eq!(cross(&[(MAX, 1)], &[(-MAX, 2)]), Some((1, -MAX, -MAX)));
        assert_eq!(cross(&[(MAX, 1), (3, 1)], &[(-MAX, 1), (7, 5)]), Some((1, 3, 7)));
        assert_eq!(cross(&[(MAX, 1), (3, 1), (4, 0)], &[(-MAX, 1), (7, 5)]), Some((1, 3, 7)));
        let all = u64::MAX;
        let sum = 3 * u128::from(all);
        assert_eq!(cross(&[(9, all), (9, all), (9, all)], &[(1, all), (1, all), (1, all)]), Some((sum, 1, 9)));
    }

    /// The lowest and the highest clearing price straight from their definitions.
    fn by_definition(bids: &[(i64, u64)], offers: &[(i64, u64)]) -> (i64, i64) {
        let sum = |orders: &[(i64, u64)], wanted: &dyn Fn(i64) -> bool| -> u64 {
            orders.iter().filter(|(price, _)| wanted(*price)).map(|(_, wh)| *wh).sum()
        };
        let mut prices: Vec<i64> = bids.iter().chain(offers).map(|(price, _)| *price).collect();
        prices.sort_unstable();
        let low = prices.iter().find(|&&at| sum(bids, &|p| p > at) <= sum(offers, &|p| p <= at));
        let high = prices.iter().rev().find(|&&at| sum(offers, &|p| p < at) <= sum(bids, &|p| p >= at));
        (*low.unwrap(), *high.unwrap())
    }

    #[test]
    fn the_edges_of_buckets_are_nothing_special() {
        const MAX: i64 = PRICE_MICRO_MAX;
        let mut books = 0;
        // With both extremes in a large book a bucket of the first pass is 2^20 prices wide, one of the second 2^9; in
        // a small one, 2^27 and 2^23. Orders of nothing make a book large.
        let edges = [1 << 20, 900 << 20, (900 << 20) + (3 << 9), 1 << 27, 9 << 27, (9 << 27) + (3 << 23)];
        for (edge, nothings) in edges.into_iter().flat_map(|edge| [(edge - MAX, 0), (edge - MAX, 4096)]) {
            let prices = [edge - 1, edge, edge + 1];
            for choice in 0..81 {
                let at = |power: u32| prices[choice / 3usize.pow(power) % 3];
                for wh in 1..4 {
                    let bids = [(MAX, 1), (at(0), 2), (at(1), wh)];
                    let offers = [(-MAX, 1), (at(2), 1), (at(3), 4 - wh)];
                    let all_bids = [bids.as_slice(), &vec![(0, 0); nothings]].concat();
                    let (_, low, high) = cross(&all_bids, &offers).unwrap();
                    assert_eq!((low, high), by_definition(&bids, &offers), "{bids:?} {offers:?}");
                    books += 1;
                }
            }
        }
        assert_eq!(books, 6 * 2 * 81 * 3);
    }
}
