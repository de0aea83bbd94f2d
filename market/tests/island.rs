//! Quotas of an island against other ways to find them: of all allocations the fairest, where there are few, and an LP
//! solver, which knows nothing of shares.
//!
//! Failing cases are kept as seeds in `island.seeds` beside this file and tried again first.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use market::island::{Islander, Quotas, quotas};
use microlp::{ComparisonOp, OptimizationDirection, Problem, SolveOutcome};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, FileFailurePersistence, TestRunner},
};
use protocol::{
    energy::Energy,
    hash::Hash,
    island::{Class, IslandPlan, MemberClaim, Quota},
    limits::ENERGY_WH_MAX,
    member::MemberId,
    money::Price,
};

#[path = "support/shuffled.rs"]
mod shuffled;

use shuffled::{places, shuffled};

fn config(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("seeds"))),
        ..Config::default()
    }
}

/// A member: what was decided for it, what its connection carries, and what it makes. In an hour, a W is a Wh.
#[derive(Debug, Clone)]
struct Home {
    claim: MemberClaim,
    rated_power_w: u64,
    fed_in: u64,
}

#[derive(Debug, Clone)]
struct Case {
    homes: Vec<Home>,
    basic_w: u64,
    seed: u8,
}

/// Up to so many homes, whose claims are of these sizes.
fn case(
    most: usize,
    w: impl Strategy<Value = u64> + Clone + 'static,
    persons: std::ops::RangeInclusive<u32>,
) -> impl Strategy<Value = Case> {
    let connection = prop_oneof![4 => Just(ENERGY_WH_MAX), 4 => w.clone(), 1 => Just(0)];
    let seldom = || prop_oneof![2 => Just(0), 1 => w.clone()];
    let classes = (seldom(), seldom(), persons, prop::option::weighted(0.9, w.clone()));
    // Little in some cases, and in others enough for the last class.
    let made = prop_oneof![2 => Just(0), 3 => w.clone(), 2 => w.clone().prop_map(|w| 4 * w)];
    let home = (any::<u8>(), classes, connection, made);
    (prop::collection::vec(home, 1..=most), w, any::<u8>()).prop_map(|(homes, basic_w, seed)| {
        let homes: BTreeMap<u8, Home> = homes
            .into_iter()
            .map(|(id, (life_safety_w, critical_w, persons, other_w), rated_power_w, fed_in)| {
                let member = MemberId::from_bytes([id; 16]);
                let other_w = other_w.or((rated_power_w == ENERGY_WH_MAX).then_some(7));
                let claim = MemberClaim { member, life_safety_w, critical_w, persons, other_w };
                (id, Home { claim, rated_power_w, fed_in })
            })
            .collect();
        Case { homes: homes.into_values().collect(), basic_w, seed }
    })
}

/// Few Wh, so that all allocations can be tried.
fn few() -> impl Strategy<Value = u64> + Clone {
    prop_oneof![2 => Just(0u64), 5 => 1..=4u64]
}

fn many() -> impl Strategy<Value = u64> + Clone {
    prop_oneof![2 => Just(0u64), 2 => 1..10u64, 3 => Just(500u64), 4 => 1..2_000u64]
}

fn any_size() -> impl Strategy<Value = u64> + Clone {
    prop_oneof![8 => many(), 1 => Just(ENERGY_WH_MAX), 1 => 0..ENERGY_WH_MAX]
}

impl Case {
    fn plan(&self) -> IslandPlan {
        let price = Price::from_micro(350_000).unwrap();
        let plan = IslandPlan {
            posted_price: price,
            price_cap: price,
            zero_intervals: None,
            basic_w: self.basic_w,
            recharge_intervals: 1,
            reserve_ppm: 0,
            claims: self.homes.iter().map(|home| home.claim).collect(),
            validators: Vec::new(),
        };
        assert_eq!(plan.check(), Ok(()));
        plan
    }

    fn islanders(&self) -> Vec<Islander> {
        let islander = |home: &Home| Islander {
            member: home.claim.member,
            rated_power_w: home.rated_power_w,
            fed_in: Energy::from_wh(home.fed_in),
            status: None,
        };
        self.homes.iter().map(islander).collect()
    }

    fn quotas(&self, islanders: &[Islander]) -> Quotas {
        quotas(&self.plan(), "2026-06-01T12:00:00Z/PT1H".parse().unwrap(), islanders, &Hash::of(&[self.seed]))
    }

    /// With so much more made, by someone who claims nothing.
    fn quotas_with_more(&self, more: u64) -> Vec<Quota> {
        let mut islanders = self.islanders();
        islanders.push(Islander {
            member: MemberId::from_bytes([0xee; 16]),
            rated_power_w: 0,
            fed_in: Energy::from_wh(more),
            status: None,
        });
        let mut quotas = self.quotas(&islanders).quotas;
        assert_eq!(quotas.pop(), Some(Quota::default()));
        quotas
    }

    fn weight(&self, class: Class, home: usize) -> u32 {
        if class == Class::Basic { self.homes[home].claim.persons } else { 1 }
    }

    /// Each class: what is left for it, and of each member its claim, weight and award.
    fn classes(&self) -> Vec<(Class, u64, Vec<Share>)> {
        let Quotas { available_wh, quotas } = self.quotas(&self.islanders());
        let mut left = available_wh;
        let of_class = |class: Class| {
            let share = |(home, quota): (usize, &Quota)| Share {
                claim: quota.claims[class as usize].wh(),
                weight: self.weight(class, home),
                award: quota.awards[class as usize].wh(),
            };
            let shares: Vec<Share> = quotas.iter().enumerate().map(share).collect();
            let total = left;
            left -= shares.iter().map(|share| share.award).sum::<u64>();
            (class, total, shares)
        };
        Class::ALL.into_iter().map(of_class).collect()
    }
}

#[derive(Debug)]
struct Share {
    claim: u64,
    weight: u32,
    award: u64,
}

/// All allocations of at most `total` whole Wh, each in ascending order of awards.
fn allocations(claims: &[u64], total: u64) -> Vec<Vec<u64>> {
    let Some((first, others)) = claims.split_first() else { return vec![Vec::new()] };
    let with = |award: u64| {
        allocations(others, total - award).into_iter().map(move |mut awards| {
            awards.insert(awards.partition_point(|other| *other < award), award);
            awards
        })
    };
    (0..=*first.min(&total)).flat_map(with).collect()
}

/// How far the solver may be from what it is asked for.
const ROUNDING: f64 = 1e-6;
/// What is no further apart is the same: more than what `ROUNDING` comes to over all members, and far below a Wh.
const NEAR: f64 = 1e-3;

/// The fair parts of `total`, not in whole Wh, by a series of linear programs (D. Bertsekas and R. Gallager, *Data
/// Networks*, 2nd edition 1992, section 6.5): the highest level by weight that all reach who are not settled; whoever
/// can have no more while the others keep it is settled there.
fn max_min(shares: &[Share], total: u64) -> Vec<f64> {
    let mut settled: Vec<Option<f64>> = vec![None; shares.len()];
    while settled.iter().any(Option::is_none) {
        let level = solved(shares, total, &settled, None);
        let open: Vec<usize> = (0..shares.len()).filter(|member| settled[*member].is_none()).collect();
        let room = |&member: &usize| {
            let reached = level * f64::from(shares[member].weight);
            (member, reached, solved(shares, total, &settled, Some((member, level))) - reached)
        };
        let rooms: Vec<(usize, f64, f64)> = open.iter().map(room).collect();
        let least = rooms.iter().map(|(.., room)| *room).fold(f64::INFINITY, f64::min);
        for (member, reached, _) in rooms.iter().filter(|(.., room)| *room <= least + NEAR) {
            settled[*member] = Some(*reached);
        }
    }
    settled.into_iter().map(Option::unwrap).collect()
}

/// The highest level; or, where all keep one, the most that a member can have.
fn solved(shares: &[Share], total: u64, settled: &[Option<f64>], keep: Option<(usize, f64)>) -> f64 {
    let mut problem = Problem::new(OptimizationDirection::Maximize);
    let level = problem.add_var(if keep.is_none() { 1.0 } else { 0.0 }, (0.0, 1e7));
    let mut sum = Vec::new();
    for (member, share) in shares.iter().enumerate().filter(|(member, _)| settled[*member].is_none()) {
        let goal = if keep.is_some_and(|(of, _)| of == member) { 1.0 } else { 0.0 };
        let award = problem.add_var(goal, (0.0, share.claim as f64));
        sum.push((award, 1.0));
        problem.add_constraint([(award, 1.0), (level, -f64::from(share.weight))], ComparisonOp::Ge, 0.0);
    }
    if let Some((_, at)) = keep {
        problem.add_constraint([(level, 1.0)], ComparisonOp::Ge, (at - ROUNDING).max(0.0));
    }
    let left = total as f64 - settled.iter().flatten().sum::<f64>();
    problem.add_constraint(&sum, ComparisonOp::Le, left.max(0.0) + ROUNDING);
    match problem.solve().unwrap() {
        SolveOutcome::Solution(solution) => solution.objective(),
        interrupted => panic!("{interrupted:?}"),
    }
}

proptest! {
    #![proptest_config(config(4_096))]

    #[test]
    fn each_class_is_shared_out_as_the_fairest_of_all_allocations(case in case(4, few(), 1..=1)) {
        for (class, total, shares) in case.classes() {
            let mut awards: Vec<u64> = shares.iter().map(|share| share.award).collect();
            awards.sort_unstable();
            let claims: Vec<u64> = shares.iter().map(|share| share.claim).collect();
            // The one whose least award is the largest, of those the one with the largest second least, and so on.
            prop_assert_eq!(Some(awards), allocations(&claims, total).into_iter().max(), "{:?} of {:?}", class, shares);
        }
    }

    #[test]
    fn a_lower_class_gets_nothing_while_a_claim_of_a_higher_one_is_open(case in case(12, any_size(), 1..=6)) {
        let mut open = 0;
        for (class, total, shares) in case.classes() {
            let claimed: u128 = shares.iter().map(|share| u128::from(share.claim)).sum();
            let awarded: u128 = shares.iter().map(|share| u128::from(share.award)).sum();
            prop_assert_eq!(awarded, claimed.min(total.into()), "{:?}", class);
            prop_assert!(shares.iter().all(|share| share.award <= share.claim));
            prop_assert!(open == 0 || awarded == 0, "{:?}", class);
            open += claimed - awarded;
        }
    }

    #[test]
    fn members_get_the_same_in_whatever_order_they_come(case in case(12, any_size(), 1..=6), places in places()) {
        let of = |islanders: Vec<Islander>| -> (u64, BTreeMap<MemberId, Quota>) {
            let Quotas { available_wh, quotas } = case.quotas(&islanders);
            (available_wh, islanders.iter().map(|islander| islander.member).zip(quotas).collect())
        };
        prop_assert_eq!(of(shuffled(&case.islanders(), &places)), of(case.islanders()));
    }

    #[test]
    fn nobody_gets_less_where_more_is_made(case in case(12, any_size(), 1..=6), more in 0..50u64) {
        let (without, with) = (case.quotas_with_more(0), case.quotas_with_more(more));
        for (home, (without, with)) in without.iter().zip(&with).enumerate() {
            for class in Class::ALL {
                let [without, with] = [without, with].map(|quota| quota.awards[class as usize].wh());
                // Largest remainders are Hamilton's method: where weights differ, someone's share can grow less than
                // the others' and its remainder fall behind. The whole part of a share never falls.
                let alike = (0..case.homes.len()).all(|other| case.weight(class, other) == case.weight(class, home));
                prop_assert!(with + u64::from(!alike) >= without, "{:?}: {} and then {}", class, without, with);
            }
        }
    }
}

proptest! {
    #![proptest_config(config(1_024))]

    #[test]
    fn an_lp_solver_finds_the_same_shares_within_a_wh(case in case(5, many(), 1..=6)) {
        for (class, total, shares) in case.classes() {
            for (share, exact) in shares.iter().zip(max_min(&shares, total)) {
                let apart = (share.award as f64 - exact).abs();
                prop_assert!(apart < 1.0 + 10.0 * NEAR, "{:?}: {} apart: {:?} of {}", class, apart, shares, total);
            }
        }
    }
}

#[test]
fn where_households_differ_one_wh_more_for_all_can_be_one_less_for_one() {
    let home = |id: u8, persons: u32| Home {
        claim: MemberClaim { persons, other_w: Some(0), ..MemberClaim::of_one_person(MemberId::from_bytes([id; 16])) },
        rated_power_w: ENERGY_WH_MAX,
        fed_in: 0,
    };
    let case = Case { homes: vec![home(1, 6), home(2, 6), home(3, 2)], basic_w: 1_000, seed: 0 };
    let basic = |made| -> Vec<u64> {
        case.quotas_with_more(made).iter().map(|quota| quota.awards[Class::Basic as usize].wh()).collect()
    };
    // 4.29, 4.29 and 1.43; then 4.71, 4.71 and 1.57.
    assert_eq!((basic(10), basic(11)), (vec![4, 4, 2], vec![5, 5, 1]));
}

#[test]
fn the_generators_make_what_the_properties_are_about() {
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..1_000 {
        for (size, case) in [
            ("few", case(4, few(), 1..=1).new_tree(&mut runner).unwrap().current()),
            ("many", case(5, many(), 1..=6).new_tree(&mut runner).unwrap().current()),
            ("any size", case(12, any_size(), 1..=6).new_tree(&mut runner).unwrap().current()),
        ] {
            for (class, _, shares) in case.classes() {
                let some = |of: &dyn Fn(&Share) -> bool| shares.iter().any(of);
                let kinds = [
                    (
                        "served whole",
                        some(&|share| share.claim > 0) && shares.iter().all(|share| share.award == share.claim),
                    ),
                    ("rationed", some(&|share| share.award > 0 && share.award < share.claim)),
                    (
                        "some whole, some rationed",
                        some(&|share| share.claim > 0 && share.award == share.claim)
                            && some(&|share| share.award > 0 && share.award < share.claim),
                    ),
                    ("nothing is left", some(&|share| share.claim > 0) && shares.iter().all(|share| share.award == 0)),
                ];
                for (kind, is_there) in kinds {
                    *seen.entry(format!("{size}, {class:?}: {kind}")).or_default() += u32::from(is_there);
                }
            }
        }
    }
    let rare: Vec<_> = seen.iter().filter(|(_, count)| **count < 10).collect();
    assert!(rare.is_empty(), "hardly ever generated: {rare:?}; {seen:?}");
}
