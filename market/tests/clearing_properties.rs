//! What every clearing and every settlement must hold, on random books and neighbourhoods.
//!
//! Failing cases are kept as seeds in `clearing_properties.seeds` beside this file and tried again first.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use market::{
    clearing::{Book, Clearing, Context, Network, Order, Terms, mechanism, mechanisms},
    grid::Grid,
    metering::Metered,
    settlement::{IntervalInput, Limits, MeteredMember, settle},
};
use proptest::{
    prelude::*,
    sample::Index,
    strategy::ValueTree,
    test_runner::{Config, FileFailurePersistence, TestRunner},
};
use protocol::{
    energy::Energy,
    genesis::{GridLine, GridPlan, Rules},
    hash::Hash,
    limits::ENERGY_WH_MAX,
    member::MemberId,
    money::{Amount, Price},
    parameters::{Fees, LineFee, Parameters, Share},
    reading::Flow,
    settlement::Settlement,
};

/// `T`, the transformer's far side, is above all others.
const BUSES: [&str; 7] = ["T", "root", "a", "a1", "a2", "b", "b1"];

fn config() -> Config {
    Config {
        cases: 512,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("seeds"))),
        ..Config::default()
    }
}

fn grid() -> Grid {
    let lines = [("root", "a"), ("a", "a1"), ("a", "a2"), ("root", "b"), ("b", "b1")];
    let line = |(from, to): (&str, &str)| GridLine {
        line: format!("{from}-{to}"),
        from: from.into(),
        to: to.into(),
        rated_va: 1_000_000,
    };
    let lines = lines.into_iter().map(line).collect();
    Grid::from_plan(&GridPlan { transformer: "T".into(), transformer_va: 400_000, root: "root".into(), lines }).unwrap()
}

/// An order with an id of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Wish {
    id: Vec<u8>,
    price: Price,
    quantity: Energy,
    bus: &'static str,
}

/// Few different prices, so that ties are common; now and then the extremes.
fn price() -> impl Strategy<Value = Price> {
    prop_oneof![
        24 => (0..4i64).prop_map(|step| Price::from_micro(100_000 + step * 20_000).unwrap()),
        6 => (-50_000..350_000i64).prop_map(|micro| Price::from_micro(micro).unwrap()),
        1 => Just(Price::MIN),
        1 => Just(Price::MAX),
    ]
}

fn energy() -> impl Strategy<Value = Energy> {
    prop_oneof![
        2 => Just(0),
        4 => 1..20u64,
        24 => Just(1_000u64),
        4 => 1..100_000u64,
        1 => Just(ENERGY_WH_MAX),
    ]
    .prop_map(Energy::from_wh)
}

/// One side's orders: none, few, or many.
fn side(ids: std::ops::Range<u16>) -> impl Strategy<Value = Vec<Wish>> {
    let order = || (any::<u16>(), price(), energy(), prop::sample::select(&BUSES[..]));
    let orders = prop_oneof![
        2 => Just(Vec::new()),
        3 => prop::collection::vec(order(), 1..4),
        6 => prop::collection::vec(order(), 4..14),
    ];
    orders.prop_map(move |orders| {
        let mut used = BTreeSet::new();
        let mut wishes = Vec::new();
        for (id, price, quantity, bus) in orders {
            let id = ids.start + id % (ids.end - ids.start);
            if used.insert(id) {
                wishes.push(Wish { id: id.to_be_bytes().to_vec(), price, quantity, bus });
            }
        }
        wishes
    })
}

/// Bid, offer, energy and price of a match.
type NamedTrade = (Vec<u8>, Vec<u8>, Energy, Price);

#[derive(Debug, Clone)]
struct Wishes {
    bids: Vec<Wish>,
    offers: Vec<Wish>,
    seed: Hash,
    terms: Terms,
}

fn wishes() -> impl Strategy<Value = Wishes> {
    (side(0..1_000), side(1_000..2_000), any::<[u8; 4]>()).prop_map(|(bids, offers, seed)| Wishes {
        bids,
        offers,
        seed: Hash::of(&seed),
        terms: Terms::default(),
    })
}

/// What the rules may say to a mechanism: often nothing, else something about all that there is.
fn parameters() -> impl Strategy<Value = Parameters> {
    let fee = || prop_oneof![2 => Just(0), 3 => 1..40_000i64].prop_map(|micro| Price::from_micro(micro).unwrap());
    let line = (prop::sample::select(&["root-a", "a-a1", "root-b"][..]), fee());
    let fees = (prop::option::of(fee()), prop::option::of(fee()), prop::option::of(line));
    let fees = fees.prop_map(|(between_buses, transformer, line)| Fees {
        between_buses,
        transformer,
        lines: line.map(|(line, fee)| LineFee { line: line.into(), fee }).into_iter().collect(),
    });
    let members = || prop::collection::btree_set(any::<u8>(), 1..8);
    let shares = members().prop_map(|members| {
        let share = |id| Share { member: MemberId::from_bytes([id; 16]), ppm: 1_000 * u32::from(id % 120) };
        members.into_iter().map(share).collect::<Vec<_>>()
    });
    let priority = members()
        .prop_map(|members| members.into_iter().rev().map(|id| MemberId::from_bytes([id; 16])).collect::<Vec<_>>());
    let derate = prop_oneof![Just(0), 1..20_000u32, Just(1_000_000)];
    let all = (prop::option::of(price()), prop::option::of(shares), prop::option::of(priority));
    (all, prop::option::of(derate), prop::option::of(fees)).prop_map(
        |((community_price, shares, priority), derate_ppm, fees)| {
            let parameters = Parameters { community_price, shares, priority, derate_ppm, fees };
            assert_eq!(parameters.check(), Ok(()));
            parameters
        },
    )
}

/// Wishes with terms: shares and places for ids as the orders have them, and a network.
fn wishes_on_terms() -> impl Strategy<Value = Wishes> {
    let ids = || prop::collection::btree_map(0..1_000u16, 0..100_000u32, 0..10);
    (wishes(), parameters(), prop::option::of(ids())).prop_map(|(wishes, parameters, ids)| {
        let bids = wishes.bids.iter().map(|wish| wish.id.clone()).zip([250_000, 100_000, 33_333]);
        let interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
        let terms = Terms {
            community_price: parameters.community_price,
            shares: ids.as_ref().map(|_| bids.collect()),
            priority: wishes.bids.iter().rev().map(|wish| wish.id.clone()).take(4).zip(0..).collect(),
            network: Some(Network::new(&grid(), &parameters, interval, &[0, 20, 0, -300, 0, 1_000, 7]).unwrap()),
        };
        Wishes { terms, ..wishes }
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
        let clearing = mechanism(mechanism_name)
            .unwrap()
            .clear(&book, &Context { grid: &grid, tie_seed: &self.seed, terms: &self.terms });
        assert_eq!(clearing.check(&book), Ok(()));
        clearing
    }

    /// A clearing without indices: what each id trades, and who trades with whom, in the order of the trades.
    fn by_id(&self, clearing: &Clearing) -> (BTreeMap<Vec<u8>, Energy>, Vec<NamedTrade>) {
        let ids = |wishes: &[Wish]| wishes.iter().map(|wish| wish.id.clone()).collect::<Vec<_>>();
        let (bids, offers) = (ids(&self.bids), ids(&self.offers));
        let fills = bids.iter().zip(&clearing.bids).chain(offers.iter().zip(&clearing.offers));
        let trade = |trade: &market::clearing::Match| {
            (bids[trade.bid].clone(), offers[trade.offer].clone(), trade.energy, trade.price)
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

/// Shuffles by giving each element a random place among those before it.
fn shuffled<T: Clone>(list: &[T], places: &[Index]) -> Vec<T> {
    let mut shuffled = Vec::with_capacity(list.len());
    for (item, place) in list.iter().zip(places.iter().cycle()) {
        let at = place.index(shuffled.len() + 1);
        shuffled.insert(at, item.clone());
    }
    shuffled
}

fn places() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 20)
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
        for name in ["mid_market_rate", "static_key", "dynamic_key", "priority_key"] {
            let clearing = wishes.clear(name);
            let Some(price) = clearing.price else { continue };
            prop_assert!(wishes.terms.community_price.is_none_or(|said| said == price));
            let bids = wishes.bids.iter().zip(&clearing.bids);
            prop_assert!(bids.clone().all(|(wish, fill)| wish.price >= price || fill.is_zero()));
            let supply = total(&wishes.offers, |limit| limit <= price);
            let demand = total(&wishes.bids, |limit| limit >= price);
            match name {
                "static_key" => {
                    for (wish, fill) in bids {
                        let Some(shares) = &wishes.terms.shares else { continue };
                        let share = u128::from(shares.get(&wish.id).copied().unwrap_or(0));
                        prop_assert!(u128::from(fill.wh()) <= supply * share / 1_000_000 + 1);
                    }
                }
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
                within(&wishes.bids[trade.bid]) && within(&wishes.offers[trade.offer])
            };
            let inside: u64 = clearing.trades.iter().filter(stays).map(|trade| trade.energy.wh()).sum();
            prop_assert_eq!(inside, could, "{:?}", part);
        }
    }

    #[test]
    fn a_settlement_is_balanced_and_within_every_limit(neighbourhood in neighbourhood(false), parameters in parameters()) {
        for mechanism in mechanisms() {
            let neighbourhood = neighbourhood.under(mechanism.name(), &parameters);
            check_settlement(&neighbourhood, &neighbourhood.settle());
        }
    }

    #[test]
    fn price_takers_trade_all_that_both_have(neighbourhood in neighbourhood(true)) {
        let settlement = neighbourhood.settle();
        check_settlement(&neighbourhood, &settlement);
        for mechanism in ["pay_as_bid", "feeder", "mid_market_rate", "dynamic_key", "priority_key"] {
            let other = neighbourhood.under(mechanism, &Parameters::default());
            // With the whole ratings and no late energy the lines of this grid carry all of a usual neighbourhood.
            let traded = |settlement: &Settlement| settlement.lines.iter().map(|line| line.bought.wh()).sum::<u64>();
            if mechanism != "feeder" || settlement.lines.iter().all(|line| line.bought.wh() + line.sold.wh() < 6_000) {
                prop_assert_eq!(traded(&other.settle()), traded(&settlement), "{}", mechanism);
            }
        }
        let sum = |energy: fn(Flow) -> (Energy, Energy)| -> u64 {
            let nets = neighbourhood.members.iter().map(|member| energy(member.metered.measured));
            nets.map(|(one, other)| one.saturating_sub(other).wh()).sum()
        };
        let (deficit, surplus) = (sum(|flow| (flow.import, flow.export)), sum(|flow| (flow.export, flow.import)));
        let traded: u64 = settlement.lines.iter().map(|line| line.bought.wh()).sum();
        prop_assert_eq!(traded, deficit.min(surplus));
    }

    #[test]
    fn no_permutation_of_the_members_changes_a_settlement(neighbourhood in neighbourhood(false), places in places()) {
        let members = shuffled(&neighbourhood.members, &places);
        let permuted = Neighbourhood { members, ..neighbourhood.clone() };
        for mechanism in mechanisms() {
            let [one, other] =
                [&neighbourhood, &permuted].map(|all| all.under(mechanism.name(), &Parameters::default()).settle());
            prop_assert_eq!(one, other);
        }
    }
}

#[derive(Debug, Clone)]
struct Neighbourhood {
    members: Vec<MeteredMember>,
    rules: Rules,
    seed: Hash,
}

impl Neighbourhood {
    fn under(&self, mechanism: &str, parameters: &Parameters) -> Neighbourhood {
        let parameters = Some(parameters.clone());
        Neighbourhood { rules: Rules { mechanism: mechanism.into(), parameters, ..self.rules.clone() }, ..self.clone() }
    }

    fn settle(&self) -> Settlement {
        settle(IntervalInput {
            interval: "2026-06-01T12:00:00Z/PT15M".parse().unwrap(),
            rules: &self.rules,
            grid: &grid(),
            tie_seed: &self.seed,
            members: &self.members,
            readings: vec![],
        })
        .unwrap()
    }
}

fn flow() -> impl Strategy<Value = Flow> {
    (energy(), energy()).prop_map(|(import, export)| Flow { import, export })
}

fn limits() -> impl Strategy<Value = Limits> {
    let cap = || prop::option::weighted(0.2, energy());
    (prop::option::of(price()), prop::option::of(price()), cap(), cap())
        .prop_map(|(buy, sell, buy_cap, sell_cap)| Limits { buy, sell, buy_cap, sell_cap })
}

fn neighbourhood(price_takers: bool) -> impl Strategy<Value = Neighbourhood> {
    let late = prop_oneof![3 => Just(Flow::default()), 1 => flow()];
    let member = (any::<u8>(), prop::sample::select(&BUSES[..]), limits(), flow(), late);
    (prop::collection::vec(member, 0..16), any::<[u8; 4]>()).prop_map(move |(members, seed)| {
        let members: BTreeMap<u8, MeteredMember> = members
            .into_iter()
            .map(|(id, bus, limits, measured, late)| {
                let member = MeteredMember {
                    member: MemberId::from_bytes([id; 16]),
                    bus: grid().bus(Some(bus)).unwrap(),
                    limits: if price_takers { Limits::default() } else { limits },
                    metered: Metered { measured, late },
                    renewable: id.is_multiple_of(2),
                };
                (id, member)
            })
            .collect();
        let rules = Rules {
            retail_price: Price::from_micro(300_000).unwrap(),
            feed_in_price: Price::from_micro(80_000).unwrap(),
            mechanism: "uniform".into(),
            parameters: None,
        };
        Neighbourhood { members: members.into_values().collect(), rules, seed: Hash::of(&seed) }
    })
}

fn check_settlement(neighbourhood: &Neighbourhood, settlement: &Settlement) {
    let members: BTreeMap<MemberId, &MeteredMember> =
        neighbourhood.members.iter().map(|member| (member.member, member)).collect();
    assert!(settlement.lines.is_sorted_by(|a, b| a.member < b.member));
    assert_eq!(settlement.lines.len(), members.len());
    let mut sum = i128::from(settlement.supplier.nano()) + i128::from(settlement.operator.nano());
    let (mut bought, mut sold) = (0, 0);
    for line in &settlement.lines {
        let MeteredMember { limits, metered: Metered { measured, late }, .. } = members[&line.member];
        let deficit = measured.import.saturating_sub(measured.export);
        let surplus = measured.export.saturating_sub(measured.import);
        assert!(line.bought <= limits.buy_cap.map_or(deficit, |cap| cap.min(deficit)));
        assert!(line.sold <= limits.sell_cap.map_or(surplus, |cap| cap.min(surplus)));
        assert_eq!(line.bought.wh() + line.imported.wh(), deficit.wh() + late.import.wh());
        assert_eq!(line.sold.wh() + line.exported.wh(), surplus.wh() + late.export.wh());
        assert_eq!(Some(line.supply_cost), neighbourhood.rules.retail_price.cost_of(line.imported));
        assert_eq!(Some(line.supply_revenue), neighbourhood.rules.feed_in_price.cost_of(line.exported));
        let limit = limits.buy.unwrap_or(neighbourhood.rules.retail_price);
        assert!(i128::from(line.paid.nano()) <= limit.times(line.bought), "nobody pays more than the limit");
        let limit = limits.sell.unwrap_or(neighbourhood.rules.feed_in_price);
        assert!(i128::from(line.earned.nano()) >= limit.times(line.sold), "nobody receives less than the limit");
        sum += i128::from(line.net().unwrap().nano());
        bought += line.bought.wh();
        sold += line.sold.wh();
    }
    assert_eq!(sum, 0);
    assert_eq!(bought, sold);
    assert!(settlement.operator >= Amount::ZERO, "no mechanism needs a subsidy");
    let balances_itself = !["mcafee", "feeder"].contains(&neighbourhood.rules.mechanism.as_str());
    assert!(settlement.operator == Amount::ZERO || !balances_itself);
    assert_eq!(settlement.trades.iter().map(|trade| trade.energy.wh()).sum::<u64>(), bought);
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
                clearing.trades.iter().any(|t| wishes.bids[t.bid].bus != wishes.offers[t.offer].bus),
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
