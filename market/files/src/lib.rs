//! Files that people write for a mechanism: the grid, its fees, and the keys. `market clear` reads them beside the
//! book, the simulator for a neighbourhood, and `ledger community init` for a real one. And what a country's law brings
//! along: rule packs, who takes part and where, and the files that grid operators send and want.

pub mod cau;
pub mod consumption_record;
pub mod island;
pub mod pack;
pub mod participants;
pub mod shares;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use protocol::{
    genesis::{GridLine, GridPlan},
    member::MemberId,
    money::Price,
    parameters::{Fees, LineFee, Share, WHOLE_PPM},
};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::{Deserialize, de::DeserializeOwned};

use market::grid::{Grid, GridError};

/// Highest rating: 1 GVA.
const RATING_KVA_MAX: u32 = 1_000_000;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Not there, or not a table with the columns it needs.
    #[error("{}: {error}", path.display())]
    Table {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and in which line.
        error: csv::Error,
    },
    /// A value that makes no sense.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Value {
        /// Which file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// Not the text that it should be.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and in which line.
        reason: String,
    },
    /// No radial grid.
    #[error("{}: {error}", path.display())]
    Grid {
        /// The directory.
        path: PathBuf,
        /// The loop or the island.
        error: GridError,
    },
}

/// The market's directory of names, `members.csv`: a row for each member.
pub fn names_text(names: &BTreeMap<MemberId, String>) -> String {
    let mut text = String::from("member,name\n");
    for (member, name) in names {
        // A name may hold commas and quotes: quoted, with its quotes doubled (RFC 4180).
        text.push_str(&format!("{member},\"{}\"\n", name.replace('"', "\"\"")));
    }
    text
}

#[derive(Deserialize)]
struct BusRow {
    bus_id: String,
}

#[derive(Deserialize)]
struct LineRow {
    line_id: String,
    from_bus: String,
    to_bus: String,
    rated_kva: String,
    in_service: String,
}

#[derive(Deserialize)]
struct TransformerRow {
    trafo_id: String,
    lv_bus: String,
    sn_kva: String,
}

#[derive(Deserialize)]
struct FeeRow {
    line_id: Option<String>,
    class: Option<Class>,
    fee: Price,
}

/// How far apart the two sides of a trade are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Class {
    SameBus,
    SameFeeder,
    BeyondTransformer,
}

#[derive(Deserialize)]
struct KeyRow {
    id: String,
    share: Option<String>,
}

pub(crate) fn rows<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, FileError> {
    let reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path);
    let rows = reader.and_then(|mut reader| reader.deserialize().collect());
    rows.map_err(|error| FileError::Table { path: path.to_owned(), error })
}

/// The radial grid of a directory.
pub fn grid(directory: &Path) -> Result<Grid, FileError> {
    read(directory).map(|(_, grid)| grid)
}

/// The same, as a genesis states it.
pub fn plan(directory: &Path) -> Result<GridPlan, FileError> {
    read(directory).map(|(plan, _)| plan)
}

fn read(directory: &Path) -> Result<(GridPlan, Grid), FileError> {
    let [buses, lines, transformer] =
        ["grid_buses.csv", "grid_lines.csv", "grid_transformer.csv"].map(|file| directory.join(file));
    let known: BTreeSet<String> = rows::<BusRow>(&buses)?.into_iter().map(|row| row.bus_id).collect();
    let bad = |path: &Path, expected, found: String| FileError::Value { path: path.to_owned(), expected, found };
    let known_bus = |path: &Path, bus: String| {
        if known.contains(&bus) { Ok(bus) } else { Err(bad(path, "a bus of grid_buses.csv", format!("`{bus}`"))) }
    };

    let mut transformers: Vec<TransformerRow> = rows(&transformer)?;
    let (1, Some(row)) = (transformers.len(), transformers.pop()) else {
        return Err(bad(&transformer, "one transformer", transformers.len().to_string()));
    };
    let transformer_va = rating_va(&transformer, &row.sn_kva)?;
    let root = known_bus(&transformer, row.lv_bus)?;

    let mut plan = GridPlan { transformer: row.trafo_id, transformer_va, root, lines: Vec::new() };
    let mut names = BTreeSet::from([plan.transformer.clone()]);
    for row in rows::<LineRow>(&lines)? {
        if !names.insert(row.line_id.clone()) {
            return Err(bad(&lines, "each line once", format!("`{}` twice", row.line_id)));
        }
        let in_service = match row.in_service.as_str() {
            "1" | "true" | "True" => true,
            "0" | "false" | "False" => false,
            other => return Err(bad(&lines, "1 or 0 in column `in_service`", format!("`{other}`"))),
        };
        let line = GridLine {
            from: known_bus(&lines, row.from_bus)?,
            to: known_bus(&lines, row.to_bus)?,
            rated_va: rating_va(&lines, &row.rated_kva)?,
            line: row.line_id,
        };
        if in_service {
            plan.lines.push(line);
        }
    }
    let refused = |error| FileError::Grid { path: directory.to_owned(), error };
    let grid = Grid::from_plan(&plan).map_err(refused)?;
    let alone: Vec<String> = known.into_iter().filter(|bus| grid.bus(Some(bus)).is_err()).collect();
    if alone.is_empty() { Ok((plan, grid)) } else { Err(refused(GridError::Island { root: plan.root, buses: alone })) }
}

/// A rating in kVA as whole VA; a fraction of a VA is dropped.
fn rating_va(path: &Path, text: &str) -> Result<u64, FileError> {
    let kva = Decimal::from_str_exact(text).ok().filter(|kva| (Decimal::ZERO..=RATING_KVA_MAX.into()).contains(kva));
    kva.and_then(|kva| (kva * Decimal::ONE_THOUSAND).to_u64()).ok_or_else(|| FileError::Value {
        path: path.to_owned(),
        expected: "a rating in kVA from 0 to 1000000",
        found: format!("`{text}`"),
    })
}

/// What the grid costs: by line, in the columns `line_id,fee`; or by proximity, in the columns `class,fee`, where a fee
/// is all that a trade of its class pays. Both in one file have both columns, and fill in one of them in each row.
pub fn fees(path: &Path) -> Result<Fees, FileError> {
    let bad = |expected, found: String| FileError::Value { path: path.to_owned(), expected, found };
    let mut fees = Fees::default();
    let mut classes: BTreeMap<&str, Price> = BTreeMap::new();
    for FeeRow { line_id, class, fee } in rows(path)? {
        match (line_id, class) {
            (Some(line), None) => fees.lines.push(LineFee { line, fee }),
            (None, Some(class)) => {
                let name = match class {
                    Class::SameBus => "same_bus",
                    Class::SameFeeder => "same_feeder",
                    Class::BeyondTransformer => "beyond_transformer",
                };
                if classes.insert(name, fee).is_some() {
                    return Err(bad("each class once", format!("`{name}` twice")));
                }
            }
            (Some(_), Some(_)) => return Err(bad("a line or a class in each row", "both".into())),
            (None, None) => return Err(bad("a line or a class in each row", "neither".into())),
        }
    }
    if let Some(fee) = classes.get("same_bus").filter(|fee| fee.micro() != 0) {
        return Err(bad("0 for `same_bus`: what stays within a bus uses no line", fee.to_string()));
    }
    fees.between_buses = classes.get("same_feeder").copied();
    if let Some(beyond) = classes.get("beyond_transformer") {
        // The grid charges for the crossing on top of what it charges between any two buses.
        let near = fees.between_buses.map_or(0, Price::micro);
        let on_top = beyond.micro().checked_sub(near).filter(|micro| *micro >= 0).and_then(Price::from_micro);
        fees.transformer =
            Some(on_top.ok_or_else(|| {
                bad("at least the fee of `same_feeder` for `beyond_transformer`", beyond.to_string())
            })?);
    }
    Ok(fees)
}

/// Shares and places of the consumers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// Parts per million of all that is offered, by id; none where the file has no shares.
    pub shares: Option<BTreeMap<Vec<u8>, u32>>,
    /// Places in the order of the file, by id.
    pub priority: BTreeMap<Vec<u8>, usize>,
}

impl Keys {
    /// The same as rules state them, of the members for whom the ids stand, shares in ascending order of member. Whose
    /// id stands for nobody is left out.
    pub fn by_member(&self, member: impl Fn(&[u8]) -> Option<MemberId>) -> (Option<Vec<Share>>, Option<Vec<MemberId>>) {
        let share = |(id, ppm): (&Vec<u8>, &u32)| Some(Share { member: member(id)?, ppm: *ppm });
        let shares = self.shares.as_ref().map(|shares| {
            let mut shares: Vec<Share> = shares.iter().filter_map(share).collect();
            shares.sort_unstable_by_key(|share| share.member);
            shares
        });
        let mut first: Vec<(usize, MemberId)> =
            self.priority.iter().filter_map(|(id, place)| Some((*place, member(id)?))).collect();
        first.sort_unstable();
        let priority = (!first.is_empty()).then(|| first.into_iter().map(|(_, member)| member).collect());
        (shares, priority)
    }
}

/// The consumers in the order of a file, with their shares if it has that column.
pub fn keys(path: &Path) -> Result<Keys, FileError> {
    let bad = |expected, found: String| FileError::Value { path: path.to_owned(), expected, found };
    let mut keys = Keys::default();
    let mut sum = 0;
    for (place, KeyRow { id, share }) in rows(path)?.into_iter().enumerate() {
        if keys.priority.insert(id.clone().into_bytes(), place).is_some() {
            return Err(bad("each id once", format!("`{id}` twice")));
        }
        if let Some(text) = share {
            let share = text.parse().ok().and_then(ppm);
            let share =
                share.ok_or_else(|| bad("a share from 0 to 1 with at most six decimals", format!("`{text}`")))?;
            sum += u64::from(share);
            keys.shares.get_or_insert_default().insert(id.into_bytes(), share);
        }
    }
    if sum > u64::from(WHOLE_PPM) {
        return Err(bad("shares of at most 1 in all", Decimal::new(sum as i64, 6).to_string()));
    }
    Ok(keys)
}

/// Reads a part of a whole, such as `0.05`, in parts per million.
pub fn part(text: &str) -> Result<u32, String> {
    let decimal = Decimal::from_str_exact(text).ok();
    decimal.and_then(ppm).ok_or_else(|| {
        let found: String = text.chars().take(80).collect();
        format!("expected a number from 0 to 1 with at most six decimals, found `{found}`")
    })
}

/// A part of a whole in parts per million; none if it is not from 0 to 1 or finer than that.
pub fn ppm(part: Decimal) -> Option<u32> {
    let scaled = part.checked_mul(WHOLE_PPM.into()).filter(|scaled| scaled.fract().is_zero())?;
    scaled.to_u32().filter(|ppm| *ppm <= WHOLE_PPM)
}
