//! Where members are: a file of the operator's, of which nothing is on the ledger.

use std::{collections::BTreeMap, path::Path};

use protocol::member::{MemberId, check_name};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::Deserialize;

use crate::{FileError, rows};

/// What of where a member is has to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sameness {
    /// Behind one transformer, on low voltage.
    Transformer,
    /// Behind one substation, on medium and low voltage.
    Substation,
    /// In one municipality.
    Municipality,
    /// In the network of one grid operator.
    GridOperator,
    /// In one balancing area of a grid operator.
    BalancingArea,
    /// In one building, behind one connection.
    Building,
    /// On one level of voltage.
    VoltageLevel,
}

impl Sameness {
    /// Its column.
    pub fn name(self) -> &'static str {
        match self {
            Sameness::Transformer => "transformer",
            Sameness::Substation => "substation",
            Sameness::Municipality => "municipality",
            Sameness::GridOperator => "grid_operator",
            Sameness::BalancingArea => "balancing_area",
            Sameness::Building => "building",
            Sameness::VoltageLevel => "voltage_level",
        }
    }
}

/// What the operator knows of where a member is; none of it is needed that no limit looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    /// Its coordinates.
    pub place: Option<Place>,
    /// What the plant behind its meter has, W.
    pub production_w: Option<u64>,
    /// What may have to be the same.
    pub same: BTreeMap<Sameness, String>,
    /// What the grid operator calls its metering points.
    pub metering_points: Vec<String>,
}

/// A place, in millionths of a degree (WGS 84).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    latitude: i64,
    longitude: i64,
}

/// Millionths of a degree in one.
const DEGREE: i64 = 1_000_000;
/// Mean radius of the earth, m (IUGG).
const EARTH_M: i128 = 6_371_009;
/// π, and one, in fixed-point numbers of twelve decimals.
const PI: i128 = 3_141_592_653_590;
const ONE: i128 = 1_000_000_000_000;

impl Place {
    /// The place of these coordinates in millionths of a degree; none beyond a pole, or half round the earth.
    pub fn new(latitude: i64, longitude: i64) -> Option<Place> {
        let possible = latitude.abs() <= 90 * DEGREE && longitude.abs() <= 180 * DEGREE;
        possible.then_some(Place { latitude, longitude })
    }

    /// How far it is to another place, in whole metres, rounded down: on a plane, with the circle of latitude between
    /// both. Over 20 km that is right to a metre or two, as far as the earth is round.
    pub fn distance_m(self, other: Place) -> u64 {
        let north = i128::from(self.latitude - other.latitude);
        let mut east = i128::from(self.longitude - other.longitude).abs();
        east = east.min(360 * i128::from(DEGREE) - east);
        let between = cosine((i128::from(self.latitude) + i128::from(other.latitude)) / 2);
        // Millimetres of an arc of so many millionths of a degree.
        let arc_mm = |part: i128| part * EARTH_M * 1_000 / ONE * PI / ONE / (180 * i128::from(DEGREE));
        let (north_mm, east_mm) = (arc_mm(north * ONE), arc_mm(east * between));
        let square = (north_mm * north_mm + east_mm * east_mm).unsigned_abs();
        u64::try_from(square.isqrt() / 1_000).unwrap_or(u64::MAX)
    }
}

/// The cosine of millionths of a degree, in twelve decimals: its series, as far as its terms have any.
fn cosine(latitude: i128) -> i128 {
    let angle = latitude * PI / (180 * i128::from(DEGREE));
    let square = angle * angle / ONE;
    let (mut sum, mut term, mut at) = (ONE, ONE, 0);
    while term != 0 {
        at += 2;
        term = -term * square / ONE / (at * (at - 1));
        sum += term;
    }
    sum
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    member: MemberId,
    latitude: Option<String>,
    longitude: Option<String>,
    production_w: Option<u64>,
    transformer: Option<String>,
    substation: Option<String>,
    municipality: Option<String>,
    grid_operator: Option<String>,
    balancing_area: Option<String>,
    building: Option<String>,
    voltage_level: Option<String>,
    metering_points: Option<String>,
}

/// Reads the file: a row for each member, by its pseudonym; all columns but `member` may be missing or empty.
pub fn sites(path: &Path) -> Result<BTreeMap<MemberId, Site>, FileError> {
    let bad = |expected, found: String| FileError::Value { path: path.to_owned(), expected, found };
    let mut sites = BTreeMap::new();
    let mut points: BTreeMap<String, MemberId> = BTreeMap::new();
    for row in rows::<Row>(path)? {
        let member = row.member;
        let place = match (&row.latitude, &row.longitude) {
            (None, None) => None,
            (Some(latitude), Some(longitude)) => {
                let place = degrees(latitude).zip(degrees(longitude)).and_then(|(north, east)| Place::new(north, east));
                let found = || format!("`{latitude}` and `{longitude}` of {member}");
                Some(place.ok_or_else(|| bad("degrees such as 48.208174 and 16.373819", found()))?)
            }
            _ => return Err(bad("latitude and longitude, or neither", format!("one of them of {member}"))),
        };
        let groups = [
            (Sameness::Transformer, row.transformer),
            (Sameness::Substation, row.substation),
            (Sameness::Municipality, row.municipality),
            (Sameness::GridOperator, row.grid_operator),
            (Sameness::BalancingArea, row.balancing_area),
            (Sameness::Building, row.building),
            (Sameness::VoltageLevel, row.voltage_level),
        ];
        let same: BTreeMap<Sameness, String> =
            groups.into_iter().filter_map(|(same, group)| Some((same, group?))).collect();
        for group in same.values() {
            check_name(group).map_err(|error| bad("names of 1 to 64 bytes", error.found))?;
        }
        let metering_points: Vec<String> =
            row.metering_points.iter().flat_map(|points| points.split_whitespace()).map(str::to_owned).collect();
        for point in &metering_points {
            if points.insert(point.clone(), member).is_some() {
                return Err(bad("each metering point once", format!("`{}` twice", calendar::quoted(point))));
            }
        }
        let site = Site { place, production_w: row.production_w, same, metering_points };
        if sites.insert(member, site).is_some() {
            return Err(bad("each member once", format!("{member} twice")));
        }
    }
    Ok(sites)
}

/// Millionths of a degree, of a decimal; finer ones are cut.
fn degrees(text: &str) -> Option<i64> {
    let degrees = Decimal::from_str_exact(text).ok()?;
    degrees.checked_mul(DEGREE.into())?.trunc().to_i64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(latitude: i64, longitude: i64) -> Place {
        Place::new(latitude, longitude).unwrap()
    }

    #[test]
    fn distances_are_those_of_the_earth() {
        // Two places in Vienna, by the haversine with the same radius: 667.99 m.
        let stephansdom = place(48_208_490, 16_373_130);
        assert_eq!(stephansdom.distance_m(place(48_206_490, 16_364_630)), 667);
        assert_eq!(stephansdom.distance_m(stephansdom), 0);
        // A degree of latitude, and one of longitude at the equator and half as much at 60°.
        for (from, to, expected) in [
            (place(0, 0), place(1_000_000, 0), 111_195),
            (place(0, 0), place(0, 1_000_000), 111_195),
            (place(60_000_000, 0), place(60_000_000, 1_000_000), 55_597),
            (place(0, 179_500_000), place(0, -179_500_000), 111_195),
            (place(0, 0), place(18, 0), 2),
        ] {
            assert_eq!((from.distance_m(to), to.distance_m(from)), (expected, expected));
        }
        assert_eq!(Place::new(90_000_001, 0), None);
    }

    #[test]
    fn the_file_is_read_whatever_columns_it_has_and_what_is_wrong_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sites.csv");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            sites(&path).map_err(|error| error.to_string())
        };
        let [ada, bob] = ["01".repeat(16), "02".repeat(16)];
        let text = format!(
            "member,latitude,longitude,production_w,transformer,metering_points\n{ada},48.2,16.37,5000,T1,AT1 AT2\n{bob},,,,,\n"
        );
        let found = read(&text).unwrap();
        let site = &found[&ada.parse().unwrap()];
        assert_eq!(site.place, Some(place(48_200_000, 16_370_000)));
        assert_eq!((site.production_w, site.metering_points.len()), (Some(5_000), 2));
        assert_eq!(site.same[&Sameness::Transformer], "T1");
        assert_eq!(found[&bob.parse().unwrap()], Site::default());
        for (text, expected) in [
            (format!("member,latitude\n{ada},48.2\n"), "latitude and longitude, or neither"),
            (format!("member,latitude,longitude\n{ada},north,16\n"), "`north` and `16`"),
            (format!("member,latitude,longitude\n{ada},91,16\n"), "`91` and `16`"),
            (format!("member\n{ada}\n{ada}\n"), "each member once"),
            (format!("member,metering_points\n{ada},AT1\n{bob},AT1\n"), "each metering point once"),
            (format!("member,height\n{ada},7\n"), "height"),
            ("member\nada\n".into(), "sites.csv"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(expected), "{error}\nexpected: {expected}");
        }
    }
}
