//! The island: what is reported, and what may be drawn.

use protocol::{
    energy::Energy,
    island::{Class, PlannedQuota, Quota, Standby},
    status::DeviceStatus,
};

use super::{super::island::UNPLANNED_PAUSE, *};
use crate::island::{Behind, IslandConfig, tests::proof};

/// A household that buys up to a price and says that it has critical devices, connected.
fn reporting(buy: Option<&str>) -> Home {
    let mut home = Home::new(buy);
    home.core.identity.behind = Behind::of(None, Some(&IslandConfig { critical_w: 200 }));
    home.connects();
    home
}

/// The status that is to be published now.
fn status(home: &Home) -> protocol::envelope::Sealed {
    let Some(Effect::Publish(messages)) = &home.awaited else { panic!("nothing is to be published") };
    let status = messages.iter().find_map(|message| match message {
        Outgoing::Status(sealed) => Some(sealed.clone()),
        Outgoing::Order(_) | Outgoing::Reading(..) => None,
    });
    status.expect("a status among them")
}

/// The interval is read; what is published, and what the market says of the status in it.
fn reads(home: &mut Home, open: i64, refusal: Option<Refusal>) -> String {
    home.announced(open, None);
    let mut words = vec![String::new()];
    while home.awaited.is_some() && !words.last().is_some_and(|word| word.starts_with("publish")) {
        words = home.succeeds();
    }
    let published = words.pop().unwrap();
    if published.contains("status") {
        let status = status(home);
        home.all_goes_well();
        home.answered(&status, refusal);
    }
    home.all_goes_well();
    published
}

fn quota(at: i64, wh: u64) -> PlannedQuota {
    let mut quota = Quota::default();
    quota.claims[Class::Basic as usize] = Energy::from_wh(1_000);
    quota.awards[Class::Basic as usize] = Energy::from_wh(wh);
    PlannedQuota { interval: interval(at), quota }
}

fn proves(home: &Home, quotas: &[PlannedQuota]) -> Vec<u8> {
    proof(home.community(), 0, Standby { status: None, quotas: quotas.to_vec() }).to_json()
}

#[test]
fn each_interval_has_a_status_that_is_signed_by_the_device_and_sent_once() {
    let mut home = reporting(None);
    home.announced(0, None);
    home.shows(10);
    assert_eq!(home.writes(), ["acknowledge 1", "publish status 1"]);
    let (chain, device) = (home.core.identity.chain, home.core.identity.device_key.public());
    let signed = status(&home).open::<DeviceStatus>(&chain, |key| *key == device).unwrap();
    let expected = (interval(0), 0, 0, 200, Energy::ZERO);
    let DeviceStatus { interval, stored_wh, capacity_wh, critical_w, forecast, .. } = *signed.payload();
    assert_eq!((interval, stored_wh, capacity_wh, critical_w, forecast), expected);
    // The connection takes nothing: it goes with what is sent next, and then no more.
    home.takes(0);
    assert_eq!(home.passes(REFILL), ["publish status 1"]);
    home.takes(2);
    assert_eq!(home.passes(REFILL), NOTHING);
    home.disconnects(1);
    assert_eq!(home.connects(), ["publish 1"]);
    home.all_goes_well();
    assert_eq!(reads(&mut home, 1, None), "publish status 2");
    // Of several intervals that are read together, the last.
    assert_eq!(reads(&mut home, 4, None), "publish status 3 4 5");
    assert!(home.alarms().is_empty());

    let mut silent = Home::new(None);
    silent.connects();
    assert_eq!(reads(&mut silent, 0, None), "publish 1");
}

#[test]
fn a_status_that_is_refused_is_an_alarm_until_one_is_taken() {
    let mut home = reporting(None);
    reads(&mut home, 0, Some(Refusal::ClassNotDecided));
    assert_eq!(home.alarms(), ["status refused: ClassNotDecided: so"]);
    reads(&mut home, 1, Some(Refusal::StatusNotNewer));
    assert_eq!(home.alarms(), ["status refused: ClassNotDecided: so"]);
    reads(&mut home, 2, Some(Refusal::StatusImpossible));
    assert_eq!(home.alarms(), ["status refused: StatusImpossible: so"]);
    reads(&mut home, 3, None);
    assert!(home.alarms().is_empty());
    let refused = &home.core.status(home.now).refused;
    assert_eq!(
        refused.iter().map(|(name, count)| (name.as_str(), *count)).collect::<Vec<_>>(),
        [("ClassNotDecided", 1), ("StatusImpossible", 1), ("StatusNotNewer", 1)]
    );
}

#[test]
fn where_no_island_is_planned_the_household_asks_again_only_after_a_while() {
    let mut home = reporting(None);
    let said: Vec<i64> = (0..2 * UNPLANNED_PAUSE)
        .filter(|at| {
            let published = reads(&mut home, *at, Some(Refusal::NoIslandPlan));
            home.receives(&home.receipt(*at, 10));
            home.all_goes_well();
            published.contains("status")
        })
        .collect();
    assert_eq!(said, [0, UNPLANNED_PAUSE]);
    assert_eq!(home.alarms(), NOTHING);
}

#[test]
fn what_is_proved_may_be_drawn_and_is_kept_and_what_is_not_is_not_believed() {
    let mut home = reporting(None);
    reads(&mut home, 0, None);
    let json = proves(&home, &[quota(1, 700), quota(2, 300)]);
    let forged = String::from_utf8(json.clone()).unwrap().replacen("700", "900", 1).into_bytes();
    let neighbours = proof(home.community(), 1, Standby { status: None, quotas: vec![quota(1, 700)] }).to_json();
    for payload in [forged, neighbours, b"{}".to_vec(), Vec::new()] {
        let words = home.hears(Inbound::Quota, payload);
        assert!(words.len() == 1 && words[0].starts_with("acknowledge"), "{words:?}");
        assert_eq!(home.core.status(home.now).island, None);
    }
    assert_eq!(home.hears(Inbound::Quota, json.clone()), ["store quotas of 1 2"]);
    assert_eq!(home.core.status(home.now).island, None, "it is not stored yet");
    assert_eq!(home.writes().len(), 1, "it is acknowledged");
    let shown = home.core.status(home.now).island.unwrap();
    assert_eq!((shown.quotas, shown.last), (vec![quota(1, 700), quota(2, 300)], None));
    // Retained, it comes again with each connection.
    assert!(home.hears(Inbound::Quota, json)[0].starts_with("acknowledge"));
    reads(&mut home, 1, None);
    assert_eq!(home.core.status(home.now).island.unwrap().quotas, [quota(2, 300)]);
    assert!(home.alarms().is_empty());
}

#[test]
fn on_an_island_only_a_proved_quota_lets_a_price_above_the_own_limit_pass() {
    let mut home = Home::new(Some("0.2"));
    home.connects();
    let price: Price = "0.35".parse().unwrap();
    for at in 0..4 {
        home.announced(at, Some(at + 1));
        home.all_goes_well();
        while let Some(order) = home.core.orders.open().cloned() {
            home.answered(&order.message, None);
            home.all_goes_well();
        }
    }
    assert!(home.core.orders.limits(interval(3), &home.receipt(3, 0).entry.tariffs).buy < price);
    let receipt = home.receipt_on_an_island(3, 10, price);
    assert_eq!(home.receives(&receipt), ["store evidence"], "tariffs alone prove no island");
    home.all_goes_well();
    assert!(
        home.alarms().iter().any(|alarm| alarm.starts_with("receipt does not verify: paid")),
        "{:?}",
        home.alarms()
    );

    let json = proves(&home, &[quota(3, 7)]);
    home.hears(Inbound::Quota, json);
    home.all_goes_well();
    // A quota of this interval is no leave to pay more under other tariffs: the island may have ended before it.
    let receipt_on_the_grid = home.receipt_of_trade(3, 10, price);
    assert_eq!(home.receives(&receipt_on_the_grid), ["store evidence"]);
    home.all_goes_well();
    // Nor is that of another interval.
    let earlier = home.receipt_on_an_island(2, 10, price);
    assert_eq!(home.core.island.quota_of(&earlier.entry), None);

    assert_eq!(home.receives(&receipt), ["store receipt 3 covering 4"]);
    home.all_goes_well();
    let last = home.core.status(home.now).island.unwrap().last.unwrap();
    assert_eq!((last.quota_wh, last.drawn_wh, last.overdrawn_wh, last.price), (7, 10, 3, price));
}
