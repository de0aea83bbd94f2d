//! A household in memory: the core with a state that forgets nothing, and what it wants done in a few words each.

use std::collections::BTreeMap;

use household::strategy::FixedLimits;
use protocol::{
    answer::{self, Announcement, Answer, Refusal},
    block::{Header, validators_hash},
    cbor,
    energy::Energy,
    envelope::Sealed,
    merkle::MerkleTree,
    money::Amount,
    neighbour::{Neighbour, neighbours_hash},
    reading::Registers,
    receipt::Receipt,
    settlement::{Entry, Line},
};
use testkit::community::Community;

use super::{watch::Watch, *};
use crate::{chain, registered, source::Measurement};

/// The strategy of a household that buys up to a price.
pub(super) fn fixed(buy: Option<&str>) -> Arc<dyn Strategy> {
    Arc::new(FixedLimits { buy: buy.map(|price| price.parse().unwrap()), ..FixedLimits::default() })
}

/// Out of reach from one interval on until another.
pub(super) fn out_of_reach(from: i64, until: i64) -> OutOfReach {
    let [from, until] = [from, until].map(|number| interval(number).start_text());
    toml::from_str::<BTreeMap<String, OutOfReach>>(&format!("at = [{{ from = \"{from}\", until = \"{until}\" }}]"))
        .unwrap()["at"]
        .clone()
}

/// The choice to buy up to a price.
pub(super) fn chosen(buy: &str) -> Choice {
    Choice::Fixed(FixedLimits { buy: buy.parse().ok(), ..FixedLimits::default() })
}

/// What the tests' state holds.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) readings: BTreeMap<u64, ReadingRecord>,
    pub(super) orders: BTreeMap<u64, OrderRecord>,
    pub(super) choice: Option<Choice>,
    receipts: BTreeMap<Interval, Vec<u8>>,
    pub(super) learned: Option<Learned>,
    refused: u64,
    /// Nothing can be read any more.
    pub(super) broken: bool,
}

impl Memory {
    fn write(&mut self, write: Write) -> Option<u64> {
        match write {
            Write::Readings { signed, .. } => self.readings.extend(signed),
            Write::Choice(choice) => self.choice = choice,
            Write::Quotas(_) => {}
            Write::Order(record) => drop(self.orders.insert(record.order.sequence, record)),
            Write::Receipt { interval, json, covered, learned, .. } => {
                self.receipts.extend(json.map(|json| (interval, json)));
                self.learned = learned.map(|learned| *learned).or_else(|| self.learned.take());
                let settled = |(sequence, record)| (sequence, ReadingRecord { settled: true, ..record });
                self.readings.extend(covered.into_iter().map(settled));
            }
            Write::Evidence(_) | Write::Contradiction { .. } => {
                self.refused += 1;
                return Some(self.refused);
            }
        }
        None
    }

    fn read<T>(&self, found: T) -> Result<T, StoreFault> {
        if self.broken { Err(StoreFault("the disk is gone.".into())) } else { Ok(found) }
    }
}

impl Records for Memory {
    fn reading(&self, sequence: u64) -> Result<Option<ReadingRecord>, StoreFault> {
        self.read(self.readings.get(&sequence).cloned())
    }

    fn settled_before(&self, sequence: u64) -> Result<Vec<(u64, ReadingRecord)>, StoreFault> {
        let before = self.readings.range(..sequence).filter(|(_, record)| record.settled);
        self.read(before.map(|(sequence, record)| (*sequence, record.clone())).collect())
    }

    fn receipt(&self, interval: Interval) -> Result<Option<Vec<u8>>, StoreFault> {
        self.read(self.receipts.get(&interval).cloned())
    }
}

/// A household with everything that it takes.
pub(super) struct Home {
    pub(super) core: Core,
    pub(super) memory: Memory,
    pub(super) now: Now,
    /// What the core wants done and was not told the outcome of.
    pub(super) awaited: Option<Effect>,
    watch: Watch,
    community: Community,
    /// What the meter showed last.
    registers: Registers,
    deliveries: Delivery,
}

impl Home {
    /// A household that buys up to a price, with a meter that follows the market.
    pub(super) fn new(buy: Option<&str>) -> Home {
        let community = Community::new(2, 1);
        let ours = &community.members[0];
        let identity = Identity {
            name: None,
            verifier: Verifier::new(&community.genesis),
            chain: community.genesis.chain(),
            genesis: community.genesis.clone(),
            member: ours.id,
            registration: registered::tests::founder(ours.id, interval(0)),
            transformer: false,
            clock: MeterClock::Market,
            meter: MeterKind::Meter,
            out_of_reach: OutOfReach::default(),
            battery: None,
            behind: None,
            member_key: ours.key.clone(),
            device_key: ours.device.clone(),
            strategy: fixed(buy),
            configured: fixed(buy),
            choice: None,
        };
        let head = chain::start(interval(0), Registers::default()).unwrap();
        let core = Core {
            identity,
            head,
            before_first: head.interval,
            read_until: head.interval,
            outbox: Outbox::default(),
            orders: Orders::default(),
            learned: None,
            known: Known::default(),
            totals: Totals::default(),
            today: None,
            tariffs: None,
            price: None,
            island: Island::default(),
            stored_uwh: None,
            receipts_refused: 0,
            alarms: Alarms::default(),
            witnessed: None,
            live: Live::default(),
            work: Work::default(),
        };
        Home {
            core,
            memory: Memory::default(),
            now: Now { monotonic: Instant::now(), utc_s: interval(0).start_s() },
            awaited: None,
            watch: Watch::default(),
            community,
            registers: Registers::default(),
            deliveries: 0,
        }
    }

    pub(super) fn on(&mut self, event: Event) -> Vec<String> {
        let effects = self.core.on(self.now, event, &self.memory);
        self.noted(effects)
    }

    pub(super) fn done(&mut self, outcome: Outcome) -> Vec<String> {
        self.awaited = None;
        let effects = self.core.done(self.now, outcome, &self.memory);
        self.noted(effects)
    }

    fn noted(&mut self, effects: Vec<Effect>) -> Vec<String> {
        self.watch.look(&effects);
        let words = effects.iter().map(in_words).collect();
        if let Some(last) = effects.into_iter().last().filter(has_outcome) {
            assert_eq!(self.awaited.replace(last), None, "one outcome is awaited at a time");
        }
        words
    }

    pub(super) fn connects(&mut self) -> Vec<String> {
        self.on(Event::Connected)
    }

    pub(super) fn disconnects(&mut self, failures: u32) -> Vec<String> {
        self.on(Event::Disconnected { failures, error: "connection refused".into() })
    }

    /// Somebody chooses on the page to buy up to a price, or as in `agent.toml` again.
    pub(super) fn chooses(&mut self, buy: Option<&str>) -> Vec<String> {
        self.on(Event::Chosen(buy.map(chosen)))
    }

    pub(super) fn passes(&mut self, time: Duration) -> Vec<String> {
        self.now.monotonic += time;
        self.on(Event::Wake)
    }

    pub(super) fn hears(&mut self, kind: Inbound, payload: Vec<u8>) -> Vec<String> {
        self.deliveries += 1;
        self.on(Event::Message { delivery: self.deliveries, kind, retained: false, payload })
    }

    /// The same, and the broker has kept it from before.
    pub(super) fn hears_kept(&mut self, kind: Inbound, payload: Vec<u8>) -> Vec<String> {
        self.deliveries += 1;
        self.on(Event::Message { delivery: self.deliveries, kind, retained: true, payload })
    }

    /// The market announces an open interval, and the first that an order may stand from.
    pub(super) fn announced(&mut self, open: i64, orders_from: Option<i64>) -> Vec<String> {
        let announcement = Announcement { open: Some(interval(open)), orders_from: orders_from.map(interval) };
        self.hears(Inbound::Gate, serde_json::to_vec(&announcement).unwrap())
    }

    pub(super) fn answered(&mut self, message: &Sealed, refusal: Option<Refusal>) -> Vec<String> {
        let outcome = match refusal {
            None => answer::Outcome::Accepted,
            Some(refusal) => answer::Outcome::Refused { refusal, detail: "so".into() },
        };
        let answer = Answer { message: message.hash(), outcome };
        self.hears(Inbound::Answer, serde_json::to_vec(&answer).unwrap())
    }

    pub(super) fn receives(&mut self, receipt: &Receipt) -> Vec<String> {
        self.hears(Inbound::Receipt, receipt.to_json())
    }

    /// The meter shows so many Wh more than before.
    pub(super) fn shows(&mut self, import_wh: u64) -> Vec<String> {
        let shown = self.shown(import_wh);
        self.done(Outcome::MeterRead(Ok(shown)))
    }

    pub(super) fn shown(&mut self, import_wh: u64) -> Shown {
        self.registers.import_wh += import_wh;
        let measured = Measurement { registers: self.registers, gross: None };
        Shown { reading: Reading::Measured(measured), salt: [7; 16] }
    }

    pub(super) fn is_reading(&self) -> bool {
        matches!(self.awaited, Some(Effect::ReadMeter { .. }))
    }

    pub(super) fn is_writing(&self) -> bool {
        matches!(self.awaited, Some(Effect::Write(_)))
    }

    /// What is to be written is.
    pub(super) fn writes(&mut self) -> Vec<String> {
        let Some(Effect::Write(write)) = self.awaited.take() else { panic!("nothing is to be written") };
        self.watch.written(&write, true);
        let receipts_refused = self.memory.write(*write);
        self.done(Outcome::Written { receipts_refused })
    }

    /// It is unknown whether what is to be written is; perhaps it `reached` the disk.
    pub(super) fn fails_to_write(&mut self, reached: bool) -> Vec<String> {
        let Some(Effect::Write(write)) = self.awaited.take() else { panic!("nothing is to be written") };
        self.watch.written(&write, false);
        if reached {
            self.memory.write(*write);
        }
        self.done(Outcome::StoreFailed(StoreFault("the disk is full.".into())))
    }

    /// The connection takes so many messages.
    pub(super) fn takes(&mut self, taken: usize) -> Vec<String> {
        assert!(matches!(self.awaited, Some(Effect::Publish(_))), "nothing is to be published");
        self.done(Outcome::Published { taken })
    }

    /// What is awaited goes well, if anything is; the meter shows 10 Wh more each time.
    pub(super) fn succeeds(&mut self) -> Vec<String> {
        match &self.awaited {
            None | Some(Effect::Acknowledge(_)) => Vec::new(),
            Some(Effect::ReadMeter { .. }) => self.shows(10),
            Some(Effect::Write(_)) => self.writes(),
            Some(Effect::Publish(messages)) => self.takes(messages.len()),
        }
    }

    /// Everything goes well, until the core wants no more.
    pub(super) fn all_goes_well(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        while self.awaited.is_some() {
            words.extend(self.succeeds());
        }
        words
    }

    pub(super) fn community(&self) -> &Community {
        &self.community
    }

    pub(super) fn alarms(&mut self) -> Vec<String> {
        self.core.status(self.now).alarms
    }

    /// The receipt of an interval in which so many Wh came from the supplier, as the validators sign it.
    pub(super) fn receipt(&self, at: i64, imported_wh: u64) -> Receipt {
        self.receipt_of(self.core.identity.member, at, imported_wh)
    }

    pub(super) fn receipt_of_the_neighbour(&self, at: i64) -> Receipt {
        self.receipt_of(self.community.members[1].id, at, 0)
    }

    /// The receipt of an interval in which so many Wh were bought at a price.
    pub(super) fn receipt_of_trade(&self, at: i64, bought_wh: u64, price: Price) -> Receipt {
        let Receipt { mut entry, .. } = self.receipt(at, 0);
        entry.price = Some(price);
        entry.line.bought = Energy::from_wh(bought_wh);
        entry.line.paid = price.cost_of(entry.line.bought).unwrap();
        self.signed(entry)
    }

    /// The receipt of an interval in which so many Wh were bought, of which the neighbours' are only some.
    pub(super) fn receipt_of_trade_with(&self, at: i64, bought_wh: u64, neighbours_wh: u64) -> Receipt {
        let Receipt { entry, mut neighbours, .. } = self.receipt_of_trade(at, bought_wh, "0.09".parse().unwrap());
        neighbours[0].bought = Energy::from_wh(neighbours_wh);
        self.signed_with(entry, neighbours)
    }

    /// The receipt of an interval in which so many Wh were bought under the tariffs of an island.
    pub(super) fn receipt_on_an_island(&self, at: i64, bought_wh: u64, price: Price) -> Receipt {
        let Receipt { mut entry, .. } = self.receipt_of_trade(at, bought_wh, price);
        entry.tariffs = Tariffs { retail_price: price, feed_in_price: Price::ZERO };
        self.signed(entry)
    }

    fn receipt_of(&self, member: MemberId, at: i64, imported_wh: u64) -> Receipt {
        let tariffs = self.community.genesis.rules.tariffs();
        let (none, imported) = (Energy::ZERO, Energy::from_wh(imported_wh));
        let line = Line {
            member,
            bought: none,
            sold: none,
            imported,
            exported: none,
            paid: Amount::ZERO,
            earned: Amount::ZERO,
            supply_cost: tariffs.retail_price.cost_of(imported).unwrap(),
            supply_revenue: Amount::ZERO,
        };
        let interval = interval(at);
        let entry = Entry { interval, price: None, line, correction: 0, tariffs, neighbours: None, provisional: false };
        self.signed(entry)
    }

    /// The receipt of an entry, all of whose trade was with the neighbour.
    fn signed(&self, entry: Entry) -> Receipt {
        let Line { bought, sold, .. } = entry.line;
        let neighbour = Neighbour { member: self.community.members[1].id, bought, sold, technology: None };
        let traded = !(bought.is_zero() && sold.is_zero());
        self.signed_with(entry, traded.then_some(neighbour).into_iter().collect())
    }

    fn signed_with(&self, mut entry: Entry, neighbours: Vec<Neighbour>) -> Receipt {
        entry.neighbours = neighbours_hash(&neighbours);
        let tree: MerkleTree = [cbor::encode(&entry), b"a neighbour".to_vec()].into_iter().collect();
        let validators = validators_hash(&self.community.genesis.validators);
        let header = Header {
            chain: self.community.genesis.chain(),
            height: entry.interval.since(interval(-1)).unwrap().unsigned_abs(),
            previous: protocol::hash::Hash::ZERO,
            validators,
            next_validators: validators,
            transactions: MerkleTree::default().root(),
            entries: tree.root(),
            state: MerkleTree::default().root(),
        };
        let certificate = self.community.certificate(header.height, header.hash());
        Receipt { entry, proof: tree.prove(0).unwrap(), header, certificate, steps: Vec::new(), neighbours }
    }
}

pub(super) fn interval(count: i64) -> Interval {
    "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(count).unwrap()
}

pub(super) fn has_outcome(effect: &Effect) -> bool {
    !matches!(effect, Effect::Acknowledge(_))
}

/// An effect in a few words. Intervals are counted from the community's first.
fn in_words(effect: &Effect) -> String {
    match effect {
        Effect::ReadMeter { interval, .. } => format!("read {}", count(*interval)),
        Effect::Write(write) => written_in_words(write),
        Effect::Publish(messages) => {
            let words = messages.iter().map(|message| match message {
                Outgoing::Order(_) => " order".to_owned(),
                Outgoing::Status(_) => " status".to_owned(),
                Outgoing::Reading(sequence, _) => format!(" {sequence}"),
            });
            format!("publish{}", words.collect::<String>())
        }
        Effect::Acknowledge(delivery) => format!("acknowledge {delivery}"),
    }
}

fn written_in_words(write: &Write) -> String {
    let sequences = |readings: &[(u64, ReadingRecord)]| {
        readings.iter().map(|(sequence, _)| format!(" {sequence}")).collect::<String>()
    };
    match write {
        Write::Readings { signed, .. } => format!("store{}", sequences(signed)),
        Write::Order(record) => format!("store order {} {:?}", record.order.sequence, record.state),
        Write::Quotas(quotas) => {
            let intervals = quotas.iter().map(|planned| format!(" {}", count(planned.interval)));
            format!("store quotas of{}", intervals.collect::<String>())
        }
        Write::Choice(None) => "store no choice".into(),
        Write::Choice(Some(choice)) => format!("store choice {}", choice.strategy().name()),
        Write::Receipt { interval, json, covered, .. } => {
            let kept = if json.is_some() { "store receipt" } else { "settle by what is known of" };
            format!("{kept} {} covering{}", count(*interval), sequences(covered))
        }
        Write::Evidence(_) => "store evidence".into(),
        Write::Contradiction { .. } => "store contradiction".into(),
    }
}

fn count(at: Interval) -> i64 {
    at.since(interval(0)).unwrap()
}
