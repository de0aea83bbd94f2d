//! What every clearing must hold, on random books.
//!
//! Failing cases are kept as seeds in `clearing_properties.seeds` beside this file and tried again first.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use market::{
    clearing::{Book, Clearing, Context, Network, Order, Terms, mechanism, mechanisms},
    grid::Grid,
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use protocol::{
    energy::Energy,
    hash::Hash,
    limits::ENERGY_WH_MAX,
    member::MemberId,
    money::Price,
    parameters::{Parameters, Share},
};

#[path = "support/generators.rs"]
mod generators;
#[path = "support/shuffled.rs"]
mod shuffled;

use generators::{BUSES, config, energy, grid, parameters, price};
use shuffled::{places, shuffled};

/// An order with an id of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Wish {
    id: Vec<u8>,
    price: Price,
    quantity: Energy,
    /// On an island, what it is entitled to.
    quota: Energy,
    bus: &'static str,
}

/// One side's orders: none, few, or many.
fn side(ids: std::ops::Range<u16>) -> impl Strategy<Value = Vec<Wish>> {
    let order = || (any::<u16>(), price(), energy(), energy(), prop::sample::select(&BUSES[..]));
    let orders = prop_oneof![
        2 => Just(Vec::new()),
        3 => prop::collection::vec(order(), 1..4),
        6 => prop::collection::vec(order(), 4..14),
    ];
    orders.prop_map(move |orders| {
        let mut used = BTreeSet::new();
        let mut wishes = Vec::new();
        for (id, price, quantity, quota, bus) in orders {
            let id = ids.start + id % (ids.end - ids.start);
            if used.insert(id) {
                wishes.push(Wish { id: id.to_be_bytes().to_vec(), price, quantity, quota, bus });
            }
        }
        wishes
    })
}

/// Whoever has an order of this id.
fn member(id: &[u8]) -> MemberId {
    let mut bytes = [0; 16];
    bytes[..id.len()].copy_from_slice(id);
    MemberId::from_bytes(bytes)
}

/// Bid, offer, energy and price of a match.
type NamedTrade = (Vec<u8>, Vec<u8>, Energy, Price);

#[derive(Debug, Clone)]
struct Wishes {
    bids: Vec<Wish>,
    offers: Vec<Wish>,
    seed: Hash,
    parameters: Parameters,
    network: Option<Network>,
}

fn wishes() -> impl Strategy<Value = Wishes> {
    (side(0..1_000), side(1_000..2_000), any::<[u8; 4]>()).prop_map(|(bids, offers, seed)| Wishes {
        bids,
        offers,
        seed: Hash::of(&seed),
        parameters: Parameters::default(),
        network: None,
    })
}

/// Wishes with terms: shares and places for ids as the orders have them, and a network.
fn wishes_on_terms() -> impl Strategy<Value = Wishes> {
    let ids = || prop::collection::btree_map(0..1_000u16, 0..100_000u32, 0..10);
    (wishes(), parameters(), prop::option::of(ids())).prop_map(|(wishes, parameters, ids)| {
        let named = wishes.bids.iter().map(|wish| member(&wish.id)).zip([250_000, 100_000, 33_333]);
        let bids = named.map(|(member, ppm)| Share { member, ppm });
        let interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
        let network = Network::new(&grid(), &parameters, interval, &[0, 20, 0, -300, 0, 1_000, 7]).unwrap();
        let parameters = Parameters {
            shares: ids.as_ref().map(|_| bids.collect()),
            priority: Some(wishes.bids.iter().rev().map(|wish| member(&wish.id)).take(4).collect()),
            ..parameters
        };
        Wishes { parameters, network: Some(network), ..wishes }
    })
}

impl Wishes {
    fn book(&self, grid: &Grid) -> Book<'_> {
        fn orders<'a>(wishes: &'a [Wish], grid: &Grid) -> Vec<Order<'a>> {
            let order = |wish: &'a Wish| Order {
                id: &wish.id,
                price: wish.price,
                quantity: wish.quantity,
                bus: grid.bus(Some(wish.bus)).unwrap(),
            };
            wishes.iter().map(order).collect()
        }
        Book { bids: orders(&self.bids, grid), offers: orders(&self.offers, grid) }
    }

    fn clear(&self, mechanism_name: &str) -> Clearing {
        let grid = grid();
        let book = self.book(&grid);
        let member_of = |id: &[u8]| Some(member(id));
        let network = self.network.clone();
        let on_island = self.bids.iter().filter(|_| self.parameters.island.is_some());
        let quotas = on_island.map(|wish| wish.quota).collect();
        let terms = Terms { parameters: Some(&self.parameters), member_of, network, quotas, ..Terms::default() };
        let clearing = mechanism(mechanism_name)
            .unwrap()
            .clear(&book, &Context { grid: &grid, tie_seed: &self.seed, terms: &terms });
        assert_eq!(clearing.check(&book), Ok(()));
        clearing
    }

    /// A clearing without indices: what each id trades, and who trades with whom, in the order of the trades.
    fn by_id(&self, clearing: &Clearing) -> (BTreeMap<Vec<u8>, Energy>, Vec<NamedTrade>) {
        let ids = |wishes: &[Wish]| wishes.iter().map(|wish| wish.id.clone()).collect::<Vec<_>>();
        let (bids, offers) = (ids(&self.bids), ids(&self.offers));
        let fills = bids.iter().zip(&clearing.bids).chain(offers.iter().zip(&clearing.offers));
        let trade = |trade: &market::clearing::Match| {
            (bids[trade.bid as usize].clone(), offers[trade.offer as usize].clone(), trade.energy, trade.price)
        };
        (fills.map(|(id, fill)| (id.clone(), *fill)).collect(), clearing.trades.iter().map(trade).collect())
    }
}

fn total(wishes: &[Wish], wanted: impl Fn(Price) -> bool) -> u128 {
    wishes.iter().filter(|wish| wanted(wish.price)).map(|wish| u128::from(wish.quantity.wh())).sum()
}

/// The largest volume and the clearing prices straight from their definitions, trying every price that can matter.
fn solved_by_definition(wishes: &Wishes) -> Option<(u128, Price, Price)> {
    let candidates: BTreeSet<Price> = wishes.bids.iter().chain(&wishes.offers).map(|wish| wish.price).collect();
    let (bids, offers) = (&wishes.bids, &wishes.offers);
    let volume =
        candidates.iter().map(|&at| total(bids, |p| p >= at).min(total(offers, |p| p <= at))).max().unwrap_or(0);
    if volume == 0 {
        return None;
    }
    let low = candidates.iter().find(|&&at| total(bids, |p| p > at) <= total(offers, |p| p <= at));
    let high = candidates.iter().rev().find(|&&at| total(offers, |p| p < at) <= total(bids, |p| p >= at));
    Some((volume, *low.unwrap(), *high.unwrap()))
}

/// The largest surplus of any trades: best bids with best offers, as long as both gain.
fn largest_surplus(wishes: &Wishes) -> i128 {
    let mut bids: Vec<(Price, u64)> = wishes.bids.iter().map(|wish| (wish.price, wish.quantity.wh())).collect();
    let mut offers: Vec<(Price, u64)> = wishes.offers.iter().map(|wish| (wish.price, wish.quantity.wh())).collect();
    bids.sort_unstable();
    offers.sort_unstable_by_key(|offer| std::cmp::Reverse(*offer));
    let mut surplus = 0;
    while let (Some(bid), Some(offer)) = (bids.last_mut(), offers.last_mut()) {
        if bid.0 < offer.0 {
            break;
        }
        let wh = bid.1.min(offer.1);
        surplus += i128::from(bid.0.micro() - offer.0.micro()) * i128::from(wh);
        (bid.1, offer.1) = (bid.1 - wh, offer.1 - wh);
        if bid.1 == 0 {
            bids.pop();
        } else {
            offers.pop();
        }
    }
    surplus
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn uniform_is_what_its_definition_says(wishes in wishes()) {
        let clearing = wishes.clear("uniform");
        let grid = grid();
        let found = clearing.price_interval.map(|(low, high)| (clearing.quantity, low, high));
        prop_assert_eq!(found, solved_by_definition(&wishes));
        prop_assert_eq!(clearing.surplus(&wishes.book(&grid)), largest_surplus(&wishes));
        if let (Some((low, high)), Some(price)) = (clearing.price_interval, clearing.price) {
            prop_assert_eq!(price, Price::midpoint(low, high));
            for (wish, fill) in wishes.bids.iter().zip(&clearing.bids) {
                prop_assert!(wish.price <= low || *fill == wish.quantity, "a bid above every price gets all");
                prop_assert!(wish.price >= low || fill.is_zero(), "a bid below every price gets nothing");
            }
            for (wish, fill) in wishes.offers.iter().zip(&clearing.offers) {
                prop_assert!(wish.price >= high || *fill == wish.quantity);
                prop_assert!(wish.price <= high || fill.is_zero());
            }
        }
    }

    #[test]
    fn no_permutation_of_a_book_changes_its_clearing(wishes in wishes_on_terms(), bids in places(), offers in places()) {
        let permuted = Wishes {
            bids: shuffled(&wishes.bids, &bids),
            offers: shuffled(&wishes.offers, &offers),
            ..wishes.clone()
        };
        for mechanism in mechanisms() {
            let (one, other) = (wishes.clear(mechanism.name()), permuted.clear(mechanism.name()));
            prop_assert_eq!((one.quantity, one.price, one.price_interval), (other.quantity, other.price, other.price_interval));
            prop_assert_eq!(&one.feeder, &other.feeder);
            prop_assert_eq!(wishes.by_id(&one), permuted.by_id(&other));
        }
    }

    #[test]
    fn equals_at_the_margin_differ_by_one_watt_hour_at_most(wishes in wishes()) {
        // Trade reduction gives up one order of several equal ones.
        for mechanism in mechanisms().iter().filter(|mechanism| mechanism.name() != "mcafee") {
            let clearing = wishes.clear(mechanism.name());
            for (side, fills) in [(&wishes.bids, &clearing.bids), (&wishes.offers, &clearing.offers)] {
                let mut equals: BTreeMap<(Price, Energy), Vec<u64>> = BTreeMap::new();
                for (wish, fill) in side.iter().zip(fills) {
                    equals.entry((wish.price, wish.quantity)).or_default().push(fill.wh());
                }
                for fills in equals.values() {
                    prop_assert!(fills.iter().max().unwrap() - fills.iter().min().unwrap() <= 1, "{}", mechanism.name());
                }
            }
        }
    }

    #[test]
    fn who_is_equal_behind_one_bus_shares_fairly_whatever_lines_carry(wishes in wishes_on_terms()) {
        let clearing = wishes.clear("feeder");
        for (side, fills) in [(&wishes.bids, &clearing.bids), (&wishes.offers, &clearing.offers)] {
            let mut equals: BTreeMap<(&str, Price, Energy), Vec<u64>> = BTreeMap::new();
            for (wish, fill) in side.iter().zip(fills) {
                equals.entry((wish.bus, wish.price, wish.quantity)).or_default().push(fill.wh());
            }
            for fills in equals.values() {
                prop_assert!(fills.iter().max().unwrap() - fills.iter().min().unwrap() <= 1);
            }
        }
    }

    #[test]
    fn threads_do_not_change_a_clearing(wishes in wishes_on_terms()) {
        for mechanism in mechanisms() {
            let here = wishes.clear(mechanism.name());
            let there: Vec<Clearing> = std::thread::scope(|scope| {
                let started: Vec<_> = (0..3).map(|_| scope.spawn(|| wishes.clear(mechanism.name()))).collect();
                started.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            prop_assert!(there.iter().all(|clearing| *clearing == here));
        }
    }

    #[test]
    fn allocation_keys_serve_nobody_whose_limit_excludes_their_price(wishes in wishes_on_terms()) {
        for name in ["mid_market_rate", "static_key", "dynamic_key", "cascading_key", "priority_key"] {
            let clearing = wishes.clear(name);
            let Some(price) = clearing.price else { continue };
            prop_assert!(wishes.parameters.community_price.is_none_or(|said| said == price));
            let bids = wishes.bids.iter().zip(&clearing.bids);
            prop_assert!(bids.clone().all(|(wish, fill)| wish.price >= price || fill.is_zero()));
            let supply = total(&wishes.offers, |limit| limit <= price);
            let demand = total(&wishes.bids, |limit| limit >= price);
            match name {
                "static_key" => {
                    for (wish, fill) in bids {
                        let Some(shares) = &wishes.parameters.shares else { continue };
                        let share = shares.iter().find(|share| share.member == member(&wish.id));
                        let share = share.map_or(0, |share| u128::from(share.ppm));
                        prop_assert!(u128::from(fill.wh()) <= supply * share / 1_000_000 + 1);
                    }
                }
                // Whoever is not named is entitled to nothing.
                "cascading_key" if wishes.parameters.shares.is_some() => prop_assert!(clearing.quantity <= supply),
                // All that is offered is allocated as long as someone consumes.
                _ => prop_assert_eq!(clearing.quantity, supply.min(demand)),
            }
        }
    }

    #[test]
    fn what_can_be_paired_on_a_bus_is_not_paired_farther_away(wishes in wishes()) {
        let clearing = wishes.clear("uniform");
        prop_assert!(clearing.trades.len() <= wishes.bids.len() + wishes.offers.len());
        // The parts of the grid: energy that a part both wants and offers never leaves it.
        let parts: [&[&str]; 10] =
            [&["T"], &["root"], &["a"], &["a1"], &["a2"], &["b"], &["b1"], &["a", "a1", "a2"], &["b", "b1"], &BUSES];
        for part in parts {
            let within = |wish: &Wish| part.contains(&wish.bus);
            let filled = |side: &[Wish], fills: &[Energy]| -> u64 {
                side.iter().zip(fills).filter(|(wish, _)| within(wish)).map(|(_, fill)| fill.wh()).sum()
            };
            let could = filled(&wishes.bids, &clearing.bids).min(filled(&wishes.offers, &clearing.offers));
            let stays = |trade: &&market::clearing::Match| {
                within(&wishes.bids[trade.bid as usize]) && within(&wishes.offers[trade.offer as usize])
            };
            let inside: u64 = clearing.trades.iter().filter(stays).map(|trade| trade.energy.wh()).sum();
            prop_assert_eq!(inside, could, "{:?}", part);
        }
    }
}

#[test]
fn the_generators_make_what_the_properties_are_about() {
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..1_000 {
        let wishes = wishes().new_tree(&mut runner).unwrap().current();
        let clearing = wishes.clear("uniform");
        let present = |side: &[Wish]| side.iter().any(|wish| !wish.quantity.is_zero());
        let rationed = |side: &[Wish], fills: &[Energy]| {
            let partly = side.iter().zip(fills).filter(|(wish, fill)| !fill.is_zero() && **fill < wish.quantity);
            partly.count()
        };
        // Equal orders with unequal fills: the hash has decided.
        let drawn = |side: &[Wish], fills: &[Energy]| {
            let each: BTreeSet<_> =
                side.iter().zip(fills).map(|(wish, fill)| (wish.price, wish.quantity, *fill)).collect();
            let equal: BTreeSet<_> = side.iter().map(|wish| (wish.price, wish.quantity)).collect();
            each.len() > equal.len()
        };
        let all = || wishes.bids.iter().chain(&wishes.offers);
        let kinds = [
            ("empty book", wishes.bids.is_empty() && wishes.offers.is_empty()),
            ("bids only", present(&wishes.bids) && !present(&wishes.offers)),
            ("offers only", !present(&wishes.bids) && present(&wishes.offers)),
            ("both sides, nothing trades", present(&wishes.bids) && present(&wishes.offers) && clearing.quantity == 0),
            ("one clearing price", clearing.price_interval.is_some_and(|(low, high)| low == high)),
            ("many clearing prices", clearing.price_interval.is_some_and(|(low, high)| low < high)),
            ("bids rationed among several", rationed(&wishes.bids, &clearing.bids) > 1),
            ("offers rationed among several", rationed(&wishes.offers, &clearing.offers) > 1),
            ("bids drawn by hash", drawn(&wishes.bids, &clearing.bids)),
            ("offers drawn by hash", drawn(&wishes.offers, &clearing.offers)),
            ("an order of nothing", all().any(|wish| wish.quantity.is_zero())),
            ("the largest quantity", all().any(|wish| wish.quantity.wh() == ENERGY_WH_MAX)),
            ("the extreme prices", all().any(|wish| wish.price == Price::MIN || wish.price == Price::MAX)),
            (
                "trades between buses",
                clearing.trades.iter().any(|t| wishes.bids[t.bid as usize].bus != wishes.offers[t.offer as usize].bus),
            ),
        ];
        for (kind, is_there) in kinds {
            *seen.entry(kind).or_default() += u32::from(is_there);
        }
    }
    let rare: Vec<_> = seen.iter().filter(|(_, count)| **count < 20).collect();
    assert!(rare.is_empty(), "hardly ever generated: {rare:?}; {seen:?}");
}

#[test]
fn every_mechanism_is_tried_with_all_that_can_happen_to_it() {
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..1_000 {
        let wishes = wishes_on_terms().new_tree(&mut runner).unwrap().current();
        for mechanism in mechanisms() {
            let clearing = wishes.clear(mechanism.name());
            let partly = |side: &[Wish], fills: &[Energy]| {
                side.iter().zip(fills).any(|(wish, fill)| !fill.is_zero() && *fill < wish.quantity)
            };
            let mut kinds = vec![
                ("nothing trades", clearing.quantity == 0),
                ("something trades", clearing.quantity > 0),
                ("bids filled in part", partly(&wishes.bids, &clearing.bids)),
                ("offers filled in part", partly(&wishes.offers, &clearing.offers)),
            ];
            if ["mcafee", "feeder"].contains(&mechanism.name()) {
                kinds.push(("the operator earns", clearing.trades.iter().any(|trade| trade.price > trade.received)));
            }
            for (kind, is_there) in kinds {
                *seen.entry(format!("{}: {kind}", mechanism.name())).or_default() += u32::from(is_there);
            }
        }
    }
    let rare: Vec<_> = seen.iter().filter(|(_, count)| **count < 20).collect();
    assert!(rare.is_empty(), "hardly ever generated: {rare:?}; {seen:?}");
}

#[test]
fn the_largest_book_of_the_largest_orders_does_not_overflow() {
    let ids: Vec<[u8; 4]> = (0..20_001u32).map(u32::to_be_bytes).collect();
    for quantity in [ENERGY_WH_MAX, u64::MAX] {
        let order = |id, price| Order { id, price, quantity: Energy::from_wh(quantity), bus: Grid::ROOT };
        let book = Book {
            bids: ids[..20_000].iter().map(|id| order(id, Price::MAX)).collect(),
            offers: ids[..10_001].iter().map(|id| order(id, Price::MIN)).collect(),
        };
        let context = Context { grid: &Grid::single_bus(), tie_seed: &Hash::ZERO, terms: &Terms::default() };
        for mechanism in mechanisms() {
            let clearing = mechanism.clear(&book, &context);
            assert_eq!(clearing.check(&book), Ok(()));
            // Trade reduction gives up one trade: no offer is left that could set a price.
            let trades = if mechanism.name() == "mcafee" { 10_000 } else { 10_001 };
            assert_eq!(clearing.quantity, trades * u128::from(quantity), "{}", mechanism.name());
            assert_eq!(clearing.surplus(&book), 2_000_000_000 * trades as i128 * i128::from(quantity));
        }
    }
}
