//! `simulator run` and `compare`, by the program: stopped, at odds with what is there, and refused.

#![allow(clippy::unwrap_used)]

#[path = "support/disk.rs"]
mod disk;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simulator"));
    command.current_dir(directory).args(arguments);
    command
}

fn output(directory: &Path, arguments: &[&str]) -> Output {
    command(directory, arguments).output().unwrap()
}

fn refused(directory: &Path, arguments: &[&str]) -> String {
    let output = output(directory, arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    assert_eq!(error.lines().count(), 1, "one line: {error}");
    error
}

fn scenario(directory: &Path, name: &str, text: &str) {
    fs::write(directory.join(name), text).unwrap();
}

/// A year of a thousand homes, which takes seconds at least.
const LONG: &str = "[community.drawn]\nhomes = 1000\n[[strategies]]\nshare = 1\nstrategy = 'zi_c'\n";
const SHORT: &str = "[community.drawn]\nhomes = 10\n[period]\nfrom = '2016-06-06T00:00:00Z'\ndays = 2\n";

#[test]
fn a_run_that_is_killed_leaves_nothing_that_looks_whole_and_the_next_one_begins_anew() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    scenario(at, "long.toml", LONG);
    let mut run: Child = command(at, &["run", "long.toml", "--out", "out"]).stdout(Stdio::null()).spawn().unwrap();
    while fs::metadata(at.join("out.unfinished/lines.parquet")).map_or(0, |file| file.len()) < 1_000_000 {
        assert!(run.try_wait().unwrap().is_none(), "it has only begun");
        thread::sleep(Duration::from_millis(5));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(!at.join("out").exists());
    assert!(!at.join("out.unfinished/manifest.json").exists() && !at.join("out.unfinished/summary.json").exists());

    scenario(at, "long.toml", SHORT);
    assert!(output(at, &["run", "long.toml", "--out", "out"]).status.success());
    assert!(!at.join("out.unfinished").exists());
    let summary: serde_json::Value = serde_json::from_slice(&fs::read(at.join("out/summary.json")).unwrap()).unwrap();
    assert_eq!(summary["intervals"], 192);
}

#[test]
fn what_is_there_is_replaced_by_the_same_only() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    scenario(at, "street.toml", SHORT);
    let first = output(at, &["run", "street.toml", "--out", "out", "--seed", "5"]);
    assert!(first.status.success() && String::from_utf8_lossy(&first.stdout).contains("self-sufficiency alone"));
    let lines = fs::read(at.join("out/lines.parquet")).unwrap();
    assert!(output(at, &["run", "street.toml", "--out", "out", "--seed", "5", "--threads", "1"]).status.success());
    assert_eq!(fs::read(at.join("out/lines.parquet")).unwrap(), lines);

    let error = refused(at, &["run", "street.toml", "--out", "out", "--seed", "6"]);
    assert!(error.contains("--out: expected no directory, or one of the same scenario, seed and version"), "{error}");
    assert_eq!(fs::read(at.join("out/lines.parquet")).unwrap(), lines);
    fs::create_dir(at.join("mine")).unwrap();
    fs::write(at.join("mine/thesis.tex"), "years of work").unwrap();
    refused(at, &["run", "street.toml", "--out", "mine"]);
    assert_eq!(fs::read_to_string(at.join("mine/thesis.tex")).unwrap(), "years of work");
    fs::rename(at.join("mine"), at.join("new.unfinished")).unwrap();
    let error = refused(at, &["run", "street.toml", "--out", "new"]);
    assert!(error.contains("new.unfinished/thesis.tex"), "{error}");
    assert!(at.join("new.unfinished/thesis.tex").exists());
}

#[test]
fn what_cannot_be_is_refused_in_one_line_and_nothing_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let battery = |keys: &str| format!("{SHORT}[[equipment]]\nshare = 1\nbattery = {{ {keys} }}\n");
    for (text, expected) in [
        ("[community]\nprofile = 'spring'\n".to_owned(), "expected one of the profiles summer, winter"),
        ("[community]\ndata = 'nowhere'\n".to_owned(), "community.data: expected a directory of CSV files at"),
        ("[period]\nfrom = '2016-07-04T00:05:00Z'\n".to_owned(), "period.from: expected the start of an interval from"),
        ("[period]\ndays = 15\n".to_owned(), "period.days: expected at most the 14 that there are, found 15"),
        (
            SHORT.replace("T00:00", "T06:00"),
            "period.from: expected the start of a day in UTC, found 2016-06-06T06:00:00Z",
        ),
        (
            "[market]\nmechanism = 'priority_key'\npriority = ['d999']\n".to_owned(),
            "expected a participant such as d001, found `d999`",
        ),
        (format!("{SHORT}[market]\nderate = 0.5\n"), "market: expected a grid for fees and derating, found none"),
        (
            "[market]\nmechanism = 'feeder'\nfees = { lines = [{ line = 'line_999', fee = '0.01' }] }\n".to_owned(),
            "found `line_999`",
        ),
        (
            battery("capacity_wh = 5000, power_w = 2500, round_trip_efficiency = 0.9, initial_wh = 6000"),
            "expected at most its capacity of 5000 Wh in `initial_wh`, found 6000",
        ),
        (battery("capacity_wh = 5000, power_w = 2500, round_trip_efficiency = 1.2"), "expected a share from 0 to 1"),
        (format!("{SHORT}[[equipment]]\nshare = 1\nwindmill = {{ power_w = 5 }}\n"), "unknown field `windmill`"),
        (format!("{SHORT}[[equipment]]\nshare = 1\n"), "expected one of `battery`, `ev`, `heat_pump`, `appliances`"),
        (format!("{SHORT}[weather]\nwinter_c = -300\n"), "weather.winter_c: expected from -60 to 60, found -300"),
    ] {
        scenario(at, "street.toml", &text);
        let error = refused(at, &["run", "street.toml", "--out", "out"]);
        assert!(error.contains("street.toml: ") && error.contains(expected), "{error}\nexpected: {expected}");
        assert!(!at.join("out").exists() && !at.join("out.unfinished").exists(), "{text}");
    }
    let error = refused(at, &["run", "none.toml"]);
    assert!(error.contains("none.toml: cannot be read"), "{error}");
    scenario(at, "street.toml", SHORT);
    let error = refused(at, &["run", "street.toml", "--out", "street.toml/out"]);
    assert!(error.contains("--out: expected a directory that can be made"), "{error}");
}

#[test]
fn a_table_that_a_community_has_nothing_for_is_refused_and_one_that_it_has_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    scenario(at, "street.toml", SHORT);
    for (tables, expected) in [
        ("flows", "--tables: expected a grid for `flows`, found none: set `grid = true` of drawn homes"),
        ("trades,soc", "--tables: expected batteries for `soc`, found none: give some homes one in `[[equipment]]`"),
        ("trades,lines", "--tables: expected trades, orders, flows, soc or outage, found `lines`"),
    ] {
        let error = refused(at, &["run", "street.toml", "--out", "out", "--tables", tables]);
        assert!(error.contains(expected), "{error}\nexpected: {expected}");
        assert!(!at.join("out").exists() && !at.join("out.unfinished").exists(), "{tables}");
    }
    let run = output(at, &["run", "street.toml", "--out", "out", "--tables", "trades,orders", "--no-report"]);
    assert!(run.status.success());
    assert!(String::from_utf8_lossy(&run.stdout).contains("out has the tables and all figures"));
    for (file, is_there) in
        [("trades.parquet", true), ("orders.parquet", true), ("soc.parquet", false), ("report.html", false)]
    {
        assert_eq!(at.join("out").join(file).exists(), is_there, "{file}");
    }
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(at.join("out/manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["tables"], serde_json::json!(["trades", "orders"]));
    assert_eq!((&manifest["lines"], &manifest["report"]), (&true.into(), &false.into()));
}

#[test]
fn scenarios_are_set_side_by_side() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    scenario(at, "without.toml", SHORT);
    scenario(
        at,
        "with-batteries.toml",
        &format!(
            "{SHORT}[[equipment]]\nshare = 1\n\
             battery = {{ capacity_wh = 9000, power_w = 4000, round_trip_efficiency = 0.9, initial_wh = 4000 }}\n"
        ),
    );
    let compared = output(at, &["compare", "without.toml", "with-batteries.toml"]);
    let text = String::from_utf8(compared.stdout).unwrap();
    assert!(compared.status.success() && text.contains("with-batteries"), "{text}");
    let rows: Vec<csv::StringRecord> =
        csv::Reader::from_path(at.join("comparison/comparison.csv")).unwrap().records().map(Result::unwrap).collect();
    let row = |what: &str| rows.iter().find(|row| &row[0] == what).unwrap();
    assert_eq!(&row("members")[1], "10");
    assert_eq!(&row("consumed")[1], &row("consumed")[2]);
    assert_ne!(&row("self-sufficiency alone")[1], &row("self-sufficiency alone")[2]);
    assert!(at.join("comparison/without/summary.json").exists());
    let page = fs::read_to_string(at.join("comparison/comparison.html")).unwrap();
    assert!(page.contains("with-batteries compared"));
    for row in &rows[2..] {
        let [one, other] = [&row[1], &row[2]];
        // As the program writes a share, the page does.
        if one.ends_with(" %") {
            assert!(page.contains(one) && page.contains(other), "{row:?}");
        }
    }
    let error = refused(at, &["compare", "without.toml", "./without.toml"]);
    assert!(error.contains("expected scenarios with different names, found without twice"), "{error}");
    let error = refused(at, &["compare", "without.toml"]);
    assert!(error.contains("expected two scenarios or more, found 1"), "{error}");
}

#[test]
#[ignore = "needs root, for a small file system: .ci/run has it"]
fn a_disk_that_fills_up_is_named_and_what_is_there_is_not_taken_for_whole() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let disk = disk::Disk::mount(at.join("disk"), 12);
    scenario(at, "street.toml", &LONG.replace("homes = 1000", "homes = 1000\n[period]\ndays = 60"));
    let run = ["run", "street.toml", "--out", "disk/out", "--threads", "2"];
    let full = output(at, &run);
    let error = String::from_utf8(full.stderr).unwrap();
    assert_eq!(full.status.code(), Some(1), "{error}");
    assert!(error.contains("disk/out.unfinished/lines.parquet: ") && error.contains("No space left"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(!at.join("disk/out").exists());

    // From the first byte on.
    fs::remove_dir_all(at.join("disk/out.unfinished")).unwrap();
    disk.fill();
    assert_ne!(output(at, &run).status.code(), Some(0));
    assert!(!at.join("disk/out").exists());
    disk.make_room();
    scenario(at, "street.toml", SHORT);
    assert!(output(at, &run).status.success());
    assert!(at.join("disk/out/manifest.json").exists());
}
