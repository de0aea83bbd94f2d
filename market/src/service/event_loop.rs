//! The heart of the service: one loop over one closed list of events. It decides; what takes long (the ledger's
//! answers, receipts, the broker) happens in tasks beside it, and comes back as an event.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use protocol::{
    answer::{Announcement, Answer, Outcome, Refusal},
    api::Settled,
    envelope::{Sealed, Signed},
    hash::Hash,
    interval::Interval,
    key::DeviceId,
    reading::{Reading, SignedReading},
    topic::FromAgent,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use super::{
    alarm,
    book::Book,
    community::Community,
    config::Clock,
    console::{Board, Noted, SETTLED_LATER},
    gate::{Gate, Now, Pace, Read, Step},
    intake::{CLOCK_SKEW_S_MAX, Intake, Refused, Then},
    ledger_client::{LedgerClient, Snapshot},
    mqtt::{Body, Delivery, Incoming, Link, Message, Outgoing},
    orders::{self, Desk, Placed},
    receipts::{self, Again},
    refusals::Refusals,
    settle::{Proposal, Pushed, propose, push},
    store::{Store, StoreError},
};

/// Most messages that are verified, stored and answered together.
const GROUP_MAX: usize = 128;
const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// Pause before an interval whose settlement was refused is settled again.
/// Pause where the ledger has members or rules that this program does not know how to clear: until it is upgraded.
const UNFIT_PAUSE: Duration = Duration::from_secs(10);
const REFUSED_PAUSE: Duration = Duration::from_secs(1);
/// After so many answers that are behind what was seen settled, the sighting itself is doubted.
const BEHIND_MAX: usize = 20;

/// Everything that can happen to a market.
enum Event {
    Mqtt(Incoming),
    Ledger(Box<LedgerAnswer>),
    Placed(Placed),
    /// Enough validators say that the ledger is past the open interval.
    LedgerAhead(Interval),
    Timer,
    Stop,
}

/// What a task that asked the ledger brings back.
enum LedgerAnswer {
    Synced(Snapshot),
    Pushed(Proposal, Pushed),
}

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
    pub(crate) receipts: receipts::Orders,
    pub(crate) ahead: mpsc::Receiver<Interval>,
    pub(crate) board: Board,
    pub(crate) refusals: Refusals,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Market {
    /// Runs until it is told to stop, or its state cannot be written.
    pub(crate) async fn run(self) -> Result<(), StoreError> {
        let mut book = Book::new(&self.community.genesis, self.community.before_first);
        for reading in self.store.readings(&self.community.chain)? {
            book.take(reading);
        }
        let pace = match self.clock {
            Clock::System => Pace::Utc,
            Clock::Replay { interval_ms, .. } => Pace::Replay { interval_ms: interval_ms.ms(), until: self.until },
        };
        let mut running = Running {
            book,
            gate: Gate::new(pace, self.gate_delay_ms),
            snapshot: None,
            asking: JoinSet::new(),
            shown_to: self.community.genesis.first_interval,
            started: Instant::now(),
            market: self,
        };
        running.sync(None, None, Duration::ZERO);
        running.run().await
    }
}

struct Running {
    market: Market,
    book: Book,
    gate: Gate,
    snapshot: Option<Snapshot>,
    /// At most one task that asks the ledger.
    asking: JoinSet<LedgerAnswer>,
    /// The first interval that the board does not know as settled.
    shown_to: Interval,
    started: Instant,
}

impl Running {
    async fn run(&mut self) -> Result<(), StoreError> {
        loop {
            match self.next_event().await {
                Event::Stop => return Ok(()),
                Event::Mqtt(first) => self.take_in(first).await?,
                Event::Ledger(answer) => match *answer {
                    LedgerAnswer::Synced(snapshot) => self.synced(snapshot).await?,
                    LedgerAnswer::Pushed(proposal, Pushed::Settled(settled)) => self.settled(&proposal, &settled),
                    LedgerAnswer::Pushed(proposal, Pushed::Refused { refusal, detail }) => {
                        tracing::error!(
                            interval = %proposal.interval, refusal, detail,
                            "the ledger refuses the settlement; it is made again from what the ledger says"
                        );
                        let doubted = self.snapshot.as_ref().map(|snapshot| snapshot.source);
                        self.sync(None, doubted, REFUSED_PAUSE);
                    }
                },
                Event::Placed(Placed { device, message, outcome }) => {
                    if let Outcome::Refused { refusal, .. } = outcome {
                        self.count(refusal);
                    }
                    self.answer(&device, message, outcome);
                }
                Event::LedgerAhead(next) => {
                    if self.asking.is_empty() && self.snapshot.as_ref().is_some_and(|known| known.next < next) {
                        self.sync(Some(next), None, Duration::ZERO);
                    }
                }
                Event::Timer => {}
            }
            self.step();
        }
    }

    async fn next_event(&mut self) -> Event {
        let due = self.gate.due_in_ms(self.now(), self.read());
        let timer = async {
            match due {
                Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                None => std::future::pending().await,
            }
        };
        let market = &mut self.market;
        let is_synced = self.snapshot.is_some();
        tokio::select! {
            biased;
            _ = market.stop.wait_for(|stop| *stop) => Event::Stop,
            Some(Ok(answer)) = self.asking.join_next() => Event::Ledger(Box::new(answer)),
            Some(placed) = market.desk.answers.recv() => Event::Placed(placed),
            Some(next) = market.ahead.recv() => Event::LedgerAhead(next),
            Some(incoming) = market.link.inbox.recv(), if is_synced => Event::Mqtt(incoming),
            () = timer => Event::Timer,
        }
    }

    fn now(&self) -> Now {
        let utc_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { ms, utc_s: i64::try_from(utc_s).unwrap_or(i64::MAX) }
    }

    /// Lets the gate do what is due.
    fn step(&mut self) {
        loop {
            match self.gate.step(self.now(), self.read()) {
                Step::Wait => return,
                Step::Open(interval) => {
                    tracing::debug!(%interval, "open");
                    self.announce(&Announcement { open: Some(interval), orders_from: interval.next() });
                    self.market.board.opened(Some(interval));
                    self.show_progress();
                }
                Step::Close(interval) => self.close(interval),
                Step::Finish => {
                    tracing::info!("the last interval is settled");
                    self.announce(&Announcement { open: None, orders_from: None });
                    self.market.board.opened(None);
                    self.market.progress.send_modify(|progress| progress.finished = true);
                }
            }
        }
    }

    fn read(&self) -> Read {
        let devices = self.gate.open().map_or(0, |interval| self.book.read_for(interval));
        Read { devices, expected: self.book.expected(), any: self.book.any_waiting() }
    }

    fn show_progress(&self) {
        if self.gate.open().is_some() {
            let Read { devices, expected, .. } = self.read();
            self.market.board.reading_taken(devices, expected);
        }
    }

    fn announce(&self, announcement: &Announcement) {
        let topic = self.market.community.topics.gate();
        self.market.link.publisher.announce(Outgoing { topic, payload: json(announcement) });
    }

    fn publish(&self, message: Outgoing) {
        if !self.market.link.publisher.try_publish(message) {
            tracing::warn!("too many messages wait for the broker: one is dropped; agents ask again");
        }
    }

    /// Freezes the book of `interval`, clears it and hands the settlement to the ledger.
    fn close(&mut self, interval: Interval) {
        let Some(snapshot) = &self.snapshot else { return };
        match propose(&self.market.community, &self.book, snapshot, interval) {
            Ok(proposal) => {
                tracing::debug!(%interval, members = proposal.members, "closed");
                let ledger = self.market.ledger.clone();
                self.asking.spawn(async move {
                    let pushed = push(&ledger, &proposal).await;
                    LedgerAnswer::Pushed(proposal, pushed)
                });
            }
            Err(error) => {
                tracing::error!(%interval, %error, "the interval cannot be settled; trying again");
                self.sync(None, None, REFUSED_PAUSE);
            }
        }
    }

    fn settled(&mut self, proposal: &Proposal, settled: &Settled) {
        let interval = proposal.interval;
        let ours = settled.settlement == proposal.settlement;
        if !ours {
            tracing::warn!(%interval, settlement = %settled.settlement, "settled with what was handed in before");
        }
        tracing::info!(%interval, members = settled.lines.len(), price = settled.price.map(|price| price.to_string()), "settled");
        alarm::if_provisional(settled);
        if interval == self.shown_to {
            self.market.board.settled(settled, ours.then_some(&proposal.picture));
            if ours {
                self.market.board.noted(Noted::Late, SETTLED_LATER, proposal.late);
            }
            if let Some(provisional) = &settled.provisional {
                self.market.board.noted(Noted::Provisional, alarm::reason(provisional), settled.lines.len());
            }
            self.shown_to = interval.next().unwrap_or(interval);
        }
        self.sync(interval.next(), None, Duration::ZERO);
    }

    /// Asks the ledger where it stands, after `pause`, and shows the board what it has settled meanwhile.
    fn sync(&mut self, at_least: Option<Interval>, avoid: Option<usize>, pause: Duration) {
        let (ledger, board, mut shown_to) = (self.market.ledger.clone(), self.market.board.clone(), self.shown_to);
        self.asking.spawn(async move {
            tokio::time::sleep(pause).await;
            let mut retry = RETRY_MIN;
            let mut behind = 0;
            loop {
                let expected = at_least.filter(|_| behind < BEHIND_MAX);
                let answer = async {
                    let snapshot = ledger.snapshot(expected, avoid).await?;
                    while shown_to < snapshot.next {
                        for settled in ledger.settlements(shown_to).await? {
                            board.settled(&settled, None);
                            shown_to = settled.interval.next().unwrap_or(snapshot.next);
                        }
                    }
                    Ok::<_, super::ledger_client::LedgerError>(snapshot)
                };
                match answer.await {
                    Ok(snapshot) => return LedgerAnswer::Synced(snapshot),
                    Err(error) if retry == RETRY_MIN => tracing::debug!(%error, "the ledger does not answer yet"),
                    Err(error) => tracing::warn!(%error, "the ledger does not answer; trying again"),
                }
                behind += 1;
                tokio::time::sleep(retry).await;
                retry = (retry * 2).min(RETRY_MAX);
            }
        });
    }

    async fn synced(&mut self, snapshot: Snapshot) -> Result<(), StoreError> {
        if let Err(error) = self.market.community.update(&snapshot.members, &snapshot.rules) {
            tracing::error!(%error, "the market cannot clear what the ledger says; trying again");
            self.sync(None, None, UNFIT_PAUSE);
            return Ok(());
        }
        self.market.board.rules_and_members(&snapshot.rules, &snapshot.members);
        let mut gone = self.book.enroll(&snapshot.members, &snapshot.heads);
        gone.extend(self.book.settled(&snapshot.heads));
        self.market.store.forget(&gone)?;
        self.take_committed(&snapshot.committed).await?;
        self.gate.next(snapshot.next);
        self.shown_to = self.shown_to.max(snapshot.next);
        self.market.receipts.settled.send_replace(snapshot.settled);
        self.market.progress.send_modify(|progress| progress.settled = snapshot.settled);
        self.snapshot = Some(snapshot);
        if let Some(ready) = self.market.link.ready.take() {
            ready.send(()).ok();
        }
        Ok(())
    }

    /// Takes in the readings that devices handed to the ledger themselves.
    async fn take_committed(&mut self, committed: &[Sealed]) -> Result<(), StoreError> {
        for sealed in committed {
            let is_known = |signer: &DeviceId| self.book.device(signer).is_some();
            match Signed::<Reading>::open(&sealed.0, &self.market.community.chain, is_known) {
                Ok(reading) => {
                    let Some(gone) = self.book.commit(&reading) else { continue };
                    tracing::info!(device = %reading.signer(), reading = %reading.hash(), "taken from the ledger");
                    self.market.store.forget(&gone)?;
                    self.market.store.keep(&[reading], &[]).await?;
                }
                Err(error) => tracing::warn!(%error, "a node of the ledger shows a committed reading that is none"),
            }
        }
        Ok(())
    }

    /// Takes in a message and whatever waits behind it: verified one by one, stored together, then answered.
    async fn take_in(&mut self, first: Incoming) -> Result<(), StoreError> {
        let mut group = Group::default();
        let mut next = Some(first);
        let mut count = 0;
        while let Some(incoming) = next {
            match incoming {
                Incoming::Oversized { bytes } => {
                    tracing::warn!(bytes, refusal = %Refusal::Malformed, "refused");
                    self.count(Refusal::Malformed);
                }
                Incoming::Message(message) => self.take_message(message, &mut group),
            }
            count += 1;
            next = if count < GROUP_MAX { self.market.link.inbox.try_recv().ok() } else { None };
        }
        if !group.readings.is_empty() || !group.evidence.is_empty() {
            self.market.store.keep(&group.readings, &group.evidence).await?;
            self.show_progress();
        }
        for (device, message, outcome) in group.answers {
            self.answer(&device, message, outcome);
        }
        for delivery in group.deliveries {
            self.market.link.publisher.acknowledge(delivery);
        }
        Ok(())
    }

    fn take_message(&mut self, message: Message, group: &mut Group) {
        let Message { topic, body, delivery } = message;
        group.deliveries.push(delivery);
        let topic = self.market.community.topics.parse_from_agent(&topic);
        let Some((device, kind)) = topic else {
            tracing::warn!(refusal = %Refusal::UnknownDevice, "refused: a message on the topic of no device");
            self.count(Refusal::UnknownDevice);
            return;
        };
        let (hash, decision) = match body {
            Body::TooLarge { hash, bytes } => {
                let max = protocol::limits::MESSAGE_BYTES_MAX;
                let detail = format!("expected at most {max} bytes, found {bytes}");
                (hash, Err(Refused { refusal: Refusal::Malformed, detail, then: Then::Nothing }))
            }
            Body::Whole(bytes) => {
                let decision = match kind {
                    FromAgent::Reading => self.take_reading(&device, &bytes, group).map(|()| Some(Outcome::Accepted)),
                    FromAgent::Order => self.take_order(&device, &bytes).map(|()| None),
                };
                (Hash::of(&bytes), decision)
            }
        };
        match decision {
            Ok(Some(outcome)) => group.answers.push((device, hash, outcome)),
            Ok(None) => {}
            Err(Refused { refusal, detail, then }) => {
                tracing::info!(%device, %refusal, detail, "refused");
                self.count(refusal);
                self.follow_up(&device, then, group);
                group.answers.push((device, hash, Outcome::Refused { refusal, detail }));
            }
        }
    }

    fn take_reading(&mut self, device: &DeviceId, bytes: &[u8], group: &mut Group) -> Result<(), Refused> {
        let open = self.snapshot.as_ref().map_or(self.market.community.genesis.first_interval, |known| known.next);
        let ended_by_s = match self.market.clock {
            Clock::System => self.now().utc_s + CLOCK_SKEW_S_MAX,
            Clock::Replay { .. } => open.end_s(),
        };
        let community = &self.market.community;
        let intake = Intake { chain: community.chain, first: community.genesis.first_interval, ended_by_s };
        let reading = intake.read(&self.book, device, bytes)?;
        self.book.take(reading.clone());
        group.readings.push(reading);
        Ok(())
    }

    /// Hands an order to the desk. The answer comes from the ledger.
    fn take_order(&self, device: &DeviceId, bytes: &[u8]) -> Result<(), Refused> {
        let Some(snapshot) = &self.snapshot else { return Ok(()) };
        let order = orders::check(&self.market.community, snapshot, device, bytes)?;
        if self.market.desk.orders.try_send((*device, order)).is_err() {
            tracing::warn!(%device, "too many orders wait for the ledger: one is left unanswered; its agent asks again");
        }
        Ok(())
    }

    fn follow_up(&self, device: &DeviceId, then: Then, group: &mut Group) {
        match then {
            Then::Nothing => {}
            Then::ForwardReceipt(reading) => {
                if let Some((member, _)) = self.market.community.member(device) {
                    let again = Again { device: *device, member, interval: reading.interval };
                    self.market.receipts.again.try_send(again).ok();
                }
            }
            Then::KeepEvidence(reading) => {
                tracing::error!(%device, sequence = reading.sequence, "two readings signed under one sequence number");
                group.evidence.push(*reading);
            }
        }
    }

    fn count(&self, refusal: Refusal) {
        self.market.refusals.count(refusal);
        self.market.board.refused(refusal);
    }

    fn answer(&self, device: &DeviceId, message: Hash, outcome: Outcome) {
        let topic = self.market.community.topics.answer(device);
        self.publish(Outgoing { topic, payload: json(&Answer { message, outcome }) });
    }
}

/// Messages that are dealt with together.
#[derive(Default)]
struct Group {
    readings: Vec<SignedReading>,
    evidence: Vec<SignedReading>,
    answers: Vec<(DeviceId, Hash, Outcome)>,
    deliveries: Vec<Delivery>,
}

fn json<T: serde::Serialize>(message: &T) -> Vec<u8> {
    match serde_json::to_vec(message) {
        Ok(json) => json,
        Err(error) => unreachable!("an answer has only text keys and integers: {error}"),
    }
}
