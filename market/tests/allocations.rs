//! A clearing takes memory by the book and by the bus, never by the order: ten times the orders are a few more pieces of
//! memory, each of them larger.

#![allow(clippy::unwrap_used)]

use market::{
    clearing::{Book, Context, Edge, Network, Order, Terms, mechanisms},
    grid::Grid,
};
use protocol::{
    energy::Energy,
    genesis::{GridLine, GridPlan},
    hash::Hash,
    money::Price,
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

const BUSES: usize = 50;

/// Buses in a row below the transformer.
fn grid() -> Grid {
    let name = |bus: usize| format!("b{bus:02}");
    let line = |bus: usize| GridLine { line: format!("l{bus}"), from: name(bus - 1), to: name(bus), rated_va: 1 };
    let lines = (1..BUSES).map(line).collect();
    Grid::from_plan(&GridPlan { transformer: "t".into(), transformer_va: 1, root: name(0), lines }).unwrap()
}

/// Random orders of which about half are filled.
fn book<'a>(ids: &'a [[u8; 8]], grid: &Grid) -> Book<'a> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut below = |bound: u64| random.next_u64() % bound;
    let mut order = |id: &'a [u8; 8]| {
        let price = Price::from_micro(80_000 + below(220_000) as i64).unwrap();
        let bus = grid.bus(Some(&format!("b{:02}", below(BUSES as u64)))).unwrap();
        Order { id, price, quantity: Energy::from_wh(1 + below(3_000)), bus }
    };
    let (bids, offers) = ids.split_at(ids.len() / 2);
    Book { bids: bids.iter().map(&mut order).collect(), offers: offers.iter().map(&mut order).collect() }
}

#[test]
fn no_mechanism_allocates_for_each_order() {
    let grid = grid();
    let price = |micro| Price::from_micro(micro).unwrap();
    let edges = vec![Edge { fee: price(1_000), capacity_wh: 200_000, base_wh: 0 }; BUSES + 1];
    let terms = Terms { network: Some(Network { between_buses: price(0), edges }), ..Terms::default() };
    let context = Context { grid: &grid, tie_seed: &Hash::ZERO, terms: &terms };
    for mechanism in mechanisms() {
        let [few, many] = [1_000, 10_000].map(|count: u64| {
            let ids: Vec<[u8; 8]> = (0..count).map(u64::to_be_bytes).collect();
            let book = book(&ids, &grid);
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
