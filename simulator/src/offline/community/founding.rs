//! How a community is made from a scenario: of participants that were recorded, or of homes that are drawn.

use std::sync::Arc;

use household::strategy::{FixedLimits, PriceTaker, Strategy};
use market::grid::{BusIndex, Grid};
use protocol::{
    genesis::GridPlan,
    interval::{Interval, IntervalLength, parse_utc, utc_text},
};

use super::{Community, Profiles};
use crate::{
    dataset::{Dataset, Fingerprint, Source},
    offline::{
        chance::{Chance, Purpose},
        devices::Devices,
        dishonest::Dishonest,
        drawn::DrawnHomes,
        faults::Faults,
        intensity::Intensity,
        member::{Member, member_id},
        outage::Outage,
        rules::InForce,
        uses::Use,
    },
    orders::Orders,
    scenario::{BUILT_IN, Part, Scenario, ScenarioError},
};

/// When drawn homes begin, unless the scenario says: a year that the shapes are of.
const DRAWN_FROM: &str = "2016-01-01T00:00:00Z";
const DRAWN_DAYS: u32 = 365;
/// Most days of drawn homes: a century.
const DAYS_MAX: u32 = 36_525;

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
        let outage = Outage::of(scenario, &homes, first, intervals)?;
        Ok(Community {
            rules: InForce::of(scenario, &homes, &grid, first, intervals, outage.as_ref())?,
            outage,
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

impl Community {
    pub(super) fn recorded(scenario: &Scenario, chance: Chance) -> Result<Community, ScenarioError> {
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

    pub(super) fn drawn(scenario: &Scenario, chance: Chance) -> Result<Community, ScenarioError> {
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
