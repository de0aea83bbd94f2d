//! What the market tells its agents over MQTT, and why it refuses what they send. JSON, unsigned: no agent has to
//! believe any of it, since it keeps every reading until a receipt proves that it was settled.

use serde::{Deserialize, Serialize};

use crate::{hash::Hash, interval::Interval, names::names};

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
#[serde(try_from = "AnswerFields")]
pub struct Answer {
    /// Hash of the signed message that is answered.
    pub message: Hash,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

/// An answer as it is read. Read as the two types above, all of an answer's fields would be kept before any of them is
/// looked at, and a list of a hundred thousand zeros takes 32 times its bytes.
#[derive(Deserialize)]
struct AnswerFields {
    message: Hash,
    outcome: OutcomeKind,
    refusal: Option<Refusal>,
    detail: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum OutcomeKind {
    Accepted,
    Refused,
}

impl TryFrom<AnswerFields> for Answer {
    type Error = &'static str;

    fn try_from(fields: AnswerFields) -> Result<Answer, &'static str> {
        let AnswerFields { message, outcome, refusal, detail } = fields;
        let outcome = match outcome {
            OutcomeKind::Accepted => Outcome::Accepted,
            OutcomeKind::Refused => Outcome::Refused {
                refusal: refusal.ok_or("missing field `refusal`")?,
                detail: detail.ok_or("missing field `detail`")?,
            },
        };
        Ok(Answer { message, outcome })
    }
}

names! {
    /// Why the market refuses a message. Names are the same in answers, logs, metrics and docs.
    #[derive(Serialize, Deserialize)]
    pub enum Refusal {
        /// Too large, not a signed message, or not of its kind.
        Malformed = "Malformed",
        /// Signed by a key that is registered for nothing here.
        UnknownDevice = "UnknownDevice",
        /// The signature does not verify, or the message is on another device's topic.
        BadSignature = "BadSignature",
        /// This very message was taken in before.
        Duplicate = "Duplicate",
        /// A different message was taken in under this sequence number; both are kept as evidence.
        SequenceConflict = "SequenceConflict",
        /// Not the next link of the device's hash chain.
        ChainBroken = "ChainBroken",
        /// A register is lower than before.
        RegisterWentBack = "RegisterWentBack",
        /// More energy than the connection's rated power can carry in the time.
        ImplausiblePower = "ImplausiblePower",
        /// The interval is already closed, and the device has a later settled reading.
        IntervalClosed = "IntervalClosed",
        /// For an interval that has not ended yet.
        FutureDated = "FutureDated",
        /// Of an interval before the community's first.
        Stale = "Stale",
        /// An order that would stand for an interval already open or closed.
        OrderTooLate = "OrderTooLate",
        /// As many of the member's orders as may wait for their interval do so already. It passes with the next
        /// interval.
        TooManyOrders = "TooManyOrders",
        /// A status where the community plans no island.
        NoIslandPlan = "NoIslandPlan",
        /// A status that says what cannot be, such as more stored than the battery holds.
        StatusImpossible = "StatusImpossible",
        /// A status of an interval that is too old or too new, or not newer than the device's last.
        StatusNotNewer = "StatusNotNewer",
        /// A status with a claim in a class that was not decided for the member.
        ClassNotDecided = "ClassNotDecided",
    }
}
