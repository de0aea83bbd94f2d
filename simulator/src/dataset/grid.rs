//! `grid_buses.csv`, `grid_lines.csv`, `grid_transformer.csv`: the radial low-voltage grid, all three files or none.

use std::collections::{BTreeMap, BTreeSet};

use protocol::genesis::{GridLine, GridPlan};
use rust_decimal::{Decimal, prelude::ToPrimitive};

use super::{
    error::{DatasetError, Place},
    participants::Connection,
    source::Source,
    table::{Column, Row, Table},
};

const BUSES: &str = "grid_buses.csv";
const LINES: &str = "grid_lines.csv";
const TRANSFORMER: &str = "grid_transformer.csv";

/// Reads the grid, if there is one, and checks that it is a tree that joins every participant to the transformer.
pub(crate) fn load(source: &Source, participants: &[Connection]) -> Result<Option<GridPlan>, DatasetError> {
    let files = [BUSES, LINES, TRANSFORMER];
    let [buses, lines, transformer] = match files.map(|file| Table::open_if_any(source, file)) {
        [Ok(None), Ok(None), Ok(None)] => return Ok(None),
        tables => {
            let mut opened = Vec::with_capacity(files.len());
            for (table, file) in tables.into_iter().zip(files) {
                opened.push(table?.ok_or_else(|| DatasetError::MissingFile {
                    file: file.to_owned(),
                    place: format!("{} beside the other grid files", source.place()),
                })?);
            }
            match <[Table; 3]>::try_from(opened) {
                Ok(tables) => tables,
                Err(_) => unreachable!("three files give three tables"),
            }
        }
    };
    let buses = read_buses(buses)?;
    let (transformer, transformer_va, root) = read_transformer(transformer, &buses)?;
    let lines = tree(read_lines(lines, &buses)?, &root)?;
    let plan = GridPlan { transformer, transformer_va, root, lines };
    check_participants(source, participants, &buses, &plan)?;
    Ok(Some(plan))
}

fn read_buses(mut table: Table) -> Result<BTreeSet<String>, DatasetError> {
    let column = table.column("bus_id")?;
    let mut first_seen: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(row) = table.next_row()? {
        let bus = row.name(column)?.to_owned();
        if let Some(first) = first_seen.insert(bus.clone(), row.line) {
            return Err(row.duplicate("bus", &bus, first));
        }
    }
    Ok(first_seen.into_keys().collect())
}

fn read_transformer(mut table: Table, buses: &BTreeSet<String>) -> Result<(String, u64, String), DatasetError> {
    let [name, bus, rating] = [table.column("trafo_id")?, table.column("lv_bus")?, table.column("sn_kva")?];
    let mut transformers = Vec::new();
    while let Some(row) = table.next_row()? {
        transformers.push((row.name(name)?.to_owned(), rating_va(&row, rating)?, known_bus(&row, bus, buses)?));
    }
    match <[_; 1]>::try_from(transformers) {
        Ok([transformer]) => Ok(transformer),
        Err(transformers) => Err(DatasetError::BadCount {
            file: TRANSFORMER.to_owned(),
            expected: "one transformer",
            found: transformers.len(),
        }),
    }
}

/// The lines in service, with the line of the file each is on.
fn read_lines(mut table: Table, buses: &BTreeSet<String>) -> Result<Vec<(GridLine, u64)>, DatasetError> {
    let [name, from, to] = [table.column("line_id")?, table.column("from_bus")?, table.column("to_bus")?];
    let [rating, in_service] = [table.column("rated_kva")?, table.column("in_service")?];
    let mut lines = Vec::new();
    let mut first_seen: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(row) = table.next_row()? {
        let line = row.name(name)?.to_owned();
        if let Some(first) = first_seen.insert(line.clone(), row.line) {
            return Err(row.duplicate("line", &line, first));
        }
        let grid_line = GridLine {
            line,
            from: known_bus(&row, from, buses)?,
            to: known_bus(&row, to, buses)?,
            rated_va: rating_va(&row, rating)?,
        };
        match row.text(in_service) {
            "1" | "true" | "True" => lines.push((grid_line, row.line)),
            "0" | "false" | "False" => {}
            _ => return Err(row.bad(in_service, "1 or 0")),
        }
    }
    Ok(lines)
}

fn known_bus(row: &Row<'_>, column: Column, buses: &BTreeSet<String>) -> Result<String, DatasetError> {
    let bus = row.name(column)?;
    if buses.contains(bus) { Ok(bus.to_owned()) } else { Err(row.unknown("bus", bus, BUSES)) }
}

/// A rating in kVA as whole VA. A fraction of a VA is dropped: no line carries more than it says.
fn rating_va(row: &Row<'_>, column: Column) -> Result<u64, DatasetError> {
    Decimal::from_str_exact(row.text(column))
        .ok()
        .filter(|kva| !kva.is_sign_negative())
        .and_then(|kva| kva.checked_mul(Decimal::ONE_THOUSAND)?.trunc().to_u64())
        .filter(|va| (1..=RATING_VA_MAX).contains(va))
        .ok_or_else(|| row.bad(column, "a rating in kVA from 0.001 to 1000000"))
}

/// Highest rating: 1 GVA.
const RATING_VA_MAX: u64 = 1_000_000_000;

/// The lines that hang on the transformer, which have to form a tree. Dead ends without it carry nothing: left out.
fn tree(lines: Vec<(GridLine, u64)>, root: &str) -> Result<Vec<GridLine>, DatasetError> {
    let mut at_bus: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, (line, _)) in lines.iter().enumerate() {
        at_bus.entry(&line.from).or_default().push(index);
        at_bus.entry(&line.to).or_default().push(index);
    }
    let mut joined = BTreeSet::from([root]);
    let mut used = vec![false; lines.len()];
    let mut next = vec![root];
    while let Some(bus) = next.pop() {
        for &index in at_bus.get(bus).map_or(&[][..], Vec::as_slice) {
            if std::mem::replace(&mut used[index], true) {
                continue;
            }
            let (line, file_line) = &lines[index];
            let other = if line.from == bus { &line.to } else { &line.from };
            if !joined.insert(other) {
                return Err(DatasetError::Loop { line: *file_line, name: line.line.clone() });
            }
            next.push(other);
        }
    }
    Ok(lines.into_iter().zip(used).filter(|(_, used)| *used).map(|((line, _), _)| line).collect())
}

fn check_participants(
    source: &Source,
    participants: &[Connection],
    buses: &BTreeSet<String>,
    plan: &GridPlan,
) -> Result<(), DatasetError> {
    // With a grid, the column has to be there: asking for it gives the error that says so.
    if participants.iter().all(|participant| participant.bus.is_none()) {
        Table::open(source, "participants.csv")?.column("bus_id")?;
    }
    let joined: BTreeSet<&str> = std::iter::once(plan.root.as_str())
        .chain(plan.lines.iter().flat_map(|line| [line.from.as_str(), line.to.as_str()]))
        .collect();
    for Connection { bus, line, .. } in participants {
        let bus = bus.as_deref().unwrap_or_default();
        if !buses.contains(bus) {
            return Err(DatasetError::Unknown {
                file: "participants.csv".to_owned(),
                place: Place::Line(*line),
                what: "bus",
                known_in: BUSES,
                found: bus.to_owned(),
            });
        }
        if !joined.contains(bus) {
            return Err(DatasetError::NotConnected { line: *line, bus: bus.to_owned() });
        }
    }
    Ok(())
}
