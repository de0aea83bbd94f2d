//! What every settlement must hold, on random neighbourhoods, under every mechanism.
//!
//! Failing cases are kept as seeds in `settlement_properties.seeds` beside this file and tried again first.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use market::{
    clearing::mechanisms,
    economics::{Wish, wish},
    grid::BusIndex,
    inputs::{Inputs, MeteredMember, member_input},
    metering::Metered,
    settlement::{IntervalInput, settle},
    welfare::welfare,
};
use proptest::prelude::*;
use protocol::{
    correction::MemberInput,
    energy::Energy,
    genesis::{Rules, Technology, TransformerMeter},
    hash::Hash,
    island::Quota,
    member::MemberId,
    money::{Amount, Price},
    order::PriceLimits,
    parameters::Parameters,
    reading::Flow,
    settlement::{Provisional, Settlement},
};

#[path = "support/generators.rs"]
mod generators;
#[path = "support/shuffled.rs"]
mod shuffled;

use generators::{BUSES, config, energy, grid, parameters, price};
use shuffled::{places, shuffled};

proptest! {
    #![proptest_config(config())]

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
        for mechanism in ["pay_as_bid", "feeder", "mid_market_rate", "dynamic_key", "cascading_key", "priority_key"] {
            let other = neighbourhood.under(mechanism, &Parameters::default());
            // With the whole ratings and no late energy the lines of this grid carry all of a usual neighbourhood.
            let traded = |settlement: &Settlement| settlement.lines.iter().map(|line| line.bought.wh()).sum::<u64>();
            if mechanism != "feeder" || settlement.lines.iter().all(|line| line.bought.wh() + line.sold.wh() < 6_000) {
                prop_assert_eq!(traded(&other.settle()), traded(&settlement), "{}", mechanism);
            }
        }
        let sum = |energy: fn(Flow) -> (Energy, Energy)| -> u64 {
            let nets = neighbourhood.members.iter().map(|member| energy(member.metered.measured.unwrap_or_default()));
            nets.map(|(one, other)| one.saturating_sub(other).wh()).sum()
        };
        let (deficit, surplus) = (sum(|flow| (flow.import, flow.export)), sum(|flow| (flow.export, flow.import)));
        let traded: u64 = settlement.lines.iter().map(|line| line.bought.wh()).sum();
        prop_assert_eq!(traded, deficit.min(surplus));
    }

    #[test]
    fn whatever_the_transformers_meter_says_nothing_is_scaled_to_fit(
        neighbourhood in neighbourhood(false),
        through in flow(),
        late in flow(),
        tolerance in (0_u64..5_000, 0_u32..100_000),
    ) {
        let without = neighbourhood.settle();
        prop_assert_eq!(&without.provisional, &None);
        // Above all members, whose ids are 255 at most followed by the same.
        let transformer = TransformerMeter {
            member: MemberId::from_bytes([255; 16]),
            tolerance_wh: tolerance.0,
            tolerance_ppm: tolerance.1,
        };
        let mut all = neighbourhood;
        all.members.retain(|member| member.member != transformer.member);
        let without = if all.members.len() == without.lines.len() { without } else { all.settle() };
        all.rules.transformer = Some(transformer);
        all.members.push(MeteredMember { quota: None,
            member: transformer.member,
            bus: grid().bus(Some(BUSES[0])).unwrap(),
            limits: PriceLimits::default(),
            metered: Metered { measured: Some(through), late },
            technology: Some(Technology::Solar),
        });
        let with = all.settle();
        let own = with.lines.last().unwrap();
        prop_assert_eq!(own.member, transformer.member);
        prop_assert_eq!((own.net(), own.imported, own.exported), (Some(Amount::ZERO), Energy::ZERO, Energy::ZERO));
        prop_assert_eq!(&with.lines[..with.lines.len() - 1], &without.lines[..]);
        prop_assert_eq!((&with.trades, &with.minted), (&without.trades, &without.minted));
        prop_assert_eq!((with.supplier, with.operator), (without.supplier, without.operator));

        let net = |flow: Flow| i128::from(flow.import.wh()) - i128::from(flow.export.wh());
        let measured = all.members.iter().filter(|member| member.member != transformer.member);
        let nets: Vec<i128> = measured.map(|member| net(member.metered.measured.unwrap())).collect();
        let carried: i128 = nets.iter().map(|net| net.abs()).sum();
        let allowed = i128::from(tolerance.0) + carried * i128::from(tolerance.1) / 1_000_000;
        let apart = net(through) - nets.iter().sum::<i128>();
        prop_assert_eq!(with.provisional.is_some(), apart.abs() > allowed);
        if let Some(Provisional { unread, balance }) = with.provisional {
            prop_assert_eq!(unread, vec![]);
            prop_assert_eq!(balance.unwrap().difference_wh().map(i128::from), Some(apart));
        }
    }

    #[test]
    fn the_greatest_welfare_is_the_least_that_a_price_is_worth_and_uniform_reaches_it(
        neighbourhood in neighbourhood(false),
        parameters in parameters(),
    ) {
        // The dual of the linear program: at any price, what every order would gain by it if all of it were traded.
        let limit = |order: &Wish| match order {
            Wish::Buy(price, _) | Wish::Sell(price, _) => i128::from(price.micro()),
        };
        let gain = |at: i128, order: &Wish| match order {
            Wish::Buy(_, energy) => (limit(order) - at).max(0) * i128::from(energy.wh()),
            Wish::Sell(_, energy) => (at - limit(order)).max(0) * i128::from(energy.wh()),
        };
        for mechanism in mechanisms() {
            let neighbourhood = neighbourhood.under(mechanism.name(), &parameters);
            let wish = |member| wish(member, &neighbourhood.rules);
            let orders: Vec<Wish> = neighbourhood.members.iter().filter_map(wish).collect();
            let worth = |at: i128| orders.iter().map(|order| gain(at, order)).sum::<i128>();
            let greatest = orders.iter().map(limit).map(worth).min().unwrap_or(0);
            let lines = neighbourhood.settle().lines;
            let mut members = neighbourhood.members.clone();
            members.sort_unstable_by_key(|member| member.member);
            let found = welfare(&members, &lines, &neighbourhood.rules);
            prop_assert_eq!(found.greatest_nano, greatest, "{}", mechanism.name());
            prop_assert!(found.realised_nano <= greatest, "{}", mechanism.name());
            if ["uniform", "pay_as_bid"].contains(&mechanism.name()) {
                prop_assert_eq!(found.realised_nano, greatest, "{}", mechanism.name());
            }
        }
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
        let rules = Rules { mechanism: mechanism.into(), parameters, ..self.rules.clone() };
        let on_island = rules.islanded().filter(|_| rules.is_islanded());
        Neighbourhood { rules: on_island.unwrap_or(rules), ..self.clone() }
    }

    /// Without devices, so that none is missed.
    fn inputs(&self) -> Inputs {
        let quota = |awarded: Energy| {
            let awards = [Energy::ZERO, Energy::ZERO, Energy::ZERO, awarded];
            Box::new(Quota { claims: awards, awards })
        };
        let input = |of: &MeteredMember| MemberInput {
            quota: of.quota.map(quota),
            ..member_input(of.member, None, of.technology, of.limits, Some(of.metered))
        };
        let buses: BTreeMap<MemberId, BusIndex> = self.members.iter().map(|of| (of.member, of.bus)).collect();
        let bus = |input: &MemberInput| buses.get(&input.member).copied().ok_or(input.member);
        Inputs::new(self.members.iter().map(input).collect(), bus).unwrap()
    }

    fn settle(&self) -> Settlement {
        settle(IntervalInput {
            interval: "2026-06-01T12:00:00Z/PT15M".parse().unwrap(),
            rules: &self.rules,
            grid: &grid(),
            tie_seed: &self.seed,
            readings: vec![],
            inputs: &self.inputs(),
        })
        .unwrap()
    }
}

fn flow() -> impl Strategy<Value = Flow> {
    (energy(), energy()).prop_map(|(import, export)| Flow { import, export })
}

fn limits() -> impl Strategy<Value = PriceLimits> {
    let cap = || prop::option::weighted(0.2, energy());
    (prop::option::of(price()), prop::option::of(price()), cap(), cap())
        .prop_map(|(buy, sell, buy_cap, sell_cap)| PriceLimits { buy, sell, buy_cap, sell_cap })
}

fn neighbourhood(price_takers: bool) -> impl Strategy<Value = Neighbourhood> {
    let late = prop_oneof![3 => Just(Flow::default()), 1 => flow()];
    let place = (any::<u8>(), prop::sample::select(&BUSES[..]));
    let member = (place, limits(), flow(), late, prop::option::weighted(0.9, energy()));
    (prop::collection::vec(member, 0..16), any::<[u8; 4]>()).prop_map(move |(members, seed)| {
        let members: BTreeMap<u8, MeteredMember> = members
            .into_iter()
            .map(|((id, bus), limits, measured, late, quota)| {
                let member = MeteredMember {
                    member: MemberId::from_bytes([id; 16]),
                    bus: grid().bus(Some(bus)).unwrap(),
                    limits: if price_takers { PriceLimits::default() } else { limits },
                    metered: Metered { measured: Some(measured), late },
                    technology: id.is_multiple_of(2).then_some(Technology::Wind),
                    quota,
                };
                (id, member)
            })
            .collect();
        let rules = Rules::new(Price::from_micro(300_000).unwrap(), Price::from_micro(80_000).unwrap(), "uniform");
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
    let on_island = neighbourhood.rules.is_islanded();
    for line in &settlement.lines {
        let MeteredMember { limits, metered: Metered { measured, late }, .. } = members[&line.member];
        // There, nobody's own limits count, and everybody pays the cap at most.
        let limits = if on_island { &PriceLimits::default() } else { limits };
        let measured = measured.unwrap_or_default();
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
