//! What members have learned from the market, and what came of the intervals that nobody may learn from yet.

use household::strategy::{LAG, Outcome};

/// What the members that learn remember, by their place among those that do.
#[derive(Debug, Default)]
pub(super) struct Learned {
    memories: Vec<Vec<u64>>,
    /// Outcomes that are not due, by the number of their interval modulo [`LAG`], each with whose it is.
    pending: [Vec<(usize, Outcome)>; LAG as usize],
}

impl Learned {
    /// Before the first interval.
    pub(super) fn begin(memories: Vec<Vec<u64>>) -> Learned {
        Learned { memories, ..Learned::default() }
    }

    pub(super) fn memories(&self) -> &[Vec<u64>] {
        &self.memories
    }

    /// Has everyone `learn` what is due for the interval of this number: the outcome of that [`LAG`] before. The one of
    /// a meter that was out of reach is never known.
    pub(super) fn due(&mut self, at: usize, learn: impl Fn(usize, &mut [u64], &Outcome)) {
        for (learner, outcome) in self.pending[at % LAG as usize].drain(..) {
            learn(learner, &mut self.memories[learner], &outcome);
        }
    }

    /// Keeps what came of the interval of this number, whose predecessor in this place was due.
    pub(super) fn keep(&mut self, at: usize, outcomes: impl Iterator<Item = (usize, Outcome)>) {
        self.pending[at % LAG as usize].extend(outcomes);
    }
}
