//! Tables of details: complete, the same to the byte for any number of threads, and nothing where nobody asks.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    ops::ControlFlow,
    path::Path,
};

use parquet::file::reader::{FileReader, SerializedFileReader};
use protocol::hash::Hash;
use simulator::{
    offline::{self, Community, Detail, Options},
    scenario::Scenario,
};

const ALL: [Detail; 4] = [Detail::Trades, Detail::Orders, Detail::Flows, Detail::Soc];

fn run(text: &str, out: &Path, threads: usize, details: &[Detail]) {
    let scenario = Scenario::parse(text).unwrap();
    let community = Community::of(&scenario).unwrap();
    let details: BTreeSet<Detail> = details.iter().copied().collect();
    let options = Options { out: out.to_owned(), threads, lines: true, details, report: false };
    offline::run(&scenario, &community, &options, &|_| ControlFlow::Continue(())).unwrap();
}

/// The files of a directory, by name.
fn files(directory: &Path) -> BTreeMap<String, Hash> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), Hash::of(&fs::read(entry.path()).unwrap())))
        .collect()
}

fn rows(path: &Path) -> i64 {
    SerializedFileReader::new(File::open(path).unwrap()).unwrap().metadata().file_metadata().num_rows()
}

/// Three thousand homes on a grid: a chunk is less than a day of them.
fn homes(battery: &str) -> String {
    format!(
        "[community.drawn]\nhomes = 3000\ngrid = true\n[period]\nfrom = '2016-06-06T00:00:00Z'\ndays = 2\n\
         [[strategies]]\nshare = 0.5\nstrategy = 'zi_c'\n[[equipment]]\nshare = 0.5\nof = 'roofs'\n\
         battery = {{ capacity_wh = 8000, power_w = 4000, round_trip_efficiency = 0.9{battery} }}\n"
    )
}

#[test]
fn they_are_the_same_for_any_number_of_threads_and_change_nothing_else() {
    let prices = ", dispatch = 'price_driven', charge_below = '0.12', discharge_above = '0.2', export = true";
    for battery in ["", prices] {
        let directory = tempfile::tempdir().unwrap();
        let out = |name: &str| directory.path().join(name);
        run(&homes(battery), &out("one"), 1, &ALL);
        let one = files(&out("one"));
        for threads in [2, 3] {
            run(&homes(battery), &out("again"), threads, &ALL);
            assert_eq!(files(&out("again")), one, "{threads} threads");
        }
        run(&homes(battery), &out("without"), 2, &[]);
        let mut others = one.clone();
        for table in ["trades.parquet", "orders.parquet", "flows.parquet", "soc.parquet"] {
            assert!(others.remove(table).is_some(), "{table} in {one:?}");
        }
        let mut without = files(&out("without"));
        assert_ne!(without.remove("manifest.json"), others.remove("manifest.json"), "it says which tables there are");
        assert_eq!(without, others);
    }
}

#[test]
fn no_row_is_missing_where_a_chunk_has_more_lines_than_members() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let days = 100;
    let text = format!("[community.drawn]\nhomes = 3\ngrid = true\n[period]\ndays = {days}\n");
    run(&text, &out, 2, &[Detail::Flows]);
    let summary: serde_json::Value = serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap();
    let lines = summary["grid"]["lines"].as_array().unwrap().len() as i64;
    assert_eq!(rows(&out.join("flows.parquet")), lines * days * 96);
}
