//! A CSV file with a header: rows one by one, columns by name, and errors that know their line.

use std::io::{self, Read, Take};

use csv::{Reader, ReaderBuilder, StringRecord, Trim};
use protocol::{limits::ENERGY_WH_MAX, member::check_name};

use super::{
    error::{DatasetError, ENERGY_EXPECTED, Place, quoted},
    source::{FILE_BYTES_MAX, Source},
};

/// A column that was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    name: &'static str,
    index: usize,
}

/// A CSV file, read row by row.
pub(crate) struct Table {
    file: String,
    reader: Reader<Take<Box<dyn Read>>>,
    header: StringRecord,
    record: StringRecord,
}

/// One row.
pub(crate) struct Row<'a> {
    file: &'a str,
    record: &'a StringRecord,
    /// The line it starts on.
    pub(crate) line: u64,
}

impl Table {
    /// Opens `file`, which has to be there.
    pub(crate) fn open(source: &Source, file: &str) -> Result<Table, DatasetError> {
        Table::open_if_any(source, file)?
            .ok_or_else(|| DatasetError::MissingFile { file: file.to_owned(), place: source.place() })
    }

    /// Opens `file`, if it is there.
    pub(crate) fn open_if_any(source: &Source, file: &str) -> Result<Option<Table>, DatasetError> {
        source.open(file)?.map(|content| Table::new(file, content)).transpose()
    }

    /// Reads the header of `content`.
    pub(crate) fn new(file: &str, content: Box<dyn Read>) -> Result<Table, DatasetError> {
        let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(content.take(FILE_BYTES_MAX));
        let header = reader.headers().map_err(|error| csv_error(file, error))?.clone();
        Ok(Table { file: file.to_owned(), reader, header, record: StringRecord::new() })
    }

    /// The column `name`, which has to be there once.
    pub(crate) fn column(&self, name: &'static str) -> Result<Column, DatasetError> {
        self.column_if_any(name)?.ok_or_else(|| {
            let columns: Vec<&str> = self.header.iter().filter(|column| !column.is_empty()).collect();
            let found = if columns.is_empty() { "no columns".to_owned() } else { quoted(&columns.join(", ")) };
            DatasetError::BadColumn { file: self.file.clone(), column: name, found }
        })
    }

    /// The column `name`, if it is there.
    pub(crate) fn column_if_any(&self, name: &'static str) -> Result<Option<Column>, DatasetError> {
        let mut indices = self.header.iter().enumerate().filter(|(_, column)| *column == name).map(|(index, _)| index);
        let column = indices.next().map(|index| Column { name, index });
        match indices.count() {
            0 => Ok(column),
            more => Err(DatasetError::BadColumn {
                file: self.file.clone(),
                column: name,
                found: format!("it {} times", more + 1),
            }),
        }
    }

    /// The next row; `None` at the end.
    pub(crate) fn next_row(&mut self) -> Result<Option<Row<'_>>, DatasetError> {
        let more = self.reader.read_record(&mut self.record).map_err(|error| csv_error(&self.file, error))?;
        if !more {
            return if self.reader.get_ref().limit() == 0 {
                Err(DatasetError::TooLarge { file: self.file.clone(), max: FILE_BYTES_MAX })
            } else {
                Ok(None)
            };
        }
        let line = self.record.position().map_or(0, csv::Position::line);
        Ok(Some(Row { file: &self.file, record: &self.record, line }))
    }
}

impl Row<'_> {
    /// The text of a field.
    pub(crate) fn text(&self, column: Column) -> &str {
        self.record.get(column.index).unwrap_or_default()
    }

    /// A field that holds a name.
    pub(crate) fn name(&self, column: Column) -> Result<&str, DatasetError> {
        let name = self.text(column);
        match check_name(name) {
            Ok(()) => Ok(name),
            Err(error) => Err(self.bad(column, error.expected)),
        }
    }

    /// A field that holds an energy.
    pub(crate) fn energy_wh(&self, column: Column) -> Result<u64, DatasetError> {
        let text = self.text(column);
        // `parse` alone would take `+5`.
        let wh = if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None };
        wh.filter(|wh| *wh <= ENERGY_WH_MAX).ok_or_else(|| self.bad(column, ENERGY_EXPECTED))
    }

    /// The error that a field does not hold what is `expected`.
    pub(crate) fn bad(&self, column: Column, expected: &'static str) -> DatasetError {
        DatasetError::BadValue {
            file: self.file.to_owned(),
            place: Place::Line(self.line),
            column: column.name,
            expected,
            found: quoted(self.text(column)),
        }
    }

    /// The error that `name` was there before, on line `first`.
    pub(crate) fn duplicate(&self, what: &'static str, name: &str, first: u64) -> DatasetError {
        DatasetError::Duplicate {
            file: self.file.to_owned(),
            place: Place::Line(self.line),
            what,
            name: name.to_owned(),
            first: Place::Line(first),
        }
    }

    /// The error that `known_in` does not know a name.
    pub(crate) fn unknown(&self, what: &'static str, found: &str, known_in: &'static str) -> DatasetError {
        let (file, place) = (self.file.to_owned(), Place::Line(self.line));
        DatasetError::Unknown { file, place, what, known_in, found: quoted(found) }
    }
}

fn csv_error(file: &str, error: csv::Error) -> DatasetError {
    let file = file.to_owned();
    let line = error.position().map_or(1, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(error) => DatasetError::Unreadable { file, error },
        csv::ErrorKind::Utf8 { .. } => DatasetError::NotUtf8 { file, line },
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            DatasetError::BadRow { file, line, expected: expected_len, found: len }
        }
        other => DatasetError::Unreadable { file, error: io::Error::other(format!("{other:?}")) },
    }
}
