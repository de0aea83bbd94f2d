//! A community's market, interval by interval: how each member bids, and what the mechanism makes of it.

use std::sync::Arc;

use household::strategy::{Situation, Strategy};
use market::{
    economics::{Circumstances, Economics, SettleError, economics},
    grid::Grid,
    inputs::MeteredMember,
    metering::Metered,
};
use protocol::{energy::Energy, genesis::Rules, hash::Hash, interval::Interval, order::PriceLimits, reading::Flow};

use super::{
    chance::Purpose,
    community::{Community, Lookup},
    devices::Memory,
    member::Member,
    uses::Use,
};

/// A community that is being played.
#[derive(Debug)]
pub struct Street<'a> {
    community: &'a Community,
    /// What ties follow from, with the interval.
    ties: Hash,
    bids: Vec<Bids>,
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
}

impl<'a> Street<'a> {
    /// The community before its first interval. `ties` is what ties follow from, with the interval: offline there is no
    /// ledger whose settlements they could follow from.
    pub fn new(community: &'a Community, ties: Hash) -> Street<'a> {
        let bids = |(number, member): (usize, &Member)| {
            let mut draws = community.chance.draws(Purpose::Bid, number as u64);
            let own = Hash::of(&draws.next().to_be_bytes());
            match community.strategies[member.strategy].with_chance(&own) {
                Some(strategy) => Bids::Own(strategy),
                None => Bids::Alike(member.strategy),
            }
        };
        let metered = |member: &Member| MeteredMember {
            member: member.id,
            bus: member.bus,
            limits: PriceLimits::default(),
            metered: Metered::default(),
            renewable: member.has_roof,
        };
        Street {
            community,
            ties,
            bids: community.homes.iter().enumerate().map(bids).collect(),
            lookup: Lookup::default(),
            members: community.homes.iter().map(metered).collect(),
        }
    }

    /// The interval of this number, the first being 0.
    pub fn interval(&self, at: usize) -> Interval {
        self.community.interval(at)
    }

    /// What everyone does in the interval of this number, one [`Use`] for each member.
    pub fn measure(&mut self, at: usize, memory: &mut Memory, uses: &mut [Use]) {
        self.community.measure(at, &mut self.lookup, memory, uses);
    }

    /// Meters what everyone did in the interval of this number, and asks everyone for its bids.
    pub fn meter(&mut self, at: usize, uses: &[Use]) -> &[MeteredMember] {
        let situation = Situation { interval: self.interval(at), tariffs: Some(self.rules(at).tariffs()) };
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
            member.limits = match bids {
                Bids::Alike(strategy) => alike[*strategy],
                Bids::Own(strategy) => strategy.limits(&situation),
            };
        }
        &self.members
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
