//! What happens to an agent and what it wants done: the words between the [core](super), which decides, and whoever
//! drives it.

use std::time::Instant;

use protocol::{envelope::Sealed, interval::Interval, island::PlannedQuota, reading::ChainHead};

use crate::{
    choice::Choice,
    learned::Learned,
    record::{OrderRecord, ReadingRecord, Today},
    source::Reading,
    totals::Totals,
    witnessed::Answer,
};

/// The time, as whoever drives the core reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Now {
    /// By a clock that only goes forwards: it measures pauses.
    pub(crate) monotonic: Instant,
    /// By this machine's clock, seconds after 1970; it may be wrong.
    pub(crate) utc_s: i64,
}

/// Names a message that was received, for who acknowledges it.
pub(crate) type Delivery = u64;

/// Everything that can happen to an agent from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// There is a new connection to the broker.
    Connected,
    /// There is no connection.
    Disconnected {
        /// Attempts that failed in a row.
        failures: u32,
        /// Why.
        error: String,
    },
    /// The broker does not let this device read its topics.
    SubscriptionRefused,
    /// A message from the market (or somebody who pretends to be it).
    Message {
        /// Names it.
        delivery: Delivery,
        /// On which topic.
        kind: Inbound,
        /// Whether it was said before, and the broker has kept it.
        retained: bool,
        /// What it says.
        payload: Vec<u8>,
    },
    /// Somebody chose on the page how the household bids: this, or as in `agent.toml` again.
    Chosen(Option<Choice>),
    /// Ledger nodes were asked whether witnesses have seen the block of a height.
    Answered {
        /// The height.
        height: u64,
        /// What each of them says.
        answers: Vec<Answer>,
    },
    /// Time has passed.
    Wake,
}

/// The topics an agent reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inbound {
    /// Which interval is open.
    Gate,
    /// An answer to a message.
    Answer,
    /// A receipt.
    Receipt,
    /// How the household was registered.
    Registration,
    /// What it may draw on an island.
    Quota,
}

/// What is to be done, in the order of the list. Only the last of a list has an [outcome](Outcome), and the core does
/// nothing else before it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Asks the meter what it showed at the end of an interval: [`Outcome::MeterRead`].
    ReadMeter {
        /// The interval.
        interval: Interval,
        /// Whether a later one is open already, so that nothing that comes in time can still be waited for.
        is_late: bool,
    },
    /// Writes to the state, all or nothing: [`Outcome::Written`] once it is safe, or [`Outcome::StoreFailed`].
    Write(Box<Write>),
    /// Hands messages to the connection, as many as it takes, the first ones first: [`Outcome::Published`].
    Publish(Vec<Outgoing>),
    /// Acknowledges a message: what it says is stored. A message that is never acknowledged is delivered again.
    Acknowledge(Delivery),
}

/// What is written, together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Write {
    /// Signed readings and the chain's new head.
    Readings {
        /// By sequence number.
        signed: Vec<(u64, ReadingRecord)>,
        /// After the last of them.
        head: ChainHead,
    },
    /// An order, new or with a new state.
    Order(OrderRecord),
    /// Proved quotas that were not known.
    Quotas(Vec<PlannedQuota>),
    /// What was chosen on the page, or that nothing is any more.
    Choice(Option<Choice>),
    /// A verified receipt and what changes by it.
    Receipt {
        /// Of which interval.
        interval: Interval,
        /// The receipt; none where a later one of the interval is kept.
        json: Option<Vec<u8>>,
        /// The readings that it settles, by sequence number.
        covered: Vec<(u64, ReadingRecord)>,
        /// The sums with it.
        totals: Totals,
        /// The day's sums with it.
        today: Option<Today>,
        /// What the strategy has learned by then, if it learns anything.
        learned: Option<Box<Learned>>,
    },
    /// A refused receipt, as evidence.
    Evidence(Vec<u8>),
    /// Two receipts that contradict one another, as evidence.
    Contradiction {
        /// The one that was verified before.
        known: Vec<u8>,
        /// The one that came now.
        received: Vec<u8>,
    },
}

/// A message to the market.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// The household's order.
    Order(Sealed),
    /// What stands behind the meter.
    Status(Sealed),
    /// The reading with this sequence number.
    Reading(u64, Sealed),
}

/// What came of an effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// What the meter showed, or why it could not be read.
    MeterRead(Result<Shown, String>),
    /// It is written.
    Written {
        /// How many receipts were refused so far, if this was the evidence of one.
        receipts_refused: Option<u64>,
    },
    /// Whether it is written is unknown.
    StoreFailed(StoreFault),
    /// The connection took so many of the messages.
    Published {
        /// The first ones.
        taken: usize,
    },
}

/// What a meter showed, and what is needed to sign it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The meter's answer.
    pub(crate) reading: Reading,
    /// Random, for this reading alone.
    pub(crate) salt: [u8; 16],
}

/// Why the state cannot be read or written, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct StoreFault(pub(crate) String);

/// What was written before, to decide by.
///
/// It is read while the core decides, rather than asked for by effects: what it says follows from what the core had
/// written, so the same events give the same effects all the same, and no decision is torn into pieces by it.
pub(crate) trait Records {
    /// One signed reading; none if it was never signed, is no longer kept, or cannot be read.
    fn reading(&self, sequence: u64) -> Result<Option<ReadingRecord>, StoreFault>;

    /// The settled readings that are still kept, from before `sequence`.
    fn settled_before(&self, sequence: u64) -> Result<Vec<(u64, ReadingRecord)>, StoreFault>;

    /// The receipt of `interval`, as it was received.
    fn receipt(&self, interval: Interval) -> Result<Option<Vec<u8>>, StoreFault>;
}
