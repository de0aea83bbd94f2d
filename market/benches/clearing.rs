//! How fast books are cleared, beside the least that any clearing does: look at the orders, or sort them.
//!
//! `cargo bench -p market --bench clearing` prints all ratios of one run; `-- short` leaves the largest books out.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic, and prints")]

use std::{
    env,
    hint::black_box,
    time::{Duration, Instant},
};

use market::{
    clearing::{Book, Context, Edge, Network, Order, Terms, mechanism},
    grid::{BusIndex, Grid},
};
use microlp::{ComparisonOp, OptimizationDirection, Problem, SolveOutcome, Variable};
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

const SEED: u64 = 1;
const ROUNDS: usize = 15;

fn main() {
    let short = env::args().any(|argument| argument == "short");
    keep_memory();
    println!("seed {SEED}, best of {ROUNDS}; ms, and in brackets how many times as long as `uniform`");
    println!("{:>9} orders   uniform          sort             memcpy", "");
    for count in [1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|count| !short || *count <= 100_000) {
        let made = Made::new(count, 1);
        let book = made.book();
        let uniform = best(|| made.clear("uniform", &book));
        let keys: Vec<(Price, u32)> = book.bids.iter().chain(&book.offers).map(|order| order.price).zip(0..).collect();
        let sort = best(|| {
            let mut keys = keys.clone();
            keys.sort_unstable();
            black_box(keys);
        });
        let copy = best(|| {
            black_box((book.bids.clone(), book.offers.clone()));
        });
        println!("{count:>16}   {}{}{}", shown(uniform, uniform), shown(sort, uniform), shown(copy, uniform));
    }

    println!("\n{:>9} orders   uniform          feeder           LP solver (microlp)", "");
    let sizes = [(200, 40), (1_000, 200), (10_000, 1_000), (100_000, 10_000)];
    for (count, buses) in sizes.into_iter().filter(|size| !short || size.0 <= 1_000) {
        let made = Made::new(count, buses);
        let book = made.book();
        let uniform = best(|| made.clear("uniform", &book));
        let feeder = best(|| made.clear("feeder", &book));
        let solver = once(|| made.solve(&book));
        let [uniform, feeder, solver] = [uniform, feeder, solver].map(|time| shown(time, uniform));
        println!("{count:>9} on {buses:>5}  {uniform}{feeder}{solver}");
    }
}

/// The allocator (glibc's) hands large pieces of memory back to the system when they are freed, and whether the next ones
/// cost page faults then depends on what lies beside them. Once it was given back a piece this large, it keeps them: so
/// all that is compared here works in memory that is warm.
fn keep_memory() {
    drop(black_box(Vec::<u8>::with_capacity(31 << 20)));
}

fn shown(time: Duration, beside: Duration) -> String {
    let ratio = time.as_secs_f64() / beside.as_secs_f64();
    format!("{:<17}", format!("{:.3} ({ratio:.2})", time.as_secs_f64() * 1e3))
}

fn once(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn best(work: impl Fn()) -> Duration {
    (0..ROUNDS).map(|_| once(&work)).min().unwrap_or_default()
}

/// A random book on a random tree.
struct Made {
    grid: Grid,
    parents: Vec<usize>,
    numbers: Vec<usize>,
    terms: Terms,
    ids: Vec<[u8; 8]>,
    /// Price, Wh and bus of each order; the first half are bids.
    orders: Vec<(Price, Energy, usize, BusIndex)>,
}

impl Made {
    fn new(count: usize, buses: usize) -> Made {
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
        Made { grid, parents, numbers, terms, ids, orders }
    }

    fn book(&self) -> Book<'_> {
        let mut bids: Vec<Order<'_>> = Vec::with_capacity(self.orders.len());
        for (id, &(price, quantity, _, bus)) in self.ids.iter().zip(&self.orders) {
            bids.push(Order { id, price, quantity, bus });
        }
        let offers = bids.split_off(bids.len() / 2);
        Book { bids, offers }
    }

    fn clear(&self, name: &str, book: &Book<'_>) {
        let context = Context { grid: &self.grid, tie_seed: &Hash::ZERO, terms: &self.terms };
        black_box(mechanism(name).unwrap().clear(book, &context));
    }

    fn solve(&self, book: &Book<'_>) {
        let mut problem = Problem::new(OptimizationDirection::Maximize);
        let mut balance: Vec<Vec<(Variable, f64)>> = vec![Vec::new(); self.parents.len()];
        for (number, &(price, quantity, bus, _)) in self.orders.iter().enumerate() {
            let sign = if number < book.bids.len() { -1.0 } else { 1.0 };
            let fill = problem.add_var(-sign * price.micro() as f64, (0.0, quantity.wh() as f64));
            balance[bus].push((fill, sign));
        }
        let edges = &self.terms.network.as_ref().unwrap().edges;
        for bus in 1..self.parents.len() {
            let Edge { fee, capacity_wh, .. } = edges[self.numbers[bus]];
            for sign in [1.0, -1.0] {
                let flow = problem.add_var(-fee.micro() as f64, (0.0, capacity_wh as f64));
                balance[bus].push((flow, -sign));
                balance[self.parents[bus]].push((flow, sign));
            }
        }
        for terms in &balance {
            problem.add_constraint(terms, ComparisonOp::Eq, 0.0);
        }
        let SolveOutcome::Solution(solution) = problem.solve().unwrap() else { panic!("interrupted") };
        let context = Context { grid: &self.grid, tie_seed: &Hash::ZERO, terms: &self.terms };
        let welfare = mechanism("feeder").unwrap().clear(book, &context).feeder.unwrap().welfare as f64;
        assert!((solution.objective() / welfare - 1.0).abs() < 1e-9, "{} {welfare}", solution.objective());
    }
}
