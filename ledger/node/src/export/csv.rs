//! Tables as CSV.

use std::fs::File;

use super::{
    Rows,
    table::{Table, Value},
};

pub(super) struct Writer(csv::Writer<File>);

impl Writer {
    pub(super) fn new(file: File, table: &Table) -> Result<Writer, String> {
        let mut writer = csv::Writer::from_writer(file);
        writer.write_record(table.columns.iter().map(|(name, _)| name)).map_err(|error| error.to_string())?;
        Ok(Writer(writer))
    }
}

impl Rows for Writer {
    fn row(&mut self, values: &[Value]) -> Result<(), String> {
        let text = |value: &Value| match value {
            Value::Text(text) => text.clone(),
            Value::Integer(integer) => integer.to_string(),
            Value::Time(interval) => interval.start_text(),
            Value::Missing => String::new(),
        };
        self.0.write_record(values.iter().map(text)).map_err(|error| error.to_string())
    }

    fn finish(mut self: Box<Self>) -> Result<(), String> {
        self.0.flush().map_err(|error| error.to_string())
    }
}
