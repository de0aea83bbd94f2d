use microlp::{ComparisonOp, OptimizationDirection, Problem, SolveOutcome};
use proptest::prelude::*;

use super::*;
use crate::home::units::LENGTHS;

const QUARTER: IntervalLength = IntervalLength::Minutes15;

fn settings(capacity_wh: u32, power_w: u32, round_trip: f64) -> BatterySettings {
    BatterySettings {
        capacity_wh,
        power_w,
        round_trip_efficiency: round_trip.try_into().unwrap(),
        self_discharge_per_day: Share::default(),
        initial_wh: 0,
        dispatch: DispatchName::SelfConsumption,
        charge_below: None,
        discharge_above: None,
        export: false,
    }
}

fn battery(capacity_wh: u32, power_w: u32, round_trip: f64) -> Battery {
    settings(capacity_wh, power_w, round_trip).try_into().unwrap()
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

/// Random numbers of a xorshift generator: the same in each run.
fn random(mut state: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

/// What is imported over all net loads (production below 0), and what is left in the battery, µWh.
fn imports(battery: &Battery, net: &[i64]) -> (u64, u64) {
    let mut charge = battery.start();
    let imported = net.iter().map(|net| {
        let (deficit, surplus) = (net.max(&0).unsigned_abs(), net.min(&0).unsigned_abs());
        let flow = battery.step(&mut charge, QUARTER, deficit, surplus, None);
        deficit - flow.discharged_wh
    });
    (imported.sum(), charge.stored_uwh)
}

#[test]
fn the_way_back_has_the_root_of_the_round_trip() {
    for (round_trip, one_way_ppm) in
        [(1.0, 1_000_000), (0.9, 948_683), (0.81, 900_000), (0.5, 707_107), (0.000_001, 1_000)]
    {
        assert_eq!(battery(1, 1, round_trip).efficiency_ppm(), one_way_ppm);
    }
}

#[test]
fn a_year_of_random_load_stays_within_two_watt_hours_of_a_model_of_real_numbers() {
    let battery = battery(10_000, 1_250, 0.9);
    let (efficiency, capacity, most) = (0.948_683, 10_000.0, 312.0);
    let mut random = random(88_172_645_463_325_252);
    let (mut charge, mut soc, mut furthest) = (battery.start(), 0.0, 0.0f64);
    let (mut charged, mut discharged, mut real_charged, mut real_discharged) = (0u64, 0u64, 0.0, 0.0);
    for _ in 0..35_040 {
        let (deficit, surplus) = if random(2) == 0 { (random(600), 0) } else { (0, random(600)) };
        let flow = battery.step(&mut charge, QUARTER, deficit, surplus, None);
        charged += flow.charged_wh;
        discharged += flow.discharged_wh;
        let taken = (surplus as f64).min(most).min((capacity - soc) / efficiency);
        let given = (deficit as f64).min(most).min(soc * efficiency);
        soc += taken * efficiency - given / efficiency;
        real_charged += taken;
        real_discharged += given;
        furthest = furthest.max((charge.stored_uwh as f64 / 1e6 - soc).abs());
    }
    assert!(charged > 2_000_000 && discharged > 2_000_000, "{charged} {discharged}");
    assert!(furthest > 0.0 && furthest <= 2.0, "{furthest} Wh");
    // Each time it is full or empty, less than 1.06 Wh is left over.
    assert!((charged as f64 - real_charged).abs() / real_charged < 1e-4, "{charged} {real_charged}");
    assert!((discharged as f64 - real_discharged).abs() / real_discharged < 1e-4, "{discharged} {real_discharged}");
}

#[test]
fn at_its_limits_it_does_what_the_formulas_say() {
    let battery = battery(1_000, 2_000, 0.81);
    let step = |stored_uwh, deficit, surplus| {
        let mut charge = Charge { stored_uwh };
        let flow = battery.step(&mut charge, QUARTER, deficit, surplus, None);
        (flow.charged_wh, flow.discharged_wh, charge.stored_uwh, flow.lost_uwh)
    };
    // By its power: 500 Wh at the meter are 450 Wh stored.
    assert_eq!(step(0, 0, 900), (500, 0, 450_000_000, 50_000_000));
    // By what is free: 100 Wh are ⌊111.1⌋ Wh at the meter.
    assert_eq!(step(900_000_000, 0, 900), (111, 0, 999_900_000, 11_100_000));
    // By what is stored: 100 Wh are 90 Wh at the meter.
    assert_eq!(step(100_000_000, 900, 0), (0, 90, 0, 10_000_000));
    // 7 Wh take ⌈7,777,777.8⌉ µWh.
    assert_eq!(step(100_000_000, 7, 0), (0, 7, 92_222_222, 777_778));
    // Full or empty, nothing; and what is asked for both ways is netted first.
    assert_eq!(step(1_000_000_000, 0, 900), (0, 0, 1_000_000_000, 0));
    assert_eq!(step(0, 900, 0), (0, 0, 0, 0));
    assert_eq!(step(0, 300, 900), (500, 0, 450_000_000, 50_000_000));
    // A state of another battery is cut to what this one holds.
    assert_eq!(step(u64::MAX, 0, 1), (0, 0, 1_000_000_000, 0));
}

#[test]
fn standing_loses_its_share_of_a_day_in_every_length_of_interval() {
    let leaky = BatterySettings { self_discharge_per_day: 0.02.try_into().unwrap(), ..settings(10_000, 1, 1.0) };
    let battery = Battery::try_from(BatterySettings { initial_wh: 10_000, ..leaky }).unwrap();
    for length in LENGTHS {
        let mut charge = battery.start();
        let mut lost = 0;
        for _ in 0..24 * 60 / length.minutes() {
            lost += battery.step(&mut charge, length, 0, 0, None).self_discharged_uwh;
        }
        assert_eq!(charge.stored_uwh + lost, 10_000_000_000);
        // Between (1 − 0.02) and e^-0.02 of it is left.
        assert!((9_800_000_000..=9_802_000_000).contains(&charge.stored_uwh), "{length:?}: {charge:?}");
    }
}

#[test]
fn prices_decide_when_it_is_driven_by_them() {
    let driven = |export| {
        let dispatch = DispatchName::PriceDriven;
        let (charge_below, discharge_above) = (Some(price("0.1")), Some(price("0.3")));
        let thresholds =
            BatterySettings { dispatch, charge_below, discharge_above, export, ..settings(9_000, 4_000, 1.0) };
        Battery::try_from(BatterySettings { initial_wh: 5_000, ..thresholds }).unwrap()
    };
    let step = |export, deficit, surplus, known: Option<&str>| {
        let battery = driven(export);
        let flow = battery.step(&mut battery.start(), QUARTER, deficit, surplus, known.map(price));
        (flow.charged_wh, flow.discharged_wh)
    };
    for (deficit, surplus, known, expected, exporting) in [
        (200, 0, Some("0.1"), (1_000, 0), (1_000, 0)),
        (0, 200, Some("-0.1"), (1_000, 0), (1_000, 0)),
        (200, 0, Some("0.100001"), (0, 0), (0, 0)),
        (0, 200, Some("0.299999"), (200, 0), (200, 0)),
        (200, 0, Some("0.3"), (0, 200), (0, 1_000)),
        (0, 200, Some("0.4"), (200, 0), (0, 1_000)),
        (200, 0, None, (0, 200), (0, 200)),
        (0, 200, None, (200, 0), (200, 0)),
    ] {
        assert_eq!(step(false, deficit, surplus, known), expected, "{deficit} {surplus} {known:?}");
        assert_eq!(step(true, deficit, surplus, known), exporting, "{deficit} {surplus} {known:?}");
    }
}

fn net_loads(most: i64, count: usize) -> impl proptest::strategy::Strategy<Value = Vec<i64>> {
    prop::collection::vec(prop_oneof![1 => Just(0), 6 => -most..most], count)
}

proptest! {
    /// What was stored, charged, discharged and lost closes to the µWh, in each step; and no limit is passed.
    #[test]
    fn energy_closes_exactly(
        capacity in 1..=CAPACITY_WH_MAX, power in 1..=super::super::units::POWER_W_MAX, round_trip in 1..=1_000_000u32,
        leak in 0..=1_000_000u32, full in 0..=1_000_000u64, length in prop::sample::select(&LENGTHS[..]),
        steps in prop::collection::vec((any::<u32>(), 0..=30u32, any::<bool>()), 1..100),
    ) {
        let leaky = Share::try_from(f64::from(leak) / 1e6).unwrap();
        let settings = settings(capacity, power, f64::from(round_trip) / 1e6);
        let battery = Battery::try_from(BatterySettings { self_discharge_per_day: leaky, ..settings }).unwrap();
        let mut charge = Charge { stored_uwh: u64::from(capacity) * full };
        let start = charge.stored_uwh;
        let (mut charged, mut taken, mut stood) = (0u64, 0u64, 0u64);
        for (wh, shift, has_surplus) in steps {
            let wh = u64::from(wh >> shift);
            let before = charge.stored_uwh;
            let (deficit, surplus) = if has_surplus { (0, wh) } else { (wh, 0) };
            let flow = battery.step(&mut charge, length, deficit, surplus, None);
            prop_assert_eq!(
                charge.stored_uwh + flow.discharged_wh * MILLION + flow.lost_uwh,
                before + flow.charged_wh * MILLION
            );
            prop_assert!(charge.stored_uwh <= u64::from(capacity) * MILLION);
            prop_assert!(flow.charged_wh <= surplus && flow.discharged_wh <= deficit);
            prop_assert!(flow.charged_wh.max(flow.discharged_wh) <= energy_wh(power, length));
            charged += flow.charged_wh * battery.efficiency_ppm();
            taken += (flow.discharged_wh * MILLION * MILLION).div_ceil(battery.efficiency_ppm());
            stood += flow.self_discharged_uwh;
        }
        prop_assert_eq!(start + charged, charge.stored_uwh + taken + stood);
    }

    /// More capacity imports no more: but for the part of a Wh that is left in one that is as good as empty.
    #[test]
    fn a_larger_battery_imports_no_more(
        net in net_loads(900, 300), capacity in 1..5_000u32, more in 1..5_000u32, round_trip in 500_000..=1_000_000u32,
    ) {
        let imported = |capacity| imports(&battery(capacity, 2_000, f64::from(round_trip) / 1e6), &net).0;
        prop_assert!(imported(capacity + more) <= imported(capacity) + 1);
    }
}

/// The least that can be imported in a day with a battery of these numbers, by linear optimisation: it knows the whole
/// day, and may also charge from the grid.
fn least_import(net: &[i64], capacity: f64, most: f64, efficiency: f64) -> f64 {
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let mut before = None;
    let mut load = 0.0;
    for net in net {
        let (deficit, surplus) = (net.max(&0).unsigned_abs() as f64, net.min(&0).unsigned_abs() as f64);
        load += deficit;
        let from_surplus = problem.add_var(0.0, (0.0, surplus.min(most)));
        let from_grid = problem.add_var(1.0, (0.0, most));
        let given = problem.add_var(-1.0, (0.0, deficit.min(most)));
        let stored = problem.add_var(0.0, (0.0, capacity));
        let mut balance =
            vec![(stored, 1.0), (from_surplus, -efficiency), (from_grid, -efficiency), (given, 1.0 / efficiency)];
        balance.extend(before.map(|before| (before, -1.0)));
        problem.add_constraint(balance, ComparisonOp::Eq, 0.0);
        problem.add_constraint([(from_surplus, 1.0), (from_grid, 1.0)], ComparisonOp::Le, most);
        before = Some(stored);
    }
    let SolveOutcome::Solution(optimum) = problem.solve().unwrap() else { panic!("doing nothing is a solution") };
    load + optimum.objective()
}

proptest! {
    /// With a flat tariff nothing is won by waiting: self-consumption imports as little as if it knew the whole day.
    /// Without loss exactly so; with loss it gives up at most a Wh each time that it is full or empty and then turns.
    #[test]
    fn self_consumption_is_as_good_as_knowing_the_day(
        net in net_loads(900, 96), capacity in 100..8_000u32, power in 100..4_000u32,
        round_trip in prop_oneof![2 => Just(1_000_000u32), 1 => 600_000..1_000_000u32],
    ) {
        let battery = battery(capacity, power, f64::from(round_trip) / 1e6);
        let efficiency = battery.efficiency_ppm() as f64 / 1e6;
        let (imported, _) = imports(&battery, &net);
        let least = least_import(&net, f64::from(capacity), (power / 4).into(), efficiency);
        let imported = imported as f64;
        prop_assert!(imported >= least - 1e-6, "{imported} < {least}");
        let turns = net.windows(2).filter(|pair| pair[0].signum() != pair[1].signum()).count();
        let slack = if round_trip == 1_000_000 { 0.0 } else { (1 + turns) as f64 };
        prop_assert!(imported <= least + slack + 1e-6, "{imported} > {least} + {slack}");
    }
}

#[test]
fn batteries_that_make_no_sense_are_refused_in_one_line() {
    let good = "capacity_wh = 10_000\npower_w = 5_000\nround_trip_efficiency = 0.9\n";
    let read = |text: &str| toml::from_str::<Battery>(text);
    assert_eq!(read(good).unwrap(), battery(10_000, 5_000, 0.9));
    let bad_start = "battery: expected at most its capacity of 10000 Wh in `initial_wh`, found 10001";
    let driven = "dispatch = \"price_driven\"\n";
    for (from, to, expected) in [
        ("10_000", "0", "battery: expected a capacity from 1 to 10000000 Wh in `capacity_wh`, found 0"),
        ("10_000", "10_000_001", "found 10000001"),
        ("5_000", "0", "battery: expected a power from 1 to 10000000 W in `power_w`, found 0"),
        ("0.9", "0", "expected a `round_trip_efficiency` above 0 and at most 1, found 0"),
        ("0.9", "1.01", "expected a share from 0 to 1 with at most six decimals such as 0.95, found 1.01"),
        ("0.9", "90", "found 90"),
        ("0.9\n", "0.9\ninitial_wh = 10_001\n", bad_start),
        ("0.9\n", "0.9\ninitial_kwh = 1\n", "unknown field `initial_kwh`"),
        ("0.9\n", "0.9\ndispatch = \"greedy\"\n", "unknown variant `greedy`"),
        ("0.9\n", "0.9\nexport = true\n", "expected no `export` for `self_consumption`"),
        ("0.9\n", "0.9\ncharge_below = \"0.1\"\n", "expected no `charge_below` for `self_consumption`"),
        ("0.9\n", "0.9\ndischarge_above = \"0.1\"\n", "expected no `discharge_above` for `self_consumption`"),
        ("0.9\n", &format!("0.9\n{driven}discharge_above = \"0.1\""), "for `price_driven`, found no `charge_below`"),
        ("0.9\n", &format!("0.9\n{driven}charge_below = \"0.1\""), "for `price_driven`, found no `discharge_above`"),
        (
            "0.9\n",
            &format!("0.9\n{driven}charge_below = \"0.1\"\ndischarge_above = \"0.1\""),
            "expected a `charge_below` that is below `discharge_above`, found 0.1 and 0.1",
        ),
    ] {
        let error = read(&good.replace(from, to)).unwrap_err();
        assert!(error.message().contains(expected), "{to}: {error}");
        assert_eq!(error.message().lines().count(), 1, "{error}");
    }
}
