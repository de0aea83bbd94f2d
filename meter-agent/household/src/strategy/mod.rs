//! Strategies: one a file, with its settings and its errors. To add one, copy `template.rs`, and add its line to
//! `strategies!`.

mod battery_aware;
mod chance;
mod coalition;
mod fixed;
mod outcome;
mod price_taker;
mod roth_erev;
#[cfg(test)]
mod template;
mod time_of_use;
mod why;
mod zi_c;

use std::{fmt::Debug, sync::Arc};

use protocol::{hash::Hash, interval::Interval, order::PriceLimits, settlement::Tariffs};
use serde::{Deserialize, Deserializer, de::Error};

pub use self::{
    battery_aware::BatteryAware,
    coalition::Coalition,
    fixed::FixedLimits,
    outcome::{LAG, Outcome},
    price_taker::PriceTaker,
    roth_erev::RothErev,
    time_of_use::TimeOfUse,
    why::Why,
    zi_c::ZeroIntelligence,
};

/// What a strategy may know of the interval that it decides for. What others will need is added here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation<'a> {
    /// The interval.
    pub interval: Interval,
    /// The supplier's prices: the latest that are proved, if any are yet. Others may be decided before the interval.
    pub tariffs: Option<Tariffs>,
    /// What the strategy made, in their order, of the outcomes that are at least [`LAG`] intervals old; begun with
    /// [`Strategy::memory`].
    pub memory: &'a [u64],
}

impl Situation<'static> {
    /// The situation of who remembers nothing.
    pub fn new(interval: Interval, tariffs: Option<Tariffs>) -> Situation<'static> {
        Situation { interval, tariffs, memory: &[] }
    }
}

/// How a household bids. A pure function of its settings and the situation: no clock, and no randomness but what
/// follows from [its chance](Strategy::with_chance), so that it can be asked of any interval, at any time and again.
/// What it remembers is kept for it, by the agent beside the receipts, and by the simulator.
pub trait Strategy: Debug + Send + Sync {
    /// Its name in configurations: lowercase, with underscores.
    fn name(&self) -> &'static str;

    /// What it asks for in an interval.
    fn limits(&self, situation: &Situation<'_>) -> PriceLimits;

    /// Why, for people.
    fn why(&self, situation: &Situation<'_>) -> Why;

    /// Whether its limits depend on the supplier's prices. A household has proof of these once an interval is settled,
    /// and bids for later ones before: where they change, it follows them with a delay.
    fn sees_tariffs(&self) -> bool {
        false
    }

    /// What it remembers before its first interval: whole numbers that mean something to it alone, always as many.
    /// Who learns nothing has none.
    fn memory(&self) -> Vec<u64> {
        Vec::new()
    }

    /// Learns from an outcome that is later than all that it learned from. It may be one under other limits than its
    /// own: an order can be late, or lost.
    fn learn(&self, _memory: &mut [u64], _of: &Outcome) {}

    /// The same strategy for one household, with draws that follow from what only that household knows; none where
    /// nothing is left to chance.
    fn with_chance(&self, _of: &Hash) -> Option<Arc<dyn Strategy>> {
        None
    }
}

/// A name that no strategy has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a strategy ({}), found `{found}`", known_names())]
pub struct UnknownStrategy {
    /// The name, cut to 80 characters.
    pub found: String,
}

fn known_names() -> String {
    names().iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

macro_rules! strategies {
    ($($(#[$attribute:meta])* $name:ident: $strategy:path,)*) => {
        /// The names of all strategies.
        pub fn names() -> Vec<&'static str> {
            vec![$($(#[$attribute])* stringify!($name),)*]
        }

        /// Reads the settings of the strategy of this name, its name not among them; or says what is wrong with them.
        pub fn read<'de, D: Deserializer<'de>>(name: &str, settings: D) -> Result<Arc<dyn Strategy>, D::Error> {
            match name {
                $($(#[$attribute])* stringify!($name) => Ok(Arc::new(<$strategy>::deserialize(settings)?)),)*
                _ => Err(D::Error::custom(UnknownStrategy { found: name.chars().take(80).collect() })),
            }
        }
    };
}

strategies! {
    price_taker: PriceTaker,
    fixed: FixedLimits,
    time_of_use: TimeOfUse,
    zi_c: ZeroIntelligence,
    roth_erev: RothErev,
    battery_aware: BatteryAware,
    coalition: Coalition,
    #[cfg(test)]
    template: template::Discount,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strategies_are_found_by_their_names_and_the_names_are_unique() {
        let settings = |name| match name {
            "time_of_use" => "[[windows]]\nfrom = \"17:00\"\nto = \"21:00\"\nbuy = \"0.3\"\n",
            "template" => "discount = \"0.02\"\n",
            "battery_aware" => "round_trip_efficiency = 0.9\n",
            "coalition" => "name = \"roofs\"\nsell_at = 0.5\n",
            _ => "",
        };
        for name in names() {
            assert_eq!(read(name, toml::Deserializer::parse(settings(name)).unwrap()).unwrap().name(), name);
            let misspelled = format!("buy_capp_wh = 1\n{}", settings(name));
            let error = read(name, toml::Deserializer::parse(&misspelled).unwrap()).unwrap_err();
            assert!(error.message().starts_with("unknown field `buy_capp_wh`"), "{error}");
        }
        assert_eq!(names().iter().collect::<std::collections::BTreeSet<_>>().len(), names().len());
    }

    #[test]
    fn an_unknown_name_is_refused_with_all_that_there_are() {
        let error = read("prise_taker", toml::Deserializer::parse("").unwrap()).unwrap_err().to_string();
        assert!(error.contains("expected a strategy (`price_taker`, `fixed`, `time_of_use`"), "{error}");
        assert!(error.trim_end().ends_with("found `prise_taker`"), "{error}");
    }
}
