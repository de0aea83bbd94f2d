//! Whom a node reaches: the part of its status that is about the others.

use protocol::{
    api::{ConnectedNode, Reach},
    commit::Validator,
    key::ValidatorId,
};

use super::Ledger;

impl Ledger {
    /// Which of these validators are up as far as this node sees, and to how many nodes it passes transactions on.
    pub(super) fn reach(&self, validators: &[Validator]) -> Reach {
        of(validators, self.validator(), self.connected.all(), self.metrics.gossip.peers())
    }
}

fn of(validators: &[Validator], own: Option<ValidatorId>, nodes: Vec<ConnectedNode>, gossip_peers: u64) -> Reach {
    let is_up = |key| own == Some(key) || nodes.iter().any(|node| node.validator == Some(key));
    let up = || validators.iter().filter(|validator| is_up(validator.key));
    let power = |power: u128| u64::try_from(power).unwrap_or(u64::MAX);
    let [power_up, total] = [up().map(weight).sum::<u128>(), validators.iter().map(weight).sum()];
    Reach {
        validators_up: up().count() as u64,
        power_up: power(power_up),
        power_needed: power(total * 2 / 3 + 1),
        power: power(total),
        gossip_peers,
        nodes,
    }
}

fn weight(validator: &Validator) -> u128 {
    validator.power.into()
}

#[cfg(test)]
mod tests {
    use protocol::{commit::Power, key::SecretKey};

    use super::*;

    fn key(number: u8) -> ValidatorId {
        SecretKey::from_seed(&[number; 32]).public()
    }

    fn node(number: u8, validator: bool) -> ConnectedNode {
        ConnectedNode { name: format!("node {number}"), validator: validator.then(|| key(number)) }
    }

    #[test]
    fn up_is_who_is_connected_as_a_validator_and_the_node_itself() {
        let validators: Vec<Validator> = (1..=4).map(|n| Validator { key: key(n), power: n.into() }).collect();
        // One that has proved no key, and one that was a validator once.
        let reach = of(&validators, Some(key(1)), vec![node(2, true), node(3, false), node(9, true)], 0);
        assert_eq!((reach.validators_up, reach.power_up, reach.power_needed, reach.power), (2, 3, 7, 10));
        assert_eq!(of(&validators, None, vec![node(2, true)], 0).validators_up, 1, "a replica is none");
        assert_eq!(of(&validators, Some(key(2)), vec![node(2, true)], 0).validators_up, 1, "counted once");
    }

    #[test]
    fn what_is_needed_is_the_least_that_is_enough() {
        for total in 1..=20_u64 {
            let needed = of(&[Validator { key: key(1), power: total }], None, vec![], 0).power_needed;
            let enough = |signed| Power { signed, total: total.into() }.is_enough();
            assert!(enough(needed.into()) && !enough(u128::from(needed) - 1), "{total}");
        }
    }
}
