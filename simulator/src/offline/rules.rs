//! The rules of a scenario, interval by interval: the mechanism's are the same throughout, and the supplier's prices
//! may change.

use std::{collections::BTreeMap, path::Path};

use market::{clearing::Network, grid::Grid};
use protocol::{
    genesis::Rules,
    interval::Interval,
    member::MemberId,
    money::Price,
    parameters::{Parameters, Share},
};

use super::{member::Member, outage::Outage, series};
use crate::scenario::{Market, Part, Scenario, ScenarioError, TariffPlan};

/// The rules in force in each interval.
#[derive(Debug)]
pub(crate) struct InForce {
    /// Those that there are; the first has the tariffs that hold where nothing else is said.
    rules: Vec<Rules>,
    /// Which of them, by interval; all the first where it is empty.
    of: Vec<u32>,
}

impl InForce {
    pub(crate) fn of(
        scenario: &Scenario,
        homes: &[Member],
        grid: &Grid,
        first: Interval,
        intervals: usize,
        outage: Option<&Outage>,
    ) -> Result<InForce, ScenarioError> {
        let base = rules(scenario, homes, grid, first)?;
        let plan = &scenario.tariffs;
        let series = plan.series.as_ref().map(|path| prices(path)).transpose()?;
        if series.is_none() && plan.windows.is_empty() && outage.is_none() {
            return Ok(InForce { rules: vec![base], of: Vec::new() });
        }
        let mut numbers: BTreeMap<((Price, Price), bool), u32> =
            BTreeMap::from([(((plan.retail, plan.feed_in), false), 0)]);
        let mut all = vec![base];
        let mut of = Vec::with_capacity(intervals);
        for at in 0..intervals {
            let start_s = first.start_s() + at as i64 * first.length().seconds();
            let both = prices_at(plan, series.as_ref(), start_s);
            let island = outage.filter(|outage| outage.holds(at));
            let number = *numbers.entry((both, island.is_some())).or_insert_with(|| {
                let mut rules = all[0].clone();
                (rules.retail_price, rules.feed_in_price) = both;
                all.push(island.map_or(rules.clone(), |island| island.rules(&rules)));
                // One more than before, of at most as many as there are intervals.
                all.len() as u32 - 1
            });
            of.push(number);
        }
        Ok(InForce { rules: all, of })
    }

    /// The rules with the tariffs that hold where nothing else is said.
    pub(crate) fn base(&self) -> &Rules {
        &self.rules[0]
    }

    /// The rules of the interval of this number.
    pub(crate) fn at(&self, at: usize) -> &Rules {
        &self.rules[self.of.get(at).copied().unwrap_or(0) as usize]
    }
}

/// What the supplier takes and gives at a time: by the series from its first row on, else by the window, else as ever.
fn prices_at(plan: &TariffPlan, series: Option<&BTreeMap<i64, (Price, Price)>>, start_s: i64) -> (Price, Price) {
    if let Some((_, prices)) = series.and_then(|series| series.range(..=start_s).next_back()) {
        return *prices;
    }
    let minute = start_s.rem_euclid(86_400) / 60;
    let window = plan.windows.iter().find(|window| window.holds(minute));
    window.map_or((plan.retail, plan.feed_in), |window| {
        (window.retail.unwrap_or(plan.retail), window.feed_in.unwrap_or(plan.feed_in))
    })
}

/// Reads a series of prices, `timestamp,retail,feed_in`: each row holds until the next.
fn prices(path: &Path) -> Result<BTreeMap<i64, (Price, Price)>, ScenarioError> {
    series::read("tariffs.series", path, ["retail", "feed_in"], |fields| {
        let [retail, feed_in] = fields.map(|field| field.parse::<Price>().map_err(|error| error.to_string()));
        let (retail, feed_in) = (retail?, feed_in?);
        match feed_in > retail {
            true => Err(format!("expected a feed_in of at most the retail price {retail}, found {feed_in}")),
            false => Ok((retail, feed_in)),
        }
    })
}

/// The rules in the members of the community, checked against its grid.
fn rules(scenario: &Scenario, homes: &[Member], grid: &Grid, first: Interval) -> Result<Rules, ScenarioError> {
    let Market { mechanism, price, shares, priority, fees, derate } = &scenario.market;
    let members: BTreeMap<&str, MemberId> = homes.iter().map(|home| (home.name.as_str(), home.id)).collect();
    let member = |key: &str, name: &str| {
        members.get(name).copied().ok_or_else(|| {
            let known = homes.first().map(|home| home.name.as_str()).unwrap_or_default();
            ScenarioError::at(key, format!("expected a participant such as {known}, found `{name}`"))
        })
    };
    let share = |(name, part): (&String, &Part)| Ok(Share { member: member("market.shares", name)?, ppm: part.ppm() });
    let shares = shares.as_ref().map(|shares| shares.iter().map(share).collect::<Result<Vec<_>, _>>()).transpose()?;
    let priority = priority.as_ref().map(|names| names.iter().map(|name| member("market.priority", name)).collect());
    let parameters = Parameters {
        community_price: *price,
        shares,
        priority: priority.transpose()?,
        derate_ppm: derate.map(Part::ppm),
        fees: fees.clone(),
        participation: None,
        island: None,
    };
    parameters.check().map_err(|error| ScenarioError::at("market", error))?;
    Network::new(grid, &parameters, first, &[]).map_err(|error| ScenarioError::at("market", error))?;
    let of_grid = fees.is_some() || derate.is_some();
    if of_grid && grid.line_above(1).is_none() {
        return Err(ScenarioError::at("market", "expected a grid for fees and derating, found none in the community"));
    }
    let mut rules = Rules::new(scenario.tariffs.retail, scenario.tariffs.feed_in, mechanism.as_str());
    rules.parameters = (parameters != Parameters::default()).then_some(parameters);
    Ok(rules)
}
