//! The radial grid as a tree: who is near whom.

use std::collections::{BTreeMap, BTreeSet};

use protocol::genesis::GridPlan;

/// A bus of one [`Grid`]. Buses are numbered from the root down, so that a bus comes after the one above it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BusIndex(pub(crate) u32);

impl BusIndex {
    /// The bus's number.
    pub fn number(self) -> usize {
        self.0 as usize
    }
}

/// The buses of a radial grid and what is above each.
#[derive(Debug, Clone)]
pub struct Grid {
    /// Names of the buses; none where every name is the one bus.
    names: Option<BTreeMap<String, BusIndex>>,
    /// The bus above each; the root is above itself. Always lower than the bus's own number.
    parents: Vec<usize>,
    /// The line or transformer above each bus; none above the root, and none at all where only names are known.
    lines: Vec<Option<LineAbove>>,
}

/// The line, or the transformer, between a bus and the one above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineAbove {
    /// Its name.
    pub name: String,
    /// Thermal rating, VA.
    pub rated_va: u64,
}

/// Why something is no radial grid, or a bus none of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GridError {
    /// Lines form a ring.
    #[error("expected a radial grid, found a loop of the lines {}: take one of them out of service", list(lines))]
    Loop {
        /// The lines of the ring, in order of name.
        lines: Vec<String>,
    },
    /// No line leads from the root to some buses.
    #[error("expected every bus to be connected to `{root}`, found an island of the buses {}", list(buses))]
    Island {
        /// The root.
        root: String,
        /// The buses that cannot be reached, in order of name.
        buses: Vec<String>,
    },
    /// A bus that is not in the grid.
    #[error("expected a bus of the grid, found `{bus}`: no line leads to it")]
    UnknownBus {
        /// Its name.
        bus: String,
    },
    /// There is a grid, but no word of where on it.
    #[error("expected the name of a bus, because the grid is known; found none")]
    MissingBus,
}

/// Most names that one message lists.
const NAMES_LISTED_MAX: usize = 10;

fn list(names: &[String]) -> String {
    let mut text = names.iter().take(NAMES_LISTED_MAX).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if let Some(more) = names.len().checked_sub(NAMES_LISTED_MAX).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// A bus reached from the root, while the tree is being built.
struct Reached<'a> {
    name: &'a str,
    parent: usize,
    /// The line that leads to it, by its place in the plan; none for the root.
    line: Option<usize>,
}

impl Grid {
    /// The top: the far side of the transformer, or the one bus where no grid is known.
    pub const ROOT: BusIndex = BusIndex(0);

    /// Where no grid is known: everyone on one bus.
    pub fn single_bus() -> Grid {
        Grid { names: None, parents: vec![0], lines: vec![None] }
    }

    /// The tree of a plan. Its numbering depends on names only, not on the order of the lines.
    ///
    /// At the top of it is the transformer's far side, above the plan's root: a bus by the transformer's own name, for
    /// whoever trades from beyond it.
    pub fn from_plan(plan: &GridPlan) -> Result<Grid, GridError> {
        let mut neighbours: BTreeMap<&str, BTreeSet<(&str, usize)>> = BTreeMap::new();
        neighbours.entry(&plan.root).or_default();
        for (index, line) in plan.lines.iter().enumerate() {
            neighbours.entry(&line.from).or_default().insert((&line.to, index));
            neighbours.entry(&line.to).or_default().insert((&line.from, index));
        }

        let mut numbers: BTreeMap<&str, usize> = BTreeMap::from([(plan.root.as_str(), 0)]);
        let mut buses = vec![Reached { name: &plan.root, parent: 0, line: None }];
        let mut at = 0;
        while let Some(&Reached { name, line: line_above, .. }) = buses.get(at) {
            for &(other, line) in &neighbours[name] {
                if Some(line) == line_above {
                    continue;
                }
                if let Some(&seen) = numbers.get(other) {
                    return Err(loop_through(plan, &buses, line, at, seen));
                }
                numbers.insert(other, buses.len());
                buses.push(Reached { name: other, parent: at, line: Some(line) });
            }
            at += 1;
        }

        let island: Vec<String> =
            neighbours.keys().filter(|bus| !numbers.contains_key(*bus)).map(|bus| bus.to_string()).collect();
        if !island.is_empty() {
            return Err(GridError::Island { root: plan.root.clone(), buses: island });
        }
        // One further down than in `buses`, because the transformer's far side comes first.
        let mut names = BTreeMap::from([(plan.transformer.clone(), Grid::ROOT)]);
        names.extend(numbers.into_iter().map(|(name, number)| (name.to_owned(), bus_index(number + 1))));
        let transformer = LineAbove { name: plan.transformer.clone(), rated_va: plan.transformer_va };
        let line =
            |index: usize| LineAbove { name: plan.lines[index].line.clone(), rated_va: plan.lines[index].rated_va };
        let below = buses.iter().map(|bus| bus.line.map_or_else(|| transformer.clone(), line));
        Ok(Grid {
            names: Some(names),
            parents: [0, 0].into_iter().chain(buses.iter().skip(1).map(|bus| bus.parent + 1)).collect(),
            lines: std::iter::once(None).chain(below.map(Some)).collect(),
        })
    }

    /// The tree of a plan, or one bus where there is none.
    pub fn of(plan: Option<&GridPlan>) -> Result<Grid, GridError> {
        plan.map_or_else(|| Ok(Grid::single_bus()), Grid::from_plan)
    }

    /// Buses of which only the names are known: all are equally far from each other, below a nameless root.
    pub(crate) fn star<'a>(names: impl IntoIterator<Item = &'a str>) -> Grid {
        let names: BTreeSet<&str> = names.into_iter().collect();
        let parents = vec![0; names.len() + 1];
        let lines = vec![None; parents.len()];
        let names = names.into_iter().zip(1..).map(|(name, number)| (name.to_owned(), bus_index(number)));
        Grid { names: Some(names.collect()), parents, lines }
    }

    /// The bus of this name. Where no grid is known, every name and none is the one bus.
    pub fn bus(&self, name: Option<&str>) -> Result<BusIndex, GridError> {
        let Some(names) = &self.names else { return Ok(Grid::ROOT) };
        let name = name.ok_or(GridError::MissingBus)?;
        names.get(name).copied().ok_or_else(|| GridError::UnknownBus { bus: name.to_owned() })
    }

    /// The line above a bus, if one is known.
    pub fn line_above(&self, bus: usize) -> Option<&LineAbove> {
        self.lines.get(bus)?.as_ref()
    }

    /// The names of all buses, with their numbers.
    pub fn bus_names(&self) -> impl Iterator<Item = (&str, usize)> {
        self.names.iter().flatten().map(|(name, bus)| (name.as_str(), bus.0 as usize))
    }

    /// The bus below each line, by the line's name: of two of one name the first.
    pub(crate) fn buses_below(&self) -> BTreeMap<&str, usize> {
        let buses = (0..self.lines.len()).rev();
        buses.filter_map(|bus| Some((self.line_above(bus)?.name.as_str(), bus))).collect()
    }

    /// The bus below the transformer, if there is one.
    pub(crate) fn below_transformer(&self) -> Option<usize> {
        // The only line above the plan's root, and no other bus of a plan is without one.
        self.lines.get(1)?.as_ref().map(|_| 1)
    }

    /// The bus above each bus, lower than the bus itself; the root is above itself. Backwards, this is bottom-up.
    pub(crate) fn parents(&self) -> &[usize] {
        &self.parents
    }
}

fn bus_index(number: usize) -> BusIndex {
    // A genesis of the largest size has fewer than 2^32 lines.
    BusIndex(number as u32)
}

/// The loop that `line` closes between two buses which both have a way to the root.
fn loop_through(plan: &GridPlan, buses: &[Reached<'_>], line: usize, one: usize, other: usize) -> GridError {
    let (mut one, mut other) = (one, other);
    let mut ring = vec![line];
    while one != other {
        // The higher number is not above the lower one, so climbing from it misses no common bus.
        let climber = if one > other { &mut one } else { &mut other };
        ring.extend(buses[*climber].line);
        *climber = buses[*climber].parent;
    }
    let mut lines: Vec<String> = ring.into_iter().map(|line| plan.lines[line].line.clone()).collect();
    lines.sort_unstable();
    GridError::Loop { lines }
}

#[cfg(test)]
mod tests {
    use protocol::genesis::GridLine;

    use super::*;

    /// Name and both ends.
    type Line = (&'static str, &'static str, &'static str);

    fn plan(root: &str, lines: &[(&str, &str, &str)]) -> GridPlan {
        let lines = lines.iter().map(|(line, from, to)| GridLine {
            line: line.to_string(),
            from: from.to_string(),
            to: to.to_string(),
            rated_va: 1,
        });
        GridPlan { transformer: "T".into(), transformer_va: 1, root: root.into(), lines: lines.collect() }
    }

    #[test]
    fn a_tree_is_numbered_from_the_root_down_whatever_the_order_of_the_lines() {
        let lines = [("1", "b", "a"), ("2", "root", "a"), ("3", "c", "root"), ("4", "b", "d")];
        let mut reversed = lines;
        reversed.reverse();
        for lines in [lines, reversed] {
            let grid = Grid::from_plan(&plan("root", &lines)).unwrap();
            let numbers = ["root", "a", "c", "b", "d"].map(|bus| grid.bus(Some(bus)).unwrap().0);
            assert_eq!(numbers, [1, 2, 3, 4, 5]);
            assert_eq!(grid.parents(), [0, 0, 1, 1, 2, 4]);
            let above = |bus| grid.line_above(bus).map(|line| line.name.as_str());
            assert_eq!([0, 1, 2, 3, 4, 5].map(above), [None, Some("T"), Some("2"), Some("3"), Some("1"), Some("4")]);
        }
    }

    #[test]
    fn a_loop_is_named_by_its_lines_and_no_others() {
        let cases: [(&[Line], &[&str]); 4] = [
            (&[("1", "root", "a"), ("2", "a", "b"), ("3", "b", "c"), ("4", "c", "a")], &["2", "3", "4"]),
            (&[("1", "root", "a"), ("2", "a", "b"), ("3", "root", "c"), ("4", "c", "b")], &["1", "2", "3", "4"]),
            (&[("1", "root", "a"), ("2", "a", "root")], &["1", "2"]),
            (&[("1", "root", "a"), ("2", "a", "a")], &["2"]),
        ];
        for (lines, ring) in cases {
            let expected = GridError::Loop { lines: ring.iter().map(|line| line.to_string()).collect() };
            assert_eq!(Grid::from_plan(&plan("root", lines)).unwrap_err(), expected);
        }
    }

    #[test]
    fn an_island_is_named_by_its_buses() {
        let error = Grid::from_plan(&plan("root", &[("1", "root", "a"), ("2", "c", "b")])).unwrap_err();
        assert_eq!(error, GridError::Island { root: "root".into(), buses: vec!["b".into(), "c".into()] });
        let error = Grid::from_plan(&plan("typo", &[("1", "root", "a")])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected every bus to be connected to `typo`, found an island of the buses `a`, `root`"
        );
    }

    #[test]
    fn a_bus_is_found_by_name_or_the_name_is_in_the_error() {
        let grid = Grid::from_plan(&plan("root", &[])).unwrap();
        assert_eq!(grid.bus(Some("root")), Ok(BusIndex(1)));
        assert_eq!(grid.bus(Some("T")), Ok(Grid::ROOT), "beyond the transformer");
        assert_eq!(grid.bus(Some("a")), Err(GridError::UnknownBus { bus: "a".into() }));
        assert_eq!(grid.bus(None), Err(GridError::MissingBus));
        for name in [None, Some("a")] {
            assert_eq!(Grid::single_bus().bus(name), Ok(Grid::ROOT));
        }
    }

    #[test]
    fn a_long_list_is_cut() {
        let lines: Vec<(String, String)> = (0..13).map(|i| (format!("l{i}"), format!("bus{i:02}"))).collect();
        let lines: Vec<_> = lines.iter().map(|(line, bus)| (line.as_str(), bus.as_str(), "far")).collect();
        let text = Grid::from_plan(&plan("root", &lines)).unwrap_err().to_string();
        assert!(text.ends_with("`bus09` and 4 more"), "{text}");
    }
}
