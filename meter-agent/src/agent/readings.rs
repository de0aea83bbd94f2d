//! What the agent signs: readings up to the open interval, and the household's order.

use std::time::{Duration, Instant};

use protocol::{envelope::Sealed, hash::Hash, interval::Interval, order::SignedOrder};

use super::{Agent, now_s};
use crate::{
    alarm::AlarmKind,
    chain, clock,
    record::{OrderRecord, OrderState, ReadingRecord},
    source::Reading,
};

/// Readings stored in one batch.
const BATCH: usize = 96;
/// A meter that could not be read is asked again after this long.
const METER_RETRY: Duration = Duration::from_secs(5);

impl Agent {
    /// Reads and signs every interval after the last one, up to the open one, as far as that is believed. Each is
    /// stored before it can be sent.
    pub(super) async fn read_meter(&mut self) {
        let Some(open) = self.open() else { return };
        while self.read_until < open && !self.live.over && !self.live.halted {
            let (mut head, mut until, mut batch, mut stuck) = (self.head, self.read_until, Vec::new(), None);
            while until < open && batch.len() < BATCH {
                let Some(interval) = until.next() else { break };
                match self.read_one(interval, &head) {
                    Ok(Some(link)) => {
                        head = link.0;
                        batch.push((head.sequence, link.1));
                    }
                    Ok(None) if self.live.over => break,
                    Ok(None) => {}
                    Err(fault) => {
                        stuck = Some(fault);
                        break;
                    }
                }
                until = interval;
            }
            if !batch.is_empty() && !self.append(batch, head).await {
                return;
            }
            self.read_until = until;
            match stuck {
                Some((kind, detail)) => {
                    self.alarms.raise(kind, detail);
                    self.live.meter_retry = Some(Instant::now() + METER_RETRY);
                    return;
                }
                None => {
                    self.alarms.clear(AlarmKind::MeterFailed);
                    self.alarms.clear(AlarmKind::ClockWrong);
                }
            }
        }
    }

    /// The next link of the chain; none if the meter has no reading of that interval.
    fn read_one(
        &mut self,
        interval: Interval,
        head: &protocol::reading::ChainHead,
    ) -> Result<Option<(protocol::reading::ChainHead, ReadingRecord)>, (AlarmKind, String)> {
        let now = now_s();
        clock::may_sign(self.meter.clock(), interval, now, self.live.signed_s)
            .map_err(|fault| (AlarmKind::ClockWrong, fault.to_string()))?;
        let failed = |error: &dyn std::fmt::Display| (AlarmKind::MeterFailed, error.to_string());
        let measurement = match self.meter.read(interval).map_err(|error| failed(&error))? {
            Reading::Measured(measurement) => measurement,
            Reading::Missed => return Ok(None),
            Reading::Over => {
                tracing::info!("the replay is over: no reading from {interval} on");
                self.live.over = true;
                return Ok(None);
            }
        };
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| failed(&format!("no randomness to sign with: {error}")))?;
        let link = chain::link(head, interval, &measurement, salt, &self.identity.chain, &self.identity.device_key);
        self.live.signed_s = now;
        link.map(Some).map_err(|error| failed(&error))
    }

    /// Stores signed readings; whether they may be sent.
    async fn append(&mut self, batch: Vec<(u64, ReadingRecord)>, head: protocol::reading::ChainHead) -> bool {
        let entries: Vec<(u64, Hash, Interval)> =
            batch.iter().map(|(sequence, record)| (*sequence, record.message.hash(), record.interval)).collect();
        if let Err(error) = self.write(move |store| store.append(&batch, &head)).await {
            // Whether it reached the disk is unknown, so this number is not signed again before that is read anew.
            self.halt(&error);
            return false;
        }
        self.head = head;
        for (sequence, hash, interval) in entries {
            self.outbox.push(sequence, hash, interval);
        }
        true
    }

    /// Signs a new order if the household changed its mind since the last one.
    pub(super) async fn place_order(&mut self) {
        let horizon = self.horizon();
        let Some(from) = self.live.orders_from.filter(|from| horizon.allows_orders_from(*from)) else { return };
        if self.live.halted || self.live.order_refused || self.live.connection.is_none() || self.orders.open().is_some()
        {
            return;
        }
        let Some(order) = self.orders.wanted(&self.identity.order, from) else { return };
        let signed = SignedOrder::sign(order.clone(), &self.identity.chain, &self.identity.member_key);
        let record = OrderRecord { message: Sealed::from(&signed), order, state: OrderState::Open };
        let stored = record.clone();
        match self.write(move |store| store.put_order(&stored)).await {
            Ok(()) => {
                self.orders.push(record);
                self.live.order_sent = None;
            }
            Err(error) => self.halt(&error),
        }
    }
}
