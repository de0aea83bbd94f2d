//! What the agent signs: readings up to the open interval, and the household's order.

use std::time::Duration;

use protocol::{envelope::Sealed, hash::Hash, interval::Interval, order::SignedOrder, reading::ChainHead};

use super::{Awaited, Core, Effect, Now, Shown, Then, Turn, Write};
use crate::{
    alarm::{AlarmKind, Detail},
    chain, clock,
    record::{OrderRecord, OrderState, ReadingRecord},
    source::Reading,
};

/// Readings stored in one batch.
const BATCH: usize = 96;
/// A meter that could not be read is asked again after this long.
const METER_RETRY: Duration = Duration::from_secs(5);
/// A meter whose reading may still come is asked again after this long.
const METER_WAIT: Duration = Duration::from_secs(1);

/// Readings that are taken and stored together.
pub(super) struct Round {
    /// The last interval to read.
    open: Interval,
    /// The last interval that the meter was asked for.
    until: Interval,
    head: ChainHead,
    /// What the battery held then.
    stored_uwh: Option<u64>,
    signed: Vec<(u64, ReadingRecord)>,
    /// Why it ends before its time.
    stuck: Option<(AlarmKind, Detail)>,
    /// The meter's next reading may still come.
    waits: bool,
}

/// A reading that is stored, and may be sent.
pub(super) struct Stored {
    sequence: u64,
    hash: Hash,
    interval: Interval,
}

impl Core {
    /// Begins to read and sign the intervals after the last one, up to the open one, as far as that is believed.
    pub(super) fn begin_round(&mut self, now: Now) {
        self.live.meter_waits = false;
        let within = self.open(now).and_then(|open| self.identity.out_of_reach.last_within(open));
        let open = within.filter(|open| self.read_until < *open && !self.live.over && !self.live.halted);
        self.work.round = open.map(|open| Round {
            open,
            until: self.read_until,
            head: self.head,
            stored_uwh: self.stored_uwh,
            signed: Vec::new(),
            stuck: None,
            waits: false,
        });
    }

    /// Asks the meter for the next interval of the round, or stores what it has.
    pub(super) fn read_on(&mut self, turn: &mut Turn<'_>) {
        let Some(round) = &mut self.work.round else { return };
        let goes_on = round.stuck.is_none() && !round.waits && !self.live.over && round.signed.len() < BATCH;
        let next = round.until.next().filter(|next| goes_on && *next <= round.open);
        if let Some(skipped) = next.filter(|next| self.identity.out_of_reach.skips(*next)) {
            round.until = skipped;
        } else if let Some(interval) = next {
            match clock::may_sign(self.identity.clock, interval, turn.now.utc_s, self.live.signed_s) {
                Ok(()) => {
                    turn.effects.push(Effect::ReadMeter { interval, is_late: interval < round.open });
                    self.work.awaited = Some(Awaited::Meter(interval));
                }
                Err(fault) => round.stuck = Some((AlarmKind::ClockWrong, Detail::Clock(fault))),
            }
        } else if round.signed.is_empty() {
            self.end_round(turn.now);
        } else {
            let (signed, head) = (std::mem::take(&mut round.signed), round.head);
            let stored = |(sequence, record): &(u64, ReadingRecord)| Stored {
                sequence: *sequence,
                hash: record.message.hash(),
                interval: record.interval,
            };
            let then = Then::Queue(signed.iter().map(stored).collect());
            self.write(turn, Write::Readings { signed, head }, then);
        }
    }

    /// Signs what the meter showed as the next link of the chain; nothing, if it has no reading of that interval.
    pub(super) fn meter_read(&mut self, now: Now, interval: Interval, shown: Result<Shown, String>) {
        let Some(round) = &mut self.work.round else { return };
        let failed = |said: String| Some((AlarmKind::MeterFailed, Detail::Said(said)));
        match shown {
            Err(detail) => round.stuck = failed(detail),
            Ok(Shown { reading: Reading::Missed, .. }) => round.until = interval,
            Ok(Shown { reading: Reading::NotYet, .. }) => round.waits = true,
            Ok(Shown { reading: Reading::Over, .. }) => {
                tracing::info!("the replay is over: no reading from {interval} on");
                self.live.over = true;
            }
            Ok(Shown { reading: Reading::Measured(measurement), salt }) => {
                self.live.signed_s = now.utc_s;
                let (chain, key) = (&self.identity.chain, &self.identity.device_key);
                match chain::link(&round.head, interval, &measurement, salt, chain, key) {
                    Ok((head, record)) => {
                        round.head = head;
                        round.stored_uwh = record.stored_uwh;
                        round.signed.push((head.sequence, record));
                        round.until = interval;
                    }
                    Err(error) => round.stuck = failed(error.to_string()),
                }
            }
        }
    }

    /// Signed readings are stored: they may be sent.
    pub(super) fn appended(&mut self, now: Now, stored: Vec<Stored>) {
        let Some(round) = &self.work.round else { return };
        (self.head, self.stored_uwh) = (round.head, round.stored_uwh);
        for Stored { sequence, hash, interval } in stored {
            self.outbox.push(sequence, hash, interval);
        }
        self.end_round(now);
    }

    fn end_round(&mut self, now: Now) {
        let Some(round) = self.work.round.take() else { return };
        self.read_until = round.until;
        if let Some((kind, detail)) = round.stuck {
            self.alarms.raise(kind, detail);
            self.live.meter_retry = Some(now.monotonic + METER_RETRY);
        } else if round.waits {
            // Nothing is known of the meter yet: an alarm that is on stays on.
            self.live.meter_retry = Some(now.monotonic + METER_WAIT);
            self.live.meter_waits = true;
        } else {
            self.alarms.clear(AlarmKind::MeterFailed);
            self.alarms.clear(AlarmKind::ClockWrong);
            self.begin_round(now);
        }
    }

    /// Signs a new order if the household wants something else soon than what it has placed.
    pub(super) fn place_order(&mut self, turn: &mut Turn<'_>) {
        let horizon = self.horizon(turn.now);
        let Some(from) = self.live.orders_from.filter(|from| horizon.allows_orders_from(*from)) else { return };
        if self.live.halted || self.live.order_refused || !self.live.connected || self.orders.open().is_some() {
            return;
        }
        let Some(first) = self.orders.first(from) else { return };
        if let Err(fault) = self.learn(turn.records, first) {
            return self.halt(&fault);
        }
        let Some(order) = self.orders.wanted(first, |interval| self.wants(interval)) else { return };
        let signed = SignedOrder::sign(order.clone(), &self.identity.chain, &self.identity.member_key);
        let record = OrderRecord { message: Sealed::from(&signed), order, state: OrderState::Open };
        self.write(turn, Write::Order(record.clone()), Then::Order(record));
    }
}
