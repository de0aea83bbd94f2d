//! Tables as Parquet: whole numbers as INT32 or INT64, times as timestamps in UTC, texts as UTF-8 strings; snappy.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use parquet::{
    basic::{Compression, Encoding},
    column::writer::{ColumnCloseResult, ColumnWriter, get_column_writer},
    data_type::ByteArray,
    errors::{ParquetError, Result},
    file::{
        properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr},
        writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite},
    },
    schema::{
        parser::parse_message_type,
        types::{ColumnPath, SchemaDescPtr, SchemaDescriptor},
    },
};

use super::{ColumnOf, Kind, Packing, TableError, Values};

/// What turns rows into bytes; shared by all threads.
#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    schema: SchemaDescPtr,
    properties: WriterPropertiesPtr,
}

/// A group of rows as it will stand in the file.
pub(crate) struct Encoded(Vec<(Bytes, ColumnCloseResult)>);

impl Encoder {
    pub(crate) fn new(table: &str, columns: &[ColumnOf]) -> Result<Encoder> {
        let column = |ColumnOf { name, kind, .. }: &ColumnOf| match kind {
            Kind::Time => format!("required int64 {name} (TIMESTAMP(MILLIS,true));"),
            Kind::Small => format!("required int32 {name};"),
            Kind::Large => format!("required int64 {name};"),
            Kind::OptionalLarge => format!("optional int64 {name};"),
            Kind::Text => format!("required binary {name} (STRING);"),
        };
        let columns_text: Vec<String> = columns.iter().map(column).collect();
        let schema = parse_message_type(&format!("message {table} {{ {} }}", columns_text.join(" ")))?;
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            // Neither another version nor another day changes the bytes of a run.
            .set_created_by("voisin simulator".to_owned());
        for column in columns.iter().filter(|column| column.packing == Packing::Delta) {
            let path = ColumnPath::from(column.name);
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
        let schema = Arc::new(SchemaDescriptor::new(Arc::new(schema)));
        Ok(Encoder { schema, properties: Arc::new(properties.build()) })
    }

    /// Encodes a group of rows.
    pub(crate) fn encode(&self, columns: &[Values]) -> Result<Encoded> {
        let column = |(index, values): (usize, &Values)| {
            let mut sink = TrackedWrite::new(Vec::new());
            let pages = Box::new(SerializedPageWriter::new(&mut sink));
            let mut writer = get_column_writer(self.schema.column(index), self.properties.clone(), pages);
            write(&mut writer, values)?;
            let closed = writer.close()?;
            Ok((Bytes::from(sink.into_inner()?), closed))
        };
        columns.iter().enumerate().map(column).collect::<Result<_>>().map(Encoded)
    }
}

fn write(writer: &mut ColumnWriter<'_>, values: &Values) -> Result<()> {
    match (writer, values) {
        (ColumnWriter::Int32ColumnWriter(writer), Values::Small(values)) => writer.write_batch(values, None, None)?,
        (ColumnWriter::Int64ColumnWriter(writer), Values::Large(values)) => writer.write_batch(values, None, None)?,
        (ColumnWriter::Int64ColumnWriter(writer), Values::OptionalLarge(values)) => {
            let present: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
            let there: Vec<i64> = values.iter().copied().flatten().collect();
            writer.write_batch(&there, Some(&present), None)?
        }
        (ColumnWriter::ByteArrayColumnWriter(writer), Values::Text(values)) => {
            let texts: Vec<ByteArray> = values.iter().map(|text| text.as_str().into()).collect();
            writer.write_batch(&texts, None, None)?
        }
        _ => return Err(ParquetError::General("a column's values are not of its kind".into())),
    };
    Ok(())
}

/// A Parquet file that takes groups of rows, one after the other.
pub(crate) struct ParquetFile {
    path: PathBuf,
    writer: SerializedFileWriter<File>,
}

impl ParquetFile {
    pub(crate) fn create(path: &Path, encoder: &Encoder) -> std::result::Result<ParquetFile, TableError> {
        let file = File::create_new(path).map_err(|error| TableError { path: path.to_owned(), error })?;
        let writer = SerializedFileWriter::new(file, encoder.schema.root_schema_ptr(), encoder.properties.clone());
        let path = path.to_owned();
        match writer {
            Ok(writer) => Ok(ParquetFile { path, writer }),
            Err(error) => Err(TableError { path, error: io_error(error) }),
        }
    }

    /// Appends a group of rows.
    pub(crate) fn append(&mut self, Encoded(columns): Encoded) -> std::result::Result<(), TableError> {
        let append = || {
            let mut group = self.writer.next_row_group()?;
            for (bytes, closed) in columns {
                group.append_column(&bytes, closed)?;
            }
            group.close().map(drop)
        };
        append().map_err(|error| TableError { path: self.path.clone(), error: io_error(error) })
    }

    pub(crate) fn finish(self) -> std::result::Result<(), TableError> {
        let finished = self.writer.into_inner().map_err(io_error).and_then(|file| file.sync_all());
        finished.map_err(|error| TableError { path: self.path, error })
    }
}

/// What the system said, if it was the system.
pub(crate) fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        error => io::Error::other(error),
    }
}
