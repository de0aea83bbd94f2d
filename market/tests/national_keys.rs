//! The keys of national law: the worked cases that others have published, and, for the German ones, another program.
//!
//! `metering` has fractions of a Wh, and cuts quotients at a millionth; here are whole Wh by largest remainder. So the
//! two differ by less than a Wh for each member, and by what that cut takes.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use market::{
    economics::{Circumstances, economics},
    grid::Grid,
    inputs::MeteredMember,
    metering::Metered,
};
use metering::{
    allocation::{
        community::{AllocationKey, allocate},
        formula::SplitFactor,
    },
    ids::MeloId,
    series::{
        Series,
        interval::{MeterInterval, QualityFlag},
    },
    time::{calendar::DayBoundary, resolution::Resolution},
};
use proptest::{collection::vec, prelude::*, test_runner::Config};
use protocol::{
    energy::Energy,
    genesis::Rules,
    hash::Hash,
    island::ISLANDED,
    member::MemberId,
    money::Price,
    order::PriceLimits,
    parameters::{Parameters, Share, WHOLE_PPM},
    reading::Flow,
};
use rust_decimal::{Decimal, prelude::ToPrimitive};

/// The plant is a member of its own, with the highest number.
const PLANT: u8 = 200;

fn id(number: usize) -> MemberId {
    MemberId::from_bytes([number as u8; 16])
}

/// What each consumer is allocated, in Wh, of what a plant fed in: settled as an interval is.
fn allocated(mechanism: &str, plant: u64, consumption: &[u64], parameters: Parameters) -> Vec<u64> {
    allocated_of(mechanism, &[plant], consumption, parameters)
}

fn allocated_of(mechanism: &str, plants: &[u64], consumption: &[u64], parameters: Parameters) -> Vec<u64> {
    let member = |number: usize, import, export| {
        let [import, export] = [import, export].map(Energy::from_wh);
        MeteredMember {
            quota: None,
            member: id(number),
            bus: Grid::ROOT,
            limits: PriceLimits::default(),
            metered: Metered { measured: Some(Flow { import, export }), late: Flow::default() },
            technology: None,
        }
    };
    let consumers = (0..).zip(consumption).map(|(number, wh)| member(number, *wh, 0));
    let plants = (usize::from(PLANT)..).zip(plants).map(|(number, wh)| member(number, 0, *wh));
    let members: Vec<MeteredMember> = consumers.chain(plants).collect();
    let price = |micro| Price::from_micro(micro).unwrap();
    let mut rules = Rules::new(price(300_000), price(80_000), mechanism);
    parameters.check().unwrap();
    rules.parameters = Some(parameters);
    let interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
    let (grid, tie_seed) = (&Grid::single_bus(), &Hash::ZERO);
    let economics = economics(&members, &Circumstances { interval, rules: &rules, grid, tie_seed }).unwrap();
    economics.lines[..consumption.len()].iter().map(|line| line.bought.wh()).collect()
}

fn shares(ppm: &[u32]) -> Parameters {
    let share = |(number, ppm): (usize, &u32)| Share { member: id(number), ppm: *ppm };
    Parameters { shares: Some((0..).zip(ppm).map(share).collect()), ..Parameters::default() }
}

/// The same by `metering`, in Wh with fractions.
fn by_metering(plant: u64, consumption: &[u64], key: &AllocationKey) -> Vec<Decimal> {
    let start = time::OffsetDateTime::from_unix_timestamp(1_780_315_200).unwrap();
    let series = |wh: u64| {
        let interval = MeterInterval::quarter_hour(start, wh.into(), QualityFlag::Measured).unwrap();
        Series::new(Resolution::QUARTER_HOUR, DayBoundary::Strom, vec![interval]).unwrap()
    };
    let consumers: Vec<(MeloId, Series)> = (0..).zip(consumption).map(|(at, wh)| (melo(at), series(*wh))).collect();
    let consumers: Vec<(MeloId, &Series)> = consumers.iter().map(|(melo, series)| (*melo, series)).collect();
    let rows = allocate(&series(plant), &consumers, key).unwrap();
    (0..consumption.len()).map(|at| rows[0].share(&melo(at)).unwrap().allocated).collect()
}

fn melo(number: usize) -> MeloId {
    format!("DE0001234567890000000000000{number:06}").parse().unwrap()
}

fn constant(ppm: &[u32]) -> AllocationKey {
    let fraction = |ppm: u32| SplitFactor::new(Decimal::new(ppm.into(), 6)).unwrap();
    AllocationKey::Constant { fractions: (0..).zip(ppm).map(|(at, ppm)| (melo(at), fraction(*ppm))).collect() }
}

fn cascading(ppm: &[u32]) -> AllocationKey {
    AllocationKey::Cascading { weights: (0..).zip(ppm).map(|(at, ppm)| (melo(at), (*ppm).into())).collect() }
}

/// The worked cases of `metering`, a thousand times as large, or a million times: a plant of 10, keys 0.1 and 0.9; one
/// of 9, in equal parts; one of 9, what one cannot use offered again.
#[test]
fn the_german_worked_cases() {
    assert_eq!(allocated("static_key", 10_000, &[5_000, 2_000], shares(&[100_000, 900_000])), [1_000, 2_000]);
    // As large that a millionth of it is whole Wh.
    let equal = shares(&[333_333; 3]);
    assert_eq!(
        allocated("static_key", 9_000_000, &[10_000_000, 1_000_000, 10_000_000], equal),
        [2_999_997, 1_000_000, 2_999_997]
    );
    for parameters in [shares(&[1, 1, 1]), Parameters::default()] {
        assert_eq!(allocated("cascading_key", 9_000, &[1_000, 10_000, 10_000], parameters), [1_000, 4_000, 4_000]);
    }
}

/// Enedis' four keys, of which three follow from rules. The fourth, a coefficient for each producer and consumer that
/// the organiser states after the fact, follows from none, and no mechanism has it.
#[test]
fn the_french_keys_that_follow_from_a_rule() {
    let consumption = [500, 100, 300];
    let of = |mechanism: &str, parameters| allocated_of(mechanism, &[400, 200], &consumption, parameters);
    // Default, D315-6: in proportion to consumption.
    assert_eq!(of("dynamic_key", Parameters::default()), [333, 67, 200]);
    // Static: what is beyond a consumer's own consumption is nobody's.
    assert_eq!(of("static_key", shares(&[300_000, 400_000, 200_000])), [180, 100, 120]);
    // Dynamic, by rules that say the coefficients of each step.
    assert_eq!(of("cascading_key", shares(&[300_000, 400_000, 300_000])), [250, 100, 250]);
    let priority = Some(vec![id(1), id(2)]);
    assert_eq!(of("priority_key", Parameters { priority, ..Parameters::default() }), [200, 100, 300]);
}

#[test]
fn whoever_takes_part_with_a_part_is_allocated_at_most_that() {
    let part = |number, ppm| Share { member: id(number), ppm };
    let participation = Some(vec![part(0, 500_000), part(1, 10_000), part(usize::from(PLANT), 250_000)]);
    let parameters = || Parameters { participation: participation.clone(), ..Parameters::default() };
    // 400 of the plant's 1,600; 200 and 2 and 198 are wanted.
    assert_eq!(allocated("dynamic_key", 1_600, &[400, 200, 198], parameters()), [200, 2, 198]);
    // On an island there is no supplier for the rest.
    let on_grid = market::clearing::mechanisms().iter().filter(|mechanism| mechanism.name() != ISLANDED);
    for mechanism in on_grid {
        let bought = allocated(mechanism.name(), 1_600, &[400, 200, 1_000], parameters());
        assert!(bought[0] <= 200 && bought[1] <= 2 && bought.iter().sum::<u64>() <= 400, "{bought:?}");
    }
}

/// A plant, what some consume, and shares of at most the whole in all. As large as `metering` can cut within a Wh.
fn book() -> impl Strategy<Value = (u64, Vec<u64>, Vec<u32>)> {
    let consumption = vec(prop_oneof![1 => Just(0), 4 => 0..2_000_u64, 4 => 0..100_000_u64], 1..12);
    (prop_oneof![1 => Just(0), 8 => 0..90_000_u64], consumption, vec(0..WHOLE_PPM, 12)).prop_map(
        |(plant, consumption, parts)| {
            let parts = &parts[..consumption.len()];
            let sum: u64 = parts.iter().map(|part| u64::from(*part)).sum::<u64>().max(1);
            // Each at least a millionth, as `metering` knows no less, and in all at most the whole.
            let whole = u64::from(WHOLE_PPM) - parts.len() as u64;
            let ppm = parts.iter().map(|part| 1 + (u64::from(*part) * whole / sum) as u32).collect();
            (plant, consumption, ppm)
        },
    )
}

/// `cut` is what cutting quotients took of each.
fn check_near(ours: &[u64], theirs: &[Decimal], cut: Decimal) -> Result<(), TestCaseError> {
    for (ours, theirs) in ours.iter().zip(theirs) {
        let difference = (Decimal::from(*ours) - theirs).abs();
        prop_assert!(difference < Decimal::ONE + cut, "{ours} and {theirs}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(Config { cases: 512, failure_persistence: None, ..Config::default() })]

    #[test]
    fn german_fixed_shares_are_those_of_another_program((plant, consumption, ppm) in book()) {
        let ours = allocated("static_key", plant, &consumption, shares(&ppm));
        check_near(&ours, &by_metering(plant, &consumption, &constant(&ppm)), Decimal::ZERO)?;
    }

    #[test]
    fn german_proportional_shares_are_those_of_another_program((plant, consumption, _) in book()) {
        let ours = allocated("dynamic_key", plant, &consumption, Parameters::default());
        let pool = plant.min(consumption.iter().sum());
        // It cuts before it multiplies.
        let cut = Decimal::new(pool as i64, 6);
        check_near(&ours, &by_metering(pool, &consumption, &AllocationKey::Proportional), cut)?;
    }

    #[test]
    fn german_equal_shares_are_those_of_another_program((plant, consumption, _) in book()) {
        let equal = vec![WHOLE_PPM / consumption.len() as u32; consumption.len()];
        let ours = allocated("static_key", plant, &consumption, shares(&equal));
        check_near(&ours, &by_metering(plant, &consumption, &AllocationKey::EqualShares), Decimal::ZERO)?;
    }

    #[test]
    fn german_cascades_are_those_of_another_program((plant, consumption, ppm) in book()) {
        let ours = allocated("cascading_key", plant, &consumption, shares(&ppm));
        // A millionth of a Wh each time that something is offered again.
        let cut = Decimal::new(consumption.len() as i64, 6);
        check_near(&ours, &by_metering(plant, &consumption, &cascading(&ppm)), cut)?;
    }

    /// Code de l'énergie, D315-4: nobody is allocated more than was consumed, and no more in all than was produced, or
    /// consumed; D315-6: without a key, all of what can be is, in proportion to consumption.
    #[test]
    fn the_french_articles_hold((plant, consumption, ppm) in book()) {
        let all: u64 = consumption.iter().sum();
        for name in ["static_key", "dynamic_key", "cascading_key", "priority_key"] {
            let allocated = allocated(name, plant, &consumption, shares(&ppm));
            let sum: u64 = allocated.iter().sum();
            prop_assert!(sum <= plant && sum <= all, "{}", name);
            prop_assert!(allocated.iter().zip(&consumption).all(|(got, used)| got <= used), "{}", name);
        }
        let default = allocated("dynamic_key", plant, &consumption, Parameters::default());
        prop_assert_eq!(default.iter().sum::<u64>(), plant.min(all));
        for (got, used) in default.iter().zip(&consumption).filter(|_| all > 0) {
            let exact = Decimal::from(*used) * Decimal::from(plant.min(all)) / Decimal::from(all);
            prop_assert!((Decimal::from(*got) - exact).abs() < Decimal::ONE);
        }
        // A coefficient times what was produced, to the Wh.
        for ((got, used), ppm) in allocated("static_key", plant, &consumption, shares(&ppm)).iter().zip(&consumption).zip(&ppm) {
            let entitled = Decimal::from(plant) * Decimal::new((*ppm).into(), 6);
            let least = entitled.floor().to_u64().unwrap().min(*used);
            prop_assert!((least..=least + 1).contains(got));
        }
    }

    /// Whoever can use more than its part of a cascade gets at least that, and nothing is left while someone could.
    #[test]
    fn a_cascade_leaves_nothing_that_someone_could_use((plant, consumption, ppm) in book()) {
        let once = allocated("static_key", plant, &consumption, shares(&ppm));
        let again = allocated("cascading_key", plant, &consumption, shares(&ppm));
        let named: u64 = consumption.iter().zip(&ppm).filter(|(_, ppm)| **ppm > 0).map(|(used, _)| used).sum();
        prop_assert_eq!(again.iter().sum::<u64>(), plant.min(named));
        prop_assert!(again.iter().zip(&once).all(|(again, once)| *again + 1 >= *once));
    }
}

/// By which the sums of a book are told apart: no two keys are the same on all of them.
#[test]
fn the_keys_differ() {
    let of = |name: &str| allocated(name, 9_000, &[10_000, 1_000, 5_000], shares(&[333_333, 333_333, 333_334]));
    let keys = ["static_key", "dynamic_key", "cascading_key"];
    let results: BTreeMap<Vec<u64>, &str> = keys.into_iter().map(|name| (of(name), name)).collect();
    assert_eq!(results.len(), keys.len(), "{results:?}");
}
