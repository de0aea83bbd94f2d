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

/// Shares `total` Wh among some orders in proportion to their quantities, and at most those.
pub(crate) fn share(orders: &[Order<'_>], among: &[usize], total: u128, tie_seed: &Hash, fills: &mut [Energy]) {
    let claim = |&index: &usize| Claim { index, weight: orders[index].quantity.wh().into() };
    let whole: u128 = among.iter().map(|&index| u128::from(orders[index].quantity.wh())).sum();
    if total >= whole {
        for &index in among {
            fills[index] = orders[index].quantity;
        }
        return;
    }
    let claims: Vec<Claim> = among.iter().map(claim).collect();
    // No share is larger than the quantity, because the total is less than all quantities.
    let give = |index: usize, wh: u128| fills[index] = Energy::from_wh(wh as u64);
    entitle(&claims, total, whole, |index| rank(tie_seed, orders[index].id), give);
}

/// Where an order stands when remainders tie: the lowest comes first. Neither coming first nor a chosen id helps.
pub(crate) fn rank(tie_seed: &Hash, id: &[u8]) -> Hash {
    Hash::of_parts(&[tie_seed.as_bytes(), id])
}

/// A right to a part of something.
pub(crate) struct Claim {
    /// Whose.
    pub(crate) index: usize,
    /// How much of the whole weight.
    pub(crate) weight: u128,
}

/// Gives each claim its *weight ÷ `whole`* of `total` Wh, in whole Wh: the whole part of it, and the largest remainders
/// one Wh more, as far as all claims together have a right to whole Wh. Where remainders tie for the last Wh, the
/// lowest rank wins. The weights add up to at most `whole`.
pub(crate) fn entitle(
    claims: &[Claim],
    total: u128,
    whole: u128,
    mut rank: impl FnMut(usize) -> Hash,
    mut give: impl FnMut(usize, u128),
) {
    let claimed: u128 = claims.iter().map(|claim| claim.weight).sum();
    let mut left = if claimed == whole { total } else { part_of(claimed, total, whole).0 };
    let mut shares: Vec<Share> = Vec::with_capacity(claims.len());
    for claim in claims {
        let (wh, remainder) = part_of(claim.weight, total, whole);
        left -= wh;
        shares.push(Share { remainder, wh, index: claim.index });
    }
    // Fewer Wh are left than there are remainders, and whoever has a remainder has a right to a part of one Wh more.
    if let Some(last) = usize::try_from(left).ok().and_then(|left| left.checked_sub(1)) {
        let (above, at_cut, below) = shares.select_nth_unstable_by(last, |a, b| b.remainder.cmp(&a.remainder));
        let cut = at_cut.remainder;
        let mut left = last + 1;
        let mut tied = vec![at_cut];
        for share in above {
            if share.remainder > cut {
                share.wh += 1;
                left -= 1;
            } else {
                tied.push(share);
            }
        }
        tied.extend(below.iter_mut().filter(|share| share.remainder == cut));
        if left < tied.len() {
            let mut ranked: Vec<(Hash, &mut Share)> =
                tied.into_iter().map(|share| (rank(share.index), share)).collect();
            ranked.select_nth_unstable_by(left, |a, b| a.0.cmp(&b.0));
            tied = ranked.into_iter().take(left).map(|(_, share)| share).collect();
        }
        tied.into_iter().for_each(|share| share.wh += 1);
    }
    shares.iter().for_each(|share| give(share.index, share.wh));
}

/// A claim's share while it is being found.
struct Share {
    remainder: u128,
    wh: u128,
    index: usize,
}

/// `weight · total / whole` and its remainder, exactly; `weight` ≤ `whole` < 2¹²⁷.
fn part_of(weight: u128, total: u128, whole: u128) -> (u128, u128) {
    if let (Ok(weight), Ok(total), Ok(whole)) = (u64::try_from(weight), u64::try_from(total), u64::try_from(whole)) {
        return match weight.checked_mul(total) {
            Some(product) => ((product / whole).into(), (product % whole).into()),
            None => {
                let product = u128::from(weight) * u128::from(total);
                (product / u128::from(whole), product % u128::from(whole))
            }
        };
    }
    if let Some(product) = weight.checked_mul(total) {
        return (product / whole, product % whole);
    }
    // Wider than 128 bits: written multiplication in binary, divided as it goes.
    let (mut part, mut remainder) = (0u128, 0u128);
    let (more, rest) = (total / whole, total % whole);
    for bit in (0..128 - weight.leading_zeros()).rev() {
        part *= 2;
        remainder *= 2;
        if weight >> bit & 1 == 1 {
            remainder += rest;
        }
        part += remainder / whole;
        remainder %= whole;
    }
    (part + more * weight, remainder)
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
        for whole in [all, all * 3, all << 30, (1 << 95) - 1, (1 << 126) - 1] {
            assert_eq!(part_of(all, whole - 1, whole), (all - 1, whole - all));
            assert_eq!(part_of(whole - 1, whole - 1, whole), (whole - 2, 1));
            assert_eq!(part_of(all, 0, whole), (0, 0));
        }
        assert_eq!(shares(&[u64::MAX - 1; 4], 2 * (all - 1), &Hash::ZERO), [u64::MAX / 2; 4]);
    }
}
