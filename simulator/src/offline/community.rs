//! The community of a scenario, ready to be played: who is where, how each bids, and what each uses and makes.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use household::{
    home::{battery::Battery, misreport::Misreport},
    strategy::{FixedLimits, PriceTaker, Strategy},
};
use market::grid::{BusIndex, Grid};
use protocol::{
    genesis::GridPlan,
    hash::Hash,
    interval::{Interval, IntervalLength, parse_utc, utc_text},
};

use super::{
    chance::{Chance, Purpose},
    devices::{Devices, Memory, Remembers},
    dishonest::Dishonest,
    drawn::{Day, DrawnHomes},
    faults::Faults,
    intensity::Intensity,
    learning::Learned,
    member::{Member, member_id},
    pool::Pool,
    rules::InForce,
    uses::Use,
};
use crate::{
    dataset::{Dataset, Fingerprint, Source},
    orders::Orders,
    scenario::{BUILT_IN, Equipment, Part, Scenario, ScenarioError},
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

/// What differs between recorded participants and drawn homes; all else follows from it and the scenario.
struct Parts {
    homes: Vec<Member>,
    bids: (Vec<Arc<dyn Strategy>>, Vec<toml::Table>),
    plan: Option<GridPlan>,
    grid: Grid,
    first: Interval,
    intervals: usize,
    data: Vec<Fingerprint>,
    profile: Option<String>,
    profiles: Profiles,
}

impl Parts {
    fn assemble(self, scenario: &Scenario, chance: Chance) -> Result<Community, ScenarioError> {
        let Parts { homes, bids: (strategies, orders), plan, grid, first, intervals, data, profile, profiles } = self;
        let learns: Vec<bool> = strategies.iter().map(|strategy| !strategy.memory().is_empty()).collect();
        Ok(Community {
            rules: InForce::of(scenario, &homes, &grid, first, intervals)?,
            intensity: scenario.carbon.as_ref().map(|carbon| Intensity::of(carbon, first)).transpose()?,
            devices: Devices::of(scenario, &homes, &chance)?,
            faults: Faults::of(&scenario.faults, homes.len(), &chance),
            dishonest: scenario.faults.dishonest.map(|said| Dishonest::of(&said, homes.len(), &chance)),
            equipment: scenario.equipment.clone(),
            learners: (0..homes.len()).filter(|member| learns[homes[*member].strategy]).collect(),
            homes,
            grid,
            strategies,
            orders,
            plan,
            first,
            intervals,
            chance,
            data,
            profile,
            profiles,
        })
    }
}

/// What finding the usage of an interval keeps from the one before.
#[derive(Debug, Default)]
pub(crate) struct Lookup(Day);

/// What draws follow from, in an agent's `[order]`.
const CHANCE: &str = "chance";
/// When drawn homes begin, unless the scenario says: a year that the shapes are of.
const DRAWN_FROM: &str = "2016-01-01T00:00:00Z";
const DRAWN_DAYS: u32 = 365;
/// Most days of drawn homes: a century.
const DAYS_MAX: u32 = 36_525;

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

    fn recorded(scenario: &Scenario, chance: Chance) -> Result<Community, ScenarioError> {
        let asked = &scenario.community;
        let source = match asked.data.as_os_str() == BUILT_IN {
            true => Source::BuiltIn,
            false => Source::Directory(asked.data.clone()),
        };
        let profile = asked.profile.as_deref().unwrap_or("summer");
        let of_data = |error| ScenarioError::at("community.data", error);
        let dataset = Dataset::load(&source, profile).map_err(|error| of_data(error.to_string()))?;
        let plan = dataset.grid.clone();
        let grid = Grid::of(plan.as_ref()).map_err(|error| of_data(error.to_string()))?;
        let orders = match &asked.orders {
            None => Orders::default(),
            Some(path) if path.as_os_str() == BUILT_IN => {
                Orders::built_in(&dataset).map_err(|error| ScenarioError::at("community.orders", error))?
            }
            Some(path) => Orders::load(path, &dataset).map_err(|error| ScenarioError::at("community.orders", error))?,
        };
        let data = source.fingerprints(profile).map_err(|error| of_data(error.to_string()))?;
        let profile = source.profile_file(profile).map_err(|error| of_data(error.to_string()))?;
        let (first, intervals) = period_of(scenario, &dataset)?;
        let before = dataset.before(first);
        let mut homes = Vec::with_capacity(dataset.participants.len());
        let mut usage = Vec::with_capacity(dataset.participants.len());
        for (number, participant) in dataset.participants.into_iter().enumerate() {
            let bus = grid.bus(participant.bus.as_deref()).map_err(|error| of_data(error.to_string()))?;
            let has_roof = participant.technology().is_some();
            homes.push(Member { name: participant.id, id: member_id(number), bus, strategy: 0, has_roof });
            // The readers of tables refuse energies beyond what a meter can show, which is below 2³².
            let narrow = |wh: u64| u32::try_from(wh).unwrap_or(u32::MAX);
            let narrow = |usage: crate::dataset::Usage| Use {
                consumption: narrow(usage.consumption_wh),
                production: narrow(usage.production_wh),
                ..Use::default()
            };
            usage.push(participant.usage.into_iter().map(narrow).collect());
        }
        let (mut strategies, mut tables) = assign(scenario, &mut homes, &chance);
        for home in &mut homes {
            let limits = orders.of(&home.name);
            if limits != FixedLimits::default() {
                home.strategy = strategies.len();
                strategies.push(Arc::new(limits));
                // Numbers and texts are TOML.
                tables.push(toml::Table::try_from(limits).unwrap_or_default());
            }
        }
        let profiles = Profiles::Recorded { usage, before };
        let parts = Parts {
            homes,
            bids: (strategies, tables),
            plan,
            grid,
            first,
            intervals,
            data,
            profile: Some(profile),
            profiles,
        };
        parts.assemble(scenario, chance)
    }

    fn drawn(scenario: &Scenario, chance: Chance) -> Result<Community, ScenarioError> {
        let Some(drawn) = &scenario.community.drawn else { return Community::recorded(scenario, chance) };
        let of_data = |error: String| ScenarioError::at("community.drawn", error);
        let from = scenario.period.from.map_or_else(|| parse_utc(DRAWN_FROM), |start| Ok(start.0));
        let from = from.map_err(|error| of_data(error.to_string()))?;
        let first = Interval::new(from, IntervalLength::Minutes15).filter(|first| first.start_s() % 86_400 == 0);
        let first = first.ok_or_else(|| {
            ScenarioError::at("period.from", format!("expected the start of a day in UTC, found {}", utc_text(from)))
        })?;
        let days = scenario.period.days.unwrap_or(DRAWN_DAYS);
        if days > DAYS_MAX {
            return Err(ScenarioError::at("period.days", format!("expected at most {DAYS_MAX}, found {days}")));
        }
        let plan = match drawn.grid {
            true => Dataset::load(&Source::BuiltIn, "summer").map_err(|error| of_data(error.to_string()))?.grid,
            false => None,
        };
        let grid = Grid::of(plan.as_ref()).map_err(|error| of_data(error.to_string()))?;
        let buses: Vec<BusIndex> = match &plan {
            Some(plan) => {
                // Nobody lives at the transformer itself.
                let mut names: Vec<&str> = plan.lines.iter().flat_map(|line| [&*line.from, &*line.to]).collect();
                names.sort_unstable();
                names.dedup();
                names.retain(|name| *name != plan.root);
                names.into_iter().filter_map(|name| grid.bus(Some(name)).ok()).collect()
            }
            None => vec![Grid::ROOT],
        };
        let homes_drawn = DrawnHomes::draw(drawn, &chance, first).map_err(|error| of_data(error.to_string()))?;
        let digits = homes_drawn.count().to_string().len();
        let member = |number: usize| {
            let mut draws = chance.draws(Purpose::Home, 1 << 40 | number as u64);
            Member {
                name: format!("h{:0digits$}", number + 1),
                id: member_id(number),
                bus: buses[draws.below(buses.len() as u32) as usize],
                strategy: 0,
                has_roof: homes_drawn.has_roof(number),
            }
        };
        let mut homes: Vec<Member> = (0..homes_drawn.count()).map(member).collect();
        let (strategies, tables) = assign(scenario, &mut homes, &chance);
        let intervals = days as usize * 96;
        let profiles = Profiles::Drawn(homes_drawn);
        let fingerprints = |profile| Source::BuiltIn.fingerprints(profile).map_err(|error| of_data(error.to_string()));
        let mut data = fingerprints("winter")?;
        data.extend(fingerprints("summer")?);
        data.sort_unstable_by(|one, other| one.file.cmp(&other.file));
        data.dedup();
        let parts =
            Parts { homes, bids: (strategies, tables), plan, grid, first, intervals, data, profile: None, profiles };
        parts.assemble(scenario, chance)
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
        self.devices.remembers().max(of_faults).max(of_strategies)
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
            self.devices.step(self.interval(at), &self.equipment, &self.faults, memory, into);
        }
        if !self.faults.is_none() {
            self.faults.apply(self.interval(at), at + 1 == self.intervals, &mut memory.outages, into);
        }
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

/// The first interval that is played, and how many.
fn period_of(scenario: &Scenario, dataset: &Dataset) -> Result<(Interval, usize), ScenarioError> {
    let first = match scenario.period.from {
        None => dataset.first,
        Some(start) => dataset.starting_at(start.0).ok_or_else(|| {
            let (first, last) = (dataset.first.start_text(), dataset.last().start_text());
            let found = utc_text(start.0);
            let message = format!("expected the start of an interval from {first} to {last}, found {found}");
            ScenarioError::at("period.from", message)
        })?,
    };
    let there_are = dataset.intervals - dataset.before(first);
    let Some(days) = scenario.period.days else { return Ok((first, there_are)) };
    let of_a_day = (86_400 / dataset.first.length().seconds()) as usize;
    match (days as usize).checked_mul(of_a_day).filter(|intervals| *intervals <= there_are) {
        Some(intervals) => Ok((first, intervals)),
        None => {
            let most = there_are / of_a_day;
            Err(ScenarioError::at("period.days", format!("expected at most the {most} that there are, found {days}")))
        }
    }
}

/// Gives each member its strategy: each share to so many members, by lot. Returns the strategies, price takers
/// first, and what an agent's `[order]` says of each.
fn assign(scenario: &Scenario, homes: &mut [Member], chance: &Chance) -> (Vec<Arc<dyn Strategy>>, Vec<toml::Table>) {
    let mut strategies: Vec<Arc<dyn Strategy>> = vec![Arc::new(PriceTaker::default())];
    let mut orders = vec![toml::Table::new()];
    let mut lots = chance.lots(1, homes.len()).into_iter();
    // From sum to sum, so that shares of 1 in all leave nobody out.
    let (mut given, mut share) = (0, 0);
    for mix in &scenario.strategies {
        share += mix.share.ppm();
        let until = Part::from_ppm(share).of(u32::try_from(homes.len()).unwrap_or(u32::MAX));
        for home in lots.by_ref().take((until - given) as usize) {
            homes[home].strategy = strategies.len();
        }
        given = until;
        strategies.push(mix.strategy.bids.clone());
        orders.push(mix.strategy.order());
    }
    (strategies, orders)
}
