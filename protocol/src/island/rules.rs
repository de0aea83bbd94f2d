//! The rules on an island, which follow from those on the grid.

use super::plan::{ISLANDED, IslandPlan};
use crate::{genesis::Rules, money::Price};

impl Rules {
    /// The plan for an island, where there is one.
    pub fn island(&self) -> Option<&IslandPlan> {
        self.parameters.as_ref()?.island.as_deref()
    }

    /// Whether they are those of an island that is.
    pub fn is_islanded(&self) -> bool {
        self.mechanism == ISLANDED
    }

    /// The same, but for who claims what on an island: for whoever is not to know in whose house a life hangs on a
    /// socket.
    pub fn without_claims(mut self) -> Rules {
        if let Some(plan) = self.parameters.as_mut().and_then(|parameters| parameters.island.as_mut()) {
            plan.claims.clear();
        }
        self
    }

    /// The rules on the island that is planned: one price, nobody to feed in to, and no pack, because the law of a
    /// country's networks is for networks. None without a plan.
    pub fn islanded(&self) -> Option<Rules> {
        let price = self.island()?.price();
        Some(Rules {
            retail_price: price,
            feed_in_price: Price::ZERO,
            mechanism: ISLANDED.into(),
            parameters: self.parameters.clone(),
            transformer: self.transformer,
            pack: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cbor, parameters::Parameters};

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    #[test]
    fn the_rules_of_an_island_have_one_price_and_no_buyer_for_a_surplus() {
        let plan = IslandPlan {
            posted_price: price("0.4"),
            price_cap: price("0.35"),
            zero_intervals: Some(2),
            basic_w: 150,
            recharge_intervals: 40,
            reserve_ppm: 100_000,
            claims: Vec::new(),
            validators: Vec::new(),
        };
        let mut rules = Rules::new(price("0.3"), price("0.08"), "uniform");
        assert_eq!(rules.islanded(), None);
        rules.parameters = Some(Parameters { island: Some(Box::new(plan)), ..Parameters::default() });
        let island = rules.islanded().unwrap();
        assert_eq!((island.retail_price, island.feed_in_price), (price("0.35"), Price::ZERO));
        assert!(island.is_islanded() && !rules.is_islanded());
        assert_eq!(island.clone().without_claims().island().map(|plan| plan.claims.len()), Some(0));
        assert_eq!(cbor::decode::<Rules>(&cbor::encode(&island)).unwrap(), island);
        assert_eq!(serde_json::from_str::<Rules>(&serde_json::to_string(&island).unwrap()).unwrap(), island);
    }
}
