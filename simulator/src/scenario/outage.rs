//! An outage: for a time the grid above is gone, and the community is an island.

use market::clearing;
use protocol::{
    island::{ISLANDED, IslandPlan, MemberClaim},
    limits::ENERGY_WH_MAX,
    money::Price,
};
use serde::{Deserialize, Serialize};

use super::{Part, ScenarioError, Start};

/// When nothing comes from the supplier and nothing goes there, and who then has what.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// Start of the first interval without a grid above, UTC.
    pub from: Start,
    /// Start of the first interval that has one again.
    pub until: Start,
    /// Who has what: `islanded` gives everyone a quota before each interval; under any other mechanism members have
    /// what they buy from neighbours.
    #[serde(default = "islanded")]
    pub mechanism: String,
    /// Whether members keep to their quotas.
    #[serde(default = "yes")]
    pub kept: bool,
}

fn islanded() -> String {
    ISLANDED.into()
}

fn yes() -> bool {
    true
}

/// What was decided for an island.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Island {
    /// What a kWh costs.
    pub posted_price: Price,
    /// What it costs at most.
    pub price_cap: Price,
    /// The basic allowance of one person, W.
    pub basic_w: u64,
    /// What a battery holds is spread over so many intervals.
    pub recharge_intervals: u32,
    /// The part of a battery's capacity that is kept back.
    pub reserve: Part,
    /// What members claim; the first entry that names a member counts. Who is in none is a household of one person.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claims>,
}

impl Default for Island {
    fn default() -> Island {
        Island {
            posted_price: super::RETAIL_DEFAULT,
            price_cap: super::RETAIL_DEFAULT,
            basic_w: 150,
            recharge_intervals: 48,
            reserve: Part::from_ppm(100_000),
            claims: Vec::new(),
        }
    }
}

/// What some members claim.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Every how many-th member, in the order of the tables: 20 is the 20th, the 40th, and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u32>,
    /// Or these, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// For life-safety, W.
    #[serde(default)]
    pub life_safety_w: u64,
    /// For infrastructure and shelters, W.
    #[serde(default)]
    pub critical_w: u64,
    /// Persons of the household.
    #[serde(default = "one")]
    pub persons: u32,
    /// For all else, W [default: what is left of the connection].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_w: Option<u64>,
}

fn one() -> u32 {
    1
}

impl Claims {
    /// Whether it is about the member of this number, from 0 on, and this name.
    pub(crate) fn names(&self, number: usize, name: &str) -> bool {
        let every = self.every.and_then(|every| usize::try_from(every).ok());
        every.is_some_and(|every| (number + 1).is_multiple_of(every)) || self.members.iter().any(|named| named == name)
    }
}

impl Island {
    /// The plan, as rules have it.
    pub(crate) fn plan(&self, claims: Vec<MemberClaim>) -> Result<IslandPlan, ScenarioError> {
        let plan = IslandPlan {
            posted_price: self.posted_price,
            price_cap: self.price_cap,
            zero_intervals: None,
            basic_w: self.basic_w,
            recharge_intervals: self.recharge_intervals,
            reserve_ppm: self.reserve.ppm(),
            claims,
            validators: Vec::new(),
        };
        plan.check().map_err(|error| ScenarioError::at("island", error))?;
        Ok(plan)
    }
}

impl super::Scenario {
    /// What an outage can get wrong by itself.
    pub(super) fn check_outage(&self) -> Result<(), ScenarioError> {
        if self.market.mechanism == ISLANDED {
            let message =
                format!("expected how neighbours trade on the grid, found `{ISLANDED}`: that is for an outage");
            return Err(ScenarioError::at("market.mechanism", message));
        }
        let Some(outage) = &self.outage else {
            return match self.island {
                None => Ok(()),
                Some(_) => Err(ScenarioError::at("island", "expected an `[outage]` to plan for, found none")),
            };
        };
        clearing::mechanism(&outage.mechanism).map_err(|error| ScenarioError::at("outage.mechanism", error))?;
        if outage.until.0 <= outage.from.0 {
            let [from, until] = [outage.from, outage.until].map(String::from);
            return Err(ScenarioError::at("outage.until", format!("expected a time after {from}, found {until}")));
        }
        if self.faults.offline.ppm() > 0 || self.faults.dishonest.is_some() {
            let message = "expected meters that are read and say what flows in a scenario with an outage, found others";
            return Err(ScenarioError::at("faults", message));
        }
        for (number, claims) in self.island.iter().flat_map(|island| &island.claims).enumerate() {
            let at = |key: &str, message: String| ScenarioError::at(&format!("island.claims.{number}{key}"), message);
            match (claims.every, claims.members.is_empty()) {
                (Some(0), true) => return Err(at(".every", "expected at least 1, found 0".into())),
                (Some(_), true) | (None, false) => {}
                (Some(_), false) | (None, true) => {
                    return Err(at("", "expected either `every` or `members`, found both or neither".into()));
                }
            }
            for (key, found) in [(".life_safety_w", claims.life_safety_w), (".critical_w", claims.critical_w)] {
                if found > ENERGY_WH_MAX {
                    return Err(at(key, format!("expected at most {ENERGY_WH_MAX}, found {found}")));
                }
            }
        }
        self.island.as_ref().map_or(Ok(()), |island| island.plan(Vec::new()).map(drop))
    }
}
