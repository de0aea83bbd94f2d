//! The island: when it begins and ends, what everyone may draw, and every refusal.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{cell::RefCell, collections::BTreeMap};

use ledger::state::State;
use protocol::{
    block::Transaction,
    decision::Action,
    energy::Energy,
    envelope::{Sealed, Signed},
    genesis::{GenesisMember, Rules},
    island::Standby,
    key::SecretKey,
    money::Price,
    settlement::Settlement,
    status::DeviceStatus,
};
use testkit::{
    applied::{apply, settle},
    community::Community,
    island::{GRID_GONE, ON_GRID, TRANSFORMER, planned, read, status},
};

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

/// Applies what is made for a state.
fn offer(state: &mut State, made: impl FnOnce(&State) -> Transaction) -> Result<(), String> {
    let transaction = made(state);
    apply(state, &transaction)
}

/// Seals the state, as a block does, and reads it back from all entries that changed since the genesis: a state whose
/// entries were never sealed has them all.
fn keep(community: &Community, state: &mut State) {
    let entries: BTreeMap<Vec<u8>, Vec<u8>> = STORED.with_borrow_mut(|stored| {
        let (_, changed) = state.seal();
        for (key, value) in state.changes(&changed) {
            match value {
                Some(value) => stored.insert(key, value),
                None => stored.remove(&key),
            };
        }
        stored.clone()
    });
    assert!(state.is_stored_as(&entries));
    let read = State::from_entries(&community.genesis, entries.iter().map(|(key, value)| (&key[..], &value[..])));
    assert_eq!(read.unwrap().seal().0, state.root());
}

thread_local! {
    /// What a store would have: each test has a thread of its own.
    static STORED: RefCell<BTreeMap<Vec<u8>, Vec<u8>>> = RefCell::default();
}

/// Settles the next interval. What is stored then leads to the same state.
fn settled(community: &mut Community, state: &mut State, flows: [i64; 5]) -> Settlement {
    let readings = read(community, state.next(), flows);
    let settlement = settle(community, state, &readings);
    keep(community, state);
    settlement
}

fn declared(community: &Community, state: &State, sequence: u64, ahead: i64, until: Option<i64>) -> Transaction {
    let at = |count| state.next().offset(count).unwrap();
    community.decide(sequence, Action::DeclareIsland { from: at(ahead), until: until.map(at) })
}

fn mechanism(state: &State, ahead: i64) -> String {
    state.rules_at(state.next().offset(ahead).unwrap()).0.rules.mechanism.clone()
}

#[test]
fn a_declared_island_has_quotas_before_each_interval_and_ends_when_it_was_decided() {
    let mut community = planned(None);
    let mut state = community.state();
    assert_eq!(offer(&mut state, |state| declared(&community, state, 1, 2, Some(4))), Ok(()));
    assert_eq!(
        ["uniform", "uniform", "islanded", "islanded", "uniform"],
        [0, 1, 2, 3, 4].map(|at| mechanism(&state, at)).each_ref().map(String::as_str)
    );
    let drawer = community.members[1].id;
    assert_eq!(state.standby(drawer), None);

    let first = settled(&mut community, &mut state, ON_GRID);
    assert_eq!(first.tariffs.retail_price, price("0.30"));
    // 600 Wh were fed in: 200 Wh for life-safety, 100 Wh for each household, and the rest in equal parts.
    let planned_for = state.next().offset(1).unwrap();
    let quota = state.quota(drawer, planned_for).unwrap();
    assert_eq!(quota.awards.map(Energy::wh), [200, 0, 100, 0]);
    let awards: u64 =
        community.members.iter().filter_map(|of| state.quota(of.id, planned_for)).map(|of| of.total().wh()).sum();
    assert_eq!(awards, 600);
    assert_eq!(state.island().unwrap().available_wh, [(planned_for, 600)]);
    assert_eq!(state.quota(community.members[TRANSFORMER].id, planned_for), None);

    settled(&mut community, &mut state, ON_GRID);
    assert_eq!(state.standby(drawer).unwrap().quotas.len(), 2);
    // The first interval on the island. One draws more than its quota, after all others are served.
    let island = settled(&mut community, &mut state, [-600, 300, 100, 300, 0]);
    assert_eq!(island.price, Some(price("0.35")));
    assert_eq!((island.tariffs.retail_price, island.tariffs.feed_in_price), (price("0.35"), Price::ZERO));
    let lines: Vec<(u64, u64, u64)> =
        island.lines.iter().map(|line| (line.bought.wh(), line.imported.wh(), line.exported.wh())).collect();
    assert_eq!(lines[..4], [(0, 0, 0), (300, 0, 0), (100, 0, 0), (200, 100, 0)]);

    settled(&mut community, &mut state, GRID_GONE);
    assert_eq!(state.island(), None);
    let back = settled(&mut community, &mut state, ON_GRID);
    assert_eq!(back.tariffs.retail_price, price("0.30"));
    assert!(community.members.iter().all(|of| state.standby(of.id).is_none()));
}

#[test]
fn an_island_begins_and_ends_by_itself_with_the_transformers_meter() {
    let mut community = planned(Some(2));
    let mut state = community.state();
    for flows in [GRID_GONE, ON_GRID, GRID_GONE] {
        settled(&mut community, &mut state, flows);
        assert_eq!(state.island(), None);
    }
    settled(&mut community, &mut state, GRID_GONE);
    assert!(state.island().is_some_and(|island| island.by_itself && island.until.is_none()));
    assert_eq!([mechanism(&state, 0), mechanism(&state, 1)], ["uniform", "islanded"]);
    let on_island = state.next().offset(1).unwrap();
    assert!(state.quota(community.members[1].id, on_island).is_some());
    for flows in [GRID_GONE, GRID_GONE, ON_GRID, GRID_GONE, ON_GRID] {
        settled(&mut community, &mut state, flows);
        assert!(state.island().is_some_and(|island| island.until.is_none()));
    }
    settled(&mut community, &mut state, ON_GRID);
    assert_eq!([mechanism(&state, 0), mechanism(&state, 1)], ["islanded", "uniform"]);
    settled(&mut community, &mut state, ON_GRID);
    assert_eq!(state.island(), None);
    let after = settled(&mut community, &mut state, ON_GRID);
    assert_eq!(after.tariffs.feed_in_price, price("0.08"));
}

#[test]
fn a_decided_end_comes_earlier_or_later_than_what_was_declared() {
    let community = planned(None);
    let mut state = community.state();
    let end = |sequence, ahead| {
        community.decide(sequence, Action::EndIsland { from: community.state().next().offset(ahead).unwrap() })
    };
    assert_eq!(apply(&mut state, &end(1, 3)), Err("not_islanded".into()));
    assert_eq!(offer(&mut state, |state| declared(&community, state, 1, 4, Some(8))), Ok(()));
    assert_eq!(apply(&mut state, &end(2, 0)), Err("island_too_early".into()));
    assert_eq!(apply(&mut state, &end(2, 6)), Ok(()));
    let mechanisms = |state: &State| [4, 5, 6, 8].map(|at| mechanism(state, at));
    assert_eq!(mechanisms(&state), ["islanded", "islanded", "uniform", "uniform"]);
    assert_eq!(apply(&mut state, &end(3, 9)), Ok(()));
    assert_eq!(mechanisms(&state), ["islanded", "islanded", "islanded", "islanded"]);
    // It never begins.
    assert_eq!(apply(&mut state, &end(4, 2)), Ok(()));
    assert_eq!(mechanisms(&state), ["uniform", "uniform", "uniform", "uniform"]);
}

#[test]
fn rules_that_were_to_come_come_all_the_same() {
    let mut community = planned(None);
    let mut state = community.state();
    let from = state.next().offset(3).unwrap();
    let rules = Rules { retail_price: price("0.5"), ..community.genesis.rules.clone() };
    let dearer = Action::SetRules { from, rules: rules.clone(), grid: None };
    assert_eq!(apply(&mut state, &community.decide(1, dearer.clone())), Ok(()));
    assert_eq!(offer(&mut state, |state| declared(&community, state, 2, 2, Some(5))), Ok(()));
    assert_eq!(apply(&mut state, &community.decide(3, dearer)), Err("islanded".into()));
    let retail: Vec<String> =
        (0..=5).map(|at| state.rules_at(state.next().offset(at).unwrap()).0.rules.retail_price.to_string()).collect();
    assert_eq!(retail, ["0.3", "0.3", "0.35", "0.35", "0.35", "0.5"]);
    for _ in 0..5 {
        settled(&mut community, &mut state, ON_GRID);
    }
    assert_eq!(state.island(), None);
}

#[test]
fn every_island_that_cannot_be_is_refused_by_name() {
    let community = planned(None);
    let mut state = community.state();
    assert_eq!(offer(&mut state, |state| declared(&community, state, 1, 1, None)), Err("island_too_early".into()));
    assert_eq!(offer(&mut state, |state| declared(&community, state, 1, 3, Some(3))), Err("island_too_early".into()));
    let set = Action::SetRules {
        from: state.next().offset(1).unwrap(),
        rules: community.genesis.rules.islanded().unwrap(),
        grid: None,
    };
    assert_eq!(apply(&mut state, &community.decide(1, set)), Err("bad_rules".into()));
    assert_eq!(offer(&mut state, |state| declared(&community, state, 1, 2, None)), Ok(()));
    assert_eq!(offer(&mut state, |state| declared(&community, state, 2, 3, None)), Err("islanded".into()));

    let unplanned = Community::new(5, 4);
    let mut state = unplanned.state();
    assert_eq!(offer(&mut state, |state| declared(&unplanned, state, 1, 2, None)), Err("no_island_plan".into()));
    assert_eq!(offer(&mut state, |state| status(&unplanned, state, 0, |_| ())), Err("no_island_plan".into()));
}

#[test]
fn a_status_that_cannot_be_or_was_not_decided_is_refused_by_name() {
    let community = planned(None);
    let mut state = community.state();
    let refused = |state: &mut State, member, change: &dyn Fn(&mut DeviceStatus)| {
        let transaction = status(&community, state, member, change);
        apply(state, &transaction).unwrap_err()
    };
    assert_eq!(refused(&mut state, 0, &|it| it.stored_wh = 10_001), "status_impossible");
    assert_eq!(refused(&mut state, 0, &|it| it.max_w = 100_001), "status_impossible");
    assert_eq!(refused(&mut state, 0, &|it| it.critical_w = 1), "class_not_decided");
    assert_eq!(refused(&mut state, 0, &|it| it.interval = it.interval.offset(5).unwrap()), "status_not_newer");
    assert_eq!(refused(&mut state, 0, &|it| it.interval = it.interval.offset(-5).unwrap()), "status_not_newer");
    assert_eq!(offer(&mut state, |state| status(&community, state, 0, |_| ())), Ok(()));
    assert_eq!(refused(&mut state, 0, &|it| it.stored_wh = 1), "status_not_newer");
    assert_eq!(offer(&mut state, |state| status(&community, state, 1, |it| it.critical_w = 100)), Ok(()));
    let stranger = Signed::sign(
        DeviceStatus {
            interval: state.next(),
            stored_wh: 0,
            capacity_wh: 0,
            max_w: 0,
            critical_w: 0,
            forecast: Energy::ZERO,
        },
        &community.genesis.chain(),
        &SecretKey::from_seed(&[77; 32]),
    );
    assert_eq!(apply(&mut state, &Transaction::ReportStatus(Sealed::from(&stranger))), Err("unknown_signer".into()));
}

#[test]
fn what_is_stored_and_expected_is_shared_out_while_the_word_of_it_holds() {
    let mut community = planned(None);
    let mut state = community.state();
    assert_eq!(offer(&mut state, |state| declared(&community, state, 1, 2, None)), Ok(()));
    assert_eq!(offer(&mut state, |state| status(&community, state, 0, |_| ())), Ok(()));
    let mut available = Vec::new();
    for _ in 0..5 {
        settled(&mut community, &mut state, ON_GRID);
        available.push(state.island().unwrap().available_wh.last().unwrap().1);
    }
    // 100 Wh are expected to be made, 750 Wh are what the battery gives in an interval; then its word is too old, and
    // what was fed in counts.
    assert_eq!(available, [850, 850, 850, 850, 600]);
}

#[test]
fn a_member_that_joins_an_island_has_no_quota_before_one_is_made() {
    let mut community = planned(None);
    let newcomer: GenesisMember = community.genesis.members.remove(2);
    community.genesis.check().unwrap();
    let mut state = community.state();
    assert_eq!(offer(&mut state, |state| declared(&community, state, 1, 2, None)), Ok(()));
    let settle_known = |community: &mut Community, state: &mut State| {
        let open = state.next();
        let mut readings: Vec<_> = [(0, -600), (1, 300), (3, 100), (TRANSFORMER, 0)]
            .map(|(member, flow)| community.read(member, open, flow))
            .into();
        readings.sort_by_key(|reading| (reading.signer(), reading.sequence));
        settle(community, state, &readings);
    };
    settle_known(&mut community, &mut state);
    settle_known(&mut community, &mut state);
    assert_eq!(apply(&mut state, &community.decide(2, Action::RegisterMember(Box::new(newcomer.clone())))), Ok(()));
    assert_eq!(state.standby(newcomer.member), None::<&Standby>);
    settle_known(&mut community, &mut state);
    assert!(state.quota(newcomer.member, state.next().offset(1).unwrap()).is_some());
}
