//! Who gets how much when claims are more than there is, and nobody is to have more than another for claiming more:
//! constrained equal awards (Thomson, *How to Divide When There Isn't Enough*, Cambridge 2019, chapter 2; the rule of
//! Maimonides), by weight.
//!
//! Everyone gets `min(claim, weight · λ)`, with the largest λ for which there is enough; in whole Wh, what `weight · λ`
//! leaves over by largest remainder.

use protocol::hash::Hash;

use super::rationing::{Claim as Part, entitle};

/// A claim to a part of what there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    /// How much, Wh.
    pub(crate) wh: u64,
    /// How many it counts for; without any weight it gets nothing.
    pub(crate) weight: u32,
}

/// What each claim gets of `total` Wh. `rank` decides who gets a Wh that cannot be shared: the lowest comes first.
pub(crate) fn equal_awards(claims: &[Claim], total: u128, rank: impl FnMut(usize) -> Hash) -> Vec<u64> {
    let mut awards = vec![0; claims.len()];
    let mut open: Vec<usize> =
        (0..claims.len()).filter(|&index| claims[index].wh > 0 && claims[index].weight > 0).collect();
    // Who claims least by its weight has all of its claim first.
    let product = |a: usize, b: usize| u128::from(claims[a].wh) * u128::from(claims[b].weight);
    open.sort_by(|&a, &b| product(a, b).cmp(&product(b, a)));
    let mut weight: u128 = open.iter().map(|&index| u128::from(claims[index].weight)).sum();
    let mut left = total;
    let mut whole = 0;
    for &index in &open {
        let Claim { wh, weight: own } = claims[index];
        if u128::from(wh) * weight > left * u128::from(own) {
            break;
        }
        awards[index] = wh;
        left -= u128::from(wh);
        weight -= u128::from(own);
        whole += 1;
    }
    let parts: Vec<Part> =
        open[whole..].iter().map(|&index| Part { index, weight: claims[index].weight.into() }).collect();
    if weight > 0 {
        // Less than the claim, so it fits.
        entitle(&parts, left, weight, rank, |index, wh| awards[index] = wh as u64);
    }
    awards
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clearing::rationing::rank;

    fn awards(claims: &[(u64, u32)], total: u128, seed: u8) -> Vec<u64> {
        let claims: Vec<Claim> = claims.iter().map(|&(wh, weight)| Claim { wh, weight }).collect();
        equal_awards(&claims, total, |index| rank(&Hash::of(&[seed]), &[index as u8]))
    }

    #[test]
    fn the_published_example_is_met() {
        // Claims of 2, 4, 7, 8 on 10: 2, 8/3, 8/3, 8/3 (the R package ClaimsProblems, rule CEA). In thousandths of a
        // third.
        let claims = [(6_000, 1), (12_000, 1), (21_000, 1), (24_000, 1)];
        assert_eq!(awards(&claims, 30_000, 0), [6_000, 8_000, 8_000, 8_000]);
    }

    #[test]
    fn a_weight_counts_as_so_many_and_a_claim_without_one_gets_nothing() {
        assert_eq!(awards(&[(100, 1), (100, 3)], 80, 0), [20, 60]);
        assert_eq!(awards(&[(10, 1), (100, 3)], 80, 0), [10, 70]);
        assert_eq!(awards(&[(10, 0), (100, 3)], 80, 0), [0, 80]);
        assert_eq!(awards(&[(10, 0), (10, 0)], 15, 0), [0, 0]);
    }

    #[test]
    fn the_last_wh_is_decided_by_the_seed_and_anyone_can_have_it() {
        let winners: std::collections::BTreeSet<Vec<u64>> =
            (0..30).map(|seed| awards(&[(5, 1), (5, 1), (5, 1)], 4, seed)).collect();
        assert_eq!(winners.into_iter().collect::<Vec<_>>(), [[1, 1, 2], [1, 2, 1], [2, 1, 1]]);
    }

    #[test]
    fn whoever_claims_nothing_gets_nothing_and_nobody_gets_more_than_claimed() {
        assert_eq!(awards(&[(0, 1), (5, 1)], 100, 0), [0, 5]);
        assert_eq!(awards(&[], 100, 0), [0; 0]);
        let most = u64::MAX >> 20;
        assert_eq!(awards(&[(most, 1_000), (most, 1_000)], 1, 0).iter().sum::<u64>(), 1);
    }
}
