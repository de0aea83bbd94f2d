//! The island: what a community has decided for the time in which the grid above it is gone.
//!
//! On an island what is drawn equals what is made, and a meter that is read afterwards rations nothing. So everyone has
//! a [`Quota`] before the interval begins; settlement comes after it, as always. Who is served first was decided
//! beforehand by more than two thirds of the validators, so that nobody can overstate a need in it.

// Rules have a plan, and a block has rules, so whoever is in a block imports `plan` alone.
pub(crate) mod plan;
mod rules;
mod standby;

pub use self::{
    plan::{CLASSES, Class, ISLANDED, IslandPlan, IslandPlanError, MemberClaim, Quota, energy_of},
    standby::{PlannedQuota, ProvedStandby, STATE_PREFIX, Standby},
};
