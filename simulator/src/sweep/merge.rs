//! Merging: the figures of all tasks in one table, and the mean of each variant.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use rust_decimal::Decimal;
use serde_json::Value;

use super::{
    plan::{Done, Plan, Task},
    statistics::Mean,
};
use crate::{
    draft::place,
    report::{FIGURES, Shown, Variant, variants},
};

/// Why a sweep cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// Not all tasks are done.
    #[error("expected the figures of all {tasks} tasks, found {missing} missing: run them ({list})")]
    Missing {
        /// How many tasks there are.
        tasks: usize,
        /// How many are missing.
        missing: usize,
        /// The first of them.
        list: String,
    },
    /// A task of another plan, or of another version.
    #[error("{}: expected figures of this plan, found those of another: remove it, and run the task again", path.display())]
    Mixed {
        /// The file.
        path: PathBuf,
    },
    /// A file that is none of a task.
    #[error("{}: expected figures of a task, found: {error}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// A number of the figures: whole, or with six decimals.
#[derive(Debug, Clone, Copy)]
struct Number {
    units: i64,
    decimals: u32,
}

impl Number {
    fn of(value: &Value) -> Option<Number> {
        let number = value.as_number()?;
        match number.as_i64() {
            Some(units) => Some(Number { units, decimals: 0 }),
            // What has decimals has six at most.
            None => number.as_f64().map(|number| Number { units: (number * 1e6).round() as i64, decimals: 6 }),
        }
    }

    fn text(units: i128, decimals: u32) -> String {
        Decimal::try_from_i128_with_scale(units, decimals)
            .map_or_else(|_| units.to_string(), |number| number.to_string())
    }
}

/// The numbers of a task's figures, by their keys with dots between; lists are left out.
fn numbers(figures: &Value) -> BTreeMap<String, Option<Number>> {
    fn add(prefix: &str, value: &Value, into: &mut BTreeMap<String, Option<Number>>) {
        match value {
            Value::Object(entries) => {
                for (key, value) in entries {
                    let dot = if prefix.is_empty() { "" } else { "." };
                    add(&format!("{prefix}{dot}{key}"), value, into);
                }
            }
            Value::Null => drop(into.insert(prefix.to_owned(), None)),
            Value::Number(_) => drop(into.insert(prefix.to_owned(), Number::of(value))),
            _ => {}
        }
    }
    let mut found = BTreeMap::new();
    add("", figures, &mut found);
    found
}

/// A task and its numbers.
type Row = (Task, BTreeMap<String, Option<Number>>);

/// Where a merged sweep's tables are.
const ROWS: &str = "sweep.csv";
const MEANS: &str = "means.csv";
const PAGE: &str = "sweep.html";

/// Merges the tasks of `directory` into `sweep.csv`, one row a task, `means.csv`, one row a variant and figure, and
/// `sweep.html`, which shows them.
pub fn merge(plan: &Plan, directory: &Path) -> Result<(), MergeError> {
    let missing = plan.missing(directory);
    if !missing.is_empty() {
        let list = missing.iter().take(10).map(usize::to_string).collect::<Vec<_>>().join(",");
        return Err(MergeError::Missing { tasks: plan.count(), missing: missing.len(), list });
    }
    let hash = plan.hash();
    let mut rows: Vec<Row> = Vec::new();
    for task in plan.tasks() {
        let path = plan.path_of(directory, task.number);
        let json = fs::read(&path).map_err(|error| MergeError::File { path: path.clone(), error })?;
        let done: Done =
            serde_json::from_slice(&json).map_err(|error| MergeError::Broken { path: path.clone(), error })?;
        if done.plan != hash || done.task != task.number {
            return Err(MergeError::Mixed { path });
        }
        rows.push((task, numbers(&done.figures)));
    }
    let mut keys: Vec<&String> = rows.iter().flat_map(|(_, numbers)| numbers.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let varied = || plan.vary.iter().map(|vary| vary.key.as_str());
    let page = page(plan, &rows).into_bytes();
    let tables =
        [(ROWS, task_rows(varied(), &keys, &rows)), (MEANS, mean_rows(varied(), &keys, &rows)), (PAGE, Ok(page))];
    for (name, table) in tables {
        let path = directory.join(name);
        let written = table.map_err(io::Error::from).and_then(|table| place(&path, &table));
        written.map_err(|error| MergeError::File { path, error })?;
    }
    Ok(())
}

/// The page that shows the main figures of every variant.
fn page(plan: &Plan, rows: &[Row]) -> String {
    let of_variant = |rows: &[Row]| {
        let mean = |shown: &Shown| {
            let numbers: Vec<Number> =
                rows.iter().filter_map(|(_, row)| row.get(shown.key).copied().flatten()).collect();
            let units: Vec<i64> = numbers.iter().map(|number| number.units).collect();
            // In what is shown: only for drawing, and as many digits as are.
            let one = 10f64.powi(numbers.first()?.decimals.cast_signed()) * shown.one;
            let Mean { mean, half_width, .. } = Mean::of(&units)?;
            Some((mean as f64 / one, half_width.map(|half_width| half_width as f64 / one)))
        };
        let values = rows.first().map(|(task, _)| task.values.clone()).unwrap_or_default();
        Variant { values, seeds: rows.len(), means: FIGURES.iter().map(mean).collect() }
    };
    let all: Vec<Variant> =
        rows.chunk_by(|(one, _), (other, _)| one.variant == other.variant).map(of_variant).collect();
    let keys: Vec<&str> = plan.vary.iter().map(|vary| vary.key.as_str()).collect();
    let question = plan.scenario.get("question").and_then(toml::Value::as_str);
    variants(&plan.version, question, &keys, &all)
}

fn task_rows<'a>(varied: impl Iterator<Item = &'a str>, keys: &[&'a String], rows: &[Row]) -> csv::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let figures = keys.iter().map(|key| key.as_str());
    table.write_record(["task", "variant", "seed"].into_iter().chain(varied).chain(figures))?;
    for (Task { number, variant, values, seed }, numbers) in rows {
        let fixed = [number.to_string(), variant.to_string(), seed.to_string()];
        let figure = |key: &&String| match numbers.get(*key).copied().flatten() {
            Some(Number { units, decimals }) => Number::text(units.into(), decimals),
            None => String::new(),
        };
        table.write_record(fixed.into_iter().chain(values.iter().cloned()).chain(keys.iter().map(figure)))?;
    }
    table.into_inner().map_err(|error| error.into_error().into())
}

fn mean_rows<'a>(varied: impl Iterator<Item = &'a str>, keys: &[&String], rows: &[Row]) -> csv::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let columns = ["figure", "seeds", "mean", "low", "high"];
    table.write_record(["variant"].into_iter().chain(varied).chain(columns))?;
    for of_variant in rows.chunk_by(|(one, _), (other, _)| one.variant == other.variant) {
        let Some((task, _)) = of_variant.first() else { continue };
        for key in keys {
            let numbers: Vec<Number> =
                of_variant.iter().filter_map(|(_, row)| row.get(*key).copied().flatten()).collect();
            let units: Vec<i64> = numbers.iter().map(|number| number.units).collect();
            let Some(Mean { count, mean, half_width }) = Mean::of(&units) else { continue };
            let decimals = numbers.first().map_or(0, |number| number.decimals);
            let bound = |sign: i128| {
                half_width.map_or_else(String::new, |half_width| Number::text(mean + sign * half_width, decimals))
            };
            let figures = [(*key).clone(), count.to_string(), Number::text(mean, decimals), bound(-1), bound(1)];
            let variant = std::iter::once(task.variant.to_string()).chain(task.values.iter().cloned());
            table.write_record(variant.chain(figures))?;
        }
    }
    table.into_inner().map_err(|error| error.into_error().into())
}
