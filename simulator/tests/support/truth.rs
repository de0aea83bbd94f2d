//! What a neighbourhood without any order must come to: computed from the CSV alone, by code that shares nothing with
//! the product.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use flate2::read::GzDecoder;

/// The exact integers of a prefix of a profile.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Truth {
    pub(crate) consumption_wh: u64,
    pub(crate) production_wh: u64,
    pub(crate) self_consumed_alone_wh: u64,
    pub(crate) traded_wh: u64,
    pub(crate) imported_wh: u64,
    pub(crate) exported_wh: u64,
}

/// Adds up the first `intervals` of a profile.
pub(crate) fn of(profile: impl Read, intervals: usize) -> Truth {
    from("", profile, intervals)
}

/// Adds up `intervals` of a profile, from the one that starts at `start` on.
pub(crate) fn from(start: &str, profile: impl Read, intervals: usize) -> Truth {
    let mut by_time: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    let mut lines = BufReader::new(profile).lines().map(Result::unwrap);
    let header = lines.next().unwrap();
    let column = |name: &str| header.split(',').position(|column| column == name).unwrap();
    let [timestamp, consumption, production] = ["timestamp", "consumption_wh", "production_wh"].map(column);
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let pair = (fields[consumption].parse().unwrap(), fields[production].parse().unwrap());
        by_time.entry(fields[timestamp].to_owned()).or_default().push(pair);
    }
    let mut truth = Truth::default();
    for (_, pairs) in by_time.range(start.to_owned()..).take(intervals) {
        let [deficit, surplus] = pairs.iter().fold([0, 0], |[deficit, surplus], (consumption, production)| {
            [deficit + consumption.saturating_sub(*production), surplus + production.saturating_sub(*consumption)]
        });
        for (consumption, production) in pairs {
            truth.consumption_wh += consumption;
            truth.production_wh += production;
            truth.self_consumed_alone_wh += consumption.min(production);
        }
        truth.traded_wh += deficit.min(surplus);
        truth.imported_wh += deficit.saturating_sub(surplus);
        truth.exported_wh += surplus.saturating_sub(deficit);
    }
    truth
}

/// A profile that the simulator ships, as text.
pub(crate) fn built_in(profile: &str) -> String {
    let path = format!("../config/neighbourhood/profiles_{profile}.csv.gz");
    let mut text = String::new();
    let file = File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}
