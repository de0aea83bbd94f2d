//! `feeder` on random grids: against an LP solver, against the conditions of optimality in integers, and against
//! `uniform` where the grid is no obstacle.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use market::{
    clearing::{Book, Clearing, Context, Edge, FeederClearing, Network, Order, Terms, mechanism},
    grid::Grid,
};
use microlp::{ComparisonOp, OptimizationDirection, Problem, SolveOutcome};
use proptest::{
    prelude::*,
    sample::Index,
    strategy::ValueTree,
    test_runner::{Config, FileFailurePersistence, TestRunner},
};
use protocol::{
    energy::Energy,
    genesis::{GridLine, GridPlan},
    hash::Hash,
    money::Price,
};

fn config() -> Config {
    Config {
        cases: 4_096,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("seeds"))),
        ..Config::default()
    }
}

fn micro(micro: i64) -> Price {
    Price::from_micro(micro).unwrap()
}

/// An order: bus, price, Wh.
type Wish = (usize, i64, u64);

/// A tree of buses, each below an earlier one; bus 0 is the transformer's far side.
#[derive(Debug, Clone)]
struct Case {
    parents: Vec<usize>,
    /// Fee, capacity and what does not take part, of the edge above each bus.
    edges: Vec<(i64, u64, i128)>,
    between_buses: i64,
    bids: Vec<Wish>,
    offers: Vec<Wish>,
    seed: u8,
}

fn case(with_limits: bool) -> impl Strategy<Value = Case> {
    let price = || prop_oneof![3 => (0..6i64).prop_map(|step| 10 * step), 2 => -20..80i64];
    let wh = || prop_oneof![1 => Just(0u64), 4 => 1..12u64, 2 => Just(10u64), 1 => 1..2_000u64];
    let wish = move || (any::<Index>(), price(), wh());
    let capacity = prop_oneof![1 => Just(0u64), 4 => 1..15u64, 3 => Just(u64::MAX), 2 => 15..500u64];
    let base = prop_oneof![4 => Just(0i128), 1 => -12..12i128];
    let fee = prop_oneof![3 => Just(0i64), 2 => 1..12i64, 1 => Just(10i64)];
    let edge = (fee, capacity, base).prop_map(move |edge| if with_limits { edge } else { (0, u64::MAX, 0) });
    let between = prop_oneof![3 => Just(0i64), 1 => 1..15i64];
    let bus = (any::<Index>(), edge);
    (
        prop::collection::vec(bus, 1..12),
        prop::collection::vec(wish(), 0..10),
        prop::collection::vec(wish(), 0..10),
        between,
        any::<u8>(),
    )
        .prop_map(move |(buses, bids, offers, between, seed)| {
            let parents: Vec<usize> = buses
                .iter()
                .enumerate()
                .map(|(above, (index, _))| if above == 0 { 0 } else { 1 + index.index(above) })
                .collect();
            let count = buses.len() + 1;
            let placed = |orders: Vec<(Index, i64, u64)>| -> Vec<Wish> {
                orders.into_iter().map(|(bus, price, wh)| (bus.index(count), price, wh)).collect()
            };
            Case {
                parents: std::iter::once(0).chain(parents).collect(),
                edges: std::iter::once((0, 0, 0)).chain(buses.into_iter().map(|(_, edge)| edge)).collect(),
                between_buses: if with_limits { between } else { 0 },
                bids: placed(bids),
                offers: placed(offers),
                seed,
            }
        })
}

fn name(bus: usize) -> String {
    format!("b{bus:02}")
}

/// What was cleared, its buses numbered as in the case.
struct Cleared {
    clearing: Clearing,
    welfare: i128,
    /// Upwards over the edge above each bus.
    up: Vec<i128>,
    prices: Option<Vec<i64>>,
    surplus: i128,
}

impl Case {
    fn grid(&self) -> Grid {
        let line = |bus: usize| GridLine {
            line: format!("l{bus}"),
            from: name(self.parents[bus]),
            to: name(bus),
            rated_va: 1,
        };
        let lines = (2..self.parents.len()).map(line).collect();
        Grid::from_plan(&GridPlan { transformer: name(0), transformer_va: 1, root: name(1), lines }).unwrap()
    }

    /// Clears the case with its orders in a given order.
    fn clear(&self, mechanism_name: &str) -> Cleared {
        let grid = self.grid();
        let numbers: BTreeMap<&str, usize> = grid.bus_names().collect();
        let mut edges = vec![Edge { fee: micro(0), capacity_wh: 0, base_wh: 0 }; numbers.len()];
        for (bus, &(fee, capacity_wh, base_wh)) in self.edges.iter().enumerate() {
            edges[numbers[name(bus).as_str()]] = Edge { fee: micro(fee), capacity_wh, base_wh };
        }
        let network = Some(Network { between_buses: micro(self.between_buses), edges });
        let terms = Terms { network, ..Terms::default() };
        let ids: Vec<[u8; 2]> = (0..100u8).map(|id| [id, 7]).collect();
        let orders = |wishes: &[Wish], first: usize| -> Vec<(usize, Price, Energy, usize)> {
            let order =
                |(place, &(bus, price, wh)): (usize, &Wish)| (bus, micro(price), Energy::from_wh(wh), first + place);
            wishes.iter().enumerate().map(order).collect()
        };
        let (bids, offers) = (orders(&self.bids, 0), orders(&self.offers, 50));
        let placed = |orders: &[(usize, Price, Energy, usize)]| -> Vec<Order<'_>> {
            let order = |&(bus, price, quantity, id): &(usize, Price, Energy, usize)| Order {
                id: &ids[id],
                price,
                quantity,
                bus: grid.bus(Some(&name(bus))).unwrap(),
            };
            orders.iter().map(order).collect()
        };
        let book = Book { bids: placed(&bids), offers: placed(&offers) };
        let context = Context { grid: &grid, tie_seed: &Hash::of(&[self.seed]), terms: &terms };
        let clearing = mechanism(mechanism_name).unwrap().clear(&book, &context);
        assert_eq!(clearing.check(&book), Ok(()));
        let surplus = clearing.surplus(&book);
        let FeederClearing { welfare, flows, nodal_prices } =
            clearing.feeder.clone().unwrap_or(FeederClearing { welfare: 0, flows: vec![0; 99], nodal_prices: vec![] });
        let of = |bus: usize| numbers[name(bus).as_str()];
        let buses = 0..self.parents.len();
        let up = buses.clone().map(|bus| -flows[of(bus)]).collect();
        let prices = (!nodal_prices.is_empty()).then(|| buses.map(|bus| nodal_prices[of(bus)].micro()).collect());
        Cleared { clearing, welfare, up, prices, surplus }
    }

    /// Most that may go up and down over the edge above a bus.
    fn room(&self, bus: usize) -> (i128, i128) {
        let (_, capacity, base) = self.edges[bus];
        ((i128::from(capacity) - base).max(0), (i128::from(capacity) + base).max(0))
    }

    /// The largest welfare, according to an LP solver.
    fn solved(&self) -> f64 {
        let mut problem = Problem::new(OptimizationDirection::Maximize);
        let mut balance: Vec<Vec<(microlp::Variable, f64)>> = vec![Vec::new(); self.parents.len()];
        for (sign, wishes) in [(-1.0, &self.bids), (1.0, &self.offers)] {
            for &(bus, price, wh) in wishes {
                let fill = problem.add_var(-sign * price as f64, (0.0, wh as f64));
                balance[bus].push((fill, sign));
            }
        }
        let mut wholesale: Vec<Vec<(microlp::Variable, f64)>> = vec![Vec::new(); self.parents.len()];
        for bus in 0..self.parents.len() {
            let sent = problem.add_var(-self.between_buses as f64, (0.0, f64::INFINITY));
            let drawn = problem.add_var(0.0, (0.0, f64::INFINITY));
            balance[bus].extend([(sent, -1.0), (drawn, 1.0)]);
            wholesale[bus].extend([(sent, 1.0), (drawn, -1.0)]);
            if bus > 0 {
                let (most_up, most_down) = self.room(bus);
                // No more than all the quantities of a case together, which the solver can tell from infinity.
                let most = |wh: i128| wh.min(1_000_000) as f64;
                let up = problem.add_var(-self.edges[bus].0 as f64, (0.0, most(most_up)));
                let down = problem.add_var(-self.edges[bus].0 as f64, (0.0, most(most_down)));
                wholesale[bus].extend([(up, -1.0), (down, 1.0)]);
                wholesale[self.parents[bus]].extend([(up, 1.0), (down, -1.0)]);
            }
        }
        for terms in balance.iter().chain(&wholesale) {
            problem.add_constraint(terms, ComparisonOp::Eq, 0.0);
        }
        match problem.solve().unwrap() {
            SolveOutcome::Solution(solution) => solution.objective(),
            interrupted => panic!("{interrupted:?}"),
        }
    }

    /// What every optimum holds, in integers: flows that fit, and prices at which nobody would rather do otherwise.
    fn check(&self, cleared: &Cleared) {
        let mut up = vec![0i128; self.parents.len()];
        for (sign, wishes, fills) in
            [(-1, &self.bids, &cleared.clearing.bids), (1, &self.offers, &cleared.clearing.offers)]
        {
            for (&(bus, ..), fill) in wishes.iter().zip(fills) {
                up[bus] += sign * i128::from(fill.wh());
            }
        }
        let own = up.clone();
        let mut fees: i128 = own.iter().map(|own| (*own).max(0) * i128::from(self.between_buses)).sum();
        for bus in (1..self.parents.len()).rev() {
            let (most_up, most_down) = self.room(bus);
            assert!((-most_down..=most_up).contains(&up[bus]), "{} Wh up from bus {bus}", up[bus]);
            fees += up[bus].abs() * i128::from(self.edges[bus].0);
            up[self.parents[bus]] += up[bus];
        }
        assert_eq!(up[0], 0);
        assert_eq!(up, cleared.up);
        assert_eq!(cleared.welfare, cleared.surplus - fees);
        let Some(prices) = &cleared.prices else {
            assert_eq!(cleared.clearing.quantity, 0);
            return;
        };
        for (&(bus, price, wh), fill) in self.bids.iter().zip(&cleared.clearing.bids) {
            assert!(price <= prices[bus] || fill.wh() == wh, "a bid above its bus's price gets all");
            assert!(price >= prices[bus] || fill.is_zero(), "a bid below its bus's price gets nothing");
        }
        for (&(bus, price, wh), fill) in self.offers.iter().zip(&cleared.clearing.offers) {
            assert!(price >= prices[bus] || fill.wh() == wh);
            assert!(price <= prices[bus] || fill.is_zero());
        }
        let rent: i128 = cleared
            .clearing
            .trades
            .iter()
            .map(|trade| trade.price.times(trade.energy) - trade.received.times(trade.energy))
            .sum();
        assert!(rent >= fees, "the grid's revenue covers its fees");
        // A bus's own price hides the wholesale price below it where only what leaves a bus pays.
        if self.between_buses > 0 {
            return;
        }
        for bus in 1..self.parents.len() {
            let (above, below, fee) = (prices[self.parents[bus]], prices[bus], self.edges[bus].0);
            let (most_up, most_down) = self.room(bus);
            let flow = up[bus];
            // A Wh more on the way up gains above − below, and costs the fee or saves it on the way down.
            assert!(
                flow == most_up || above - below <= if flow >= 0 { fee } else { -fee },
                "more would go up at {bus}"
            );
            assert!(
                flow == -most_down || above - below >= if flow > 0 { fee } else { -fee },
                "more would go down at {bus}"
            );
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_lp_solver_finds_more_welfare_and_prices_support_the_trades(case in case(true)) {
        let cleared = case.clear("feeder");
        case.check(&cleared);
        let solved = case.solved();
        prop_assert!((solved - cleared.welfare as f64).abs() < 0.25, "{solved} {}", cleared.welfare);
    }

    #[test]
    fn without_fees_and_full_lines_it_is_uniform(case in case(false)) {
        let (feeder, uniform) = (case.clear("feeder"), case.clear("uniform"));
        case.check(&feeder);
        prop_assert_eq!(feeder.clearing.quantity, uniform.clearing.quantity);
        prop_assert_eq!(&feeder.clearing.bids, &uniform.clearing.bids);
        prop_assert_eq!(&feeder.clearing.offers, &uniform.clearing.offers);
        prop_assert_eq!(feeder.clearing.price, uniform.clearing.price);
        prop_assert_eq!(feeder.welfare, uniform.surplus);
    }
}

#[test]
fn the_cases_have_what_makes_grids_hard() {
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..2_000 {
        let case = case(true).new_tree(&mut runner).unwrap().current();
        let cleared = case.clear("feeder");
        let edges = || (1..case.parents.len()).map(|bus| (cleared.up[bus], case.room(bus), case.edges[bus]));
        let prices = cleared.prices.clone().unwrap_or_default();
        let kinds = [
            ("nothing trades", cleared.clearing.quantity == 0),
            ("a line full on the way up", edges().any(|(up, (most, _), _)| up > 0 && up == most)),
            ("a line full on the way down", edges().any(|(up, (_, most), _)| up < 0 && -up == most)),
            ("a line that carries nothing", edges().any(|(_, room, _)| room == (0, 0))),
            (
                "a line overloaded without the market",
                edges().any(|(_, _, (_, most, base))| base.unsigned_abs() > most.into()),
            ),
            ("a fee that is paid", edges().any(|(up, _, (fee, ..))| up != 0 && fee > 0)),
            ("trade over the transformer", cleared.up[1] != 0),
            ("one price", prices.windows(2).all(|pair| pair[0] == pair[1]) && !prices.is_empty()),
            ("prices of buses differ", prices.windows(2).any(|pair| pair[0] != pair[1])),
            ("a fee between buses", case.between_buses > 0 && !cleared.clearing.trades.is_empty()),
            (
                "a buyer pays more than the seller receives",
                cleared.clearing.trades.iter().any(|t| t.received < t.price),
            ),
        ];
        for (kind, is_there) in kinds {
            *seen.entry(kind).or_default() += u32::from(is_there);
        }
    }
    let rare: Vec<_> = seen.iter().filter(|(_, count)| **count < 50).collect();
    assert!(rare.is_empty(), "hardly ever generated: {rare:?}; {seen:?}");
}

#[test]
fn a_long_street_of_dear_lines_and_the_largest_orders_does_not_overflow() {
    const BUSES: usize = 3_000;
    let line = |bus: usize| GridLine {
        line: format!("l{bus}"),
        from: format!("b{:05}", bus - 1),
        to: format!("b{bus:05}"),
        rated_va: u64::MAX,
    };
    let lines = (1..BUSES).map(line).collect();
    let root = "b00000".to_owned();
    let plan = GridPlan { transformer: "t".into(), transformer_va: u64::MAX, root, lines };
    let grid = Grid::from_plan(&plan).unwrap();
    let edge = Edge { fee: Price::MAX, capacity_wh: u64::MAX, base_wh: 0 };
    let ids: Vec<[u8; 4]> = (0..2 * BUSES as u32).map(u32::to_be_bytes).collect();
    let orders = |first: usize, price: Price| -> Vec<Order<'_>> {
        let order = |bus: usize| Order {
            id: &ids[first + bus],
            price,
            quantity: Energy::from_wh(u64::MAX),
            bus: grid.bus(Some(&format!("b{bus:05}"))).unwrap(),
        };
        (0..BUSES).map(order).collect()
    };
    // Every bus has a seller, every other bus a buyer: where a line is worth two prices, neighbours trade over it.
    let mut book = Book { bids: orders(0, Price::MAX), offers: orders(BUSES, Price::MIN) };
    let mut keep = [true, false].into_iter().cycle();
    book.bids.retain(|_| keep.next().unwrap_or_default());
    for (fee, traded) in [(Price::MAX, BUSES / 2), (micro(0), BUSES / 2)] {
        let network = Network { between_buses: fee, edges: vec![Edge { fee, ..edge }; BUSES + 1] };
        let terms = Terms { network: Some(network), ..Terms::default() };
        let context = Context { grid: &grid, tie_seed: &Hash::ZERO, terms: &terms };
        let clearing = mechanism("feeder").unwrap().clear(&book, &context);
        assert_eq!(clearing.check(&book), Ok(()));
        assert_eq!(clearing.quantity, traded as u128 * u128::from(u64::MAX));
        let welfare = clearing.feeder.unwrap().welfare;
        assert_eq!(welfare, 2_000_000_000 * traded as i128 * i128::from(u64::MAX));
    }
}
