//! Tables of results: columns of integers, written as Parquet, and the small ones as CSV too.
//!
//! Parquet goes out in groups of rows. A group is encoded by whoever has it, on any thread, and groups are appended in
//! their order, so that the file's bytes do not depend on who encoded what.

mod csv;
mod parquet;

use std::{io, path::PathBuf};

pub(crate) use self::{
    csv::write_csv,
    parquet::{Encoded, Encoder, ParquetFile, io_error},
};

/// A column of a table: its name and what it holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ColumnOf {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) packing: Packing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A time, UTC, as milliseconds after 1970.
    Time,
    /// Whole numbers below 2³¹.
    Small,
    /// Whole numbers.
    Large,
    /// Whole numbers, some missing.
    OptionalLarge,
    Text,
}

/// How values follow each other, so that they take least room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Few values, again and again.
    Dictionary,
    /// Values near the one before, or spread.
    Delta,
}

/// The values of a column in a group of rows.
#[derive(Debug)]
pub(crate) enum Values {
    Small(Vec<i32>),
    Large(Vec<i64>),
    OptionalLarge(Vec<Option<i64>>),
    Text(Vec<String>),
}

/// One value of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    Small(i32),
    Large(i64),
    OptionalLarge(Option<i64>),
    Text(&'a str),
}

impl Values {
    /// A column of this kind without rows.
    pub(crate) fn empty(kind: Kind) -> Values {
        match kind {
            Kind::Small => Values::Small(Vec::new()),
            Kind::Time | Kind::Large => Values::Large(Vec::new()),
            Kind::OptionalLarge => Values::OptionalLarge(Vec::new()),
            Kind::Text => Values::Text(Vec::new()),
        }
    }

    /// Appends a value, which is of the same kind.
    pub(crate) fn push(&mut self, value: Value<'_>) {
        match (self, value) {
            (Values::Small(values), Value::Small(value)) => values.push(value),
            (Values::Large(values), Value::Large(value)) => values.push(value),
            (Values::OptionalLarge(values), Value::OptionalLarge(value)) => values.push(value),
            (Values::Text(values), Value::Text(value)) => values.push(value.to_owned()),
            _ => unreachable!("both are of one column"),
        }
    }

    /// Leaves no rows, and keeps the room that they took.
    pub(crate) fn clear(&mut self) {
        match self {
            Values::Small(values) => values.clear(),
            Values::Large(values) => values.clear(),
            Values::OptionalLarge(values) => values.clear(),
            Values::Text(values) => values.clear(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Values::Small(values) => values.len(),
            Values::Large(values) => values.len(),
            Values::OptionalLarge(values) => values.len(),
            Values::Text(values) => values.len(),
        }
    }

    /// Appends what follows, which is of the same kind.
    pub(crate) fn extend(&mut self, more: Values) {
        match (self, more) {
            (Values::Small(values), Values::Small(more)) => values.extend(more),
            (Values::Large(values), Values::Large(more)) => values.extend(more),
            (Values::OptionalLarge(values), Values::OptionalLarge(more)) => values.extend(more),
            (Values::Text(values), Values::Text(more)) => values.extend(more),
            _ => unreachable!("both are of one column"),
        }
    }
}

/// Why a table cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: expected a file that can be written, found: {error}", path.display())]
pub struct TableError {
    /// The file.
    pub path: PathBuf,
    /// What the system says.
    pub error: io::Error,
}
