//! Why the ledger refuses a transaction.

use market::{metering::MeteringError, settlement::SettleError};
use protocol::{envelope::EnvelopeError, hash::Hash, interval::Interval, key::PublicKey, member::MemberId};

/// A refusal: the transaction changed nothing. [`name`](Refusal::name) is what APIs, logs and metrics call it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Not a signed message of the expected kind and size.
    #[error("{0}")]
    Malformed(EnvelopeError),
    /// A signature does not verify.
    #[error("{0}")]
    BadSignature(EnvelopeError),
    /// Signed by a key that may not do this.
    #[error("signed by {0}, who may not do this")]
    UnknownSigner(PublicKey),
    /// The key belongs to no member.
    #[error("{0} is the key of no member")]
    UnknownMember(PublicKey),
    /// This very transaction is on the ledger already.
    #[error("on the ledger already")]
    Exists,
    /// Something else is on the ledger in its place: another settlement of the interval, another reading of the device.
    #[error("on the ledger already, with another `{0}`")]
    ExistsWithDifferent(&'static str),
    /// An interval that is not the next one.
    #[error("expected a settlement of {expected}, the next interval, found {found}")]
    IntervalNotNext {
        /// The next interval.
        expected: Interval,
        /// The settlement's.
        found: Interval,
    },
    /// The readings beside the settlement are not those it commits to.
    #[error("expected {committed} readings as the settlement commits to them, found {found}; first difference at {at}")]
    ReadingsDiffer {
        /// How many the settlement commits to.
        committed: usize,
        /// How many there are.
        found: usize,
        /// Position of the first that differs.
        at: usize,
    },
    /// Readings are not sorted by device and sequence number.
    #[error("readings are not in ascending order of device and sequence number, at position {0}")]
    ReadingsNotAscending(usize),
    /// A reading that is no link of its device's chain, or not plausible.
    #[error("the readings of {device}: {error}")]
    ReadingRefused {
        /// The device.
        device: PublicKey,
        /// What is wrong.
        error: Box<MeteringError>,
    },
    /// A reading that a device committed to the ledger is not in the settlement.
    #[error("expected the reading {reading} of member {member}, which is committed to the ledger; it is left out")]
    CommittedReadingLeftOut {
        /// Whose.
        member: MemberId,
        /// Its hash.
        reading: Hash,
    },
    /// The clearing cannot be computed.
    #[error("cannot be settled: {0}")]
    CannotSettle(SettleError),
    /// The settlement is not what the signed inputs lead to.
    #[error("the clearing differs in `{field}`: recomputed {expected}, proposed {found}")]
    ClearingDiffers {
        /// The first field that differs.
        field: &'static str,
        /// What this validator computed.
        expected: String,
        /// What the market proposed.
        found: String,
    },
    /// A balance would pass the range of an amount.
    #[error("a balance would pass ±9.2 billion")]
    AmountOverflow,
    /// An order with a sequence number already used.
    #[error("expected an order with sequence number {expected} or higher, found {found}")]
    OrderSequenceNotHigher {
        /// The lowest that would do.
        expected: u64,
        /// The order's.
        found: u64,
    },
    /// An order for an interval whose clearing it could no longer enter.
    #[error("expected an order valid from an interval after {open}, the open one, found {found}")]
    OrderTooLate {
        /// The open interval.
        open: Interval,
        /// The order's first interval.
        found: Interval,
    },
    /// Too many orders wait for their interval.
    #[error("expected at most {} orders that wait for their interval", super::ORDERS_PER_MEMBER_MAX)]
    TooManyOrders,
}

impl Refusal {
    /// The refusal's name.
    pub fn name(&self) -> String {
        match self {
            Refusal::Malformed(_) => "malformed",
            Refusal::BadSignature(_) => "bad_signature",
            Refusal::UnknownSigner(_) => "unknown_signer",
            Refusal::UnknownMember(_) => "unknown_member",
            Refusal::Exists => "exists",
            Refusal::ExistsWithDifferent(field) => return format!("exists_with_different_{field}"),
            Refusal::IntervalNotNext { .. } => "interval_not_next",
            Refusal::ReadingsDiffer { .. } => "readings_differ",
            Refusal::ReadingsNotAscending(_) => "readings_not_ascending",
            Refusal::ReadingRefused { .. } => "reading_refused",
            Refusal::CommittedReadingLeftOut { .. } => "committed_reading_left_out",
            Refusal::CannotSettle(_) => "cannot_settle",
            Refusal::ClearingDiffers { .. } => "clearing_differs",
            Refusal::AmountOverflow => "amount_overflow",
            Refusal::OrderSequenceNotHigher { .. } => "order_sequence_not_higher",
            Refusal::OrderTooLate { .. } => "order_too_late",
            Refusal::TooManyOrders => "too_many_orders",
        }
        .into()
    }
}

impl From<EnvelopeError> for Refusal {
    fn from(error: EnvelopeError) -> Refusal {
        match error {
            EnvelopeError::UnknownSigner(signer) => Refusal::UnknownSigner(signer),
            EnvelopeError::BadSignature => Refusal::BadSignature(error),
            EnvelopeError::TooLarge { .. } | EnvelopeError::Malformed(_) | EnvelopeError::BadContent(_) => {
                Refusal::Malformed(error)
            }
        }
    }
}
