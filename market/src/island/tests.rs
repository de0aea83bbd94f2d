use protocol::money::Price;

use super::*;

fn id(number: u8) -> MemberId {
    MemberId::from_bytes([number; 16])
}

fn interval() -> Interval {
    "2026-06-01T12:00:00Z/PT1H".parse().unwrap()
}

fn plan(claims: Vec<MemberClaim>) -> IslandPlan {
    let price = Price::from_micro(350_000).unwrap();
    IslandPlan {
        posted_price: price,
        price_cap: price,
        zero_intervals: None,
        basic_w: 100,
        recharge_intervals: 10,
        reserve_ppm: 100_000,
        claims,
        validators: Vec::new(),
    }
}

fn claim(number: u8, life_safety_w: u64, critical_w: u64, persons: u32, other_w: u64) -> MemberClaim {
    MemberClaim { member: id(number), life_safety_w, critical_w, persons, other_w: Some(other_w) }
}

fn islander(number: u8, fed_in: u64) -> Islander {
    Islander { member: id(number), rated_power_w: 10_000, fed_in: Energy::from_wh(fed_in), status: None }
}

fn status(stored_wh: u64, critical_w: u64, forecast: u64) -> DeviceStatus {
    let forecast = Energy::from_wh(forecast);
    DeviceStatus { interval: interval(), stored_wh, capacity_wh: 10_000, max_w: 500, critical_w, forecast }
}

fn awards(quotas: &Quotas) -> Vec<[u64; CLASSES]> {
    quotas.quotas.iter().map(|quota| quota.awards.map(Energy::wh)).collect()
}

#[test]
fn a_lower_class_gets_what_the_higher_ones_leave() {
    let plan = plan(vec![claim(1, 200, 0, 1, 500), claim(2, 0, 300, 3, 500), claim(3, 0, 0, 2, 0)]);
    let of =
        |wh: u64| awards(&quotas(&plan, interval(), &[islander(1, wh), islander(2, 0), islander(3, 0)], &Hash::ZERO));
    assert_eq!(of(150), [[150, 0, 0, 0], [0; 4], [0; 4]]);
    assert_eq!(of(450), [[200, 0, 0, 0], [0, 250, 0, 0], [0; 4]]);
    // 60 Wh for six persons.
    assert_eq!(of(560), [[200, 0, 10, 0], [0, 300, 30, 0], [0, 0, 20, 0]]);
    assert_eq!(of(1_300), [[200, 0, 100, 100], [0, 300, 300, 100], [0, 0, 200, 0]]);
    assert_eq!(of(9_000), [[200, 0, 100, 500], [0, 300, 300, 500], [0, 0, 200, 0]]);
}

#[test]
fn what_is_stored_is_spread_until_it_is_expected_to_be_charged_again() {
    let made = |stored, forecast| {
        let islander = Islander { status: Some(status(stored, 0, forecast)), ..islander(1, 7_777) };
        quotas(&plan(Vec::new()), interval(), &[islander], &Hash::ZERO).available_wh
    };
    // A tenth of the capacity is kept back, the rest is for ten intervals, and no more than the battery gives.
    assert_eq!([made(1_000, 20), made(3_000, 20), made(9_999, 0), made(0, 0)], [20, 220, 500, 0]);
    // Without a word of its device, a member makes what it made before.
    assert_eq!(quotas(&plan(Vec::new()), interval(), &[islander(1, 7_777)], &Hash::ZERO).available_wh, 7_777);
}

#[test]
fn nobody_claims_more_than_was_decided_or_is_needed_or_can_be_carried() {
    let plan = plan(vec![claim(1, 200, 100, 1, 20_000)]);
    let claimed = |status| {
        let islander = Islander { status, ..islander(1, 0) };
        quotas(&plan, interval(), &[islander], &Hash::ZERO).quotas[0].claims.map(Energy::wh)
    };
    assert_eq!(claimed(None), [200, 100, 100, 9_600]);
    assert_eq!(claimed(Some(status(0, 250, 0))), [200, 50, 100, 9_650]);
    assert_eq!(claimed(Some(status(0, 9_000, 0))), [200, 100, 100, 9_600]);
}
