//! The agent against a real Mosquitto: what it signs arrives, what may be lost is sent again, what is proved is kept.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeMap;

use meter_agent::{Running, Status, start};
use protocol::{
    answer::Refusal,
    energy::Energy,
    genesis::TransformerMeter,
    hash::Hash,
    member::MemberId,
    money::Amount,
    reading::SignedReading,
    receipt::Receipt,
    settlement::{Entry, Line, Tariffs},
};
use support::{Heard, Home, Market, PATIENCE, get, interval};
use testkit::mosquitto::Mosquitto;
use tokio::{net::TcpStream, time::timeout};

/// Consumption and production: a buyer, a seller, a buyer, a balanced one.
const METER: [(u64, u64); 4] = [(300, 100), (50, 150), (80, 0), (60, 60)];

async fn until(running: &mut Running, what: &str, wanted: impl FnMut(&Status) -> bool) {
    let waited = timeout(PATIENCE, running.wait_for(wanted)).await;
    assert_eq!(waited, Ok(true), "{what}: {:#?}", running.status());
}

fn assert_chain(readings: &[&SignedReading]) {
    let mut previous = Hash::ZERO;
    for (count, reading) in readings.iter().enumerate() {
        assert_eq!((reading.sequence, reading.previous), (count as u64 + 1, previous));
        assert_eq!(reading.interval, interval(count as i64));
        previous = reading.hash();
    }
}

#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn readings_arrive_chained_and_everything_unsettled_again_when_the_broker_comes_back() {
    let mut broker = Mosquitto::start();
    let home = Home::new(broker.port, &METER);
    let mut market = Market::connect(&home, broker.port).await;
    let mut running = start(home.config()).await.unwrap();

    market.announce(0).await;
    let first = market.reading().await;
    market.announce(2).await;
    let (second, third) = (market.reading().await, market.reading().await);
    assert_chain(&[&first, &second, &third]);
    let shown: Vec<_> = [&first, &second, &third].map(|r| (r.registers.import_wh, r.registers.export_wh)).into();
    assert_eq!(shown, [(1_200, 500), (1_200, 600), (1_280, 600)]);
    assert_ne!(first.salt, second.salt);

    broker.kill();
    until(&mut running, "the agent notices", |status| !status.connected).await;
    broker.restart();
    let mut market = Market::connect(&home, broker.port).await;
    until(&mut running, "the agent comes back", |status| status.connected).await;
    for expected in [&first, &second, &third] {
        assert_eq!(market.reading().await, *expected);
    }
    assert_eq!(running.status().outbox, 3);
    running.stop().await;
}

#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_days_readings_arrive_oldest_first_though_the_broker_goes_away_among_them() {
    const DAY: usize = 96;
    let mut broker = Mosquitto::start();
    let meter: Vec<(u64, u64)> = (0..DAY as u64).map(|count| (100 + count, 0)).collect();
    let home = Home::new(broker.port, &meter);
    let mut market = Market::connect(&home, broker.port).await;
    let mut running = start(home.config()).await.unwrap();
    market.announce(DAY as i64 - 1).await;
    for sequence in 1..=40 {
        assert_eq!(market.reading().await.sequence, sequence);
    }
    broker.kill();
    until(&mut running, "the agent notices", |status| !status.connected).await;
    broker.restart();
    let mut market = Market::connect(&home, broker.port).await;

    // No receipt has proved any of them yet: all of them come again, as one chain.
    let mut again = Vec::new();
    while again.len() < DAY {
        again.push(market.reading().await);
    }
    assert_chain(&again.iter().collect::<Vec<_>>());
    // The receipt of the last interval settles all: the others came too late for theirs.
    let [own, all] = [100 + DAY as u64 - 1, (0..DAY as u64).map(|count| 100 + count).sum()];
    market.forward(home.receipt(DAY as i64 - 1, own, 0, all - own, 0).to_json()).await;
    until(&mut running, "everything to be settled", |status| status.outbox == 0).await;
    assert_eq!(running.status().totals.bought_wh + running.status().totals.imported_wh, all);
    running.stop().await;
}

#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn what_the_market_took_in_is_not_sent_again_and_a_broken_chain_is() {
    let mut broker = Mosquitto::start();
    let home = Home::new(broker.port, &METER);
    let mut market = Market::connect(&home, broker.port).await;
    let mut running = start(home.config()).await.unwrap();
    market.announce(2).await;
    let readings = [market.reading().await, market.reading().await, market.reading().await];
    market.answer(readings[0].hash(), None).await;
    market.answer(readings[1].hash(), Some(Refusal::Duplicate)).await;
    until(&mut running, "the duplicate is counted", |status| status.refused.get("Duplicate") == Some(&1)).await;
    assert_eq!((running.status().outbox, running.status().alarms.len()), (3, 0));

    broker.restart();
    let mut market = Market::connect(&home, broker.port).await;
    assert_eq!(market.reading().await, readings[2]);

    market.answer(readings[2].hash(), Some(Refusal::ChainBroken)).await;
    for expected in &readings {
        assert_eq!(market.reading().await, *expected);
    }
    market.answer(readings[2].hash(), Some(Refusal::SequenceConflict)).await;
    until(&mut running, "a conflict is an alarm", |status| {
        status.alarms.iter().any(|a| a.starts_with("sequence conflict"))
    })
    .await;
    running.stop().await;
}

#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_receipt_is_checked_against_the_tariffs_that_the_validators_decided_and_no_others() {
    let broker = Mosquitto::start();
    let home = Home::new(broker.port, &METER);
    let mut market = Market::connect(&home, broker.port).await;
    let mut running = start(home.config()).await.unwrap();
    market.announce(2).await;
    for _ in 0..3 {
        market.reading().await;
    }
    market.forward(home.receipt(0, 150, 0, 50, 0).to_json()).await;
    until(&mut running, "a receipt under the genesis' tariffs", |status| status.outbox == 2).await;
    assert_eq!(running.status().tariffs, Some(home.genesis.rules.tariffs()));

    // From interval 1 on other rules are in force. The agent hears it from the receipt, proved.
    let decided = Tariffs { retail_price: "0.4".parse().unwrap(), feed_in_price: "0.05".parse().unwrap() };
    let honest = home.receipt_under(decided, 1, [0, 60, 0, 40]);
    let mut claims = honest.clone();
    claims.entry.tariffs.feed_in_price = "0.04".parse().unwrap();
    claims.entry.line.supply_revenue = Amount::from_nano(40 * 40_000);
    market.forward(claims.to_json()).await;
    until(&mut running, "tariffs that nobody decided", |status| status.receipts_refused == 1).await;
    let expected = "receipt does not verify: it proves nothing: the entry is not under the header's root of entries";
    assert!(running.status().alarms[0].starts_with(expected), "{:?}", running.status().alarms);
    assert_eq!(running.status().tariffs, Some(home.genesis.rules.tariffs()));

    market.forward(honest.to_json()).await;
    until(&mut running, "an honest receipt under other rules", |status| status.outbox == 1).await;
    assert_eq!((running.status().tariffs, running.status().receipts_refused), (Some(decided), 1));
    // 60 Wh at the clearing price, 40 Wh at the new feed-in price.
    let earned = 60 * 190_000 + 40 * 50_000;
    assert_eq!(running.status().balance, Amount::from_nano(earned - (150 * 190_000 + 50 * 300_000)));

    // Committed, but booked at other prices than it says.
    let mut old = home.genesis.rules.tariffs();
    old.retail_price = decided.retail_price;
    let line = home.receipt(2, 0, 0, 80, 0).entry.line;
    let mixed = home.receipt_of(protocol::settlement::Entry { line, tariffs: old, ..honest.entry }, 2);
    market.forward(mixed.to_json()).await;
    until(&mut running, "amounts of other tariffs", |status| status.receipts_refused == 2).await;
    let alarm = running.status().alarms[0].clone();
    assert!(alarm.contains("supply cost of 0.024 for 80 Wh, expected 0.032"), "{alarm}");

    let page = get(running.status_addr.unwrap(), "/").await;
    assert!(page.contains("<b>€0.40</b>") && page.contains("<b>€0.05</b>"), "{page}");
    running.stop().await;
    let running = start(home.config()).await.unwrap();
    assert_eq!(running.status().tariffs, Some(decided), "also after a restart");
    running.stop().await;
}

#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_correction_takes_the_place_of_the_receipt_before_it_also_after_a_restart() {
    let broker = Mosquitto::start();
    let home = Home::in_community(broker.port, &METER, |genesis| genesis.time_zone = Some("Asia/Kathmandu".into()));
    let mut market = Market::connect(&home, broker.port).await;
    let mut running = start(home.config()).await.unwrap();
    market.announce(1).await;
    let _ = (market.reading().await, market.reading().await);
    let corrected = |at, correction, [bought, sold, imported, exported]: [u64; 4]| {
        let entry = home.receipt(at, bought, sold, imported, exported).entry;
        home.receipt_of(protocol::settlement::Entry { correction, ..entry }, at).to_json()
    };

    // Drew 200 Wh, and was not there when the auction was held; then it was run again.
    let first = home.receipt(0, 0, 0, 200, 0).to_json();
    market.forward(first.clone()).await;
    until(&mut running, "a receipt", |status| status.outbox == 1).await;
    market.forward(corrected(0, 1, [150, 0, 50, 0])).await;
    until(&mut running, "its correction", |status| status.totals.bought_wh == 150).await;
    let status = running.status();
    assert_eq!((status.totals.receipts_verified, status.totals.imported_wh), (1, 50));
    assert_eq!(status.balance, Amount::from_nano(-(150 * 190_000 + 50 * 300_000)));

    // What was in force before changes nothing; two entries under one number are a lie, and so are amounts that do not
    // follow.
    market.forward(first).await;
    market.forward(corrected(0, 1, [140, 0, 60, 0])).await;
    until(&mut running, "a lie", |status| status.receipts_refused == 1).await;
    assert!(running.status().alarms[0].contains("two truths"), "{:?}", running.status().alarms);
    let honest = home.receipt(0, 10, 0, 50, 0).entry;
    let line = protocol::settlement::Line { paid: Amount::ZERO, ..honest.line };
    let wrong = home.receipt_of(protocol::settlement::Entry { correction: 2, line, ..honest }, 0);
    market.forward(wrong.to_json()).await;
    until(&mut running, "a wrong amount", |status| status.receipts_refused == 2).await;
    assert_eq!(running.status().totals, status.totals);

    // A correction may come before the receipt it corrects, and say what the grid operator knows better.
    market.forward(corrected(1, 1, [0, 70, 0, 20])).await;
    until(&mut running, "an early correction", |status| status.totals.sold_wh == 70).await;
    assert_eq!(running.status().outbox, 1, "it settles other energy than the meter signed");
    market.forward(home.receipt(1, 0, 0, 0, 100).to_json()).await;
    until(&mut running, "what it corrects", |status| status.outbox == 0).await;
    let before = running.status().totals;
    assert_eq!((before.receipts_verified, before.sold_wh, before.exported_wh), (2, 70, 20));

    running.stop().await;
    let running = start(home.config()).await.unwrap();
    assert_eq!((running.status().totals, running.status().outbox), (before, 0));
    let statement = get(running.status_addr.unwrap(), "/statement").await;
    let lines: serde_json::Value = serde_json::from_str(statement.split_once("\r\n\r\n").unwrap().1).unwrap();
    let shown: Vec<_> =
        lines.as_array().unwrap().iter().map(|line| (&line["correction"], &line["bought_wh"])).collect();
    assert_eq!(shown, [(&1.into(), &150.into()), (&1.into(), &0.into())]);

    // The page has the days of the bill, marks what is corrected, and says where that is not what the meter measured.
    let page = async |path: &str| get(running.status_addr.unwrap(), path).await.replace('\u{202f}', " ");
    let measured = "it settles exactly the energy that your meter measured";
    let same = page("/proof/2026-06-01T12:00:00Z?lang=en").await;
    assert!(same.contains("Proof of 17:45–18:00") && same.contains(measured), "{same}");
    let other = page("/proof/2026-06-01T12:15:00Z?lang=en").await;
    let values = "Fed into the grid: your meter measured 0.100 kWh; the validated value that was decided is 0.090 kWh.";
    assert!(other.contains(values) && !other.contains(measured), "{other}");
    let day = page("/day/2026-06-01?lang=en").await;
    assert_eq!(day.matches("corrected (no. 1)").count(), 2, "{day}");
    let month = page("/month/2026-06?lang=en").await;
    assert!(month.contains("corrected: 2") && month.contains("Corrected intervals: 2."), "{month}");
    running.stop().await;
}

/// Everything that somebody with access to the broker can deliver: what was said to others, elsewhere or before, and
/// what was never said. None of it makes the validators liars; two entries that they did sign do.
#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn the_gravest_alarm_cannot_be_faked_nor_buried() {
    let broker = Mosquitto::start();
    let home = Home::new(broker.port, &METER);
    // Other people of the same names and keys, with a ledger of their own.
    let elsewhere = Home::in_community(broker.port, &METER, |genesis| genesis.community = "another street".into());
    let mut market = Market::connect(&home, broker.port).await;
    let mut running = start(home.config()).await.unwrap();
    market.announce(1).await;
    let _ = (market.reading().await, market.reading().await);
    let mine = home.receipt(0, 150, 0, 50, 0);
    let corrected = |home: &Home, [bought, sold, imported, exported]: [u64; 4]| {
        let entry = home.receipt(0, bought, sold, imported, exported).entry;
        home.receipt_of(Entry { correction: 1, ..entry }, 0)
    };
    let neighbours = |receipt: &Receipt| {
        let line = Line { member: MemberId::from_bytes([8; 16]), ..receipt.entry.line };
        home.receipt_of(Entry { line, ..receipt.entry.clone() }, 0)
    };
    let other = home.receipt(0, 0, 0, 170, 0);
    let others_at_hand = [
        ("of a neighbour", neighbours(&other), "OtherMember"),
        ("of a neighbour, as if of here", neighbours(&mine), "OtherMember"),
        ("of a neighbour, corrected", neighbours(&corrected(&home, [0, 0, 99, 0])), "OtherMember"),
        ("of another community", elsewhere.receipt(0, 0, 0, 170, 0), "OtherCommunity"),
        ("of another community, corrected", corrected(&elsewhere, [0, 0, 170, 0]), "OtherCommunity"),
        (
            "a neighbour's with the own name on it",
            {
                let mut receipt = neighbours(&other);
                receipt.entry.line.member = mine.entry.line.member;
                receipt
            },
            "NotProved",
        ),
        (
            "of another community with this one's name on it",
            {
                let mut receipt = elsewhere.receipt(0, 0, 0, 170, 0);
                receipt.header.chain = mine.header.chain;
                receipt
            },
            "NotProved",
        ),
        ("the own, with other figures", Receipt { entry: other.entry.clone(), ..mine.clone() }, "NotProved"),
        (
            "the own, as if corrected",
            {
                let mut receipt = mine.clone();
                receipt.entry.correction = 1;
                receipt
            },
            "NotProved",
        ),
        (
            "of a longer interval",
            {
                let interval = "2026-06-01T12:00:00Z/PT1H".parse().unwrap();
                home.receipt_of_interval(Entry { interval, ..other.entry.clone() }, 0)
            },
            "OtherLength",
        ),
    ];
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    let mut deliver_all = async |market: &mut Market, running: &mut Running| {
        for (case, receipt, name) in &others_at_hand {
            market.forward(receipt.to_json()).await;
            *expected.entry(name.to_string()).or_default() += 1;
            until(running, case, |status| status.receipts_refused_as == expected).await;
            assert!(!running.status().alarms.iter().any(|alarm| alarm.starts_with("two truths")), "{case}");
        }
    };
    // Before the own receipt, after it, and after its correction; the own ones again and again, too.
    deliver_all(&mut market, &mut running).await;
    assert_eq!(running.status().outbox, 2);
    market.forward(mine.to_json()).await;
    until(&mut running, "the own receipt", |status| status.outbox == 1).await;
    let again = [mine.to_json(), home.in_another_round(&mine).to_json(), mine.to_json()];
    for receipt in &again {
        market.forward(receipt.clone()).await;
    }
    deliver_all(&mut market, &mut running).await;
    market.forward(corrected(&home, [140, 0, 60, 0]).to_json()).await;
    until(&mut running, "its correction", |status| status.totals.bought_wh == 140).await;
    for receipt in again.iter().chain([&corrected(&home, [140, 0, 60, 0]).to_json()]) {
        market.forward(receipt.clone()).await;
    }
    deliver_all(&mut market, &mut running).await;
    let status = running.status();
    assert_eq!((status.totals.bought_wh, status.totals.receipts_verified, status.outbox), (140, 1, 1));
    // Of what was somebody else's nothing is kept: it is no evidence against anyone.
    assert_eq!(status.receipts_refused, 3 * 5);
    let misdelivered = "receipt misdelivered: expected a receipt of ";
    assert!(status.alarms.iter().any(|alarm| alarm.starts_with(misdelivered)), "{:?}", status.alarms);

    // And the truth, which no noise afterwards covers, nor a restart.
    market.forward(corrected(&home, [130, 0, 70, 0]).to_json()).await;
    let grave = "two truths: 2026-06-01T12:00:00Z/PT15M was settled before";
    until(&mut running, "two truths", |status| status.alarms[0].starts_with(grave)).await;
    market.forward(b"noise".to_vec()).await;
    until(&mut running, "noise", |status| status.receipts_refused_as.contains_key("Malformed")).await;
    assert!(running.status().alarms[0].starts_with(grave), "{:?}", running.status().alarms);
    running.stop().await;
    let running = start(home.config()).await.unwrap();
    assert!(running.status().alarms[0].starts_with(grave), "{:?}", running.status().alarms);
    running.stop().await;
}

/// Whoever reaches the broker can announce any interval, and retain it.
#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_forged_announcement_makes_no_honest_interval_late() {
    const FORGED: i64 = 5_000;
    let broker = Mosquitto::start();
    let home = Home::new(broker.port, &[(100, 0); 300]);
    home.configure(broker.port, "[order]\nbuy = \"0.25\"\n");
    let mut market = Market::connect(&home, broker.port).await;
    market.announce(FORGED).await;
    let mut running = start(home.config()).await.unwrap();
    // A day of readings, and no order that stands from then on.
    for at in 0..96 {
        let reading = market.reading().await;
        assert_eq!(reading.interval, interval(at));
        let refusal = (at > 0).then_some(Refusal::FutureDated);
        market.answer(reading.hash(), refusal).await;
    }
    until(&mut running, "all answers", |status| status.refused.get("FutureDated") == Some(&95)).await;
    assert_eq!(running.status().open, Some(interval(95)));

    let mut ordered = None;
    for open in 1..8 {
        market.forward(home.receipt(open - 1, 100, 0, 0, 0).to_json()).await;
        market.announce(open).await;
        // What is due comes at once, whatever was refused before; what comes beside it is one more of the forged
        // future.
        loop {
            match market.heard().await {
                Heard::Reading(reading) if reading.interval == interval(open) => {
                    market.answer(reading.hash(), None).await;
                    break;
                }
                Heard::Reading(reading) => {
                    assert!(reading.interval > interval(open), "{} at {open}", reading.interval);
                    market.answer(reading.hash(), Some(Refusal::FutureDated)).await;
                }
                Heard::Order(order) => {
                    market.answer(order.hash(), None).await;
                    ordered = Some(order.valid_from);
                }
            }
        }
        market.announce(FORGED + open).await;
    }
    assert_eq!(ordered, Some(interval(3)), "the first honest announcement after the start");
    until(&mut running, "every receipt", |status| status.totals.receipts_verified == 7).await;
    running.stop().await;
}

#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn the_transformers_agent_is_read_like_a_household_and_pays_nothing() {
    let broker = Mosquitto::start();
    let home = Home::in_community(broker.port, &METER, |genesis| {
        let member = genesis.members[0].member;
        genesis.rules.transformer = Some(TransformerMeter { member, tolerance_wh: 0, tolerance_ppm: 0 });
    });
    let mut market = Market::connect(&home, broker.port).await;
    let mut running = start(home.config()).await.unwrap();
    market.announce(1).await;
    let (first, second) = (market.reading().await, market.reading().await);
    assert_chain(&[&first, &second]);
    assert_eq!((first.registers.import_wh, second.registers.export_wh), (1_200, 600));

    market.forward(home.receipt(0, 0, 0, 200, 0).to_json()).await;
    until(&mut running, "a bill", |status| status.receipts_refused == 1).await;
    assert_eq!(running.status().outbox, 2, "what passed the transformer is the members' to pay");
    for at in 0..2 {
        market.forward(home.receipt(at, 0, 0, 0, 0).to_json()).await;
    }
    until(&mut running, "what says that it was read", |status| status.outbox == 0).await;
    assert_eq!(running.status().balance, Amount::ZERO);
    running.stop().await;
}

#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_proved_receipt_settles_and_a_forged_one_is_evidence_also_after_a_restart() {
    let broker = Mosquitto::start();
    let home = Home::new(broker.port, &METER);
    let mut market = Market::connect(&home, broker.port).await;
    let mut running = start(home.config()).await.unwrap();
    market.announce(1).await;
    let (first, _) = (market.reading().await, market.reading().await);

    // Drew 200 Wh: 150 from neighbours, 50 from the supplier.
    let receipt = home.receipt(0, 150, 0, 50, 0).to_json();
    let forged = String::from_utf8(receipt.clone()).unwrap().replace("\"bought\":150", "\"bought\":151");
    assert_ne!(forged.as_bytes(), receipt);
    market.forward(forged.into_bytes()).await;
    until(&mut running, "a forged receipt is refused", |status| status.receipts_refused == 1).await;
    let status = running.status();
    assert!(status.alarms[0].starts_with("receipt does not verify: it proves nothing"), "{:?}", status.alarms);
    assert_eq!((status.outbox, status.totals.receipts_verified), (2, 0));
    // Committed by the validators, but not what the meter measured.
    market.forward(home.receipt(0, 150, 0, 51, 0).to_json()).await;
    until(&mut running, "a wrong receipt is refused", |status| status.receipts_refused == 2).await;
    assert!(running.status().alarms[0].contains("201 Wh of import"), "{:?}", running.status().alarms);

    for _ in 0..3 {
        market.forward(receipt.clone()).await;
    }
    until(&mut running, "a receipt settles", |status| status.outbox == 1).await;
    let before = running.status();
    assert_eq!((before.totals.receipts_verified, before.settled_until), (1, Some(interval(0))));
    assert_eq!((before.totals.bought_wh, before.totals.imported_wh, before.totals.self_consumed_wh), (150, 50, 100));
    assert_eq!(before.balance, Amount::from_nano(-(150 * 190_000 + 50 * 300_000)));

    let address = running.status_addr.unwrap();
    let json = get(address, "/status").await;
    let json: serde_json::Value = serde_json::from_str(json.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!((&json["bought_wh"], &json["balance"], &json["outbox"]), (&150.into(), &"-0.0435".into(), &1.into()));
    let page = get(address, "/").await;
    assert!(
        page.contains("Test home") && page.contains("0.150\u{202f}kWh") && page.contains("role=\"alert\""),
        "{page}"
    );
    let kept = get(address, "/receipts/2026-06-01T12:00:00Z").await;
    assert_eq!(kept.split_once("\r\n\r\n").unwrap().1.as_bytes(), receipt);
    assert!(get(address, "/receipts/2026-06-01T12:15:00Z").await.starts_with("HTTP/1.0 404"));
    assert!(get(address, "/receipts/tomorrow").await.starts_with("HTTP/1.0 400"));

    // An open browser does not keep the state locked.
    let _browser = TcpStream::connect(address).await.unwrap();
    running.stop().await;
    let mut running = start(home.config()).await.unwrap();
    let after = running.status();
    assert_eq!((after.totals, after.settled_until, after.outbox), (before.totals, before.settled_until, 1));
    assert_eq!((after.receipts_refused, after.alarms.len()), (2, 1));
    let again = market.reading().await;
    assert_eq!((again.sequence, again.previous), (2, first.hash()));

    // Fed in 100 Wh.
    market.forward(home.receipt(1, 0, 70, 0, 30).to_json()).await;
    market.announce_end().await;
    until(&mut running, "all is settled", |status| status.finished).await;
    let totals = running.status().totals;
    assert_eq!((totals.receipts_verified, totals.sold_wh, totals.exported_wh), (2, 70, 30));
    assert_eq!((totals.consumption_wh, totals.production_wh, totals.self_consumed_wh), (350, 250, 150));
    running.stop().await;
}

#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn an_order_is_placed_before_the_readings_and_again_later_when_it_was_too_late() {
    let broker = Mosquitto::start();
    let home = Home::new(broker.port, &METER);
    home.configure(broker.port, "[order]\nbuy = \"0.18\"\nsell = \"0.1\"\nbuy_cap_wh = 500\n");
    let mut market = Market::connect(&home, broker.port).await;
    let mut running = start(home.config()).await.unwrap();
    market.announce(0).await;
    let order = market.order().await;
    assert_eq!((order.sequence, order.buy_cap), (1, Some(Energy::from_wh(500))));
    assert!(order.valid_from > interval(0));
    market.reading().await;
    market.answer(order.hash(), Some(Refusal::OrderTooLate)).await;
    let later = market.order().await;
    assert_eq!((later.sequence, later.buy), (2, Some("0.18".parse().unwrap())));
    assert!(later.valid_from > order.valid_from);
    market.answer(later.hash(), None).await;

    // It stands: what is dearer is refused, what the validators say or not.
    let at = later.valid_from.since(interval(0)).unwrap();
    market.announce(at).await;
    for _ in 0..at {
        market.reading().await;
    }
    market.forward(home.receipt(at, 40, 0, 40, 0).to_json()).await;
    until(&mut running, "too dear", |status| status.receipts_refused == 1).await;
    assert!(
        running.status().alarms[0].contains("0.18 per kWh, the limit of its order"),
        "{:?}",
        running.status().alarms
    );
    running.stop().await;

    // The same order is not placed twice; the outbox is sent all the same.
    let running = start(home.config()).await.unwrap();
    assert!(matches!(market.heard().await, Heard::Reading(_)));
    running.stop().await;
}

#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn prices_follow_the_time_of_day_and_each_receipt_is_checked_against_those_of_its_interval() {
    let broker = Mosquitto::start();
    let home = Home::new(broker.port, &[(300, 100), (50, 150), (80, 0), (90, 0)]);
    let window = "[[order.windows]]\nfrom = \"14:30\"\nto = \"14:45\"\nbuy = \"0.18\"\n";
    let order = "[order]\nstrategy = \"time_of_use\"\ntime_zone = \"Europe/Vienna\"\nbuy = \"0.25\"\n";
    home.configure(broker.port, &format!("{order}{window}"));
    let mut market = Market::connect(&home, broker.port).await;
    let mut running = start(home.config()).await.unwrap();
    market.announce(0).await;
    let cheap = market.order().await;
    assert_eq!((cheap.valid_from, cheap.buy), (interval(2), "0.18".parse().ok()));
    market.reading().await;
    market.answer(cheap.hash(), None).await;
    let dear = market.order().await;
    assert_eq!((dear.valid_from, dear.buy), (interval(3), "0.25".parse().ok()));
    market.answer(dear.hash(), None).await;
    until(&mut running, "it stands", |status| status.order.as_ref().is_some_and(|order| order.accepted == Some(true)))
        .await;
    market.announce(3).await;
    for _ in 0..3 {
        market.reading().await;
    }
    // Neighbours get 0.19: too dear in the window, and not after it.
    market.forward(home.receipt(2, 40, 0, 40, 0).to_json()).await;
    until(&mut running, "too dear", |status| status.receipts_refused == 1).await;
    assert!(
        running.status().alarms[0].contains("0.18 per kWh, the limit of its order"),
        "{:?}",
        running.status().alarms
    );
    market.forward(home.receipt(3, 40, 0, 50, 0).to_json()).await;
    until(&mut running, "good", |status| status.settled_until == Some(interval(3))).await;
    let page = get(running.status_addr.unwrap(), "/").await;
    assert!(page.contains("taken in by the market") && page.contains("outside of all windows"), "{page}");
    running.stop().await;
}

#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_household_that_the_genesis_does_not_have_takes_part_by_what_was_decided_since() {
    let broker = Mosquitto::start();
    let mut home = Home::new(broker.port, &METER);
    // The genesis has another meter and another key for it.
    let stranger = protocol::key::SecretKey::from_seed(&[99; 32]).public();
    (home.genesis.members[0].device, home.genesis.members[0].key) = (stranger, stranger);
    std::fs::write(home.path("genesis.json"), serde_json::to_vec(&home.genesis).unwrap()).unwrap();
    let refused = start(home.config()).await.unwrap_err().to_string();
    assert!(refused.contains("`meter-agent run` waits for what the validators decide"), "{refused}");
    let registered = |first: i64| {
        let (member, first) = (home.genesis.members[0].member, interval(first));
        let registers = "import_wh = 70\nexport_wh = 7\n";
        home.configure(
            broker.port,
            &format!("[registration]\nmember = \"{member}\"\nfirst_interval = \"{first}\"\n{registers}"),
        );
        home.config()
    };
    let refused = start(registered(-1)).await.unwrap_err().to_string();
    assert!(refused.contains("expected a first interval from 2026-06-01T12:00:00Z"), "{refused}");

    let mut market = Market::connect(&home, broker.port).await;
    let mut running = start(registered(1)).await.unwrap();
    market.announce(1).await;
    let first = market.reading().await;
    assert_eq!((first.interval, first.sequence, first.previous), (interval(1), 1, Hash::ZERO));
    assert_eq!((first.registers.import_wh, first.registers.export_wh), (70, 107), "the meter's second interval");
    market.forward(home.receipt(1, 0, 60, 0, 40).to_json()).await;
    until(&mut running, "its receipt is as good as any", |status| status.outbox == 0).await;
    running.stop().await;
}

#[tokio::test]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_recording_that_ends_is_said_and_nonsense_from_the_broker_is_survived() {
    let broker = Mosquitto::start();
    let home = Home::new(broker.port, &METER[..1]);
    let mut market = Market::connect(&home, broker.port).await;
    let mut running = start(home.config()).await.unwrap();
    market.announce(3).await;
    assert_eq!(market.reading().await.interval, interval(0));
    for nonsense in [b"".to_vec(), b"{".to_vec(), vec![b'['; 100_000], vec![0xff; 200_000], b"1e400".to_vec()] {
        market.forward(nonsense).await;
    }
    until(&mut running, "nonsense is refused", |status| status.receipts_refused == 5).await;
    market.forward(home.receipt(0, 0, 0, 200, 0).to_json()).await;
    until(&mut running, "the replay is over", |status| status.finished).await;
    assert_eq!(running.status().last_interval, Some(interval(0)));
    running.stop().await;
}
