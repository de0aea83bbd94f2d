//! Scenarios: one TOML file says what is simulated. Unknown keys are refused, and so is what cannot be, before anything
//! runs or is written.
//!
//! In: the text. Out: a [`Scenario`], whose missing keys have their defaults, so that it can be written down whole.

mod carbon;
mod equipment;
mod error;
mod faults;
mod outage;
mod part;
mod range;
mod strategy;

use std::{
    fs,
    path::{Path, PathBuf},
};

use market::clearing;
use protocol::{
    interval::{parse_utc, utc_text},
    money::Price,
    parameters::Fees,
};
use serde::{Deserialize, Serialize};

pub use carbon::{Carbon, INTENSITY_MAX};
pub use equipment::{DayWindow, Device, Equipment, Of, Trips};
pub use error::ScenarioError;
pub use faults::{Dishonest, Faults};
pub use outage::{Claims, Island, Outage};
pub use part::Part;
pub use range::Range;
pub use strategy::{Mix, StrategyOf};

/// What is simulated.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The question that it answers, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// What all draws follow from. The same seed gives the same files.
    #[serde(default = "one")]
    pub seed: u64,
    /// Who takes part.
    #[serde(default)]
    pub community: Community,
    /// When.
    #[serde(default)]
    pub period: Period,
    /// What the supplier takes and gives.
    #[serde(default)]
    pub tariffs: TariffPlan,
    /// What the supplier's energy emits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carbon: Option<Carbon>,
    /// How neighbours trade.
    #[serde(default)]
    pub market: Market,
    /// Which devices members have, beside what the profiles say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub equipment: Vec<Equipment>,
    /// What goes wrong.
    #[serde(default)]
    pub faults: Faults,
    /// For how long the grid above is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage: Option<Outage>,
    /// What was decided for that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub island: Option<Island>,
    /// What heat pumps see of the weather.
    #[serde(default)]
    pub weather: Weather,
    /// How members bid. Without any, all are price takers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strategies: Vec<Mix>,
}

fn one() -> u64 {
    1
}

/// Who takes part: the participants of a data set as they are, or homes drawn from its shapes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Community {
    /// `built-in`, or a directory with `participants.csv` and `profiles_NAME.csv` or `.parquet`; relative to the
    /// scenario's file.
    pub data: PathBuf,
    /// Which profile of the data set is played. Not for drawn homes, which have a year of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Price limits of participants, as `participant_id,buy,sell`: `built-in`, or a file. They replace the strategies
    /// of whom they name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders: Option<PathBuf>,
    /// Homes drawn from the built-in shapes, instead of participants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawn: Option<Drawn>,
}

/// The name of what travels inside the program.
pub const BUILT_IN: &str = "built-in";

impl Default for Community {
    fn default() -> Community {
        Community { data: PathBuf::from(BUILT_IN), profile: None, orders: None, drawn: None }
    }
}

/// Homes whose days are drawn from the shapes of the built-in neighbourhood.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawn {
    /// How many, 1 to [`HOMES_MAX`].
    pub homes: u32,
    /// What a home uses in a year, kWh: drawn evenly from here to there.
    #[serde(default = "consumption")]
    pub consumption_kwh: Range,
    /// Part of the homes that have a roof.
    #[serde(default = "a_third")]
    pub pv_share: Part,
    /// What a roof's modules are rated at, in kWp: drawn evenly from here to there.
    #[serde(default = "modules")]
    pub pv_kwp: Range,
    /// What a kWp yields in a year, kWh.
    #[serde(default = "sunshine")]
    pub pv_yield_kwh: u32,
    /// Other groups of homes, each with numbers of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Group>,
    /// Whether the homes are on the buses of the built-in grid, drawn evenly; else all are on one bus.
    #[serde(default)]
    pub grid: bool,
}

/// A group of homes that are drawn alike. Each key is as in [`Drawn`].
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// How many.
    pub homes: u32,
    /// What a home uses in a year, kWh.
    #[serde(default = "consumption")]
    pub consumption_kwh: Range,
    /// Part of the homes that have a roof.
    #[serde(default = "a_third")]
    pub pv_share: Part,
    /// What a roof's modules are rated at, in kWp.
    #[serde(default = "modules")]
    pub pv_kwp: Range,
    /// What a kWp yields in a year, kWh.
    #[serde(default = "sunshine")]
    pub pv_yield_kwh: u32,
}

impl Drawn {
    /// All groups, the first by the keys of its own.
    pub fn groups(&self) -> impl Iterator<Item = Group> + '_ {
        let &Drawn { homes, consumption_kwh, pv_share, pv_kwp, pv_yield_kwh, .. } = self;
        std::iter::once(Group { homes, consumption_kwh, pv_share, pv_kwp, pv_yield_kwh })
            .chain(self.others.iter().copied())
    }

    fn check(&self) -> Result<(), ScenarioError> {
        for (number, group) in self.groups().enumerate() {
            let place = match number.checked_sub(1) {
                None => "community.drawn".to_owned(),
                Some(other) => format!("community.drawn.others.{other}"),
            };
            group.check(&place)?;
        }
        let all: u64 = self.groups().map(|group| u64::from(group.homes)).sum();
        if all > u64::from(HOMES_MAX) {
            let text = format!("expected at most {HOMES_MAX} homes in all groups, found {all}");
            return Err(ScenarioError::at("community.drawn.others", text));
        }
        Ok(())
    }
}

/// Most homes that are drawn.
pub const HOMES_MAX: u32 = 1_000_000;

fn consumption() -> Range {
    Range { from: 2_000, to: 5_000 }
}

fn modules() -> Range {
    Range { from: 3, to: 10 }
}

fn sunshine() -> u32 {
    950
}

fn a_third() -> Part {
    Part::from_ppm(333_333)
}

/// When it is played.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Period {
    /// Start of the first interval, UTC [default: the profile's first, or 2016-01-01T00:00:00Z for drawn homes].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Start>,
    /// How many days [default: all that the profile has, or 365].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

/// A UTC time as ISO 8601.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Start(pub i64);

impl TryFrom<String> for Start {
    type Error = String;

    fn try_from(text: String) -> Result<Start, String> {
        parse_utc(&text).map(Start).map_err(|error| error.to_string())
    }
}

impl From<Start> for String {
    fn from(Start(time_s): Start) -> String {
        utc_text(time_s)
    }
}

/// What the supplier takes and gives for a kWh.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TariffPlan {
    /// What it takes.
    pub retail: Price,
    /// What it gives.
    pub feed_in: Price,
    /// Hours of the day with other prices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<TariffWindow>,
    /// A CSV file `timestamp,retail,feed_in`: each row holds until the next, and before the first the prices above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<PathBuf>,
}

/// Hours of the day, UTC, with other prices.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TariffWindow {
    /// From when, such as `17:00`.
    pub from: Minute,
    /// Until when; if not later, on the next day.
    pub to: Minute,
    /// What the supplier takes meanwhile [default: as ever].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retail: Option<Price>,
    /// What it gives meanwhile [default: as ever].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed_in: Option<Price>,
}

impl TariffWindow {
    /// Whether it holds a minute of the day.
    pub fn holds(&self, minute: i64) -> bool {
        let (Minute(from), Minute(to)) = (self.from, self.to);
        if from < to { (from..to).contains(&minute) } else { minute >= from || minute < to }
    }
}

/// A minute of the day, written as `17:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Minute(i64);

impl TryFrom<String> for Minute {
    type Error = String;

    fn try_from(text: String) -> Result<Minute, String> {
        let digits = |text: &str| (text.len() == 2).then(|| text.parse::<u8>().ok()).flatten().map(i64::from);
        let parts = text.split_once(':').and_then(|(hours, minutes)| Some((digits(hours)?, digits(minutes)?)));
        match parts {
            Some((hours, minutes)) if minutes < 60 && hours * 60 + minutes <= 24 * 60 => {
                Ok(Minute(hours * 60 + minutes))
            }
            _ => Err(format!(
                "expected a time from 00:00 to 24:00, found `{}`",
                text.chars().take(80).collect::<String>()
            )),
        }
    }
}

impl From<Minute> for String {
    fn from(Minute(minute): Minute) -> String {
        format!("{:02}:{:02}", minute / 60, minute % 60)
    }
}

impl TariffPlan {
    fn check(&self) -> Result<(), ScenarioError> {
        let ever = (self.retail, self.feed_in);
        let of_window =
            |window: &TariffWindow| (window.retail.unwrap_or(self.retail), window.feed_in.unwrap_or(self.feed_in));
        for (retail, feed_in) in std::iter::once(ever).chain(self.windows.iter().map(of_window)) {
            if feed_in > retail {
                let found = format!("expected at most the retail price {retail}, found {feed_in}");
                return Err(ScenarioError::at("tariffs.feed_in", found));
            }
        }
        let both = |minute| self.windows.iter().filter(|window| window.holds(minute)).count() > 1;
        if let Some(minute) = (0..24 * 60).find(|minute| both(*minute)) {
            let found = String::from(Minute(minute));
            return Err(ScenarioError::at("tariffs.windows", format!("expected one at a time, found two at {found}")));
        }
        Ok(())
    }
}

impl Default for TariffPlan {
    fn default() -> TariffPlan {
        TariffPlan { retail: RETAIL_DEFAULT, feed_in: FEED_IN_DEFAULT, windows: Vec::new(), series: None }
    }
}

/// What the supplier takes for a kWh, unless it is said.
pub(crate) const RETAIL_DEFAULT: Price = price_of(300_000);
/// What it gives.
pub(crate) const FEED_IN_DEFAULT: Price = price_of(80_000);

const fn price_of(micro: i64) -> Price {
    match Price::from_micro(micro) {
        Some(price) => price,
        None => panic!("a default is a price"),
    }
}

/// Temperatures outdoors, made up: an even rise from winter to summer, and on each day from night to afternoon.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Weather {
    /// Mean of a day in the middle of winter, °C.
    pub winter_c: i32,
    /// Mean of a day in the middle of summer, °C.
    pub summer_c: i32,
    /// From the coldest to the warmest hour of a day, °C.
    pub day_swing_c: i32,
}

impl Default for Weather {
    fn default() -> Weather {
        Weather { winter_c: 0, summer_c: 19, day_swing_c: 8 }
    }
}

impl Weather {
    fn check(&self) -> Result<(), ScenarioError> {
        let Weather { winter_c, summer_c, day_swing_c } = self;
        for (key, found) in [("winter_c", winter_c), ("summer_c", summer_c), ("day_swing_c", day_swing_c)] {
            if !(-60..=60).contains(found) {
                return Err(ScenarioError::at(
                    &format!("weather.{key}"),
                    format!("expected from -60 to 60, found {found}"),
                ));
            }
        }
        Ok(())
    }
}

/// How neighbours trade. Each mechanism reads what is its own, as in production.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Market {
    /// The mechanism's name.
    pub mechanism: String,
    /// Price within the community, of `mid_market_rate` and the keys [default: midpoint of the supplier's prices].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// `static_key` and `cascading_key`: part of all that is offered, by participant [default: equal parts].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shares: Option<std::collections::BTreeMap<String, Part>>,
    /// `priority_key`: who is served first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Vec<String>>,
    /// `feeder`: what the grid costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fees: Option<Fees>,
    /// `feeder`: part of every rating that may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub derate: Option<Part>,
}

impl Default for Market {
    fn default() -> Market {
        Market { mechanism: "uniform".into(), price: None, shares: None, priority: None, fees: None, derate: None }
    }
}

/// Most bytes of a scenario: what people write fits many times.
const SCENARIO_BYTES_MAX: u64 = 1024 * 1024;

impl Scenario {
    /// Reads the scenario at `path`, and makes the paths in it start from where it lies.
    pub fn load(path: &Path) -> Result<Scenario, ScenarioError> {
        let unreadable = |error| ScenarioError::Unreadable { path: path.to_owned(), error };
        let bytes = fs::metadata(path).map_err(unreadable)?.len();
        if bytes > SCENARIO_BYTES_MAX {
            return Err(ScenarioError::TooLarge { path: path.to_owned(), max: SCENARIO_BYTES_MAX, found: bytes });
        }
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let mut scenario =
            Scenario::parse(&text).map_err(|error| ScenarioError::In { path: path.to_owned(), error: error.into() })?;
        let place = path.parent().unwrap_or(Path::new(""));
        for file in scenario.files_mut() {
            *file = place.join(&*file);
        }
        Ok(scenario)
    }

    /// The files that it names, but for what is built in.
    pub(crate) fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let Scenario { community, tariffs, carbon, .. } = self;
        let intensities = carbon.iter_mut().flat_map(|carbon| &mut carbon.series);
        let prices = community.orders.iter_mut().chain(&mut tariffs.series);
        let all = std::iter::once(&mut community.data).chain(prices).chain(intensities);
        all.filter(|file| file.as_os_str() != BUILT_IN)
    }

    /// Reads a scenario.
    pub fn parse(text: &str) -> Result<Scenario, ScenarioError> {
        let scenario: Scenario = toml::from_str(text).map_err(|error| ScenarioError::toml(text, &error))?;
        scenario.check()?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), ScenarioError> {
        clearing::mechanism(&self.market.mechanism).map_err(|error| ScenarioError::at("market.mechanism", error))?;
        self.tariffs.check()?;
        if let Some(drawn) = &self.community.drawn {
            drawn.check()?;
            if self.community.profile.is_some() || self.community.orders.is_some() {
                return Err(ScenarioError::at(
                    "community",
                    "expected either a profile and orders, or drawn homes, found both: leave one out",
                ));
            }
            if self.community.data.as_os_str() != BUILT_IN {
                return Err(ScenarioError::at(
                    "community.data",
                    "expected built-in, whose shapes homes are drawn from",
                ));
            }
        }
        self.carbon.iter().try_for_each(Carbon::check)?;
        if self.period.days == Some(0) {
            return Err(ScenarioError::at("period.days", "expected at least 1, found 0"));
        }
        equipment::check(&self.equipment)?;
        self.faults.check()?;
        self.check_outage()?;
        self.weather.check()?;
        strategy::check(&self.strategies)
    }
}

impl Group {
    fn check(&self, place: &str) -> Result<(), ScenarioError> {
        let cases = [
            ("homes", self.homes, HOMES_MAX),
            ("consumption_kwh", self.consumption_kwh.to, CONSUMPTION_KWH_MAX),
            ("pv_kwp", self.pv_kwp.to, PV_KWP_MAX),
            ("pv_yield_kwh", self.pv_yield_kwh, PV_YIELD_KWH_MAX),
        ];
        for (key, found, max) in cases {
            if !(1..=max).contains(&found) {
                let text = format!("expected from 1 to {max}, found {found}");
                return Err(ScenarioError::at(&format!("{place}.{key}"), text));
            }
        }
        Ok(())
    }
}

/// More than a house that is one.
const CONSUMPTION_KWH_MAX: u32 = 1_000_000;
const PV_KWP_MAX: u32 = 1_000;
/// No place on earth yields more than some 2,500.
const PV_YIELD_KWH_MAX: u32 = 3_000;

#[cfg(test)]
mod tests;
