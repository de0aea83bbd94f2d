//! The module as Python has it: what it computes is what the program computes, and PettingZoo takes it for one of its
//! environments.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// Two days in June of 20 homes whose limits are all drawn, so that no tie decides; some have batteries, of which some
/// follow the prices.
const HOMES: &str = "[community.drawn]\nhomes = 20\npv_share = 0.5\n[period]\nfrom = '2016-06-06T00:00:00Z'\ndays = 2\n\
    [[equipment]]\nshare = 0.3\nof = 'roofs'\n\
    battery = { capacity_wh = 6000, power_w = 3000, round_trip_efficiency = 0.9 }\n\
    [[equipment]]\nshare = 0.3\n\
    battery = { capacity_wh = 8000, power_w = 2000, round_trip_efficiency = 0.9, \
    dispatch = 'price_driven', charge_below = '0.16', discharge_above = '0.17' }\n";

const BIDS: &str = "[[strategies]]\nshare = 1.0\nstrategy = 'zi_c'\n";

/// What cargo built with this test, by its place from `target/debug` or its like.
fn built(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let path = test.parent().unwrap().with_file_name(name);
    assert!(path.exists(), "{} is not built: run `cargo test --workspace`", path.display());
    path
}

/// A directory with the module as a wheel lays it out, and the scenarios.
fn laid_out() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let package = directory.path().join("voisin");
    fs::create_dir(&package).unwrap();
    for entry in fs::read_dir(here("package/voisin")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, package.join(path.file_name().unwrap())).unwrap();
        }
    }
    fs::copy(built("deps/lib_voisin.so"), package.join("_voisin.abi3.so")).unwrap();
    fs::write(directory.path().join("street.toml"), format!("{HOMES}{BIDS}")).unwrap();
    fs::write(directory.path().join("unasked.toml"), HOMES).unwrap();
    directory
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs something of `target/python` in the directory, and returns what it says.
fn python(directory: &Path, arguments: &[&str]) -> String {
    let mut python = Command::new(here("../../target/python/bin/python"));
    let output = python.current_dir(directory).env("PYTHONPATH", directory).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs one of the Python programs beside this file.
fn program(directory: &TempDir, name: &str) -> String {
    python(directory.path(), &[here("tests").join(name).to_str().unwrap()])
}

/// What `simulator run` makes of the scenario with limits, in `out`; and with its orders, in `orders`.
fn run_of_the_program(directory: &TempDir) {
    for (out, more) in [
        ("out", [].as_slice()),
        ("orders", &["--tables", "orders", "--no-report"]),
        ("tables", &["--tables", "trades,soc"]),
    ] {
        let mut run = Command::new(built("simulator"));
        let run = run.current_dir(directory).args(["run", "street.toml", "--seed", "7", "--out", out]).args(more);
        let run = run.output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    }
}

#[test]
#[ignore = "needs numpy and DuckDB in target/python: .ci/run installs them"]
fn a_run_from_python_writes_the_files_of_the_program_to_the_byte() {
    let directory = laid_out();
    run_of_the_program(&directory);
    assert_eq!(program(&directory, "runs.py").trim(), "9 files are the same");
}

/// A year that takes minutes, interrupted in the middle.
#[test]
#[ignore = "needs Python in target/python: .ci/run installs it"]
fn ctrl_c_ends_a_run_and_nothing_stands_that_looks_whole() {
    let directory = laid_out();
    let year = HOMES.replace("homes = 20", "homes = 20000").replace("days = 2", "days = 365");
    fs::write(directory.path().join("year.toml"), format!("{year}{BIDS}")).unwrap();
    assert_eq!(program(&directory, "interrupted.py").trim(), "interrupted, and played again");
}

#[test]
#[ignore = "needs numpy and DuckDB in target/python: .ci/run installs them"]
fn each_line_of_a_step_is_that_of_a_run_with_the_same_limits() {
    let directory = laid_out();
    run_of_the_program(&directory);
    assert_eq!(program(&directory, "steps.py").trim(), "3840 lines are the same, whoever asked");
}

#[test]
#[ignore = "needs PettingZoo in target/python: .ci/run installs it"]
fn pettingzoo_takes_it_for_an_environment() {
    let directory = laid_out();
    let said = program(&directory, "environment.py");
    assert!(said.ends_with("2 forms of actions\n"), "{said}");
}

#[test]
#[ignore = "needs Jupyter's nbclient, matplotlib, polars and pandas in target/python: .ci/run installs them"]
fn the_notebook_runs_afresh_and_learning_pays() {
    let directory = laid_out();
    let (program, notebook) = (here("tests/notebook.py"), here("../../docs/notebooks/learning.ipynb"));
    let said = python(directory.path(), &[program.to_str().unwrap(), notebook.to_str().unwrap()]);
    assert!(said.ends_with("without an error\n"), "{said}");
}
