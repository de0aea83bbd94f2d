//! The situation of a community in an emergency, for authorities: energy and storage by bus, who is served and who is
//! dark, for how long it lasts, and how old each figure is. It knows pseudonyms only.

use serde::{Deserialize, Serialize};

use crate::{
    energy::Energy,
    envelope::ChainId,
    interval::Interval,
    island::{CLASSES, Class},
    member::MemberId,
};

/// What a node knows of the community's situation after the last block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Situation {
    /// Name of the community.
    pub community: String,
    /// Its chain.
    pub chain: ChainId,
    /// The community's time zone (IANA); UTC without one.
    pub time_zone: Option<String>,
    /// The last settled interval: all figures that meters gave are of it. None before the first.
    pub settled: Option<Interval>,
    /// The next interval to settle.
    pub open: Interval,
    /// The island that is declared or has begun; none on the grid.
    pub island: Option<IslandState>,
    /// Whether the validators that go on running on an island can decide alone; none without a plan.
    pub quorum: Option<IslandQuorum>,
    /// What was served of the quotas, class by class, in the last settled interval; none where it was on no island.
    pub served: Option<Served>,
    /// What is planned for intervals that are not settled yet.
    pub planned: Vec<PlannedInterval>,
    /// For how many minutes what is stored covers life-safety and critical claims beyond what is fed in; none where
    /// what is fed in covers them.
    pub autonomy_minutes: Option<u64>,
    /// Each bus of the grid, by name.
    pub buses: Vec<BusSituation>,
    /// Who has a meter that did not measure the last settled interval, in ascending order.
    pub dark: Vec<Dark>,
    /// The node's last checkpoint, by which others can tell that it is of this ledger; none before the first.
    pub checkpoint: Option<String>,
}

/// An island, as far as it is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct IslandState {
    /// First interval on it.
    pub from: Interval,
    /// First interval on the grid again; none while no end is decided.
    pub until: Option<Interval>,
    /// Whether it began by itself, because the transformer's meter read nothing.
    pub by_itself: bool,
    /// Whether the next interval to settle is on it.
    pub is_on: bool,
}

/// The voting power on the island.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct IslandQuorum {
    /// Of the validators that the plan says go on running.
    pub power: u64,
    /// Of all validators.
    pub whole: u64,
    /// Whether that is more than two thirds, so that the island decides alone and its ledger goes on.
    pub suffices: bool,
}

/// Claims and what they get, class by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ClassSums {
    /// Which class.
    pub class: Class,
    /// All that is claimed, Wh.
    pub claimed: Energy,
    /// All that is awarded, Wh.
    pub awarded: Energy,
    /// Members with a claim that is not met.
    pub members_unserved: u64,
}

/// What is planned for an interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PlannedInterval {
    /// Which one.
    pub interval: Interval,
    /// All that there will be, Wh.
    pub available_wh: u64,
    /// Class by class, the first served first.
    pub classes: [ClassSums; CLASSES],
}

/// What was drawn in a settled interval on the island, against the quotas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Served {
    /// Class by class, the first served first.
    pub classes: [ClassSums; CLASSES],
    /// Drawn beyond quotas, Wh.
    pub overdrawn: Energy,
    /// Members that drew beyond their quotas.
    pub members_overdrawn: u64,
}

/// A bus of the grid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BusSituation {
    /// Its name; none where the grid is not known.
    pub bus: Option<String>,
    /// Members with a meter.
    pub members: u64,
    /// Of these, those whose meter did not measure the last settled interval.
    pub dark: u64,
    /// Drawn by its members in the last settled interval, Wh.
    pub drawn: Energy,
    /// Fed in by its members in the last settled interval, Wh.
    pub fed_in: Energy,
    /// Stored, by the devices that said so and whose word still holds, Wh.
    pub stored_wh: u64,
    /// What they can store, Wh.
    pub capacity_wh: u64,
    /// Devices whose word about that still holds.
    pub devices: u64,
    /// The interval at whose end the oldest of these words was given; none without one.
    pub oldest: Option<Interval>,
}

/// A member whose meter did not measure the last settled interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Dark {
    /// Who.
    pub member: MemberId,
    /// Where.
    pub bus: Option<String>,
    /// The last interval that its meter measured.
    pub read: Interval,
    /// Whether it has a claim for life-safety or as critical infrastructure.
    pub critical: bool,
}
