//! What is counted of the log and its witnesses.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// The name of the gravest fault: validators, or a witness, have another history than this node.
pub(super) const OTHER_HISTORY: &str = "other_history";

/// Counters of the log.
#[derive(Debug, Default)]
pub(in crate::node) struct Metrics {
    pub(super) log_size: Gauge,
    pub(super) cosigned_size: Gauge,
    seen_size: Family<[(&'static str, String); 1], Gauge>,
    seen_s: Family<[(&'static str, String); 1], Gauge>,
    answers: Family<[(&'static str, String); 2], Counter>,
    faults: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Metrics {
    pub(super) fn failed(&self, fault: &'static str) {
        self.faults.get_or_create(&[("fault", fault)]).inc();
    }

    /// A witness that is to see checkpoints from now on: how long it has not, counts from here. Of what an alert waits
    /// for there is a 0 first, or its first time would be no increase.
    pub(super) fn awaits(&self, witness: &str, now_s: i64) {
        self.seen_s.get_or_create(&[("witness", witness.to_owned())]).set(now_s);
        self.answers.get_or_create(&[("witness", witness.to_owned()), ("outcome", OTHER_HISTORY.to_owned())]).inc_by(0);
    }

    pub(super) fn answered(&self, witness: &str, outcome: &str) {
        self.answers.get_or_create(&[("witness", witness.to_owned()), ("outcome", outcome.to_owned())]).inc();
    }

    pub(super) fn seen(&self, witness: &str, size: u64, now_s: i64) {
        self.seen_s.get_or_create(&[("witness", witness.to_owned())]).set(now_s);
        self.seen_size.get_or_create(&[("witness", witness.to_owned())]).set(i64::try_from(size).unwrap_or(i64::MAX));
    }

    pub(in crate::node) fn register(&self, registry: &mut Registry) {
        registry.register("log_size", "Blocks in the log of headers", self.log_size.clone());
        let help = "Blocks of the largest checkpoint that enough validators have cosigned";
        registry.register("log_cosigned_size", help, self.cosigned_size.clone());
        let help = "Blocks of the largest checkpoint that a witness has seen";
        registry.register("log_seen_size", help, self.seen_size.clone());
        let help =
            "When a witness has seen a checkpoint last, seconds since 1970; before it has, when the node started";
        registry.register("witness_seen_seconds", help, self.seen_s.clone());
        let help = "Answers of witnesses, by what became of the checkpoint";
        registry.register("witness_answers", help, self.answers.clone());
        let help = "What was wrong with the log of headers, or with what validators cosigned, by name";
        self.faults.get_or_create(&[("fault", OTHER_HISTORY)]).inc_by(0);
        registry.register("log_faults", help, self.faults.clone());
    }
}
