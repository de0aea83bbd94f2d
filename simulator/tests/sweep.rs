//! Sweeps, by the program: here and task by task, and what it refuses.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const SCENARIO: &str = "[community.drawn]\nhomes = 12\n[period]\nfrom = '2016-06-06T00:00:00Z'\ndays = 1\n\
                        [[strategies]]\nshare = 1\nstrategy = 'zi_c'\n";
const VARY: [&str; 6] =
    ["--vary", "market.mechanism=uniform,pay_as_bid", "--vary", "community.drawn.pv_share=0.25,0.75", "--seeds", "3"];

fn simulator(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_simulator")).current_dir(directory).args(arguments).output().unwrap()
}

fn done(directory: &Path, arguments: &[&str]) -> String {
    let output = simulator(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(directory: &Path, arguments: &[&str]) -> String {
    let output = simulator(directory, arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    assert_eq!(error.lines().count(), 1, "one line: {error}");
    error
}

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("street.toml"), SCENARIO).unwrap();
    directory
}

#[test]
fn tasks_run_one_by_one_anywhere_come_to_the_same_bytes_as_the_sweep_here() {
    let directory = directory();
    let at = directory.path();
    done(at, &[&["sweep", "street.toml"], &VARY[..], &["--out", "here", "--threads", "2"]].concat());

    let plan = done(at, &[&["sweep", "street.toml"], &VARY[..], &["--plan", "there"]].concat());
    assert!(plan.contains("12 tasks"), "{plan}");
    let tasks = fs::read_to_string(at.join("there/tasks.csv")).unwrap();
    assert_eq!(tasks.lines().next(), Some("task,variant,seed,market.mechanism,community.drawn.pv_share"));
    assert_eq!(tasks.lines().nth(12), Some("11,3,3,pay_as_bid,0.75"));
    for task in (0..12).rev().filter(|task| ![3, 7].contains(task)) {
        done(at, &["sweep", "--plan", "there", "--task", &task.to_string()]);
    }
    assert_eq!(done(at, &["sweep", "--plan", "there", "--missing"]), "3,7\n");
    let error = refused(at, &["sweep", "--plan", "there", "--merge"]);
    assert!(error.contains("all 12 tasks, found 2 missing: run them (3,7)"), "{error}");
    for task in ["3", "7"] {
        done(at, &["sweep", "--plan", "there", "--task", task]);
    }
    done(at, &["sweep", "--plan", "there", "--merge"]);
    for table in ["sweep.csv", "means.csv", "sweep.html"] {
        let [here, there] = ["here", "there"].map(|run| fs::read_to_string(at.join(run).join(table)).unwrap());
        assert_eq!(here, there, "{table}");
    }

    // Four variants, three seeds each, and the mean is that of the rows.
    let mut rows = csv::Reader::from_path(at.join("here/sweep.csv")).unwrap();
    let column = rows.headers().unwrap().iter().position(|name| name == "energy.traded_wh").unwrap();
    let traded: Vec<i64> = rows.records().map(|row| row.unwrap()[column].parse().unwrap()).collect();
    assert_eq!(traded.len(), 12);
    let mut means = csv::Reader::from_path(at.join("here/means.csv")).unwrap();
    let of_traded = means.records().map(Result::unwrap).filter(|row| &row[3] == "energy.traded_wh");
    let mut variants = 0;
    for (row, of_variant) in of_traded.zip(traded.chunks(3)) {
        let sum: i64 = of_variant.iter().sum();
        assert_eq!(row[5].parse::<i64>().unwrap(), (sum + 1) / 3, "{row:?}");
        let [low, high] = [6, 7].map(|at| row[at].parse::<i64>().unwrap());
        assert!(low < (sum + 1) / 3 && high > (sum + 1) / 3, "{row:?}");
        variants += 1;
    }
    assert_eq!(variants, 4);
}

#[test]
fn a_sweep_goes_on_where_it_stopped_and_mixes_nothing() {
    let directory = directory();
    let at = directory.path();
    let arguments = [&["sweep", "street.toml"], &VARY[..], &["--out", "out"]].concat();
    done(at, &arguments);
    let task = at.join("out/task-000004.json");
    let whole = fs::read(&task).unwrap();
    fs::remove_file(&task).unwrap();
    let before = fs::metadata(at.join("out/task-000005.json")).unwrap().modified().unwrap();
    done(at, &arguments);
    assert_eq!(fs::read(&task).unwrap(), whole);
    assert_eq!(fs::metadata(at.join("out/task-000005.json")).unwrap().modified().unwrap(), before, "not run again");

    let fewer = ["sweep", "street.toml", "--vary", "market.mechanism=uniform", "--out"];
    let error = refused(at, &[&fewer[..], &["out"]].concat());
    assert!(error.contains("plan.json: expected no plan, or the same, found another"), "{error}");
    done(at, &[&fewer[..], &["other"]].concat());
    fs::copy(at.join("other/task-000000.json"), at.join("out/task-000000.json")).unwrap();
    let error = refused(at, &arguments);
    assert!(error.contains("task-000000.json: expected figures of this plan, found those of another"), "{error}");
    fs::write(at.join("out/task-000000.json"), &whole[..whole.len() / 2]).unwrap();
    let error = refused(at, &arguments);
    assert!(error.contains("task-000000.json: expected figures of a task, found:"), "{error}");

    let plan = at.join("out/plan.json");
    let older = fs::read_to_string(&plan).unwrap().replace(env!("CARGO_PKG_VERSION"), "0.0.9");
    fs::write(&plan, older).unwrap();
    let error = refused(at, &["sweep", "--plan", "out", "--task", "1"]);
    assert!(error.contains("expected a plan of version") && error.contains("found one of 0.0.9"), "{error}");
}

#[test]
fn what_cannot_be_swept_is_refused_before_anything_is_written() {
    let directory = directory();
    let at = directory.path();
    for (arguments, expected) in [
        (
            vec!["--vary", "market.mechanizm=uniform"],
            "--vary market.mechanizm=uniform: scenario: unknown field `mechanizm`",
        ),
        (vec!["--vary", "market.mechanism=unifrom"], "expected a mechanism (`uniform`"),
        (vec!["--vary", "community.drawn.homes=5,0"], "community.drawn.homes: expected from 1 to 1000000, found 0"),
        (vec!["--vary", "strategies.3.share=0.5"], "expected a key of the scenario, found that `3` is none"),
        (vec!["--vary", "market.mechanism"], "expected KEY=VALUE,VALUE such as"),
        (vec!["--vary", "seed=1", "--vary", "seed=2"], "expected each key once, found seed twice"),
        (vec!["--seeds", "0"], "--seeds: expected a whole number from 1 to 100000, found `0`"),
        (
            vec!["--seeds", "100000", "--vary", "tariffs.retail=0.3,0.31,0.32,0.33,0.34,0.35,0.36,0.37,0.38,0.39,0.4"],
            "expected at most 1000000 tasks",
        ),
    ] {
        let error = refused(at, &[&["sweep", "street.toml"], &arguments[..]].concat());
        assert!(error.contains(expected), "{error}\nexpected: {expected}");
        assert!(!at.join("sweep").exists(), "{arguments:?}");
    }
    done(at, &["sweep", "street.toml", "--plan", "plan"]);
    let error = refused(at, &["sweep", "--plan", "plan", "--task", "1"]);
    assert!(error.contains("--task: expected a number below 1, found 1"), "{error}");
    let error = refused(at, &["sweep", "--plan", "nowhere", "--missing"]);
    assert!(error.contains("nowhere/plan.json: "), "{error}");
}
