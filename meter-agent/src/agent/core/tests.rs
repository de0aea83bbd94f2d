//! The core alone: lists of events, and the effects that they have.

mod choosing;
mod home;
mod island;
mod properties;
mod watch;

use std::time::Duration;

use household::strategy::{self, Why};
use ledger::logged::Policy;
use protocol::{
    answer::{Announcement, Refusal},
    checkpoint::log_key,
};
use testkit::{told::Told, witness::Witness};

use self::home::{Home, fixed, interval, out_of_reach};
use super::{
    sending::{BURST, ORDER_RETRY, REFILL},
    *,
};
use crate::{
    record::{OrderState, ReadingRecord},
    registered,
    source::Reading,
};

const NOTHING: [&str; 0] = [];

#[test]
fn readings_are_stored_then_sent_and_what_was_announced_is_acknowledged_in_between() {
    let mut home = Home::new(None);
    assert_eq!(home.connects(), NOTHING);
    assert_eq!(home.announced(1, None), ["read 0"]);
    assert_eq!(home.shows(10), ["read 1"]);
    assert_eq!(home.shows(20), ["store 1 2"]);
    assert_eq!(home.core.outbox.unsettled(), 0);
    assert_eq!(home.writes(), ["acknowledge 1", "publish 1 2"]);
    assert_eq!(home.takes(2), NOTHING);
    assert_eq!((home.core.outbox.unsettled(), home.core.head.sequence), (2, 2));
    // The same again: nothing to read, and nothing is due.
    assert_eq!(home.announced(1, None), ["acknowledge 2"]);
}

#[test]
fn what_happens_while_something_is_done_waits_in_its_order() {
    let mut home = Home::new(None);
    assert_eq!(home.announced(0, None), ["read 0"]);
    assert_eq!(home.connects(), NOTHING);
    assert_eq!(home.announced(1, None), NOTHING);
    // An outcome that nobody waits for changes nothing.
    assert_eq!(home.core.done(home.now, Outcome::Published { taken: 9 }, &home.memory), []);
    assert_eq!(home.shows(10), ["store 1"]);
    assert_eq!(home.writes(), ["acknowledge 1", "publish 1"]);
    assert_eq!(home.takes(1), ["read 1"]);
    assert_eq!(home.shows(10), ["store 2"]);
    assert_eq!(home.writes(), ["acknowledge 2", "publish 2"]);
}

#[test]
fn after_a_write_that_failed_nothing_is_signed_or_acknowledged_and_what_is_stored_is_sent() {
    let mut home = Home::new(Some("0.2"));
    home.announced(0, None);
    home.all_goes_well();
    assert_eq!(home.announced(1, None), ["read 1"]);
    assert_eq!(home.shows(10), ["store 2"]);
    assert_eq!(home.fails_to_write(false), NOTHING);
    assert_eq!((home.core.head.sequence, home.core.outbox.unsettled()), (1, 1));
    let alarm = "storage failed: the disk is full. Nothing is signed until the agent is started again.";
    assert_eq!(home.alarms(), [alarm]);
    assert_eq!(home.announced(2, Some(3)), NOTHING);
    assert_eq!(home.connects(), ["publish 1"]);
    assert_eq!(home.takes(1), NOTHING);
    assert_eq!(home.receives(&home.receipt(0, 10)), ["store receipt 0 covering 1"]);
    assert_eq!(home.writes(), NOTHING);
}

#[test]
fn a_state_that_cannot_be_read_halts_too() {
    let mut home = Home::new(None);
    home.announced(0, None);
    home.all_goes_well();
    home.memory.broken = true;
    assert_eq!(home.connects(), NOTHING);
    assert!(home.alarms()[0].starts_with("storage failed: the disk is gone."), "{:?}", home.alarms());
    assert_eq!(home.announced(1, None), NOTHING);
}

#[test]
fn a_reading_that_is_lost_is_said_to_be_and_the_others_are_sent() {
    let mut home = Home::new(None);
    home.announced(1, None);
    home.all_goes_well();
    home.memory.readings.remove(&1);
    assert_eq!(home.connects(), ["publish 2"]);
    assert!(home.alarms()[0].starts_with("state damaged: reading 1 can no longer be read"), "{:?}", home.alarms());
}

#[test]
fn nothing_is_sent_without_a_connection_and_all_that_was_not_taken_in_with_the_next_one() {
    let mut home = Home::new(None);
    home.announced(2, None);
    assert_eq!(home.all_goes_well(), ["read 1", "read 2", "store 1 2 3", "acknowledge 1"]);
    assert_eq!((home.passes(REFILL), home.core.wake_at(home.now)), (vec![], None));
    assert_eq!(home.connects(), ["publish 1 2 3"]);
    home.all_goes_well();
    let second = home.memory.readings[&2].message.clone();
    assert_eq!(home.answered(&second, None), ["acknowledge 2"]);
    for failures in 1..FAILURES_ALARM {
        assert_eq!((home.disconnects(failures), home.alarms()), (vec![], vec![]));
    }
    assert_eq!(home.disconnects(FAILURES_ALARM), NOTHING);
    assert_eq!(home.alarms(), ["broker unreachable: connection refused"]);
    assert_eq!(home.connects(), ["publish 1 3"]);
    assert!(home.alarms().is_empty());
}

#[test]
fn a_meter_on_this_machines_clock_is_read_as_intervals_end_whatever_is_announced() {
    let mut home = Home::new(None);
    home.core.identity.clock = MeterClock::Real;
    assert_eq!(home.on(Event::Wake), NOTHING);
    let wakes_in_s = |home: &Home| (home.core.wake_at(home.now).unwrap() - home.now.monotonic).as_secs();
    assert_eq!(wakes_in_s(&home), 60, "the clock may be set before the interval ends");
    home.now.utc_s = interval(0).end_s() - 5;
    assert_eq!(wakes_in_s(&home), 5);
    home.now.utc_s += 5;
    assert_eq!(home.on(Event::Wake), ["read 0"], "nothing was ever announced");
    assert_eq!(home.all_goes_well(), ["store 1"]);
    home.now.utc_s = interval(2).end_s();
    assert_eq!(home.announced(-5, None), ["read 1"], "somebody announces the past");
    assert_eq!(home.all_goes_well(), ["read 2", "store 2 3", "acknowledge 1"]);
    home.now.utc_s = interval(3).end_s();
    let over = serde_json::to_vec(&Announcement { open: None, orders_from: None }).unwrap();
    assert_eq!(home.hears(Inbound::Gate, over), ["read 3"], "somebody announces the end");
}

#[test]
fn readings_are_stored_in_batches_and_sent_in_bursts() {
    let mut home = Home::new(None);
    home.connects();
    // A first receipt bears out more.
    home.announced(0, None);
    home.all_goes_well();
    home.receives(&home.receipt(0, 10));
    home.all_goes_well();
    home.now.monotonic += REFILL;
    home.announced(100, None);
    let done = home.all_goes_well();
    let stored = done.iter().filter(|words| words.starts_with("store ")).map(|words| words.split(' ').count() - 1);
    assert_eq!(stored.collect::<Vec<_>>(), [96]);
    let sent = |words: &[String]| {
        let published = words.iter().filter(|words| words.starts_with("publish"));
        published.map(|words| words.split(' ').count() - 1).sum::<usize>()
    };
    assert_eq!(sent(&done), BURST);
    assert_eq!(home.passes(REFILL / 2), NOTHING);
    assert_eq!(home.core.wake_at(home.now), Some(home.now.monotonic + REFILL / 2));
    assert_eq!(sent(&home.passes(REFILL / 2)), 96 - BURST);
    // Of those the connection takes two, and the rest with the next refill.
    home.takes(2);
    assert_eq!(home.passes(Duration::from_millis(1)), NOTHING);
    assert_eq!(sent(&home.passes(REFILL)), 96 - BURST - 2);
}

#[test]
fn a_meter_that_fails_is_asked_again_after_a_while_and_one_that_missed_an_interval_is_not() {
    let mut home = Home::new(None);
    home.announced(2, None);
    let missed = Shown { reading: Reading::Missed, salt: [0; 16] };
    assert_eq!(home.done(Outcome::MeterRead(Ok(missed))), ["read 1"]);
    assert_eq!(home.done(Outcome::MeterRead(Err("no answer".into()))), ["acknowledge 1"]);
    assert_eq!(home.alarms(), ["meter failed: no answer"]);
    let retry = home.core.wake_at(home.now).unwrap() - home.now.monotonic;
    assert_eq!(home.passes(retry - REFILL), NOTHING);
    assert_eq!(home.passes(REFILL), ["read 1"]);
    assert_eq!(home.shows(10), ["read 2"]);
    let over = Shown { reading: Reading::Over, salt: [0; 16] };
    assert_eq!(home.done(Outcome::MeterRead(Ok(over))), ["store 1"]);
    assert_eq!(home.writes(), NOTHING);
    assert!(home.alarms().is_empty());
    assert_eq!(home.announced(3, None), ["acknowledge 2"]);
}

#[test]
fn a_meter_whose_reading_may_still_come_is_asked_again_soon_and_raises_and_ends_no_alarm() {
    let mut home = Home::new(None);
    home.announced(1, None);
    let not_yet = || Outcome::MeterRead(Ok(Shown { reading: Reading::NotYet, salt: [0; 16] }));
    assert_eq!(home.shows(10), ["read 1"]);
    assert_eq!(home.done(not_yet()), ["store 1"], "what was read is kept");
    home.writes();
    assert!(home.alarms().is_empty());
    let retry = home.core.wake_at(home.now).unwrap() - home.now.monotonic;
    assert!(retry <= Duration::from_secs(1), "{retry:?}");
    assert_eq!(home.passes(retry), ["read 1"]);
    home.done(Outcome::MeterRead(Err("silent".into())));
    assert_eq!(home.passes(Duration::from_secs(5)), ["read 1"]);
    home.done(not_yet());
    assert_eq!(home.alarms(), ["meter failed: silent"]);
    assert_eq!(home.passes(Duration::from_secs(1)), ["read 1"]);
    home.shows(20);
    home.writes();
    assert!(home.alarms().is_empty());
}

#[test]
fn a_receipt_may_be_what_a_meter_waits_for_so_it_is_asked_again_at_once() {
    let mut home = Home::new(None);
    home.announced(1, None);
    home.shows(10);
    home.done(Outcome::MeterRead(Ok(Shown { reading: Reading::NotYet, salt: [0; 16] })));
    home.all_goes_well();
    let receipt = home.receipt(1, 10);
    assert_eq!(home.receives(&receipt), ["store receipt 1 covering 1"]);
    assert_eq!(home.writes(), ["read 1"]);
}

#[test]
fn an_order_is_stored_then_sent_before_readings_and_its_answer_decides_what_follows() {
    let mut home = Home::new(Some("0.2"));
    home.announced(0, Some(1));
    home.all_goes_well();
    assert_eq!(home.connects(), ["store order 1 Open"]);
    assert_eq!(home.writes(), ["publish order 1"]);
    assert_eq!(home.takes(2), NOTHING);
    let mut order = home.memory.orders[&1].message.clone();
    // There is no room for it: the same again, later.
    let full = home.answered(&order, Some(Refusal::TooManyOrders));
    assert_eq!(full, ["store order 1 Open"]);
    assert_eq!(home.writes(), ["acknowledge 2"]);
    assert_eq!(home.alarms(), ["order refused: TooManyOrders: so"]);
    assert_eq!(home.passes(ORDER_RETRY), ["publish order 1"]);
    home.all_goes_well();
    // It is too late: another one for a later interval.
    assert_eq!(home.answered(&order, Some(Refusal::OrderTooLate)), ["store order 1 Refused"]);
    assert_eq!(home.writes(), ["acknowledge 3", "store order 2 Open"]);
    assert_eq!(home.writes(), ["publish order"]);
    home.all_goes_well();
    assert!(home.memory.orders[&2].order.valid_from > home.memory.orders[&1].order.valid_from);
    order = home.memory.orders[&2].message.clone();
    assert_eq!(home.answered(&order, None), ["store order 2 Accepted"]);
    assert_eq!(home.writes(), ["acknowledge 4"]);
    assert!(home.alarms().is_empty());
    // It stands. What the household wants next is refused for what it says: no other is signed.
    home.core.identity.strategy = fixed(Some("0.1"));
    assert_eq!(home.passes(REFILL), ["store order 3 Open"]);
    home.all_goes_well();
    order = home.memory.orders[&3].message.clone();
    assert_eq!(home.answered(&order, Some(Refusal::Malformed)), ["store order 3 Refused"]);
    assert_eq!(home.writes(), ["acknowledge 5"]);
    assert_eq!(home.memory.orders[&3].state, OrderState::Refused);
    assert_eq!(home.passes(ORDER_RETRY * 2), ["publish 1"]);
}

#[test]
fn orders_for_a_window_are_signed_ahead_of_it_one_at_a_time_and_the_status_says_why() {
    let mut home = Home::new(None);
    let windows = "[[windows]]\nfrom = \"13:00\"\nto = \"13:30\"\nbuy = \"0.25\"\n";
    home.core.identity.strategy = strategy::read("time_of_use", toml::Deserializer::parse(windows).unwrap()).unwrap();
    home.connects();
    home.announced(0, Some(1));
    home.all_goes_well();
    let order = home.memory.orders[&1].clone();
    assert_eq!((order.order.valid_from, home.memory.orders.len()), (interval(4), 1));
    let status = home.core.status(home.now);
    assert_eq!(status.strategy, "time_of_use");
    let placed = status.order.unwrap();
    assert_eq!((placed.valid_from, placed.limits.buy, placed.accepted), (interval(4), "0.25".parse().ok(), None));
    assert_eq!(placed.why.map(|why| why.to_string()).as_deref(), Some("in the window from 13:00 to 13:30 (UTC)"));
    home.answered(&order.message, None);
    home.all_goes_well();
    let after = &home.memory.orders[&2].order;
    assert_eq!((after.valid_from, after.buy), (interval(6), None));
    let placed = home.core.status(home.now).order.unwrap();
    assert_eq!(placed.why, Some(Why::OutsideWindows));
    // Another configuration, and it is not this strategy's any more.
    home.core.identity.strategy = fixed(Some("0.2"));
    assert_eq!(home.core.status(home.now).order.unwrap().why, None);
}

#[test]
fn a_strategy_learns_from_receipts_that_are_old_enough_and_goes_on_from_what_was_stored_with_them() {
    let mut home = Home::new(None);
    let settings = "limits = 2\nexperimentation = 0.05\nlowest = \"0.1\"\nhighest = \"0.2\"\n";
    let strategy = strategy::read("roth_erev", toml::Deserializer::parse(settings).unwrap()).unwrap();
    home.core.identity.strategy = strategy.clone();
    home.core.learned = Learned::of(&*strategy, None, interval(-1));
    home.connects();
    let mut outcomes = Vec::new();
    for open in 0..14 {
        home.announced(open, Some(open + 1));
        home.all_goes_well();
        while let Some(order) = home.core.orders.open().cloned() {
            home.answered(&order.message, None);
            home.all_goes_well();
        }
        // It buys for a price that either limit allows.
        let receipt = home.receipt_of_trade(open, 10, "0.09".parse().unwrap());
        assert_eq!(home.receives(&receipt)[0], format!("store receipt {open} covering {}", open + 1));
        home.all_goes_well();
        let protocol::settlement::Entry { interval, tariffs, line, price, .. } = receipt.entry;
        let limits = home.core.orders.placed(interval);
        assert_eq!(limits.buy.is_some(), open >= 2, "its first order stands from the third interval on");
        outcomes.push(strategy::Outcome { interval, tariffs, limits, price, line, stored_uwh: None });
    }
    // The latest order can stand for 15 at the earliest, and is decided from what came of the intervals up to 7.
    let mut expected = strategy.memory();
    outcomes[..=7].iter().for_each(|outcome| strategy.learn(&mut expected, outcome));
    assert_ne!(expected, strategy.memory());
    assert_eq!(home.core.known.at(interval(15)), Some(&*expected));
    let ahead = (15..=19).map(|at| home.core.wants(interval(at)).unwrap().buy);
    let placed = (15..=19).map(|at| home.core.orders.placed(interval(at)).buy);
    assert_eq!(ahead.collect::<Vec<_>>(), placed.collect::<Vec<_>>());
    assert_eq!(home.memory.learned, home.core.learned);
    assert_eq!(Learned::of(&*strategy, home.memory.learned.clone(), interval(-1)), home.core.learned);
}

#[test]
fn a_meter_out_of_reach_is_read_late_and_the_household_bids_all_the_while() {
    let mut home = Home::new(Some("0.2"));
    home.core.identity.out_of_reach = out_of_reach(2, 100);
    home.connects();
    for open in 0..2 {
        assert_eq!(home.announced(open, None), [format!("read {open}")]);
        home.all_goes_well();
        home.receives(&home.receipt(open, 10));
        home.all_goes_well();
    }
    // No receipt comes of what nobody reads. Announcements are believed all the same, and orders stand.
    for open in 2..100 {
        home.announced(open, Some(open + 1));
        assert!(!home.is_reading(), "{open}");
        home.all_goes_well();
        assert_eq!(home.core.orders.placed(interval(open + 2)).buy, "0.2".parse().ok(), "{open}");
    }
    assert_eq!(home.announced(100, None), ["read 99"], "nothing of what is between");
    assert_eq!(home.shows(500), ["read 100"]);
    assert_eq!(home.shows(10), ["store 3 4"]);
    home.writes();
    let [late, measured] = [3, 4].map(|sequence| home.memory.readings[&sequence].clone());
    assert_eq!((late.interval, late.consecutive, late.import.wh()), (interval(99), false, 500));
    assert_eq!((measured.interval, measured.consecutive, measured.import.wh()), (interval(100), true, 10));
}

#[test]
fn an_order_that_cannot_be_stored_is_not_sent() {
    let mut home = Home::new(Some("0.2"));
    home.connects();
    assert_eq!(home.announced(0, Some(1)), ["read 0"]);
    assert_eq!(home.shows(10), ["store 1"]);
    assert_eq!(home.writes(), ["acknowledge 1", "store order 1 Open"]);
    assert_eq!(home.fails_to_write(false), ["publish 1"]);
    assert!(home.core.orders.open().is_none());
}

#[test]
fn receipts_settle_what_they_prove_once_and_prove_nothing_of_others() {
    let mut home = Home::new(None);
    home.announced(1, None);
    home.all_goes_well();
    let good = home.receipt(0, 10);
    assert_eq!(home.receives(&good), ["store receipt 0 covering 1"]);
    assert_eq!(home.core.totals.imported_wh, 0);
    assert_eq!(home.writes(), ["acknowledge 2"]);
    assert_eq!((home.core.totals.imported_wh, home.core.outbox.unsettled()), (10, 1));
    assert_eq!(home.receives(&good), ["acknowledge 3"], "it is known");
    assert_eq!(home.receives(&home.receipt_of_the_neighbour(1)), ["acknowledge 4"]);
    assert!(home.alarms()[0].starts_with("receipt misdelivered: "), "{:?}", home.alarms());
    // It is proved, and says more than this meter did.
    assert_eq!(home.receives(&home.receipt(1, 11)), ["store evidence"]);
    assert_eq!(home.writes(), ["acknowledge 5"]);
    assert!(home.alarms()[0].contains("expected 10 Wh from what this meter signed (1 so far, kept as evidence)"));
    // Another truth about what is settled.
    assert_eq!(home.receives(&home.receipt(0, 11)), ["store contradiction"]);
    assert_eq!(home.writes(), ["acknowledge 6"]);
    assert!(home.alarms()[0].starts_with("two truths: "), "{:?}", home.alarms());
    assert_eq!((home.core.totals.imported_wh, home.core.receipts_refused), (10, 2));
}

#[test]
fn whose_roof_it_came_from_may_come_later_and_is_never_believed_unproved() {
    let mut home = Home::new(None);
    home.announced(1, None);
    home.all_goes_well();
    let told = home.receipt_of_trade(0, 10, "0.09".parse().unwrap());
    let mut silent = told.clone();
    silent.neighbours.clear();
    // Held back, the line counts all the same; told later, it is kept, and no sum changes.
    assert_eq!(home.receives(&silent), ["store receipt 0 covering 1"]);
    home.all_goes_well();
    let totals = home.core.totals;
    assert_eq!(totals.bought_wh, 10);
    assert_eq!(home.receives(&told), ["store receipt 0 covering"]);
    home.all_goes_well();
    assert_eq!(home.memory.receipt(interval(0)).unwrap(), Some(told.to_json()));
    // Known now, and holding it back again takes nothing away.
    for known in [&told, &silent] {
        assert_eq!(home.receives(known).len(), 1, "it is acknowledged");
    }
    assert_eq!(home.memory.receipt(interval(0)).unwrap(), Some(told.to_json()));
    assert_eq!((home.core.totals, home.core.receipts_refused), (totals, 0));

    // Another neighbour than the one that was signed, and fewer Wh of one.
    let honest = home.receipt_of_trade(1, 10, "0.09".parse().unwrap());
    let mut forged = honest.clone();
    forged.neighbours[0].member = protocol::member::MemberId::from_bytes([9; 16]);
    assert_eq!(home.receives(&forged), ["store evidence"]);
    home.all_goes_well();
    let few = home.receipt_of_trade_with(1, 10, 9);
    assert_eq!(home.receives(&few), ["store evidence"]);
    home.all_goes_well();
    let names = home.core.live.receipts_refused.clone();
    assert_eq!(names, [("NeighboursDoNotAddUp".into(), 1), ("OtherNeighbours".into(), 1)].into());
    // Nothing is lost: the honest one settles the reading.
    assert_eq!(home.receives(&honest), ["store receipt 1 covering 2"]);
}

#[test]
fn a_registration_that_was_decided_otherwise_is_said_and_changes_nothing() {
    let mut home = Home::new(None);
    let decided = |home: &Home, import_wh| {
        let proved = registered::tests::proved(home.community(), 0, |it| it.registers.import_wh = import_wh);
        proved.to_json()
    };
    let (same, other) = (decided(&home, 0), decided(&home, 7));
    assert_eq!(home.hears(Inbound::Registration, other), ["acknowledge 1"]);
    assert!(home.alarms()[0].starts_with("registration differs: "), "{:?}", home.alarms());
    assert_eq!(home.core.identity.registration.import_wh, 0);
    assert_eq!(home.hears(Inbound::Registration, b"you are welcome".to_vec()), ["acknowledge 2"]);
    assert_eq!(home.alarms().len(), 1, "what is not proved changes nothing");
    assert_eq!(home.hears(Inbound::Registration, same), ["acknowledge 3"]);
    assert_eq!(home.alarms(), [""; 0]);
}

/// Validators that have told everybody else another history, and a witness that has seen that one.
#[test]
fn a_block_that_witnesses_saw_otherwise_is_kept_as_evidence_and_said() {
    let mut home = Home::new(None);
    let mut told = Told::new(home.community().clone());
    let log = log_key(&home.core.identity.chain, &told.network).1;
    let mut witness = Witness::new("witness.example/w1", 90, vec![log]);
    home.core.witnessed = Some(Witnessed::new(Policy::new(vec![witness.key.clone()], 1).unwrap()));
    home.connects();
    home.announced(0, None);
    home.shows(10);
    home.all_goes_well();
    assert_eq!(home.core.wanted_of_witnesses(), [0; 0]);
    home.receives(&home.receipt(0, 10));
    home.all_goes_well();
    assert_eq!(home.core.wanted_of_witnesses(), [1]);
    // As long as no node proves anything, nothing is said at first, and then that it is not known.
    let silent = || Event::Answered { height: 1, answers: vec![Err("http://node: no answer".into())] };
    assert_eq!([home.on(silent()), home.on(silent())], [NOTHING; 2]);
    assert_eq!(home.alarms(), NOTHING);
    home.on(silent());
    let unseen = "not witnessed: block 1, which a receipt of this household is of: http://node: no answer";
    assert_eq!(home.alarms(), [unseen]);

    let _ = told.settle(0, 100);
    let (status, seen) = told.show(&mut witness, 0);
    assert_eq!(status, 200);
    let proof = Box::new(told.proof(1, seen));
    let answers = vec![Err("http://node: no answer".into()), Ok(proof)];
    assert_eq!(home.on(Event::Answered { height: 1, answers: answers.clone() }), ["store evidence"]);
    assert_eq!(home.writes(), NOTHING);
    let said = "other history: block 1, which a receipt of this household is of, is another one in the ledger that \
                witness.example/w1 have seen: the validators have told others another history. Receipt and proof are kept \
                as evidence";
    assert_eq!(home.alarms(), [said]);
    assert_eq!(home.core.wanted_of_witnesses(), [0; 0]);
    assert_eq!(home.on(Event::Answered { height: 1, answers }), NOTHING, "it is said once");
}

#[test]
fn a_receipt_that_cannot_be_stored_settles_nothing_and_is_not_acknowledged() {
    let mut home = Home::new(None);
    home.announced(0, None);
    home.all_goes_well();
    assert_eq!(home.receives(&home.receipt(0, 10)), ["store receipt 0 covering 1"]);
    assert_eq!(home.fails_to_write(false), NOTHING);
    assert_eq!((home.core.totals.imported_wh, home.core.outbox.unsettled()), (0, 1));
}

#[test]
fn the_market_is_heard_when_it_speaks_and_not_when_the_broker_repeats_what_it_said() {
    let mut home = Home::new(None);
    let heard = |home: &mut Home| home.core.status(home.now).market_heard_s;
    home.connects();
    let announcement = Announcement { open: Some(interval(0)), orders_from: None };
    let announcement = serde_json::to_vec(&announcement).unwrap();
    home.hears_kept(Inbound::Gate, announcement.clone());
    home.all_goes_well();
    assert_eq!((home.core.status(home.now).connected, heard(&mut home)), (true, None), "the broker alone");
    let minute_s = home.now.utc_s;
    home.now.utc_s += 7;
    home.hears(Inbound::Gate, announcement.clone());
    home.all_goes_well();
    assert_eq!(heard(&mut home), Some(minute_s));
    home.now.utc_s += 10;
    home.hears(Inbound::Gate, announcement);
    home.all_goes_well();
    assert_eq!(heard(&mut home), Some(minute_s), "what it says every ten seconds is no news");
    home.now.utc_s += 3_600;
    home.disconnects(1);
    assert_eq!(heard(&mut home), Some(minute_s), "since then it was silent");
}

#[test]
fn a_receipt_bears_out_more_of_what_was_announced() {
    let mut home = Home::new(None);
    // Believed to a day beyond what is borne out.
    home.announced(96, None);
    home.all_goes_well();
    assert_eq!(home.core.read_until, interval(95));
    home.receives(&home.receipt(0, 10));
    assert_eq!(home.writes(), ["read 96"]);
    assert_eq!(home.shows(10), ["store 97"]);
    assert_eq!(home.writes(), ["acknowledge 2"]);
}

#[test]
fn a_chain_that_stays_broken_is_sent_again_from_before_what_is_unsettled() {
    let mut home = Home::new(None);
    home.connects();
    home.announced(1, None);
    home.all_goes_well();
    home.receives(&home.receipt(0, 10));
    home.all_goes_well();
    let second = home.memory.readings[&2].message.clone();
    assert_eq!(home.answered(&second, Some(Refusal::ChainBroken)), ["acknowledge 3", "publish 2"]);
    home.all_goes_well();
    home.now.monotonic += Duration::from_secs(3);
    assert_eq!(home.answered(&second, Some(Refusal::ChainBroken)), ["acknowledge 4", "publish 1 2"]);
}
