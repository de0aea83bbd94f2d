//! Messages that are dealt with together. Pure, like [the intake](super::intake) that decides about each of them.
//!
//! They are sifted first: what no signature could make right, and copies of what was taken in before, go no further.
//! The rest is opened, each message once however often it is there, with all signatures verified together; and then
//! decided about, one message after the other, in the order in which they came.

use foldhash::{HashMap, HashMapExt};
use protocol::{
    answer::Refusal,
    envelope::{ChainId, EnvelopeError, Payload, Sealed, Signed},
    hash::Hash,
    key::{DeviceId, KnownKey},
    limits::MESSAGE_BYTES_MAX,
    order::{Order, SignedOrder},
    reading::{Reading, SignedReading},
    status::{DeviceStatus, SignedStatus},
    topic::{FromAgent, Topics},
};

use super::{
    book::Book,
    community::Roll,
    conflict::Conflict,
    intake::{Intake, Refused, Then, refuse_copy},
    message::{Body, Delivery, Message},
};

/// Most messages of a group; where fewer are verified together, each takes longer.
pub(crate) const GROUP_MAX: usize = 2_560;

/// What a message is sifted by.
pub(crate) struct Sieve<'a> {
    pub(crate) topics: &'a Topics,
    pub(crate) roll: &'a Roll,
    pub(crate) book: &'a Book,
}

/// Messages, sifted.
#[derive(Debug, Default)]
pub(crate) struct Group {
    entries: Vec<Entry>,
    deliveries: Vec<Delivery>,
    readings: Pile,
    orders: Pile,
    statuses: Pile,
}

/// A message, and what is known of it.
#[derive(Debug)]
struct Entry {
    /// Whose topic it is on.
    device: Option<DeviceId>,
    message: Hash,
    matter: Matter,
}

#[derive(Debug)]
enum Matter {
    Refused(Refused),
    /// The position in its pile.
    Reading(usize),
    Order(usize),
    Status(usize),
}

/// Different messages of one kind.
#[derive(Debug, Default)]
struct Pile {
    messages: Vec<Sealed>,
    /// A stranger can choose messages whose hashes meet here, but no more than there is room for in a group.
    positions: HashMap<Hash, usize>,
}

impl Pile {
    fn add(&mut self, message: Sealed) -> usize {
        *self.positions.entry(message.hash()).or_insert_with(|| {
            self.messages.push(message);
            self.messages.len() - 1
        })
    }

    fn open<T: Payload>(
        &self,
        chain: &ChainId,
        known: impl Fn(&[u8; 32]) -> Option<KnownKey>,
        batch: usize,
    ) -> Vec<Result<Signed<T>, EnvelopeError>> {
        Signed::open_each(&self.messages, chain, known, batch)
    }
}

impl Group {
    /// A group with room for this many readings.
    pub(crate) fn with_room(room: usize) -> Group {
        let readings = Pile { messages: Vec::with_capacity(room), positions: HashMap::with_capacity(room) };
        Group { entries: Vec::with_capacity(room), readings, ..Group::default() }
    }

    /// How many messages there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds a message that was delivered.
    pub(crate) fn deliver(&mut self, sieve: &Sieve<'_>, message: Message) {
        self.deliveries.push(message.delivery);
        self.add(sieve, &message.topic, message.body);
    }

    /// Adds a message.
    pub(crate) fn add(&mut self, sieve: &Sieve<'_>, topic: &str, body: Body) {
        let (message, whole) = match body {
            Body::Whole(sealed) => (sealed.hash(), Ok(sealed)),
            Body::TooLarge { hash, bytes } => (hash, Err(bytes)),
        };
        let refused = |refusal, detail: String| Matter::Refused(Refused { refusal, detail, then: Then::Nothing });
        let named = sieve.topics.split_from_agent(topic).and_then(|(name, kind)| {
            let device = sieve.roll.named_device(name).or_else(|| DeviceId::from_multibase(name).ok())?;
            Some((device, kind))
        });
        let (device, matter) = match (named, whole) {
            (None, _) => (None, refused(Refusal::UnknownDevice, "a message on the topic of no device".into())),
            (Some((device, _)), Err(bytes)) => {
                let detail = format!("expected at most {MESSAGE_BYTES_MAX} bytes, found {bytes}");
                (Some(device), refused(Refusal::Malformed, detail))
            }
            (Some((device, FromAgent::Reading)), Ok(sealed)) => {
                let copy = sieve.book.device(&device).and_then(|device| refuse_copy(device, message));
                let matter = copy.map_or_else(|| Matter::Reading(self.readings.add(sealed)), Matter::Refused);
                (Some(device), matter)
            }
            (Some((device, FromAgent::Order)), Ok(sealed)) => (Some(device), Matter::Order(self.orders.add(sealed))),
            (Some((device, FromAgent::Status)), Ok(sealed)) => {
                (Some(device), Matter::Status(self.statuses.add(sealed)))
            }
        };
        self.entries.push(Entry { device, message, matter });
    }

    /// Opens the messages, their signatures verified in batches of `batch`. This is what takes long.
    pub(crate) fn open(self, chain: &ChainId, roll: &Roll, batch: usize) -> Opened {
        let readings = self.readings.open(chain, |key| roll.known_device(key), batch);
        let orders = self.orders.open(chain, |key| roll.known_key(key), batch);
        let statuses = self.statuses.open(chain, |key| roll.known_device(key), batch);
        Opened { entries: self.entries, deliveries: self.deliveries, readings, orders, statuses }
    }
}

/// Messages, opened.
#[derive(Debug)]
pub(crate) struct Opened {
    entries: Vec<Entry>,
    deliveries: Vec<Delivery>,
    readings: Vec<Result<Signed<Reading>, EnvelopeError>>,
    orders: Vec<Result<Signed<Order>, EnvelopeError>>,
    statuses: Vec<Result<Signed<DeviceStatus>, EnvelopeError>>,
}

/// What was decided about some messages: to be stored, then answered.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    /// Readings that were taken.
    pub(crate) readings: Vec<SignedReading>,
    /// Second readings under one sequence number.
    pub(crate) conflicts: Vec<Conflict>,
    pub(crate) verdicts: Vec<Verdict>,
    /// All of them, to be acknowledged.
    pub(crate) deliveries: Vec<Delivery>,
}

/// What was decided about a message.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Whose topic it is on.
    pub(crate) device: Option<DeviceId>,
    pub(crate) message: Hash,
    pub(crate) decision: Result<Taken, Refused>,
}

/// What was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Reading,
    /// It is answered when the ledger has taken it.
    Order,
    /// It too.
    Status,
}

impl Opened {
    /// How many readings are forged, and how many there are.
    pub(crate) fn forged(&self) -> (usize, usize) {
        let is_forged =
            |opened: &&Result<SignedReading, EnvelopeError>| matches!(opened, Err(EnvelopeError::BadSignature));
        (self.readings.iter().filter(is_forged).count(), self.readings.len())
    }

    /// Decides about each message. Readings that are taken are in the book then; orders are handed to `place`, statuses
    /// to `report`.
    pub(crate) fn decide(
        self,
        book: &mut Book,
        intake: &Intake,
        mut place: impl FnMut(&DeviceId, &Result<SignedOrder, EnvelopeError>) -> Result<(), Refused>,
        mut report: impl FnMut(&DeviceId, &Result<SignedStatus, EnvelopeError>) -> Result<(), Refused>,
        decided: &mut Decided,
    ) {
        for Entry { device, message, matter } in self.entries {
            let decision = match (matter, &device) {
                (Matter::Reading(position), Some(device)) => {
                    intake.read(book, device, &self.readings[position]).map(|reading| {
                        book.take(reading.clone());
                        decided.readings.push(reading.clone());
                        Taken::Reading
                    })
                }
                (Matter::Order(position), Some(device)) => place(device, &self.orders[position]).map(|()| Taken::Order),
                (Matter::Status(position), Some(device)) => {
                    report(device, &self.statuses[position]).map(|()| Taken::Status)
                }
                (Matter::Refused(refused), _) => Err(refused),
                (Matter::Reading(_) | Matter::Order(_) | Matter::Status(_), None) => {
                    unreachable!("it was sifted out")
                }
            };
            if let Err(Refused { then: Then::Report(conflict), .. }) = &decision {
                decided.conflicts.push((**conflict).clone());
            }
            decided.verdicts.push(Verdict { device, message, decision });
        }
        decided.deliveries.extend(self.deliveries);
    }
}

#[cfg(test)]
mod tests;
