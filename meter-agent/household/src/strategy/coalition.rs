//! `coalition`: members of a name who have agreed on limits, and keep to them. All with the same settings ask for the
//! same, since both of the supplier's prices are the same for all.
//!
//! It is there to find out what collusion costs the others: sellers who agree raise the price where there is more to
//! sell than is needed, and buyers who agree lower it where there is less. Who keeps to the agreement sells less for
//! it, and each of them would gain by leaving it.

use protocol::{money::Price, order::PriceLimits, settlement::Tariffs};
use serde::Deserialize;

use super::{Situation, Strategy, Why};
use crate::home::units::Share;

/// What `[order]` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// What its members call it.
    name: String,
    /// Where the limit to buy at lies, from the feed-in price, 0, to the retail price, 1; without it, they do not limit
    /// it.
    buy_at: Option<Share>,
    /// Where the limit to sell at lies, likewise.
    sell_at: Option<Share>,
}

/// The strategy `coalition`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Settings")]
pub struct Coalition {
    name: String,
    buy_at: Option<Share>,
    sell_at: Option<Share>,
}

/// No agreement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum BadSettings {
    #[error("expected a name of 1 to {NAME_MAX} characters for the coalition, found {0}")]
    Name(usize),
    #[error("expected `buy_at`, `sell_at` or both, found none; who agrees on nothing is a `price_taker`")]
    Nothing,
}

/// Most characters of a name.
const NAME_MAX: usize = 40;

impl TryFrom<Settings> for Coalition {
    type Error = BadSettings;

    fn try_from(Settings { name, buy_at, sell_at }: Settings) -> Result<Coalition, BadSettings> {
        let length = name.chars().count();
        if !(1..=NAME_MAX).contains(&length) {
            return Err(BadSettings::Name(length));
        }
        if buy_at.is_none() && sell_at.is_none() {
            return Err(BadSettings::Nothing);
        }
        Ok(Coalition { name, buy_at, sell_at })
    }
}

/// The price that lies at a share of the way from the feed-in to the retail price, rounded down.
fn between(tariffs: Tariffs, at: Share) -> Option<Price> {
    let (low, high) = (tariffs.feed_in_price.micro(), tariffs.retail_price.micro());
    Price::from_micro(low + (high - low) * i64::from(at.ppm()) / i64::from(Share::ALL.ppm()))
}

impl Strategy for Coalition {
    fn name(&self) -> &'static str {
        "coalition"
    }

    fn sees_tariffs(&self) -> bool {
        true
    }

    fn limits(&self, situation: &Situation<'_>) -> PriceLimits {
        let at = |share: Option<Share>| between(situation.tariffs?, share?);
        PriceLimits { buy: at(self.buy_at), sell: at(self.sell_at), ..PriceLimits::default() }
    }

    fn why(&self, situation: &Situation<'_>) -> Why {
        match situation.tariffs {
            Some(_) => Why::Agreed { coalition: self.name.clone() },
            None => Why::TariffsUnproved,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Coalition, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn its_limits_lie_where_it_was_agreed_between_the_suppliers_prices() {
        let price = |text: &str| text.parse::<Price>().unwrap();
        let interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
        let tariffs = Tariffs { retail_price: price("0.3"), feed_in_price: price("0.08") };
        let situation = Situation::new(interval, Some(tariffs));
        let sellers = read("name = \"roofs\"\nsell_at = 0.5\n").unwrap();
        // 0.08 + 0.5 × 0.22.
        let expected = PriceLimits { sell: Some(price("0.19")), ..PriceLimits::default() };
        assert_eq!(sellers.limits(&situation), expected);
        assert_eq!(sellers.why(&situation).to_string(), "agreed in the coalition roofs");
        let both = read("name = \"all\"\nbuy_at = 0\nsell_at = 1\n").unwrap().limits(&situation);
        assert_eq!((both.buy, both.sell), (Some(price("0.08")), Some(price("0.3"))));
        let unknown = Situation::new(interval, None);
        assert_eq!(sellers.limits(&unknown), PriceLimits::default());
        assert_eq!(sellers.why(&unknown), Why::TariffsUnproved);
    }

    #[test]
    fn no_agreement_is_refused() {
        for (text, expected) in [
            ("name = \"\"\nsell_at = 0.5", "expected a name of 1 to 40 characters for the coalition, found 0"),
            ("name = \"roofs\"", "expected `buy_at`, `sell_at` or both, found none"),
            ("name = \"roofs\"\nsell_at = 1.5", "expected a share from 0 to 1"),
            ("sell_at = 0.5", "missing field `name`"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
