//! Whom a rule pack excludes: pure, in whole metres and watts.
//!
//! A limit that concerns pairs (a distance) or a group (the same transformer) excludes as few members as leave nobody
//! beyond it: those who are beyond it with the most others first.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use protocol::{member::MemberId, parameters::WHOLE_PPM};
use serde::Deserialize;

use super::sites::{Place, Sameness, Site};

/// Limits of a pack. What is not said is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// What has to be the same of all members.
    pub same: BTreeSet<Sameness>,
    /// How far apart they may be, m.
    pub distance_m_max: Option<u64>,
    /// Between whom that is.
    pub distance_between: Between,
    /// What all plants together may have, W.
    pub production_w_max: Option<u64>,
    /// What one plant may have, W.
    pub plant_w_max: Option<u64>,
    /// What all plants together must have, in parts per million of what all connections carry.
    pub production_ppm_min: Option<u32>,
}

/// Between whom a distance is limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Between {
    /// Between any two members.
    #[default]
    All,
    /// Between a plant and whoever consumes.
    PlantAndConsumer,
}

/// A member as limits look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub member: MemberId,
    /// What its connection carries, W.
    pub connection_w: u64,
    /// Whether anything is produced behind its meter.
    pub is_plant: bool,
    /// What is known of where it is.
    pub site: Site,
}

/// What a limit found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A member is somewhere else than the most.
    Elsewhere {
        /// Who.
        member: MemberId,
        /// What should be the same.
        same: Sameness,
        /// That of the most.
        expected: String,
        /// Its own.
        found: String,
    },
    /// A member is too far from another.
    TooFar {
        /// Who.
        member: MemberId,
        /// The one farthest from it.
        from: MemberId,
        /// How far, m.
        distance_m: u64,
        /// How far it may be, m.
        max_m: u64,
    },
    /// A plant is too large.
    PlantTooLarge {
        /// Whose.
        member: MemberId,
        /// What it has, W.
        found_w: u64,
        /// What it may have, W.
        max_w: u64,
    },
    /// All plants together are too large: of no single member.
    ProductionTooLarge {
        /// What they have, W.
        found_w: u128,
        /// What they may have, W.
        max_w: u64,
    },
    /// All plants together are too small: of no single member.
    ProductionTooSmall {
        /// What they have, W.
        found_w: u128,
        /// What they must have, W.
        min_w: u128,
    },
    /// What a limit has to look at is not known of a member.
    Unknown {
        /// Of whom.
        member: MemberId,
        /// What.
        what: &'static str,
    },
}

impl Finding {
    /// Whom it is about.
    pub fn member(&self) -> Option<MemberId> {
        match self {
            Finding::Elsewhere { member, .. }
            | Finding::TooFar { member, .. }
            | Finding::PlantTooLarge { member, .. }
            | Finding::Unknown { member, .. } => Some(*member),
            Finding::ProductionTooLarge { .. } | Finding::ProductionTooSmall { .. } => None,
        }
    }

    /// Whether it only says that something is not known.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Finding::Unknown { .. })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Elsewhere { same, expected, found, .. } => {
                write!(f, "expected the {} of the most, {expected}, found {found}", same.name())
            }
            Finding::TooFar { from, distance_m, max_m, .. } => {
                write!(f, "expected at most {max_m} m between members, found {distance_m} m to {from}")
            }
            Finding::PlantTooLarge { found_w, max_w, .. } => {
                write!(f, "expected a plant of at most {max_w} W, found {found_w} W")
            }
            Finding::ProductionTooLarge { found_w, max_w } => {
                write!(f, "expected plants of at most {max_w} W in all, found {found_w} W")
            }
            Finding::ProductionTooSmall { found_w, min_w } => {
                write!(f, "expected plants of at least {min_w} W in all, found {found_w} W")
            }
            Finding::Unknown { what, .. } => write!(f, "expected its {what} in the file of sites, found none"),
        }
    }
}

impl Limits {
    /// Checks what limits can get wrong by themselves.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.production_ppm_min {
            Some(found) if found > WHOLE_PPM => {
                Err(format!("limits: production_ppm_min: expected at most {WHOLE_PPM}, found {found}"))
            }
            _ => Ok(()),
        }
    }

    /// Each limit in words.
    pub fn said(&self) -> Vec<String> {
        let same = self.same.iter().map(|same| format!("the same {} of all", same.name()));
        let whom = match self.distance_between {
            Between::All => "any two members",
            Between::PlantAndConsumer => "a plant and whoever consumes",
        };
        let said = [
            self.distance_m_max.map(|max| format!("at most {max} m between {whom}")),
            self.production_w_max.map(|max| format!("plants of at most {max} W in all")),
            self.plant_w_max.map(|max| format!("plants of at most {max} W each")),
            self.production_ppm_min.map(|min| format!("plants of at least {min} ppm of what all connections carry")),
        ];
        same.chain(said.into_iter().flatten()).collect()
    }

    /// Everything that the limits find: who is excluded and why, and what is not known. Empty where all is in order.
    pub fn findings(&self, candidates: &[Candidate]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for same in &self.same {
            elsewhere(*same, candidates, &mut findings);
        }
        if let Some(max_m) = self.distance_m_max {
            self.too_far(max_m, candidates, &mut findings);
        }
        self.production(candidates, &mut findings);
        findings
    }

    fn too_far(&self, max_m: u64, candidates: &[Candidate], findings: &mut Vec<Finding>) {
        let mut placed: Vec<(&Candidate, Place)> = Vec::new();
        for candidate in candidates {
            match candidate.site.place {
                Some(place) => placed.push((candidate, place)),
                None => findings.push(Finding::Unknown { member: candidate.member, what: "latitude and longitude" }),
            }
        }
        let concerned = |one: &Candidate, other: &Candidate| match self.distance_between {
            Between::All => one.member != other.member,
            Between::PlantAndConsumer => one.is_plant != other.is_plant,
        };
        // Whoever is too far from the most others goes first, of equals consumers before plants and then by pseudonym,
        // until nobody is too far from anybody.
        loop {
            let beyond = placed.iter().map(|(one, here)| {
                let distances = placed.iter().filter(|(other, _)| concerned(one, other));
                let distances = distances.map(|(other, there)| (here.distance_m(*there), other.member));
                let beyond: Vec<(u64, MemberId)> = distances.filter(|(distance_m, _)| *distance_m > max_m).collect();
                (beyond.len(), !one.is_plant, Reverse(one.member), beyond.into_iter().max())
            });
            let Some((_, _, Reverse(member), Some((distance_m, from)))) = beyond.max() else { return };
            findings.push(Finding::TooFar { member, from, distance_m, max_m });
            placed.retain(|(candidate, _)| candidate.member != member);
        }
    }

    fn production(&self, candidates: &[Candidate], findings: &mut Vec<Finding>) {
        if self.production_w_max.is_none() && self.plant_w_max.is_none() && self.production_ppm_min.is_none() {
            return;
        }
        let (mut produced_w, mut connected_w) = (0_u128, 0_u128);
        for candidate in candidates {
            connected_w += u128::from(candidate.connection_w);
            let found_w = match candidate.site.production_w {
                Some(found_w) => found_w,
                None if candidate.is_plant => {
                    findings.push(Finding::Unknown { member: candidate.member, what: "production_w" });
                    continue;
                }
                None => 0,
            };
            produced_w += u128::from(found_w);
            if let Some(max_w) = self.plant_w_max.filter(|max_w| found_w > *max_w) {
                findings.push(Finding::PlantTooLarge { member: candidate.member, found_w, max_w });
            }
        }
        if let Some(max_w) = self.production_w_max.filter(|max_w| produced_w > u128::from(*max_w)) {
            findings.push(Finding::ProductionTooLarge { found_w: produced_w, max_w });
        }
        if let Some(ppm) = self.production_ppm_min {
            // Rounded up: with a watt less it would be less than the law asks for.
            let min_w = (connected_w * u128::from(ppm)).div_ceil(WHOLE_PPM.into());
            if produced_w < min_w {
                findings.push(Finding::ProductionTooSmall { found_w: produced_w, min_w });
            }
        }
    }
}

/// Who is somewhere else than the most; of equally many, than those of the first name.
fn elsewhere(same: Sameness, candidates: &[Candidate], findings: &mut Vec<Finding>) {
    let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
    for candidate in candidates {
        match candidate.site.same.get(&same) {
            Some(group) => *groups.entry(group).or_default() += 1,
            None => findings.push(Finding::Unknown { member: candidate.member, what: same.name() }),
        }
    }
    let most = groups.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0))).map(|(group, _)| (*group).to_owned());
    let Some(expected) = most else { return };
    for candidate in candidates {
        if let Some(found) = candidate.site.same.get(&same).filter(|found| **found != expected) {
            let (expected, found) = (expected.clone(), found.clone());
            findings.push(Finding::Elsewhere { member: candidate.member, same, expected, found });
        }
    }
}

#[cfg(test)]
mod tests;
