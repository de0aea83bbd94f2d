//! What the market decides: an event and the time go in, effects come out. Pure: no clock, no socket and no disk is
//! known here, so that whole days can be played through as lists of events. [The loop](super::event_loop) owns them,
//! and does what was decided.
//!
//! At most one question to the ledger is on its way, and at most one list of readings to the disk. While readings are
//! on their way there nothing opens and nothing closes: what is cleared has to be there after a crash.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use market::settlement::Picture;
use protocol::{
    answer::{Announcement, Outcome, Refusal},
    api::Settled,
    envelope::{EnvelopeError, Sealed},
    hash::Hash,
    interval::Interval,
    key::DeviceId,
    member::MemberId,
    order::SignedOrder,
    reading::{Reading, SignedReading},
    status::SignedStatus,
};

use super::{
    alarm,
    book::{Book, Displaced, Gone},
    community::{Community, Roll},
    conflict::Conflict,
    gate::{Gate, Now, Pace, Read, Step},
    group::{Decided, Opened, Sieve, Taken, Verdict},
    intake::{CLOCK_SKEW_S_MAX, Intake, Refused, Then},
    message::Delivery,
    orders::{self, Placed},
    settle::{Proposal, Pushed, propose},
    snapshot::Snapshot,
    statuses::Statuses,
};

/// Pause where the ledger has members or rules that this program does not know how to clear: until it is upgraded.
const UNFIT_PAUSE: Duration = Duration::from_secs(10);
/// Pause before an interval whose settlement was refused is settled again.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// Everything that can happen to a market.
#[derive(Debug)]
pub(crate) enum Event {
    /// It begins.
    Started,
    /// Messages were verified, in the order in which they came.
    Opened(Vec<Opened>),
    /// What was to be [stored](Effect::Store) is on disk.
    Stored(Decided),
    /// The ledger's answer to a [question](Effect::Ask).
    Synced(Box<Snapshot>),
    /// What became of a settlement that was [handed in](Effect::Push).
    Pushed(Box<Proposal>, Box<Pushed>),
    /// The ledger has an opinion of an order or a status.
    Placed(Placed),
    /// Enough validators say that the ledger is past the open interval.
    LedgerAhead(Interval),
    /// It is later.
    Timer,
}

/// What is to be done, in this order.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Store readings that were taken; when they are on disk, they are [stored](Event::Stored).
    Store(Decided),
    /// Store a reading that the ledger has and the book had not, and what contradicts it. What comes after this waits
    /// until both are on disk.
    Keep(Box<SignedReading>, Option<Box<Conflict>>),
    /// Forget readings that wait no longer.
    Forget(Vec<Gone>),
    /// Tell everyone which interval is open.
    Announce(Announcement),
    /// Answer a device's message.
    Answer(DeviceId, Hash, Outcome),
    /// Tell the broker that messages were dealt with.
    Acknowledge(Vec<Delivery>),
    /// Hand an order to the ledger: [placed](Event::Placed), sooner or later.
    Place(DeviceId, Box<SignedOrder>),
    /// Hand a status to the ledger: [placed](Event::Placed), sooner or later.
    HandOn(DeviceId, Box<SignedStatus>),
    /// Forward the receipt of a member's interval to its device once more.
    ForwardAgain(DeviceId, MemberId, Interval),
    /// Tell the ledger of contradictions that are on disk.
    Report,
    /// Ask the ledger where it stands, until it answers: [synced](Event::Synced).
    Ask(Question),
    /// Hand in a settlement, until it is settled or refused: [pushed](Event::Pushed).
    Push(Box<Proposal>),
    /// The ledger has settled up to here: receipts can be forwarded, messages be taken in.
    Follow(Option<Interval>),
    /// The last interval is settled.
    Finish,
    /// Count a refused message.
    Count(Refusal),
    /// Show something on the operator's page.
    Show(Shown),
}

/// A question to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Question {
    /// The next interval to settle is at least this one.
    pub(crate) at_least: Option<Interval>,
    /// A node whose answer was no good.
    pub(crate) avoid: Option<usize>,
    pub(crate) pause: Duration,
    /// The first interval that the operator's page does not know as settled.
    pub(crate) shown_to: Interval,
}

/// What the operator's page is told.
#[derive(Debug)]
pub(crate) enum Shown {
    /// An interval is open, or none.
    Opened(Option<Interval>),
    /// Devices were read for the open interval.
    Read { devices: usize, expected: usize },
    /// An interval is closed and on its way to the ledger.
    Closed(Interval),
    /// An interval is settled; with the picture of its clearing and the number of late readings, where it was cleared
    /// here.
    Settled(Box<Settled>, Option<(Box<Picture>, usize)>),
    /// The ledger refuses a settlement.
    Refused(Interval, String),
    /// The ledger has members or rules that cannot be cleared.
    Unfit(String),
    /// Members and rules of the next interval.
    Ledger(Arc<Snapshot>),
}

/// The market's mind.
#[derive(Debug)]
pub(crate) struct Decider {
    community: Arc<Community>,
    pace: Pace,
    book: Book,
    gate: Gate,
    /// Readings from before a restart, until the ledger says whose devices there are.
    restored: Vec<SignedReading>,
    statuses: Statuses,
    snapshot: Option<Arc<Snapshot>>,
    /// The first interval that the operator's page does not know as settled.
    shown_to: Interval,
    /// Whether something in the book may not be on disk yet.
    is_storing: bool,
    /// Whether the ledger is being asked, or a settlement handed in.
    is_asking: bool,
    effects: VecDeque<Effect>,
}

impl Decider {
    /// The market of a community, with the readings that waited when it stopped.
    pub(crate) fn new(
        community: Arc<Community>,
        pace: Pace,
        gate_delay_ms: u64,
        restored: Vec<SignedReading>,
    ) -> Decider {
        Decider {
            book: Book::new(&community.genesis, community.before_first),
            gate: Gate::new(pace.clone(), gate_delay_ms),
            shown_to: community.genesis.first_interval,
            community,
            pace,
            restored,
            statuses: Statuses::default(),
            snapshot: None,
            is_storing: false,
            is_asking: false,
            effects: VecDeque::new(),
        }
    }

    /// Takes in what happened, and says what is to be done.
    pub(crate) fn on(&mut self, now: Now, event: Event) -> VecDeque<Effect> {
        match event {
            Event::Started => self.ask(None, None, Duration::ZERO),
            Event::Opened(groups) => self.decide(now, groups),
            Event::Stored(decided) => self.stored(decided),
            Event::Synced(snapshot) => self.synced(*snapshot),
            Event::Pushed(proposal, pushed) => match *pushed {
                Pushed::Settled(settled) => self.settled(*proposal, settled),
                Pushed::Refused { refusal, detail } => self.settlement_refused(proposal.interval, &refusal, &detail),
            },
            Event::Placed(Placed { device, message, outcome }) => {
                if let Outcome::Refused { refusal, .. } = outcome {
                    self.effects.push_back(Effect::Count(refusal));
                }
                self.effects.push_back(Effect::Answer(device, message, outcome));
            }
            Event::LedgerAhead(next) => {
                if !self.is_asking && self.snapshot.as_ref().is_some_and(|known| known.next < next) {
                    self.ask(Some(next), None, Duration::ZERO);
                }
            }
            Event::Timer => {}
        }
        self.step(now);
        std::mem::take(&mut self.effects)
    }

    /// In how many milliseconds the time alone can change what there is to do.
    pub(crate) fn due_in_ms(&self, now: Now) -> Option<u64> {
        if self.is_storing { None } else { self.gate.due_in_ms(now, self.read()) }
    }

    /// Whether messages can be taken in: not before the ledger has said whose devices there are.
    pub(crate) fn takes_in(&self) -> bool {
        self.snapshot.is_some()
    }

    /// What messages are sifted by.
    pub(crate) fn sieve<'a>(&'a self, roll: &'a Roll) -> Sieve<'a> {
        Sieve { topics: &self.community.topics, roll, book: &self.book }
    }

    /// Does what the time or what was read makes due.
    fn step(&mut self, now: Now) {
        while !self.is_storing {
            match self.gate.step(now, self.read()) {
                Step::Wait => return,
                Step::Open(interval) => {
                    tracing::debug!(%interval, "open");
                    let announcement = Announcement { open: Some(interval), orders_from: interval.next() };
                    self.effects.push_back(Effect::Announce(announcement));
                    self.show(Shown::Opened(Some(interval)));
                    self.show_progress();
                }
                Step::Close(interval) => self.close(interval),
                Step::Finish => {
                    tracing::info!("the last interval is settled");
                    self.effects.push_back(Effect::Announce(Announcement { open: None, orders_from: None }));
                    self.show(Shown::Opened(None));
                    self.effects.push_back(Effect::Finish);
                }
            }
        }
    }

    fn read(&self) -> Read {
        let devices = self.gate.open().map_or(0, |interval| self.book.read_for(interval));
        Read { devices, expected: self.book.expected(), any: self.book.any_waiting() }
    }

    /// Freezes the book of `interval`, clears it and hands the settlement to the ledger.
    fn close(&mut self, interval: Interval) {
        let Some(snapshot) = &self.snapshot else { return };
        match propose(&self.community, &self.book, snapshot, interval) {
            Ok(proposal) => {
                tracing::debug!(%interval, members = proposal.members, "closed");
                self.show(Shown::Closed(interval));
                self.is_asking = true;
                self.effects.push_back(Effect::Push(Box::new(proposal)));
            }
            Err(error) => {
                tracing::error!(%interval, %error, "the interval cannot be settled; trying again");
                self.ask(None, None, REFUSED_PAUSE);
            }
        }
    }

    fn settled(&mut self, proposal: Proposal, settled: Settled) {
        let interval = proposal.interval;
        let ours = settled.settlement == proposal.settlement;
        if !ours {
            tracing::warn!(%interval, settlement = %settled.settlement, "settled with what was handed in before");
        }
        let price = settled.price.map(|price| price.to_string());
        tracing::info!(%interval, members = settled.lines.len(), price, "settled");
        alarm::if_provisional(&settled);
        if interval == self.shown_to {
            let cleared = ours.then(|| (Box::new(proposal.picture), proposal.late));
            self.show(Shown::Settled(Box::new(settled), cleared));
            self.shown_to = interval.next().unwrap_or(interval);
        }
        self.ask(interval.next(), None, Duration::ZERO);
    }

    fn settlement_refused(&mut self, interval: Interval, refusal: &str, detail: &str) {
        tracing::error!(
            %interval, refusal, detail,
            "the ledger refuses the settlement; it is made again from what the ledger says"
        );
        self.show(Shown::Refused(interval, format!("{refusal}: {detail}")));
        let doubted = self.snapshot.as_ref().map(|snapshot| snapshot.source);
        self.ask(None, doubted, REFUSED_PAUSE);
    }

    /// Asks the ledger where it stands, after `pause`.
    fn ask(&mut self, at_least: Option<Interval>, avoid: Option<usize>, pause: Duration) {
        self.is_asking = true;
        self.effects.push_back(Effect::Ask(Question { at_least, avoid, pause, shown_to: self.shown_to }));
    }

    fn synced(&mut self, snapshot: Snapshot) {
        self.is_asking = false;
        let snapshot = Arc::new(snapshot);
        if let Err(error) = self.community.update(&snapshot.members, &snapshot.rules) {
            tracing::error!(%error, "the market cannot clear what the ledger says; trying again");
            self.show(Shown::Unfit(error.to_string()));
            return self.ask(None, None, UNFIT_PAUSE);
        }
        self.show(Shown::Ledger(snapshot.clone()));
        let mut gone = self.book.enroll(&snapshot.members, &snapshot.heads);
        gone.extend(self.restored.drain(..).filter_map(|reading| self.book.take(reading)));
        gone.extend(self.book.settled(&snapshot.heads));
        self.effects.push_back(Effect::Forget(gone));
        self.take_committed(&snapshot.committed);
        self.gate.next(snapshot.next);
        self.shown_to = self.shown_to.max(snapshot.next);
        self.effects.push_back(Effect::Follow(snapshot.settled));
        self.snapshot = Some(snapshot);
    }

    /// Takes in the readings that devices handed to the ledger themselves.
    fn take_committed(&mut self, committed: &[Sealed]) {
        for sealed in committed {
            let is_known = |signer: &DeviceId| self.book.device(signer).is_some();
            match sealed.open::<Reading>(&self.community.chain, is_known) {
                Ok(reading) => {
                    let Some(Displaced { gone, conflict }) = self.book.commit(&reading) else { continue };
                    let device = reading.signer();
                    tracing::info!(%device, reading = %reading.hash(), "taken from the ledger");
                    self.effects.push_back(Effect::Forget(gone));
                    let conflict = conflict.map(Box::new);
                    self.effects.push_back(Effect::Keep(Box::new(reading), conflict.clone()));
                    if let Some(conflict) = conflict {
                        self.report(&conflict);
                    }
                }
                Err(error) => tracing::warn!(%error, "a node of the ledger shows a committed reading that is none"),
            }
        }
    }

    /// Decides about messages that were opened, and has what is taken stored.
    fn decide(&mut self, now: Now, groups: Vec<Opened>) {
        let first = self.community.genesis.first_interval;
        let ended_by_s = match self.pace {
            Pace::Utc => now.utc_s + CLOCK_SKEW_S_MAX,
            Pace::Replay { .. } => self.snapshot.as_ref().map_or(first, |known| known.next).end_s(),
        };
        let intake = Intake { first, ended_by_s };
        let Decider { community, snapshot, book, statuses, effects, .. } = self;
        let (mut placed, mut handed_on) = (Vec::new(), Vec::new());
        let mut place = |device: &DeviceId, opened: &Result<SignedOrder, EnvelopeError>| -> Result<(), Refused> {
            let Some(snapshot) = snapshot.as_ref() else { return Ok(()) };
            let order = orders::check(community, snapshot, device, opened)?;
            placed.push(Effect::Place(*device, Box::new(order)));
            Ok(())
        };
        let mut report = |device: &DeviceId, opened: &Result<SignedStatus, EnvelopeError>| -> Result<(), Refused> {
            let Some(snapshot) = snapshot.as_ref() else { return Ok(()) };
            let status = statuses.take(community, snapshot, device, opened)?;
            handed_on.push(Effect::HandOn(*device, Box::new(status)));
            Ok(())
        };
        let mut decided = Decided::default();
        for opened in groups {
            opened.decide(book, &intake, &mut place, &mut report, &mut decided);
        }
        effects.extend(placed);
        effects.extend(handed_on);
        self.is_storing = true;
        self.effects.push_back(Effect::Store(decided));
    }

    /// Answers messages whose readings are on disk.
    fn stored(&mut self, decided: Decided) {
        self.is_storing = false;
        if !decided.readings.is_empty() {
            self.show_progress();
        }
        for Verdict { device, message, decision } in decided.verdicts {
            match (device, decision) {
                (Some(device), Ok(Taken::Reading)) => {
                    self.effects.push_back(Effect::Answer(device, message, Outcome::Accepted));
                }
                (_, Ok(_)) => {}
                (None, Err(Refused { refusal, detail, .. })) => {
                    tracing::warn!(%refusal, detail, "refused");
                    self.effects.push_back(Effect::Count(refusal));
                }
                (Some(device), Err(Refused { refusal, detail, then })) => {
                    tracing::info!(%device, %refusal, detail, "refused");
                    self.effects.push_back(Effect::Count(refusal));
                    self.follow_up(&device, &then);
                    self.effects.push_back(Effect::Answer(device, message, Outcome::Refused { refusal, detail }));
                }
            }
        }
        self.effects.push_back(Effect::Acknowledge(decided.deliveries));
    }

    fn follow_up(&mut self, device: &DeviceId, then: &Then) {
        match then {
            Then::Nothing => {}
            Then::ForwardReceipt(interval) => {
                if let Some((member, _)) = self.community.member(device) {
                    self.effects.push_back(Effect::ForwardAgain(*device, member, *interval));
                }
            }
            Then::Report(conflict) => self.report(conflict),
        }
    }

    /// Has the ledger told of readings that are on disk.
    fn report(&mut self, Conflict { second, .. }: &Conflict) {
        tracing::error!(device = %second.signer(), second.sequence, "two readings signed under one sequence number");
        self.effects.push_back(Effect::Report);
    }

    fn show(&mut self, shown: Shown) {
        self.effects.push_back(Effect::Show(shown));
    }

    fn show_progress(&mut self) {
        if self.gate.open().is_some() {
            let Read { devices, expected, .. } = self.read();
            self.show(Shown::Read { devices, expected });
        }
    }
}

#[cfg(test)]
mod tests;
