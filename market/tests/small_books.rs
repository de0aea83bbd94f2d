//! Small books, in which everything can be tried: every way to trade, and every lie.

#![allow(clippy::unwrap_used)]

use market::{
    clearing::{Book, Clearing, Context, Order, Terms, mechanism},
    grid::Grid,
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, FileFailurePersistence, TestRunner},
};
use protocol::{energy::Energy, hash::Hash, money::Price};

/// Highest price, and with it the number of lies.
const PRICE_MAX: i64 = 12;

fn config() -> Config {
    Config {
        cases: 1_024,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("seeds"))),
        ..Config::default()
    }
}

/// Price and Wh of each order.
#[derive(Debug, Clone)]
struct Small {
    bids: Vec<(i64, u64)>,
    offers: Vec<(i64, u64)>,
    seed: u8,
}

fn small(orders_max: usize, wh_max: u64) -> impl Strategy<Value = Small> {
    let side = move || prop::collection::vec((0..=PRICE_MAX, 0..=wh_max), 0..=orders_max);
    // As often as not all of one size, as in McAfee's paper.
    (side(), side(), any::<u8>(), any::<bool>()).prop_map(|(mut bids, mut offers, seed, units)| {
        if units {
            bids.iter_mut().chain(&mut offers).for_each(|order| order.1 = 3);
        }
        Small { bids, offers, seed }
    })
}

impl Small {
    fn clear(&self, name: &str) -> Clearing {
        const IDS: [[u8; 1]; 16] =
            [[0], [1], [2], [3], [4], [5], [6], [7], [8], [9], [10], [11], [12], [13], [14], [15]];
        let orders = |list: &[(i64, u64)], first: usize| -> Vec<Order<'static>> {
            let order = |(place, &(micro, wh)): (usize, &(i64, u64))| Order {
                id: &IDS[first + place],
                price: Price::from_micro(micro).unwrap(),
                quantity: Energy::from_wh(wh),
                bus: Grid::ROOT,
            };
            list.iter().enumerate().map(order).collect()
        };
        let book = Book { bids: orders(&self.bids, 0), offers: orders(&self.offers, 8) };
        let seed = Hash::of(&[self.seed]);
        let context = Context { grid: &Grid::single_bus(), tie_seed: &seed, terms: &Terms::default() };
        let clearing = mechanism(name).unwrap().clear(&book, &context);
        assert_eq!(clearing.check(&book), Ok(()));
        clearing
    }

    /// What a bid gains whose Wh are worth `value` each.
    fn bid_gains(&self, name: &str, bid: usize, value: i64) -> i128 {
        let trades = self.clear(name).trades;
        let mine = trades.iter().filter(|trade| trade.bid as usize == bid);
        mine.map(|trade| i128::from(value - trade.price.micro()) * i128::from(trade.energy.wh())).sum()
    }

    /// What an offer gains whose Wh cost `value` each.
    fn offer_gains(&self, name: &str, offer: usize, value: i64) -> i128 {
        let trades = self.clear(name).trades;
        let mine = trades.iter().filter(|trade| trade.offer as usize == offer);
        mine.map(|trade| i128::from(trade.received.micro() - value) * i128::from(trade.energy.wh())).sum()
    }

    /// The most that one lie of one trader gains over the truth.
    fn best_lie(&self, name: &str) -> i128 {
        let mut best = i128::MIN;
        for (bid, &(value, _)) in self.bids.iter().enumerate() {
            let truth = self.bid_gains(name, bid, value);
            for lie in -1..=PRICE_MAX + 1 {
                let mut lied = self.clone();
                lied.bids[bid].0 = lie;
                best = best.max(lied.bid_gains(name, bid, value) - truth);
            }
        }
        for (offer, &(value, _)) in self.offers.iter().enumerate() {
            let truth = self.offer_gains(name, offer, value);
            for lie in -1..=PRICE_MAX + 1 {
                let mut lied = self.clone();
                lied.offers[offer].0 = lie;
                best = best.max(lied.offer_gains(name, offer, value) - truth);
            }
        }
        best
    }

    /// The largest surplus of all ways to trade, and the largest volume with it.
    fn tried_all(&self) -> (i128, u128) {
        // Of each side, the best worth of each volume.
        let best = |orders: &[(i64, u64)], sign: i64| -> Vec<i64> {
            let mut best = vec![0];
            for &(price, wh) in orders {
                let mut with = vec![i64::MIN; best.len() + wh as usize];
                for (volume, worth) in best.iter().enumerate() {
                    for fill in 0..=wh {
                        let sum = &mut with[volume + fill as usize];
                        *sum = (*sum).max(worth + sign * price * fill as i64);
                    }
                }
                best = with;
            }
            best
        };
        let (bids, offers) = (best(&self.bids, 1), best(&self.offers, -1));
        let all = bids.iter().zip(&offers).enumerate();
        all.map(|(volume, (bid, offer))| (i128::from(bid + offer), volume as u128)).max().unwrap()
    }

    fn surplus(&self, clearing: &Clearing) -> i128 {
        let worth = |orders: &[(i64, u64)], fills: &[Energy]| -> i128 {
            orders.iter().zip(fills).map(|(order, fill)| i128::from(order.0) * i128::from(fill.wh())).sum()
        };
        worth(&self.bids, &clearing.bids) - worth(&self.offers, &clearing.offers)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_way_to_trade_is_better_than_uniform(small in small(5, 6)) {
        for name in ["uniform", "pay_as_bid", "feeder"] {
            let clearing = small.clear(name);
            prop_assert_eq!((small.surplus(&clearing), clearing.quantity), small.tried_all(), "{}", name);
        }
    }

    #[test]
    fn under_mcafee_no_lie_about_a_limit_gains_anything(small in small(5, 6)) {
        prop_assert!(small.best_lie("mcafee") <= 0);
    }
}

#[test]
fn the_lies_that_mcafee_withstands_pay_under_uniform() {
    let mut runner = TestRunner::deterministic();
    let (mut pays, mut one_price, mut two_prices, mut given_up) = (0, 0, 0, 0);
    for _ in 0..300 {
        let small = small(5, 6).new_tree(&mut runner).unwrap().current();
        pays += u32::from(small.best_lie("uniform") > 0);
        let mcafee = small.clear("mcafee");
        one_price += u32::from(mcafee.price.is_some());
        two_prices += u32::from(mcafee.price.is_none() && mcafee.quantity > 0);
        given_up += u32::from(mcafee.quantity < small.clear("uniform").quantity);
    }
    let seen = [pays, one_price, two_prices, given_up];
    assert!(seen.iter().all(|count| *count > 20), "{seen:?}");
}
