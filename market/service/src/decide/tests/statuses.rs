//! What devices say of what stands behind their meters: what goes on to the ledger, and every refusal.

use protocol::{
    energy::Energy,
    envelope::Signed,
    genesis::Rules,
    island::IslandPlan,
    key::SecretKey,
    parameters::Parameters,
    status::{DeviceStatus, SignedStatus},
};

use super::*;

/// A market whose ledger's rules plan an island, and that has heard of it.
fn planned() -> Scene {
    let mut street = Street::new(2, 1);
    let plan = IslandPlan {
        posted_price: "0.4".parse().unwrap(),
        price_cap: "0.35".parse().unwrap(),
        zero_intervals: None,
        basic_w: 400,
        recharge_intervals: 4,
        reserve_ppm: 0,
        claims: Vec::new(),
        validators: Vec::new(),
    };
    let parameters = Parameters { island: Some(Box::new(plan)), ..Parameters::default() };
    street.genesis.rules = Rules { parameters: Some(parameters), ..street.genesis.rules };
    heard(street)
}

fn heard(street: Street) -> Scene {
    let mut scene = Scene::of(street, None);
    scene.on(Event::Started);
    scene.sync();
    scene
}

fn signed(scene: &Scene, number: i64, key: &SecretKey, change: impl Fn(&mut DeviceStatus)) -> SignedStatus {
    let mut status = DeviceStatus {
        interval: scene.interval(number),
        stored_wh: 4_000,
        capacity_wh: 10_000,
        max_w: 3_000,
        critical_w: 0,
        forecast: Energy::from_wh(100),
    };
    change(&mut status);
    Signed::sign(status, &scene.street.genesis.chain(), key)
}

/// A message on the topic of a member's device: what the market does until it is answered, or handed on.
fn send(scene: &mut Scene, member: usize, status: &SignedStatus) -> Vec<String> {
    let topic = scene.community.topics.status(&scene.street.members[member].device.public());
    let opened = scene.opened(vec![(topic, Sealed::from(status))]);
    let mut words = scene.on(Event::Opened(vec![opened]));
    words.extend(scene.store());
    words.retain(|word| word.starts_with("hand on") || word.starts_with("refuse") || word.starts_with("count"));
    words
}

#[test]
fn one_status_of_a_device_and_interval_goes_on_to_the_ledger() {
    let mut scene = planned();
    let keys = [0, 1].map(|member| scene.street.members[member].device.clone());
    let first = signed(&scene, 0, &keys[0], |_| ());
    assert_eq!(send(&mut scene, 0, &first), ["hand on"]);
    assert_eq!(send(&mut scene, 0, &first), ["count Duplicate", "refuse Duplicate"]);
    let other = signed(&scene, 0, &keys[0], |it| it.stored_wh = 1);
    assert_eq!(send(&mut scene, 0, &other), ["count StatusNotNewer", "refuse StatusNotNewer"]);
    let of_the_other_device = signed(&scene, 0, &keys[1], |_| ());
    assert_eq!(send(&mut scene, 1, &of_the_other_device), ["hand on"]);
    let next = signed(&scene, 1, &keys[0], |_| ());
    assert_eq!(send(&mut scene, 0, &next), ["hand on"]);
}

#[test]
fn what_no_ledger_would_take_is_refused_by_name_and_changes_nothing() {
    let mut scene = planned();
    let key = scene.street.members[0].device.clone();
    let refused = |scene: &mut Scene, number, key: &SecretKey, change: &dyn Fn(&mut DeviceStatus)| {
        let status = signed(scene, number, key, change);
        send(scene, 0, &status).join(", ")
    };
    let named = |name: &str| format!("count {name}, refuse {name}");
    assert_eq!(refused(&mut scene, 0, &key, &|it| it.stored_wh = 10_001), named("StatusImpossible"));
    assert_eq!(refused(&mut scene, 0, &key, &|it| it.max_w = u64::MAX), named("StatusImpossible"));
    assert_eq!(refused(&mut scene, 5, &key, &|_| ()), named("StatusNotNewer"));
    let neighbour = scene.street.members[1].device.clone();
    assert_eq!(refused(&mut scene, 0, &neighbour, &|_| ()), named("BadSignature"));
    let stranger = SecretKey::from_seed(&[77; 32]);
    assert_eq!(refused(&mut scene, 0, &stranger, &|_| ()), named("UnknownDevice"));
    let member = scene.street.members[0].key.clone();
    assert_eq!(refused(&mut scene, 0, &member, &|_| ()), named("UnknownDevice"));
    let topic = scene.community.topics.status(&key.public());
    let opened = scene.opened(vec![(topic, Sealed::from(vec![7; 20]))]);
    scene.on(Event::Opened(vec![opened]));
    assert!(scene.store().contains(&"refuse Malformed".to_owned()));
    // None of it is the device's last word.
    assert_eq!(refused(&mut scene, 0, &key, &|_| ()), "hand on");

    let mut unplanned = heard(Street::new(2, 1));
    assert_eq!(refused(&mut unplanned, 0, &key, &|_| ()), named("NoIslandPlan"));
}

#[test]
fn what_the_ledger_refuses_is_counted_and_told() {
    let mut scene = planned();
    let device = scene.street.members[0].device.public();
    let refusal = Refusal::ClassNotDecided;
    let outcome = Outcome::Refused { refusal, detail: "class_not_decided: expected a claim".into() };
    let placed = Placed { device, message: Hash::ZERO, outcome };
    assert_eq!(scene.on(Event::Placed(placed)), ["count ClassNotDecided", "refuse ClassNotDecided"]);
}
