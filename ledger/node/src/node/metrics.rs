//! What a node counts.

use prometheus_client::metrics::{counter::Counter, family::Family};

use super::{checkpoints::Metrics as OfCheckpoints, gossip::Metrics as OfGossip};
use crate::consensus;

/// Label and value: `refusal`, and its name.
type Label = [(&'static str, String); 1];

/// Counters of a node.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    pub(super) consensus: consensus::Metrics,
    pub(super) gossip: OfGossip,
    pub(super) checkpoints: OfCheckpoints,
    pub(super) refusals: Family<Label, Counter>,
    pub(super) refused_calls: Family<Label, Counter>,
}

impl Metrics {
    pub(super) fn refused(&self, name: String) {
        self.refusals.get_or_create(&[("refusal", name)]).inc();
    }
}
