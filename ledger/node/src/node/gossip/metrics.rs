//! What gossip counts.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::Verdict;

/// Counters of gossip.
#[derive(Debug, Default)]
pub(in crate::node) struct Metrics {
    pub(super) peers: Gauge,
    pub(super) connections: Gauge,
    pub(super) published: Counter,
    pub(super) cut_off: Counter,
    messages: Family<[(&'static str, String); 2], Counter>,
    refused: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Metrics {
    /// To how many nodes transactions are passed on.
    pub(in crate::node) fn peers(&self) -> u64 {
        u64::try_from(self.peers.get()).unwrap_or_default()
    }

    pub(super) fn judged(&self, verdict: &Verdict) {
        let (verdict, reason) = verdict.labels();
        self.messages.get_or_create(&[("verdict", verdict.to_owned()), ("reason", reason.to_owned())]).inc();
    }

    pub(super) fn refused(&self, refusal: &'static str) {
        self.refused.get_or_create(&[("refusal", refusal)]).inc();
    }

    pub(in crate::node) fn register(&self, registry: &mut Registry) {
        registry.register("gossip_peers", "Nodes that transactions are passed on to", self.peers.clone());
        let help = "Connections for transactions, those in handshake included";
        registry.register("gossip_connections", help, self.connections.clone());
        registry.register(
            "gossip_published",
            "Transactions sent to other nodes first by this one",
            self.published.clone(),
        );
        let help = "Transactions from other nodes, by what became of them and why";
        registry.register("gossip_messages", help, self.messages.clone());
        registry.register("gossip_refusals", "Connections for transactions turned away, by name", self.refused.clone());
        let help = "Nodes cut off for what they sent";
        registry.register("gossip_peers_cut_off", help, self.cut_off.clone());
    }
}
