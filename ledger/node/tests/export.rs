//! The export: what is written says what the ledger says, to the last unit, in both formats.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{collections::BTreeMap, fs::File, path::Path};

use indicatif::ProgressBar;
use ledger::state::State;
use ledger_node::{
    export::{ExportError, Format, Period, Written, export},
    store::MemoryStore,
};
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
};
use protocol::correction::Values;
use support::{Community, history::History, ledger_of};

const INTERVALS: u64 = 5;

/// Rows by column.
type Rows = Vec<BTreeMap<String, String>>;

fn settled() -> (Community, MemoryStore, State) {
    let mut community = Community::new(6, 1);
    let (store, state) = ledger_of(&mut community, INTERVALS, || {});
    (community, store, state)
}

fn read_csv(path: &Path) -> Rows {
    csv::Reader::from_path(path).unwrap().deserialize().map(Result::unwrap).collect()
}

/// The same texts as the CSV has.
fn read_parquet(path: &Path) -> Rows {
    let text = |field: &Field| match field {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::Long(integer) => integer.to_string(),
        Field::TimestampMillis(ms) => {
            let interval = protocol::interval::Interval::new(ms / 1_000, minutes(15)).unwrap();
            interval.start_text()
        }
        other => panic!("{other:?}"),
    };
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
    rows.map(|row| row.get_column_iter().map(|(name, field)| (name.clone(), text(field))).collect()).collect()
}

fn minutes(minutes: i64) -> protocol::interval::IntervalLength {
    format!("2026-06-01T12:00:00Z/PT{minutes}M").parse::<protocol::interval::Interval>().unwrap().length()
}

fn sum(rows: &Rows, column: &str) -> i128 {
    rows.iter().map(|row| row[column].parse::<i128>().unwrap()).sum()
}

#[test]
fn both_formats_say_what_the_ledger_says() {
    let (community, store, state) = settled();
    let directory = tempfile::tempdir().unwrap();
    let mut read: Vec<Vec<Rows>> = Vec::new();
    for (format, reader) in [(Format::Csv, read_csv as fn(&Path) -> Rows), (Format::Parquet, read_parquet)] {
        let out = directory.path().join("out");
        let written =
            export(&community.genesis, &store, &out, format, Period::default(), &ProgressBar::hidden()).unwrap();
        let names: Vec<&str> = written.iter().map(|file| file.path.file_stem().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["accounts", "settlements", "lines", "trades", "certificates"]);
        let tables: Vec<Rows> = written.iter().map(|file| reader(&file.path)).collect();
        let rows = |(file, rows): (&Written, &Rows)| file.rows == rows.len() as u64;
        assert!(written.iter().zip(&tables).all(rows), "{written:?}");
        read.push(tables);
    }
    assert_eq!(read[0], read[1]);

    let [accounts, settlements, lines, trades, certificates] = read[0].as_slice() else { unreachable!() };
    assert_eq!(sum(accounts, "balance_nano"), 0);
    for (id, member) in state.members() {
        let row = accounts.iter().find(|row| row["member"] == id.to_string()).unwrap();
        assert_eq!(row["balance_nano"], member.balance().nano().to_string());
    }
    assert_eq!(sum(accounts, "debits_nano"), sum(accounts, "credits_nano"));
    let sold = sum(lines, "sold_wh") + sum(lines, "exported_wh");
    assert_eq!(sum(certificates, "energy_wh"), sold, "a certificate for every Wh that was fed in");
    assert!(certificates.iter().any(|row| row["holder"] != row["producer"]), "some follow a trade");
    assert_eq!(settlements.len() as u64, INTERVALS);
    assert_eq!(settlements[1]["interval"], "2026-06-01T12:15:00Z");
    assert_eq!(settlements[1]["retail_micro_per_kwh"], "300000");
    assert_eq!(settlements[1]["feed_in_micro_per_kwh"], "80000");
    assert!(trades.len() > 5, "the test trades something");
    assert_eq!(sum(lines, "bought_wh"), sum(trades, "energy_wh"));
    assert_eq!(sum(lines, "paid_nano"), sum(lines, "earned_nano"));
    let worth: i128 = trades
        .iter()
        .map(|row| row["energy_wh"].parse::<i128>().unwrap() * row["price_micro_per_kwh"].parse::<i128>().unwrap())
        .sum();
    assert_eq!(sum(lines, "paid_nano"), worth);
    assert_eq!(sum(settlements, "supplier_nano"), sum(lines, "supply_cost_nano") - sum(lines, "supply_revenue_nano"));
}

#[test]
fn a_period_leaves_out_what_is_before_and_after() {
    let (community, store, _) = settled();
    let directory = tempfile::tempdir().unwrap();
    let start = community.genesis.first_interval;
    let at = |count| Some(start.offset(count).unwrap().start_s());
    for (name, period, expected) in [
        ("first", Period { from_s: None, to_s: at(1) }, 1),
        ("middle", Period { from_s: at(1), to_s: at(4) }, 3),
        ("last", Period { from_s: at(4), to_s: None }, 1),
        ("none", Period { from_s: at(9), to_s: None }, 0),
    ] {
        let out = directory.path().join(name);
        let written =
            export(&community.genesis, &store, &out, Format::Parquet, period, &ProgressBar::hidden()).unwrap();
        assert_eq!(written[1].rows, expected, "{name}");
        assert_eq!(read_parquet(&written[1].path).len() as u64, expected, "{name}");
        assert_eq!(written[2].rows, expected * 6, "{name}");
    }
}

#[test]
fn nothing_is_overwritten_and_no_half_file_passes_for_a_whole() {
    let (community, store, _) = settled();
    let directory = tempfile::tempdir().unwrap();
    let run = || {
        let hidden = ProgressBar::hidden();
        export(&community.genesis, &store, directory.path(), Format::Csv, Period::default(), &hidden)
    };
    let lines = directory.path().join("lines.csv");
    std::fs::write(&lines, "mine").unwrap();
    assert!(matches!(run(), Err(ExportError::Exists(path)) if path == lines));
    assert_eq!(std::fs::read_to_string(&lines).unwrap(), "mine");
    assert!(!directory.path().join("accounts.csv").exists());
    std::fs::remove_file(&lines).unwrap();
    run().unwrap();
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left.len(), 5, "{left:?}");
}

#[test]
fn a_provisional_interval_says_so_until_it_is_corrected() {
    let mut history = History::new(5, 4);
    let interval = history.state.next();
    let mut readings = history.community.read_all(interval);
    let device = readings.remove(0).signer();
    let missed = history.community.members.iter().find(|member| member.device.public() == device).unwrap().id;
    let settlement = history.community.settlement(&history.state, &readings);
    history.block(vec![history.community.transaction(settlement, &readings)]);
    history.correct(1, interval, 1, &[(missed, Values::default())]);
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let (genesis, store) = (&history.community.genesis, &history.store);
    export(genesis, store, &out, Format::Csv, Period::default(), &ProgressBar::hidden()).unwrap();
    let rows = read_csv(&out.join("settlements.csv"));
    let said =
        |row: usize| ["correction", "provisional", "unread", "difference_wh"].map(|name| rows[row][name].as_str());
    assert_eq!([said(0), said(1)], [["0", "1", "1", ""], ["1", "0", "0", ""]]);
}
