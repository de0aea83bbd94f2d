//! Template for a strategy. It is compiled and tested, but not part of any program.
//!
//! 1. Copy this file to `your_strategy.rs`, rename the struct and its name, and say here what it bids and why.
//! 2. In `mod.rs` add `mod your_strategy;`, and one line to `strategies!`:
//!    `your_strategy: your_strategy::YourStrategy,`.
//! 3. Describe it in `config/agent.toml` and `docs/prosumer.md`. It is chosen by `strategy = "your_strategy"`.
//!
//! A strategy has no clock and no randomness, and computes with integers: prices are whole µ€/kWh. It is asked of
//! intervals that lie some ahead, again and again, and the agent signs an order wherever its answer changes: one that
//! answers otherwise in each interval has an order a quarter of an hour. One that learns says what it remembers in
//! `memory` and `learn`, as `roth_erev.rs` does.
//!
//! This example buys from neighbours what is cheaper than the supplier by a discount, and sells to them at any price.

use protocol::{money::Price, order::PriceLimits};
use serde::Deserialize;

use super::{Situation, Strategy, Why};

/// The keys of `[order]` beside `strategy`, each with a comment that says what it is and in which unit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Least that a kWh from neighbours has to be cheaper by, per kWh.
    discount: Price,
}

/// The strategy: settings that make sense. One whose settings always do needs no `Settings` and no error.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Settings")]
pub(super) struct Discount(Price);

/// What makes no sense is refused when it is read, in one line: what was expected, what was found and what to do.
#[derive(Debug, thiserror::Error)]
#[error("expected a discount above 0, found {0}; for any price below the supplier's, `price_taker` is the strategy")]
struct NoDiscount(Price);

impl TryFrom<Settings> for Discount {
    type Error = NoDiscount;

    fn try_from(Settings { discount }: Settings) -> Result<Discount, NoDiscount> {
        if discount.micro() > 0 { Ok(Discount(discount)) } else { Err(NoDiscount(discount)) }
    }
}

impl Strategy for Discount {
    fn name(&self) -> &'static str {
        "template"
    }

    fn sees_tariffs(&self) -> bool {
        true
    }

    fn limits(&self, situation: &Situation<'_>) -> PriceLimits {
        // What is not known yet limits nothing: no household is kept from trading by that.
        let dearest = situation.tariffs.and_then(|tariffs| {
            let micro = tariffs.retail_price.micro() - self.0.micro();
            Price::from_micro(micro.max(tariffs.feed_in_price.micro()))
        });
        PriceLimits { buy: dearest, ..PriceLimits::default() }
    }

    // A reason that is not in the list is added there, and to the words of the agent's page, in each language.
    fn why(&self, situation: &Situation<'_>) -> Why {
        match situation.tariffs {
            Some(tariffs) => Why::BelowSupplier { discount: self.0, retail_price: tariffs.retail_price },
            None => Why::TariffsUnproved,
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::settlement::Tariffs;

    use super::*;

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    #[test]
    fn the_template_follows_the_suppliers_price_once_it_is_known() {
        let strategy: Discount = toml::from_str("discount = \"0.02\"").unwrap();
        let interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
        let at = |retail| {
            let tariffs = Tariffs { retail_price: price(retail), feed_in_price: price("0.08") };
            Situation::new(interval, Some(tariffs))
        };
        assert_eq!(strategy.limits(&at("0.3")), PriceLimits { buy: Some(price("0.28")), ..PriceLimits::default() });
        assert_eq!(strategy.limits(&at("0.09")).buy, Some(price("0.08")), "nobody sells for less");
        assert_eq!(strategy.why(&at("0.3")).to_string(), "0.02 below the supplier's 0.3");
        let unknown = Situation::new(interval, None);
        assert_eq!(strategy.limits(&unknown), PriceLimits::default());
        assert_eq!(strategy.why(&unknown), Why::TariffsUnproved);
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        for discount in ["0", "-0.01"] {
            let error = toml::from_str::<Discount>(&format!("discount = \"{discount}\"")).unwrap_err().to_string();
            assert!(error.contains(&format!("expected a discount above 0, found {discount}")), "{error}");
        }
    }
}
