//! Why a validator cannot be sure of what it has signed.

/// Why a validator cannot be sure of what it has signed, so that it keeps silent for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Doubt {
    /// There is no record of what the key has signed.
    #[error("there is no record of what this key has signed")]
    NoRecord,
    /// The record cannot be read.
    #[error("the record of what this key has signed is damaged")]
    DamagedRecord,
    /// The record was copied: the key may have signed more since.
    #[error("the record of what this key has signed is a copy, and may be old")]
    CopiedRecord,
    /// The ledger holds a vote of the key that its record doesn't know.
    #[error(
        "block {height} holds a vote of this key that its record does not know: the record is old, or another node uses \
         the key"
    )]
    OldRecord {
        /// Height of the vote.
        height: u64,
    },
    /// The write-ahead log does not hold the last votes.
    #[error("the write-ahead log does not hold the votes at height {signed}, which were signed")]
    LostLog {
        /// The highest height at which the key has signed.
        signed: u64,
    },
    /// The engine wanted a second message of one kind for one height and round.
    #[error("a second vote or proposal was about to be signed at height {height}, round {round}")]
    Contradiction {
        /// The height.
        height: u64,
        /// The round.
        round: u32,
    },
    /// It was in doubt when it stopped, and did not find out.
    #[error("it kept silent before it was stopped, and still does not know what it has signed")]
    StillSilent,
}
