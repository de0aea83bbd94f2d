//! The community of a scenario, ready to be played: who is where, how each bids, and what each uses and makes.

mod founding;

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use household::{
    home::{battery::Battery, misreport::Misreport},
    strategy::Strategy,
};
use market::{economics::Economics, grid::Grid};
use protocol::{genesis::GridPlan, hash::Hash, interval::Interval};

use super::{
    chance::{Chance, Purpose},
    devices::{Devices, Memory, Remembers},
    dishonest::Dishonest,
    drawn::{Day, DrawnHomes},
    faults::Faults,
    intensity::Intensity,
    learning::Learned,
    member::Member,
    outage::{Outage, Shed},
    pool::Pool,
    rules::InForce,
    uses::Use,
};
use crate::{
    dataset::Fingerprint,
    scenario::{BUILT_IN, Equipment, Scenario, ScenarioError},
};

/// Who takes part, and under which rules.
#[derive(Debug)]
pub struct Community {
    pub(crate) homes: Vec<Member>,
    pub(crate) grid: Grid,
    /// The strategies, by the number that members have.
    pub(crate) strategies: Vec<Arc<dyn Strategy>>,
    /// What an agent's `[order]` says of each strategy.
    orders: Vec<toml::Table>,
    /// The members whose strategies learn.
    learners: Vec<usize>,
    plan: Option<GridPlan>,
    pub(crate) rules: InForce,
    /// What the supplier's energy emits, if the scenario says so.
    pub(crate) intensity: Option<Intensity>,
    pub(crate) first: Interval,
    pub(crate) intervals: usize,
    pub(crate) chance: Chance,
    /// The files that it was read from.
    pub(crate) data: Vec<Fingerprint>,
    /// Which of them is the profile that is played as it was recorded.
    profile: Option<String>,
    profiles: Profiles,
    devices: Devices,
    faults: Faults,
    /// Whose meters say something else than what flows, if the scenario has any.
    pub(crate) dishonest: Option<Dishonest>,
    /// When the grid above is gone, if it is.
    pub(crate) outage: Option<Outage>,
    equipment: Vec<Equipment>,
}

#[derive(Debug)]
enum Profiles {
    /// By participant and interval, Wh used and made.
    Recorded {
        usage: Vec<Vec<Use>>,
        before: usize,
    },
    Drawn(DrawnHomes),
}

/// What finding the usage of an interval keeps from the one before.
#[derive(Debug, Default)]
pub(crate) struct Lookup(Day);

/// What draws follow from, in an agent's `[order]`.
const CHANCE: &str = "chance";

impl Community {
    /// The community of a scenario.
    pub fn of(scenario: &Scenario) -> Result<Community, ScenarioError> {
        let chance = Chance::new(scenario.seed);
        let mut community = match &scenario.community.drawn {
            Some(_) => Community::drawn(scenario, chance),
            None => Community::recorded(scenario, chance),
        }?;
        // Whoever cannot be read any more was, a moment ago.
        let intensities = scenario.carbon.iter().flat_map(|carbon| &carbon.series);
        let others = scenario.community.orders.iter().chain(&scenario.tariffs.series).chain(intensities);
        for path in others.filter(|path| path.as_os_str() != BUILT_IN) {
            let read = Fingerprint::of(path).map_err(|error| ScenarioError::at(&path.display().to_string(), error))?;
            community.data.push(read);
        }
        Ok(community)
    }

    /// The files that ties follow from: not the profile that was recorded, whose values can be told in several forms.
    pub(crate) fn data_of_ties(&self) -> Vec<&Fingerprint> {
        self.data.iter().filter(|read| self.profile.as_ref() != Some(&read.file)).collect()
    }

    /// How many intervals are played.
    pub fn intervals(&self) -> usize {
        self.intervals
    }

    /// How many intervals a day has.
    pub(crate) fn intervals_of_a_day(&self) -> usize {
        (86_400 / self.first.length().seconds()) as usize
    }

    /// The names of the buses, by their numbers.
    pub(crate) fn bus_names(&self) -> Vec<String> {
        let mut names: Vec<(usize, String)> = self.grid.bus_names().map(|(name, bus)| (bus, name.to_owned())).collect();
        names.sort_unstable();
        names.into_iter().map(|(_, name)| name).collect()
    }

    /// What the homes need to know of the past.
    pub(crate) fn remembers(&self) -> Remembers {
        let of_faults = if self.faults.is_none() { Remembers::Nothing } else { Remembers::State };
        let of_strategies = if self.learners.is_empty() { Remembers::Nothing } else { Remembers::Market };
        // What members may draw follows from two intervals before.
        let of_outage = if self.outage.is_none() { Remembers::Nothing } else { Remembers::State };
        self.devices.remembers().max(of_faults).max(of_strategies).max(of_outage)
    }

    /// How the homes begin.
    pub fn start(&self) -> Memory {
        let memory = |member: &usize| self.strategies[self.homes[*member].strategy].memory();
        self.devices.start(Learned::begin(self.learners.iter().map(memory).collect()))
    }

    /// The members whose strategies learn.
    pub(crate) fn learners(&self) -> &[usize] {
        &self.learners
    }

    /// The strategy of a member, with draws of its own where it leaves anything to chance; none where it is as all have
    /// it.
    pub(crate) fn own_strategy(&self, member: usize) -> Option<Arc<dyn Strategy>> {
        self.strategies[self.homes[member].strategy].with_chance(&self.chance_of(member))
    }

    /// What the draws of a member's strategy follow from.
    fn chance_of(&self, member: usize) -> Hash {
        Hash::of(&self.chance.draws(Purpose::Bid, member as u64).next().to_be_bytes())
    }

    /// The names of the members and of their buses; none where no grid is known.
    pub(crate) fn names_and_buses(&self) -> Vec<(String, Option<String>)> {
        let buses = self.bus_names();
        let bus = |home: &Member| buses.get(home.bus.number()).filter(|_| self.plan.is_some()).cloned();
        self.homes.iter().map(|home| (home.name.clone(), bus(home))).collect()
    }

    /// The grid as it was read, if it is known.
    pub(crate) fn plan(&self) -> Option<&GridPlan> {
        self.plan.as_ref()
    }

    /// What the agents' `[order]` says, by member, so that their draws are those of here; price takers have none.
    pub(crate) fn orders(&self) -> BTreeMap<String, toml::Table> {
        let order = |(number, home): (usize, &Member)| {
            let mut order = self.orders.get(home.strategy)?.clone();
            if self.own_strategy(number).is_some() {
                order.insert(CHANCE.into(), self.chance_of(number).to_string().into());
            }
            Some((home.name.clone(), order))
        };
        self.homes.iter().enumerate().filter_map(order).filter(|(_, order)| !order.is_empty()).collect()
    }

    /// A member's battery, and what the scenario says of it.
    pub(crate) fn battery(&self, member: usize) -> Option<(Battery, &toml::Value)> {
        let (battery, entry) = self.devices.battery(member)?;
        Some((battery, self.equipment[entry].settings.get("battery")?))
    }

    /// Whether what some home's devices do depends on prices.
    pub(crate) fn follows_prices(&self) -> bool {
        self.devices.remembers() == Remembers::Market
    }

    /// The intervals in which a member's meter is out of reach.
    pub(crate) fn out_of_reach(&self, member: usize) -> Vec<Range<Interval>> {
        self.faults.out_of_reach(member, self.first, self.intervals)
    }

    /// How a member's meter says something else than what flows; none where it does not.
    pub(crate) fn misreport(&self, member: usize) -> Option<Misreport> {
        self.dishonest.as_ref()?.misreport(member)
    }

    /// A strategy that somebody has and whose limits depend on the supplier's prices.
    pub(crate) fn sees_tariffs(&self) -> Option<&'static str> {
        let strategies = self.homes.iter().map(|home| &self.strategies[home.strategy]);
        strategies.into_iter().find(|strategy| strategy.sees_tariffs()).map(|strategy| strategy.name())
    }

    /// What the meters say of what everyone did; into `told`, where that is something else.
    pub fn told<'a>(&self, uses: &'a [Use], told: &'a mut Vec<Use>) -> &'a [Use] {
        match &self.dishonest {
            Some(dishonest) => {
                dishonest.tell(uses, told);
                told
            }
            None => uses,
        }
    }

    /// How many members there are.
    pub fn members(&self) -> usize {
        self.homes.len()
    }

    /// The names of the members, in the order of the tables.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.homes.iter().map(|home| home.name.as_str())
    }

    /// Whether a member has a battery.
    pub(crate) fn has_battery(&self, member: usize) -> bool {
        self.devices.battery(member).is_some()
    }

    /// All batteries as one, if there are any.
    pub(crate) fn pool(&self) -> Option<Pool> {
        self.devices.pool()
    }

    /// Whether the lines are known that the members are on.
    pub(crate) fn has_lines(&self) -> bool {
        self.grid.line_above(1).is_some()
    }

    /// What every member does in the interval `at`: the next one, unless [nothing](Remembers::Nothing) is remembered.
    pub(crate) fn measure(&self, at: usize, lookup: &mut Lookup, memory: &mut Memory, into: &mut [Use]) {
        self.profile(at, lookup, into);
        if self.devices.remembers() != Remembers::Nothing {
            let in_outage = self.outage.as_ref().is_some_and(|outage| outage.holds(at));
            self.devices.step(self.interval(at), in_outage, &self.equipment, &self.faults, memory, into);
        }
        if let Some(outage) = &self.outage {
            outage.ration(at, self.interval(at), &self.homes, &self.devices, memory, into);
        }
        if !self.faults.is_none() {
            self.faults.apply(self.interval(at), at + 1 == self.intervals, &mut memory.outages, into);
        }
    }

    /// Takes what no supplier gave or took out of an interval that was traded, if it is one of an outage: what everyone
    /// did in fact, and what was not served.
    pub(crate) fn shed(&self, at: usize, uses: &[Use], economics: &mut Economics) -> Option<(Vec<Use>, Vec<Shed>)> {
        let outage = self.outage.as_ref().filter(|outage| outage.holds(at))?;
        Some(outage.shed(&self.homes, uses, economics, self.first.length().seconds()))
    }

    /// The interval of this number, the first being 0.
    pub(crate) fn interval(&self, at: usize) -> Interval {
        // The community's last interval is one, and this is not after it.
        i64::try_from(at).ok().and_then(|at| self.first.offset(at)).unwrap_or(self.first)
    }

    /// What every member uses and makes in the interval `at` by its profile, Wh.
    fn profile(&self, at: usize, lookup: &mut Lookup, into: &mut [Use]) {
        match &self.profiles {
            Profiles::Recorded { usage, before } => {
                for (of_member, into) in usage.iter().zip(into) {
                    *into = of_member[before + at];
                }
            }
            Profiles::Drawn(homes) => homes.usage(at, &mut lookup.0, into),
        }
    }
}
