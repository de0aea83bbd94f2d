//! The tables of a run, read by programs that nobody here wrote.

#![allow(clippy::unwrap_used)]

use std::{path::Path, process::Command};

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
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read =
        Command::new(here.join("../target/meters/bin/python")).arg(here.join("tests/tables.py")).arg(&out).output();
    let read = read.unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    assert!(String::from_utf8_lossy(&read.stdout).contains("agree on 3000 members"));
}
