//! A Parquet file of rows: columns by name and type, group by group, and errors that know their row.

use std::{fs::File, path::Path};

use parquet::{
    basic::{CompressionCodec, ConvertedType, LogicalType, TimeUnit, Type},
    column::reader::{ColumnReader, ColumnReaderImpl},
    data_type::DataType,
    errors::ParquetError,
    file::{
        metadata::RowGroupMetaData,
        reader::{FileReader, RowGroupReader, SerializedFileReader},
    },
    schema::types::ColumnDescriptor,
};

use super::{
    error::{DatasetError, Place, quoted},
    source::FILE_BYTES_MAX,
};

/// A Parquet file.
pub(crate) struct Columns {
    file: String,
    reader: SerializedFileReader<File>,
}

/// A column that was found, and holds what it should.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) name: &'static str,
    index: usize,
    /// How many units of a time are a second.
    per_second: i64,
}

/// A group of rows.
pub(crate) struct Group<'a> {
    file: &'a str,
    reader: Box<dyn RowGroupReader + 'a>,
    /// Rows in the groups before.
    before: u64,
}

/// What a column has to hold.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Holds {
    /// Times in UTC.
    Times,
    /// Texts.
    Texts,
    /// Whole numbers.
    Numbers,
}

impl Holds {
    fn expected(self) -> &'static str {
        match self {
            Holds::Times => "timestamps in UTC (TIMESTAMP WITH TIME ZONE; say of those without one that they are UTC)",
            Holds::Texts => "texts (UTF-8 strings)",
            Holds::Numbers => "whole numbers (INT32 or INT64)",
        }
    }

    /// How many units of a value are one of what it holds; none where the column holds something else.
    fn units(self, column: &ColumnDescriptor) -> Option<i64> {
        let (physical, logical) = (column.physical_type(), column.logical_type_ref());
        match (self, physical, logical) {
            (Holds::Times, Type::INT64, Some(LogicalType::Timestamp(time))) if time.is_adjusted_to_u_t_c => {
                Some(match time.unit {
                    TimeUnit::MILLIS => 1_000,
                    TimeUnit::MICROS => 1_000_000,
                    TimeUnit::NANOS => 1_000_000_000,
                })
            }
            (Holds::Texts, Type::BYTE_ARRAY, Some(LogicalType::String)) => Some(1),
            (Holds::Numbers, Type::INT32 | Type::INT64, Some(LogicalType::Integer(_))) => Some(1),
            // Older writers say it the older way, in which times are UTC.
            (_, _, None) => match (self, physical, column.converted_type()) {
                (Holds::Times, Type::INT64, ConvertedType::TIMESTAMP_MILLIS) => Some(1_000),
                (Holds::Times, Type::INT64, ConvertedType::TIMESTAMP_MICROS) => Some(1_000_000),
                (Holds::Texts, Type::BYTE_ARRAY, ConvertedType::UTF8) => Some(1),
                (Holds::Numbers, Type::INT32 | Type::INT64, converted) if is_whole(converted) => Some(1),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Whether a number that an older writer calls so is a whole one, and no time or decimal.
fn is_whole(converted: ConvertedType) -> bool {
    use ConvertedType::{INT_8, INT_16, INT_32, INT_64, NONE, UINT_8, UINT_16, UINT_32, UINT_64};
    [NONE, INT_8, INT_16, INT_32, INT_64, UINT_8, UINT_16, UINT_32, UINT_64].contains(&converted)
}

impl Columns {
    /// Opens `file`, which lies at `path`.
    pub(crate) fn open(path: &Path, file: &str) -> Result<Columns, DatasetError> {
        let content = File::open(path).map_err(|error| DatasetError::Unreadable { file: file.to_owned(), error })?;
        let reader = SerializedFileReader::new(content).map_err(|error| not_parquet(file, &error))?;
        let bytes = |group: &RowGroupMetaData| u64::try_from(group.total_byte_size()).unwrap_or(u64::MAX);
        let bytes = reader.metadata().row_groups().iter().map(bytes).fold(0, u64::saturating_add);
        if bytes > FILE_BYTES_MAX {
            return Err(DatasetError::TooLarge { file: file.to_owned(), max: FILE_BYTES_MAX });
        }
        Ok(Columns { file: file.to_owned(), reader })
    }

    /// The column `name`, which has to be there once and hold this.
    pub(crate) fn column(&self, name: &'static str, holds: Holds) -> Result<Found, DatasetError> {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        let file = || self.file.clone();
        // A column in a list or a structure has a longer path, and is none of these.
        let mut indices = (0..schema.num_columns()).filter(|index| schema.column(*index).path().parts() == [name]);
        let index = match (indices.next(), indices.next()) {
            (Some(index), None) => index,
            (Some(_), Some(_)) => {
                return Err(DatasetError::NoColumn { file: file(), column: name, found: "several".into() });
            }
            (None, _) => {
                let names: Vec<&str> = schema.columns().iter().map(|column| column.name()).collect();
                let found = if names.is_empty() { "no columns".into() } else { quoted(&names.join(", ")) };
                return Err(DatasetError::NoColumn { file: file(), column: name, found });
            }
        };
        let column = schema.column(index);
        let flat = column.max_rep_level() == 0 && column.max_def_level() <= 1;
        let Some(per_second) = holds.units(&column).filter(|_| flat) else {
            let kind = match (column.logical_type_ref(), column.converted_type()) {
                (Some(logical), _) => format!("{} as {logical:?}", column.physical_type()),
                (None, ConvertedType::NONE) => column.physical_type().to_string(),
                (None, converted) => format!("{} as {converted}", column.physical_type()),
            };
            let (expected, found) = (holds.expected(), quoted(&kind));
            return Err(DatasetError::BadType { file: file(), column: name, expected, found });
        };
        for group in self.reader.metadata().row_groups() {
            let codec = group.column(index).compression_codec();
            if ![CompressionCodec::UNCOMPRESSED, CompressionCodec::SNAPPY].contains(&codec) {
                let found = format!("{codec:?}").to_lowercase();
                return Err(DatasetError::BadCodec { file: file(), column: name, found });
            }
        }
        Ok(Found { name, index, per_second })
    }

    /// The groups of rows, in their order.
    pub(crate) fn groups(&self) -> impl Iterator<Item = Result<Group<'_>, DatasetError>> {
        let mut before = 0;
        (0..self.reader.num_row_groups()).map(move |number| {
            let reader = self.reader.get_row_group(number).map_err(|error| not_parquet(&self.file, &error))?;
            let group = Group { file: &self.file, before, reader };
            before += group.rows() as u64;
            Ok(group)
        })
    }
}

impl Group<'_> {
    /// How many rows it has.
    pub(crate) fn rows(&self) -> usize {
        usize::try_from(self.reader.metadata().num_rows()).unwrap_or_default()
    }

    /// Where in the file its row of this number is, the first being 0.
    pub(crate) fn place(&self, row: usize) -> Place {
        Place::Row(self.before + row as u64 + 1)
    }

    /// The texts of a column.
    pub(crate) fn texts(&self, column: Found) -> Result<Vec<parquet::data_type::ByteArray>, DatasetError> {
        match self.reader(column)? {
            ColumnReader::ByteArrayColumnReader(reader) => self.values(column, reader),
            _ => Err(self.changed(column)),
        }
    }

    /// The whole numbers of a column.
    pub(crate) fn numbers(&self, column: Found) -> Result<Vec<i64>, DatasetError> {
        match self.reader(column)? {
            ColumnReader::Int32ColumnReader(reader) => {
                Ok(self.values(column, reader)?.into_iter().map(i64::from).collect())
            }
            ColumnReader::Int64ColumnReader(reader) => self.values(column, reader),
            _ => Err(self.changed(column)),
        }
    }

    /// The times of a column, in seconds after 1970.
    pub(crate) fn times(&self, column: Found) -> Result<Vec<i64>, DatasetError> {
        let mut times = self.numbers(column)?;
        for (row, time) in times.iter_mut().enumerate() {
            if *time % column.per_second != 0 {
                let found = format!("{} of {} in a second", *time, column.per_second);
                return Err(self.bad(row, column, "a time of whole seconds", &found));
            }
            *time /= column.per_second;
        }
        Ok(times)
    }

    /// The error that a row does not hold what is `expected` in a column.
    pub(crate) fn bad(&self, row: usize, column: Found, expected: &'static str, found: &str) -> DatasetError {
        DatasetError::BadValue {
            file: self.file.to_owned(),
            place: self.place(row),
            column: column.name,
            expected,
            found: quoted(found),
        }
    }

    fn reader(&self, column: Found) -> Result<ColumnReader, DatasetError> {
        self.reader.get_column_reader(column.index).map_err(|error| not_parquet(self.file, &error))
    }

    fn changed(&self, column: Found) -> DatasetError {
        let what = format!("a group of rows with another type of `{}`", column.name);
        DatasetError::NotParquet { file: self.file.to_owned(), found: what }
    }

    fn values<T: DataType>(&self, column: Found, mut reader: ColumnReaderImpl<T>) -> Result<Vec<T::T>, DatasetError> {
        let rows = self.rows();
        let (mut values, mut present) = (Vec::new(), Vec::new());
        let mut read = 0;
        while read < rows {
            let more = reader.read_records(rows - read, Some(&mut present), None, &mut values);
            match more.map_err(|error| not_parquet(self.file, &error))? {
                (0, ..) => {
                    let found = format!("{read} of {rows} rows in `{}`", column.name);
                    return Err(DatasetError::NotParquet { file: self.file.to_owned(), found });
                }
                (more, ..) => read += more,
            }
        }
        match present.iter().position(|level| *level == 0) {
            Some(row) => Err(self.bad(row, column, "a value", "null")),
            None => Ok(values),
        }
    }
}

fn not_parquet(file: &str, error: &ParquetError) -> DatasetError {
    DatasetError::NotParquet { file: file.to_owned(), found: quoted(&error.to_string()) }
}

#[cfg(test)]
mod tests;
