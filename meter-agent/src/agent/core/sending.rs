//! What is sent, and when: orders before readings, the oldest reading first, at a bounded rate.

use std::time::{Duration, Instant};

use protocol::hash::Hash;

use super::{Awaited, Core, Effect, Now, Outgoing, Turn};
use crate::{
    alarm::{AlarmKind, Detail},
    source::MeterClock,
};

/// Readings sent at once; as many again after each [`REFILL`].
pub(super) const BURST: usize = 64;
pub(super) const REFILL: Duration = Duration::from_millis(250);
/// An unanswered order is sent again after this long.
pub(super) const ORDER_RETRY: Duration = Duration::from_secs(10);
/// This machine's clock is looked at after this long at the latest, s.
const CLOCK_LOOK_S: u64 = 60;

/// What was handed to the connection.
pub(super) enum Sent {
    Order,
    Status(Hash),
    Reading(u64),
}

impl Core {
    /// When something is due, if nothing happens before.
    pub(crate) fn wake_at(&self, now: Now) -> Option<Instant> {
        let mut wakes = vec![self.live.meter_retry.or_else(|| self.next_end(now))];
        if self.live.connected {
            let (at, open) = (now.monotonic, self.open(now));
            let due = if self.outbox.due(at, open, 1).is_empty() {
                self.outbox.next_due(open)
            } else {
                Some(self.live.refilled.map_or(at, |refilled| refilled + REFILL))
            };
            wakes.push(due);
            if self.orders.open().is_some() {
                wakes.push(Some(self.live.order_sent.map_or(at + REFILL, |sent| sent + ORDER_RETRY)));
            }
        }
        wakes.into_iter().flatten().min()
    }

    /// When the next interval ends by this machine's clock, if the meter is on it. The clock can be set meanwhile: it
    /// is looked at again before long.
    fn next_end(&self, now: Now) -> Option<Instant> {
        if self.identity.clock == MeterClock::Market || self.live.over || self.live.halted {
            return None;
        }
        let in_s = self.read_until.next()?.end_s().saturating_sub(now.utc_s);
        let in_s = u64::try_from(in_s).unwrap_or(0).clamp(1, CLOCK_LOOK_S);
        Some(now.monotonic + Duration::from_secs(in_s))
    }

    /// Hands on what is due, oldest first, at a bounded rate.
    pub(super) fn send(&mut self, turn: &mut Turn<'_>) {
        if !self.live.connected {
            return;
        }
        let now = turn.now.monotonic;
        if self.live.refilled.is_none_or(|at| now.duration_since(at) >= REFILL) {
            self.live.refilled = Some(now);
            self.live.budget = BURST;
        }
        let (mut messages, mut sent) = (Vec::new(), Vec::new());
        // The order before the readings: the gate of the open interval closes after them, so that an order on its way
        // is on the ledger before the next one is cleared.
        let order_due = self.live.order_sent.is_none_or(|sent| now.duration_since(sent) >= ORDER_RETRY);
        if let Some(record) = self.orders.open().filter(|_| order_due) {
            messages.push(Outgoing::Order(record.message.clone()));
            sent.push(Sent::Order);
        }
        match self.status_due(turn) {
            Ok(status) => {
                sent.extend(status.iter().map(|message| Sent::Status(message.hash())));
                messages.extend(status.map(Outgoing::Status));
            }
            Err(fault) => return self.halt(&fault),
        }
        for sequence in self.outbox.due(now, self.open(turn.now), self.live.budget) {
            match turn.records.reading(sequence) {
                Ok(Some(record)) => {
                    messages.push(Outgoing::Reading(sequence, record.message));
                    sent.push(Sent::Reading(sequence));
                }
                Ok(None) => {
                    self.alarms.raise(AlarmKind::StateDamaged, Detail::ReadingUnreadable(sequence));
                    self.outbox.remove(sequence);
                }
                Err(fault) => {
                    self.halt(&fault);
                    break;
                }
            }
        }
        if !messages.is_empty() {
            turn.effects.push(Effect::Publish(messages));
            self.work.awaited = Some(Awaited::Publish(sent));
        }
    }

    /// Notes what the connection took. If it is busy, the rest of the readings goes with the next refill.
    pub(super) fn published(&mut self, now: Now, sent: &[Sent], taken: usize) {
        for (place, message) in sent.iter().enumerate() {
            match message {
                Sent::Order if place < taken => self.live.order_sent = Some(now.monotonic),
                Sent::Status(message) if place < taken => self.status_sent(*message),
                Sent::Order | Sent::Status(_) => {}
                Sent::Reading(sequence) if place < taken => {
                    self.live.budget = self.live.budget.saturating_sub(1);
                    self.outbox.sent(*sequence, now.monotonic);
                }
                Sent::Reading(_) => self.live.budget = 0,
            }
        }
    }
}
