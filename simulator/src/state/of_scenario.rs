//! A scenario as a live neighbourhood: each agent's meter shows what its home's devices do, and its `[order]` is its
//! strategy. What all devices but the battery do follows from nothing that is traded, and is recorded before anything
//! is; a battery is modelled by the agent itself, as its receipts come.

use market_files::Keys;
use protocol::{interval::Interval, limits::SCHEDULED_MAX, settlement::Tariffs};

use super::Setup;
use crate::{
    dataset::{Dataset, ModelledBattery, Participant, Usage},
    offline::{Community, Street, Use},
    orders::Orders,
    scenario::{Part, Scenario, ScenarioError},
    terms::Terms,
};

/// What the supplier takes and gives: in the first interval, and from which later ones on otherwise. Each change is a
/// decision of the validators, who decide so many beforehand. A live neighbourhood is refused what it cannot play, and
/// nothing is left out in silence.
fn tariffs(
    community: &Community,
    street: &Street<&Community>,
) -> Result<(Tariffs, Vec<(Interval, Tariffs)>), ScenarioError> {
    let first = street.rules(0).tariffs();
    let mut last = first;
    let mut changes = Vec::new();
    for at in 1..community.intervals() {
        let tariffs = street.rules(at).tariffs();
        if last != tariffs {
            changes.push((street.interval(at), tariffs));
            last = tariffs;
        }
    }
    if changes.len() > SCHEDULED_MAX {
        let found = changes.len();
        let message = format!(
            "expected at most {SCHEDULED_MAX} changes of the supplier's prices in a live neighbourhood, as many as \
             validators decide ahead, found {found}; shorten `period`, or play it offline with `run`"
        );
        return Err(ScenarioError::at("tariffs", message));
    }
    match community.sees_tariffs().filter(|_| !changes.is_empty()) {
        Some(name) => {
            let message = format!(
                "expected none that follows the supplier's prices where these change in a live neighbourhood, found \
                 `{name}`: a household has proof of a price only when it has bid already; `run` plays it offline"
            );
            Err(ScenarioError::at("strategies", message))
        }
        None => Ok((first, changes)),
    }
}

/// The live neighbourhood of a scenario.
pub(crate) fn setup(scenario: &Scenario, community: &Community, validators: usize) -> Result<Setup, ScenarioError> {
    if scenario.outage.is_some() {
        let message = "expected none in a live neighbourhood, found one; play it offline with `run`";
        return Err(ScenarioError::at("outage", message));
    }
    let mut street = Street::new(community, protocol::hash::Hash::ZERO);
    let (tariffs, changes) = tariffs(community, &street)?;
    let (mut memory, mut uses) = (community.start(), vec![Use::default(); community.members()]);
    let mut told = Vec::new();
    let mut usage: Vec<Vec<Usage>> = vec![Vec::with_capacity(community.intervals()); community.members()];
    for at in 0..community.intervals() {
        street.measure(at, &mut memory, &mut uses);
        let told = community.told(&uses, &mut told);
        for (member, (usage, (flows, told))) in usage.iter_mut().zip(uses.iter().zip(told)).enumerate() {
            // All but the battery, whose prices nobody knows yet: what its meter says of both is modelled with it.
            let of_member = if community.has_battery(member) { flows } else { told };
            usage.push(Usage {
                consumption_wh: of_member.consumption.into(),
                production_wh: of_member.production.into(),
            });
        }
    }
    let modelled = |member| {
        let (battery, settings) = community.battery(member)?;
        Some(ModelledBattery { battery, settings: settings.to_string(), misreports: community.misreport(member) })
    };
    let participant = |(number, ((id, bus), usage))| Participant { id, bus, usage, battery: modelled(number) };
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
        retail: tariffs.retail_price,
        feed_in: tariffs.feed_in_price,
        validators,
        orders: Orders::of_tables(community.orders()),
        terms: Terms {
            price: market.price,
            keys,
            fees: market.fees.clone(),
            derate_ppm: market.derate.map(Part::ppm).filter(|ppm| *ppm != protocol::parameters::WHOLE_PPM),
        },
        tariffs: changes,
        out_of_reach: community
            .names()
            .map(str::to_owned)
            .zip((0..).map(|member| community.out_of_reach(member)))
            .collect(),
    })
}
