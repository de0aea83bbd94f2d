//! What is counted of the log and its witnesses.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Counters of the log.
#[derive(Debug, Default)]
pub(in crate::node) struct Metrics {
    pub(super) log_size: Gauge,
    pub(super) cosigned_size: Gauge,
    seen_size: Family<[(&'static str, String); 1], Gauge>,
    answers: Family<[(&'static str, String); 2], Counter>,
    faults: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Metrics {
    pub(super) fn failed(&self, fault: &'static str) {
        self.faults.get_or_create(&[("fault", fault)]).inc();
    }

    pub(super) fn answered(&self, witness: &str, outcome: &str) {
        self.answers.get_or_create(&[("witness", witness.to_owned()), ("outcome", outcome.to_owned())]).inc();
    }

    pub(super) fn seen(&self, witness: &str, size: u64) {
        self.seen_size.get_or_create(&[("witness", witness.to_owned())]).set(i64::try_from(size).unwrap_or(i64::MAX));
    }

    pub(in crate::node) fn register(&self, registry: &mut Registry) {
        registry.register("log_size", "Blocks in the log of headers", self.log_size.clone());
        let help = "Blocks of the largest checkpoint that enough validators have cosigned";
        registry.register("log_cosigned_size", help, self.cosigned_size.clone());
        let help = "Blocks of the largest checkpoint that a witness has seen";
        registry.register("log_seen_size", help, self.seen_size.clone());
        let help = "Answers of witnesses, by what became of the checkpoint";
        registry.register("witness_answers", help, self.answers.clone());
        let help = "What was wrong with the log of headers, or with what validators cosigned, by name";
        registry.register("log_faults", help, self.faults.clone());
    }
}
