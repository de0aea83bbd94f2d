//! The island: when it begins and ends, and what everyone may draw in it.
//!
//! An island is other rules for a time: they come from the plan in the rules before, which come back after it. So
//! whoever looks rules up needs to know nothing of islands. Quotas are made when an interval is settled, for the one
//! after the interval that is open then: before it begins, and before anyone can know what will be drawn.

use std::{collections::BTreeMap, sync::Arc};

use market::island::{Islander, quotas};
use minicbor::{Decode, Encode};
use protocol::{
    energy::Energy,
    envelope::Sealed,
    interval::Interval,
    island::{PlannedQuota, Quota, Standby},
    key::DeviceId,
    member::MemberId,
    reading::Flow,
    settlement::Settlement,
    status::{DeviceStatus, STATUS_INTERVALS},
};

use super::{Member, Refusal, State, StateError, Version, entries::Key, in_order::InOrder, rulebook::Rulebook};

/// What the state knows of islands. It is an entry only where there is something to know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Watch {
    /// How many settled intervals in a row the transformer's meter has read nothing, or, on an island that began by
    /// itself, something.
    #[n(0)]
    pub(super) in_a_row: u32,
    /// The island that is declared or has begun.
    #[n(1)]
    pub(super) island: Option<Island>,
}

impl Watch {
    /// Checks that the rules that come back can.
    pub(super) fn check(&self) -> Result<(), StateError> {
        let on_grid = self.island.as_ref().map(|island| island.on_grid.clone());
        on_grid.map_or(Ok(()), |versions| Rulebook::new(versions).map(drop))
    }
}

/// An island that is declared or has begun.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Island {
    /// First interval on it.
    #[n(0)]
    pub from: Interval,
    /// First interval on the grid again; none while no end is decided.
    #[n(1)]
    pub until: Option<Interval>,
    /// Whether it began by itself, because the transformer's meter read nothing.
    #[n(2)]
    pub by_itself: bool,
    /// What there is in each interval whose quotas are made, Wh: of at most two.
    #[n(3)]
    pub available_wh: Vec<(Interval, u64)>,
    /// The rules on the grid, in ascending order of their first interval: those in force when it was declared, and
    /// those that were to come.
    #[n(4)]
    on_grid: Vec<Version>,
}

/// What is known of each member for an island, of those of whom anything is.
pub(super) type Standbys = Arc<BTreeMap<MemberId, Standby>>;

impl State {
    /// The island that is declared or has begun.
    pub fn island(&self) -> Option<&Island> {
        self.watch.island.as_ref()
    }

    /// What is known of a member for an island.
    pub fn standby(&self, member: MemberId) -> Option<&Standby> {
        self.standbys.get(&member)
    }

    /// What a member may draw in an interval; none where it is on no island, or not planned yet.
    pub fn quota(&self, member: MemberId, interval: Interval) -> Option<Quota> {
        let planned = &self.standby(member)?.quotas;
        planned.iter().find(|planned| planned.interval == interval).map(|planned| planned.quota)
    }

    /// Takes a device's word about what stands behind its meter.
    pub(super) fn report_status(&mut self, sealed: &Sealed) -> Result<MemberId, Refusal> {
        let directory = self.directory.clone();
        let member_of = |device: &DeviceId| directory.member_of_device(device);
        let status = sealed.open::<DeviceStatus>(&self.chain, |key| member_of(key).is_some())?;
        let id = member_of(&status.signer()).ok_or(Refusal::UnknownSigner(status.signer()))?;
        let open = self.totals.next;
        let plan = self.rules_at(open).0.rules.island().ok_or(Refusal::NoIslandPlan)?;
        let claim = plan.claim(id);
        let last = self.standby(id).and_then(|standby| standby.status);
        if last == Some(*status.payload()) {
            return Err(Refusal::Exists);
        }
        let near = status.interval.since(open).is_some_and(|ahead| ahead.abs() <= STATUS_INTERVALS);
        if !near || last.is_some_and(|last| last.interval >= status.interval) {
            return Err(Refusal::StatusNotNewer { open, found: status.interval });
        }
        status.check(self.member(id)?.rated_power_w()).map_err(Refusal::StatusImpossible)?;
        if status.critical_w > 0 && claim.life_safety_w == 0 && claim.critical_w == 0 {
            return Err(Refusal::ClassNotDecided(id));
        }
        Arc::make_mut(&mut self.standbys).entry(id).or_default().status = Some(*status.payload());
        self.leaves.touch(Key::Standby(id));
        Ok(id)
    }

    /// Declares the island that the rules plan.
    pub(super) fn declare_island(&mut self, from: Interval, until: Option<Interval>) -> Result<(), Refusal> {
        if self.island().is_some() {
            return Err(Refusal::Islanded);
        }
        self.check_not_before(from, 2)?;
        if let Some(until) = until.filter(|until| until.since(from).is_none_or(|intervals| intervals < 1)) {
            return Err(Refusal::IslandTooEarly { expected: after(from, 1)?, found: until });
        }
        if self.rules_at(from).0.rules.island().is_none() {
            return Err(Refusal::NoIslandPlan);
        }
        self.begin_island(from, until, false);
        Ok(())
    }

    /// Ends the island at `from`, or never begins it.
    pub(super) fn end_island(&mut self, from: Interval) -> Result<(), Refusal> {
        if self.island().is_none() {
            return Err(Refusal::NotIslanded);
        }
        self.check_not_before(from, 1)?;
        self.return_to_grid(from);
        Ok(())
    }

    fn check_not_before(&self, found: Interval, intervals: i64) -> Result<(), Refusal> {
        let open = self.totals.next;
        if found.since(open).is_some_and(|ahead| ahead >= intervals) {
            return Ok(());
        }
        Err(Refusal::IslandTooEarly { expected: after(open, intervals)?, found })
    }

    /// Puts the rules of the island that is planned, if one is, in the place of all that begin at `from` or later.
    fn begin_island(&mut self, from: Interval, until: Option<Interval>, by_itself: bool) {
        let (version, _) = self.rules_at(from);
        let Some(rules) = version.rules.islanded() else { return };
        let on_island = Version { from, rules, plan: version.plan.clone() };
        let on_grid = self.rulebook.since(from);
        Arc::make_mut(&mut self.rulebook).continue_with(from, vec![on_island]);
        let island = Island { from, until: None, by_itself, available_wh: Vec::new(), on_grid };
        self.watch = Watch { in_a_row: 0, island: Some(island) };
        self.leaves.touch(Key::Island);
        self.leaves.touch(Key::Rules);
        if let Some(until) = until {
            self.return_to_grid(until);
        }
    }

    /// From `until` on, the rules are what they would be without the island.
    fn return_to_grid(&mut self, until: Interval) {
        let Some(island) = &mut self.watch.island else { return };
        let in_force = island.on_grid.iter().rev().find(|version| version.from <= until).or(island.on_grid.first());
        let back = in_force.map(|version| Version { from: until, ..version.clone() });
        let to_come = island.on_grid.iter().filter(|version| version.from > until).cloned();
        let versions = back.into_iter().chain(to_come).collect();
        // Of an island that was never on, nothing stays; of another one, its beginning.
        let replaced = island.from.next().filter(|second| *second <= until).unwrap_or(until);
        Arc::make_mut(&mut self.rulebook).continue_with(replaced, versions);
        island.until = Some(until);
        self.leaves.touch(Key::Island);
        self.leaves.touch(Key::Rules);
    }

    /// What follows from a settlement for an island: whether it begins or ends, and the next quotas. The next interval
    /// is open already.
    pub(super) fn follow_island(&mut self, settlement: &Settlement) {
        self.retire_quotas(settlement.interval);
        let open = self.totals.next;
        // At the end of time no island begins any more.
        let Some(following) = open.next() else { return };
        if self.island().is_some_and(|island| island.until.is_some_and(|until| until <= open)) {
            self.watch = Watch::default();
            self.leaves.touch(Key::Island);
        }
        if let Some(exchange) = settlement.exchange {
            self.watch_exchange(exchange, following);
        }
        self.plan_quotas(settlement, following);
    }

    /// Begins an island by itself, or ends one that did, when the transformer's meter has said so often enough.
    fn watch_exchange(&mut self, exchange: Flow, from: Interval) {
        let plan = self.rules_at(self.totals.next).0.rules.island();
        let Some(enough) = plan.and_then(|plan| plan.zero_intervals) else { return };
        let nothing = exchange == Flow::default();
        let counts = match self.island() {
            None => nothing,
            Some(Island { by_itself: true, until: None, .. }) => !nothing,
            Some(_) => return,
        };
        let in_a_row = if counts { self.watch.in_a_row.saturating_add(1) } else { 0 };
        if in_a_row != self.watch.in_a_row {
            self.watch.in_a_row = in_a_row;
            self.leaves.touch(Key::Island);
        }
        if in_a_row < enough {
            return;
        }
        if self.island().is_some() {
            self.return_to_grid(from);
        } else {
            self.begin_island(from, None, true);
        }
    }

    /// Makes the quotas of an interval, if that is on the island.
    fn plan_quotas(&mut self, settlement: &Settlement, interval: Interval) {
        let rules = &self.rules_at(interval).0.rules;
        let (true, Some(plan)) = (rules.is_islanded(), rules.island()) else { return };
        let transformer = rules.transformer.map(|meter| meter.member);
        let mut lines = InOrder::new(settlement.lines.iter().map(|line| (&line.member, line)));
        let mut islander = |(id, member): (&MemberId, &Member)| Islander {
            member: *id,
            rated_power_w: member.rated_power_w(),
            fed_in: lines.find(id).and_then(|line| line.sold.checked_add(line.exported)).unwrap_or(Energy::ZERO),
            status: self.standby(*id).and_then(|standby| standby.status).filter(|it| it.holds(settlement.interval)),
        };
        let measured = |(id, member): &(&MemberId, &Member)| member.device().is_some() && transformer != Some(**id);
        let islanders: Vec<Islander> = self.members.iter().filter(measured).map(&mut islander).collect();
        let planned = quotas(plan, interval, &islanders, &self.totals.tie_seed);
        let standbys = Arc::make_mut(&mut self.standbys);
        for (islander, quota) in islanders.iter().zip(planned.quotas) {
            standbys.entry(islander.member).or_default().quotas.push(PlannedQuota { interval, quota });
            self.leaves.touch(Key::Standby(islander.member));
        }
        if let Some(island) = &mut self.watch.island {
            island.available_wh.push((interval, planned.available_wh));
            self.leaves.touch(Key::Island);
        }
    }

    /// Forgets the quotas of intervals that are settled: what was settled by them has them among its inputs.
    fn retire_quotas(&mut self, settled: Interval) {
        if self.standbys.values().any(|standby| standby.quotas.iter().any(|planned| planned.interval <= settled)) {
            for (id, standby) in Arc::make_mut(&mut self.standbys) {
                let planned = standby.quotas.len();
                standby.quotas.retain(|planned| planned.interval > settled);
                if standby.quotas.len() != planned {
                    self.leaves.touch(Key::Standby(*id));
                }
            }
            Arc::make_mut(&mut self.standbys).retain(|_, standby| *standby != Standby::default());
        }
        if let Some(island) = &mut self.watch.island
            && island.available_wh.iter().any(|(interval, _)| *interval <= settled)
        {
            island.available_wh.retain(|(interval, _)| *interval > settled);
            self.leaves.touch(Key::Island);
        }
    }
}

/// So many intervals later.
fn after(interval: Interval, intervals: i64) -> Result<Interval, Refusal> {
    interval.offset(intervals).ok_or(Refusal::EndOfTime(interval))
}
