use std::collections::{BTreeMap, BTreeSet};

use ledger::state::State;
use protocol::{
    api::{MemberStatus, RulesInForce, StandingOrder, Status},
    block::Transaction,
    cbor,
    envelope::Signed,
    genesis::Rules,
    money::Amount,
    order::{Order, PriceLimits},
    reading::{ChainHead, Registers},
    settlement::Settlement,
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use testkit::community::Community as Street;

use super::*;
use crate::{
    group::Group,
    message::{Body, Message},
};

mod statuses;

const DELAY_MS: u64 = 100;

/// A market among agents and a ledger. The ledger is the real state machine; what the broker and the disk do, and
/// when, is up to the test.
struct Scene {
    street: Street,
    state: State,
    community: Arc<Community>,
    pace: Pace,
    decider: Decider,
    now: Now,
    asked: Option<Question>,
    pushed: Option<Box<Proposal>>,
    storing: Option<Decided>,
    /// Readings that are on disk, by device and number.
    disk: BTreeMap<(DeviceId, u64), SignedReading>,
    delivered: u16,
    finished: bool,
}

impl Scene {
    fn new(members: usize, until: Option<i64>) -> Scene {
        Scene::of(Street::new(members, 1), until)
    }

    fn of(street: Street, until: Option<i64>) -> Scene {
        let until = until.map(|number| street.genesis.first_interval.offset(number).unwrap());
        let community = Arc::new(Community::new(street.genesis.clone(), street.market.clone()).unwrap());
        let pace = Pace::Replay { interval_ms: 0, until, unread: Arc::new([]) };
        Scene {
            state: street.state(),
            decider: Decider::new(community.clone(), pace.clone(), DELAY_MS, Vec::new()),
            street,
            community,
            pace,
            now: Now { ms: 0, utc_s: 0 },
            asked: None,
            pushed: None,
            storing: None,
            disk: BTreeMap::new(),
            delivered: 0,
            finished: false,
        }
    }

    /// A market that has heard of the ledger.
    fn running(members: usize) -> Scene {
        let mut scene = Scene::new(members, None);
        scene.on(Event::Started);
        scene.sync();
        scene
    }

    /// The interval of this number.
    fn interval(&self, number: i64) -> Interval {
        self.street.genesis.first_interval.offset(number).unwrap()
    }

    fn number(&self, interval: Interval) -> i64 {
        interval.since(self.street.genesis.first_interval).unwrap()
    }

    /// Lets something happen; what was decided, in words.
    fn on(&mut self, event: Event) -> Vec<String> {
        let effects = self.decider.on(self.now, event);
        effects.into_iter().filter_map(|effect| self.perform(effect)).collect()
    }

    fn perform(&mut self, effect: Effect) -> Option<String> {
        let first = self.street.genesis.first_interval;
        let number = |interval: Option<Interval>| {
            interval.map_or("none".into(), |interval| interval.since(first).unwrap().to_string())
        };
        Some(match effect {
            Effect::Store(decided) => {
                assert!(self.storing.is_none(), "one list at a time");
                let words = format!("store {}, {} conflicts", decided.readings.len(), decided.conflicts.len());
                self.storing = Some(decided);
                words
            }
            Effect::Keep(reading, conflict) => {
                self.disk.insert((reading.signer(), reading.sequence), *reading);
                if conflict.is_some() { "keep, with a conflict".into() } else { "keep".into() }
            }
            Effect::Forget(gone) if gone.is_empty() => return None,
            Effect::Forget(gone) => {
                gone.iter().for_each(|reading| drop(self.disk.remove(reading)));
                format!("forget {}", gone.len())
            }
            Effect::Announce(Announcement { open, orders_from }) => {
                assert_eq!(orders_from, open.and_then(Interval::next));
                format!("announce {}", number(open))
            }
            Effect::Answer(_, message, Outcome::Accepted) => {
                assert!(self.storing.is_none());
                let is_on_disk = self.disk.values().any(|reading| reading.hash() == message);
                if is_on_disk { "accept".into() } else { "accept an order".into() }
            }
            Effect::Answer(_, _, Outcome::Refused { refusal, .. }) => format!("refuse {refusal}"),
            Effect::Acknowledge(deliveries) => format!("acknowledge {}", deliveries.len()),
            Effect::Place(..) => "place".into(),
            Effect::HandOn(..) => "hand on".into(),
            Effect::ForwardAgain(_, _, interval) => format!("receipt of {} again", self.number(interval)),
            Effect::Report => "report".into(),
            Effect::Ask(question) => {
                assert!(self.asked.is_none() && self.pushed.is_none(), "one question at a time");
                self.asked = Some(question);
                let Question { at_least, avoid, pause, .. } = question;
                format!("ask for {} without {avoid:?} after {} ms", number(at_least), pause.as_millis())
            }
            Effect::Push(proposal) => {
                assert!(self.asked.is_none() && self.pushed.is_none(), "one question at a time");
                assert!(self.storing.is_none(), "what is cleared is on disk");
                let words = format!("push {}", self.number(proposal.interval));
                self.pushed = Some(proposal);
                words
            }
            Effect::Follow(settled) => format!("follow {}", number(settled)),
            Effect::Finish => {
                self.finished = true;
                "finish".into()
            }
            Effect::Count(refusal) => format!("count {refusal}"),
            Effect::Show(shown) => match shown {
                Shown::Opened(interval) => format!("show {} open", number(interval)),
                Shown::Read { devices, expected } => format!("show {devices} of {expected}"),
                Shown::Closed(interval) => format!("show {} closed", self.number(interval)),
                Shown::Settled(settled, cleared) => {
                    let by = if cleared.is_some() { "as cleared" } else { "by another" };
                    format!("show {} settled {by}", self.number(settled.interval))
                }
                Shown::Refused(interval, why) => format!("show {} refused: {why}", self.number(interval)),
                Shown::Unfit(why) => format!("show unfit: {why}"),
                Shown::Ledger(_) => return None,
            },
        })
    }

    fn later(&mut self, ms: u64) -> Vec<String> {
        self.now.ms += ms;
        self.on(Event::Timer)
    }

    /// What the ledger answers.
    fn snapshot(&self) -> Box<Snapshot> {
        let open = self.state.next();
        let members = self.state.members().map(|(id, member)| {
            let ChainHead { sequence, hash, interval, registers: Registers { import_wh, export_wh } } = *member.head();
            MemberStatus {
                member: *id,
                balance: Amount::ZERO,
                debits: Amount::ZERO,
                credits: Amount::ZERO,
                key: member.key(),
                device: member.device(),
                rated_power_w: member.rated_power_w(),
                bus: member.bus().map(str::to_owned),
                technology: member.technology(),
                sequence,
                reading: hash,
                read: interval,
                import_wh,
                export_wh,
                committed: member.committed().cloned(),
                order: member.standing(open).map(|order| {
                    let PriceLimits { buy, sell, buy_cap, sell_cap } = order.limits();
                    StandingOrder { buy, sell, buy_cap, sell_cap }
                }),
                order_sequence: member.order_sequence(),
                instruction_sequence: 0,
                quotas: self.state.standby(*id).map(|standby| standby.quotas.clone()).unwrap_or_default(),
            }
        });
        let status = Status {
            island_quorum: None,
            chain: self.state.chain(),
            validator: None,
            validators: 1,
            height: 0,
            block: Hash::ZERO,
            state_root: Hash::ZERO,
            height_age_ms: None,
            settled: self.state.settled(),
            next: open,
            tie_seed: self.state.tie_seed(),
            settlements: self.state.settlements(),
            balances_sum: Amount::ZERO,
            clock_s: None,
            equivocations: 0,
            log_key: None,
            witnesses: Vec::new(),
            reach: None,
        };
        let (version, _) = self.state.rules_at(open);
        let rules = RulesInForce {
            interval: open,
            from: version.from,
            rules: version.rules.clone(),
            grid: version.plan.clone(),
            market: self.state.market(),
            decision_sequence: 0,
        };
        Box::new(Snapshot::new(3, &status, members.collect(), rules))
    }

    /// The ledger answers a question.
    fn sync(&mut self) -> Vec<String> {
        let question = self.asked.take().unwrap();
        assert!(question.at_least.is_none_or(|least| least <= self.state.next()));
        self.on(Event::Synced(self.snapshot()))
    }

    /// The validators commit the settlement that was handed in.
    fn commit(&mut self) -> Settled {
        let proposal = self.pushed.as_ref().unwrap();
        let transaction: Transaction = cbor::decode(&proposal.transaction).unwrap();
        for reading in transaction.readings() {
            assert!(self.disk.values().any(|kept| kept.sealed() == reading), "what is cleared is on disk");
        }
        self.state.apply(&transaction).unwrap();
        let settlement: Signed<Settlement> =
            transaction.settlement().unwrap().open(&self.state.chain(), |_| true).unwrap();
        let hash = settlement.hash();
        let Settlement { interval, price, lines, trades, supplier, operator, provisional, tariffs, .. } =
            settlement.payload().clone();
        Settled {
            interval,
            height: 1,
            settlement: hash,
            price,
            lines,
            trades,
            supplier,
            operator,
            provisional,
            corrections: 0,
            tariffs,
        }
    }

    fn settle(&mut self) -> Vec<String> {
        let settled = self.commit();
        let proposal = self.pushed.take().unwrap();
        self.on(Event::Pushed(proposal, Box::new(Pushed::Settled(settled))))
    }

    fn refuse(&mut self) -> Vec<String> {
        let refused = Pushed::Refused { refusal: "header_state".into(), detail: "not so".into() };
        let proposal = self.pushed.take().unwrap();
        self.on(Event::Pushed(proposal, Box::new(refused)))
    }

    /// Messages, sifted and verified.
    fn opened(&mut self, messages: Vec<(String, Sealed)>) -> Opened {
        let roll = self.community.roll();
        let mut group = Group::default();
        for (topic, sealed) in messages {
            self.delivered += 1;
            let delivery = Delivery { qos: 1, packet: self.delivered, connection: 1 };
            group.deliver(&self.decider.sieve(&roll), Message { topic, body: Body::Whole(sealed), delivery });
        }
        group.open(&self.community.chain, &roll, usize::MAX)
    }

    fn message(&self, reading: &SignedReading) -> (String, Sealed) {
        (self.community.topics.reading(&reading.signer()), reading.sealed().clone())
    }

    /// Readings come in, and are on their way to the disk.
    fn receive(&mut self, readings: &[SignedReading]) -> Vec<String> {
        let messages = readings.iter().map(|reading| self.message(reading)).collect();
        let opened = self.opened(messages);
        self.on(Event::Opened(vec![opened]))
    }

    /// The disk is done.
    fn store(&mut self) -> Vec<String> {
        let decided = self.storing.take().unwrap();
        self.disk
            .extend(decided.readings.iter().map(|reading| ((reading.signer(), reading.sequence), reading.clone())));
        self.on(Event::Stored(decided))
    }

    /// The next reading of a member.
    fn read(&mut self, member: usize, number: i64, flow: i64) -> SignedReading {
        let interval = self.interval(number);
        self.street.read(member, interval, flow)
    }
}

#[test]
fn an_interval_from_its_opening_to_the_next_one() {
    let mut scene = Scene::new(2, None);
    assert_eq!(scene.on(Event::Started), ["ask for none without None after 0 ms"]);
    assert!(!scene.decider.takes_in(), "nobody said whose devices there are");
    assert_eq!(scene.sync(), ["follow none", "announce 0", "show 0 open", "show 0 of 2"]);
    assert!(scene.decider.takes_in());

    let [buys, sells] = [(0, 500), (1, -300)].map(|(member, flow)| scene.read(member, 0, flow));
    assert_eq!(scene.receive(&[buys]), ["store 1, 0 conflicts"]);
    assert_eq!(scene.store(), ["show 1 of 2", "accept", "acknowledge 1"]);
    assert_eq!(scene.receive(&[sells]), ["store 1, 0 conflicts"]);
    assert_eq!(scene.store(), ["show 2 of 2", "accept", "acknowledge 1", "show 0 closed", "push 0"]);
    let ahead = scene.interval(7);
    assert_eq!(scene.on(Event::LedgerAhead(ahead)), [""; 0], "it is asked when the settlement is through");
    assert_eq!(scene.settle(), ["show 0 settled as cleared", "ask for 1 without None after 0 ms"]);
    let next = ["forget 2", "follow 0", "announce 1", "show 1 open", "show 0 of 2"];
    assert_eq!(scene.sync(), next);
    assert_eq!(scene.on(Event::LedgerAhead(ahead)), ["ask for 7 without None after 0 ms"]);
}

#[test]
fn nothing_closes_while_readings_are_on_their_way_to_the_disk() {
    let mut scene = Scene::running(2);
    let [first, second] = [0, 1].map(|member| scene.read(member, 0, 100));
    scene.receive(&[first]);
    scene.store();
    assert_eq!(scene.decider.due_in_ms(scene.now), Some(DELAY_MS));
    assert_eq!(scene.receive(&[second]), ["store 1, 0 conflicts"], "all are read, and not all is on disk");
    assert_eq!(scene.decider.due_in_ms(scene.now), None, "time changes nothing");
    assert_eq!(scene.later(10 * DELAY_MS), [""; 0]);
    assert_eq!(scene.store(), ["show 2 of 2", "accept", "acknowledge 1", "show 0 closed", "push 0"]);
}

#[test]
fn what_the_ledger_refuses_is_made_again_from_what_another_node_says() {
    let mut scene = Scene::running(2);
    let reading = scene.read(0, 0, 100);
    scene.receive(&[reading]);
    scene.store();
    assert_eq!(scene.later(DELAY_MS), ["show 0 closed", "push 0"], "the other one is late");
    let first = scene.pushed.as_ref().unwrap().settlement;
    let refused = ["show 0 refused: header_state: not so", "ask for none without Some(3) after 1000 ms"];
    assert_eq!(scene.refuse(), refused);
    assert_eq!(scene.sync(), ["follow none", "show 0 closed", "push 0"], "it was announced before");
    assert_eq!(scene.pushed.as_ref().unwrap().settlement, first, "from the same comes the same");
}

#[test]
fn what_another_market_settled_is_followed() {
    let mut scene = Scene::running(2);
    let readings = [0, 1].map(|member| scene.read(member, 0, 100));
    scene.receive(&readings);
    scene.store();
    let settled = Settled { settlement: Hash::ZERO, ..scene.commit() };
    let proposal = scene.pushed.take().unwrap();
    let followed = ["show 0 settled by another", "ask for 1 without None after 0 ms"];
    assert_eq!(scene.on(Event::Pushed(proposal, Box::new(Pushed::Settled(settled)))), followed);
}

#[test]
fn what_a_device_gave_the_ledger_takes_the_place_of_what_it_gave_the_market() {
    let mut scene = Scene::running(2);
    let given = scene.read(0, 0, 100);
    let other = scene.street.contradict(0, &given);
    scene.receive(&[given]);
    scene.store();
    scene.state.apply(&Transaction::CommitReading(other.sealed().clone())).unwrap();
    scene.asked = Some(Question { at_least: None, avoid: None, pause: Duration::ZERO, shown_to: scene.interval(0) });
    assert_eq!(scene.sync(), ["forget 1", "keep, with a conflict", "report", "follow none"]);
    assert_eq!(scene.disk.values().collect::<Vec<_>>(), [&other]);
}

#[test]
fn a_contradiction_is_told_to_the_ledger_when_it_is_on_disk() {
    let mut scene = Scene::running(2);
    let first = scene.read(0, 0, 100);
    let second = scene.street.contradict(0, &first);
    assert_eq!(scene.receive(&[first, second]), ["store 1, 1 conflicts"]);
    let answers = ["accept", "count SequenceConflict", "report", "refuse SequenceConflict", "acknowledge 2"];
    assert_eq!(scene.store()[1..], answers);
}

#[test]
fn an_order_goes_to_the_ledger_and_its_opinion_back() {
    let mut scene = Scene::running(2);
    let order = |scene: &Scene, number: i64| {
        let valid_from = scene.interval(number);
        let order = Order { sequence: 1, valid_from, buy: None, sell: None, buy_cap: None, sell_cap: None };
        let Transaction::PlaceOrder(sealed) = scene.street.order(0, order) else { unreachable!() };
        let device = scene.street.members[0].device.public();
        (device, scene.community.topics.order(&device), sealed)
    };
    let (_, topic, sealed) = order(&scene, 0);
    let opened = scene.opened(vec![(topic, sealed)]);
    assert_eq!(scene.on(Event::Opened(vec![opened])), ["store 0, 0 conflicts"], "for the open interval");
    assert_eq!(scene.store(), ["count OrderTooLate", "refuse OrderTooLate", "acknowledge 1"]);
    let (device, topic, sealed) = order(&scene, 1);
    let opened = scene.opened(vec![(topic, sealed.clone())]);
    assert_eq!(scene.on(Event::Opened(vec![opened])), ["place", "store 0, 0 conflicts"]);
    assert_eq!(scene.store(), ["acknowledge 1"], "the ledger has no opinion yet");
    let placed = |outcome| Event::Placed(Placed { device, message: sealed.hash(), outcome });
    assert_eq!(scene.on(placed(Outcome::Accepted)), ["accept an order"]);
    let full = Outcome::Refused { refusal: Refusal::TooManyOrders, detail: "full".into() };
    assert_eq!(scene.on(placed(full)), ["count TooManyOrders", "refuse TooManyOrders"]);
}

#[test]
fn what_cannot_be_cleared_stops_everything_until_it_can() {
    let mut scene = Scene::new(2, None);
    scene.on(Event::Started);
    scene.asked = None;
    let mut unfit = scene.snapshot();
    unfit.rules.rules = Rules { mechanism: "tombola".into(), ..unfit.rules.rules };
    let found = scene.on(Event::Synced(unfit));
    assert!(found[0].starts_with("show unfit: rules: ") && found[0].contains("tombola"), "{found:?}");
    assert_eq!(found[1..], ["ask for none without None after 10000 ms"]);
    assert!(!scene.decider.takes_in());
    assert_eq!(scene.sync(), ["follow none", "announce 0", "show 0 open", "show 0 of 2"]);
}

/// Agents, disk, validators, the clock and crashes in any order.
struct Play {
    scene: Scene,
    random: ChaCha8Rng,
    /// What each agent signed, oldest first.
    signed: Vec<Vec<SignedReading>>,
    /// Verified groups that wait for the disk, with what they were delivered for.
    line: VecDeque<Opened>,
    opened: i64,
    settled: BTreeSet<i64>,
    crashes: usize,
}

const MEMBERS: usize = 3;
const LAST: i64 = 11;

impl Play {
    fn new(seed: u64) -> Play {
        let mut scene = Scene::new(MEMBERS, Some(LAST));
        let words = scene.on(Event::Started);
        assert_eq!(words.len(), 1);
        Play {
            scene,
            random: ChaCha8Rng::seed_from_u64(seed),
            signed: vec![Vec::new(); MEMBERS],
            line: VecDeque::new(),
            opened: -1,
            settled: BTreeSet::new(),
            crashes: 0,
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.random.next_u64() % bound as u64) as usize
    }

    fn heard(&mut self, words: &[String]) {
        for word in words {
            if let Some(number) = word.strip_prefix("announce ").and_then(|number| number.parse().ok()) {
                assert_eq!(number, self.scene.number(self.scene.state.next()), "what opens is the next to settle");
                assert!(number >= self.opened, "no interval opens that was past");
                self.opened = number;
            }
        }
    }

    /// An agent reads its meter, or sends again what is not settled.
    fn agent(&mut self) {
        let member = self.below(MEMBERS);
        let read = self.signed[member].len() as i64;
        if read <= self.opened && read <= LAST && self.below(4) > 0 {
            let flow = self.below(2_000) as i64 - 1_000;
            let reading = self.scene.read(member, read, flow);
            self.signed[member].push(reading);
        }
        if self.scene.decider.takes_in() {
            let again = 1 + self.below(3);
            let unsettled = self.unsettled(member);
            let messages = unsettled.iter().take(again).map(|reading| self.scene.message(reading)).collect();
            let opened = self.scene.opened(messages);
            self.line.push_back(opened);
        }
    }

    fn unsettled(&self, member: usize) -> Vec<SignedReading> {
        let id = self.scene.street.members[member].id;
        let (_, found) = self.scene.state.members().find(|(found, _)| **found == id).unwrap();
        let settled = found.head().sequence;
        self.signed[member].iter().filter(|reading| reading.sequence > settled).cloned().collect()
    }

    /// The market is killed, with or without its last writes, and started again.
    fn crash(&mut self) {
        let scene = &mut self.scene;
        if let Some(decided) = scene.storing.take()
            && self.random.next_u64().is_multiple_of(2)
        {
            let kept = decided.readings.into_iter().map(|reading| ((reading.signer(), reading.sequence), reading));
            scene.disk.extend(kept);
        }
        if scene.pushed.is_some() && self.random.next_u64().is_multiple_of(2) {
            self.settled.insert(scene.number(scene.state.next()));
            scene.commit();
        }
        (scene.asked, scene.pushed) = (None, None);
        self.line.clear();
        let restored = scene.disk.values().cloned().collect();
        scene.decider = Decider::new(scene.community.clone(), scene.pace.clone(), DELAY_MS, restored);
        self.crashes += 1;
        let words = scene.on(Event::Started);
        assert_eq!(words.len(), 1, "{words:?}");
    }

    fn step(&mut self, is_honest: bool) {
        let words = match self.below(8) {
            0 | 1 => return self.agent(),
            2 if self.scene.storing.is_none() && !self.line.is_empty() => {
                let groups = self.line.drain(..).collect();
                self.scene.on(Event::Opened(groups))
            }
            3 if self.scene.storing.is_some() => self.scene.store(),
            4 if self.scene.asked.is_some() => self.scene.sync(),
            5 if self.scene.pushed.is_some() => {
                if is_honest || self.below(3) > 0 {
                    let number = self.scene.number(self.scene.state.next());
                    assert!(self.settled.insert(number), "an interval is settled once");
                    self.scene.settle()
                } else {
                    self.scene.refuse()
                }
            }
            6 => {
                let ms = self.below(2 * DELAY_MS as usize) as u64;
                self.scene.later(ms)
            }
            7 if !is_honest && self.below(12) == 0 => return self.crash(),
            7 => {
                let next = self.scene.state.next();
                self.scene.on(Event::LedgerAhead(next))
            }
            _ => return,
        };
        self.heard(&words);
    }
}

#[test]
fn whatever_happens_in_whatever_order_each_reading_is_settled_once_and_nothing_before_it_is_on_disk() {
    let mut crashes = 0;
    for seed in 0..150 {
        println!("seed {seed}");
        let mut play = Play::new(seed);
        (0..400).for_each(|_| play.step(false));
        // From now on everything answers, sooner or later.
        let mut steps = 0;
        while !play.scene.finished {
            play.step(true);
            steps += 1;
            assert!(steps < 20_000, "it goes on until the last interval");
        }
        assert_eq!(play.settled, (0..=LAST).collect::<BTreeSet<_>>());
        assert_eq!(play.scene.state.balances_sum(), 0);
        crashes += play.crashes;
    }
    assert!(crashes > 150, "{crashes}");
}
