//! What the market tells its agents over MQTT, and why it refuses what they send. JSON, unsigned: no agent has to
//! believe any of it, since it keeps every reading until a receipt proves that it was settled.

use serde::{Deserialize, Serialize};

use crate::{hash::Hash, interval::Interval};

/// Which interval is open: readings of it are awaited. Retained, so that an agent that connects later knows it too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The interval whose readings are awaited; none when the market has reached the end of its time.
    pub open: Option<Interval>,
    /// First interval for which an order placed now would stand.
    pub orders_from: Option<Interval>,
}

/// The market's answer to one message of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Hash of the signed message that is answered.
    pub message: Hash,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Stored durably.
    Accepted,
    /// Refused.
    Refused {
        /// The refusal's name.
        refusal: Refusal,
        /// What was expected and what was found.
        detail: String,
    },
}

/// Why the market refuses a message. Names are the same in answers, logs, metrics and docs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Refusal {
    /// Too large, not a signed message, or not of its kind.
    Malformed,
    /// Signed by a key that is registered for nothing here.
    UnknownDevice,
    /// The signature does not verify, or the message is on another device's topic.
    BadSignature,
    /// This very message was taken in before.
    Duplicate,
    /// A different message was taken in under this sequence number; both are kept as evidence.
    SequenceConflict,
    /// Not the next link of the device's hash chain.
    ChainBroken,
    /// A register is lower than before.
    RegisterWentBack,
    /// More energy than the connection's rated power can carry in the time.
    ImplausiblePower,
    /// The interval is already closed, and the device has a later settled reading.
    IntervalClosed,
    /// For an interval that has not ended yet.
    FutureDated,
    /// Older than the market keeps open for late readings.
    Stale,
    /// An order that would stand for an interval already open or closed.
    OrderTooLate,
}

impl Refusal {
    /// Every refusal, in the order of the docs.
    pub const ALL: [Refusal; 12] = [
        Refusal::Malformed,
        Refusal::UnknownDevice,
        Refusal::BadSignature,
        Refusal::Duplicate,
        Refusal::SequenceConflict,
        Refusal::ChainBroken,
        Refusal::RegisterWentBack,
        Refusal::ImplausiblePower,
        Refusal::IntervalClosed,
        Refusal::FutureDated,
        Refusal::Stale,
        Refusal::OrderTooLate,
    ];

    /// The name, as it appears everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Refusal::Malformed => "Malformed",
            Refusal::UnknownDevice => "UnknownDevice",
            Refusal::BadSignature => "BadSignature",
            Refusal::Duplicate => "Duplicate",
            Refusal::SequenceConflict => "SequenceConflict",
            Refusal::ChainBroken => "ChainBroken",
            Refusal::RegisterWentBack => "RegisterWentBack",
            Refusal::ImplausiblePower => "ImplausiblePower",
            Refusal::IntervalClosed => "IntervalClosed",
            Refusal::FutureDated => "FutureDated",
            Refusal::Stale => "Stale",
            Refusal::OrderTooLate => "OrderTooLate",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
