//! Who gets how much when not everyone can have all: pro rata in whole Wh, by largest remainder.

use std::cmp::Ordering;

use protocol::{energy::Energy, hash::Hash};

use super::Order;

/// Fills one side: orders in the money in full, none out of the money, and those at the margin share what is left of
/// `total` Wh. `position` says where an order stands: greater is in the money, equal at the margin.
pub(crate) fn fill(
    orders: &[Order<'_>],
    total: u128,
    tie_seed: &Hash,
    position: impl Fn(&Order<'_>) -> Ordering,
) -> Vec<Energy> {
    let mut fills = vec![Energy::ZERO; orders.len()];
    let mut marginal = Vec::new();
    let mut left = total;
    for (index, order) in orders.iter().enumerate() {
        match position(order) {
            Ordering::Greater => {
                fills[index] = order.quantity;
                left = left.saturating_sub(order.quantity.wh().into());
            }
            Ordering::Equal => marginal.push(index),
            Ordering::Less => {}
        }
    }
    share(orders, &marginal, left, tie_seed, &mut fills);
    fills
}

/// Shares `total` Wh among some orders in proportion to their quantities.
///
/// Each gets the whole part of its share, the largest remainders one Wh more. Where remainders tie for the last Wh,
/// the lowest SHA-256(tie seed ‖ order id) wins: neither coming first nor a chosen id can.
fn share(orders: &[Order<'_>], among: &[usize], total: u128, tie_seed: &Hash, fills: &mut [Energy]) {
    let whole: u128 = among.iter().map(|&index| u128::from(orders[index].quantity.wh())).sum();
    if total >= whole {
        for &index in among {
            fills[index] = orders[index].quantity;
        }
        return;
    }
    let mut left = total;
    let mut remainders = Vec::with_capacity(among.len());
    for &index in among {
        let (part, remainder) = part_of(orders[index].quantity.wh(), total, whole);
        fills[index] = Energy::from_wh(part);
        left -= u128::from(part);
        remainders.push((remainder, index));
    }
    // Fewer Wh are left than there are remainders, and whoever has a remainder asked for at least one Wh more.
    let Some(last) = usize::try_from(left).ok().and_then(|left| left.checked_sub(1)) else { return };
    let (above, &mut (cut, at_cut), below) = remainders.select_nth_unstable_by(last, |a, b| b.0.cmp(&a.0));
    let one_more = |index: usize, fills: &mut [Energy]| fills[index] = Energy::from_wh(fills[index].wh() + 1);
    let mut tied = vec![at_cut];
    let mut left = last + 1;
    for &(remainder, index) in above.iter() {
        if remainder > cut {
            one_more(index, fills);
            left -= 1;
        } else {
            tied.push(index);
        }
    }
    tied.extend(below.iter().filter(|(remainder, _)| *remainder == cut).map(|(_, index)| *index));
    if left < tied.len() {
        let rank = |index: usize| Hash::of_parts(&[tie_seed.as_bytes(), orders[index].id]);
        let mut ranked: Vec<(Hash, usize)> = tied.iter().map(|&index| (rank(index), index)).collect();
        ranked.select_nth_unstable(left);
        tied = ranked.into_iter().take(left).map(|(_, index)| index).collect();
    }
    for index in tied {
        one_more(index, fills);
    }
}

/// `quantity · total / whole` and its remainder, exactly; `total` < `whole` < 2⁹⁵, which 2³¹ orders cannot reach.
fn part_of(quantity: u64, total: u128, whole: u128) -> (u64, u128) {
    if let (Ok(narrow), Ok(divisor)) = (u64::try_from(total), u64::try_from(whole))
        && let Some(product) = quantity.checked_mul(narrow)
    {
        return (product / divisor, (product % divisor).into());
    }
    // The product may have 160 bits: long division with digits of 32.
    let (high, low) = (u128::from(quantity >> 32), u128::from(quantity & 0xffff_ffff));
    let high_product = high * total;
    let low_product = ((high_product % whole) << 32) + low * total;
    // Less than the quantity, because `total` is less than `whole`.
    let part = ((high_product / whole) << 32) + low_product / whole;
    (part as u64, low_product % whole)
}

#[cfg(test)]
mod tests {
    use protocol::money::Price;

    use super::*;
    use crate::grid::Grid;

    const IDS: [[u8; 1]; 4] = [[0], [1], [2], [3]];

    fn shares(quantities: &[u64], total: u128, seed: &Hash) -> Vec<u64> {
        let order = |(id, wh): (&'static [u8; 1], &u64)| Order {
            id,
            price: Price::MIN,
            quantity: Energy::from_wh(*wh),
            bus: Grid::ROOT,
        };
        let orders: Vec<Order<'_>> = IDS.iter().zip(quantities).map(order).collect();
        fill(&orders, total, seed, |_| Ordering::Equal).into_iter().map(Energy::wh).collect()
    }

    #[test]
    fn shares_are_pro_rata_by_largest_remainder() {
        let cases: [(&[u64], u128, &[u64]); 7] = [
            (&[], 0, &[]),
            (&[10, 20], 30, &[10, 20]),
            (&[10, 20], 99, &[10, 20]),
            (&[10, 20], 0, &[0, 0]),
            (&[10, 20, 30], 30, &[5, 10, 15]),
            // 1.43, 2.86 and 5.71: the two Wh left over go to the largest remainders.
            (&[10, 20, 40], 10, &[1, 3, 6]),
            (&[0, 3, 0], 2, &[0, 2, 0]),
        ];
        for (quantities, total, expected) in cases {
            assert_eq!(shares(quantities, total, &Hash::ZERO), expected, "{quantities:?} {total}");
        }
    }

    #[test]
    fn orders_in_the_money_come_before_those_at_the_margin_and_others_get_nothing() {
        let order = |id: &'static [u8; 1], micro| Order {
            id,
            price: Price::from_micro(micro).unwrap(),
            quantity: Energy::from_wh(100),
            bus: Grid::ROOT,
        };
        let orders = [order(&IDS[0], 5), order(&IDS[1], 7), order(&IDS[2], 3), order(&IDS[3], 5)];
        let margin = Price::from_micro(5).unwrap();
        let fills = fill(&orders, 150, &Hash::ZERO, |order| order.price.cmp(&margin));
        assert_eq!(fills, [25, 100, 0, 25].map(Energy::from_wh));
    }

    #[test]
    fn the_seed_decides_ties_and_every_order_can_win() {
        let mut winners = [0; 3];
        for seed in 0..60u8 {
            let found = shares(&[5, 5, 5], 4, &Hash::of(&[seed]));
            assert_eq!(found, shares(&[5, 5, 5], 4, &Hash::of(&[seed])));
            let winner = found.iter().position(|wh| *wh == 2).unwrap();
            assert_eq!(found.iter().sum::<u64>(), 4);
            winners[winner] += 1;
        }
        assert!(winners.iter().all(|wins| *wins > 5), "{winners:?}");
    }

    #[test]
    fn the_lowest_hash_wins() {
        let seed = Hash::of(b"block");
        let hash = |id: u8| Hash::of(&[seed.as_bytes().as_slice(), &[id]].concat());
        let lowest = (0..3u8).min_by_key(|id| hash(*id)).unwrap();
        let mut expected = vec![1; 3];
        expected[usize::from(lowest)] = 2;
        assert_eq!(shares(&[5, 5, 5], 4, &seed), expected);
    }

    #[test]
    fn parts_are_exact_where_products_are_wide() {
        assert_eq!(part_of(7, 3, 10), (2, 1));
        let all = u128::from(u64::MAX);
        for whole in [all, all * 3, all << 30, (1 << 95) - 1] {
            assert_eq!(part_of(u64::MAX, whole - 1, whole), (u64::MAX - 1, whole - all));
            assert_eq!(part_of(u64::MAX, 0, whole), (0, 0));
        }
        assert_eq!(shares(&[u64::MAX - 1; 4], 2 * (all - 1), &Hash::ZERO), [u64::MAX / 2; 4]);
    }
}
