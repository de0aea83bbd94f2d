//! Standing orders for the participants of a live neighbourhood: `participant_id,buy,sell`, prices as decimals per
//! kWh, an empty field for no limit.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use csv::{ReaderBuilder, Trim};
use household::strategy::FixedLimits;
use protocol::money::{Price, PriceError};

use crate::dataset::Dataset;

/// Price limits by participant, or strategies.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Orders {
    limits: BTreeMap<String, FixedLimits>,
    /// What an agent's `[order]` says.
    tables: BTreeMap<String, toml::Table>,
}

/// Why a file of orders cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OrdersError {
    /// It cannot be opened.
    #[error("{}: cannot be read: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is no table with these columns.
    #[error("{} line 1: expected the columns participant_id,buy,sell, found {found}", path.display())]
    Columns {
        /// The file.
        path: PathBuf,
        /// The columns.
        found: String,
    },
    /// It is not CSV.
    #[error("{}: expected rows of participant_id,buy,sell, found: {error}", path.display())]
    NotCsv {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        error: csv::Error,
    },
    /// A price that is none.
    #[error("{} line {line}: {error} in column `{column}`", path.display())]
    BadPrice {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The column.
        column: &'static str,
        /// What is wrong with it.
        error: PriceError,
    },
    /// Someone who does not take part.
    #[error("{} line {line}: expected a participant of participants.csv, found `{found}`", path.display())]
    UnknownParticipant {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The name, cut to 80 characters.
        found: String,
    },
    /// A participant with two rows.
    #[error("{} line {line}: expected each participant once, found {found} again", path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The name.
        found: String,
    },
}

/// The orders of the built-in neighbourhood.
const BUILT_IN: &[u8] = include_bytes!("../../config/neighbourhood/orders.csv");

impl Orders {
    /// The orders of the built-in neighbourhood, for the participants of `dataset`.
    pub fn built_in(dataset: &Dataset) -> Result<Orders, OrdersError> {
        Orders::read(Path::new("the built-in orders"), BUILT_IN, dataset)
    }

    /// Reads the orders at `path` for the participants of `dataset`.
    pub fn load(path: &Path, dataset: &Dataset) -> Result<Orders, OrdersError> {
        let file = File::open(path).map_err(|error| OrdersError::Unreadable { path: path.to_owned(), error })?;
        Orders::read(path, file, dataset)
    }

    fn read(path: &Path, content: impl io::Read, dataset: &Dataset) -> Result<Orders, OrdersError> {
        let path = || path.to_owned();
        let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(content);
        let header = reader.headers().map_err(|error| OrdersError::NotCsv { path: path(), error })?.clone();
        if header != ["participant_id", "buy", "sell"][..] {
            let found = header.iter().collect::<Vec<_>>().join(",").chars().take(80).collect();
            return Err(OrdersError::Columns { path: path(), found });
        }
        let mut orders = BTreeMap::new();
        for row in reader.records() {
            let row = row.map_err(|error| OrdersError::NotCsv { path: path(), error })?;
            let line = row.position().map_or(0, csv::Position::line);
            let field = |index: usize| row.get(index).unwrap_or_default();
            let limit = |index: usize, column: &'static str| match field(index) {
                "" => Ok(None),
                text => text.parse::<Price>().map(Some).map_err(|error| OrdersError::BadPrice {
                    path: path(),
                    line,
                    column,
                    error,
                }),
            };
            let (buy, sell) = (limit(1, "buy")?, limit(2, "sell")?);
            let limits = FixedLimits { buy, sell, ..FixedLimits::default() };
            let id: String = field(0).chars().take(80).collect();
            if !dataset.participants.iter().any(|participant| participant.id == id) {
                return Err(OrdersError::UnknownParticipant { path: path(), line, found: id });
            }
            if orders.insert(id.clone(), limits).is_some() {
                return Err(OrdersError::Twice { path: path(), line, found: id });
            }
        }
        Ok(Orders { limits: orders, tables: BTreeMap::new() })
    }

    /// The limits of a participant: none, if the file does not name it.
    pub fn of(&self, participant: &str) -> FixedLimits {
        self.limits.get(participant).copied().unwrap_or_default()
    }

    /// What agents' `[order]` says, by participant.
    pub fn of_tables(tables: BTreeMap<String, toml::Table>) -> Orders {
        Orders { limits: BTreeMap::new(), tables }
    }

    /// What an agent's `[order]` says; nothing for a price taker.
    pub fn table(&self, participant: &str) -> toml::Table {
        match self.tables.get(participant) {
            Some(table) => table.clone(),
            // Numbers and texts are TOML.
            None => toml::Table::try_from(self.of(participant)).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Source;

    fn read(text: &str) -> Result<Orders, OrdersError> {
        let dataset = Dataset::load(&Source::BuiltIn, "summer").unwrap();
        Orders::read(Path::new("orders.csv"), text.as_bytes(), &dataset)
    }

    #[test]
    fn an_empty_field_is_no_limit() {
        let orders = read("participant_id,buy,sell\nd001,0.25,\n d002 , ,0.1\nd003,,\n").unwrap();
        let price = |text: &str| Some(text.parse().unwrap());
        assert_eq!(orders.of("d001"), FixedLimits { buy: price("0.25"), ..FixedLimits::default() });
        assert_eq!(orders.of("d002"), FixedLimits { sell: price("0.1"), ..FixedLimits::default() });
        for without in ["d003", "d004"] {
            assert_eq!(orders.of(without), FixedLimits::default());
        }
    }

    #[test]
    fn each_bad_file_gets_one_line_that_says_where_and_what() {
        for (text, expected) in [
            ("", "line 1: expected the columns participant_id,buy,sell, found "),
            ("id,buy,sell\n", "found id,buy,sell"),
            ("participant_id,buy,sell\nd001,0.25\n", "expected rows of participant_id,buy,sell"),
            (
                "participant_id,buy,sell\nd001,dear,\n",
                "line 2: expected a price per kWh such as 0.125, found `dear` in column `buy`",
            ),
            ("participant_id,buy,sell\nd001,,1e3\n", "found `1e3` in column `sell`"),
            (
                "participant_id,buy,sell\nd001,,\nd999,,\n",
                "line 3: expected a participant of participants.csv, found `d999`",
            ),
            ("participant_id,buy,sell\nd001,,\nd001,,\n", "line 3: expected each participant once, found d001 again"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with("orders.csv") && !error.contains('\n'), "{error}");
            assert!(error.contains(expected), "{error}\nexpected: {expected}");
        }
    }

    #[test]
    fn the_orders_that_come_along_fit_the_neighbourhood() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/neighbourhood/orders.csv");
        let dataset = Dataset::load(&Source::BuiltIn, "winter").unwrap();
        let orders = Orders::built_in(&dataset).unwrap();
        assert_eq!(orders, Orders::load(&path, &dataset).unwrap());
        assert!(dataset.participants.iter().all(|participant| orders.of(&participant.id).buy.is_some()));
    }
}
