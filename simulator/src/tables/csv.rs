//! Tables as CSV: times as ISO 8601 in UTC, and nothing for what is missing.

use std::{fs::File, io, path::Path};

use protocol::interval::utc_text;

use super::{ColumnOf, Kind, TableError, Values};

/// Writes a whole table.
pub(crate) fn write_csv(path: &Path, columns: &[ColumnOf], values: &[Values]) -> Result<(), TableError> {
    let failed = |error| TableError { path: path.to_owned(), error };
    let file = File::create_new(path).map_err(failed)?;
    let mut writer = csv::Writer::from_writer(io::BufWriter::new(file));
    let written = writer.write_record(columns.iter().map(|column| column.name)).and_then(|()| {
        for row in 0..values.first().map_or(0, Values::len) {
            for (column, values) in columns.iter().zip(values) {
                writer.write_field(field(column.kind, values, row))?;
            }
            writer.write_record(None::<&[u8]>)?;
        }
        Ok(())
    });
    written.map_err(|error| failed(error.into()))?;
    let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)
}

fn field(kind: Kind, values: &Values, row: usize) -> String {
    match values {
        Values::Small(values) => values[row].to_string(),
        Values::Large(values) if kind == Kind::Time => utc_text(values[row].div_euclid(1_000)),
        Values::Large(values) => values[row].to_string(),
        Values::OptionalLarge(values) => values[row].map_or_else(String::new, |value| value.to_string()),
        Values::Text(values) => values[row].clone(),
    }
}
