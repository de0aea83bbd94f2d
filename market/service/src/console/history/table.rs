//! Tables as files.

/// Columns and rows as CSV (RFC 4180), in which no spreadsheet takes a name for a formula: where one could, an
/// apostrophe stands before it.
pub(super) fn table(columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Result<Vec<u8>, csv::Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(columns)?;
    for row in rows {
        table.write_record(row.into_iter().map(as_text))?;
    }
    table.into_inner().map_err(|error| error.into_error().into())
}

fn as_text(cell: String) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let is_number =
        cell.strip_prefix('-').is_some_and(|rest| rest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.')));
    if is_formula && !is_number { format!("'{cell}") } else { cell }
}
