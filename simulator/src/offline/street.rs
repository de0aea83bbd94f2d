//! A community's market, interval by interval: how each member bids, and what the mechanism makes of it.

use std::{ops::Deref, sync::Arc};

use household::strategy::{Outcome, Situation, Strategy};
use market::{
    economics::{Circumstances, Economics, SettleError, economics},
    grid::Grid,
    inputs::MeteredMember,
    metering::Metered,
};
use protocol::{
    energy::Energy,
    genesis::{Rules, Technology},
    hash::Hash,
    interval::Interval,
    money::Price,
    order::PriceLimits,
    reading::Flow,
};

use super::{
    community::{Community, Lookup},
    devices::Memory,
    member::Member,
    uses::Use,
};

/// A community that is being played: one that is borrowed, or shared by whoever keeps the street.
#[derive(Debug)]
pub struct Street<C> {
    community: C,
    /// What ties follow from, with the interval.
    ties: Hash,
    bids: Vec<Bids>,
    /// The strategies of those who learn, and which members they are.
    learners: Vec<(usize, Arc<dyn Strategy>)>,
    lookup: Lookup,
    members: Vec<MeteredMember>,
}

/// How a member bids.
#[derive(Debug)]
enum Bids {
    /// As all who have this strategy.
    Alike(usize),
    /// With draws of its own.
    Own(Arc<dyn Strategy>),
    /// By what it has learned: it has [bid](Street::bid) before.
    Learned,
}

impl<C: Deref<Target = Community>> Street<C> {
    /// The community before its first interval. `ties` is what ties follow from, with the interval: offline there is no
    /// ledger whose settlements they could follow from.
    pub fn new(community: C, ties: Hash) -> Street<C> {
        let bids = |(number, member): (usize, &Member)| {
            if community.learners().binary_search(&number).is_ok() {
                return Bids::Learned;
            }
            community.own_strategy(number).map_or(Bids::Alike(member.strategy), Bids::Own)
        };
        let learner = |member: &usize| {
            let alike = || community.strategies[community.homes[*member].strategy].clone();
            (*member, community.own_strategy(*member).unwrap_or_else(alike))
        };
        let metered = |member: &Member| MeteredMember {
            quota: None,
            member: member.id,
            bus: member.bus,
            limits: PriceLimits::default(),
            metered: Metered::default(),
            technology: member.has_roof.then_some(Technology::Solar),
        };
        let bids = community.homes.iter().enumerate().map(bids).collect();
        let learners = community.learners().iter().map(learner).collect();
        let members = community.homes.iter().map(metered).collect();
        Street { community, ties, bids, learners, lookup: Lookup::default(), members }
    }

    /// The interval of this number, the first being 0.
    pub fn interval(&self, at: usize) -> Interval {
        self.community.interval(at)
    }

    /// What everyone does in the interval of this number, one [`Use`] for each member.
    pub fn measure(&mut self, at: usize, memory: &mut Memory, uses: &mut [Use]) {
        self.community.measure(at, &mut self.lookup, memory, uses);
    }

    /// Asks those who learn for their bids in the interval of this number, after they have learned from what is due. It
    /// comes before the interval is metered, in the order of the intervals.
    pub fn bid(&mut self, at: usize, memory: &mut Memory) {
        let situation = Situation::new(self.interval(at), Some(self.rules(at).tariffs()));
        let Street { learners, members, .. } = self;
        memory.learned.due(at, |learner, memory, outcome| learners[learner].1.learn(memory, outcome));
        for ((member, strategy), memory) in learners.iter().zip(memory.learned.memories()) {
            members[*member].limits = strategy.limits(&Situation { memory, ..situation });
        }
    }

    /// Takes note of what the interval of this number came to, which was traded last.
    pub fn learn(&self, at: usize, economics: &Economics, memory: &mut Memory) {
        memory.note(economics.price);
        let (interval, tariffs, price) = (self.interval(at), self.rules(at).tariffs(), economics.price);
        let stored = |(member, _): &(usize, _)| self.community.has_battery(*member).then(|| memory.stored_uwh(*member));
        let stored: Vec<Option<u64>> = self.learners.iter().map(stored).collect();
        let read = self.learners.iter().map(|(member, _)| *member).enumerate();
        let read = read.filter(|(_, member)| self.members[*member].metered.measured.is_some());
        let outcome = |(learner, member): (usize, usize)| {
            let (limits, line) = (self.members[member].limits, economics.lines[member]);
            (learner, Outcome { interval, tariffs, limits, price, line, stored_uwh: stored[learner] })
        };
        memory.learned.keep(at, read.map(outcome));
    }

    /// Meters what everyone did in the interval of this number, and asks everyone for its bids who does not learn.
    pub fn meter(&mut self, at: usize, uses: &[Use]) -> &[MeteredMember] {
        let situation = Situation::new(self.interval(at), Some(self.rules(at).tariffs()));
        let alike: Vec<PriceLimits> =
            self.community.strategies.iter().map(|strategy| strategy.limits(&situation)).collect();
        let energy = |wh: u32| Energy::from_wh(wh.into());
        for ((member, bids), of_member) in self.members.iter_mut().zip(&self.bids).zip(uses) {
            let (import, export) = of_member.at_meter();
            let (late_import, late_export) = of_member.late;
            member.metered = Metered {
                measured: (!of_member.unread).then_some(Flow { import: energy(import), export: energy(export) }),
                late: Flow { import: Energy::from_wh(late_import), export: Energy::from_wh(late_export) },
            };
            member.quota = of_member.quota.map(|wh| Energy::from_wh(wh.into()));
            match bids {
                Bids::Alike(strategy) => member.limits = alike[*strategy],
                Bids::Own(strategy) => member.limits = strategy.limits(&situation),
                Bids::Learned => {}
            }
        }
        &self.members
    }

    /// Has a member bid otherwise in the interval that was metered last: the prices that are given, µ€/kWh, take the
    /// place of its own.
    pub fn ask(&mut self, member: usize, buy: Option<Price>, sell: Option<Price>) {
        let limits = &mut self.members[member].limits;
        (limits.buy, limits.sell) = (buy.or(limits.buy), sell.or(limits.sell));
    }

    /// Everyone as metered last, with the limits that stood.
    pub fn members(&self) -> &[MeteredMember] {
        &self.members
    }

    /// The rules in force in the interval of this number.
    pub fn rules(&self, at: usize) -> &Rules {
        self.community.rules.at(at)
    }

    /// The grid that the members are on.
    pub fn grid(&self) -> &Grid {
        &self.community.grid
    }

    /// The seed of an interval's ties: it follows from no other interval, so that intervals can be traded in any order.
    pub fn tie_seed(&self, at: usize) -> Hash {
        Hash::of_parts(&[
            b"voisin simulator ties 1\0",
            self.ties.as_bytes(),
            &self.interval(at).start_s().to_be_bytes(),
        ])
    }

    /// Trades in the interval that was metered last, which has this number.
    pub fn trade(&self, at: usize) -> Result<Economics, SettleError> {
        let tie_seed = self.tie_seed(at);
        let (interval, rules, grid) = (self.interval(at), self.rules(at), self.grid());
        economics(&self.members, &Circumstances { interval, rules, grid, tie_seed: &tie_seed })
    }
}
