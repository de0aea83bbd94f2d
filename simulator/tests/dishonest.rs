//! Meters that say something else than what flows: what it does to the others, and when it is noticed.

#![allow(clippy::unwrap_used)]

use std::{fs, ops::ControlFlow};

use protocol::hash::Hash;
use serde_json::Value;
use simulator::{
    offline::{self, Community, Street, Use},
    scenario::Scenario,
};

fn figures(text: &str) -> Value {
    let scenario = Scenario::parse(text).unwrap();
    let community = Community::of(&scenario).unwrap();
    serde_json::to_value(offline::figures(&scenario, &community, 2, &|_| ControlFlow::Continue(())).unwrap()).unwrap()
}

/// A day of the built-in summer.
const DAY: &str = "[community]\nprofile = 'summer'\n[period]\ndays = 1\n";

#[test]
fn the_worked_number_of_the_documentation() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("participants.csv"), "participant_id\na\nb\nc\n").unwrap();
    let profile = "timestamp,participant_id,consumption_wh,production_wh\n2026-06-01T12:00:00Z,a,1000,0\n\
                   2026-06-01T12:00:00Z,b,1000,0\n2026-06-01T12:00:00Z,c,0,1500\n";
    fs::write(directory.path().join("profiles_noon.csv"), profile).unwrap();
    // The lot falls on one of the three; only where it is a buyer is anything hidden.
    let of = |seed: u64| {
        figures(&format!(
            "seed = {seed}\n[community]\ndata = '{}'\nprofile = 'noon'\n[tariffs]\nretail = '0.30'\nfeed_in = '0.08'\n\
             [market]\nmechanism = 'mid_market_rate'\nprice = '0.19'\n\
             [faults.dishonest]\nshare = 0.333333\nhides = 0.5\n",
            directory.path().display()
        ))
    };
    let found: Vec<Value> = (1..=20).map(|seed| of(seed)["honesty"].clone()).collect();
    let (hidden, nothing): (Vec<&Value>, Vec<&Value>) = found.iter().partition(|found| found["unmetered_wh"] != 0);
    assert!(!hidden.is_empty() && !nothing.is_empty(), "of 20 lots some fall on a buyer and some on the seller");
    let expected = serde_json::json!({
        "dishonest_members": 1, "unmetered_wh": 500, "misallocated_wh": 250,
        "honest_loss_nano": -27_500_000, "dishonest_gain_nano": 122_500_000,
        "supplier_loss_nano": 150_000_000, "operator_loss_nano": 0, "noticed": 1.0,
    });
    for found in hidden {
        assert_eq!(found, &expected);
    }
    for found in nothing {
        assert_eq!((&found["dishonest_gain_nano"], &found["noticed"]), (&0.into(), &0.0.into()));
    }
}

#[test]
fn what_is_hidden_flows_all_the_same_and_somebody_pays_for_it() {
    let honest = figures(DAY);
    for mechanism in ["uniform", "mcafee", "feeder"] {
        let text = format!(
            "{DAY}[market]\nmechanism = '{mechanism}'\n[faults.dishonest]\nshare = 0.3\nhides = 0.4\ninvents = 0.2\n"
        );
        let found = figures(&text);
        assert_eq!(found["grid"], honest["grid"], "{mechanism}");
        let of = |key: &str| found["honesty"][key].as_i64().unwrap();
        let lost = of("honest_loss_nano") + of("supplier_loss_nano") + of("operator_loss_nano");
        assert_eq!(lost, of("dishonest_gain_nano"), "{mechanism}");
        assert!(of("dishonest_gain_nano") > 0 && of("misallocated_wh") > 0, "{mechanism}: {found}");
        assert_eq!(of("dishonest_members"), 12, "0.3 of 41");
        let net = |found: &Value, key: &str| found["energy"]["market"][key].as_i64().unwrap();
        let drawn = |found: &Value| net(found, "imported_wh") - net(found, "exported_wh");
        assert_eq!(drawn(&honest) - drawn(&found), of("unmetered_wh"), "{mechanism}");
    }
}

#[test]
fn the_transformers_meter_sees_what_all_hide_together_beyond_its_tolerance() {
    let street = Scenario::parse(DAY).unwrap();
    let community = Community::of(&street).unwrap();
    let mut street = Street::new(&community, Hash::ZERO);
    let (mut memory, mut uses) = (community.start(), vec![Use::default(); community.members()]);
    let (mut hidden_wh, mut beyond) = (0_u64, 0);
    for at in 0..96 {
        street.measure(at, &mut memory, &mut uses);
        let drawn: Vec<u64> = uses.iter().map(|of| of.consumption.saturating_sub(of.production).into()).collect();
        let fed_in: u64 = uses.iter().map(|of| u64::from(of.production.saturating_sub(of.consumption))).sum();
        // A quarter of it, to the nearest Wh.
        let hidden: u64 = drawn.iter().map(|drawn| (drawn + 2) / 4).sum();
        let said: u64 = drawn.iter().sum::<u64>() - hidden;
        hidden_wh += hidden;
        beyond += u64::from(hidden > (said + fed_in) * 30 / 100);
    }
    let of = |tolerance: &str| {
        figures(&format!("{DAY}[faults.dishonest]\nshare = 1\nhides = 0.25\ntolerance = {tolerance}\n"))["honesty"]
            .clone()
    };
    let found = of("0.3");
    assert_eq!(found["unmetered_wh"], hidden_wh);
    assert!(0 < beyond && beyond < 96, "{beyond}");
    assert_eq!((found["noticed"].as_f64().unwrap() * 96.0).round() as u64, beyond);
    assert_eq!(of("1")["noticed"], 0.0);
    assert_eq!(found["misallocated_wh"], 0, "nobody is honest");
}

#[test]
fn without_dishonest_members_nothing_is_lost() {
    let found = figures(&format!("{DAY}[faults.dishonest]\nshare = 0\nhides = 0.4\n"));
    let expected = serde_json::json!({
        "dishonest_members": 0, "unmetered_wh": 0, "misallocated_wh": 0, "honest_loss_nano": 0,
        "dishonest_gain_nano": 0, "supplier_loss_nano": 0, "operator_loss_nano": 0, "noticed": 0.0,
    });
    assert_eq!(found["honesty"], expected);
    assert_eq!(figures(DAY).get("honesty"), None);
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (text, expected) in [
        (
            "[faults.dishonest]\nshare = 0.1\n",
            "faults.dishonest: expected `hides`, `invents` or both above 0, found neither",
        ),
        (
            "[faults]\noffline = 0.1\ndishonest = { share = 0.1, hides = 0.1 }\n",
            "faults: expected either meters that are offline or such that are dishonest, found both: leave one out",
        ),
    ] {
        assert_eq!(Scenario::parse(text).unwrap_err().to_string(), expected);
    }
}
