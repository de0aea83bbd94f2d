//! Series: CSV files of values, each of which holds until the next.

use std::{collections::BTreeMap, path::Path};

use protocol::interval::{parse_utc, utc_text};

use crate::scenario::ScenarioError;

/// Reads the series at `path` that the scenario names at `key`: the columns `timestamp` and then `columns`, whose
/// fields `value` reads. Values are by the time from which on they hold, in seconds after 1970, and there is at least
/// one.
pub(super) fn read<T, const N: usize>(
    key: &str,
    path: &Path,
    columns: [&str; N],
    value: impl Fn([&str; N]) -> Result<T, String>,
) -> Result<BTreeMap<i64, T>, ScenarioError> {
    let expected = format!("timestamp,{}", columns.join(","));
    let at = |line: u64, message: String| ScenarioError::at(key, format!("{} line {line}: {message}", path.display()));
    let not_csv = |error: csv::Error| {
        ScenarioError::at(key, format!("{}: expected a CSV of {expected}, found: {error}", path.display()))
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(not_csv)?;
    let header = reader.headers().map_err(not_csv)?.iter().collect::<Vec<_>>().join(",");
    if header != expected {
        let found: String = header.chars().take(80).collect();
        return Err(at(1, format!("expected the columns {expected}, found {found}")));
    }
    let mut series = BTreeMap::new();
    for row in reader.records() {
        let row = row.map_err(not_csv)?;
        let line = row.position().map_or(0, csv::Position::line);
        let field = |index: usize| row.get(index).unwrap_or_default();
        let start_s = parse_utc(field(0)).map_err(|error| at(line, error.to_string()))?;
        if let Some((before, _)) = series.last_key_value().filter(|(before, _)| **before >= start_s) {
            let found = format!("expected a time after {}, found {}", utc_text(*before), field(0));
            return Err(at(line, found));
        }
        let fields = std::array::from_fn(|index| field(index + 1));
        series.insert(start_s, value(fields).map_err(|message| at(line, message))?);
    }
    if series.is_empty() {
        return Err(at(2, "expected at least one row, found none".into()));
    }
    Ok(series)
}
