//! What a node knows of the situation, from the ledger's state and the interval that was settled last.

use std::collections::BTreeMap;

use ledger::state::{Member, State};
use protocol::{
    api::Correctable,
    commit::Power,
    energy::Energy,
    genesis::Genesis,
    interval::Interval,
    island::{CLASSES, Class, IslandPlan, Quota, energy_of},
    member::MemberId,
    settlement::Line,
    situation::{BusSituation, ClassSums, Dark, IslandQuorum, IslandState, PlannedInterval, Served, Situation},
    status::DeviceStatus,
};

/// Minutes in an hour: a battery of so many Wh lasts so many of them at that many W.
const HOUR_MINUTES: u128 = 60;

/// The situation in a state. `last` is the interval that was settled last, as it stands, if its inputs are known; the
/// last checkpoint is the node's.
pub fn situation(
    genesis: &Genesis,
    state: &State,
    last: Option<&Correctable>,
    checkpoint: Option<String>,
) -> Situation {
    let open = state.next();
    let rules = &state.rules_at(open).0.rules;
    let transformer = rules.transformer.map(|meter| meter.member);
    let members: Vec<(&MemberId, &Member)> =
        state.members().filter(|(id, member)| member.device().is_some() && transformer != Some(**id)).collect();
    let plan = rules.island();
    Situation {
        community: genesis.community.clone(),
        chain: state.chain(),
        time_zone: genesis.time_zone.clone(),
        settled: state.settled(),
        open,
        island: state.island().map(|island| IslandState {
            from: island.from,
            until: island.until,
            by_itself: island.by_itself,
            is_on: rules.is_islanded(),
        }),
        quorum: island_quorum(state),
        served: last.and_then(served),
        planned: planned(state),
        autonomy_minutes: plan.and_then(|plan| autonomy(plan, state, &members, last)),
        buses: buses(state, &members, last),
        dark: dark(plan, state, &members),
        checkpoint,
    }
}

/// The voting power that goes on running on an island; none without a plan.
pub fn island_quorum(state: &State) -> Option<IslandQuorum> {
    let plan = state.rules_at(state.next()).0.rules.island()?;
    let on_island = |key| plan.validators.binary_search(key).is_ok();
    // A hundred validators of 2^32 each fit an u64.
    let whole: u64 = state.validators().iter().map(|validator| validator.power).sum();
    let power: u64 = state.validators().iter().filter(|of| on_island(&of.key)).map(|of| of.power).sum();
    let suffices = Power { signed: power.into(), total: whole.into() }.is_enough();
    Some(IslandQuorum { power, whole, suffices })
}

fn sums<'a>(quotas: impl Iterator<Item = &'a Quota> + Clone) -> [ClassSums; CLASSES] {
    Class::ALL.map(|class| {
        let at = class as usize;
        let sum = |of: fn(&Quota) -> &[Energy; CLASSES]| quotas.clone().map(|quota| of(quota)[at].wh()).sum();
        let unserved = quotas.clone().filter(|quota| !quota.unserved()[at].is_zero()).count();
        ClassSums {
            class,
            claimed: Energy::from_wh(sum(|quota| &quota.claims)),
            awarded: Energy::from_wh(sum(|quota| &quota.awards)),
            members_unserved: unserved as u64,
        }
    })
}

fn planned(state: &State) -> Vec<PlannedInterval> {
    let available = state.island().map(|island| island.available_wh.clone()).unwrap_or_default();
    let of = |(interval, available_wh): (Interval, u64)| {
        let quotas: Vec<Quota> = state.members().filter_map(|(id, _)| state.quota(*id, interval)).collect();
        PlannedInterval { interval, available_wh, classes: sums(quotas.iter()) }
    };
    available.into_iter().map(of).collect()
}

/// What was drawn against the quotas: a member is served class by class, the first class first.
fn served(last: &Correctable) -> Option<Served> {
    let drawn: BTreeMap<MemberId, u64> =
        last.settlement.lines.iter().map(|line| (line.member, drawn_wh(line))).collect();
    let quotas: Vec<&Quota> = last.inputs.iter().filter_map(|input| input.quota.as_deref()).collect();
    if quotas.is_empty() {
        return None;
    }
    let overdrawn: Vec<u64> = last
        .inputs
        .iter()
        .filter_map(|input| Some((input.quota.as_ref()?, drawn.get(&input.member)?)))
        .map(|(quota, drawn)| drawn.saturating_sub(quota.total().wh()))
        .filter(|wh| *wh > 0)
        .collect();
    Some(Served {
        classes: sums(quotas.iter().copied()),
        overdrawn: Energy::from_wh(overdrawn.iter().sum()),
        members_overdrawn: overdrawn.len() as u64,
    })
}

fn drawn_wh(line: &Line) -> u64 {
    line.bought.wh().saturating_add(line.imported.wh())
}

fn fed_in_wh(line: &Line) -> u64 {
    line.sold.wh().saturating_add(line.exported.wh())
}

/// The word of a device that still holds.
fn word(state: &State, member: MemberId) -> Option<DeviceStatus> {
    let settled = state.settled()?;
    state.standby(member)?.status.filter(|status| status.holds(settled))
}

/// Minutes for which what is stored covers life-safety and critical claims, where what is fed in does not.
fn autonomy(
    plan: &IslandPlan,
    state: &State,
    members: &[(&MemberId, &Member)],
    last: Option<&Correctable>,
) -> Option<u64> {
    let seconds = state.next().length().seconds();
    let lines: BTreeMap<MemberId, &Line> =
        last.map(|last| last.settlement.lines.iter().map(|line| (line.member, line)).collect()).unwrap_or_default();
    let (mut stored_wh, mut needed_wh, mut made_wh) = (0_u128, 0_u128, 0_u128);
    for (id, _) in members {
        let claim = plan.claim(**id);
        let decided_wh = energy_of(claim.life_safety_w.saturating_add(claim.critical_w), seconds).wh();
        let word = word(state, **id);
        let now_wh = word.map_or(decided_wh, |word| energy_of(word.critical_w, seconds).wh());
        needed_wh += u128::from(decided_wh.min(now_wh));
        let fed_in_wh = || lines.get(id).map_or(0, |line| fed_in_wh(line));
        made_wh += u128::from(word.map_or_else(fed_in_wh, |word| word.forecast.wh()));
        stored_wh += u128::from(word.map_or(0, |word| word.stored_wh));
    }
    let missing_wh = needed_wh.checked_sub(made_wh).filter(|missing| *missing > 0)?;
    let minutes = stored_wh * u128::from(seconds.unsigned_abs()) / HOUR_MINUTES / missing_wh;
    Some(u64::try_from(minutes).unwrap_or(u64::MAX))
}

fn buses(state: &State, members: &[(&MemberId, &Member)], last: Option<&Correctable>) -> Vec<BusSituation> {
    let mut buses: BTreeMap<Option<&str>, BusSituation> = BTreeMap::new();
    let lines: BTreeMap<MemberId, &Line> =
        last.map(|last| last.settlement.lines.iter().map(|line| (line.member, line)).collect()).unwrap_or_default();
    for (id, member) in members {
        let bus = buses.entry(member.bus()).or_insert_with(|| BusSituation {
            bus: member.bus().map(str::to_owned),
            members: 0,
            dark: 0,
            drawn: Energy::ZERO,
            fed_in: Energy::ZERO,
            stored_wh: 0,
            capacity_wh: 0,
            devices: 0,
            oldest: None,
        });
        bus.members += 1;
        bus.dark += u64::from(is_dark(state, member));
        if let Some(line) = lines.get(id) {
            bus.drawn = Energy::from_wh(bus.drawn.wh().saturating_add(drawn_wh(line)));
            bus.fed_in = Energy::from_wh(bus.fed_in.wh().saturating_add(fed_in_wh(line)));
        }
        if let Some(word) = word(state, **id) {
            bus.devices += 1;
            bus.stored_wh = bus.stored_wh.saturating_add(word.stored_wh);
            bus.capacity_wh = bus.capacity_wh.saturating_add(word.capacity_wh);
            bus.oldest = Some(bus.oldest.map_or(word.interval, |oldest| oldest.min(word.interval)));
        }
    }
    buses.into_values().collect()
}

/// Whether a member's meter did not measure the last settled interval.
fn is_dark(state: &State, member: &Member) -> bool {
    state.settled().is_some_and(|settled| member.head().interval < settled)
}

fn dark(plan: Option<&IslandPlan>, state: &State, members: &[(&MemberId, &Member)]) -> Vec<Dark> {
    let critical = |id: MemberId| {
        plan.map(|plan| plan.claim(id)).is_some_and(|claim| claim.life_safety_w > 0 || claim.critical_w > 0)
    };
    let dark = members.iter().filter(|(_, member)| is_dark(state, member));
    dark.map(|(id, member)| Dark {
        member: **id,
        bus: member.bus().map(str::to_owned),
        read: member.head().interval,
        critical: critical(**id),
    })
    .collect()
}
