//! The closing summary: what everyone settled, as the ledger, the agents and the market say it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use comfy_table::{CellAlignment, Table, presets::UTF8_BORDERS_ONLY};
use protocol::hash::Hash;
use serde::Serialize;

use super::terminal::kwh;
use crate::draft::place;

/// The sums over all settled intervals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Settled intervals that the sums are over.
    pub intervals: usize,
    /// Participants.
    pub participants: usize,
    /// What everyone consumed, Wh.
    pub consumption_wh: u128,
    /// What everyone produced, Wh.
    pub production_wh: u128,
    /// What each consumed from its own roof, Wh.
    pub self_consumed_alone_wh: u128,
    /// Traded between neighbours, Wh.
    pub traded_wh: u128,
    /// Drawn from the supplier, Wh.
    pub imported_wh: u128,
    /// Fed in to the supplier, Wh.
    pub exported_wh: u128,
    /// Sum of all accounts, nano-units: zero, or it is a bug.
    pub balances_sum: i64,
    /// Settlements on the ledger.
    pub settlements: u64,
    /// Receipts that agents verified.
    pub receipts_verified: u128,
    /// Messages that the market refused since it started, by name.
    pub refused: BTreeMap<String, u64>,
    /// The ledger.
    pub ledger: LedgerSummary,
}

/// The ledger at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerSummary {
    /// Validators.
    pub validators: u64,
    /// Height of the last block.
    pub height: u64,
    /// Merkle root of the state.
    pub state_root: Hash,
}

/// Why a summary cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("--summary: expected a file that can be written, found {}: {error}", path.display())]
pub struct SummaryError {
    path: PathBuf,
    error: io::Error,
}

/// Checks beforehand that a summary can be written to `path`.
pub fn check_path(path: &Path) -> Result<(), SummaryError> {
    let refused = |error| SummaryError { path: path.to_owned(), error };
    if path.is_dir() {
        return Err(refused(io::ErrorKind::IsADirectory.into()));
    }
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => match fs::metadata(directory).map_err(refused)? {
            directory if directory.is_dir() => Ok(()),
            _ => Err(refused(io::ErrorKind::NotADirectory.into())),
        },
        _ => Ok(()),
    }
}

impl Summary {
    /// Writes the summary to `path` as JSON; a reader finds the old file or the whole new one.
    pub(super) fn write(&self, path: &Path) -> Result<(), SummaryError> {
        let failed = |error| SummaryError { path: path.to_owned(), error };
        let mut json = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        json.push(b'\n');
        // A device or a pipe cannot be replaced, only written to.
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return fs::write(path, json).map_err(failed);
        }
        place(path, &json).map_err(failed)
    }

    /// The summary for people.
    pub(super) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY);
        let energy = |wh: u128| format!("{} kWh", kwh(wh));
        for (what, value) in [
            ("intervals settled", self.intervals.to_string()),
            ("participants", self.participants.to_string()),
            ("consumed", energy(self.consumption_wh)),
            ("produced", energy(self.production_wh)),
            ("consumed from their own roofs", energy(self.self_consumed_alone_wh)),
            ("traded between neighbours", energy(self.traded_wh)),
            ("drawn from the supplier", energy(self.imported_wh)),
            ("fed in to the supplier", energy(self.exported_wh)),
            ("of the production, used here", percent(self.used_here(), self.production_wh)),
            ("of the consumption, made here", percent(self.used_here(), self.consumption_wh)),
            ("sum of all accounts", self.balances_sum.to_string()),
            ("receipts verified", self.receipts_verified.to_string()),
            ("messages refused", refused(&self.refused)),
            ("validators, blocks", format!("{}, {}", self.ledger.validators, self.ledger.height)),
            ("state root", self.ledger.state_root.to_string().chars().take(16).collect()),
        ] {
            table.add_row([what.to_owned(), value]);
        }
        if let Some(column) = table.column_mut(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
    }

    fn used_here(&self) -> u128 {
        self.self_consumed_alone_wh + self.traded_wh
    }
}

/// `part` of `whole` in percent, to a tenth, rounded down.
fn percent(part: u128, whole: u128) -> String {
    match (part * 1000).checked_div(whole) {
        Some(per_mille) => format!("{}.{} %", per_mille / 10, per_mille % 10),
        None => "-".to_owned(),
    }
}

fn refused(refused: &BTreeMap<String, u64>) -> String {
    if refused.is_empty() {
        return "none".to_owned();
    }
    refused.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        Summary {
            intervals: 2,
            participants: 3,
            consumption_wh: 4000,
            production_wh: 3000,
            self_consumed_alone_wh: 1000,
            traded_wh: 500,
            imported_wh: 2500,
            exported_wh: 1500,
            balances_sum: 0,
            settlements: 2,
            receipts_verified: 6,
            refused: BTreeMap::from([("Duplicate".to_owned(), 1)]),
            ledger: LedgerSummary { validators: 4, height: 2, state_root: Hash::ZERO },
        }
    }

    #[test]
    fn the_json_has_these_keys_in_this_order_and_only_integers() {
        let json = serde_json::to_string(&summary()).unwrap();
        let expected = r#"{"intervals":2,"participants":3,"consumption_wh":4000,"production_wh":3000,"self_consumed_alone_wh":1000,"traded_wh":500,"imported_wh":2500,"exported_wh":1500,"balances_sum":0,"settlements":2,"receipts_verified":6,"refused":{"Duplicate":1},"ledger":{"validators":4,"height":2,"state_root":"0000000000000000000000000000000000000000000000000000000000000000"}}"#;
        assert_eq!(json, expected);
    }

    #[test]
    fn the_table_says_it_in_kilowatt_hours_and_percent() {
        let table = summary().table();
        for expected in ["0.500 kWh", "50.0 %", "37.5 %", "Duplicate 1"] {
            assert!(table.contains(expected), "{table}");
        }
    }

    #[test]
    fn a_summary_replaces_the_one_before_and_a_bad_path_is_refused_beforehand() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("summary.json");
        for settlements in [1, 2] {
            Summary { settlements, ..summary() }.write(&path).unwrap();
            let json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            assert_eq!(json["settlements"], settlements);
        }
        assert_eq!(directory.path().read_dir().unwrap().count(), 1, "no draft is left");
        check_path(&path).unwrap();
        check_path(Path::new("summary.json")).unwrap();
        for bad in [directory.path().to_owned(), path.join("summary.json"), directory.path().join("no/summary.json")] {
            check_path(&bad).unwrap_err();
        }
    }
}
