//! What a node counts, in Prometheus' text format.

use prometheus_client::{encoding::text::encode, metrics::gauge::Gauge, registry::Registry};
use settings::disk;

use super::Ledger;

impl Ledger {
    /// Counts a call of the API, or a connection to it, that was turned away.
    pub(crate) fn count_refused_call(&self, name: &str) {
        self.metrics.refused_calls.get_or_create(&[("refusal", name.to_owned())]).inc();
    }

    /// Everything counted, as a Prometheus server reads it.
    pub fn metrics_text(&self) -> Result<String, std::fmt::Error> {
        let status = self.status();
        let mut registry = Registry::with_prefix("voisin_ledger");
        let mut gauge = |name, help, value: u64| {
            let gauge = Gauge::<i64>::default();
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            registry.register(name, help, gauge);
        };
        gauge("height", "Height of the last committed block", status.height);
        gauge("settlements", "Intervals settled", status.settlements);
        gauge("validators", "Validators of the next height", status.validators);
        gauge("drafts", "Decisions that wait for approvals", self.drafts_count() as u64);
        if let Some(age_ms) = status.height_age_ms {
            gauge("height_age_seconds", "Seconds since the last block was committed", age_ms / 1_000);
        }
        if let Some(clock_s) = status.clock_s.and_then(|clock_s| u64::try_from(clock_s).ok()) {
            gauge("clock_seconds", "The node's clock; whole seconds, so up to one behind", clock_s);
        }
        if let Some(room) = self.lock_drafts().directory().and_then(disk::room) {
            gauge("disk_free_bytes", "Room left on the disk with the node's state", room.free_bytes);
            gauge("disk_size_bytes", "All of that disk", room.total_bytes);
        }
        let refusals = self.metrics.refusals.clone();
        registry.register("refusals", "Transactions and proposals refused, by name", refusals);
        let refused_calls = self.metrics.refused_calls.clone();
        registry.register("api_refusals", "Calls and connections turned away, by name", refused_calls);
        self.metrics.consensus.register(&mut registry);
        self.metrics.gossip.register(&mut registry);
        self.metrics.checkpoints.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}
