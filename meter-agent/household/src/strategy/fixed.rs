//! The same limits in every interval.

use protocol::{energy::Energy, money::Price, order::PriceLimits};
use serde::{Deserialize, Serialize};

use super::{Situation, Strategy, Why};

/// The same limits in every interval. What is not given is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedLimits {
    /// Highest price to buy at, per kWh; without it, the retail price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buy: Option<Price>,
    /// Lowest price to sell at, per kWh; without it, the feed-in price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sell: Option<Price>,
    /// Most energy to buy from neighbours in one interval, Wh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buy_cap_wh: Option<Energy>,
    /// Most energy to sell to neighbours in one interval, Wh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sell_cap_wh: Option<Energy>,
}

impl From<PriceLimits> for FixedLimits {
    fn from(limits: PriceLimits) -> FixedLimits {
        let PriceLimits { buy, sell, buy_cap, sell_cap } = limits;
        FixedLimits { buy, sell, buy_cap_wh: buy_cap, sell_cap_wh: sell_cap }
    }
}

impl From<FixedLimits> for PriceLimits {
    fn from(limits: FixedLimits) -> PriceLimits {
        let FixedLimits { buy, sell, buy_cap_wh, sell_cap_wh } = limits;
        PriceLimits { buy, sell, buy_cap: buy_cap_wh, sell_cap: sell_cap_wh }
    }
}

impl Strategy for FixedLimits {
    fn name(&self) -> &'static str {
        "fixed"
    }

    fn limits(&self, _: &Situation<'_>) -> PriceLimits {
        (*self).into()
    }

    fn why(&self, _: &Situation<'_>) -> Why {
        Why::SameAtAllTimes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_not_given_is_not_limited() {
        let text = "buy = \"0.28\"\nsell_cap_wh = 500\n";
        let limits: FixedLimits = toml::from_str(text).unwrap();
        assert_eq!(toml::to_string(&limits).unwrap(), text);
        let expected = PriceLimits {
            buy: Price::from_micro(280_000),
            sell_cap: Some(Energy::from_wh(500)),
            ..PriceLimits::default()
        };
        let situation = Situation::new("2026-06-01T12:00:00Z/PT15M".parse().unwrap(), None);
        assert_eq!(limits.limits(&situation), expected);
        assert_eq!(FixedLimits::from(expected), limits);
        assert_eq!(toml::from_str::<FixedLimits>("").unwrap(), FixedLimits::default());
    }

    #[test]
    fn prices_are_texts_and_energy_is_whole_wh() {
        for (text, expected) in [
            ("buy = 0.3", "expected a string"),
            ("buy = \"cheap\"", "expected a price per kWh such as 0.125, found `cheap`"),
            ("sell = \"0.1234567\"", "at most 6 decimals"),
            ("buy_cap_wh = -1", "-1"),
            ("buy_cap = 1", "unknown field `buy_cap`"),
        ] {
            let error = toml::from_str::<FixedLimits>(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
