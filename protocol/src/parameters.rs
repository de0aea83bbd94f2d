//! What a clearing mechanism may need to know beside the two prices of the supplier.
//!
//! All of it is optional: a mechanism has a default for what is not said, and ignores what is not its own.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{
    cbor::{self, Element},
    island::plan::{IslandPlan, IslandPlanError},
    json,
    limits::{GRID_LINES_MAX, MEMBERS_MAX},
    member::MemberId,
    money::Price,
};

pub use crate::limits::WHOLE_PPM;

/// Least part of its energy that a member brings to the community: a hundredth, in parts per million.
pub const PARTICIPATION_PPM_MIN: u32 = 10_000;

/// Parameters of the mechanisms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Parameters {
    /// What a kWh costs within the community under `mid_market_rate` and the allocation keys; without it, the midpoint
    /// of the retail and the feed-in price.
    #[n(0)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub community_price: Option<Price>,
    /// `static_key`: which part of all that is offered a member is entitled to. Who is not named is entitled to
    /// nothing; without the list, all that want energy are entitled to equal parts.
    #[n(1)]
    #[cbor(decode_with = "cbor::optional_list::<_, _, MEMBERS_MAX>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "json::optional_list::<_, _, MEMBERS_MAX>")]
    pub shares: Option<Vec<Share>>,
    /// `priority_key`: who is served first. Who is not named comes last.
    #[n(2)]
    #[cbor(decode_with = "cbor::optional_list::<_, _, MEMBERS_MAX>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "json::optional_list::<_, _, MEMBERS_MAX>")]
    pub priority: Option<Vec<MemberId>>,
    /// `feeder`: the part of every rating that may be used, in parts per million; without it, all of it.
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derate_ppm: Option<u32>,
    /// `feeder`: what the grid costs; without it, nothing.
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fees: Option<Fees>,
    /// Under every mechanism: which part of its energy a member brings to the community, from a hundredth to all of it,
    /// in ascending order of member; the rest goes to and comes from the supplier. Who is not named brings all.
    #[n(5)]
    #[cbor(decode_with = "cbor::optional_list::<_, _, MEMBERS_MAX>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "json::optional_list::<_, _, MEMBERS_MAX>")]
    pub participation: Option<Vec<Share>>,
    /// What is to be done when the grid above is gone; without it, nothing is.
    #[n(6)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub island: Option<Box<IslandPlan>>,
}

/// A member's part of all that is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Share {
    /// Whose.
    #[n(0)]
    pub member: MemberId,
    /// In parts per million.
    #[n(1)]
    pub ppm: u32,
}

impl Element for Share {
    const BYTES_MIN: usize = 19;
}

/// What trading over the grid costs per kWh. The fees that apply to a trade add up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Fees {
    /// Once for what is traded between two buses, however far apart; nothing within a bus.
    #[n(0)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between_buses: Option<Price>,
    /// For what crosses the transformer.
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transformer: Option<Price>,
    /// For what crosses each of these lines; the others cost nothing.
    #[n(2)]
    #[cbor(decode_with = "cbor::sparse_list::<_, _, GRID_LINES_MAX>")]
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "json::list::<_, _, GRID_LINES_MAX>")]
    pub lines: Vec<LineFee>,
}

/// What crossing a line costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct LineFee {
    /// Name of the line.
    #[n(0)]
    pub line: String,
    /// Per kWh, in either direction.
    #[n(1)]
    pub fee: Price,
}

impl Element for LineFee {
    const BYTES_MIN: usize = 3;
}

/// Why parameters are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParametersError {
    /// A list names nobody.
    #[error("{list}: expected at least one member, found none; leave the list out for the default")]
    Empty {
        /// Which list.
        list: &'static str,
    },
    /// A list names something twice.
    #[error("{list}: expected each name once, found {name} twice")]
    Duplicate {
        /// Which list.
        list: &'static str,
        /// What is there twice.
        name: String,
    },
    /// More is given away than there is.
    #[error("shares: expected a sum of at most {WHOLE_PPM} parts per million, found {found}")]
    SharesAboveWhole {
        /// The sum.
        found: u64,
    },
    /// A member takes part with next to nothing, or with more than it has.
    #[error("participation: expected {PARTICIPATION_PPM_MIN} to {WHOLE_PPM} ppm of {member}, found {found}")]
    Participation {
        /// Whose.
        member: MemberId,
        /// What was found.
        found: u32,
    },
    /// A plan for an island that makes no sense.
    #[error("island: {0}")]
    Island(#[from] IslandPlanError),
    /// Members are not in their order.
    #[error("{list}: expected members in ascending order")]
    NotAscending {
        /// Which list.
        list: &'static str,
    },
    /// More than the rating.
    #[error("derate_ppm: expected at most {WHOLE_PPM}, found {found}")]
    DerateAboveWhole {
        /// What was found.
        found: u32,
    },
    /// A fee that pays for using the grid: then sending energy in circles would pay.
    #[error("fees: expected at least 0 for {what}, found {fee}")]
    NegativeFee {
        /// For what.
        what: String,
        /// The fee.
        fee: Price,
    },
}

impl Parameters {
    /// Checks what parameters can get wrong by themselves; whether a line exists, only who has the grid can say.
    pub fn check(&self) -> Result<(), ParametersError> {
        if let Some(shares) = &self.shares {
            check_members("shares", shares.iter().map(|share| share.member))?;
            let found = shares.iter().map(|share| u64::from(share.ppm)).sum();
            if found > u64::from(WHOLE_PPM) {
                return Err(ParametersError::SharesAboveWhole { found });
            }
        }
        if let Some(priority) = &self.priority {
            check_members("priority", priority.iter().copied())?;
        }
        if let Some(participation) = &self.participation {
            check_members("participation", participation.iter().map(|part| part.member))?;
            if !participation.is_sorted_by_key(|part| part.member) {
                return Err(ParametersError::NotAscending { list: "participation" });
            }
            let possible = PARTICIPATION_PPM_MIN..=WHOLE_PPM;
            if let Some(Share { member, ppm: found }) = participation.iter().find(|part| !possible.contains(&part.ppm))
            {
                return Err(ParametersError::Participation { member: *member, found: *found });
            }
        }
        if let Some(found) = self.derate_ppm.filter(|found| *found > WHOLE_PPM) {
            return Err(ParametersError::DerateAboveWhole { found });
        }
        self.island.as_ref().map_or(Ok(()), |plan| plan.check())?;
        self.fees.as_ref().map_or(Ok(()), Fees::check)
    }

    /// The part of its energy that a member brings to the community, in parts per million.
    pub fn participation_ppm(&self, member: MemberId) -> u32 {
        let Some(participation) = &self.participation else { return WHOLE_PPM };
        let found = participation.binary_search_by_key(&member, |part| part.member);
        found.map_or(WHOLE_PPM, |at| participation[at].ppm)
    }
}

impl Fees {
    fn check(&self) -> Result<(), ParametersError> {
        check_unique("fees", self.lines.iter().map(|line| line.line.as_str()))?;
        let lines = self.lines.iter().map(|line| (line.line.as_str(), line.fee));
        let classes = [("between_buses", self.between_buses), ("transformer", self.transformer)];
        let mut all = classes.into_iter().filter_map(|(name, fee)| Some((name, fee?))).chain(lines);
        match all.find(|(_, fee)| fee.micro() < 0) {
            Some((what, fee)) => Err(ParametersError::NegativeFee { what: format!("`{what}`"), fee }),
            None => Ok(()),
        }
    }
}

fn check_members(list: &'static str, members: impl ExactSizeIterator<Item = MemberId>) -> Result<(), ParametersError> {
    if members.len() == 0 { Err(ParametersError::Empty { list }) } else { check_unique(list, members) }
}

fn check_unique<T: Ord + ToString>(list: &'static str, items: impl Iterator<Item = T>) -> Result<(), ParametersError> {
    twice(items).map_or(Ok(()), |name| Err(ParametersError::Duplicate { list, name }))
}

/// The first item that was there before.
pub(crate) fn twice<T: Ord + ToString>(mut items: impl Iterator<Item = T>) -> Option<String> {
    let mut seen = BTreeSet::new();
    items.find_map(|item| {
        let name = item.to_string();
        (!seen.insert(item)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cbor, energy::Energy, genesis::Rules};

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    fn member(id: u8) -> MemberId {
        MemberId::from_bytes([id; 16])
    }

    fn share(id: u8, ppm: u32) -> Share {
        Share { member: member(id), ppm }
    }

    fn all() -> Parameters {
        Parameters {
            community_price: Some(price("0.2")),
            shares: Some(vec![share(1, 400_000), share(2, 600_000)]),
            priority: Some(vec![member(2), member(1)]),
            derate_ppm: Some(50_000),
            fees: Some(Fees {
                between_buses: Some(price("0.01")),
                transformer: Some(price("0.02")),
                lines: vec![LineFee { line: "line_1".into(), fee: price("0.003") }],
            }),
            participation: Some(vec![share(1, 10_000), share(2, 1_000_000)]),
            island: None,
        }
    }

    #[test]
    fn each_way_to_get_parameters_wrong_is_named() {
        use ParametersError::*;
        assert_eq!(all().check(), Ok(()));
        assert_eq!(Parameters::default().check(), Ok(()));
        let shares = |shares: &[Share]| Parameters { shares: Some(shares.to_vec()), ..all() };
        let participation = |parts: &[Share]| Parameters { participation: Some(parts.to_vec()), ..all() };
        let fees = |fees: Fees| Parameters { fees: Some(fees), ..all() };
        let line = |fee: &str| LineFee { line: "line_1".into(), fee: price(fee) };
        let negative = |what: &str| NegativeFee { what: what.into(), fee: price("-0.01") };
        let cases = [
            (shares(&[]), Empty { list: "shares" }),
            (shares(&[share(1, 1), share(1, 2)]), Duplicate { list: "shares", name: member(1).to_string() }),
            (shares(&[share(1, 1_000_000), share(2, 1)]), SharesAboveWhole { found: 1_000_001 }),
            (Parameters { priority: Some(vec![]), ..all() }, Empty { list: "priority" }),
            (
                Parameters { priority: Some(vec![member(3), member(3)]), ..all() },
                Duplicate { list: "priority", name: member(3).to_string() },
            ),
            (participation(&[]), Empty { list: "participation" }),
            (
                participation(&[share(1, 10_000), share(1, 10_000)]),
                Duplicate { list: "participation", name: member(1).to_string() },
            ),
            (participation(&[share(2, 10_000), share(1, 10_000)]), NotAscending { list: "participation" }),
            (participation(&[share(1, 9_999)]), Participation { member: member(1), found: 9_999 }),
            (participation(&[share(1, 1_000_001)]), Participation { member: member(1), found: 1_000_001 }),
            (Parameters { derate_ppm: Some(1_000_001), ..all() }, DerateAboveWhole { found: 1_000_001 }),
            (
                fees(Fees { lines: vec![line("0"), line("0")], ..Fees::default() }),
                Duplicate { list: "fees", name: "line_1".into() },
            ),
            (fees(Fees { lines: vec![line("-0.01")], ..Fees::default() }), negative("`line_1`")),
            (fees(Fees { between_buses: Some(price("-0.01")), ..Fees::default() }), negative("`between_buses`")),
            (fees(Fees { transformer: Some(price("-0.01")), ..Fees::default() }), negative("`transformer`")),
        ];
        for (parameters, expected) in cases {
            assert_eq!(parameters.check(), Err(expected));
        }
    }

    #[test]
    fn whoever_is_not_named_takes_part_with_all_of_its_energy() {
        let parameters = all();
        let parts = [1, 2, 3].map(|id| parameters.participation_ppm(member(id)));
        assert_eq!(parts, [10_000, WHOLE_PPM, WHOLE_PPM]);
        assert_eq!(Parameters::default().participation_ppm(member(1)), WHOLE_PPM);
        assert_eq!(Energy::from_wh(199).part(10_000), Energy::from_wh(1), "rounded down");
        assert_eq!(Energy::from_wh(u64::MAX).part(WHOLE_PPM), Energy::from_wh(u64::MAX));
    }

    #[test]
    fn rules_without_parameters_read_and_hash_as_they_did_before_there_were_any() {
        let json = r#"{"retail_price":"0.3","feed_in_price":"0.08","mechanism":"uniform"}"#;
        let rules: Rules = serde_json::from_str(json).unwrap();
        assert_eq!(rules.parameters, None);
        assert_eq!(serde_json::to_string(&rules).unwrap(), json);
        // An array of three: the fourth is not even there as a null.
        assert_eq!(cbor::encode(&rules)[0], 0x83);
        assert_eq!(cbor::decode::<Rules>(&cbor::encode(&rules)).unwrap(), rules);
    }

    #[test]
    fn parameters_survive_both_encodings() {
        let rules = Rules {
            retail_price: price("0.3"),
            feed_in_price: price("0.08"),
            mechanism: "feeder".into(),
            parameters: Some(all()),
            transformer: None,
            pack: None,
        };
        assert_eq!(cbor::decode::<Rules>(&cbor::encode(&rules)).unwrap(), rules);
        assert_eq!(serde_json::from_str::<Rules>(&serde_json::to_string(&rules).unwrap()).unwrap(), rules);
    }
}
