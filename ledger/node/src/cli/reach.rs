//! Whom a node reaches, where it matters: blocks take validators that are up, drafts take somebody to pass them on to.

use ledger_client::api::Node;
use protocol::{
    api::{Reach, Status},
    situation::IslandQuorum,
};

use super::{Asked, Failure, print_json};

/// Prints how a node is doing: JSON on stdout, and what it says of the others in words on stderr.
pub(super) fn status(node: &Asked) -> Result<(), Failure> {
    let status = node.ask(Node::status)?;
    print_json(&status)?;
    in_words(&status).iter().for_each(|line| eprintln!("ledger: {line}"));
    Ok(())
}

/// Warns, after a draft was handed to a node, if that node has nobody to pass it on to.
pub(super) fn warn_if_alone(node: &Asked) {
    // The draft is there; whoever cannot ask for more is told no less.
    let Ok(status) = node.ask(Node::status) else { return };
    if let Some(warning) = alone(&status) {
        eprintln!("ledger: warning: {warning}");
    }
}

fn in_words(status: &Status) -> Vec<String> {
    let Some(Reach { validators_up, power_up, power_needed, power, gossip_peers, .. }) = &status.reach else {
        return Vec::new();
    };
    let blocks = if power_up >= power_needed { "blocks go on" } else { "no block until more of them are" };
    let validators = format!(
        "{validators_up} of {} validators are up as this node sees it, {power_up} of {power} voting power; {power_needed} are \
         needed: {blocks}",
        status.validators
    );
    let island = status.island_quorum.map(|IslandQuorum { power, whole, suffices }| {
        let ledger =
            if suffices { "the ledger goes on by itself" } else { "the ledger stands still without the others" };
        format!("on an island {power} of {whole} voting power go on running: {ledger}")
    });
    let peers = alone(status).unwrap_or_else(|| format!("gossip peers: {gossip_peers}"));
    [Some(validators), Some(peers), island].into_iter().flatten().collect()
}

fn alone(status: &Status) -> Option<String> {
    let is_alone = status.reach.as_ref()?.gossip_peers == 0 && status.validators > 1;
    is_alone.then(|| {
        "this node has no gossip peer: drafts and approvals stay here until it has one; see whether the other nodes run, \
         and `gossip_peers` in its configuration"
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(validators: u64, reach: serde_json::Value) -> Status {
        let zero = "0".repeat(64);
        serde_json::from_value(serde_json::json!({
            "chain": zero, "validator": null, "validators": validators, "height": 0, "block": zero, "state_root": zero,
            "height_age_ms": null, "settled": null, "next": "2026-06-01T12:00:00Z/PT15M", "tie_seed": zero,
            "settlements": 0, "balances_sum": "0", "reach": reach,
        }))
        .unwrap()
    }

    fn reach(power_up: u64, gossip_peers: u64) -> serde_json::Value {
        serde_json::json!({"validators_up": power_up, "power_up": power_up, "power_needed": 3, "power": 4,
            "gossip_peers": gossip_peers, "nodes": []})
    }

    #[test]
    fn who_is_up_is_said_with_what_follows_and_who_is_alone_is_warned() {
        let up = in_words(&status(4, reach(3, 2)));
        assert_eq!(
            up,
            [
                "3 of 4 validators are up as this node sees it, 3 of 4 voting power; 3 are needed: blocks go on",
                "gossip peers: 2"
            ]
        );
        let down = in_words(&status(4, reach(2, 0)));
        assert!(down[0].ends_with("no block until more of them are"), "{down:?}");
        assert!(down[1].starts_with("this node has no gossip peer: drafts and approvals stay here"), "{down:?}");
        assert_eq!(alone(&status(1, reach(1, 0))), None, "who validates alone misses nobody");
        assert_eq!(in_words(&status(4, serde_json::Value::Null)), [""; 0], "a node of before");
        let planned = |power, suffices| {
            let quorum = Some(IslandQuorum { power, whole: 4, suffices });
            in_words(&Status { island_quorum: quorum, ..status(4, reach(4, 3)) }).remove(2)
        };
        assert!(planned(3, true).ends_with("3 of 4 voting power go on running: the ledger goes on by itself"));
        assert!(planned(2, false).ends_with("the ledger stands still without the others"));
    }
}
