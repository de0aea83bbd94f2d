//! What is other than in the ledger.

use market::{
    clearing::{self, UnknownMechanism},
    grid::Grid,
};
use protocol::{
    genesis::{GenesisError, Rules},
    money::Price,
};
use serde::Serialize;

/// What is other than in the ledger, all the time. What is not named is as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// The clearing mechanism.
    pub mechanism: Option<String>,
    /// What the supplier takes for a kWh.
    pub retail_price: Option<Price>,
    /// What the supplier gives for a kWh.
    pub feed_in_price: Option<Price>,
    /// The price within the community, where the mechanism has one.
    pub community_price: Option<Price>,
    /// The part of every rating that may be used, in parts per million.
    pub derate_ppm: Option<u32>,
}

/// Why rules cannot be changed so.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is no such mechanism.
    #[error("--mechanism: {0}")]
    UnknownMechanism(#[from] UnknownMechanism),
    /// There is no grid whose ratings could be used in part.
    #[error("--derate: expected a ledger with a grid, found one without")]
    NoGrid,
    /// What comes of it are no rules.
    #[error("--retail, --feed-in, --price or --derate: {0}")]
    Rules(#[from] GenesisError),
}

impl Changes {
    /// Whether all is as in the ledger.
    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }

    /// The rules of some time, changed.
    pub fn apply(&self, rules: &Rules, grid: &Grid) -> Result<Rules, ChangeError> {
        let mut changed = rules.clone();
        if let Some(mechanism) = &self.mechanism {
            clearing::mechanism(mechanism)?;
            changed.mechanism.clone_from(mechanism);
        }
        changed.retail_price = self.retail_price.unwrap_or(rules.retail_price);
        changed.feed_in_price = self.feed_in_price.unwrap_or(rules.feed_in_price);
        if self.community_price.is_some() || self.derate_ppm.is_some() {
            let parameters = changed.parameters.get_or_insert_default();
            parameters.community_price = self.community_price.or(parameters.community_price);
            parameters.derate_ppm = self.derate_ppm.or(parameters.derate_ppm);
        }
        // The root has no line above it.
        if self.derate_ppm.is_some() && grid.line_above(1).is_none() {
            return Err(ChangeError::NoGrid);
        }
        changed.check()?;
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_not_named_is_as_it_was() {
        let rules = Rules::new(price("0.30"), price("0.08"), "uniform");
        let grid = Grid::single_bus();
        assert_eq!(Changes::default().apply(&rules, &grid).unwrap(), rules);
        let changes = Changes { retail_price: Some(price("0.40")), ..Changes::default() };
        let changed = changes.apply(&rules, &grid).unwrap();
        assert_eq!(changed, Rules::new(price("0.40"), price("0.08"), "uniform"));
        let changes = Changes { community_price: Some(price("0.2")), ..Changes::default() };
        assert_eq!(changes.apply(&rules, &grid).unwrap().parameters.unwrap().community_price, Some(price("0.2")));
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_option() {
        let rules = Rules::new(price("0.30"), price("0.08"), "uniform");
        let refused = |changes: Changes| changes.apply(&rules, &Grid::single_bus()).unwrap_err().to_string();
        let none = Changes::default;
        assert!(
            refused(Changes { mechanism: Some("lottery".into()), ..none() })
                .contains("--mechanism: expected a mechanism")
        );
        assert!(refused(Changes { derate_ppm: Some(1), ..none() }).contains("expected a ledger with a grid"));
        assert!(refused(Changes { retail_price: Some(price("0.05")), ..none() }).contains("0.08"));
    }
}
