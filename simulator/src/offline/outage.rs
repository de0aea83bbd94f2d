//! An outage: nothing comes from the supplier and nothing goes there, so what is drawn equals what is made and stored
//! here.
//!
//! What is made is the same whoever has what: each battery gives its neighbours what a quota counts on, as far as
//! anything is lacking. Under `islanded` everyone has a quota from what was known at the end of the interval before
//! last, and draws no more; where even that is more than there is, all lack the same part. Under another mechanism
//! the energy that a member bought is what it has.

use std::ops::Range;

use market::{
    economics::Economics,
    island::{Islander, quotas},
};
use protocol::{
    energy::Energy,
    genesis::Rules,
    hash::Hash,
    interval::Interval,
    island::{CLASSES, IslandPlan, MemberClaim, Quota, energy_of},
    money::Amount,
    status::DeviceStatus,
};

use super::{
    devices::{Devices, Memory},
    member::Member,
    uses::{Use, narrow},
};
use crate::scenario::{Scenario, ScenarioError, Start};

/// What a home's connection carries, W: three phases at 25 A.
const CONNECTION_W: u64 = 17_250;
/// A quota is made so many intervals ahead, as on the ledger: when the last but one before it is over.
const AHEAD: usize = 2;

/// An outage, and the plan for it.
#[derive(Debug)]
pub(crate) struct Outage {
    during: Range<usize>,
    mechanism: String,
    kept: bool,
    plan: IslandPlan,
}

/// What an interval of an outage came to for one member, Wh.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Shed {
    /// What it may draw; none where there are no quotas.
    pub(crate) quota_wh: Option<u64>,
    /// What its own roof and battery left to be drawn, by class.
    pub(crate) lacking_wh: [u64; CLASSES],
    /// What of it was not served.
    pub(crate) unserved_wh: [u64; CLASSES],
    /// What it drew.
    pub(crate) drawn_wh: u64,
    /// What it drew beyond its quota.
    pub(crate) overdraw_wh: u64,
    /// What it could have fed in and nobody drew.
    pub(crate) unused_wh: u64,
}

impl Shed {
    pub(crate) fn add(&mut self, other: &Shed) {
        for (classes, others) in
            [(&mut self.lacking_wh, &other.lacking_wh), (&mut self.unserved_wh, &other.unserved_wh)]
        {
            classes.iter_mut().zip(others).for_each(|(wh, other)| *wh += other);
        }
        self.drawn_wh += other.drawn_wh;
        self.overdraw_wh += other.overdraw_wh;
        self.unused_wh += other.unused_wh;
    }
}

impl Outage {
    pub(crate) fn of(
        scenario: &Scenario,
        homes: &[Member],
        first: Interval,
        intervals: usize,
    ) -> Result<Option<Outage>, ScenarioError> {
        let Some(said) = &scenario.outage else { return Ok(None) };
        let seconds = first.length().seconds();
        let place = |key: &str, Start(time_s): Start, range: Range<usize>| {
            let at = (time_s - first.start_s()).div_euclid(seconds);
            let starts = (time_s - first.start_s()).rem_euclid(seconds) == 0;
            usize::try_from(at).ok().filter(|at| starts && range.contains(at)).ok_or_else(|| {
                let start = |at: usize| String::from(Start(first.start_s() + at as i64 * seconds));
                let (from, to) = (start(range.start), start(range.end - 1));
                let found = String::from(Start(time_s));
                ScenarioError::at(key, format!("expected the start of an interval from {from} to {to}, found {found}"))
            })
        };
        // Of the first intervals no quotas could have been made.
        let from = place("outage.from", said.from, AHEAD..intervals.max(AHEAD + 1))?;
        let until = place("outage.until", said.until, from + 1..intervals.max(from + 1) + 1)?;
        let island = scenario.island.clone().unwrap_or_default();
        for (number, claims) in island.claims.iter().enumerate() {
            let known = |name: &&String| homes.iter().all(|home| home.name != **name);
            if let Some(found) = claims.members.iter().find(known) {
                let such = homes.first().map(|home| home.name.as_str()).unwrap_or_default();
                return Err(ScenarioError::at(
                    &format!("island.claims.{number}.members"),
                    format!("expected participants such as {such}, found `{found}`"),
                ));
            }
        }
        let claim = |(number, home): (usize, &Member)| {
            let said = island.claims.iter().find(|claims| claims.names(number, &home.name))?;
            Some(MemberClaim {
                member: home.id,
                life_safety_w: said.life_safety_w,
                critical_w: said.critical_w,
                persons: said.persons,
                other_w: said.other_w,
            })
        };
        let plan = island.plan(homes.iter().enumerate().filter_map(claim).collect())?;
        Ok(Some(Outage { during: from..until, mechanism: said.mechanism.clone(), kept: said.kept, plan }))
    }

    /// Whether the interval of this number is without a grid above.
    pub(crate) fn holds(&self, at: usize) -> bool {
        self.during.contains(&at)
    }

    pub(crate) fn intervals(&self) -> usize {
        self.during.len()
    }

    /// The rules meanwhile, instead of those on the grid.
    pub(crate) fn rules(&self, on_grid: &Rules) -> Rules {
        let mut rules = Rules { mechanism: self.mechanism.clone(), ..on_grid.clone() };
        if rules.is_islanded() {
            rules.parameters.get_or_insert_default().island = Some(Box::new(self.plan.clone()));
        }
        rules.islanded().unwrap_or(rules)
    }

    fn is_rationed(&self) -> bool {
        self.mechanism == protocol::island::ISLANDED
    }

    /// What members have of it in the interval of this number, which the devices have stepped already; and which quotas
    /// follow from it.
    pub(crate) fn ration(
        &self,
        at: usize,
        interval: Interval,
        homes: &[Member],
        devices: &Devices,
        memory: &mut Memory,
        uses: &mut [Use],
    ) {
        if self.holds(at) {
            if let Some(quotas) = memory.quotas.take_if(|(of, _)| *of == at).map(|(_, quotas)| quotas) {
                uses.iter_mut().zip(quotas).for_each(|(of_member, quota)| of_member.quota = Some(quota));
            }
            self.give(interval, devices, memory, uses);
            if self.is_rationed() {
                self.limit(uses);
            }
        }
        // The next interval's are made already, and those of the one after it are made now.
        memory.quotas = memory.planned.take();
        if self.is_rationed() && self.holds(at + AHEAD) {
            memory.planned = Some((at + AHEAD, self.quotas(interval, homes, devices, memory, uses)));
        }
    }

    fn claim_wh(&self, member: &Member, seconds: i64) -> [u64; CLASSES - 1] {
        let claim = self.plan.claim(member.id);
        let basic_w = self.plan.basic_w.saturating_mul(claim.persons.into());
        [claim.life_safety_w, claim.critical_w, basic_w].map(|power_w| energy_of(power_w, seconds).wh())
    }

    /// The quotas of the interval that begins when the next one is over, Wh.
    fn quotas(
        &self,
        interval: Interval,
        homes: &[Member],
        devices: &Devices,
        memory: &Memory,
        uses: &[Use],
    ) -> Vec<u32> {
        let islander = |(number, (home, of_member)): (usize, (&Member, &Use))| {
            let claim = self.plan.claim(home.id);
            let critical_w = claim.life_safety_w.saturating_add(claim.critical_w);
            let (capacity_wh, max_w, stored_wh) = match devices.battery(number) {
                Some((battery, _)) => (
                    battery.capacity_uwh() / 1_000_000,
                    u64::from(battery.power_w()),
                    memory.stored_uwh(number) / 1_000_000,
                ),
                None => (0, 0, 0),
            };
            let made = of_member.production.saturating_sub(of_member.consumption);
            let status = DeviceStatus {
                interval,
                stored_wh,
                capacity_wh,
                max_w,
                critical_w,
                forecast: Energy::from_wh(made.into()),
            };
            let rated_power_w = CONNECTION_W.max(critical_w.saturating_add(self.plan.basic_w));
            Islander { member: home.id, rated_power_w, fed_in: Energy::ZERO, status: Some(status) }
        };
        let islanders: Vec<Islander> = homes.iter().zip(uses).enumerate().map(islander).collect();
        let seed = Hash::of_parts(&[b"voisin simulator quotas 1\0", &interval.start_s().to_be_bytes()]);
        let quotas = quotas(&self.plan, interval, &islanders, &seed).quotas;
        quotas.iter().map(Quota::total).map(|quota| narrow(quota.wh())).collect()
    }

    /// What a member would draw.
    fn wanted(&self, of_member: &Use) -> u64 {
        let (lacking, _) = of_member.at_meter();
        let most = of_member.quota.filter(|_| self.kept).unwrap_or(u32::MAX);
        lacking.min(most).into()
    }

    /// Batteries give their neighbours what a quota counts on, as far as anything is lacking, each the same part.
    fn give(&self, interval: Interval, devices: &Devices, memory: &mut Memory, uses: &mut [Use]) {
        let made: u64 = uses.iter().map(|of_member| u64::from(of_member.at_meter().1)).sum();
        let wanted: u64 = uses.iter().map(|of_member| self.wanted(of_member)).sum();
        let offered = |(number, of_member): (usize, &Use)| {
            let (lacking, _) = of_member.at_meter();
            let Some((battery, _)) = devices.battery(number).filter(|_| lacking == 0 && of_member.charged == 0) else {
                return 0;
            };
            let capacity = Energy::from_wh(battery.capacity_uwh() / 1_000_000);
            let stored_wh = memory.stored_uwh(number) / 1_000_000;
            let above = stored_wh.saturating_sub(capacity.part(self.plan.reserve_ppm).wh());
            let spread = above / u64::from(self.plan.recharge_intervals);
            let most = energy_of(battery.power_w().into(), interval.length().seconds()).wh();
            spread.min(most.saturating_sub(of_member.discharged.into()))
        };
        let offers: Vec<u64> = uses.iter().enumerate().map(offered).collect();
        let all: u64 = offers.iter().sum();
        let given = in_parts(&offers, all, wanted.saturating_sub(made));
        for (number, wh) in given.into_iter().enumerate().filter(|(_, wh)| *wh > 0) {
            let given = devices.discharge(number, wh, memory);
            uses[number].discharged = narrow(u64::from(uses[number].discharged) + given);
        }
    }

    /// Everyone draws what it would, or all the same part of it where there is less.
    fn limit(&self, uses: &mut [Use]) {
        let wanted: Vec<u64> = uses.iter().map(|of_member| self.wanted(of_member)).collect();
        let made: u64 = uses.iter().map(|of_member| u64::from(of_member.at_meter().1)).sum();
        let drawn = in_parts(&wanted, wanted.iter().sum(), made);
        for (of_member, drawn) in uses.iter_mut().zip(drawn) {
            let (lacking, _) = of_member.at_meter();
            let unserved = lacking - narrow(drawn);
            of_member.unserved = unserved;
            of_member.consumption -= unserved;
        }
    }

    /// Takes what the supplier would have given or taken out of an interval that was traded: nobody had it.
    pub(crate) fn shed(
        &self,
        homes: &[Member],
        uses: &[Use],
        economics: &mut Economics,
        seconds: i64,
    ) -> (Vec<Use>, Vec<Shed>) {
        economics.supplier = Amount::ZERO;
        let lines = economics.lines.iter_mut();
        let of_member = |((home, before), line): ((&Member, &Use), &mut protocol::settlement::Line)| {
            let (lacking, _) = before.at_meter();
            let needed_wh = u64::from(before.consumption) + u64::from(before.unserved);
            let lacking_wh = u64::from(lacking) + u64::from(before.unserved);
            let mut after = *before;
            let not_drawn = narrow(line.imported.wh());
            after.consumption = after.consumption.saturating_sub(not_drawn);
            after.unserved += not_drawn;
            // What nobody drew is lost: it was not made, or left a battery for nothing.
            let not_made = narrow(line.exported.wh());
            after.production = before.production.saturating_sub(not_made);
            after.discharged -= not_made - (before.production - after.production);
            let drawn_wh = line.bought.wh();
            let quota_wh = before.quota.map(u64::from);
            let shed = Shed {
                quota_wh,
                drawn_wh,
                overdraw_wh: quota_wh.map_or(0, |quota_wh| drawn_wh.saturating_sub(quota_wh)),
                unused_wh: not_made.into(),
                ..classes(self.claim_wh(home, seconds), needed_wh, lacking_wh, drawn_wh)
            };
            (line.imported, line.exported) = (Energy::ZERO, Energy::ZERO);
            (line.supply_cost, line.supply_revenue) = (Amount::ZERO, Amount::ZERO);
            (after, shed)
        };
        homes.iter().zip(uses).zip(lines).map(of_member).unzip()
    }
}

/// What is lacking and not served, class by class, of a member that needs so much and lacks so much of it: what its own
/// roof and battery give serves the highest class first, and so does what it draws.
fn classes(claims: [u64; CLASSES - 1], needed_wh: u64, lacking_wh: u64, drawn_wh: u64) -> Shed {
    let [mut needed, mut own, mut drawn] = [needed_wh, needed_wh.saturating_sub(lacking_wh), drawn_wh];
    let mut shed = Shed::default();
    for (class, most) in claims.into_iter().chain([u64::MAX]).enumerate() {
        let of_class = most.min(needed);
        needed -= of_class;
        let covered = own.min(of_class);
        own -= covered;
        let lacking = of_class - covered;
        let served = drawn.min(lacking);
        drawn -= served;
        (shed.lacking_wh[class], shed.unserved_wh[class]) = (lacking, lacking - served);
    }
    shed
}

/// Of each the same part of `all`, so that they come to `total`, or all of each where that is more: rounded down, and
/// the Wh that are left over to the first.
fn in_parts(of: &[u64], all: u64, total: u64) -> Vec<u64> {
    if total >= all {
        return of.to_vec();
    }
    let part = |wh: &u64| (u128::from(*wh) * u128::from(total) / u128::from(all)) as u64;
    let mut parts: Vec<u64> = of.iter().map(part).collect();
    let left = total - parts.iter().sum::<u64>();
    let open = parts.iter_mut().zip(of).filter(|(part, wh)| **part < **wh);
    open.take(left as usize).for_each(|(part, _)| *part += 1);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_same_of_each_and_come_to_the_whole() {
        assert_eq!(in_parts(&[10, 0, 20, 30], 60, 70), [10, 0, 20, 30]);
        assert_eq!(in_parts(&[10, 0, 20, 30], 60, 30), [5, 0, 10, 15]);
        assert_eq!(in_parts(&[10, 0, 20, 40], 70, 10), [2, 0, 3, 5]);
        assert_eq!(in_parts(&[], 0, 0), [0; 0]);
    }

    #[test]
    fn what_is_its_own_and_what_it_draws_serve_the_highest_class_first() {
        // Of 100 Wh its own roof gives 20.
        let shed = |drawn| classes([30, 10, 25], 100, 80, drawn);
        assert_eq!(shed(0).lacking_wh, [10, 10, 25, 35]);
        assert_eq!(shed(0).unserved_wh, [10, 10, 25, 35]);
        assert_eq!(shed(15).unserved_wh, [0, 5, 25, 35]);
        assert_eq!(shed(80).unserved_wh, [0; 4]);
        // It needs less than it claims.
        assert_eq!(classes([300, 10, 25], 100, 100, 40).unserved_wh, [60, 0, 0, 0]);
    }
}
