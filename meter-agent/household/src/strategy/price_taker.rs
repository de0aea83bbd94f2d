//! Whoever takes what comes: buys up to the retail price, and sells down to the feed-in price. That can never cost more
//! than having no neighbours.

use protocol::order::PriceLimits;
use serde::Deserialize;

use super::{Situation, Strategy, Why};

/// A price taker. It has no settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceTaker {}

impl Strategy for PriceTaker {
    fn name(&self) -> &'static str {
        "price_taker"
    }

    fn limits(&self, _: &Situation<'_>) -> PriceLimits {
        PriceLimits::default()
    }

    fn why(&self, _: &Situation<'_>) -> Why {
        Why::PriceTaker
    }
}
