//! The agent without a broker: what it signs and refuses to sign, driven event by event.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::atomic::Ordering,
    task::{Context, Poll, Waker},
};

use broker_login::{Access, BrokerLogin};
use household::strategy::{FixedLimits, PriceTaker};
use ledger::proof::Verifier;
use protocol::{
    answer::{self, Announcement, Answer, Refusal},
    commit::Validator,
    genesis::{Genesis, GenesisMember, Rules},
    hash::Hash,
    key::SecretKey,
    member::MemberId,
    money::Price,
    reading::{Registers, SignedReading},
    topic::Topics,
};
use rumqttc::{EventLoop, Publish, QoS};
use settings::broker::BrokerAddress;

use super::{
    core::{Identity, Inbound, Live, Work},
    *,
};
use crate::{
    alarm::Alarms,
    chain,
    choosing::choosing,
    learned::Known,
    mqtt::{self, DeviceTopics},
    orders::Orders,
    out_of_reach::OutOfReach,
    outbox::Outbox,
    pulse::pulse,
    record::Today,
    registered,
    source::{HomeModel, Left, Measurement, MeterClock, MeterError, MeterKind},
    totals::Totals,
};

/// Pauses of the agent that the tests wait for.
const ORDER_RETRY: Duration = Duration::from_secs(10);
const REFILL: Duration = Duration::from_millis(250);

/// A meter that shows what the test says.
struct Scripted {
    clock: MeterClock,
    shown: BTreeMap<Interval, Result<Reading, String>>,
}

impl MeterSource for Scripted {
    fn read(&mut self, interval: Interval) -> Result<Reading, MeterError> {
        self.shown.get(&interval).cloned().unwrap_or(Ok(Reading::Over)).map_err(MeterError)
    }

    fn clock(&self) -> MeterClock {
        self.clock
    }
}

fn interval(count: i64) -> Interval {
    "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(count).unwrap()
}

fn shows(import_wh: u64, export_wh: u64) -> Result<Reading, String> {
    Ok(Reading::Measured(Measurement { registers: Registers { import_wh, export_wh }, gross: None }))
}

fn agent(dir: &std::path::Path, clock: MeterClock, shown: &[Result<Reading, String>]) -> Agent {
    let key = |seed| SecretKey::from_seed(&[seed; 32]);
    let (device_key, member_key) = (key(1), key(2));
    let member = MemberId::from_bytes([7; 16]);
    let price = |micro| Price::from_micro(micro).unwrap();
    let genesis = Genesis {
        community: "test street".into(),
        currency: "EUR".into(),
        first_interval: interval(0),
        rules: Rules::new(price(300_000), price(80_000), "uniform"),
        market: key(4).public(),
        validators: vec![Validator { key: key(3).public(), power: 1 }],
        members: vec![GenesisMember {
            member,
            key: member_key.public(),
            device: device_key.public(),
            rated_power_w: 10_000,
            bus: None,
            import_wh: 0,
            export_wh: 0,
            technology: None,
        }],
        grid: None,
        time_zone: None,
    };
    let chain = genesis.chain();
    // Made with the key; there already when the agent is started again.
    let _ = crate::new_record(dir, device_key.public());
    let store = Store::open(dir, false).unwrap();
    let loaded = store.load(device_key.public(), chain).unwrap();
    let head = loaded.head.unwrap_or_else(|| chain::start(interval(0), Registers::default()).unwrap());
    let mut outbox = Outbox::default();
    for (sequence, record) in &loaded.unsettled {
        outbox.push(*sequence, record.message.hash(), record.interval);
    }
    let shown = shown.iter().enumerate().map(|(count, shown)| (interval(count as i64), shown.clone())).collect();
    let core = Core {
        identity: Identity {
            name: None,
            verifier: Verifier::new(&genesis),
            genesis,
            chain,
            member,
            registration: registered::tests::founder(member, interval(0)),
            transformer: false,
            clock,
            meter: MeterKind::Meter,
            out_of_reach: OutOfReach::default(),
            battery: None,
            behind: None,
            member_key,
            device_key,
            strategy: Arc::new(PriceTaker::default()),
            configured: Arc::new(PriceTaker::default()),
            choice: None,
        },
        head,
        before_first: interval(-1),
        read_until: head.interval,
        outbox,
        orders: Orders::new(loaded.orders, loaded.order),
        learned: None,
        known: Known::default(),
        totals: loaded.totals,
        today: loaded.today,
        tariffs: loaded.tariffs,
        price: loaded.price,
        island: loaded.island,
        stored_uwh: None,
        receipts_refused: loaded.receipts_refused,
        alarms: Alarms::default(),
        witnessed: None,
        live: Live::default(),
        work: Work::default(),
    };
    let meter = Box::new(Scripted { clock, shown });
    let (link, _) = link(&core.identity);
    Agent { core, meter, store: Arc::new(store), link }
}

/// A connection that queues what it is handed, as long as whoever should poll it is there.
fn link(identity: &Identity) -> (Link, EventLoop) {
    let device = identity.device_key.public();
    let access = Access::new(&BrokerAddress::loopback(1), &BrokerLogin::default(), "").unwrap();
    let (client, connection) = mqtt::client(&access, &device);
    (Link::new(client, DeviceTopics::new(&Topics::new(&identity.chain), &device)), connection)
}

impl Agent {
    fn status(&mut self) -> Status {
        self.core.status(now())
    }
}

async fn hear(agent: &mut Agent, incoming: Incoming, at: Instant) {
    let event = agent.link.take(incoming);
    agent.drive(event, || Now { monotonic: at, ..now() }).await;
}

async fn message(agent: &mut Agent, kind: Inbound, json: Vec<u8>) {
    let publish = Publish::new("topic", QoS::AtLeastOnce, json);
    hear(agent, Incoming::Message { connection: 1, kind, publish }, Instant::now()).await;
}

/// Time has passed.
async fn wake(agent: &mut Agent, at: Instant) {
    agent.drive(Event::Wake, || Now { monotonic: at, ..now() }).await;
}

async fn announce(agent: &mut Agent, at: i64) {
    let json = serde_json::to_vec(&Announcement { open: Some(interval(at)), orders_from: None }).unwrap();
    message(agent, Inbound::Gate, json).await;
}

async fn answer(agent: &mut Agent, of: Hash, refusal: Option<Refusal>) {
    let outcome =
        refusal.map_or(answer::Outcome::Accepted, |refusal| answer::Outcome::Refused { refusal, detail: "so".into() });
    let json = serde_json::to_vec(&Answer { message: of, outcome }).unwrap();
    message(agent, Inbound::Answer, json).await;
}

fn signed(agent: &Agent) -> Vec<SignedReading> {
    let readings = (1..).map_while(|sequence| agent.store.reading(sequence).unwrap());
    readings.map(|record| record.message.open(&agent.core.identity.chain, |_| true).unwrap()).collect()
}

#[tokio::test]
async fn a_full_disk_stops_signing_and_a_restart_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let shown = [shows(10, 0), shows(20, 0), shows(30, 0)];
    let mut one = agent(dir.path(), MeterClock::Market, &shown);
    announce(&mut one, 0).await;
    assert_eq!((one.core.outbox.unsettled(), one.link.waiting()), (1, 1));
    one.store.disk_full.store(true, Ordering::SeqCst);
    announce(&mut one, 1).await;
    let status = one.status();
    assert!(
        status.alarms[0].starts_with("storage failed: ") && status.alarms[0].contains("No space left"),
        "{status:?}"
    );
    assert_eq!((status.outbox, status.last_interval), (1, Some(interval(0))));
    assert_eq!(one.link.waiting(), 1, "what could not be stored is not acknowledged");
    // Space alone does not help: what reached the disk has to be read anew first.
    one.store.disk_full.store(false, Ordering::SeqCst);
    announce(&mut one, 2).await;
    assert_eq!(signed(&one).len(), 1);
    drop(one);

    let mut again = agent(dir.path(), MeterClock::Market, &shown);
    announce(&mut again, 2).await;
    let readings = signed(&again);
    assert_eq!(readings.iter().map(|reading| reading.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(readings[1].previous, readings[0].hash());
    assert!(again.status().alarms.is_empty());
}

#[tokio::test]
async fn a_wrong_clock_signs_nothing_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    // By the real clock, the last of these ends long after today.
    let mut agent = agent(dir.path(), MeterClock::Real, &[shows(10, 0)]);
    let far = "9998-01-01T00:00:00Z/PT15M".parse::<Interval>().unwrap();
    agent.core.read_until = far.offset(-1).unwrap();
    let json = serde_json::to_vec(&Announcement { open: Some(far), orders_from: None }).unwrap();
    message(&mut agent, Inbound::Gate, json).await;
    assert!(
        agent.status().alarms[0].starts_with("clock wrong: the market asks for 9998"),
        "{:?}",
        agent.status().alarms
    );
    assert_eq!((signed(&agent).len(), agent.core.live.meter_retry.is_some()), (0, true));
}

#[tokio::test]
async fn a_missed_reading_is_a_gap_and_a_failing_meter_is_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let broken = Err("no answer on /dev/ttyUSB0".to_string());
    let mut agent = agent(
        dir.path(),
        MeterClock::Market,
        &[shows(10, 0), Ok(Reading::Missed), shows(30, 5), broken, shows(20, 5), shows(40, 5)],
    );
    announce(&mut agent, 3).await;
    assert!(agent.status().alarms[0].contains("meter failed: the meter could not be read: no answer on"));
    assert!(agent.core.wake_at(now()).is_some());
    let intervals = |agent: &Agent| signed(agent).iter().map(|r| r.interval).collect::<Vec<_>>();
    assert_eq!(intervals(&agent), [interval(0), interval(2)]);
    assert!(!agent.store.reading(2).unwrap().unwrap().consecutive);

    agent.core.read_until = interval(3);
    announce(&mut agent, 4).await;
    assert!(
        agent.status().alarms[0].contains("meter failed: the meter shows import 20 Wh"),
        "{:?}",
        agent.status().alarms
    );
    agent.core.read_until = interval(4);
    announce(&mut agent, 5).await;
    assert_eq!(intervals(&agent), [interval(0), interval(2), interval(5)]);
    assert!(agent.status().alarms.is_empty());
    assert!(!agent.core.live.over);
    announce(&mut agent, 6).await;
    assert!(agent.core.live.over && !agent.status().finished);
}

/// A home that waits for a price before it shows anything.
#[derive(Default)]
struct Waiting {
    told: bool,
}

impl MeterSource for Waiting {
    fn read(&mut self, _: Interval) -> Result<Reading, MeterError> {
        shows(u64::from(self.told), 0).map_err(MeterError)
    }

    fn clock(&self) -> MeterClock {
        MeterClock::Market
    }

    fn model(&mut self) -> Option<&mut dyn HomeModel> {
        Some(self)
    }
}

impl HomeModel for Waiting {
    fn resume(&mut self, _: &Left) {}

    fn asks_for_price(&mut self, interval: Interval) -> Option<Interval> {
        interval.offset(-2).filter(|_| !self.told)
    }

    fn tell_price(&mut self, price: Option<Price>) {
        assert_eq!(price, None, "there is no receipt");
        self.told = true;
    }
}

#[tokio::test]
async fn a_modelled_home_waits_for_its_price_unless_a_later_interval_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let mut agent = agent(dir.path(), MeterClock::Market, &[]);
    agent.meter = Box::new(Waiting::default());
    assert_eq!(agent.read_meter(interval(2), false).unwrap().reading, Reading::NotYet);
    assert_eq!(Ok(agent.read_meter(interval(2), true).unwrap().reading), shows(1, 0));
}

#[tokio::test]
async fn an_announcement_of_the_past_or_of_another_length_signs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut agent = agent(dir.path(), MeterClock::Market, &[shows(10, 0)]);
    announce(&mut agent, 0).await;
    announce(&mut agent, -5).await;
    announce(&mut agent, 0).await;
    assert_eq!(signed(&agent).len(), 1);
    let json = br#"{"open":"2026-06-01T13:00:00Z/PT1H","orders_from":null}"#.to_vec();
    message(&mut agent, Inbound::Gate, json).await;
    assert!(agent.status().alarms[0].starts_with("market unclear: expected intervals of 15 minutes"));
    assert_eq!(agent.core.live.announced, Some(interval(0)));
}

#[tokio::test]
async fn an_order_that_is_refused_for_what_passes_is_sent_again_until_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let mut agent = agent(dir.path(), MeterClock::Market, &[]);
    let (link, _connection) = link(&agent.core.identity);
    agent.link = link;
    agent.core.identity.strategy = Arc::new(FixedLimits { buy: "0.2".parse().ok(), ..FixedLimits::default() });
    let json = serde_json::to_vec(&Announcement { open: None, orders_from: Some(interval(1)) }).unwrap();
    message(&mut agent, Inbound::Gate, json).await;
    let mut now = Instant::now();
    hear(&mut agent, Incoming::Connected { connection: 1 }, now).await;
    let order = agent.core.orders.open().unwrap().message.clone();
    assert_eq!(agent.core.live.order_sent, Some(now));
    // No room for it now, or its household is not enrolled yet.
    for refusal in [Refusal::TooManyOrders, Refusal::UnknownDevice, Refusal::TooManyOrders] {
        answer(&mut agent, order.hash(), Some(refusal)).await;
        let alarms = agent.status().alarms;
        assert!(alarms[0].starts_with(&format!("order refused: {refusal}")), "{alarms:?}");
        // Not another one, and not at once.
        wake(&mut agent, now).await;
        assert_eq!(agent.core.orders.open().map(|record| record.message.hash()), Some(order.hash()));
        now += ORDER_RETRY;
        wake(&mut agent, now).await;
        assert_eq!(agent.core.live.order_sent, Some(now), "the same again");
    }
    answer(&mut agent, order.hash(), None).await;
    assert!(agent.core.orders.open().is_none() && agent.status().alarms.is_empty(), "{:?}", agent.status().alarms);
}

#[tokio::test]
async fn after_a_long_outage_everything_is_sent_oldest_first_at_a_bounded_rate() {
    let dir = tempfile::tempdir().unwrap();
    let shown: Vec<_> = (1..=300).map(|count| shows(count, 0)).collect();
    let mut agent = agent(dir.path(), MeterClock::Market, &shown);
    // Receipts of others of its readings came before the outage.
    let today = Today { day: 0, totals: Totals::default(), settled_until: Some(interval(250)) };
    agent.core.today = Some(today);
    announce(&mut agent, 299).await;
    assert_eq!((signed(&agent).len(), agent.core.outbox.unsettled()), (300, 300));
    let (link, _connection) = link(&agent.core.identity);
    agent.link = link;
    let mut now = Instant::now();
    wake(&mut agent, now).await;
    assert_eq!(agent.core.outbox.due(now, None, 1), [1], "nothing is sent without a connection");
    hear(&mut agent, Incoming::Connected { connection: 1 }, now).await;
    // The client queues 256 requests; nobody takes them out here.
    for (sent, next) in [(64, 65), (128, 129), (192, 193), (256, 257), (256, 257)] {
        wake(&mut agent, now).await;
        wake(&mut agent, now).await;
        assert_eq!(agent.core.outbox.due(now, None, 1), [next], "after {sent}");
        now += REFILL;
    }
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn nobody_but_the_loop_answers_for_it_and_none_does_while_it_waits_for_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mut agent = agent(dir.path(), MeterClock::Market, &[shows(10, 0)]);
    let (status, _shown) = watch::channel(agent.status());
    let (events, inbox) = mpsc::channel(1);
    let (_stop, stopped) = oneshot::channel();
    let (pulse, asked) = pulse();
    let (_chooser, chosen) = choosing();
    let witnesses = Witnesses { wanted: watch::Sender::default(), answered: mpsc::channel(1).1 };
    let mut running = Box::pin(agent.run(inbox, stopped, asked, chosen, witnesses, status));
    let mut beat = Box::pin(pulse.beat());
    assert!(poll_once(&mut beat).is_pending());
    assert!(poll_once(&mut running).is_pending());
    assert!(beat.await);

    let disk = disk::WRITERS.acquire_many(disk::WRITERS_MAX).await.unwrap();
    let json = serde_json::to_vec(&Announcement { open: Some(interval(0)), orders_from: None }).unwrap();
    let publish = Publish::new("topic", QoS::AtLeastOnce, json);
    events.send(Incoming::Message { connection: 1, kind: Inbound::Gate, publish }).await.unwrap();
    assert!(poll_once(&mut running).is_pending());
    let mut beat = Box::pin(pulse.beat());
    for _ in 0..10 {
        assert!(poll_once(&mut beat).is_pending() && poll_once(&mut running).is_pending());
    }
    drop(disk);
    tokio::select! {
        () = &mut running => panic!("nobody told it to stop"),
        answered = beat => assert!(answered),
    }
    // Of one that has ended nobody says that it lives.
    drop(running);
    assert!(!pulse.beat().await);
}
