//! The low-voltage grid: its nodes, with what closed switches join taken for one bus, and its lines. Whatever has an
//! open switch at an end is out of service.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use rust_decimal::Decimal;

use super::{
    ImportError,
    table::{Table, by_number},
};

/// √3, by which the three phases of a line carry more than one.
const SQRT_3: Decimal = Decimal::from_parts(1_732_050_808, 0, 0, false, 9);
const MEGA_TO_KILO: Decimal = Decimal::ONE_THOUSAND;

/// A grid, in the words of the files that the simulator reads.
pub(super) struct LowVoltage {
    name: String,
    nodes: BTreeMap<String, usize>,
    joined: Joined,
    /// The name of each set of joined nodes, by its first.
    buses: BTreeMap<usize, String>,
    pub(super) lines: Vec<Line>,
    pub(super) transformer: Transformer,
}

pub(super) struct Line {
    pub(super) id: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) kind: String,
    pub(super) rated_kva: Decimal,
    pub(super) in_service: bool,
}

pub(super) struct Transformer {
    pub(super) id: String,
    pub(super) bus: String,
    pub(super) kind: String,
    pub(super) rated_kva: Decimal,
}

/// Sets of nodes, each found by following from node to node.
struct Joined(Vec<usize>);

impl Joined {
    fn first_of(&self, mut node: usize) -> usize {
        while self.0[node] != node {
            node = self.0[node];
        }
        node
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.first_of(one), self.first_of(other));
        self.0[one.max(other)] = one.min(other);
    }
}

/// A name as the simulator's files have them: `LV4.101 Bus 18` is `bus_18`.
pub(super) fn short(grid: &str, name: &str) -> String {
    name.strip_prefix(grid).unwrap_or(name).trim().to_lowercase().replace(' ', "_").replace('/', "-")
}

impl LowVoltage {
    /// Reads the grid of this name.
    pub(super) fn read(directory: &Path, name: &str) -> Result<LowVoltage, ImportError> {
        let mut all = Vec::new();
        let mut others = BTreeSet::new();
        let mut table = Table::open(directory, "Node.csv", ["id", "type", "vmR", "subnet"])?;
        while let Some(row) = table.next()? {
            let is_low = row.number(2)? < Decimal::ONE;
            if is_low && row.text(3) == name {
                all.push((row.text(0).to_owned(), row.text(1) == "auxiliary", row.number(2)?));
            } else if is_low && others.len() < 4 {
                others.insert(row.text(3).to_owned());
            }
        }
        let Some((_, _, kilovolts)) = all.first().cloned() else {
            let known = others.into_iter().collect::<Vec<_>>().join(", ");
            return Err(ImportError::bad("--grid", format!("a low-voltage grid such as {known}"), format!("`{name}`")));
        };
        let nodes: BTreeMap<String, usize> = (0..).zip(&all).map(|(at, (id, ..))| (id.clone(), at)).collect();
        let mut joined = Joined((0..all.len()).collect());
        let mut open = Vec::new();
        Table::open(directory, "Switch.csv", ["nodeA", "nodeB", "cond", "subnet"])?.of_subnet(name, |row| {
            // Those of the medium voltage are of no interest here.
            let (Some(one), Some(other)) = (nodes.get(row.text(0)), nodes.get(row.text(1))) else { return Ok(()) };
            match row.text(2) {
                "1" => joined.join(*one, *other),
                "0" => open.push((*one, *other)),
                found => return Err(ImportError::bad(row.place(), "`cond` as 0 or 1", format!("`{found}`"))),
            }
            Ok(())
        })?;
        let mut buses: BTreeMap<usize, String> = BTreeMap::new();
        for (at, (id, is_auxiliary, _)) in all.iter().enumerate() {
            if !is_auxiliary {
                buses.entry(joined.first_of(at)).or_insert_with(|| short(name, id));
            }
        }
        let mut grid = LowVoltage {
            name: name.to_owned(),
            nodes,
            joined,
            buses,
            lines: Vec::new(),
            transformer: Transformer {
                id: String::new(),
                bus: String::new(),
                kind: String::new(),
                rated_kva: Decimal::ZERO,
            },
        };
        grid.transformer = grid.read_transformer(directory)?;
        grid.lines = grid.read_lines(directory, kilovolts, &open)?;
        Ok(grid)
    }

    /// The bus of a node; none of one that is joined to no bus.
    fn bus_if_any(&self, node: &str) -> Option<&String> {
        self.buses.get(&self.joined.first_of(*self.nodes.get(node)?))
    }

    /// The bus of a node, which is named at `place`.
    pub(super) fn bus(&self, node: &str, place: impl FnOnce() -> String) -> Result<&String, ImportError> {
        let expected = || format!("a node at a bus of {}", self.name);
        self.bus_if_any(node).ok_or_else(|| ImportError::bad(place(), expected(), format!("`{node}`")))
    }

    /// All buses.
    pub(super) fn buses(&self) -> Vec<&String> {
        let mut buses: Vec<&String> = self.buses.values().collect();
        buses.sort_by_key(|bus| by_number(bus));
        buses
    }

    fn read_transformer(&self, directory: &Path) -> Result<Transformer, ImportError> {
        let ratings = kinds(directory, "TransformerType.csv", "sR")?;
        let mut found = Vec::new();
        let table = Table::open(directory, "Transformer.csv", ["id", "nodeLV", "type", "subnet"])?;
        table.of_subnet(&self.name, |row| {
            let (bus, kind) = (self.bus(row.text(1), || row.place())?.clone(), row.text(2).to_owned());
            let rated = ratings.get(&kind);
            let rated = rated.ok_or_else(|| ImportError::bad(row.place(), "a type of TransformerType.csv", &kind))?;
            let id = format!("trafo_{}", found.len() + 1);
            found.push(Transformer { id, bus, kind, rated_kva: (rated * MEGA_TO_KILO).normalize() });
            Ok(())
        })?;
        let count = found.len();
        match found.pop() {
            Some(transformer) if count == 1 => Ok(transformer),
            _ => {
                let place = directory.join("Transformer.csv");
                Err(ImportError::bad(place.display(), format!("one transformer of {}", self.name), count))
            }
        }
    }

    fn read_lines(
        &self,
        directory: &Path,
        kilovolts: Decimal,
        open: &[(usize, usize)],
    ) -> Result<Vec<Line>, ImportError> {
        let amperes = kinds(directory, "LineType.csv", "iMax")?;
        let mut lines = Vec::new();
        let table = Table::open(directory, "Line.csv", ["id", "nodeA", "nodeB", "type", "subnet"])?;
        table.of_subnet(&self.name, |row| {
            let kind = row.text(3).to_owned();
            let amperes = amperes.get(&kind);
            let amperes = amperes.ok_or_else(|| ImportError::bad(row.place(), "a type of LineType.csv", &kind))?;
            let [from, to] = [row.text(1), row.text(2)];
            let in_service = self.bus_if_any(from).is_some() && self.bus_if_any(to).is_some();
            let end = |node: &str| match self.bus_if_any(node) {
                Some(bus) => Ok(bus.clone()),
                None => self.behind_open(node, open).ok_or(()),
            };
            let (Ok(from), Ok(to)) = (end(from), end(to)) else {
                let expected = format!("a line between two buses of {}", self.name);
                return Err(ImportError::bad(row.place(), expected, format!("`{from}` and `{to}`")));
            };
            let rated_kva = (SQRT_3 * kilovolts * amperes).round_dp(3).normalize();
            lines.push(Line { id: short(&self.name, row.text(0)), from, to, kind, rated_kva, in_service });
            Ok(())
        })?;
        lines.sort_by_key(|line| by_number(&line.id));
        Ok(lines)
    }

    /// The bus to which a node would be joined, were a switch not open.
    fn behind_open(&self, node: &str, open: &[(usize, usize)]) -> Option<String> {
        let first = self.joined.first_of(*self.nodes.get(node)?);
        let across = open.iter().find_map(|&(one, other)| {
            let (one, other) = (self.joined.first_of(one), self.joined.first_of(other));
            if one == first { Some(other) } else { (other == first).then_some(one) }
        })?;
        self.buses.get(&across).cloned()
    }
}

/// A number of each kind of line or transformer.
fn kinds(directory: &Path, file: &str, column: &str) -> Result<BTreeMap<String, Decimal>, ImportError> {
    let mut kinds = BTreeMap::new();
    let mut table = Table::open(directory, file, ["id", column])?;
    while let Some(row) = table.next()? {
        kinds.insert(row.text(0).to_owned(), row.number(1)?);
    }
    Ok(kinds)
}
