//! How often the market refused, by name.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use protocol::answer::Refusal;

/// Counters, one for each refusal. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusals(Arc<[AtomicU64; Refusal::ALL.len()]>);

impl Refusals {
    pub(crate) fn count(&self, refusal: Refusal) {
        // The enum is declared in the order of `ALL`.
        self.0[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Those that happened at all.
    pub(crate) fn counted(&self) -> BTreeMap<Refusal, u64> {
        let counts = Refusal::ALL.iter().zip(self.0.iter());
        let counts = counts.map(|(refusal, count)| (*refusal, count.load(Ordering::Relaxed)));
        counts.filter(|(_, count)| *count > 0).collect()
    }
}
