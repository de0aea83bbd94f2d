//! All batteries of a community as one, run by someone who knows what comes.
//!
//! That one holds and moves as much as all together, loses as little as the best of them, and nothing by standing. So
//! whatever the real ones do, with whatever market, it could do as well.
//!
//! To draw the least from the supplier, it takes all surplus that it can and covers all deficit that it can, as soon as
//! it can; nothing of what comes has to be known. By induction over the intervals, no other way has taken in more so
//! far or given more: where this one takes less than another it is full, and has taken all that it has given and can
//! hold; where it gives less it is empty, and has given all that it has taken. And nothing is gained by charging from
//! the supplier: at most as much comes back.

use household::home::battery::Battery;
use protocol::interval::Interval;

/// What all batteries can do together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pool {
    capacity_uwh: u128,
    power_w: u128,
    /// One way, ppm.
    efficiency_ppm: u128,
    initial_uwh: u128,
}

const MILLION: u128 = 1_000_000;

impl Pool {
    /// Of these batteries; none of none.
    pub(crate) fn of<'a>(batteries: impl Iterator<Item = &'a Battery>) -> Option<Pool> {
        batteries.fold(None, |pool: Option<Pool>, battery| {
            let Pool { capacity_uwh, power_w, efficiency_ppm, initial_uwh } =
                pool.unwrap_or(Pool { capacity_uwh: 0, power_w: 0, efficiency_ppm: 0, initial_uwh: 0 });
            Some(Pool {
                capacity_uwh: capacity_uwh + u128::from(battery.capacity_uwh()),
                power_w: power_w + u128::from(battery.power_w()),
                efficiency_ppm: efficiency_ppm.max(battery.efficiency_ppm().into()),
                initial_uwh: initial_uwh + u128::from(battery.start().stored_uwh),
            })
        })
    }

    /// The least that has to be drawn from the supplier, Wh, where so much is used and made in each interval. All
    /// rounding, of less than 2 µWh in an interval, is in the battery's favour.
    pub(crate) fn imported_wh(&self, intervals: impl Iterator<Item = (Interval, u64, u64)>) -> u64 {
        let &Pool { capacity_uwh, power_w, efficiency_ppm, initial_uwh } = self;
        let (mut stored_uwh, mut imported_uwh) = (initial_uwh, 0);
        for (interval, used_wh, made_wh) in intervals {
            let most_uwh = power_w * MILLION * u128::from(interval.length().minutes()) / 60;
            let lacking_uwh = u128::from(used_wh.saturating_sub(made_wh)) * MILLION;
            let spare_uwh = u128::from(made_wh.saturating_sub(used_wh)) * MILLION;
            let charged_uwh = spare_uwh.min(most_uwh);
            stored_uwh = capacity_uwh.min(stored_uwh + (charged_uwh * efficiency_ppm).div_ceil(MILLION));
            let held_uwh = (stored_uwh * efficiency_ppm).div_ceil(MILLION);
            let given_uwh = lacking_uwh.min(most_uwh).min(held_uwh);
            stored_uwh = stored_uwh.saturating_sub(given_uwh * MILLION / efficiency_ppm.max(1));
            imported_uwh += lacking_uwh - given_uwh;
        }
        u64::try_from(imported_uwh / MILLION).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use microlp::{ComparisonOp, OptimizationDirection, Problem, SolveOutcome, Variable};
    use proptest::prelude::*;

    use super::*;

    fn battery(capacity_wh: u32, power_w: u32, round_trip: &str, initial_wh: u32) -> Battery {
        let text = format!(
            "capacity_wh = {capacity_wh}\npower_w = {power_w}\nround_trip_efficiency = {round_trip}\n\
             initial_wh = {initial_wh}\n"
        );
        toml::from_str(&text).unwrap()
    }

    fn hours(energy: &[(u64, u64)]) -> impl Iterator<Item = (Interval, u64, u64)> + '_ {
        let first: Interval = "2026-06-01T00:00:00Z/PT1H".parse().unwrap();
        (0..).zip(energy).map(move |(at, (used, made))| (first.offset(at).unwrap(), *used, *made))
    }

    #[test]
    fn the_worked_number_of_the_documentation() {
        // 10 kWh are to spare and 5 kWh stored of them; 0.9 of these come back, and 20 kWh are lacking.
        let pool = Pool::of([battery(5_000, 10_000, "0.81", 0)].iter()).unwrap();
        assert_eq!(pool.imported_wh(hours(&[(0, 10_000), (20_000, 0)])), 15_500);
        assert_eq!(Pool::of([].iter()), None);
    }

    #[test]
    fn batteries_hold_and_move_together_what_each_does() {
        let both = [battery(2_000, 1_000, "0.81", 500), battery(3_000, 500, "0.64", 0)];
        // 1.5 kW take 1.5 kWh in an hour, 1.35 of it are stored beside the 0.5 that were there, and 1 is taken for 0.9.
        assert_eq!(Pool::of(both.iter()).unwrap().imported_wh(hours(&[(0, 10_000), (900, 0), (5_000, 0)])), 4_235);
    }

    /// The least import by linear programming, Wh: charge, discharge, what is stored, drawn and fed in, by interval.
    fn by_programming(battery: &Battery, energy: &[(u64, u64)]) -> f64 {
        let mut problem = Problem::new(OptimizationDirection::Minimize);
        let efficiency = battery.efficiency_ppm() as f64 / 1e6;
        let (capacity, most) = (battery.capacity_uwh() as f64 / 1e6, f64::from(battery.power_w()));
        let mut before: Option<Variable> = None;
        for (used, made) in energy {
            let [charge, discharge] = [(); 2].map(|()| problem.add_var(0.0, (0.0, most)));
            let stored = problem.add_var(0.0, (0.0, capacity));
            let (drawn, fed_in) =
                (problem.add_var(1.0, (0.0, f64::INFINITY)), problem.add_var(0.0, (0.0, f64::INFINITY)));
            let balance = [(drawn, 1.0), (fed_in, -1.0), (charge, -1.0), (discharge, 1.0)];
            problem.add_constraint(balance, ComparisonOp::Eq, *used as f64 - *made as f64);
            let change = [(stored, 1.0), (charge, -efficiency), (discharge, 1.0 / efficiency)];
            match before {
                Some(before) => {
                    let [stored, charge, discharge] = change;
                    problem.add_constraint([stored, charge, discharge, (before, -1.0)], ComparisonOp::Eq, 0.0);
                }
                None => problem.add_constraint(change, ComparisonOp::Eq, battery.start().stored_uwh as f64 / 1e6),
            }
            before = Some(stored);
        }
        let SolveOutcome::Solution(optimum) = problem.solve().unwrap() else {
            panic!("it can draw all and feed in all")
        };
        optimum.objective()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_linear_program_that_knows_what_comes_imports_less(
            energy in prop::collection::vec((0..3_000_u64, prop_oneof![Just(0), 0..6_000_u64]), 1..24),
            (capacity_wh, power_w) in (1..8_000_u32, 1..4_000_u32),
            round_trip in prop::sample::select(&["1.0", "0.9", "0.81", "0.3"][..]),
            initial in 0..=4_u32,
        ) {
            let battery = battery(capacity_wh, power_w, round_trip, capacity_wh / 4 * initial);
            let found = Pool::of([battery].iter()).unwrap().imported_wh(hours(&energy)) as f64;
            let least = by_programming(&battery, &energy);
            prop_assert!(found <= least + 1e-6 && least < found + 1.001, "{} and {}", found, least);
        }
    }
}
