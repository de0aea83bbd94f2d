//! `participants.csv`: who takes part, and at which bus.

use std::collections::BTreeMap;

use protocol::limits::MEMBERS_MAX;

use super::{
    error::{DatasetError, PARTICIPANTS_EXPECTED},
    source::Source,
    table::Table,
};

/// The file.
pub(crate) const FILE: &str = "participants.csv";

/// A participant before its energy is known.
pub(crate) struct Connection {
    /// Name.
    pub(crate) id: String,
    /// Bus, where the file names one.
    pub(crate) bus: Option<String>,
    /// Line of the file.
    pub(crate) line: u64,
}

/// Reads the participants, in the order of the file.
pub(crate) fn load(source: &Source) -> Result<Vec<Connection>, DatasetError> {
    source.check()?;
    let mut table = Table::open(source, FILE)?;
    let id_column = table.column("participant_id")?;
    let bus_column = table.column_if_any("bus_id")?;
    let mut connections = Vec::new();
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(row) = table.next_row()? {
        let id = row.name(id_column)?.to_owned();
        if let Some(first) = lines.insert(id.clone(), row.line) {
            return Err(row.duplicate("participant", &id, first));
        }
        let bus = match bus_column {
            Some(column) if !row.text(column).is_empty() => Some(row.name(column)?.to_owned()),
            _ => None,
        };
        connections.push(Connection { id, bus, line: row.line });
    }
    if (1..=MEMBERS_MAX).contains(&connections.len()) {
        Ok(connections)
    } else {
        Err(DatasetError::BadCount { file: FILE.to_owned(), expected: PARTICIPANTS_EXPECTED, found: connections.len() })
    }
}
