//! Watches what a household wants done, in every test, for what must never be.

use std::collections::BTreeMap;

use protocol::envelope::Sealed;

use super::{home::has_outcome, *};

/// What a household wanted done so far.
#[derive(Default)]
pub(super) struct Watch {
    readings: BTreeMap<u64, Message>,
    orders: BTreeMap<u64, Message>,
    /// The last message that was acknowledged.
    acknowledged: Delivery,
    /// A write has failed.
    failed: bool,
}

/// A signed message.
struct Message {
    sealed: Sealed,
    /// Whether it is known to be stored.
    stored: bool,
}

impl Watch {
    /// Looks at effects before any of them is done.
    pub(super) fn look(&mut self, effects: &[Effect]) {
        for (place, effect) in effects.iter().enumerate() {
            assert!(!has_outcome(effect) || place + 1 == effects.len(), "nothing follows what is awaited: {effects:?}");
            match effect {
                Effect::ReadMeter { .. } => assert!(!self.failed, "the meter is read for nothing"),
                Effect::Write(write) => self.look_at_write(write),
                Effect::Publish(messages) => messages.iter().for_each(|message| {
                    // A status is stored nowhere: the next one takes its place.
                    let (sealed, signed) = match message {
                        Outgoing::Status(_) => {
                            return assert!(!self.failed, "nothing is signed after a write that failed");
                        }
                        Outgoing::Reading(sequence, sealed) => (sealed, self.readings.get(sequence)),
                        Outgoing::Order(sealed) => {
                            (sealed, self.orders.values().find(|signed| signed.sealed == *sealed))
                        }
                    };
                    assert!(
                        signed.is_some_and(|signed| signed.stored && signed.sealed == *sealed),
                        "a message is stored before it is sent: {message:?}"
                    );
                }),
                Effect::Acknowledge(delivery) => {
                    assert!(!self.failed, "nothing is acknowledged after a write that failed");
                    assert!(*delivery > self.acknowledged, "each message is acknowledged once, in its order");
                    self.acknowledged = *delivery;
                }
            }
        }
    }

    fn look_at_write(&mut self, write: &Write) {
        match write {
            Write::Readings { signed, head } => {
                assert!(!self.failed, "nothing is signed after a write that failed");
                for (sequence, record) in signed {
                    let last = self.readings.last_key_value().map_or(0, |(last, _)| *last);
                    assert_eq!(*sequence, last + 1, "each number is signed once, in its order");
                    self.readings.insert(*sequence, Message { sealed: record.message.clone(), stored: false });
                }
                assert_eq!(self.readings.last_key_value().map(|(last, _)| last), Some(&head.sequence));
            }
            Write::Order(record) => match self.orders.get(&record.order.sequence) {
                Some(signed) => assert!(signed.sealed == record.message, "each number is signed once"),
                None => {
                    assert!(!self.failed, "nothing is signed after a write that failed");
                    let message = Message { sealed: record.message.clone(), stored: false };
                    self.orders.insert(record.order.sequence, message);
                }
            },
            Write::Choice(_) => assert!(!self.failed, "nothing is chosen after a write that failed"),
            Write::Quotas(_) | Write::Receipt { .. } | Write::Evidence(_) | Write::Contradiction { .. } => {}
        }
    }

    /// Looks at what became of a write.
    pub(super) fn written(&mut self, write: &Write, safely: bool) {
        self.failed |= !safely;
        match write {
            Write::Readings { signed, .. } => signed.iter().for_each(|(sequence, _)| {
                self.readings.get_mut(sequence).unwrap().stored = safely;
            }),
            Write::Order(record) => self.orders.get_mut(&record.order.sequence).unwrap().stored |= safely,
            Write::Choice(_)
            | Write::Quotas(_)
            | Write::Receipt { .. }
            | Write::Evidence(_)
            | Write::Contradiction { .. } => {}
        }
    }
}
