//! One household's agent: one loop over one closed event enum.

mod inbound;
mod readings;
mod receipts;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ledger::proof::Verifier;
use protocol::{
    envelope::ChainId, genesis::Genesis, interval::Interval, key::SecretKey, member::MemberId, money::Amount,
    reading::ChainHead, settlement::Tariffs,
};
use rumqttc::{AsyncClient, Publish, QoS};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::sleep_until,
};

use crate::{
    alarm::{AlarmKind, Alarms},
    gate::Horizon,
    mqtt::{DeviceTopics, Event, FAILURES_ALARM},
    orders::{OrderConfig, Orders},
    outbox::Outbox,
    record::Today,
    source::MeterSource,
    status::Status,
    store::{Store, StoreError},
    totals::Totals,
};

/// Writes at the same time, of all agents of this process: each one holds a thread while it waits for the disk.
static WRITERS: Semaphore = Semaphore::const_new(8);
/// Readings sent at once; as many again after each [`REFILL`].
const BURST: usize = 64;
const REFILL: Duration = Duration::from_millis(250);
/// An unanswered order is sent again after this long.
const ORDER_RETRY: Duration = Duration::from_secs(10);
/// Intervals behind the latest receipt after which a missing one is worth an alarm.
const RECEIPT_LATE_INTERVALS: i64 = 4;

/// Who the agent is, and for whom.
pub(crate) struct Identity {
    pub(crate) name: Option<String>,
    pub(crate) genesis: Genesis,
    pub(crate) verifier: Verifier,
    pub(crate) chain: ChainId,
    pub(crate) member: MemberId,
    /// Whether the meter is the transformer's.
    pub(crate) transformer: bool,
    pub(crate) member_key: SecretKey,
    pub(crate) device_key: SecretKey,
    pub(crate) order: OrderConfig,
}

/// A household's agent.
pub(crate) struct Agent {
    pub(crate) identity: Identity,
    pub(crate) meter: Box<dyn MeterSource>,
    pub(crate) store: Arc<Store>,
    pub(crate) client: AsyncClient,
    pub(crate) topics: DeviceTopics,
    pub(crate) head: ChainHead,
    /// The interval before the household's first.
    pub(crate) before_first: Interval,
    /// The last interval that the meter was asked for.
    pub(crate) read_until: Interval,
    pub(crate) outbox: Outbox,
    pub(crate) orders: Orders,
    pub(crate) totals: Totals,
    pub(crate) today: Option<Today>,
    /// Of the latest verified receipt.
    pub(crate) tariffs: Option<Tariffs>,
    pub(crate) receipts_refused: u64,
    pub(crate) alarms: Alarms,
    pub(crate) live: Live,
}

/// What an agent knows of the world since it started.
#[derive(Default)]
pub(crate) struct Live {
    /// The current connection.
    connection: Option<u32>,
    /// Messages that are stored and not acknowledged yet.
    acks: VecDeque<(u32, Publish)>,
    /// The interval that was announced as open. It is believed as far as the [horizon](Agent::horizon).
    announced: Option<Interval>,
    orders_from: Option<Interval>,
    /// The market announced the end of its time.
    ended: bool,
    /// The recording is over.
    over: bool,
    /// Nothing can be stored any more: nothing is signed until the agent is started again.
    halted: bool,
    /// When to ask the meter again that could not be read.
    meter_retry: Option<Instant>,
    /// The time of the last signature, s.
    signed_s: i64,
    /// When the open order was sent on this connection.
    order_sent: Option<Instant>,
    /// An order was refused for what it says: the same would be refused again.
    order_refused: bool,
    budget: usize,
    refilled: Option<Instant>,
    refused: BTreeMap<String, u64>,
    /// Receipts that were refused, by the name of what is wrong with them.
    receipts_refused: BTreeMap<String, u64>,
}

impl Agent {
    /// Runs until told to stop, or until nobody holds the other end of `stop`.
    pub(crate) async fn run(
        mut self,
        mut events: mpsc::Receiver<Event>,
        mut stop: oneshot::Receiver<()>,
        status: watch::Sender<Status>,
    ) {
        loop {
            let wake = self.next_wake();
            let event = tokio::select! {
                biased;
                _ = &mut stop => Event::Stop,
                event = events.recv() => event.unwrap_or(Event::Stop),
                () = sleep_until(wake.unwrap_or_else(far).into()), if wake.is_some() => Event::Wake,
            };
            match event {
                Event::Stop => break,
                Event::Wake => {
                    if self.live.meter_retry.is_some_and(|at| at <= Instant::now()) {
                        self.live.meter_retry = None;
                        self.read_meter().await;
                    }
                }
                Event::Connected { connection } => {
                    tracing::info!(device = %self.identity.device_key.public(), "connected to the broker");
                    self.live.connection = Some(connection);
                    self.live.acks.clear();
                    self.live.order_sent = None;
                    self.outbox.reconnected();
                    self.alarms.clear(AlarmKind::BrokerUnreachable);
                }
                Event::Disconnected { failures, error } => {
                    self.live.connection = None;
                    tracing::debug!("no connection to the broker, attempt {failures}: {error}");
                    if failures >= FAILURES_ALARM {
                        self.alarms.raise(AlarmKind::BrokerUnreachable, error);
                    }
                }
                Event::SubscriptionRefused => self.alarms.raise(
                    AlarmKind::BrokerRefuses,
                    "it does not let this device read its own topics; ask the operator for this device's access",
                ),
                Event::Message { connection, kind, publish } => self.message(connection, kind, publish).await,
            }
            self.place_order().await;
            self.send(Instant::now());
            let now = self.status();
            status.send_if_modified(|shown| {
                let changed = *shown != now;
                *shown = now;
                changed
            });
        }
        self.acknowledge();
        // Best effort: a broker that is away notices by itself.
        let _ = self.client.try_disconnect();
    }

    /// How far the time of the market has come for sure.
    fn horizon(&self) -> Horizon {
        let settled = self.today.and_then(|today| today.settled_until);
        Horizon::of(self.before_first, settled, self.meter.clock(), now_s())
    }

    /// The open interval, as far as it is believed.
    fn open(&self) -> Option<Interval> {
        self.live.announced.map(|announced| self.horizon().open(announced, self.meter.clock()))
    }

    /// When something is due, if nothing happens before.
    fn next_wake(&self) -> Option<Instant> {
        let mut wakes = vec![self.live.meter_retry];
        if self.live.connection.is_some() {
            let refill = self.live.refilled.map(|at| at + REFILL);
            let now = Instant::now();
            let due = if self.outbox.due(now, self.open(), 1).is_empty() {
                self.outbox.next_due(self.open())
            } else {
                Some(refill.unwrap_or(now))
            };
            wakes.push(due);
            if !self.live.acks.is_empty() {
                wakes.push(Some(now + REFILL));
            }
            if self.orders.open().is_some() {
                wakes.push(Some(self.live.order_sent.map_or(now + REFILL, |sent| sent + ORDER_RETRY)));
            }
        }
        wakes.into_iter().flatten().min()
    }

    /// Hands on what is due, oldest first, at a bounded rate.
    fn send(&mut self, now: Instant) {
        let Some(_) = self.live.connection else { return };
        self.acknowledge();
        if self.live.refilled.is_none_or(|at| now.duration_since(at) >= REFILL) {
            self.live.refilled = Some(now);
            self.live.budget = BURST;
        }
        // The order before the readings: the gate of the open interval closes after them, so that an order on its way
        // is on the ledger before the next one is cleared.
        let order_due = self.live.order_sent.is_none_or(|sent| now.duration_since(sent) >= ORDER_RETRY);
        if let Some(record) = self.orders.open().filter(|_| order_due) {
            let message = record.message.bytes().to_vec();
            if self.client.try_publish(&self.topics.order, QoS::AtLeastOnce, false, message).is_ok() {
                self.live.order_sent = Some(now);
            }
        }
        for sequence in self.outbox.due(now, self.open(), self.live.budget) {
            let record = match self.store.reading(sequence) {
                Ok(Some(record)) => record,
                Ok(None) => {
                    let detail = format!("reading {sequence} can no longer be read from the state, and is not sent");
                    self.alarms.raise(AlarmKind::StateDamaged, detail);
                    self.outbox.remove(sequence);
                    continue;
                }
                Err(error) => return self.halt(&error),
            };
            if self
                .client
                .try_publish(&self.topics.reading, QoS::AtLeastOnce, false, record.message.bytes().to_vec())
                .is_err()
            {
                // The connection is busy: the rest goes with the next refill.
                self.live.budget = 0;
                return;
            }
            self.live.budget -= 1;
            self.outbox.sent(sequence, now);
        }
    }

    /// Acknowledges what is stored, as far as the connection takes it.
    fn acknowledge(&mut self) {
        while let Some((connection, publish)) = self.live.acks.front() {
            // The broker delivers again what came with an older connection.
            if Some(*connection) == self.live.connection && self.client.try_ack(publish).is_err() {
                return;
            }
            self.live.acks.pop_front();
        }
    }

    /// Nothing can be stored: from now on nothing is signed and nothing acknowledged.
    fn halt(&mut self, error: &StoreError) {
        self.live.halted = true;
        let detail = format!("{error} Nothing is signed until the agent is started again.");
        self.alarms.raise(AlarmKind::StorageFailed, detail);
    }

    /// Writes to the state on a thread that may wait for the disk.
    async fn write<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.store.clone();
        // The semaphore is never closed; without a permit the write is only less patient.
        let _permit = WRITERS.acquire().await;
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(result) => result,
            Err(error) => Err(self.store.failed(error)),
        }
    }

    /// What the agent says of itself; alarms that come and go by themselves are looked at again.
    pub(crate) fn status(&mut self) -> Status {
        if !self.outbox.has_refused() {
            self.alarms.clear(AlarmKind::ReadingRefused);
        }
        let settled_until = self.today.and_then(|today| today.settled_until);
        match self.outbox.oldest().zip(settled_until) {
            Some(((sequence, interval), until))
                if until.since(interval).is_some_and(|late| late > RECEIPT_LATE_INTERVALS) =>
            {
                let detail = format!(
                    "reading {sequence} of {interval} is not proved settled, while {until} is; it is kept and sent \
                     again, ask the operator for its receipt"
                );
                self.alarms.raise(AlarmKind::ReceiptMissing, detail);
            }
            _ => self.alarms.clear(AlarmKind::ReceiptMissing),
        }
        let Identity { name, genesis, member, device_key, .. } = &self.identity;
        Status {
            name: name.clone(),
            community: genesis.community.clone(),
            currency: genesis.currency.clone(),
            member: *member,
            device: device_key.public(),
            connected: self.live.connection.is_some(),
            open: self.open(),
            last_interval: (self.head.sequence > 0).then_some(self.head.interval),
            settled_until,
            tariffs: self.tariffs,
            outbox: self.outbox.unsettled() as u64,
            receipts_refused: self.receipts_refused,
            totals: self.totals,
            balance: self.totals.balance().unwrap_or(Amount::ZERO),
            today: self.today.map(|today| today.totals).unwrap_or_default(),
            refused: self.live.refused.clone(),
            receipts_refused_as: self.live.receipts_refused.clone(),
            alarms: self.alarms.lines(),
            finished: (self.live.ended || self.live.over) && self.outbox.unsettled() == 0,
        }
    }
}

/// This machine's time, seconds after 1970; before that, none was ever set.
pub(crate) fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(3_600)
}

#[cfg(test)]
mod tests;
