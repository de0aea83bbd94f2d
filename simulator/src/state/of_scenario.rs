//! A scenario as a live neighbourhood: each agent's meter shows what its home's devices do, and its `[order]` is its
//! strategy. What all devices but the battery do follows from nothing that is traded, and is recorded before anything
//! is; a battery is modelled by the agent itself, as its receipts come.

use market_service::files::Keys;

use super::Setup;
use crate::{
    dataset::{Dataset, ModelledBattery, Participant, Usage},
    offline::{Community, Street, Use},
    orders::Orders,
    scenario::{Part, Scenario, ScenarioError},
    terms::Terms,
};

/// What a scenario asks for that only an offline run has: a live one is refused it, and nothing is left out in silence.
fn only_offline(scenario: &Scenario) -> Result<(), ScenarioError> {
    let refused = |key: &str, what: &str| {
        Err(ScenarioError::at(
            key,
            format!("expected none in a live neighbourhood, found {what}; `run` plays it offline"),
        ))
    };
    if !scenario.tariffs.windows.is_empty() || scenario.tariffs.series.is_some() {
        return refused("tariffs", "prices that change");
    }
    if scenario.faults.offline.ppm() > 0 {
        return refused("faults.offline", "meters out of reach");
    }
    if scenario.faults.dishonest.is_some() {
        return refused("faults.dishonest", "meters that say something else than what flows");
    }
    Ok(())
}

/// The live neighbourhood of a scenario.
pub(crate) fn setup(scenario: &Scenario, community: &Community, validators: usize) -> Result<Setup, ScenarioError> {
    only_offline(scenario)?;
    let mut street = Street::new(community, protocol::hash::Hash::ZERO);
    let (mut memory, mut uses) = (community.start(), vec![Use::default(); community.members()]);
    let mut usage: Vec<Vec<Usage>> = vec![Vec::with_capacity(community.intervals()); community.members()];
    for at in 0..community.intervals() {
        street.measure(at, &mut memory, &mut uses);
        for (usage, of_member) in usage.iter_mut().zip(&uses) {
            // All but the battery, whose prices nobody knows yet.
            usage.push(Usage {
                consumption_wh: of_member.consumption.into(),
                production_wh: of_member.production.into(),
            });
        }
    }
    let modelled = |(battery, settings): (_, &toml::Value)| ModelledBattery { battery, settings: settings.to_string() };
    let participant = |(number, ((id, bus), usage))| {
        let battery = community.battery(number).map(modelled);
        Participant { id, bus, usage, battery }
    };
    let participants = community.names_and_buses().into_iter().zip(usage).enumerate().map(participant);
    let dataset = Dataset {
        profile: "scenario".into(),
        first: street.interval(0),
        intervals: community.intervals(),
        participants: participants.collect(),
        grid: community.plan().cloned(),
    };
    let market = &scenario.market;
    let share = |(name, part): (&String, &Part)| (name.clone().into_bytes(), part.ppm());
    let keys = Keys {
        shares: market.shares.as_ref().map(|shares| shares.iter().map(share).collect()),
        priority: market.priority.iter().flatten().map(|name| name.clone().into_bytes()).zip(0..).collect(),
    };
    Ok(Setup {
        from: dataset.first,
        dataset,
        mechanism: market.mechanism.clone(),
        retail: scenario.tariffs.retail,
        feed_in: scenario.tariffs.feed_in,
        validators,
        orders: Orders::of_tables(community.orders()),
        terms: Terms {
            price: market.price,
            keys,
            fees: market.fees.clone(),
            derate_ppm: market.derate.map(Part::ppm).filter(|ppm| *ppm != protocol::parameters::WHOLE_PPM),
        },
    })
}
