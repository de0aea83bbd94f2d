//! The heart of the service: one loop over one closed list of events. It decides; what takes long (the ledger's
//! answers, receipts, the broker) happens in tasks beside it, and comes back as an event.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use protocol::{
    answer::{Announcement, Answer, Outcome, Refusal},
    api::Settled,
    envelope::{EnvelopeError, Sealed},
    hash::Hash,
    interval::Interval,
    key::DeviceId,
    order::SignedOrder,
    reading::{Reading, SignedReading},
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
};

use super::{
    alarm,
    book::{Book, Displaced},
    community::Community,
    config::Clock,
    conflict::Conflict,
    console::{Board, Noted, SETTLED_LATER},
    gate::{Gate, Now, Pace, Read, Step},
    group::{Decided, Group, Opened, Sieve, Taken, Verdict},
    intake::{CLOCK_SKEW_S_MAX, Intake, Refused, Then},
    ledger_client::{LedgerClient, Snapshot},
    line::{self, Line},
    mqtt::{Incoming, Link},
    orders::{self, Desk, Placed},
    publisher::Outgoing,
    receipts::{self, Again},
    refusals::Refusals,
    settle::{Proposal, Pushed, propose, push},
    store::{Store, StoreError},
};

const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// Pause where the ledger has members or rules that this program does not know how to clear: until it is upgraded.
const UNFIT_PAUSE: Duration = Duration::from_secs(10);
/// Pause before an interval whose settlement was refused is settled again.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);
/// After so many answers that are behind what was seen settled, the sighting itself is doubted.
const BEHIND_MAX: usize = 20;

/// Everything that can happen to a market.
enum Event {
    Mqtt(Incoming),
    Line(line::Step),
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
    /// Notified when there is something to report.
    pub(crate) conflicts: Arc<Notify>,
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
        let restored = self.store.readings(&self.community.chain)?;
        let pace = match self.clock {
            Clock::System => Pace::Utc,
            Clock::Replay { interval_ms, .. } => Pace::Replay { interval_ms: interval_ms.ms(), until: self.until },
        };
        let mut running = Running {
            book: Book::new(&self.community.genesis, self.community.before_first),
            restored,
            line: Line::new(self.community.chain, self.store.clone()),
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
    /// Readings from before a restart, until the ledger says whose devices there are.
    restored: Vec<SignedReading>,
    line: Line,
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
            match self.next_event().await? {
                Event::Stop => {
                    self.line.shut_down().await;
                    return Ok(());
                }
                Event::Mqtt(first) => self.take_in(first),
                Event::Line(line::Step::Opened(groups)) => self.decide(groups)?,
                Event::Line(line::Step::Stored(decided)) => self.stored(decided),
                Event::Ledger(answer) => match *answer {
                    LedgerAnswer::Synced(snapshot) => self.synced(snapshot).await?,
                    LedgerAnswer::Pushed(proposal, Pushed::Settled(settled)) => self.settled(&proposal, &settled),
                    LedgerAnswer::Pushed(proposal, Pushed::Refused { refusal, detail }) => {
                        tracing::error!(
                            interval = %proposal.interval, refusal, detail,
                            "the ledger refuses the settlement; it is made again from what the ledger says"
                        );
                        self.market.board.settlement_refused(proposal.interval, format!("{refusal}: {detail}"));
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

    async fn next_event(&mut self) -> Result<Event, StoreError> {
        let due = self.gate.due_in_ms(self.now(), self.read());
        let timer = async {
            match due {
                Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                None => std::future::pending().await,
            }
        };
        let market = &mut self.market;
        let takes_in = self.snapshot.is_some() && self.line.room(1) > 0;
        let is_storing = self.line.is_storing();
        let Link { publisher, inbox, .. } = &mut market.link;
        let incoming = async {
            publisher.room_for_answers().await;
            inbox.recv().await
        };
        let event = tokio::select! {
            biased;
            _ = market.stop.wait_for(|stop| *stop) => Event::Stop,
            Some(answer) = self.asking.join_next() => {
                Event::Ledger(Box::new(answer.map_err(|error| StoreError::crashed(&error))?))
            }
            Some(placed) = market.desk.answers.recv() => Event::Placed(placed),
            Some(next) = market.ahead.recv() => Event::LedgerAhead(next),
            step = self.line.next() => Event::Line(step?),
            Some(incoming) = incoming, if takes_in => Event::Mqtt(incoming),
            () = timer, if !is_storing => Event::Timer,
        };
        Ok(event)
    }

    fn now(&self) -> Now {
        let utc_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { ms, utc_s: i64::try_from(utc_s).unwrap_or(i64::MAX) }
    }

    /// Lets the gate do what is due; nothing while the book holds what may not be on disk yet, because what is cleared
    /// has to be there after a crash.
    fn step(&mut self) {
        while !self.line.is_storing() {
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

    /// Freezes the book of `interval`, clears it and hands the settlement to the ledger.
    fn close(&mut self, interval: Interval) {
        let Some(snapshot) = &self.snapshot else { return };
        match propose(&self.market.community, &self.book, snapshot, interval) {
            Ok(proposal) => {
                tracing::debug!(%interval, members = proposal.members, "closed");
                self.market.board.closed(interval);
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
            self.market.board.unfit(error.to_string());
            self.sync(None, None, UNFIT_PAUSE);
            return Ok(());
        }
        self.market.board.rules_and_members(&snapshot.rules, &snapshot.members);
        let mut gone = self.book.enroll(&snapshot.members, &snapshot.heads);
        gone.extend(self.restored.drain(..).filter_map(|reading| self.book.take(reading)));
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
            match sealed.open::<Reading>(&self.market.community.chain, is_known) {
                Ok(reading) => {
                    let Some(Displaced { gone, conflict }) = self.book.commit(&reading) else { continue };
                    let device = reading.signer();
                    tracing::info!(%device, reading = %reading.hash(), "taken from the ledger");
                    self.market.store.forget(&gone)?;
                    self.market.store.keep(&[reading], conflict.as_slice())?;
                    self.market.store.flush().await?;
                    if let Some(conflict) = conflict {
                        self.report(&conflict);
                    }
                }
                Err(error) => tracing::warn!(%error, "a node of the ledger shows a committed reading that is none"),
            }
        }
        Ok(())
    }

    /// Takes in a message and what waits behind it, as much as makes a group.
    fn take_in(&mut self, first: Incoming) {
        let roll = self.market.community.roll();
        let inbox = &mut self.market.link.inbox;
        let room = self.line.room(inbox.len() + 1);
        let mut group = Group::with_room(room.min(inbox.len() + 1));
        let sieve = Sieve { topics: &self.market.community.topics, roll: &roll, book: &self.book };
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
            self.line.verify(group, roll);
        }
    }

    /// Decides about messages that were opened, and has what is taken stored.
    fn decide(&mut self, groups: Vec<Opened>) -> Result<(), StoreError> {
        let open = self.snapshot.as_ref().map_or(self.market.community.genesis.first_interval, |known| known.next);
        let ended_by_s = match self.market.clock {
            Clock::System => self.now().utc_s + CLOCK_SKEW_S_MAX,
            Clock::Replay { .. } => open.end_s(),
        };
        let intake = Intake { first: self.market.community.genesis.first_interval, ended_by_s };
        let mut decided = Decided::default();
        let (market, snapshot) = (&self.market, self.snapshot.as_ref());
        let place = |device: &DeviceId, opened: &_| place(market, snapshot, device, opened);
        for opened in groups {
            opened.decide(&mut self.book, &intake, place, &mut decided);
        }
        self.line.store(decided)
    }

    /// Answers messages whose readings are on disk.
    fn stored(&mut self, decided: Decided) {
        if !decided.readings.is_empty() {
            self.show_progress();
        }
        for Verdict { device, message, decision } in decided.verdicts {
            match (device, decision) {
                (Some(device), Ok(Taken::Reading)) => self.answer(&device, message, Outcome::Accepted),
                (_, Ok(_)) => {}
                (None, Err(Refused { refusal, detail, .. })) => {
                    tracing::warn!(%refusal, detail, "refused");
                    self.count(refusal);
                }
                (Some(device), Err(Refused { refusal, detail, then })) => {
                    tracing::info!(%device, %refusal, detail, "refused");
                    self.count(refusal);
                    self.follow_up(&device, &then);
                    self.answer(&device, message, Outcome::Refused { refusal, detail });
                }
            }
        }
        for delivery in decided.deliveries {
            self.market.link.acknowledge(delivery);
        }
    }

    fn follow_up(&self, device: &DeviceId, then: &Then) {
        match then {
            Then::Nothing => {}
            Then::ForwardReceipt(interval) => {
                if let Some((member, _)) = self.market.community.member(device) {
                    let again = Again { device: *device, member, interval: *interval };
                    self.market.receipts.again.try_send(again).ok();
                }
            }
            Then::Report(conflict) => self.report(conflict),
        }
    }

    /// Has the ledger told of readings that are on disk.
    fn report(&self, Conflict { second, .. }: &Conflict) {
        tracing::error!(device = %second.signer(), second.sequence, "two readings signed under one sequence number");
        self.market.conflicts.notify_one();
    }

    fn count(&self, refusal: Refusal) {
        self.market.refusals.count(refusal);
        self.market.board.refused(refusal);
    }

    fn answer(&self, device: &DeviceId, message: Hash, outcome: Outcome) {
        let topic = self.market.community.topics.answer(device);
        let answer = Outgoing { topic, payload: json(&Answer { message, outcome }) };
        if !self.market.link.publisher.answer(answer) {
            tracing::warn!("too many answers wait for the broker: one is dropped; agents ask again");
        }
    }
}

/// Hands an order to the desk. The answer comes from the ledger.
fn place(
    market: &Market,
    snapshot: Option<&Snapshot>,
    device: &DeviceId,
    opened: &Result<SignedOrder, EnvelopeError>,
) -> Result<(), Refused> {
    let Some(snapshot) = snapshot else { return Ok(()) };
    let order = orders::check(&market.community, snapshot, device, opened)?;
    if market.desk.orders.try_send((*device, order)).is_err() {
        tracing::warn!(%device, "too many orders wait for the ledger: one is left unanswered; its agent asks again");
    }
    Ok(())
}

fn json<T: serde::Serialize>(message: &T) -> Vec<u8> {
    match serde_json::to_vec(message) {
        Ok(json) => json,
        Err(error) => unreachable!("an answer has only text keys and integers: {error}"),
    }
}
