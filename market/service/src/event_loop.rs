//! The heart of the service: one loop. It owns what takes time (the broker, the disk, the ledger's answers, the clock),
//! hands whatever happens to [the decider](super::decide), and does what that decides. What takes long is done in tasks
//! beside it, and comes back as an event.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use protocol::{
    answer::{Answer, Outcome, Refusal},
    api::SETTLEMENTS_PER_PAGE_MAX,
    hash::Hash,
    interval::Interval,
    key::DeviceId,
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
};

use super::{
    alarm,
    community::Community,
    config::{Clock, Unread},
    console::{Board, Noted, SETTLED_LATER},
    decide::{Decider, Effect, Event, Question, Shown},
    desk::Desk,
    gate::{Now, Pace},
    group::Group,
    ledger_client::{LedgerClient, LedgerError},
    mqtt::{Incoming, Link},
    pipeline::{Pipeline, Stage},
    proofs::Heard,
    publisher::Outgoing,
    push::push,
    receipts::{self, Again},
    refusals::Refusals,
    snapshot::Snapshot,
    store::{Store, StoreError},
};

const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// After so many answers that are behind what was seen settled, the sighting itself is doubted.
const BEHIND_MAX: usize = 20;

/// What others may know of the market's progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The last interval that was settled.
    pub(crate) settled: Option<Interval>,
    /// Whether the last interval of all is settled.
    pub(crate) finished: bool,
}

/// The market.
pub(crate) struct Market {
    pub(crate) community: Arc<Community>,
    pub(crate) clock: Clock,
    pub(crate) until: Option<Interval>,
    pub(crate) gate_delay_ms: u64,
    pub(crate) store: Store,
    pub(crate) ledger: LedgerClient,
    pub(crate) link: Link,
    pub(crate) desk: Desk,
    /// Notified when there is something to report.
    pub(crate) conflicts: Arc<Notify>,
    pub(crate) receipts: receipts::Orders,
    /// Told what the ledger says of the members, for whoever tells them.
    pub(crate) heard: Heard,
    pub(crate) ahead: mpsc::Receiver<Interval>,
    pub(crate) board: Board,
    pub(crate) refusals: Refusals,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Market {
    /// Runs until it is told to stop, or its state cannot be written.
    pub(crate) async fn run(self) -> Result<(), StoreError> {
        let restored = self.store.readings(&self.community.chain)?;
        let pace = match &self.clock {
            Clock::System => Pace::Utc,
            Clock::Replay { interval_ms, unread, .. } => Pace::Replay {
                interval_ms: interval_ms.ms(),
                until: self.until,
                unread: unread.iter().map(|Unread { from, devices }| (from.0, *devices)).collect(),
            },
        };
        let mut running = Running {
            decider: Decider::new(self.community.clone(), pace, self.gate_delay_ms, restored),
            pipeline: Pipeline::new(self.community.chain, self.store.clone()),
            asking: JoinSet::new(),
            started: Instant::now(),
            market: self,
        };
        running.run().await
    }
}

struct Running {
    market: Market,
    decider: Decider,
    pipeline: Pipeline,
    /// At most one task that asks the ledger.
    asking: JoinSet<Event>,
    started: Instant,
}

/// What the loop waits for.
enum Happened {
    Event(Event),
    Mqtt(Incoming),
    Stop,
}

impl Running {
    async fn run(&mut self) -> Result<(), StoreError> {
        let mut happened = Happened::Event(Event::Started);
        loop {
            match happened {
                Happened::Stop => {
                    self.pipeline.shut_down().await;
                    return Ok(());
                }
                Happened::Mqtt(first) => self.take_in(first),
                Happened::Event(event) => {
                    for effect in self.decider.on(self.now(), event) {
                        self.perform(effect).await?;
                    }
                }
            }
            happened = self.next().await?;
        }
    }

    async fn next(&mut self) -> Result<Happened, StoreError> {
        let due = self.decider.due_in_ms(self.now());
        let timer = async {
            match due {
                Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                None => std::future::pending().await,
            }
        };
        let market = &mut self.market;
        let takes_in = self.decider.takes_in() && self.pipeline.room(1) > 0;
        let Link { publisher, inbox, .. } = &mut market.link;
        let incoming = async {
            publisher.room_for_answers().await;
            inbox.recv().await
        };
        let event = tokio::select! {
            biased;
            _ = market.stop.wait_for(|stop| *stop) => return Ok(Happened::Stop),
            Some(answer) = self.asking.join_next() => answer.map_err(|error| StoreError::crashed(&error))?,
            Some(placed) = market.desk.answers.recv() => Event::Placed(placed),
            Some(next) = market.ahead.recv() => Event::LedgerAhead(next),
            stage = self.pipeline.next() => match stage? {
                Stage::Opened(groups) => Event::Opened(groups),
                Stage::Stored(decided) => Event::Stored(decided),
            },
            Some(incoming) = incoming, if takes_in => return Ok(Happened::Mqtt(incoming)),
            () = timer => Event::Timer,
        };
        Ok(Happened::Event(event))
    }

    fn now(&self) -> Now {
        let utc_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { ms, utc_s: i64::try_from(utc_s).unwrap_or(i64::MAX) }
    }

    /// Takes in a message and what waits behind it, as much as makes a group.
    fn take_in(&mut self, first: Incoming) {
        let roll = self.market.community.roll();
        let inbox = &mut self.market.link.inbox;
        let room = self.pipeline.room(inbox.len() + 1);
        let mut group = Group::with_room(room.min(inbox.len() + 1));
        let sieve = self.decider.sieve(&roll);
        let mut oversized = 0;
        let mut next = Some(first);
        while let Some(incoming) = next {
            match incoming {
                Incoming::Oversized { bytes } => {
                    tracing::warn!(bytes, refusal = %Refusal::Malformed, "refused");
                    oversized += 1;
                }
                Incoming::Message(message) => group.deliver(&sieve, message),
            }
            next = if group.len() < room { inbox.try_recv().ok() } else { None };
        }
        (0..oversized).for_each(|_| self.count(Refusal::Malformed));
        if group.len() > 0 {
            self.pipeline.verify(group, roll);
        }
    }

    async fn perform(&mut self, effect: Effect) -> Result<(), StoreError> {
        let market = &mut self.market;
        match effect {
            Effect::Store(decided) => self.pipeline.store(decided)?,
            Effect::Keep(reading, conflict) => {
                market.store.keep(&[*reading], conflict.as_deref().map_or(&[], std::slice::from_ref))?;
                market.store.flush().await?;
            }
            Effect::Forget(gone) => market.store.forget(&gone)?,
            Effect::Announce(announcement) => {
                let topic = market.community.topics.gate();
                market.link.publisher.announce(Outgoing { topic, payload: json(&announcement), retain: true });
            }
            Effect::Answer(device, message, outcome) => self.answer(&device, message, outcome),
            Effect::Acknowledge(deliveries) => {
                deliveries.into_iter().for_each(|delivery| market.link.acknowledge(delivery));
            }
            Effect::Place(device, order) => {
                if market.desk.orders.try_send((device, *order)).is_err() {
                    tracing::warn!(
                        %device,
                        "too many orders wait for the ledger: one is left unanswered; its agent asks again"
                    );
                }
            }
            Effect::HandOn(device, status) => {
                if market.desk.statuses.try_send((device, *status)).is_err() {
                    tracing::warn!(%device, "too many statuses wait for the ledger: one is left out until the next");
                }
            }
            Effect::ForwardAgain(device, member, interval) => {
                market.receipts.again.try_send(Again { device, member, interval }).ok();
            }
            Effect::Report => market.conflicts.notify_one(),
            Effect::Ask(question) => {
                let (ledger, board) = (market.ledger.clone(), market.board.clone());
                self.asking.spawn(async move { Event::Synced(Box::new(ask(&ledger, &board, question).await)) });
            }
            Effect::Push(proposal) => {
                let ledger = market.ledger.clone();
                self.asking.spawn(async move {
                    let pushed = push(&ledger, &proposal).await;
                    Event::Pushed(proposal, Box::new(pushed))
                });
            }
            Effect::Follow(settled) => {
                market.receipts.settled.send_replace(settled);
                market.progress.send_modify(|progress| progress.settled = settled);
                if let Some(ready) = market.link.ready.take() {
                    ready.send(()).ok();
                }
            }
            Effect::Finish => market.progress.send_modify(|progress| progress.finished = true),
            Effect::Count(refusal) => self.count(refusal),
            Effect::Show(shown) => {
                if let Shown::Ledger(snapshot) = &shown {
                    market.heard.send_replace(Some(snapshot.clone()));
                }
                show(&market.board, shown);
            }
        }
        Ok(())
    }

    fn count(&self, refusal: Refusal) {
        self.market.refusals.count(refusal);
        self.market.board.refused(refusal);
    }

    fn answer(&self, device: &DeviceId, message: Hash, outcome: Outcome) {
        let topic = self.market.community.topics.answer(device);
        let answer = Outgoing { topic, payload: json(&Answer { message, outcome }), retain: false };
        if !self.market.link.publisher.answer(answer) {
            tracing::warn!("too many answers wait for the broker: one is dropped; agents ask again");
        }
    }
}

/// Asks the ledger where it stands until it answers, and shows the board what it has settled meanwhile.
async fn ask(ledger: &LedgerClient, board: &Board, question: Question) -> Snapshot {
    let Question { at_least, avoid, pause, mut shown_to } = question;
    tokio::time::sleep(pause).await;
    let mut retry = RETRY_MIN;
    let mut behind = 0;
    loop {
        let expected = at_least.filter(|_| behind < BEHIND_MAX);
        let answer = async {
            let snapshot = ledger.snapshot(expected, avoid).await?;
            while shown_to < snapshot.next {
                for settled in ledger.settlements_in_force(shown_to, SETTLEMENTS_PER_PAGE_MAX, None).await? {
                    board.settled(&settled, None);
                    shown_to = settled.interval.next().unwrap_or(snapshot.next);
                }
            }
            Ok::<_, LedgerError>(snapshot)
        };
        match answer.await {
            Ok(snapshot) => return snapshot,
            Err(error) if retry == RETRY_MIN => tracing::debug!(%error, "the ledger does not answer yet"),
            Err(error) => tracing::warn!(%error, "the ledger does not answer; trying again"),
        }
        behind += 1;
        tokio::time::sleep(retry).await;
        retry = (retry * 2).min(RETRY_MAX);
    }
}

fn show(board: &Board, shown: Shown) {
    match shown {
        Shown::Opened(interval) => board.opened(interval),
        Shown::Read { devices, expected } => board.reading_taken(devices, expected),
        Shown::Closed(interval) => board.closed(interval),
        Shown::Settled(settled, cleared) => {
            board.settled(&settled, cleared.as_ref().map(|(picture, _)| &**picture));
            if let Some((_, late)) = cleared {
                board.noted(Noted::Late, SETTLED_LATER, late);
            }
            if let Some(provisional) = &settled.provisional {
                board.noted(Noted::Provisional, alarm::reason(provisional), settled.lines.len());
            }
        }
        Shown::Refused(interval, reason) => board.settlement_refused(interval, reason),
        Shown::Unfit(reason) => board.unfit(reason),
        Shown::Ledger(snapshot) => board.rules_and_members(&snapshot.rules, &snapshot.members),
    }
}

fn json<T: serde::Serialize>(message: &T) -> Vec<u8> {
    match serde_json::to_vec(message) {
        Ok(json) => json,
        Err(error) => unreachable!("an answer has only text keys and integers: {error}"),
    }
}
