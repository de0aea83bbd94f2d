//! Tables as Parquet: integers as INT64, times as timestamps in UTC, texts as UTF-8 strings.

use std::{fs::File, sync::Arc};

use parquet::{
    basic::Compression,
    column::writer::ColumnWriter,
    data_type::ByteArray,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};

use super::{
    Rows,
    table::{Kind, Table, Value},
};

/// Rows that are written together; they wait in memory.
const ROWS_PER_GROUP: usize = 100_000;

pub(super) struct Writer {
    file: SerializedFileWriter<File>,
    columns: Vec<Column>,
}

/// The values of one column that are not written yet, those there are, and for each row whether it has one.
struct Column {
    values: Values,
    present: Vec<i16>,
}

enum Values {
    Texts(Vec<ByteArray>),
    Integers(Vec<i64>),
}

fn schema(table: &Table) -> String {
    let column = |(name, kind): &(&str, Kind)| match kind {
        Kind::Text => format!("required binary {name} (STRING);"),
        Kind::OptionalText => format!("optional binary {name} (STRING);"),
        Kind::Integer => format!("required int64 {name};"),
        Kind::OptionalInteger => format!("optional int64 {name};"),
        Kind::Time => format!("required int64 {name} (TIMESTAMP(MILLIS,true));"),
    };
    let columns: Vec<String> = table.columns.iter().map(column).collect();
    format!("message {} {{ {} }}", table.name, columns.join(" "))
}

impl Writer {
    pub(super) fn new(file: File, table: &Table) -> Result<Writer, String> {
        let schema = parse_message_type(&schema(table)).map_err(|error| error.to_string())?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let file = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties));
        let column = |(_, kind): &(&str, Kind)| Column {
            values: match kind {
                Kind::Text | Kind::OptionalText => Values::Texts(Vec::new()),
                Kind::Integer | Kind::OptionalInteger | Kind::Time => Values::Integers(Vec::new()),
            },
            present: Vec::new(),
        };
        Ok(Writer {
            file: file.map_err(|error| error.to_string())?,
            columns: table.columns.iter().map(column).collect(),
        })
    }

    fn write_group(&mut self) -> parquet::errors::Result<()> {
        let mut group = self.file.next_row_group()?;
        for Column { values, present } in &mut self.columns {
            let Some(mut writer) = group.next_column()? else { break };
            match (writer.untyped(), &*values) {
                (ColumnWriter::Int64ColumnWriter(writer), Values::Integers(integers)) => {
                    writer.write_batch(integers, Some(present), None)?;
                }
                (ColumnWriter::ByteArrayColumnWriter(writer), Values::Texts(texts)) => {
                    writer.write_batch(texts, Some(present), None)?;
                }
                _ => unreachable!("the schema was made from the same table"),
            }
            writer.close()?;
            present.clear();
            match values {
                Values::Texts(texts) => texts.clear(),
                Values::Integers(integers) => integers.clear(),
            }
        }
        group.close()?;
        Ok(())
    }
}

impl Rows for Writer {
    fn row(&mut self, row: &[Value]) -> Result<(), String> {
        for (Column { values, present }, value) in self.columns.iter_mut().zip(row) {
            present.push(i16::from(*value != Value::Missing));
            match (values, value) {
                (Values::Texts(texts), Value::Text(text)) => texts.push(text.as_str().into()),
                (Values::Integers(integers), Value::Integer(integer)) => integers.push(*integer),
                (Values::Integers(integers), Value::Time(interval)) => integers.push(interval.start_s() * 1_000),
                (_, Value::Missing) => {}
                _ => unreachable!("rows are made for the table's columns"),
            }
        }
        match self.columns.first() {
            Some(column) if column.present.len() == ROWS_PER_GROUP => {
                self.write_group().map_err(|error| error.to_string())
            }
            _ => Ok(()),
        }
    }

    fn finish(mut self: Box<Self>) -> Result<(), String> {
        self.write_group().and_then(|()| self.file.close()).map_err(|error| error.to_string()).map(|_| ())
    }
}
