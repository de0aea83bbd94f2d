//! The genesis file: all that anyone has to trust.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{
    cbor::{self, Element},
    commit::Validator,
    envelope::ChainId,
    hash::Hash,
    interval::Interval,
    island::plan::{ISLANDED, IslandPlanError},
    json,
    key::{DeviceId, PublicKey},
    limits::{ENERGY_WH_MAX, GRID_LINES_MAX, MEMBERS_MAX, NAME_BYTES_MAX, VALIDATORS_MAX},
    member::{MemberId, check_name},
    money::Price,
    pack::{PackError, PackUnfit, RulePack},
    parameters::{Parameters, ParametersError, WHOLE_PPM, twice},
    reading::Registers,
    settlement::Tariffs,
    text::ParseError,
};

pub use crate::technology::Technology;

/// The rules of the market.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Rules {
    /// What the supplier takes for a kWh.
    #[n(0)]
    pub retail_price: Price,
    /// What the supplier gives for a kWh.
    #[n(1)]
    pub feed_in_price: Price,
    /// Name of the clearing mechanism.
    #[n(2)]
    pub mechanism: String,
    /// What the mechanism needs to know beside, where the defaults will not do.
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Parameters>,
    /// The transformer's meter, where there is one.
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transformer: Option<TransformerMeter>,
    /// The rule pack of the country's law that they follow, where they follow one.
    #[n(5)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pack: Option<Box<RulePack>>,
}

impl Rules {
    /// Rules without parameters, without a transformer's meter and without a rule pack.
    pub fn new(retail_price: Price, feed_in_price: Price, mechanism: impl Into<String>) -> Rules {
        Rules {
            retail_price,
            feed_in_price,
            mechanism: mechanism.into(),
            parameters: None,
            transformer: None,
            pack: None,
        }
    }
}

/// The meter at the transformer, which measures what all members draw and feed in together. It is registered like a
/// member's, under a pseudonym of its own that trades nothing and owes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct TransformerMeter {
    /// Under which pseudonym it is registered.
    #[n(0)]
    pub member: MemberId,
    /// How far it may be from the members' sum in any interval, Wh: whole Wh are read of every meter.
    #[n(1)]
    #[serde(default)]
    pub tolerance_wh: u64,
    /// How far beside, in parts per million of all that members drew and fed in: what the lines lose.
    #[n(2)]
    #[serde(default)]
    pub tolerance_ppm: u32,
}

impl Rules {
    /// The supplier's prices.
    pub fn tariffs(&self) -> Tariffs {
        Tariffs { retail_price: self.retail_price, feed_in_price: self.feed_in_price }
    }

    /// Checks that the rule pack, where there is one, is for rules that begin with `from` in a community that counts in
    /// `currency`.
    pub fn check_pack(&self, currency: &str, from: Interval) -> Result<(), PackUnfit> {
        self.pack.as_ref().map_or(Ok(()), |pack| pack.check_fit(currency, from, &self.mechanism))
    }

    /// Checks what rules can get wrong by themselves.
    pub fn check(&self) -> Result<(), GenesisError> {
        let (retail, feed_in) = (self.retail_price, self.feed_in_price);
        if feed_in > retail {
            return Err(GenesisError::FeedInAboveRetail { retail, feed_in });
        }
        if self.mechanism == ISLANDED {
            return Err(GenesisError::Islanded);
        }
        self.parameters.as_ref().map_or(Ok(()), Parameters::check)?;
        let plan = self.parameters.as_ref().and_then(|said| said.island.as_ref());
        if plan.is_some_and(|plan| plan.zero_intervals.is_some()) && self.transformer.is_none() {
            return Err(ParametersError::from(IslandPlanError::NoTransformer).into());
        }
        self.pack.as_ref().map_or(Ok(()), |pack| pack.check())?;
        match self.transformer {
            Some(TransformerMeter { tolerance_wh: found, .. }) if found > ENERGY_WH_MAX => {
                Err(GenesisError::BadTolerance { unit: "Wh", max: ENERGY_WH_MAX, found })
            }
            Some(TransformerMeter { tolerance_ppm: found, .. }) if found > WHOLE_PPM => {
                Err(GenesisError::BadTolerance { unit: "ppm", max: WHOLE_PPM.into(), found: found.into() })
            }
            _ => Ok(()),
        }
    }
}

/// A member at the start, with the device that measures for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct GenesisMember {
    /// The pseudonym.
    #[n(0)]
    pub member: MemberId,
    /// The key that signs the member's orders.
    #[n(1)]
    pub key: PublicKey,
    /// The device that signs the readings.
    #[n(2)]
    pub device: DeviceId,
    /// Rated power of the grid connection, W: no meter reads more.
    #[n(3)]
    pub rated_power_w: u64,
    /// The bus of the grid that the member is connected to.
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus: Option<String>,
    /// Import register at the start, Wh.
    #[n(5)]
    #[serde(default)]
    pub import_wh: u64,
    /// Export register at the start, Wh.
    #[n(6)]
    #[serde(default)]
    pub export_wh: u64,
    /// What the production behind the meter is made from; without it, no certificates are minted.
    #[n(7)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technology: Option<Technology>,
}

impl GenesisMember {
    /// The registers at the start.
    pub fn registers(&self) -> Registers {
        Registers { import_wh: self.import_wh, export_wh: self.export_wh }
    }
}

impl Element for GenesisMember {
    const BYTES_MIN: usize = 90;
}

/// A line of the grid, or the transformer, seen as the edge from a bus to the one above it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct GridLine {
    /// Name of the line.
    #[n(0)]
    pub line: String,
    /// One end.
    #[n(1)]
    pub from: String,
    /// The other end.
    #[n(2)]
    pub to: String,
    /// Thermal rating, VA.
    #[n(3)]
    pub rated_va: u64,
}

impl Element for GridLine {
    const BYTES_MIN: usize = 5;
}

/// The radial low-voltage grid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct GridPlan {
    /// Name of the transformer.
    #[n(0)]
    pub transformer: String,
    /// Rating of the transformer, VA.
    #[n(1)]
    pub transformer_va: u64,
    /// The bus on the transformer's low-voltage side: the root of the tree.
    #[n(2)]
    pub root: String,
    /// The lines in service.
    #[n(3)]
    #[cbor(decode_with = "cbor::sparse_list::<_, _, GRID_LINES_MAX>")]
    #[serde(deserialize_with = "json::list::<_, _, GRID_LINES_MAX>")]
    pub lines: Vec<GridLine>,
}

/// How a community starts. JSON for people; what is hashed is its deterministic CBOR, so that layout does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Genesis {
    /// Name of the community.
    #[n(0)]
    pub community: String,
    /// Currency of all prices and amounts (ISO 4217).
    #[n(1)]
    pub currency: String,
    /// The first interval that is settled.
    #[n(2)]
    pub first_interval: Interval,
    /// The rules from the first interval on.
    #[n(3)]
    pub rules: Rules,
    /// The key with which the market signs settlements.
    #[n(4)]
    pub market: PublicKey,
    /// The validators.
    #[n(5)]
    #[cbor(decode_with = "cbor::list::<_, _, VALIDATORS_MAX>")]
    #[serde(deserialize_with = "json::list::<_, _, VALIDATORS_MAX>")]
    pub validators: Vec<Validator>,
    /// The members, in ascending order of pseudonym.
    #[n(6)]
    #[cbor(decode_with = "cbor::list::<_, _, MEMBERS_MAX>")]
    #[serde(deserialize_with = "json::list::<_, _, MEMBERS_MAX>")]
    pub members: Vec<GenesisMember>,
    /// The grid, if known.
    #[n(7)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<GridPlan>,
    /// By which days and months the community is billed: an IANA time zone such as `Europe/Vienna`. Without it, UTC.
    /// Market time is UTC either way.
    #[n(8)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// Why a genesis is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// Not JSON of the expected form.
    #[error("not a genesis: {0}")]
    Malformed(String),
    /// A name that cannot be used.
    #[error("{0}")]
    BadName(#[from] ParseError),
    /// More or fewer than allowed.
    #[error("expected {min} to {max} {what}, found {found}")]
    BadCount {
        /// Of what.
        what: &'static str,
        /// At least.
        min: usize,
        /// At most.
        max: usize,
        /// Found.
        found: usize,
    },
    /// Something that must be unique appears twice.
    #[error("{what} {name} appears twice")]
    Duplicate {
        /// What it is.
        what: &'static str,
        /// Which one.
        name: String,
    },
    /// Members are not in order of pseudonym.
    #[error("members are not in ascending order of pseudonym")]
    NotAscending,
    /// A validator without a vote.
    #[error("validator {0} has no voting power; expected 1 to 2^32")]
    BadPower(PublicKey),
    /// Energy would be worth more fed in than drawn.
    #[error("expected a feed-in price of at most the retail price {retail}, found {feed_in}")]
    FeedInAboveRetail {
        /// Retail price.
        retail: Price,
        /// Feed-in price.
        feed_in: Price,
    },
    /// A parameter of a mechanism that makes no sense.
    #[error("rules: parameters: {0}")]
    Parameters(#[from] ParametersError),
    /// The rules of an island, which nobody sets: they follow from the plan in other rules.
    #[error(
        "rules: expected another mechanism, found `{ISLANDED}`: an island is planned in `parameters`, and declared"
    )]
    Islanded,
    /// A rule pack that makes no sense.
    #[error("rules: pack: {0}")]
    Pack(#[from] PackError),
    /// A rule pack that is not for this community.
    #[error("rules: {0}")]
    PackUnfit(#[from] PackUnfit),
    /// The transformer's meter may be anywhere.
    #[error("rules: transformer: expected a tolerance of at most {max} {unit}, found {found}")]
    BadTolerance {
        /// Of which tolerance.
        unit: &'static str,
        /// The limit.
        max: u64,
        /// What was found.
        found: u64,
    },
    /// The transformer's meter is registered under no pseudonym.
    #[error("rules: transformer: expected a member of the genesis, found {0}")]
    UnknownTransformer(MemberId),
}

impl Genesis {
    /// Reads and checks a genesis file.
    pub fn from_json(json: &[u8]) -> Result<Genesis, GenesisError> {
        let genesis: Genesis =
            serde_json::from_slice(json).map_err(|error| GenesisError::Malformed(error.to_string()))?;
        genesis.check()?;
        Ok(genesis)
    }

    /// The text of its file, for people.
    pub fn to_json(&self) -> String {
        match serde_json::to_string_pretty(self) {
            Ok(json) => json + "\n",
            Err(error) => unreachable!("a genesis has only text keys and integers: {error}"),
        }
    }

    /// The name of the chain that starts here: the hash of the deterministic CBOR.
    pub fn chain(&self) -> ChainId {
        Hash::of(&cbor::encode(self))
    }

    /// Checks everything that one genesis can get wrong by itself.
    pub fn check(&self) -> Result<(), GenesisError> {
        check_name(&self.community)?;
        check_name(&self.currency)?;
        self.time_zone.as_deref().map_or(Ok(()), check_time_zone)?;
        check_count("validators", 1, self.validators.len(), VALIDATORS_MAX)?;
        // A community may begin with none, and take them in by decisions.
        check_count("members", 0, self.members.len(), MEMBERS_MAX)?;
        self.rules.check()?;
        self.rules.check_pack(&self.currency, self.first_interval)?;
        if let Some(validator) = self.validators.iter().find(|v| v.power == 0 || v.power > 1 << 32) {
            return Err(GenesisError::BadPower(validator.key));
        }
        check_unique("validator", self.validators.iter().map(|validator| validator.key))?;
        check_unique("member", self.members.iter().map(|member| member.member))?;
        check_unique("device", self.members.iter().map(|member| member.device))?;
        if !self.members.is_sorted_by_key(|member| member.member) {
            return Err(GenesisError::NotAscending);
        }
        if let Some(TransformerMeter { member, .. }) = self.rules.transformer
            && self.members.binary_search_by_key(&member, |registered| registered.member).is_err()
        {
            return Err(GenesisError::UnknownTransformer(member));
        }
        Ok(())
    }
}

fn check_count(what: &'static str, min: usize, found: usize, max: usize) -> Result<(), GenesisError> {
    if (min..=max).contains(&found) { Ok(()) } else { Err(GenesisError::BadCount { what, min, max, found }) }
}

/// Checks the form of a time zone's name. Which names there are changes from year to year, so whoever founds a
/// community looks it up, and nobody refuses a genesis for it later.
fn check_time_zone(name: &str) -> Result<(), ParseError> {
    let usable = (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte));
    if usable { Ok(()) } else { Err(ParseError::new("an IANA time zone such as Europe/Vienna", name)) }
}

fn check_unique<T: Ord + ToString>(what: &'static str, items: impl Iterator<Item = T>) -> Result<(), GenesisError> {
    twice(items).map_or(Ok(()), |name| Err(GenesisError::Duplicate { what, name }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    fn rules(transformer: Option<TransformerMeter>) -> Rules {
        Rules {
            retail_price: "0.3".parse().unwrap(),
            feed_in_price: "0.08".parse().unwrap(),
            mechanism: "uniform".into(),
            parameters: None,
            transformer,
            pack: None,
        }
    }

    fn meter(tolerance_wh: u64, tolerance_ppm: u32) -> TransformerMeter {
        TransformerMeter { member: MemberId::from_bytes([7; 16]), tolerance_wh, tolerance_ppm }
    }

    fn genesis(time_zone: Option<&str>) -> Genesis {
        Genesis {
            community: "Rue des Voisins".into(),
            currency: "EUR".into(),
            first_interval: "2026-06-01T12:00:00Z/PT15M".parse().unwrap(),
            rules: rules(None),
            market: SecretKey::from_seed(&[1; 32]).public(),
            validators: vec![Validator { key: SecretKey::from_seed(&[2; 32]).public(), power: 1 }],
            members: Vec::new(),
            grid: None,
            time_zone: time_zone.map(str::to_owned),
        }
    }

    #[test]
    fn a_community_may_begin_without_members_and_says_whose_days_it_counts() {
        for zone in [None, Some("Europe/Vienna"), Some("Etc/GMT+5"), Some("America/Port-au-Prince")] {
            let genesis = genesis(zone);
            assert_eq!(genesis.check(), Ok(()), "{zone:?}");
            assert_eq!(Genesis::from_json(genesis.to_json().as_bytes()), Ok(genesis.clone()));
            assert_eq!(cbor::decode::<Genesis>(&cbor::encode(&genesis)).unwrap(), genesis);
            // Seven fields and no more, or nine, of which the grid is a null.
            assert_eq!(cbor::encode(&genesis)[0], if zone.is_some() { 0x89 } else { 0x87 });
        }
        for zone in ["", "Europe/Vienna ", "<b>", &"x".repeat(65)] {
            assert!(matches!(genesis(Some(zone)).check(), Err(GenesisError::BadName(_))), "{zone:?}");
        }
        let nobody_votes = Genesis { validators: Vec::new(), ..genesis(None) };
        let expected = GenesisError::BadCount { what: "validators", min: 1, max: VALIDATORS_MAX, found: 0 };
        assert_eq!(nobody_votes.check(), Err(expected));
    }

    #[test]
    fn rules_name_the_transformers_meter_and_how_far_it_may_be_apart() {
        let named = rules(Some(meter(50, 30_000)));
        assert_eq!(named.check(), Ok(()));
        assert_eq!(cbor::decode::<Rules>(&cbor::encode(&named)).unwrap(), named);
        // An array of five, in which the parameters are a null.
        assert_eq!(cbor::encode(&named)[0], 0x85);
        assert_eq!(cbor::encode(&rules(None))[0], 0x83);
        let json = r#"{"retail_price":"0.3","feed_in_price":"0.08","mechanism":"uniform","transformer":{"member":"07070707070707070707070707070707"}}"#;
        assert_eq!(serde_json::from_str::<Rules>(json).unwrap(), rules(Some(meter(0, 0))));

        let too_many = |unit, max, found| Err(GenesisError::BadTolerance { unit, max, found });
        let all = rules(Some(meter(ENERGY_WH_MAX, WHOLE_PPM)));
        assert_eq!(all.check(), Ok(()));
        let found = rules(Some(meter(ENERGY_WH_MAX + 1, 0))).check();
        assert_eq!(found, too_many("Wh", ENERGY_WH_MAX, ENERGY_WH_MAX + 1));
        let found = rules(Some(meter(0, WHOLE_PPM + 1))).check();
        assert_eq!(found, too_many("ppm", 1_000_000, 1_000_001));
    }
}
