//! What is wrong in particular: a closed list with its data, so that the page says it in its language. Its
//! [`Display`](fmt::Display) is English, for logs, terminals and whoever reads the status as JSON.

use std::fmt;

use protocol::{answer::Refusal, interval::Interval};

use crate::{check::ReceiptFault, clock::ClockFault};

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Detail {
    /// What the broker's connection, the meter or a message says of it, which has words of its own.
    Said(String),
    /// The device may not read its topics.
    TopicsRefused,
    /// Nothing can be stored; the system says why.
    NothingStored(String),
    /// A reading is not proved settled, while a later interval is.
    NotProved {
        /// The reading's number.
        sequence: u64,
        /// Its interval.
        interval: Interval,
        /// The latest that is proved.
        until: Interval,
    },
    /// A receipt could not be read any more; one that came again is in its place.
    ReceiptUnreadable(Interval),
    /// A signed reading cannot be read any more.
    ReadingUnreadable(u64),
    /// So many entries of the state were dropped.
    EntriesDropped(u64),
    /// The database at this path was lost, and made anew from the last signature.
    DatabaseLost(String),
    /// Two entries of this interval are proved under one number.
    TwoTruths(Interval),
    /// Witnesses, by name, have seen another block of this height than the one that a receipt is of.
    OtherHistory(u64, String),
    /// It is not known that enough witnesses have seen the block of this height, and why.
    NotWitnessed(u64, String),
    /// A receipt was refused; so many were so far.
    ReceiptRefused(ReceiptFault, u64),
    /// So many receipts were refused before.
    ReceiptsRefused(u64),
    /// A receipt is somebody else's.
    Misdelivered(ReceiptFault),
    /// The market refuses a message by this name, and says why.
    Refused(Refusal, String),
    /// The market knows another reading under the same number, and says which.
    OtherReading(String),
    /// Announced intervals are of another length: so many minutes were expected.
    OtherLength(u32, Interval),
    /// A message of the market is none.
    NotUnderstood {
        /// What was expected.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// How this household says that it is registered, and how the validators have decided.
    RegistrationDiffers(String, String),
    /// This machine's clock is wrong.
    Clock(ClockFault),
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Detail::Said(said) => write!(f, "{said}"),
            Detail::TopicsRefused => {
                write!(f, "it does not let this device read its own topics; ask the operator for this device's access")
            }
            Detail::NothingStored(fault) => write!(f, "{fault} Nothing is signed until the agent is started again."),
            Detail::NotProved { sequence, interval, until } => write!(
                f,
                "reading {sequence} of {interval} is not proved settled, while {until} is; it is kept and sent again, ask \
                 the operator for its receipt"
            ),
            Detail::ReceiptUnreadable(interval) => write!(
                f,
                "the receipt of {interval} could not be read any more; one that came again is kept in its place, and no \
                 sum was changed by it"
            ),
            Detail::ReadingUnreadable(sequence) => {
                write!(f, "reading {sequence} can no longer be read from the state, and is not sent")
            }
            Detail::EntriesDropped(count) => {
                write!(f, "{count} entries of the state were unreadable and dropped; is the disk failing?")
            }
            Detail::DatabaseLost(path) => write!(
                f,
                "{path} had been lost, set back or torn off at its end; the last signature was kept apart from it. \
                 Receipts and sums from before may be missing: stop the agent, and `meter-agent recover` fetches them again"
            ),
            Detail::TwoTruths(interval) => {
                write!(f, "{}; both receipts are kept as evidence", ReceiptFault::Contradiction(*interval))
            }
            Detail::OtherHistory(height, witnesses) => write!(
                f,
                "block {height}, which a receipt of this household is of, is another one in the ledger that {witnesses} have \
                 seen: the validators have told others another history. Receipt and proof are kept as evidence"
            ),
            Detail::NotWitnessed(height, why) => {
                write!(f, "block {height}, which a receipt of this household is of: {why}")
            }
            Detail::ReceiptRefused(fault, count) => write!(f, "{fault} ({count} so far, kept as evidence)"),
            Detail::ReceiptsRefused(count) => write!(f, "{count} receipts were refused, and are kept as evidence"),
            Detail::Misdelivered(fault) => {
                write!(f, "{fault}, on this device's topic: somebody else publishes there")
            }
            Detail::Refused(refusal, said) => write!(f, "{refusal}: {said}"),
            Detail::OtherReading(said) => write!(
                f,
                "the market knows another reading under the same number ({said}). Either this agent lost its state and \
                 counts anew, or somebody else signs with this device's key. Stop it, restore no older copy of the state, \
                 and ask your operator to register a new device key"
            ),
            Detail::OtherLength(minutes, found) => write!(f, "expected intervals of {minutes} minutes, found {found}"),
            Detail::NotUnderstood { expected, found } => write!(f, "expected {expected}, found {found}"),
            Detail::RegistrationDiffers(here, decided) => write!(
                f,
                "here it is {here}; the validators have decided, and it is proved, {decided}. The former counts until it \
                 is corrected: see [registration] in agent.toml"
            ),
            Detail::Clock(fault) => write!(f, "{fault}"),
        }
    }
}
