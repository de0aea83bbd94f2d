//! Two readings signed under one sequence number.

use protocol::{
    envelope::{Sealed, Signed},
    reading::SignedReading,
};

/// A second reading under a sequence number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// The one that was taken in; none where it is settled and a restart left no more than its hash, which the ledger
    /// has too.
    pub(crate) taken: Option<Sealed>,
    /// The one that came after it.
    pub(crate) second: SignedReading,
}

impl Conflict {
    pub(crate) fn new(taken: Option<&SignedReading>, second: &SignedReading) -> Conflict {
        Conflict { taken: taken.map(Signed::sealed).cloned(), second: second.clone() }
    }
}
