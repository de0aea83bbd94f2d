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

/// Name of the mechanism that settles an island.
pub const ISLANDED: &str = "islanded";
/// Classes of claims, the first served before the second, and so on.
pub const CLASSES: usize = 4;
/// Most persons of a household.
const PERSONS_MAX: u32 = 1_000;
/// Most intervals that a plan counts: a week of intervals of five minutes.
const INTERVALS_MAX: u32 = 2_016;
const HOUR_S: u128 = 3_600;

/// A class of claims. No Wh goes to a lower one while a claim of a higher one is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// What keeps people alive: breathing aids, dialysis, cooled medicines.
    LifeSafety,
    /// Infrastructure and shelters: water, telephone, clinics.
    Critical,
    /// The basic allowance of every household, by its persons.
    Basic,
    /// All else.
    Other,
}

impl Class {
    /// All of them, the first served first: in the order of every list of [`CLASSES`] values.
    pub const ALL: [Class; CLASSES] = [Class::LifeSafety, Class::Critical, Class::Basic, Class::Other];
}

/// The plan that stands for an island, part of the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct IslandPlan {
    /// What a kWh costs on the island, but for the cap.
    #[n(0)]
    pub posted_price: Price,
    /// What a kWh costs at most.
    #[n(1)]
    pub price_cap: Price,
    /// An island begins by itself when the transformer's meter has read nothing either way in so many intervals, and
    /// ends when it has read something in as many; without it, by decisions only.
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zero_intervals: Option<u32>,
    /// The basic allowance of one person, W.
    #[n(3)]
    pub basic_w: u64,
    /// Intervals until batteries are expected to be charged again: what they hold is spread over as many.
    #[n(4)]
    pub recharge_intervals: u32,
    /// The part of a battery's capacity that is kept back, in parts per million.
    #[n(5)]
    pub reserve_ppm: u32,
    /// What members claim, in ascending order of member. Who is not named is a household of one person.
    #[n(6)]
    #[cbor(decode_with = "cbor::list::<_, _, MEMBERS_MAX>")]
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "json::list::<_, _, MEMBERS_MAX>")]
    pub claims: Vec<MemberClaim>,
    /// The validators that go on running on the island, in ascending order of key.
    #[n(7)]
    #[cbor(decode_with = "cbor::list::<_, _, VALIDATORS_MAX>")]
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "json::list::<_, _, VALIDATORS_MAX>")]
    pub validators: Vec<PublicKey>,
}

/// What a member claims on the island.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct MemberClaim {
    /// Whose.
    #[n(0)]
    pub member: MemberId,
    /// For life-safety, W.
    #[n(1)]
    #[serde(default)]
    pub life_safety_w: u64,
    /// For infrastructure and shelters, W.
    #[n(2)]
    #[serde(default)]
    pub critical_w: u64,
    /// Persons of the household: its weight in the basic allowance.
    #[n(3)]
    #[serde(default = "one")]
    pub persons: u32,
    /// For all else, W; without it, what is left of its connection's rated power.
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_w: Option<u64>,
}

const fn one() -> u32 {
    1
}

impl MemberClaim {
    /// Of a member that the plan does not name.
    pub const fn of_one_person(member: MemberId) -> MemberClaim {
        MemberClaim { member, life_safety_w: 0, critical_w: 0, persons: 1, other_w: None }
    }
}

impl Element for MemberClaim {
    const BYTES_MIN: usize = 21;
}

impl Element for PublicKey {
    const BYTES_MIN: usize = 34;
}

/// Why a plan is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IslandPlanError {
    /// A price below nothing: then drawing would pay.
    #[error("{what}: expected at least 0, found {found}")]
    NegativePrice {
        /// Which price.
        what: &'static str,
        /// What was found.
        found: Price,
    },
    /// A number out of its range.
    #[error("{what}: expected {min} to {max}, found {found}")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// At least.
        min: u64,
        /// At most.
        max: u64,
        /// What was found.
        found: u64,
    },
    /// Not each member or validator once, in ascending order.
    #[error("{0}: expected each once, in ascending order")]
    NotAscending(&'static str),
    /// It begins by itself, where nothing says that the grid is gone.
    #[error("zero_intervals: expected rules with a transformer's meter, found none")]
    NoTransformer,
}

impl IslandPlan {
    /// What a kWh costs.
    pub fn price(&self) -> Price {
        self.posted_price.min(self.price_cap)
    }

    /// What a member claims.
    pub fn claim(&self, member: MemberId) -> MemberClaim {
        let found = self.claims.binary_search_by_key(&member, |claim| claim.member);
        found.map_or_else(|_| MemberClaim::of_one_person(member), |at| self.claims[at])
    }

    /// Checks what a plan can get wrong by itself.
    pub fn check(&self) -> Result<(), IslandPlanError> {
        for (what, found) in [("posted_price", self.posted_price), ("price_cap", self.price_cap)] {
            if found.micro() < 0 {
                return Err(IslandPlanError::NegativePrice { what, found });
            }
        }
        let in_range = |what, min: u64, max: u64, found: u64| {
            let inside = (min..=max).contains(&found);
            if inside { Ok(()) } else { Err(IslandPlanError::OutOfRange { what, min, max, found }) }
        };
        if let Some(found) = self.zero_intervals {
            in_range("zero_intervals", 1, INTERVALS_MAX.into(), found.into())?;
        }
        in_range("basic_w", 0, ENERGY_WH_MAX, self.basic_w)?;
        in_range("recharge_intervals", 1, INTERVALS_MAX.into(), self.recharge_intervals.into())?;
        in_range("reserve_ppm", 0, WHOLE_PPM.into(), self.reserve_ppm.into())?;
        for claim in &self.claims {
            in_range("life_safety_w", 0, ENERGY_WH_MAX, claim.life_safety_w)?;
            in_range("critical_w", 0, ENERGY_WH_MAX, claim.critical_w)?;
            in_range("persons", 1, PERSONS_MAX.into(), claim.persons.into())?;
            in_range("other_w", 0, ENERGY_WH_MAX, claim.other_w.unwrap_or(0))?;
        }
        if !self.claims.is_sorted_by(|a, b| a.member < b.member) {
            return Err(IslandPlanError::NotAscending("claims"));
        }
        if !self.validators.is_sorted_by(|a, b| a < b) {
            return Err(IslandPlanError::NotAscending("validators"));
        }
        Ok(())
    }
}

impl Rules {
    /// The plan for an island, where there is one.
    pub fn island(&self) -> Option<&IslandPlan> {
        self.parameters.as_ref()?.island.as_deref()
    }

    /// Whether they are those of an island that is.
    pub fn is_islanded(&self) -> bool {
        self.mechanism == ISLANDED
    }

    /// The same, but for who claims what on an island: for whoever is not to know in whose house a life hangs on a
    /// socket.
    pub fn without_claims(mut self) -> Rules {
        if let Some(plan) = self.parameters.as_mut().and_then(|parameters| parameters.island.as_mut()) {
            plan.claims.clear();
        }
        self
    }

    /// The rules on the island that is planned: one price, nobody to feed in to, and no pack, because the law of a
    /// country's networks is for networks. None without a plan.
    pub fn islanded(&self) -> Option<Rules> {
        let price = self.island()?.price();
        Some(Rules {
            retail_price: price,
            feed_in_price: Price::ZERO,
            mechanism: ISLANDED.into(),
            parameters: self.parameters.clone(),
            transformer: self.transformer,
            pack: None,
        })
    }
}

/// What a member may draw from the island's grid in one interval, class by class: decided before the interval begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Quota {
    /// What it claims, Wh.
    #[n(0)]
    pub claims: [Energy; CLASSES],
    /// What it gets, Wh.
    #[n(1)]
    pub awards: [Energy; CLASSES],
}

impl Quota {
    /// What it may draw in all.
    pub fn total(&self) -> Energy {
        sum(&self.awards)
    }

    /// What it claims and does not get.
    pub fn unserved(&self) -> [Energy; CLASSES] {
        std::array::from_fn(|class| self.claims[class].saturating_sub(self.awards[class]))
    }
}

fn sum(energies: &[Energy; CLASSES]) -> Energy {
    Energy::from_wh(energies.iter().fold(0, |sum, energy| sum.saturating_add(energy.wh())))
}

/// The quotas of an interval to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct PlannedQuota {
    /// Of which interval.
    #[n(0)]
    pub interval: Interval,
    /// How much.
    #[n(1)]
    pub quota: Quota,
}

impl Element for PlannedQuota {
    const BYTES_MIN: usize = 15;
}

/// What the ledger's state knows of a member for an island.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Standby {
    /// The last word of its device.
    #[n(0)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<DeviceStatus>,
    /// What it may draw in intervals that are not settled yet, in ascending order: at most two.
    #[n(1)]
    #[cbor(decode_with = "cbor::sparse_list::<_, _, PLANNED_MAX>")]
    pub quotas: Vec<PlannedQuota>,
}

/// Most intervals whose quotas are made and that are not settled.
const PLANNED_MAX: usize = 2;

/// Begins the key of what the state knows of a member for an island; its pseudonym follows.
pub const STATE_PREFIX: &[u8] = b"standby/";

/// What a member may draw on an island, in the state after a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ProvedStandby {
    /// Whose.
    pub member: MemberId,
    /// What is known of it.
    pub standby: Standby,
    /// The way to the header's root of the state.
    pub proof: MerkleProof,
    /// The header of the block.
    pub header: Header,
    /// The validators' signatures on that header.
    pub certificate: CommitCertificate,
    /// How the validators of the genesis became those of the header: every change before it, in order.
    pub steps: Vec<ValidatorStep>,
}

impl ProvedStandby {
    /// The one JSON form: compact, fields in order, no newline.
    pub fn to_json(&self) -> Vec<u8> {
        json::to_canonical(self)
    }

    /// Reads it from its one JSON form, a newline at the end allowed.
    pub fn from_json(json: &[u8]) -> Result<ProvedStandby, ParseError> {
        json::from_canonical(json, "a proved quota")
    }

    /// The bytes of its leaf in the tree of the state.
    pub fn leaf(&self) -> Vec<u8> {
        let mut leaf = Vec::new();
        let key = [STATE_PREFIX, self.member.as_bytes()].concat();
        state_leaf(key, &cbor::encode(&self.standby), &mut leaf);
        leaf
    }
}

/// What so many W are in so many seconds, in whole Wh: rounded down.
pub fn energy_of(power_w: u64, seconds: i64) -> Energy {
    let wh = u128::from(power_w) * u128::from(seconds.unsigned_abs()) / HOUR_S;
    Energy::from_wh(u64::try_from(wh).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{key::SecretKey, parameters::Parameters};

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    fn claim(id: u8) -> MemberClaim {
        MemberClaim { critical_w: 200, persons: 3, ..MemberClaim::of_one_person(MemberId::from_bytes([id; 16])) }
    }

    fn plan() -> IslandPlan {
        IslandPlan {
            posted_price: price("0.4"),
            price_cap: price("0.35"),
            zero_intervals: Some(2),
            basic_w: 150,
            recharge_intervals: 40,
            reserve_ppm: 100_000,
            claims: vec![claim(1), claim(2)],
            validators: vec![SecretKey::from_seed(&[1; 32]).public()],
        }
    }

    #[test]
    fn each_way_to_get_a_plan_wrong_is_named() {
        use IslandPlanError::*;
        assert_eq!(plan().check(), Ok(()));
        let range = |what, min, max, found| OutOfRange { what, min, max, found };
        let one = |claim| IslandPlan { claims: vec![claim], ..plan() };
        let cases = [
            (
                IslandPlan { price_cap: price("-0.1"), ..plan() },
                NegativePrice { what: "price_cap", found: price("-0.1") },
            ),
            (IslandPlan { zero_intervals: Some(0), ..plan() }, range("zero_intervals", 1, 2_016, 0)),
            (IslandPlan { recharge_intervals: 0, ..plan() }, range("recharge_intervals", 1, 2_016, 0)),
            (IslandPlan { reserve_ppm: 1_000_001, ..plan() }, range("reserve_ppm", 0, 1_000_000, 1_000_001)),
            (
                IslandPlan { basic_w: ENERGY_WH_MAX + 1, ..plan() },
                range("basic_w", 0, ENERGY_WH_MAX, ENERGY_WH_MAX + 1),
            ),
            (one(MemberClaim { persons: 0, ..claim(1) }), range("persons", 1, 1_000, 0)),
            (one(MemberClaim { critical_w: u64::MAX, ..claim(1) }), range("critical_w", 0, ENERGY_WH_MAX, u64::MAX)),
            (IslandPlan { claims: vec![claim(1), claim(1)], ..plan() }, NotAscending("claims")),
            (
                IslandPlan { validators: [plan().validators, plan().validators].concat(), ..plan() },
                NotAscending("validators"),
            ),
        ];
        for (plan, expected) in cases {
            assert_eq!(plan.check(), Err(expected));
        }
    }

    #[test]
    fn the_rules_of_an_island_have_one_price_and_no_buyer_for_a_surplus() {
        let mut rules = Rules::new(price("0.3"), price("0.08"), "uniform");
        assert_eq!(rules.islanded(), None);
        rules.parameters = Some(Parameters { island: Some(Box::new(plan())), ..Parameters::default() });
        let island = rules.islanded().unwrap();
        assert_eq!((island.retail_price, island.feed_in_price), (price("0.35"), Price::ZERO));
        assert!(island.is_islanded() && !rules.is_islanded());
        assert_eq!(island.clone().without_claims().island().map(|plan| plan.claims.len()), Some(0));
        assert_eq!(cbor::decode::<Rules>(&cbor::encode(&island)).unwrap(), island);
        assert_eq!(serde_json::from_str::<Rules>(&serde_json::to_string(&island).unwrap()).unwrap(), island);
    }

    #[test]
    fn who_is_not_named_is_a_household_of_one_person() {
        let stranger = MemberId::from_bytes([9; 16]);
        assert_eq!(plan().claim(stranger), MemberClaim::of_one_person(stranger));
        assert_eq!(plan().claim(claim(2).member), claim(2));
    }

    #[test]
    fn energy_is_rounded_down_and_what_is_not_served_is_said() {
        assert_eq!([energy_of(199, 900), energy_of(200, 900)], [Energy::from_wh(49), Energy::from_wh(50)]);
        let wh = |wh: [u64; CLASSES]| wh.map(Energy::from_wh);
        let quota = Quota { claims: wh([5, 0, 10, 100]), awards: wh([5, 0, 4, 0]) };
        assert_eq!((quota.total(), quota.unserved()), (Energy::from_wh(9), wh([0, 0, 6, 100])));
    }
}
