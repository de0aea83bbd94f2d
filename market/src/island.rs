//! Quotas: what each member may draw on an island in an interval to come, before it begins.
//!
//! What is stored and what is expected to be made is shared out class by class, and within a class in equal parts by
//! weight: `a = min(d, w·λ)` (`clearing/equal_awards.rs`). It is the same for whoever computes it: the inputs are on
//! the ledger.

use protocol::{
    energy::Energy,
    hash::Hash,
    interval::Interval,
    island::{CLASSES, Class, IslandPlan, MemberClaim, Quota, energy_of},
    member::MemberId,
    parameters::WHOLE_PPM,
    status::DeviceStatus,
};

use crate::clearing::equal_awards::{Claim, equal_awards};

/// What is known of a member when quotas are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Islander {
    /// Who.
    pub member: MemberId,
    /// Rated power of its connection, W.
    pub rated_power_w: u64,
    /// What it fed in, in the interval that was settled last, Wh.
    pub fed_in: Energy,
    /// What its device says, as far as that still holds.
    pub status: Option<DeviceStatus>,
}

/// The quotas of an interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quotas {
    /// All that there will be, Wh.
    pub available_wh: u64,
    /// What each member gets, in the order in which they were given.
    pub quotas: Vec<Quota>,
}

/// The quotas of `interval`. Ties are decided by the seed.
pub fn quotas(plan: &IslandPlan, interval: Interval, islanders: &[Islander], tie_seed: &Hash) -> Quotas {
    let seconds = interval.length().seconds();
    let available: u128 = islanders.iter().map(|islander| u128::from(made(plan, islander, seconds).wh())).sum();
    let said: Vec<MemberClaim> = islanders.iter().map(|islander| plan.claim(islander.member)).collect();
    let claims = islanders.iter().zip(&said).map(|(islander, said)| claims(plan, islander, said, seconds));
    let mut quotas: Vec<Quota> = claims.map(|claims| Quota { claims, ..Quota::default() }).collect();
    let mut left = available;
    for class in Class::ALL {
        let at = class as usize;
        let weight = |said: &MemberClaim| if class == Class::Basic { said.persons } else { 1 };
        let claims: Vec<Claim> = (quotas.iter().zip(&said))
            .map(|(quota, said)| Claim { wh: quota.claims[at].wh(), weight: weight(said) })
            .collect();
        let rank = |index: usize| rank(tie_seed, class, islanders[index].member);
        for (quota, award) in quotas.iter_mut().zip(equal_awards(&claims, left, rank)) {
            quota.awards[at] = Energy::from_wh(award);
            left -= u128::from(award);
        }
    }
    Quotas { available_wh: u64::try_from(available).unwrap_or(u64::MAX), quotas }
}

/// Who comes first where a Wh cannot be shared: another one in each class.
fn rank(tie_seed: &Hash, class: Class, member: MemberId) -> Hash {
    Hash::of_parts(&[tie_seed.as_bytes(), &[class as u8], member.as_bytes()])
}

/// What a member is expected to feed in: by its device's word, with a part of what it stores; else as much as in the
/// interval that was settled last.
fn made(plan: &IslandPlan, islander: &Islander, seconds: i64) -> Energy {
    let Some(status) = islander.status else { return islander.fed_in };
    let kept_back = Energy::from_wh(status.capacity_wh).part(plan.reserve_ppm.min(WHOLE_PPM)).wh();
    let spread = status.stored_wh.saturating_sub(kept_back) / u64::from(plan.recharge_intervals.max(1));
    let discharged = energy_of(status.max_w, seconds).wh().min(spread);
    Energy::from_wh(status.forecast.wh().saturating_add(discharged))
}

/// What a member claims, class by class: never more in all than its connection carries. Where its device says what
/// life-safety and critical devices draw now, it claims no more for them.
fn claims(plan: &IslandPlan, islander: &Islander, said: &MemberClaim, seconds: i64) -> [Energy; CLASSES] {
    let mut connection = energy_of(islander.rated_power_w, seconds);
    let mut critical = islander.status.map_or(connection, |status| energy_of(status.critical_w, seconds));
    let mut within = |wanted: Energy, is_critical: bool| {
        let mut claim = wanted.min(connection);
        if is_critical {
            claim = claim.min(critical);
            critical = critical.saturating_sub(claim);
        }
        connection = connection.saturating_sub(claim);
        claim
    };
    let of = |power_w: u64| energy_of(power_w, seconds);
    [
        within(of(said.life_safety_w), true),
        within(of(said.critical_w), true),
        within(of(plan.basic_w.saturating_mul(said.persons.into())), false),
        within(said.other_w.map_or(Energy::from_wh(u64::MAX), of), false),
    ]
}

#[cfg(test)]
mod tests;
