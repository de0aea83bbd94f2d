//! The whole service against a real broker and a ledger that recomputes every settlement.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use market_service::{Config, start};
use protocol::{
    answer::Refusal,
    energy::Energy,
    envelope::Signed,
    genesis::{GenesisMember, TransformerMeter},
    hash::Hash,
    member::MemberId,
    order::Order,
    reading::SignedReading,
    refusal::LedgerRefusal,
    settlement::{Entry, Line, Settlement},
};
use support::{
    fake_ledger::Mode,
    world::{World, changed, genesis, interval, key, readings, readings_in, refused, until},
};
use testkit::agent::PATIENCE;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn bad_readings_are_refused_by_name_and_good_ones_settled_once() {
    let world = World::new().await;
    let mut market = world.market().await;
    let (mut ada, mut bob, mut eve) = (world.agent(1).await, world.agent(2).await, world.agent(99).await);
    let (of_ada, of_bob) = (readings(1, 3), readings(2, 2));
    ada.wait_open(Some(interval(0))).await;

    let first = of_ada[0].bytes();
    assert_eq!(ada.send(first).await, None);
    for _ in 0..20 {
        ada.publish_reading(first).await;
    }
    for _ in 0..20 {
        assert_eq!(ada.answer(first).await, Some(Refusal::Duplicate));
    }
    let mut flipped = of_ada[1].bytes().to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    for (case, bytes, refusal) in [
        ("noise", vec![0xff; 200], Refusal::Malformed),
        ("10 KB", vec![0; 10_240], Refusal::Malformed),
        ("forged", flipped, Refusal::BadSignature),
        ("of a neighbour", of_bob[0].bytes().to_vec(), Refusal::BadSignature),
        ("of a stranger", changed(&of_ada[1], 99, |_| ()), Refusal::UnknownDevice),
        ("another one", changed(&of_ada[0], 1, |r| r.salt = [9; 16]), Refusal::SequenceConflict),
        ("not the next link", of_ada[2].bytes().to_vec(), Refusal::FutureDated),
        ("of the next interval", of_ada[1].bytes().to_vec(), Refusal::FutureDated),
        ("before the first interval", changed(&of_ada[1], 1, |r| r.interval = interval(-4)), Refusal::Stale),
    ] {
        assert_eq!(ada.send(&bytes).await, Some(refusal), "{case}");
    }
    assert_eq!(eve.send(&changed(&of_bob[0], 99, |_| ())).await, Some(Refusal::UnknownDevice));
    for (case, bytes, refusal) in [
        ("a register", changed(&of_bob[0], 2, |r| r.registers.export_wh = 4_999), Refusal::RegisterWentBack),
        ("a power", changed(&of_bob[0], 2, |r| r.registers.export_wh = 9_000), Refusal::ImplausiblePower),
        ("a gap", changed(&of_bob[0], 2, |r| r.sequence = 2), Refusal::ChainBroken),
    ] {
        assert_eq!(bob.send(&bytes).await, Some(refusal), "{case}");
    }
    // More than the market takes from the broker at all: it loses the connection, and comes back.
    ada.publish_reading(&vec![0; 2 << 20]).await;
    refused(
        &market,
        &[
            (Refusal::Malformed, 3),
            (Refusal::UnknownDevice, 2),
            (Refusal::BadSignature, 2),
            (Refusal::Duplicate, 20),
            (Refusal::SequenceConflict, 1),
            (Refusal::ChainBroken, 1),
            (Refusal::RegisterWentBack, 1),
            (Refusal::ImplausiblePower, 1),
            (Refusal::FutureDated, 2),
            (Refusal::Stale, 1),
        ],
    )
    .await;
    ada.wait_open(Some(interval(0))).await;
    assert_eq!(world.ledger.settlements(), [], "Bob was not read yet");
    let metrics = reqwest::get(format!("http://{}/metrics", market.console_addr.unwrap())).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.lines().any(|line| line.contains("Duplicate") && line.ends_with(" 20")), "{metrics}");

    assert_eq!(bob.send(of_bob[0].bytes()).await, None);
    let receipt = ada.receipt(interval(0)).await;
    assert_eq!(receipt.entry.line.bought.wh(), 200);
    assert_eq!(receipt.entry.line.imported.wh(), 100);
    assert_eq!(bob.receipt(interval(0)).await.entry.line.sold.wh(), 200);

    // An agent that missed its receipt sends the reading again.
    ada.wait_open(Some(interval(1))).await;
    assert_eq!(ada.send(first).await, Some(Refusal::Duplicate));
    assert_eq!(ada.receipt(interval(0)).await, receipt);

    assert_eq!(ada.send(of_ada[1].bytes()).await, None);
    assert_eq!(ada.send(first).await, Some(Refusal::Duplicate), "reading 2 waits, reading 1 is the last settled");
    assert_eq!(bob.send(of_bob[1].bytes()).await, None);
    ada.wait_open(None).await;
    assert_eq!(ada.send(first).await, Some(Refusal::IntervalClosed));
    assert_eq!(ada.receipt(interval(0)).await, receipt);
    tokio::time::timeout(PATIENCE, market.finished()).await.unwrap().unwrap();
    market.stop().await.unwrap();

    let settlements = world.ledger.settlements();
    assert_eq!(
        settlements.iter().map(|settlement| settlement.interval).collect::<Vec<_>>(),
        [interval(0), interval(1)]
    );
    assert_eq!(
        settlements[0].readings,
        [&of_ada[0], &of_bob[0]]
            .map(|r| (r.signer(), r.hash()))
            .into_iter()
            .collect::<BTreeMap<_, _>>()
            .into_values()
            .collect::<Vec<_>>()
    );
    assert_eq!(world.ledger.refused(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_forged_announcement_does_not_stay_the_last_word() {
    let world = World::new().await;
    let market = world.market().await;
    let mut ada = world.agent(1).await;
    ada.wait_open(Some(interval(0))).await;
    for forged in [None, Some(interval(-9)), Some(interval(1_000_000))] {
        ada.forge_announcement(forged).await;
        ada.wait_open(forged).await;
        ada.forget();
        // Nobody was read: nothing else makes the market say anything.
        ada.wait_open(Some(interval(0))).await;
    }
    market.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_reading_delivered_two_to_a_hundred_times_settles_like_one_delivered_once() {
    let mut ledgers = Vec::new();
    for [of_ada, of_bob] in [[1, 1], [2, 100], [37, 2]] {
        let world = World::new().await;
        let mut market = world.market().await;
        let (mut ada, mut bob) = (world.agent(1).await, world.agent(2).await);
        for number in [0, 1] {
            ada.wait_open(Some(interval(number))).await;
            for (agent, readings, times) in [(&mut ada, readings(1, 2), of_ada), (&mut bob, readings(2, 2), of_bob)] {
                let bytes = readings[number as usize].bytes();
                for _ in 0..times {
                    agent.publish_reading(bytes).await;
                }
                assert_eq!(agent.answer(bytes).await, None);
                for _ in 1..times {
                    assert_eq!(agent.answer(bytes).await, Some(Refusal::Duplicate));
                }
            }
        }
        tokio::time::timeout(PATIENCE, market.finished()).await.unwrap().unwrap();
        let duplicates = 2 * (of_ada + of_bob - 2) as u64;
        assert_eq!(market.refused().get(&Refusal::Duplicate).copied().unwrap_or_default(), duplicates);
        market.stop().await.unwrap();
        assert_eq!(world.ledger.refused(), [""; 0]);
        ledgers.push(protocol::cbor::encode(&world.ledger.settlements()));
    }
    assert!(ledgers.iter().all(|ledger| *ledger == ledgers[0]), "the same bytes");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn orders_are_answered_when_the_ledger_has_taken_them() {
    let world = World::new().await;
    let market = world.market().await;
    let mut ada = world.agent(1).await;
    ada.wait_open(Some(interval(0))).await;
    let order = |sequence, from| {
        let order =
            Order { sequence, valid_from: interval(from), buy: None, sell: None, buy_cap: None, sell_cap: None };
        Signed::sign(order, &genesis("Test").chain(), &key(11)).bytes().to_vec()
    };
    for (bytes, expected) in [
        (order(1, 0), Some(Refusal::OrderTooLate)),
        (order(1, 1), None),
        (order(1, 2), Some(Refusal::SequenceConflict)),
        (order(2, 1), None),
    ] {
        ada.publish_order(&bytes).await;
        assert_eq!(ada.answer(&bytes).await, expected);
    }
    refused(&market, &[(Refusal::SequenceConflict, 1), (Refusal::OrderTooLate, 1)]).await;
    // The member has as many orders waiting as it may: that passes, and the agent is told so.
    world.ledger.refuse_orders(Some(LedgerRefusal::TooManyOrders));
    ada.publish_order(&order(3, 1)).await;
    assert_eq!(ada.answer(&order(3, 1)).await, Some(Refusal::TooManyOrders));
    world.ledger.refuse_orders(None);
    ada.publish_order(&order(3, 1)).await;
    assert_eq!(ada.answer(&order(3, 1)).await, None);
    market.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_restart_between_intake_and_settlement_loses_nothing() {
    let world = World::new().await;
    let (mut ada, mut bob) = (world.agent(1).await, world.agent(2).await);
    let (of_ada, of_bob) = (readings(1, 2), readings(2, 2));

    // Stopped after one reading: it is still there.
    let market = world.market().await;
    ada.wait_open(Some(interval(0))).await;
    assert_eq!(ada.send(of_ada[0].bytes()).await, None);
    market.stop().await.unwrap();

    // Stopped between submission and commit: the ledger goes on alone, the market accepts it.
    world.ledger.set(Mode::Hold);
    let market = world.market().await;
    assert_eq!(bob.send(of_bob[0].bytes()).await, None);
    let submitted = async {
        while world.ledger.pooled() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, submitted).await.unwrap();
    market.stop().await.unwrap();
    assert_eq!(world.ledger.settlements(), []);
    world.ledger.set(Mode::Commit);
    let settlements = world.ledger.settlements();
    assert_eq!(settlements.len(), 1);
    assert_eq!(settlements[0].readings.len(), 2);

    // Published while the market is away: the broker keeps it.
    bob.publish_reading(of_bob[1].bytes()).await;
    let mut market = world.market().await;
    ada.receipt(interval(0)).await;
    bob.receipt(interval(0)).await;
    assert_eq!(ada.send(of_ada[1].bytes()).await, None);
    assert_eq!(bob.answer(of_bob[1].bytes()).await, None);
    tokio::time::timeout(PATIENCE, market.finished()).await.unwrap().unwrap();
    ada.receipt(interval(1)).await;
    bob.receipt(interval(1)).await;
    market.stop().await.unwrap();
    assert_eq!(world.ledger.settlements().len(), 2);
    assert_eq!(world.ledger.refused(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn receipts_of_corrections_are_forwarded_once_and_again_to_who_asks() {
    let world = World::new().await;
    let (mut ada, mut bob) = (world.agent(1).await, world.agent(2).await);
    let (of_ada, of_bob) = (readings(1, 1), readings(2, 1));
    let market = world.market().await;
    ada.wait_open(Some(interval(0))).await;
    assert_eq!(ada.send(of_ada[0].bytes()).await, None);
    assert_eq!(bob.send(of_bob[0].bytes()).await, None);
    assert_eq!(ada.receipt(interval(0)).await.entry.line.imported.wh(), 100);
    bob.receipt(interval(0)).await;

    let mut settlement = world.ledger.settlements().remove(0);
    let mut correct = |imported_wh| {
        settlement.lines[0].imported = Energy::from_wh(imported_wh);
        world.ledger.correct(settlement.clone());
    };
    correct(50);
    let second = ada.receipt(interval(0)).await.entry;
    assert_eq!((second.correction, second.line.imported.wh()), (1, 50));
    assert_eq!(bob.receipt(interval(0)).await.entry.correction, 1);

    // While the market is away, there is another one. The last interval's own receipts come again after a restart.
    market.stop().await.unwrap();
    correct(40);
    let market = world.market().await;
    let mut seen = BTreeSet::new();
    while seen != BTreeSet::from([(0, 100), (2, 40)]) {
        let Entry { correction, line, .. } = ada.receipt(interval(0)).await.entry;
        assert!(seen.insert((correction, line.imported.wh())), "{correction} came twice");
    }

    ada.publish_reading(of_ada[0].bytes()).await;
    for expected in 0..=2 {
        assert_eq!(ada.receipt(interval(0)).await.entry.correction, expected);
    }
    market.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn what_a_device_committed_to_the_ledger_is_settled_though_the_market_never_heard_it() {
    let world = World::new().await;
    let config = world.config().replace("gate_delay_ms = 3600000", "gate_delay_ms = 200");
    let market = start(Config::load(&world.write("market.toml", &config)).unwrap()).await.unwrap();
    let (mut ada, mut bob) = (world.agent(1).await, world.agent(2).await);
    let (of_ada, of_bob) = (readings(1, 1), readings(2, 1));
    ada.wait_open(Some(interval(0))).await;
    // After the market has asked the ledger where it stands: it cannot know.
    world.ledger.commit_to(&of_bob[0]);
    assert_eq!(ada.send(of_ada[0].bytes()).await, None);
    assert_eq!(ada.receipt(interval(0)).await.entry.line.bought.wh(), 200);
    assert_eq!(bob.receipt(interval(0)).await.entry.line.sold.wh(), 200);
    assert_eq!(world.ledger.refused(), ["committed_reading_left_out"]);
    market.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_device_that_signs_two_readings_under_one_number_is_reported_to_the_ledger_once() {
    let world = World::new().await;
    let market = world.market().await;
    let (mut ada, mut bob) = (world.agent(1).await, world.agent(2).await);
    let (of_ada, of_bob) = (readings(1, 2), readings(2, 2));
    let other = |reading: &SignedReading, number| changed(reading, number, |reading| reading.salt = [9; 16]);
    let pair = |reading: &SignedReading, other: &[u8]| {
        let mut pair = [reading.hash(), Hash::of(other)];
        pair.sort();
        pair
    };
    let reported = async |expected: &[[Hash; 2]]| until(|| world.ledger.reported(), expected.to_vec()).await;
    // The first one waits to be settled.
    ada.wait_open(Some(interval(0))).await;
    assert_eq!(ada.send(of_ada[0].bytes()).await, None);
    let of_thief = other(&of_ada[0], 1);
    for _ in 0..2 {
        assert_eq!(ada.send(&of_thief).await, Some(Refusal::SequenceConflict));
    }
    let mut expected = vec![pair(&of_ada[0], &of_thief)];
    reported(&expected).await;

    // The first one is settled, and stands.
    assert_eq!(bob.send(of_bob[0].bytes()).await, None);
    bob.receipt(interval(0)).await;
    bob.wait_open(Some(interval(1))).await;
    let of_thief = other(&of_bob[0], 2);
    assert_eq!(bob.send(&of_thief).await, Some(Refusal::SequenceConflict));
    expected.push(pair(&of_bob[0], &of_thief));
    reported(&expected).await;
    assert_eq!(ada.send(of_ada[1].bytes()).await, None);
    assert_eq!(bob.send(of_bob[1].bytes()).await, None);
    bob.receipt(interval(1)).await;
    market.stop().await.unwrap();

    // After a restart only what is new is reported. Of what was settled before, the market knows the hash.
    let market = world.market().await;
    let of_thief = other(&of_ada[1], 1);
    assert_eq!(ada.send(&of_thief).await, Some(Refusal::SequenceConflict));
    expected.push(pair(&of_ada[1], &of_thief));
    reported(&expected).await;
    market.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn what_the_transformers_meter_does_not_confirm_is_settled_as_provisional() {
    let mut genesis = genesis("Behind a transformer");
    let id = MemberId::from_bytes([3; 16]);
    let meter =
        GenesisMember { member: id, key: key(13).public(), device: key(3).public(), ..genesis.members[0].clone() };
    genesis.members.push(meter);
    genesis.rules.transformer = Some(TransformerMeter { member: id, tolerance_wh: 2, tolerance_ppm: 0 });
    let world = World::of(&genesis).await;
    let mut market = world.market().await;
    // 300 Wh are drawn and 200 Wh fed in, so 100 Wh pass the transformer; then it counts 10 Wh less than that.
    let flows: [&[(u64, u64)]; 3] = [&[(300, 0); 2], &[(0, 200); 2], &[(101, 0), (90, 0)]];
    let mut agents = Vec::new();
    for (number, flows) in (1..).zip(flows) {
        agents.push((world.agent(number).await, readings_in(&genesis, number, flows)));
    }
    for at in 0..2 {
        for (agent, readings) in &mut agents {
            agent.wait_open(Some(interval(at))).await;
            assert_eq!(agent.send(readings[at as usize].bytes()).await, None);
        }
        for (agent, _) in &mut agents {
            let entry = agent.receipt(interval(at)).await.entry;
            assert_eq!(entry.provisional, at == 1);
            if entry.line.member == id {
                let Line { bought, sold, imported, exported, .. } = entry.line;
                assert_eq!([bought, sold, imported, exported], [Energy::ZERO; 4], "it owes nothing");
            }
        }
    }
    tokio::time::timeout(PATIENCE, market.finished()).await.unwrap().unwrap();
    market.stop().await.unwrap();
    let [closed, open] = &world.ledger.settlements()[..] else { panic!("two intervals are settled") };
    assert_eq!(closed.provisional, None);
    let found = open.provisional.as_ref().unwrap();
    assert_eq!(
        (&found.unread[..], found.balance.unwrap().expected_wh, found.balance.unwrap().found_wh),
        (&[][..], Some(90), 100)
    );
    assert_eq!(world.ledger.refused(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn a_meter_that_is_late_keeps_nobody_waiting_and_loses_nothing() {
    let world = World::new().await;
    let config = world.config().replace("gate_delay_ms = 3600000", "gate_delay_ms = 200");
    let config = config.lines().filter(|line| !line.starts_with("until")).collect::<Vec<_>>().join("\n");
    let market = start(Config::load(&world.write("market.toml", &config)).unwrap()).await.unwrap();
    let (mut ada, mut bob) = (world.agent(1).await, world.agent(2).await);
    let (of_ada, of_bob) = (readings(1, 2), readings(2, 2));
    // Before it has asked the ledger where it stands, the market listens to nobody.
    ada.wait_open(Some(interval(0))).await;
    assert_eq!(ada.send(of_ada[0].bytes()).await, None);
    assert_eq!(ada.receipt(interval(0)).await.entry.line.imported.wh(), 300, "nobody to buy from");
    ada.wait_open(Some(interval(1))).await;
    bob.publish_reading(of_bob[0].bytes()).await;
    bob.publish_reading(of_bob[1].bytes()).await;
    assert_eq!(bob.answer(of_bob[0].bytes()).await, None);
    assert_eq!(bob.answer(of_bob[1].bytes()).await, None);
    assert_eq!(ada.send(of_ada[1].bytes()).await, None);
    let settled = async {
        while world.ledger.settlements().iter().map(|settlement| settlement.readings.len()).sum::<usize>() < 4 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.unwrap();
    // Nothing more waits to be settled: what the board says now stays.
    let settlements = world.ledger.settlements();
    let provisional = settlements.iter().filter_map(|settlement| settlement.provisional.as_ref());
    assert_eq!(settlements[0].provisional.as_ref().unwrap().unread, [MemberId::from_bytes([2; 16])]);
    let mut expected = vec![
        format!("voisin_market_intervals_provisional_total{{reason=\"unread\"}} {}", provisional.count()),
        "voisin_market_intervals_provisional_total{reason=\"unbalanced\"} 0".to_owned(),
    ];
    let late = |settlement: &Settlement, reading: &SignedReading| {
        settlement.readings.contains(&reading.hash()) && reading.interval < settlement.interval
    };
    let all = || of_ada.iter().chain(&of_bob);
    let late: usize = settlements.iter().map(|of| all().filter(|reading| late(of, reading)).count()).sum();
    assert!(late > 0);
    expected.push(format!(
        "voisin_market_readings_noted_total{{what=\"late\",reason=\"SettledWithALaterInterval\"}} {late}"
    ));
    let url = format!("http://{}/metrics", market.console_addr.unwrap());
    let shown = async {
        loop {
            let text = reqwest::get(&url).await.unwrap().text().await.unwrap();
            if expected.iter().all(|expected| text.lines().any(|line| line == expected)) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, shown).await.unwrap_or_else(|_| panic!("not shown: {expected:?}"));
    market.stop().await.unwrap();
    let lines = world.ledger.settlements().into_iter().flat_map(|settlement| settlement.lines);
    let (drawn, fed_in) = lines.fold((0, 0), |(drawn, fed_in), line| {
        (drawn + line.bought.wh() + line.imported.wh(), fed_in + line.sold.wh() + line.exported.wh())
    });
    assert_eq!((drawn, fed_in), (600, 400), "each Wh once, whenever it arrived");
    assert_eq!(world.ledger.refused(), [""; 0]);
}

async fn fails(world: &World, config: &str, expected: &str) {
    let path = world.write("bad.toml", config);
    let error = start(Config::load(&path).unwrap()).await.unwrap_err().to_string();
    assert!(error.contains(expected) && !error.contains('\n'), "{error}\nexpected: {expected}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn what_cannot_start_says_why_in_one_line() {
    let world = World::new().await;
    let market = world.market().await;
    let taken = market.console_addr.unwrap().to_string();
    world.write("other.json", &serde_json::to_string(&genesis("Other")).unwrap());
    world.write("no-key", "secret\n");
    world.write("other-key", &Hash::ZERO.to_string());
    world.write("no-names.csv", "member,name\nAda,Ada\n");
    for (from, to, expected) in [
        ("127.0.0.1:0", taken.as_str(), "console: expected a free address"),
        ("\"state\"", "\"state\"", "in use by another market"),
        ("genesis.json", "other.json", "expected a node of chain"),
        ("genesis.json", "nowhere.json", "nowhere.json: cannot be read"),
        ("\"key\"", "\"no-key\"", "no-key: expected one line of 64 lowercase hex digits"),
        ("\"key\"", "\"other-key\"", "expected the secret key of did:key:"),
        (
            "names.csv",
            "no-names.csv",
            "no-names.csv, line 2: expected a member of 32 lowercase hex digits, found `Ada`",
        ),
        ("until = \"2026-06-01T12:15:00Z\"", "until = \"2026-06-01T12:10:00Z\"", "clock.until: expected the start"),
    ] {
        fails(&world, &world.config().replace(from, to), expected).await;
    }
    let alone = world.config().replace(&world.ledger.url(), "http://127.0.0.1:2");
    fails(&world, &alone.replace("genesis.json", "other.json"), "expected the state of chain").await;
    market.stop().await.unwrap();
    assert!(!world.directory.path().join("secret").exists());
}
