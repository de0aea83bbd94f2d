//! The tables of a run, read by programs that nobody here wrote; and energy that they wrote, read by a run.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
};

#[test]
#[ignore = "needs DuckDB, polars and pandas in target/meters: .ci/run installs them"]
fn duckdb_polars_and_pandas_read_the_same_sums() {
    let directory = tempfile::tempdir().unwrap();
    let scenario = directory.path().join("street.toml");
    // Chunks of less than a day, fees for the operator, prices that are missing at night, and batteries.
    std::fs::write(
        &scenario,
        "[community.drawn]\nhomes = 3000\ngrid = true\n[period]\nfrom = '2016-05-31T00:00:00Z'\ndays = 4\n\
         [market]\nmechanism = 'feeder'\nfees = { between_buses = '0.01' }\n\
         [[strategies]]\nshare = 0.7\nstrategy = 'zi_c'\n\
         [[equipment]]\nshare = 0.5\nof = 'roofs'\n\
         battery = { capacity_wh = 8000, power_w = 4000, round_trip_efficiency = 0.9 }\n",
    )
    .unwrap();
    let out = directory.path().join("out");
    let run = Command::new(env!("CARGO_BIN_EXE_simulator"))
        .arg("run")
        .arg(&scenario)
        .arg("--out")
        .arg(&out)
        .args(["--tables", "trades,orders,flows,soc"])
        .output();
    let run = run.unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let read = python("tables.py", &[&out]);
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    assert!(String::from_utf8_lossy(&read.stdout).contains("agree on 3000 members"));
}

/// Runs one of the Python programs beside this file.
fn python(program: &str, arguments: &[&Path]) -> Output {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new(here.join("../target/meters/bin/python"));
    python.arg(here.join("tests").join(program)).args(arguments).output().unwrap()
}

/// A profile of two days of hours.
fn profile() -> String {
    let mut profile = String::from("timestamp,participant_id,consumption_wh,production_wh\n");
    for hour in 0..48 {
        for home in 0..100 {
            let made = if (8..17).contains(&(hour % 24)) && home % 3 == 0 { 1_000 + 7 * home } else { 0 };
            let used = 100 + (hour * 131 + home * 37) % 900;
            profile += &format!("2016-03-{:02}T{:02}:00:00Z,home {home},{used},{made}\n", 26 + hour / 24, hour % 24);
        }
    }
    profile
}

#[test]
#[ignore = "needs DuckDB, polars and pandas in target/meters: .ci/run installs them"]
fn energy_that_duckdb_polars_and_pandas_wrote_comes_to_the_same_bytes_as_from_csv() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    fs::write(at.join("profile.csv"), profile()).unwrap();
    let written = python("profiles.py", &[&at.join("profile.csv"), at]);
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let played = |file: &str, form: &str| {
        let place = at.join(file.replace('.', "-"));
        fs::create_dir_all(place.join("data")).unwrap();
        let participants: String = (0..100).map(|home| format!("home {home}\n")).collect();
        fs::write(place.join("data/participants.csv"), format!("participant_id\n{participants}")).unwrap();
        fs::copy(at.join(file), place.join(format!("data/profiles_spring.{form}"))).unwrap();
        fs::write(place.join("street.toml"), "[community]\ndata = 'data'\nprofile = 'spring'\n").unwrap();
        let mut run = Command::new(env!("CARGO_BIN_EXE_simulator"));
        run.current_dir(&place).args(["run", "street.toml", "--out", "out", "--no-report", "--tables", "trades"]);
        (run.output().unwrap(), place.join("out"))
    };
    let files = |file: &str, form: &str| -> BTreeMap<String, Vec<u8>> {
        let (run, out) = played(file, form);
        assert!(run.status.success(), "{file}: {}", String::from_utf8_lossy(&run.stderr));
        let entries = fs::read_dir(out).unwrap().map(|entry| entry.unwrap());
        entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
    };
    let mut expected = files("profile.csv", "csv");
    let manifest = expected.remove("manifest.json").unwrap();
    for writer in ["duckdb", "polars", "pandas"] {
        let mut found = files(&format!("{writer}.parquet"), "parquet");
        let of = |manifest: &[u8]| {
            let mut manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
            let data = manifest["data"].as_array_mut().unwrap();
            data.retain(|read| !read["file"].as_str().unwrap().starts_with("profiles_"));
            manifest
        };
        assert_eq!(of(&found.remove("manifest.json").unwrap()), of(&manifest), "{writer}");
        assert!(found == expected, "{writer}: {:?}", found.keys());
    }
    for (file, expected) in [
        ("zstd", "expected columns packed by snappy or not at all, found `timestamp` by zstd: write it with snappy"),
        ("naive", "expected timestamps in UTC (TIMESTAMP WITH TIME ZONE; say of those without one that they are UTC)"),
        ("doubles", "expected whole numbers (INT32 or INT64) in column `production_wh`, found DOUBLE"),
    ] {
        let (run, out) = played(&format!("{file}.parquet"), "parquet");
        let error = String::from_utf8(run.stderr).unwrap();
        assert!(error.contains(expected) && error.lines().count() == 1, "{error}\nexpected: {expected}");
        assert_eq!((run.status.code(), out.exists()), (Some(2), false));
    }
}
