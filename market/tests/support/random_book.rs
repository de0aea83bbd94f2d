//! A random book on a random tree, of any size, always the same.
#![allow(dead_code, reason = "only the benchmark looks at the tree")]

use market::{
    clearing::{Book, Context, Edge, Network, Order, Terms},
    grid::{BusIndex, Grid},
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

pub(crate) const SEED: u64 = 1;

pub(crate) struct RandomBook {
    grid: Grid,
    /// The bus above each bus.
    pub(crate) parents: Vec<usize>,
    /// The number in the grid of each bus.
    pub(crate) numbers: Vec<usize>,
    pub(crate) terms: Terms<'static>,
    ids: Vec<[u8; 8]>,
    /// Price, Wh and bus of each order; the first half are bids.
    pub(crate) orders: Vec<(Price, Energy, usize, BusIndex)>,
}

impl RandomBook {
    pub(crate) fn new(count: usize, buses: usize) -> RandomBook {
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        let mut below = move |bound: usize| (random.next_u64() % bound as u64) as usize;
        let name = |bus: usize| format!("b{bus:06}");
        // Each bus hangs on one of the few before it: long branches, as streets are.
        let parents: Vec<usize> = (0..buses).map(|bus| bus.saturating_sub(1 + below(8))).collect();
        let line =
            |bus: usize| GridLine { line: format!("l{bus}"), from: name(parents[bus]), to: name(bus), rated_va: 1 };
        let lines = (1..buses).map(line).collect();
        let plan = GridPlan { transformer: "t".into(), transformer_va: 1, root: name(0), lines };
        let grid = Grid::from_plan(&plan).unwrap();
        let mut numbers = vec![0; buses];
        for (bus, number) in grid.bus_names() {
            if let Some(bus) = bus.strip_prefix('b') {
                numbers[bus.parse::<usize>().unwrap()] = number;
            }
        }
        let mut price = |from: i64, to: i64| Price::from_micro(from + below((to - from) as usize) as i64).unwrap();
        let prices: Vec<Price> = (0..count)
            .map(|order| if order < count / 2 { price(120_000, 300_000) } else { price(80_000, 250_000) })
            .collect();
        let edges = (0..=buses).map(|_| Edge { fee: price(0, 3_000), capacity_wh: 20_000, base_wh: 0 }).collect();
        let free = Price::from_micro(0).unwrap();
        let terms = Terms { network: Some(Network { between_buses: free, edges }), ..Terms::default() };
        let mut random = ChaCha8Rng::seed_from_u64(SEED + 1);
        let orders = prices.into_iter().map(|price| {
            let bus = (random.next_u64() % buses as u64) as usize;
            let quantity = Energy::from_wh(1 + random.next_u64() % 3_000);
            (price, quantity, bus, grid.bus(Some(&name(bus))).unwrap())
        });
        let orders = orders.collect();
        let ids = (0..count as u64).map(u64::to_be_bytes).collect();
        RandomBook { grid, parents, numbers, terms, ids, orders }
    }

    pub(crate) fn book(&self) -> Book<'_> {
        let mut bids: Vec<Order<'_>> = Vec::with_capacity(self.orders.len());
        for (id, &(price, quantity, _, bus)) in self.ids.iter().zip(&self.orders) {
            bids.push(Order { id, price, quantity, bus });
        }
        let offers = bids.split_off(bids.len() / 2);
        Book { bids, offers }
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context { grid: &self.grid, tie_seed: &Hash::ZERO, terms: &self.terms }
    }
}
