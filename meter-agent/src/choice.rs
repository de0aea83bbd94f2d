//! What a household chose on its page, in the place of `[order]` in `agent.toml`. Pure.

use std::sync::Arc;

use household::strategy::{FixedLimits, PriceTaker, Strategy};
use serde::{Deserialize, Serialize};

/// How the household bids, of what the page can set: two of the strategies that `[order]` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "strategy", rename_all = "snake_case")]
pub enum Choice {
    /// At any price.
    PriceTaker,
    /// Within these limits at all times.
    Fixed(FixedLimits),
}

impl Choice {
    /// The strategy that bids so.
    pub(crate) fn strategy(self) -> Arc<dyn Strategy> {
        match self {
            Choice::PriceTaker => Arc::new(PriceTaker::default()),
            Choice::Fixed(limits) => Arc::new(limits),
        }
    }

    /// What it limits.
    pub(crate) fn limits(self) -> FixedLimits {
        match self {
            Choice::PriceTaker => FixedLimits::default(),
            Choice::Fixed(limits) => limits,
        }
    }
}
