//! What members have agreed on under a rule pack: by which weights they share, and with how much of their energy they
//! take part.

use std::{collections::BTreeMap, path::Path};

use protocol::{
    member::MemberId,
    parameters::{PARTICIPATION_PPM_MIN, Share, WHOLE_PPM},
};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::Deserialize;

use crate::{FileError, pack::Pack, rows, shares::shares};

/// A file of participants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Participants {
    /// Weights in millionths, in the order of the file; none where it has no such column.
    pub weights: Option<Vec<(MemberId, u64)>>,
    /// With which part of its energy a member takes part, in ascending order of member; none where it has no such
    /// column.
    pub participation: Option<Vec<Share>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    member: String,
    weight: Option<String>,
    participation: Option<String>,
}

/// Millionths in one.
const MILLIONTHS: u64 = 1_000_000;
/// Largest weight: millionths of all members together fit an `u64`.
const WEIGHT_MAX: u64 = 1_000_000_000;

/// Reads the columns `member,weight,participation`, of which the last two may be missing: weights are decimals with at
/// most six places, participation is a percentage from 1 to 100 with at most four. `member` knows whom a text of the
/// first column stands for.
pub fn participants(path: &Path, member: impl Fn(&str) -> Option<MemberId>) -> Result<Participants, FileError> {
    let bad = |expected, found: String| FileError::Value { path: path.to_owned(), expected, found };
    let mut participants = Participants::default();
    let mut known: BTreeMap<MemberId, String> = BTreeMap::new();
    let quoted = |text: &str| format!("`{}`", calendar::quoted(text));
    for row in rows::<Row>(path)? {
        let id = member(&row.member).ok_or_else(|| bad("members of the community", quoted(&row.member)))?;
        if known.insert(id, row.member.clone()).is_some() {
            return Err(bad("each member once", format!("{} twice", quoted(&row.member))));
        }
        if let Some(text) = row.weight {
            let weight = scaled(&text, MILLIONTHS).filter(|weight| *weight <= WEIGHT_MAX * MILLIONTHS);
            let weight =
                weight.ok_or_else(|| bad("a weight of at least 0, with at most six decimals", quoted(&text)))?;
            participants.weights.get_or_insert_default().push((id, weight));
        }
        if let Some(text) = row.participation {
            // Ten-thousandths of a percent are millionths.
            let ppm = scaled(&text, 10_000).and_then(|ppm| u32::try_from(ppm).ok());
            let ppm = ppm.filter(|ppm| (PARTICIPATION_PPM_MIN..=WHOLE_PPM).contains(ppm));
            let ppm =
                ppm.ok_or_else(|| bad("a participation from 1 to 100 %, with at most four decimals", quoted(&text)))?;
            participants.participation.get_or_insert_default().push(Share { member: id, ppm });
        }
    }
    if participants.weights.as_ref().is_some_and(|weights| weights.iter().all(|(_, weight)| *weight == 0)) {
        return Err(bad("a weight above 0", "none".into()));
    }
    if let Some(participation) = &mut participants.participation {
        participation.sort_unstable_by_key(|part| part.member);
    }
    Ok(participants)
}

/// A decimal of at least 0 as so many parts of one; none where it is finer.
fn scaled(text: &str, parts: u64) -> Option<u64> {
    let decimal = Decimal::from_str_exact(text).ok()?.checked_mul(parts.into())?;
    if decimal.fract().is_zero() { decimal.to_u64() } else { None }
}

/// What of a file of participants does not fit the rules that it is for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParticipantsUnfit {
    /// The law knows no parts.
    #[error("expected no column `participation`, as rule pack {0} has everyone take part with all energy, found one")]
    Participation(String),
    /// The mechanism looks at none.
    #[error("expected no column `weight`, as `{0}` allocates by none, found one")]
    Weights(String),
}

/// What rules say of participants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agreed {
    /// The fixed shares, in ascending order of member; none where the mechanism looks at none.
    pub shares: Option<Vec<Share>>,
    /// Who takes part with a part of its energy.
    pub participation: Option<Vec<Share>>,
}

/// What rules say of participants: shares for the mechanisms that allocate by fixed ones, which are equal where nobody
/// has stated weights, and who takes part with a part of its energy. `everyone` are all members that could consume.
pub fn agreed(
    pack: &Pack,
    mechanism: &str,
    participants: Participants,
    everyone: impl IntoIterator<Item = MemberId>,
) -> Result<Agreed, ParticipantsUnfit> {
    let Participants { weights, participation } = participants;
    if participation.is_some() && !pack.participation {
        return Err(ParticipantsUnfit::Participation(pack.id.clone()));
    }
    if !["static_key", "cascading_key"].contains(&mechanism) {
        return match weights {
            Some(_) => Err(ParticipantsUnfit::Weights(mechanism.chars().take(80).collect())),
            None => Ok(Agreed { shares: None, participation }),
        };
    }
    let weights = weights.unwrap_or_else(|| everyone.into_iter().map(|member| (member, MILLIONTHS)).collect());
    let mut shares = shares(&weights, pack.remainder);
    shares.sort_unstable_by_key(|share| share.member);
    Ok(Agreed { shares: (!shares.is_empty()).then_some(shares), participation })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: u8) -> MemberId {
        MemberId::from_bytes([number; 16])
    }

    #[test]
    fn shares_are_stated_only_where_the_mechanism_and_the_law_look_at_them() {
        let read = |name: &str| {
            let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/rules");
            Pack::read(&Path::new(directory).join(name)).unwrap()
        };
        let [austria, germany] = ["at-eeg-local.toml", "de-42b.toml"].map(read);
        let part = vec![Share { member: member(1), ppm: 500_000 }];
        let with = |weights: Option<&[u64]>, participation: Option<&Vec<Share>>| Participants {
            weights: weights.map(|weights| (1..).map(member).zip(weights.iter().copied()).collect()),
            participation: participation.cloned(),
        };
        let everyone = [1, 2, 3].map(member);
        let ppm = |shares: Option<Vec<Share>>| shares.map(|shares| shares.iter().map(|it| it.ppm).collect::<Vec<_>>());
        // In doubt in equal parts (§ 42b (5), sentence 3), each cut.
        let found = agreed(&germany, "static_key", Participants::default(), everyone).unwrap();
        assert_eq!((ppm(found.shares), found.participation), (Some(vec![333_333; 3]), None));
        let found = agreed(&austria, "static_key", with(Some(&[80, 40]), Some(&part)), everyone).unwrap();
        assert_eq!((ppm(found.shares), found.participation), (Some(vec![666_666, 333_333]), Some(part.clone())));
        let parts = agreed(&austria, "dynamic_key", with(None, Some(&part)), everyone).unwrap();
        assert_eq!(parts, Agreed { shares: None, participation: Some(part.clone()) });
        let refused = agreed(&germany, "static_key", with(None, Some(&part)), everyone);
        assert_eq!(refused, Err(ParticipantsUnfit::Participation("de-42b-2026".into())));
        let refused = agreed(&austria, "dynamic_key", with(Some(&[1]), None), everyone);
        assert_eq!(refused, Err(ParticipantsUnfit::Weights("dynamic_key".into())));
        assert_eq!(agreed(&germany, "static_key", Participants::default(), []), Ok(Agreed::default()));
    }

    #[test]
    fn the_file_is_read_or_what_is_wrong_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("participants.csv");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let by_name = |name: &str| ["", "ada", "bob"].iter().position(|it| *it == name).map(|at| member(at as u8));
            participants(&path, |name| by_name(name).filter(|_| !name.is_empty())).map_err(|error| error.to_string())
        };
        let found = read("member,weight,participation\nbob,40,100\nada,80.5,1.0001\n").unwrap();
        assert_eq!(found.weights.unwrap(), [(member(2), 40_000_000), (member(1), 80_500_000)]);
        let part = |number, ppm| Share { member: member(number), ppm };
        assert_eq!(found.participation.unwrap(), [part(1, 10_001), part(2, 1_000_000)]);
        assert_eq!(read("member\nada\n").unwrap(), Participants::default());
        for (text, expected) in [
            ("member,weight\neve,1\n", "members of the community"),
            ("member,weight\nada,1\nada,1\n", "each member once"),
            ("member,weight\nada,-1\n", "a weight of at least 0"),
            ("member,weight\nada,0.0000001\n", "a weight of at least 0"),
            ("member,weight\nada,1000000001\n", "a weight of at least 0"),
            ("member,weight\nada,0\nbob,0\n", "a weight above 0"),
            ("member,participation\nada,0.5\n", "from 1 to 100 %"),
            ("member,participation\nada,101\n", "from 1 to 100 %"),
            ("member,participation\nada,50.00001\n", "from 1 to 100 %"),
            ("member,part\nada,1\n", "part"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{error}\nexpected: {expected}");
        }
    }
}
