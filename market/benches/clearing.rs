//! How fast books are cleared, beside the least that any clearing does: look at the orders, or sort them.
//!
//! `cargo bench -p market --bench clearing` prints all ratios of one run; `-- short` leaves the largest books out.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic, and prints")]

#[path = "../tests/support/random_book.rs"]
mod random_book;

use std::{
    env,
    hint::black_box,
    time::{Duration, Instant},
};

use market::clearing::{Book, Edge, mechanism};
use microlp::{ComparisonOp, OptimizationDirection, Problem, SolveOutcome, Variable};
use protocol::money::Price;
use random_book::{RandomBook, SEED};

const ROUNDS: usize = 15;

fn main() {
    let short = env::args().any(|argument| argument == "short");
    keep_memory();
    println!("seed {SEED}, best of {ROUNDS}; ms, and in brackets how many times as long as `uniform`");
    println!("{:>9} orders   uniform          sort             memcpy", "");
    for count in [1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|count| !short || *count <= 100_000) {
        let random = RandomBook::new(count, 1);
        let book = random.book();
        let uniform = best(|| clear(&random, "uniform", &book));
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
        let random = RandomBook::new(count, buses);
        let book = random.book();
        let uniform = best(|| clear(&random, "uniform", &book));
        let feeder = best(|| clear(&random, "feeder", &book));
        let solver = once(|| solve(&random, &book));
        let [uniform, feeder, solver] = [uniform, feeder, solver].map(|time| shown(time, uniform));
        println!("{count:>9} on {buses:>5}  {uniform}{feeder}{solver}");
    }
}

/// The allocator (glibc's) hands large pieces of memory back to the system when they are freed, and whether the next
/// ones cost page faults then depends on what lies beside them. Once it was given back a piece this large, it keeps
/// them: so all that is compared here works in memory that is warm.
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

fn clear(random: &RandomBook, name: &str, book: &Book<'_>) {
    black_box(mechanism(name).unwrap().clear(book, &random.context()));
}

fn solve(random: &RandomBook, book: &Book<'_>) {
    let mut problem = Problem::new(OptimizationDirection::Maximize);
    let mut balance: Vec<Vec<(Variable, f64)>> = vec![Vec::new(); random.parents.len()];
    for (number, &(price, quantity, bus, _)) in random.orders.iter().enumerate() {
        let sign = if number < book.bids.len() { -1.0 } else { 1.0 };
        let fill = problem.add_var(-sign * price.micro() as f64, (0.0, quantity.wh() as f64));
        balance[bus].push((fill, sign));
    }
    let edges = &random.terms.network.as_ref().unwrap().edges;
    for bus in 1..random.parents.len() {
        let Edge { fee, capacity_wh, .. } = edges[random.numbers[bus]];
        for sign in [1.0, -1.0] {
            let flow = problem.add_var(-fee.micro() as f64, (0.0, capacity_wh as f64));
            balance[bus].push((flow, -sign));
            balance[random.parents[bus]].push((flow, sign));
        }
    }
    for terms in &balance {
        problem.add_constraint(terms, ComparisonOp::Eq, 0.0);
    }
    let SolveOutcome::Solution(solution) = problem.solve().unwrap() else { panic!("interrupted") };
    let welfare = mechanism("feeder").unwrap().clear(book, &random.context()).feeder.unwrap().welfare as f64;
    assert!((solution.objective() / welfare - 1.0).abs() < 1e-9, "{} {welfare}", solution.objective());
}
