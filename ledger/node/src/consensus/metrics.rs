//! Counters of what consensus saw. Prometheus adds `_total` to each name.

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::parts::Refusal;

/// Counters of one node. Clones share their counts.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Pairs of contradicting votes or proposals signed by one validator.
    pub equivocations: Counter,
    /// Rounds that decided nothing, so that another one was started.
    pub failed_rounds: Counter,
    /// Bodies judged invalid, from proposers and from peers' histories.
    pub invalid_bodies: Counter,
    /// Heights decided again because the body of the decided block was missing.
    pub restarted_heights: Counter,
    /// 1 while the validator keeps silent, because it cannot be sure of what it has signed.
    pub silent: Gauge,
    /// Blocks taken from a peer's history.
    pub synced_blocks: Counter,
    /// Votes of this validator in decided blocks that it does not know of.
    pub unknown_votes: Counter,
    refused_parts: Family<Label, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    reason: Refusal,
}

impl EncodeLabelValue for Refusal {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&format!("{self:?}"), encoder)
    }
}

impl Metrics {
    /// Adds the counters to a registry.
    pub fn register(&self, registry: &mut Registry) {
        let mut counter = |name, help, counter: &Counter| registry.register(name, help, counter.clone());
        counter("consensus_equivocations", "Pairs of contradicting messages of one validator", &self.equivocations);
        counter("consensus_failed_rounds", "Rounds that decided nothing", &self.failed_rounds);
        counter("consensus_invalid_bodies", "Bodies judged invalid", &self.invalid_bodies);
        counter("consensus_restarted_heights", "Heights decided again for want of a body", &self.restarted_heights);
        counter("consensus_synced_blocks", "Blocks taken from a peer's history", &self.synced_blocks);
        counter("consensus_unknown_votes", "Votes of this key that this node did not cast", &self.unknown_votes);
        registry.register("consensus_silent", "1 while the validator may not vote", self.silent.clone());
        registry.register("consensus_refused_parts", "Parts of bodies that were refused", self.refused_parts.clone());
    }

    pub(super) fn refused(&self, reason: Refusal) {
        self.refused_parts.get_or_create(&Label { reason }).inc();
    }
}
