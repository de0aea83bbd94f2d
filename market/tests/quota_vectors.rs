//! The published vectors of an island's quotas: what whoever computes them in another language is held against.
//!
//! `WRITE_VECTORS=1 cargo test -p market --test quota_vectors` writes them anew after a deliberate change.

#![allow(clippy::unwrap_used)]

use std::fs;

use market::island::{Islander, Quotas, quotas};
use protocol::{
    energy::Energy,
    hash::Hash,
    interval::Interval,
    island::{IslandPlan, MemberClaim},
    member::MemberId,
    money::Price,
    status::DeviceStatus,
};
use serde_json::{Value, json};

fn member(number: u8) -> MemberId {
    MemberId::from_bytes([number; 16])
}

fn plan() -> IslandPlan {
    let named = |number| MemberClaim::of_one_person(member(number));
    let plan = IslandPlan {
        posted_price: Price::from_micro(400_000).unwrap(),
        price_cap: Price::from_micro(350_000).unwrap(),
        zero_intervals: None,
        basic_w: 350,
        recharge_intervals: 40,
        reserve_ppm: 123_456,
        claims: vec![
            MemberClaim { life_safety_w: 201, persons: 2, ..named(1) },
            MemberClaim { critical_w: 1_501, other_w: Some(0), ..named(2) },
            MemberClaim { persons: 5, other_w: Some(777), ..named(3) },
        ],
        validators: Vec::new(),
    };
    assert_eq!(plan.check(), Ok(()));
    plan
}

/// An interval in which so much was fed in before, and what the devices say.
fn islanders(interval: Interval, fed_in: u64) -> Vec<Islander> {
    let islander = |number, rated_power_w, fed_in, status| Islander {
        member: member(number),
        rated_power_w,
        fed_in: Energy::from_wh(fed_in),
        status,
    };
    let status = |stored_wh, max_w, critical_w, forecast| {
        let forecast = Energy::from_wh(forecast);
        Some(DeviceStatus { interval, stored_wh, capacity_wh: 9_999, max_w, critical_w, forecast })
    };
    vec![
        islander(1, 10_000, 0, status(9_000, 5_000, 99, 0)),
        islander(2, 17_000, 0, None),
        // What its device says takes the place of what it fed in.
        islander(3, 10_000, 4_321, status(5_000, 300, 0, 31)),
        islander(4, 400, fed_in, None),
        islander(5, 10_000, 0, None),
    ]
}

#[test]
fn quotas_are_those_that_are_published() {
    let interval: Interval = "2026-01-15T18:15:00Z/PT15M".parse().unwrap();
    let vectors: Vec<Value> = [
        ("not even all life-safety and critical claims can be served", 0, "a"),
        ("the basic allowance is shared by persons", 303, "a"),
        ("the last Wh goes to others with another seed", 303, "b"),
        ("some is left for all else", 2_345, "a"),
        ("enough for all claims", 40_000, "a"),
    ]
    .into_iter()
    .map(|(name, fed_in, seed)| {
        let (plan, islanders, tie_seed) = (plan(), islanders(interval, fed_in), Hash::of(seed.as_bytes()));
        let Quotas { available_wh, quotas } = quotas(&plan, interval, &islanders, &tie_seed);
        let islanders = islanders.iter().zip(quotas).map(|(islander, quota)| {
            json!({
                "member": islander.member,
                "rated_power_w": islander.rated_power_w,
                "fed_in_wh": islander.fed_in,
                "status": islander.status,
                "quota": quota,
            })
        });
        let islanders: Vec<Value> = islanders.collect();
        json!({
            "name": name,
            "plan": plan,
            "interval": interval,
            "tie_seed": tie_seed,
            "islanders": islanders,
            "available_wh": available_wh,
        })
    })
    .collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../protocol/vectors/quotas.json");
    let text = format!("{:#}\n", Value::from(vectors));
    if std::env::var_os("WRITE_VECTORS").is_some() {
        fs::write(path, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap(), text, "quotas differ from the published vectors");
}
