//! Rule packs: a country's law of energy sharing as a file that people read and programs check.
//!
//! Law is a snapshot. So a pack has a first and a last day, says for each of its sources when it was looked at and how,
//! and what could not be checked. Whoever changes a byte of it has another pack, by its hash.

pub mod limits;
pub mod sites;

use std::{collections::BTreeMap, fs, path::Path};

use calendar::Zone;
use jiff::civil::Date;
use protocol::{
    hash::Hash,
    interval::{Interval, IntervalLength},
    money::Price,
    pack::{NetworkDiscount, RulePack},
    parameters::WHOLE_PPM,
    text::ParseError,
};
use serde::Deserialize;
use settings::toml_error::one_line;

use self::limits::Limits;
use crate::{FileError, shares::Remainder};

/// Most bytes of a pack.
const BYTES_MAX: u64 = 64 * 1_024;

/// A pack, as its file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: String,
    title: String,
    country: String,
    currency: String,
    time_zone: String,
    interval_minutes: IntervalLength,
    valid: [Day; 2],
    mechanisms: Vec<String>,
    remainder: Remainder,
    participation: bool,
    #[serde(default)]
    network_discounts_ppm: BTreeMap<String, u32>,
    #[serde(default)]
    limits: Limits,
    sources: Vec<Source>,
    unchecked: Vec<String>,
}

/// A day such as `2026-12-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Day(pub Date);

impl TryFrom<String> for Day {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Day, ParseError> {
        // One spelling.
        let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
        date.map(Day).ok_or_else(|| ParseError::new("a day such as 2026-12-31", &text))
    }
}

/// Where a pack has something from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The paragraph, or whoever wrote about it.
    pub text: String,
    /// When it was looked at.
    pub checked: Day,
    /// How.
    pub how: Checked,
}

/// How a source was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checked {
    /// The words of the law, or of whoever is to carry it out, were read.
    Read,
    /// Somebody else's account of them was.
    Secondary,
}

/// A rule pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// What it calls itself.
    pub id: String,
    /// What it is, in a line.
    pub title: String,
    /// Whose law (ISO 3166).
    pub country: String,
    /// SHA-256 of its file.
    pub hash: Hash,
    /// The currency of its amounts (ISO 4217).
    pub currency: String,
    /// By whose clock its days are.
    pub zone: Zone,
    /// The first and the last day that it holds on.
    pub valid: [Date; 2],
    /// The first interval that it holds in.
    pub first: Interval,
    /// The last interval that it holds in.
    pub last: Interval,
    /// The mechanisms that it allows; the first is what holds where nobody has agreed on another.
    pub mechanisms: Vec<String>,
    /// What becomes of the part of the whole that cut shares leave over.
    pub remainder: Remainder,
    /// Whether a member may bring a part of its energy only.
    pub participation: bool,
    /// By their names, which part of the network's price is saved on energy from neighbours, in parts per million.
    pub network_discounts_ppm: BTreeMap<String, u32>,
    /// Whom it excludes.
    pub limits: Limits,
    /// Where it is from.
    pub sources: Vec<Source>,
    /// What could not be checked.
    pub unchecked: Vec<String>,
}

/// Why a discount cannot be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiscountError {
    /// The pack has none.
    #[error("expected no network price, as rule pack {0} has no discount on the network, found one")]
    None(String),
    /// It has several, or none of this name.
    #[error("expected the name of a network discount of rule pack {pack} ({known}), found {found}")]
    Unknown {
        /// The pack.
        pack: String,
        /// Those that it has.
        known: String,
        /// What was asked for.
        found: String,
    },
    /// Nobody said what it is a discount on.
    #[error("expected the network's price for a kWh, of which rule pack {0} takes a part, found none")]
    NoPrice(String),
}

impl Pack {
    /// Reads and checks the pack in a file.
    pub fn read(path: &Path) -> Result<Pack, FileError> {
        let malformed = |reason: String| FileError::Malformed { path: path.to_owned(), reason };
        let length = fs::metadata(path).map_err(|error| malformed(format!("expected a rule pack: {error}")))?.len();
        if length > BYTES_MAX {
            return Err(malformed(format!("expected a rule pack of at most {BYTES_MAX} bytes, found {length}")));
        }
        let text = fs::read_to_string(path).map_err(|error| malformed(error.to_string()))?;
        Pack::parse(&text).map_err(malformed)
    }

    /// Reads and checks the text of a pack. An error says in one line what is wrong.
    pub fn parse(text: &str) -> Result<Pack, String> {
        let file: File = toml::from_str(text).map_err(|error| one_line(&error, text))?;
        let File { id, title, country, currency, time_zone, interval_minutes: length, valid, mechanisms, .. } = file;
        let zone: Zone = time_zone.parse().map_err(|error| format!("time_zone: {error}"))?;
        let valid = valid.map(|day| day.0);
        let moment = |day: Date| zone.begins_s(day).and_then(|begins_s| Interval::new(begins_s, length));
        let after = valid[1].tomorrow().ok();
        let (first, last) = match (moment(valid[0]), after.and_then(moment).and_then(|after| after.offset(-1))) {
            (Some(first), Some(last)) => (first, last),
            _ => return Err(format!("valid: expected days of whole intervals, found {} to {}", valid[0], valid[1])),
        };
        let known = market::clearing::mechanism;
        mechanisms.iter().try_for_each(|it| known(it).map(drop)).map_err(|error| format!("mechanisms: {error}"))?;
        if let Some((name, found)) = file.network_discounts_ppm.iter().find(|(_, ppm)| **ppm > WHOLE_PPM) {
            return Err(format!("network_discounts_ppm: {name}: expected at most {WHOLE_PPM}, found {found}"));
        }
        if file.sources.is_empty() {
            return Err("sources: expected at least one, found none: law without a source is hearsay".into());
        }
        file.limits.check()?;
        let pack = Pack {
            id,
            title,
            country,
            hash: Hash::of(text.as_bytes()),
            currency,
            zone,
            valid,
            first,
            last,
            mechanisms,
            remainder: file.remainder,
            participation: file.participation,
            network_discounts_ppm: file.network_discounts_ppm,
            limits: file.limits,
            sources: file.sources,
            unchecked: file.unchecked,
        };
        pack.in_rules(None).check().map_err(|error| error.to_string())?;
        Ok(pack)
    }

    /// What rules say of it.
    pub fn in_rules(&self, network: Option<NetworkDiscount>) -> RulePack {
        RulePack {
            id: self.id.clone(),
            hash: self.hash,
            currency: self.currency.clone(),
            first: self.first,
            last: self.last,
            mechanisms: self.mechanisms.clone(),
            network,
        }
    }

    /// The discount of this name, or the only one, on the network's price: none where nobody says the price.
    pub fn discount(&self, name: Option<&str>, price: Option<Price>) -> Result<Option<NetworkDiscount>, DiscountError> {
        let Some(price) = price else {
            return match name {
                Some(_) => Err(DiscountError::NoPrice(self.id.clone())),
                None => Ok(None),
            };
        };
        let known = &self.network_discounts_ppm;
        let found = match name {
            Some(name) => known.get(name),
            None if known.len() == 1 => known.values().next(),
            None if known.is_empty() => return Err(DiscountError::None(self.id.clone())),
            None => None,
        };
        match found {
            Some(ppm) => Ok(Some(NetworkDiscount { price, ppm: *ppm })),
            None => Err(DiscountError::Unknown {
                pack: self.id.clone(),
                known: known.keys().cloned().collect::<Vec<_>>().join(", "),
                found: name.map_or_else(|| "none".into(), |name| format!("`{}`", calendar::quoted(name))),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
