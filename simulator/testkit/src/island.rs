//! A small community with a plan for an island, the readings that make one, and what its devices say.

use ledger::state::State;
use protocol::{
    block::Transaction,
    energy::Energy,
    envelope::{Sealed, Signed},
    genesis::TransformerMeter,
    interval::Interval,
    island::{IslandPlan, MemberClaim},
    parameters::Parameters,
    reading::SignedReading,
    status::DeviceStatus,
};

use crate::community::Community;

/// The member whose meter is the transformer's, by its place.
pub const TRANSFORMER: usize = 4;
/// What each member draws in an interval on the grid, Wh; feeds in, where negative.
pub const ON_GRID: [i64; 5] = [-600, 300, 300, 300, 300];
/// The same on the island.
pub const GRID_GONE: [i64; 5] = [-600, 200, 200, 200, 0];

/// Five members, one of which is the transformer's meter. The second has a claim for life-safety.
pub fn planned(zero_intervals: Option<u32>) -> Community {
    let mut community = Community::new(5, 4);
    let price = |text: &str| text.parse().unwrap();
    let claim = MemberClaim { life_safety_w: 800, ..MemberClaim::of_one_person(community.members[1].id) };
    let plan = IslandPlan {
        posted_price: price("0.4"),
        price_cap: price("0.35"),
        zero_intervals,
        basic_w: 400,
        recharge_intervals: 4,
        reserve_ppm: 0,
        claims: vec![claim],
        validators: Vec::new(),
    };
    let meter = TransformerMeter { member: community.members[TRANSFORMER].id, tolerance_wh: 10_000, tolerance_ppm: 0 };
    let rules = &mut community.genesis.rules;
    rules.parameters = Some(Parameters { island: Some(Box::new(plan)), ..Parameters::default() });
    rules.transformer = Some(meter);
    community.genesis.check().unwrap();
    community
}

/// One reading of each member, in the order of settlements.
pub fn read(community: &mut Community, interval: Interval, flows: [i64; 5]) -> Vec<SignedReading> {
    let mut readings: Vec<_> =
        flows.into_iter().enumerate().map(|(member, flow)| community.read(member, interval, flow)).collect();
    readings.sort_by_key(|reading| (reading.signer(), reading.sequence));
    readings
}

/// What a member's device says while the next interval is open, but for the change.
pub fn status(community: &Community, state: &State, member: usize, change: impl Fn(&mut DeviceStatus)) -> Transaction {
    let mut status = DeviceStatus {
        interval: state.next(),
        stored_wh: 4_000,
        capacity_wh: 10_000,
        max_w: 3_000,
        critical_w: 0,
        forecast: Energy::from_wh(100),
    };
    change(&mut status);
    let signed = Signed::sign(status, &community.genesis.chain(), &community.members[member].device);
    Transaction::ReportStatus(Sealed::from(&signed))
}
