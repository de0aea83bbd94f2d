//! The members of a ledger, as the tables number them.

use std::collections::BTreeMap;

use market::{
    grid::{BusIndex, Grid},
    inputs::MeteredMember,
};
use protocol::{genesis::Rules, member::MemberId, reading::Flow};

use crate::offline::{Use, Who};

/// Everyone who was read so far, in the order in which they first were. The transformer's meter is nobody.
#[derive(Default)]
pub(super) struct Members {
    numbers: BTreeMap<MemberId, usize>,
    who: Vec<Who>,
}

/// A member that was read in an interval.
pub(super) struct Read {
    /// Its place in the tables, the first being 0; none of the transformer's meter.
    pub(super) place: Option<usize>,
    pub(super) bus: BusIndex,
    /// What passed its meter, in the interval or before.
    pub(super) used: Use,
    /// What of it was measured in the interval itself.
    pub(super) measured: Flow,
}

impl Members {
    /// Those who were read in an interval, in the order in which they are given.
    pub(super) fn meet(&mut self, read: &[MeteredMember], rules: &Rules, grid: &Grid) -> Vec<Read> {
        read.iter().map(|member| self.meet_one(member, rules, grid)).collect()
    }

    fn meet_one(&mut self, of: &MeteredMember, rules: &Rules, grid: &Grid) -> Read {
        if rules.transformer.is_some_and(|meter| meter.member == of.member) {
            return Read { place: None, bus: of.bus, used: Use::default(), measured: Flow::default() };
        }
        let place = *self.numbers.entry(of.member).or_insert_with(|| {
            let bus = grid.bus_names().find(|(_, bus)| *bus == of.bus.number()).map_or("", |(name, _)| name);
            let (name, bus) = (of.member.to_string(), bus.to_owned());
            // What a member wants changes from order to order, and what it has behind its meter nobody knows.
            self.who.push(Who { name, bus, strategy: String::new(), has_roof: false, has_battery: false });
            self.who.len() - 1
        });
        self.who[place].has_roof |= of.technology.is_some();
        let (measured, late) = (of.metered.measured.unwrap_or_default(), of.metered.late);
        // Each of them is at most `ENERGY_WH_MAX`, or it is not settled, and two of these are below 2³¹.
        let both = |one: u64, other: u64| u32::try_from(one.saturating_add(other)).unwrap_or(u32::MAX);
        let used = Use {
            consumption: both(measured.import.wh(), late.import.wh()),
            production: both(measured.export.wh(), late.export.wh()),
            ..Use::default()
        };
        Read { place: Some(place), bus: of.bus, used, measured }
    }

    pub(super) fn into_who(self) -> Vec<Who> {
        self.who
    }
}
