//! What limits mean beside the supplier's prices. Pure.

use household::strategy::FixedLimits;
use protocol::{money::Price, settlement::Tariffs};

/// One thing that limits mean; the page has a sentence for each, in which its [figures](Meaning::figures) stand in this
/// order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Meaning {
    /// The supplier's prices are not proved yet.
    Unproved,
    /// Neighbours are paid up to the supplier's price.
    BuyUpToSupplier { retail: Price },
    /// Only what is so much cheaper than the supplier, at least, is bought from neighbours.
    BuyBelow { limit: Price, cheaper: Price, retail: Price },
    /// Neighbours may be paid so much more than the supplier.
    BuyAbove { limit: Price, dearer: Price },
    /// For so little the supplier takes it from neighbours, too.
    BuyHardly { limit: Price, feed_in: Price },
    /// Neighbours pay what the supplier does, at least.
    SellDownToSupplier { feed_in: Price },
    /// Only who pays so much more than the supplier, at least, is sold to.
    SellAbove { limit: Price, dearer: Price, feed_in: Price },
    /// Neighbours may pay so much less than the supplier.
    SellBelow { limit: Price, cheaper: Price },
    /// For so much neighbours get it from the supplier, too.
    SellHardly { limit: Price, retail: Price },
    /// Selling starts above where buying ends.
    SellAboveBuy,
}

impl Meaning {
    /// What stands in its sentence, per kWh.
    pub(in super::super) fn figures(&self) -> Vec<Price> {
        match *self {
            Meaning::Unproved | Meaning::SellAboveBuy => Vec::new(),
            Meaning::BuyUpToSupplier { retail } => vec![retail],
            Meaning::BuyBelow { limit, cheaper, retail } => vec![limit, cheaper, retail],
            Meaning::BuyAbove { limit, dearer } => vec![limit, dearer],
            Meaning::BuyHardly { limit, feed_in } => vec![limit, feed_in],
            Meaning::SellDownToSupplier { feed_in } => vec![feed_in],
            Meaning::SellAbove { limit, dearer, feed_in } => vec![limit, dearer, feed_in],
            Meaning::SellBelow { limit, cheaper } => vec![limit, cheaper],
            Meaning::SellHardly { limit, retail } => vec![limit, retail],
        }
    }
}

/// What limits mean under the latest proved tariffs.
pub(super) fn meanings(limits: &FixedLimits, tariffs: Option<Tariffs>) -> Vec<Meaning> {
    let Some(tariffs) = tariffs else { return vec![Meaning::Unproved] };
    let Tariffs { retail_price: retail, feed_in_price: feed_in } = tariffs;
    // Between two prices there is at most twice what a price may be: beyond, the most.
    let between = |high: Price, low: Price| {
        let micro = high.micro().saturating_sub(low.micro());
        Price::from_micro(micro).unwrap_or(high)
    };
    let buy = match limits.buy {
        Some(limit) if limit > retail => Meaning::BuyAbove { limit, dearer: between(limit, retail) },
        Some(limit) if limit < feed_in => Meaning::BuyHardly { limit, feed_in },
        Some(limit) if limit < retail => Meaning::BuyBelow { limit, cheaper: between(retail, limit), retail },
        _ => Meaning::BuyUpToSupplier { retail },
    };
    let sell = match limits.sell {
        Some(limit) if limit < feed_in => Meaning::SellBelow { limit, cheaper: between(feed_in, limit) },
        Some(limit) if limit > retail => Meaning::SellHardly { limit, retail },
        Some(limit) if limit > feed_in => Meaning::SellAbove { limit, dearer: between(limit, feed_in), feed_in },
        _ => Meaning::SellDownToSupplier { feed_in },
    };
    let crossed = limits.buy.zip(limits.sell).filter(|(buy, sell)| sell > buy);
    [buy, sell].into_iter().chain(crossed.map(|_| Meaning::SellAboveBuy)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_held_against_the_suppliers_prices() {
        let price = |text: &str| text.parse::<Price>().unwrap();
        let tariffs = Tariffs { retail_price: price("0.3"), feed_in_price: price("0.08") };
        let of = |buy: Option<&str>, sell: Option<&str>| {
            let limits = FixedLimits { buy: buy.map(price), sell: sell.map(price), ..FixedLimits::default() };
            meanings(&limits, Some(tariffs))
        };
        let (any_buy, any_sell) =
            (Meaning::BuyUpToSupplier { retail: price("0.3") }, Meaning::SellDownToSupplier { feed_in: price("0.08") });
        assert_eq!(of(None, None), [any_buy, any_sell]);
        assert_eq!(of(Some("0.3"), Some("0.08")), [any_buy, any_sell]);
        for (buy, expected) in [
            ("0.28", Meaning::BuyBelow { limit: price("0.28"), cheaper: price("0.02"), retail: price("0.3") }),
            ("0.08", Meaning::BuyBelow { limit: price("0.08"), cheaper: price("0.22"), retail: price("0.3") }),
            ("0.079999", Meaning::BuyHardly { limit: price("0.079999"), feed_in: price("0.08") }),
            ("0.35", Meaning::BuyAbove { limit: price("0.35"), dearer: price("0.05") }),
        ] {
            assert_eq!(of(Some(buy), None), [expected, any_sell], "{buy}");
        }
        for (sell, expected) in [
            ("0.09", Meaning::SellAbove { limit: price("0.09"), dearer: price("0.01"), feed_in: price("0.08") }),
            ("0.3", Meaning::SellAbove { limit: price("0.3"), dearer: price("0.22"), feed_in: price("0.08") }),
            ("0.31", Meaning::SellHardly { limit: price("0.31"), retail: price("0.3") }),
            ("-0.02", Meaning::SellBelow { limit: price("-0.02"), cheaper: price("0.1") }),
        ] {
            assert_eq!(of(None, Some(sell)), [any_buy, expected], "{sell}");
        }
        assert_eq!(of(Some("0.1"), Some("0.2")).last(), Some(&Meaning::SellAboveBuy));
        assert_eq!(of(Some("0.2"), Some("0.2")).len(), 2);
        assert_eq!(meanings(&FixedLimits::default(), None), [Meaning::Unproved]);
    }
}
