//! The plan for an island, as people write it: who is served first when the grid above is gone.

use std::path::Path;

use protocol::{
    island::{IslandPlan, MemberClaim},
    key::PublicKey,
    member::MemberId,
    money::Price,
};
use serde::Deserialize;
use settings::{bounded, toml_error::one_line};

use crate::{FileError, part};

/// Most bytes of a plan: ten thousand claims.
const BYTES_MAX: u64 = 2 * 1_024 * 1_024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    posted_price: Price,
    price_cap: Price,
    zero_intervals: Option<u32>,
    basic_w: u64,
    recharge_intervals: u32,
    /// From 0 to 1, as text.
    reserve: String,
    #[serde(default)]
    validators: Vec<PublicKey>,
    #[serde(default)]
    claim: Vec<Claim>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    member: String,
    #[serde(default)]
    life_safety_w: u64,
    #[serde(default)]
    critical_w: u64,
    #[serde(default = "one")]
    persons: u32,
    other_w: Option<u64>,
}

const fn one() -> u32 {
    1
}

/// Reads a plan. `member` knows whom a name, or a pseudonym, stands for.
pub fn island_plan(path: &Path, member: impl Fn(&str) -> Option<MemberId>) -> Result<IslandPlan, FileError> {
    let malformed = |reason: String| FileError::Malformed { path: path.to_owned(), reason };
    let text = bounded::read_text(path, Some("a plan for an island"), BYTES_MAX).map_err(malformed)?;
    let file: File = toml::from_str(&text).map_err(|error| malformed(one_line(&error, &text)))?;
    let reserve_ppm = part(&file.reserve).map_err(|error| malformed(format!("reserve: {error}")))?;
    let claim = |claim: Claim| {
        let known = member(&claim.member);
        let member = known.ok_or_else(|| {
            malformed(format!("claim: expected members of the community, found `{}`", calendar::quoted(&claim.member)))
        })?;
        let Claim { life_safety_w, critical_w, persons, other_w, .. } = claim;
        Ok(MemberClaim { member, life_safety_w, critical_w, persons, other_w })
    };
    let mut claims = file.claim.into_iter().map(claim).collect::<Result<Vec<_>, FileError>>()?;
    claims.sort_unstable_by_key(|claim| claim.member);
    let mut validators = file.validators;
    validators.sort_unstable();
    let plan = IslandPlan {
        posted_price: file.posted_price,
        price_cap: file.price_cap,
        zero_intervals: file.zero_intervals,
        basic_w: file.basic_w,
        recharge_intervals: file.recharge_intervals,
        reserve_ppm,
        claims,
        validators,
    };
    plan.check().map_err(|error| malformed(error.to_string()))?;
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(text: &str) -> Result<IslandPlan, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("island.toml");
        fs::write(&path, text).unwrap();
        let member = |name: &str| ["Ada", "Clinic"].contains(&name).then(|| MemberId::pseudonym(&[0; 16], name));
        let prefix = format!("{}: ", path.display());
        island_plan(&path, member).map_err(|error| error.to_string().strip_prefix(&prefix).unwrap().to_owned())
    }

    fn shipped() -> String {
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/island.toml")).unwrap()
    }

    #[test]
    fn the_example_that_is_shipped_is_a_plan() {
        let plan = read(&shipped()).unwrap();
        let claim = plan.claim(MemberId::pseudonym(&[0; 16], "Clinic"));
        assert_eq!((claim.life_safety_w, claim.critical_w, claim.persons), (500, 1_500, 1));
        assert_eq!(
            (plan.zero_intervals, plan.reserve_ppm, plan.price().to_string()),
            (Some(2), 100_000, "0.35".into())
        );
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        let with = |old: &str, new: &str| {
            let text = shipped();
            assert!(text.contains(old), "{old}");
            read(&text.replacen(old, new, 1)).unwrap_err()
        };
        let stranger = with("member = \"Clinic\"", "member = \"Nobody\"");
        assert_eq!(stranger, "claim: expected members of the community, found `Nobody`");
        let range = with("recharge_intervals = 40", "recharge_intervals = 0");
        assert_eq!(range, "recharge_intervals: expected 1 to 2016, found 0");
        let reserve = with("reserve = \"0.1\"", "reserve = \"1.1\"");
        assert!(reserve.starts_with("reserve: expected"), "{reserve}");
        let unknown = with("basic_w", "basic_kw");
        assert!(unknown.contains("basic_kw") && !unknown.contains('\n'), "{unknown}");
        let twice = with("member = \"Ada\"", "member = \"Clinic\"");
        assert_eq!(twice, "claims: expected each once, in ascending order");
    }
}
