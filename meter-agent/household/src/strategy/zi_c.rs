//! `zi_c`: zero intelligence, constrained. It bids at random, but never at a loss: each kWh from neighbours at a price
//! between the feed-in and the retail price, and each kWh to them likewise.
//!
//! D. K. Gode and S. Sunder, *Allocative Efficiency of Markets with Zero-Intelligence Traders*, Journal of Political
//! Economy 101 (1993) 119–137. There a continuous auction makes up for the random prices; one clearing an interval does
//! not: of all that could be traded, demand D and supply S trade max(D, S) ÷ (D + S).

use std::sync::Arc;

use protocol::{hash::Hash, money::Price, order::PriceLimits, settlement::Tariffs};
use serde::Deserialize;

use super::{Situation, Strategy, Why, chance::Seed};

/// The strategy `zi_c`. It needs no settings: the supplier's prices are what energy is worth and costs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZeroIntelligence {
    /// What its draws follow from.
    #[serde(skip)]
    seed: Seed,
}

impl Strategy for ZeroIntelligence {
    fn name(&self) -> &'static str {
        "zi_c"
    }

    fn sees_tariffs(&self) -> bool {
        true
    }

    fn limits(&self, situation: &Situation<'_>) -> PriceLimits {
        // Without the supplier's prices it knows no bounds, and limits nothing.
        let Some(tariffs) = situation.tariffs else { return PriceLimits::default() };
        let [buy, sell] = self.seed.draws(situation.interval).map(|draw| Some(between(tariffs, draw)));
        PriceLimits { buy, sell, ..PriceLimits::default() }
    }

    fn why(&self, situation: &Situation<'_>) -> Why {
        match situation.tariffs {
            Some(Tariffs { retail_price, feed_in_price }) => Why::ByChance { feed_in_price, retail_price },
            None => Why::TariffsUnproved,
        }
    }

    fn with_chance(&self, of: &Hash) -> Option<Arc<dyn Strategy>> {
        Some(Arc::new(ZeroIntelligence { seed: Seed::of(of) }))
    }
}

/// The price that lies at `draw` of 2⁶⁴ from the feed-in to the retail price, both included.
fn between(tariffs: Tariffs, draw: u64) -> Price {
    let (low, high) = (tariffs.feed_in_price, tariffs.retail_price);
    let span = u128::try_from(i128::from(high.micro()) - i128::from(low.micro())).unwrap_or(0);
    // At most the span, which is between two prices.
    let along = (((span + 1) * u128::from(draw)) >> 64) as i64;
    Price::from_micro(low.micro() + along).unwrap_or(high)
}

#[cfg(test)]
mod tests {
    use protocol::interval::Interval;

    use super::*;

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    fn at(interval: Interval) -> Situation<'static> {
        let tariffs = Tariffs { retail_price: price("0.3"), feed_in_price: price("0.08") };
        Situation::new(interval, Some(tariffs))
    }

    #[test]
    fn its_prices_are_even_between_the_suppliers_and_the_same_whenever_it_is_asked() {
        let first: Interval = "2026-06-01T00:00:00Z/PT15M".parse().unwrap();
        let seeded = |name: &[u8]| ZeroIntelligence::default().with_chance(&Hash::of(name)).unwrap();
        let (one, other) = (seeded(b"one"), seeded(b"other"));
        let (mut tenths, mut alike) = ([[0; 10]; 2], 0);
        for count in 0..20_000 {
            let situation = at(first.offset(count).unwrap());
            let limits = one.limits(&situation);
            assert_eq!(limits, one.limits(&situation));
            alike += u32::from(limits.buy == other.limits(&situation).buy);
            for (tenths, limit) in tenths.iter_mut().zip([limits.buy, limits.sell]) {
                let above = limit.unwrap().micro() - 80_000;
                assert!((0..=220_000).contains(&above), "{limits:?}");
                tenths[(above * 10 / 220_001) as usize] += 1;
            }
        }
        assert!(alike < 20, "{alike}");
        // Four standard deviations of a binomial count around 2,000.
        assert!(tenths.iter().flatten().all(|count| (1_830..=2_170).contains(count)), "{tenths:?}");
    }

    #[test]
    fn without_the_suppliers_prices_it_limits_nothing() {
        let interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
        let unknown = Situation::new(interval, None);
        assert_eq!(ZeroIntelligence::default().limits(&unknown), PriceLimits::default());
        assert_eq!(ZeroIntelligence::default().why(&at(interval)).to_string(), "by chance, between 0.08 and 0.3");
    }
}
