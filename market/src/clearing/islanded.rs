//! `islanded`: what an island's grid has made is settled at the plan's price, first what was drawn within the quotas.
//!
//! Quotas ration before the interval, see [`island`](crate::island). Afterwards all that was metered is settled:
//! whoever drew more than its quota pays the same price, after everyone else was served. There is no supplier, so
//! nobody's limit counts: on an island a member cannot be refused what it was entitled to.

use protocol::energy::Energy;

use super::{
    Book, Clearing, Context, Mechanism, Order, PictureKind,
    equal_awards::{Claim, equal_awards},
    pairing::{Deal, pair},
    posted::community_price,
    rationing::{rank, share},
};

/// The mechanism `islanded`.
pub(super) struct Islanded;

impl Mechanism for Islanded {
    fn name(&self) -> &'static str {
        protocol::island::ISLANDED
    }

    fn summary(&self) -> &'static str {
        "on an island: within the quotas first, in equal parts, at the plan's price"
    }

    fn picture(&self) -> PictureKind {
        PictureKind::CommunityPrice
    }

    fn clear(&self, book: &Book<'_>, context: &Context<'_>) -> Clearing {
        let planned = context.terms.said(|parameters| parameters.island.as_deref()).map(|plan| plan.price());
        let Some(price) = planned.or_else(|| community_price(book, context.terms)) else {
            return Clearing::nothing(book);
        };
        let within_limit = |order: &&Order<'_>| order.price <= price;
        let offered: Vec<usize> =
            book.offers.iter().enumerate().filter(|(_, offer)| within_limit(offer)).map(|(index, _)| index).collect();
        let supply: u128 = offered.iter().map(|&index| u128::from(book.offers[index].quantity.wh())).sum();

        let wanted: Vec<Energy> =
            book.bids.iter().map(|bid| if bid.price >= price { bid.quantity } else { Energy::ZERO }).collect();
        let entitled: Vec<Energy> = match context.terms.quotas.as_slice() {
            [] => wanted.clone(),
            quotas => wanted.iter().zip(quotas).map(|(wanted, quota)| *wanted.min(quota)).collect(),
        };
        let rank_of = |index: usize| rank(context.tie_seed, book.bids[index].id);
        let awards = |claims: &[Energy], total: u128| {
            let claims: Vec<Claim> = claims.iter().map(|claim| Claim { wh: claim.wh(), weight: 1 }).collect();
            equal_awards(&claims, total, rank_of)
        };
        let first = awards(&entitled, supply);
        let left = supply - first.iter().map(|wh| u128::from(*wh)).sum::<u128>();
        let beyond: Vec<Energy> =
            wanted.iter().zip(&entitled).map(|(wanted, entitled)| wanted.saturating_sub(*entitled)).collect();
        let second = awards(&beyond, left);
        let bids: Vec<Energy> = first.iter().zip(&second).map(|(a, b)| Energy::from_wh(a + b)).collect();

        let quantity: u128 = bids.iter().map(|fill| u128::from(fill.wh())).sum();
        if quantity == 0 {
            return Clearing::nothing(book);
        }
        let mut offers = vec![Energy::ZERO; book.offers.len()];
        share(&book.offers, &offered, quantity, context.tie_seed, &mut offers);
        let trades = pair(book, &bids, &offers, context.grid, |_, _| Deal::at(price));
        Clearing { quantity, price: Some(price), bids, offers, trades, ..Clearing::nothing(book) }
    }
}

#[cfg(test)]
mod tests {
    use protocol::{hash::Hash, money::Price};

    use super::*;
    use crate::{clearing::Terms, grid::Grid};

    fn cleared(bids: &[u64], offers: &[u64], quotas: &[u64]) -> (Vec<u64>, Vec<u64>, Vec<Price>) {
        let ids: Vec<[u8; 1]> = (0..10).map(|id| [id]).collect();
        let order = |(id, quantity): (&[u8; 1], &u64), micro| Order {
            id: &ids[usize::from(id[0])],
            price: Price::from_micro(micro).unwrap(),
            quantity: Energy::from_wh(*quantity),
            bus: Grid::ROOT,
        };
        let book = Book {
            bids: ids.iter().zip(bids).map(|bid| order(bid, 350_000)).collect(),
            offers: ids.iter().zip(offers).map(|offer| order(offer, 0)).collect(),
        };
        let quotas = quotas.iter().copied().map(Energy::from_wh).collect();
        let terms = Terms { midpoint: Price::from_micro(350_000), quotas, ..Terms::default() };
        let clearing =
            Islanded.clear(&book, &Context { grid: &Grid::single_bus(), tie_seed: &Hash::ZERO, terms: &terms });
        assert_eq!(clearing.check(&book), Ok(()));
        let wh = |fills: Vec<Energy>| fills.into_iter().map(Energy::wh).collect();
        let prices = clearing.trades.iter().map(|trade| trade.price).collect();
        (wh(clearing.bids), wh(clearing.offers), prices)
    }

    #[test]
    fn what_was_drawn_within_the_quotas_is_served_first() {
        // 100 Wh were made; the second drew 60 Wh more than its quota.
        let (bids, offers, prices) = cleared(&[40, 80], &[60, 40], &[50, 20]);
        assert_eq!((bids, offers), (vec![40, 60], vec![60, 40]));
        assert!(prices.iter().all(|price| price.micro() == 350_000));
        // Not even the quotas could be made: equal parts.
        assert_eq!(cleared(&[40, 80], &[30], &[50, 20]).0, [15, 15]);
        assert_eq!(cleared(&[40, 80], &[30], &[50, 5]).0, [25, 5]);
    }

    #[test]
    fn what_nobody_draws_is_sold_to_nobody() {
        let (bids, offers, _) = cleared(&[40, 10], &[60, 40], &[100, 100]);
        assert_eq!((bids, offers), (vec![40, 10], vec![30, 20]));
        assert_eq!(cleared(&[], &[10], &[]).1, [0]);
    }

    #[test]
    fn without_quotas_all_are_entitled_to_all_they_want() {
        assert_eq!(cleared(&[40, 80], &[60], &[]).0, [30, 30]);
    }
}
