//! What an agent decides. Pure: events go in, effects come out.
//!
//! It knows no clock, no socket, no disk and no randomness. The time comes with each event, the salt with what the
//! meter showed, and what was written before is read from [`Records`]. Signing is here: with these keys it is
//! arithmetic, and the same reading has the same signature each time. What it logs, nothing depends on.
//!
//! An event is dealt with from one end to the other before the next: its message is judged, the meter is read, the
//! message is acknowledged, an order is signed and what is due is sent. Where that takes something that only the
//! world can do, the effects end with it, and [`Core::done`] goes on when it is done. So a reading is sent after it
//! is stored, a message is acknowledged after what it says is stored, and after a write that failed neither is signed
//! nor acknowledged any more.

mod choosing;
mod event;
mod inbound;
mod island;
mod learning;
mod readings;
mod receipts;
mod sending;
mod summary;
mod witnesses;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use household::{home::battery::Battery, strategy::Strategy};
use ledger::proof::Verifier;
use protocol::{
    envelope::ChainId, genesis::Genesis, hash::Hash, interval::Interval, island::PlannedQuota, key::SecretKey,
    member::MemberId, money::Price, reading::ChainHead, settlement::Tariffs,
};

pub(crate) use self::event::{
    Delivery, Effect, Event, Inbound, Now, Outcome, Outgoing, Records, Shown, StoreFault, Write,
};
use self::{
    readings::{Round, Stored},
    receipts::Settled,
    sending::Sent,
};
use crate::{
    alarm::{AlarmKind, Alarms, Detail},
    check::ReceiptFault,
    choice::Choice,
    gate::Horizon,
    island::{Behind, Island},
    learned::{Known, Learned},
    orders::Orders,
    out_of_reach::OutOfReach,
    outbox::Outbox,
    record::{OrderRecord, Today},
    registered::Registration,
    source::{MeterClock, MeterKind},
    totals::Totals,
    witnessed::Witnessed,
};

/// Connections that fail in a row before it is worth an alarm.
const FAILURES_ALARM: u32 = 5;

/// Who the agent is, and for whom.
pub(crate) struct Identity {
    pub(crate) name: Option<String>,
    pub(crate) genesis: Genesis,
    pub(crate) verifier: Verifier,
    pub(crate) chain: ChainId,
    pub(crate) member: MemberId,
    /// How it is registered: as its configuration says, or the genesis, or the validators have decided since.
    pub(crate) registration: Registration,
    /// Whether the meter is the transformer's.
    pub(crate) transformer: bool,
    /// Whose time the meter follows.
    pub(crate) clock: MeterClock,
    /// Whether it measures anything.
    pub(crate) meter: MeterKind,
    /// When it is out of reach, where what it shows is played.
    pub(crate) out_of_reach: OutOfReach,
    pub(crate) member_key: SecretKey,
    pub(crate) device_key: SecretKey,
    /// The battery that set-points are proposed for, if there is one.
    pub(crate) battery: Option<Battery>,
    /// What stands behind the meter, where that is reported.
    pub(crate) behind: Option<Behind>,
    /// The strategy that it bids by.
    pub(crate) strategy: Arc<dyn Strategy>,
    /// That of `agent.toml`, which is the same unless another was chosen on the page.
    pub(crate) configured: Arc<dyn Strategy>,
    /// What was chosen there.
    pub(crate) choice: Option<Choice>,
}

/// What decides for a household.
pub(crate) struct Core {
    pub(crate) identity: Identity,
    pub(crate) head: ChainHead,
    /// The interval before the household's first.
    pub(crate) before_first: Interval,
    /// The last interval that the meter was asked for.
    pub(crate) read_until: Interval,
    pub(crate) outbox: Outbox,
    pub(crate) orders: Orders,
    /// What the strategy has learned; none where it learns nothing.
    pub(crate) learned: Option<Learned>,
    /// What it knows for the next intervals that an order can stand for.
    pub(crate) known: Known,
    pub(crate) totals: Totals,
    pub(crate) today: Option<Today>,
    /// Of the latest verified receipt.
    pub(crate) tariffs: Option<Tariffs>,
    /// The price among neighbours there.
    pub(crate) price: Option<Price>,
    /// What is proved of islands.
    pub(crate) island: Island,
    /// What the battery held at the end of the last signed reading, µWh, if the meter knows it.
    pub(crate) stored_uwh: Option<u64>,
    pub(crate) receipts_refused: u64,
    pub(crate) alarms: Alarms,
    /// The blocks that witnesses have still to see; none where no witnesses are demanded.
    pub(crate) witnessed: Option<Witnessed>,
    pub(crate) live: Live,
    pub(crate) work: Work,
}

/// What an agent knows of the world since it started.
#[derive(Default)]
pub(crate) struct Live {
    connected: bool,
    /// When a message came last that the broker had not kept from before, s. Those that waited for this device there
    /// count as of when they come.
    market_heard_s: Option<i64>,
    /// The interval that was announced as open. It is believed as far as the [horizon](Core::horizon).
    pub(super) announced: Option<Interval>,
    orders_from: Option<Interval>,
    /// The market announced the end of its time.
    ended: bool,
    /// The recording is over.
    pub(super) over: bool,
    /// Nothing can be stored any more: nothing is signed until the agent is started again.
    halted: bool,
    /// When to ask the meter again that could not be read.
    pub(super) meter_retry: Option<Instant>,
    /// The meter's next reading may still come: a receipt may be what it waits for.
    pub(super) meter_waits: bool,
    /// The time of the last signature, s.
    signed_s: i64,
    /// When the open order was sent on this connection.
    pub(super) order_sent: Option<Instant>,
    /// An order was refused for what it says: the same would be refused again.
    order_refused: bool,
    /// The interval of the status that was sent last, and its message.
    status: Option<(Interval, Hash)>,
    /// Nothing is reported before this interval, as no island was planned.
    status_from: Option<Interval>,
    budget: usize,
    refilled: Option<Instant>,
    refused: BTreeMap<String, u64>,
    /// Receipts that were refused, by the name of what is wrong with them.
    receipts_refused: BTreeMap<String, u64>,
}

/// What the core is at.
#[derive(Default)]
pub(crate) struct Work {
    stage: Stage,
    awaited: Option<Awaited>,
    /// The message that is dealt with.
    heard: Option<Delivery>,
    /// The readings that are being taken.
    round: Option<Round>,
    /// What happened in the meantime, oldest first.
    later: VecDeque<Event>,
}

/// How far an event is dealt with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Idle,
    Reading,
    Acknowledging,
    Ordering,
    Sending,
}

/// The outcome that the core waits for, and what it is needed for.
enum Awaited {
    Meter(Interval),
    Write(Then),
    Publish(Vec<Sent>),
}

/// What follows once something is written.
enum Then {
    Nothing,
    Queue(Vec<Stored>),
    Order(OrderRecord),
    Choose(Option<Choice>),
    Ration(Vec<PlannedQuota>),
    Settle(Box<Settled>),
    Accuse(ReceiptFault),
    /// Raises the alarm of another history with this detail.
    TellOfOtherHistory(Detail),
}

/// One call of the core: what it is given, and what it wants done.
struct Turn<'a> {
    now: Now,
    records: &'a dyn Records,
    effects: Vec<Effect>,
}

impl Core {
    /// Takes an event, and says what is to be done. While an outcome is awaited, events wait.
    pub(crate) fn on(&mut self, now: Now, event: Event, records: &dyn Records) -> Vec<Effect> {
        let mut turn = Turn { now, records, effects: Vec::new() };
        self.work.later.push_back(event);
        self.go_on(&mut turn);
        turn.effects
    }

    /// Takes the outcome of the last effect, and says what is to be done next. One that is not awaited changes nothing.
    pub(crate) fn done(&mut self, now: Now, outcome: Outcome, records: &dyn Records) -> Vec<Effect> {
        let mut turn = Turn { now, records, effects: Vec::new() };
        match (self.work.awaited.take(), outcome) {
            (Some(Awaited::Meter(interval)), Outcome::MeterRead(shown)) => self.meter_read(now, interval, shown),
            (Some(Awaited::Publish(sent)), Outcome::Published { taken }) => self.published(now, &sent, taken),
            (Some(Awaited::Write(then)), Outcome::Written { receipts_refused }) => {
                self.receipts_refused = receipts_refused.unwrap_or(self.receipts_refused);
                self.written(now, then);
            }
            (Some(Awaited::Write(_)), Outcome::StoreFailed(fault)) => self.halt(&fault),
            (awaited, _) => self.work.awaited = awaited,
        }
        self.go_on(&mut turn);
        turn.effects
    }

    /// Goes from stage to stage and from event to event, until an outcome is awaited or nothing is left.
    fn go_on(&mut self, turn: &mut Turn<'_>) {
        while self.work.awaited.is_none() {
            match self.work.stage {
                Stage::Idle => {
                    let Some(event) = self.work.later.pop_front() else { return };
                    self.work.stage = Stage::Reading;
                    self.begin(turn, event);
                }
                Stage::Reading if self.work.round.is_some() => self.read_on(turn),
                Stage::Reading => self.work.stage = Stage::Acknowledging,
                Stage::Acknowledging => {
                    self.work.stage = Stage::Ordering;
                    // What could not be stored is not acknowledged: the broker delivers it again.
                    let stored = self.work.heard.take().filter(|_| !self.live.halted);
                    turn.effects.extend(stored.map(Effect::Acknowledge));
                }
                Stage::Ordering => {
                    self.work.stage = Stage::Sending;
                    self.place_order(turn);
                }
                Stage::Sending => {
                    self.work.stage = Stage::Idle;
                    self.send(turn);
                }
            }
        }
    }

    fn begin(&mut self, turn: &mut Turn<'_>, event: Event) {
        match event {
            Event::Wake => {
                if self.live.meter_retry.is_none_or(|at| at <= turn.now.monotonic) {
                    self.live.meter_retry = None;
                    self.begin_round(turn.now);
                }
            }
            Event::Connected => {
                tracing::info!(device = %self.identity.device_key.public(), "connected to the broker");
                self.live.connected = true;
                self.live.order_sent = None;
                self.outbox.reconnected();
                self.alarms.clear(AlarmKind::BrokerUnreachable);
            }
            Event::Disconnected { failures, error } => {
                self.live.connected = false;
                tracing::debug!("no connection to the broker, attempt {failures}: {error}");
                if failures >= FAILURES_ALARM {
                    self.alarms.raise(AlarmKind::BrokerUnreachable, Detail::Said(error));
                }
            }
            Event::SubscriptionRefused => self.alarms.raise(AlarmKind::BrokerRefuses, Detail::TopicsRefused),
            Event::Chosen(choice) => self.choose(turn, choice),
            Event::Answered { height, answers } => self.told_of_witnesses(turn, height, &answers),
            Event::Message { delivery, kind, retained, payload } => {
                self.work.heard = Some(delivery);
                if !retained {
                    self.live.market_heard_s = Some(turn.now.utc_s);
                }
                match kind {
                    Inbound::Gate => self.announcement(turn.now, &payload),
                    Inbound::Answer => self.answer(turn, &payload),
                    Inbound::Receipt => self.receipt(turn, payload),
                    Inbound::Registration => self.registration(&payload),
                    Inbound::Quota => self.quota(turn, &payload),
                }
            }
        }
    }

    /// Has something written; `then` follows once it is.
    fn write(&mut self, turn: &mut Turn<'_>, write: Write, then: Then) {
        turn.effects.push(Effect::Write(Box::new(write)));
        self.work.awaited = Some(Awaited::Write(then));
    }

    fn written(&mut self, now: Now, then: Then) {
        match then {
            Then::Nothing => {}
            Then::Queue(stored) => self.appended(now, stored),
            Then::Order(record) => {
                self.orders.push(record);
                self.live.order_sent = None;
            }
            Then::Choose(choice) => self.chosen(choice),
            Then::Ration(quotas) => self.rationed(quotas),
            Then::Settle(settled) => self.settled(now, *settled),
            Then::Accuse(fault) => self.accuse(&fault),
            Then::TellOfOtherHistory(detail) => self.alarms.raise(AlarmKind::OtherHistory, detail),
        }
    }

    /// Nothing can be stored: from now on nothing is signed and nothing acknowledged.
    fn halt(&mut self, fault: &StoreFault) {
        self.live.halted = true;
        self.work.round = None;
        self.alarms.raise(AlarmKind::StorageFailed, Detail::NothingStored(fault.to_string()));
    }

    /// How far the time of the market has come for sure.
    fn horizon(&self, now: Now) -> Horizon {
        let settled = self.today.and_then(|today| today.settled_until).max(Some(self.before_first));
        // Of what nobody reads there is no receipt that could bear out more.
        let settled = settled.map(|settled| self.identity.out_of_reach.end_after(settled));
        Horizon::of(self.before_first, settled, self.identity.clock, now.utc_s)
    }

    /// The interval up to which the meter is read.
    fn open(&self, now: Now) -> Option<Interval> {
        self.horizon(now).open(self.live.announced, self.identity.clock)
    }
}

#[cfg(test)]
mod tests;
