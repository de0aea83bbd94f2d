//! Tables whose fields are separated by semicolons, with a line of names first.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use csv::{ReaderBuilder, StringRecord};
use rust_decimal::Decimal;

use super::ImportError;

/// A table that is read row by row.
pub(super) struct Table {
    path: PathBuf,
    reader: csv::Reader<File>,
    record: StringRecord,
    /// Where the columns are that were asked for.
    places: Vec<usize>,
    names: Vec<String>,
}

impl Table {
    /// Opens a file of `directory`, whose columns are found by name.
    pub(super) fn open(
        directory: &Path,
        file: &str,
        columns: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Table, ImportError> {
        let path = directory.join(file);
        let unreadable = |error| ImportError::Unreadable { path: path.clone(), error };
        let mut reader = ReaderBuilder::new().delimiter(b';').from_path(&path).map_err(unreadable)?;
        let header = reader.headers().map_err(unreadable)?.clone();
        let names: Vec<String> = columns.into_iter().map(Into::into).collect();
        let place = |name: &String| {
            let found = header.iter().position(|column| column == name);
            found.ok_or_else(|| ImportError::bad(path.display(), format!("a column `{name}`"), "none"))
        };
        let places = names.iter().map(place).collect::<Result<_, _>>()?;
        Ok(Table { reader, record: StringRecord::new(), places, names, path })
    }

    /// The next row.
    pub(super) fn next(&mut self) -> Result<Option<Row<'_>>, ImportError> {
        let more = self.reader.read_record(&mut self.record);
        let more = more.map_err(|error| ImportError::Unreadable { path: self.path.clone(), error })?;
        Ok(more.then_some(Row(self)))
    }

    /// The rows of one subnet, which is in the last column.
    pub(super) fn of_subnet(
        mut self,
        subnet: &str,
        mut take: impl FnMut(&Row<'_>) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let column = self.places.len() - 1;
        while let Some(row) = self.next()? {
            if row.text(column) == subnet {
                take(&row)?;
            }
        }
        Ok(())
    }
}

/// A row of a table.
pub(super) struct Row<'a>(&'a Table);

impl Row<'_> {
    /// Where it is.
    pub(super) fn place(&self) -> String {
        let line = self.0.record.position().map_or(0, csv::Position::line);
        format!("{} line {line}", self.0.path.display())
    }

    /// The text in a column, by its place among those that were asked for.
    pub(super) fn text(&self, column: usize) -> &str {
        self.0.record.get(self.0.places[column]).unwrap_or_default()
    }

    /// The number in a column, which is not negative.
    pub(super) fn number(&self, column: usize) -> Result<Decimal, ImportError> {
        let number = self.signed(column)?;
        if number >= Decimal::ZERO { Ok(number) } else { Err(self.no_number(column, "a number from 0 on")) }
    }

    /// The number in a column.
    pub(super) fn signed(&self, column: usize) -> Result<Decimal, ImportError> {
        let text = self.text(column);
        let number = Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text));
        number.map_err(|_| self.no_number(column, "a number"))
    }

    fn no_number(&self, column: usize, expected: &str) -> ImportError {
        let (name, found) = (&self.0.names[column], self.text(column));
        ImportError::bad(self.place(), format!("`{name}` as {expected}"), format!("`{found}`"))
    }
}

/// What things are ordered by: the number at the end of a name, and then the name.
pub(super) fn by_number(name: &str) -> (u64, String) {
    let digits = name.rsplit(|letter: char| !letter.is_ascii_digit()).next().unwrap_or_default();
    (digits.parse().unwrap_or(u64::MAX), name.to_owned())
}
