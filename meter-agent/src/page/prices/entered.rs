//! What was entered: the fields of the forms, and the choice that they make. Pure.

use household::strategy::FixedLimits;
use protocol::{energy::Energy, money::Price};
use serde::Deserialize;

use super::refused::Refused;
use crate::choice::Choice;

/// The name of the choice that limits nothing.
pub(super) const ANY_PRICE: &str = "price_taker";
/// The name of the choice that has limits.
pub(super) const LIMITS: &str = "fixed";

/// What the first form asks with, and the second one repeats.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Entered {
    #[serde(default)]
    pub(super) lang: Option<String>,
    /// Empty before anything was entered.
    #[serde(default)]
    pub(super) strategy: String,
    #[serde(default)]
    pub(super) buy: String,
    #[serde(default)]
    pub(super) sell: String,
    #[serde(default)]
    pub(super) buy_cap_wh: String,
    #[serde(default)]
    pub(super) sell_cap_wh: String,
}

/// What a form changes something with.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Posted {
    #[serde(flatten)]
    pub(super) entered: Entered,
    #[serde(default)]
    pub(super) pin: String,
    #[serde(default)]
    pub(super) token: String,
}

impl Entered {
    /// What a choice is entered as, with this sign between units and decimals.
    pub(super) fn of(choice: Choice, decimal_point: char) -> Entered {
        let FixedLimits { buy, sell, buy_cap_wh, sell_cap_wh } = choice.limits();
        let price = |price: Option<Price>| {
            price.map(|price| price.to_string().replace('.', &decimal_point.to_string())).unwrap_or_default()
        };
        let cap = |cap: Option<Energy>| cap.map(|cap| cap.wh().to_string()).unwrap_or_default();
        let strategy = if choice == Choice::PriceTaker { ANY_PRICE } else { LIMITS }.to_owned();
        let (buy_cap_wh, sell_cap_wh) = (cap(buy_cap_wh), cap(sell_cap_wh));
        Entered { lang: None, strategy, buy: price(buy), sell: price(sell), buy_cap_wh, sell_cap_wh }
    }

    /// The choice; as `agent.toml` has it, sell above buy is none of our business.
    pub(super) fn choice(&self) -> Result<Choice, Refused> {
        match self.strategy.as_str() {
            ANY_PRICE => Ok(Choice::PriceTaker),
            LIMITS => Ok(Choice::Fixed(FixedLimits {
                buy: price(&self.buy)?,
                sell: price(&self.sell)?,
                buy_cap_wh: energy(&self.buy_cap_wh)?,
                sell_cap_wh: energy(&self.sell_cap_wh)?,
            })),
            other => Err(Refused::UnknownStrategy { found: short(other) }),
        }
    }
}

/// A price, with a point or a comma; none if nothing was entered.
fn price(text: &str) -> Result<Option<Price>, Refused> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let plain = if text.contains('.') { text.to_owned() } else { text.replacen(',', ".", 1) };
    plain.parse().map(Some).map_err(|_| Refused::NotAPrice { found: short(text) })
}

/// Whole Wh; none if nothing was entered.
fn energy(text: &str) -> Result<Option<Energy>, Refused> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let wh = text.parse().ok().filter(|_| digits).map(Energy::from_wh);
    wh.map(Some).ok_or_else(|| Refused::NotWattHours { found: short(text) })
}

/// No longer than what anybody enters.
fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(buy: &str, sell: &str, cap: &str) -> Entered {
        let (buy, sell, buy_cap_wh) = (buy.into(), sell.into(), cap.into());
        Entered { strategy: LIMITS.into(), buy, sell, buy_cap_wh, ..Entered::default() }
    }

    #[test]
    fn prices_are_read_with_a_point_or_a_comma_and_what_is_empty_is_not_limited() {
        let expected = FixedLimits {
            buy: "0.28".parse().ok(),
            sell: "-0.01".parse().ok(),
            buy_cap_wh: Some(Energy::from_wh(4_000)),
            ..FixedLimits::default()
        };
        assert_eq!(limits("0.28", " -0,01", "4000 ").choice(), Ok(Choice::Fixed(expected)));
        assert_eq!(limits("", " ", "").choice(), Ok(Choice::Fixed(FixedLimits::default())));
        // As in agent.toml: the household may ask for more than it pays.
        assert!(limits("0.1", "0.2", "").choice().is_ok());
        // What is entered beside a choice without limits limits nothing.
        let taker = Entered { strategy: ANY_PRICE.into(), ..limits("cheap", "", "") };
        assert_eq!(taker.choice(), Ok(Choice::PriceTaker));
        for choice in [Choice::PriceTaker, Choice::Fixed(expected)] {
            for point in ['.', ','] {
                assert_eq!(Entered::of(choice, point).choice(), Ok(choice));
            }
        }
    }

    #[test]
    fn what_is_no_limit_is_refused_by_name() {
        let name = |entered: Entered| entered.choice().unwrap_err().name();
        for price in ["cheap", "0.1234567", "1,234.5", "0,2,8", "1e3", "+1", "99999999999999", "∞"] {
            assert_eq!(name(limits(price, "", "")), "NotAPrice", "{price}");
            assert_eq!(name(limits("", price, "")), "NotAPrice", "{price}");
        }
        for cap in ["-1", "1.5", "+7", "99999999999999999999", "many"] {
            assert_eq!(name(limits("", "", cap)), "NotWattHours", "{cap}");
        }
        for strategy in ["", "zi_c", "time_of_use"] {
            assert_eq!(name(Entered { strategy: strategy.into(), ..Entered::default() }), "UnknownStrategy");
        }
        let long = limits(&"9".repeat(500), "", "").choice().unwrap_err();
        assert_eq!(long, Refused::NotAPrice { found: "9".repeat(40) });
    }
}
