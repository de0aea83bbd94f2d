//! How the lines of the grid were loaded over a day, and in which hours the most. Pure.

use std::{
    cmp::{Ordering, Reverse},
    collections::BTreeMap,
};

use calendar::Range;
use jiff::civil::Date;
use market::settlement::{BusUse, LineUse};
use protocol::interval::Interval;
use serde::Serialize;
use utoipa::ToSchema;

use super::{calendar::Calendar, table::table};

/// Most lines of which each interval is shown; of all, the worst hours are.
const LINES_MAX: usize = 12;
/// Most hours in the list of the worst.
const HOURS_MAX: usize = 24;

/// The lines of the grid over a day.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct LinesOfDay {
    /// The date on the community's wall.
    #[schema(example = "2026-06-01")]
    pub(crate) date: String,
    /// Whose clock makes the day, by its IANA name.
    #[schema(example = "Europe/Zurich")]
    pub(crate) time_zone: String,
    /// When it begins, UTC.
    pub(crate) start: String,
    /// When it ends, UTC.
    pub(crate) end: String,
    /// Settled intervals of the day.
    pub(crate) settled: usize,
    /// Of these, those whose readings the nodes that answer have pruned: nothing is known of their lines.
    pub(crate) pruned: usize,
    /// Of these, those without a grid, or with one that this program cannot read.
    pub(crate) without_grid: usize,
    /// The intervals whose lines are known, in order.
    pub(crate) intervals: Vec<Known>,
    /// Lines of the grid.
    pub(crate) lines_known: usize,
    /// The lines that were loaded most, the most loaded first.
    pub(crate) lines: Vec<LineOfDay>,
    /// The hours in which a line was loaded most, the worst first.
    pub(crate) worst: Vec<WorstHour>,
}

/// An interval whose lines are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Known {
    /// When it begins, UTC.
    pub(crate) start: String,
    /// When it begins on the community's wall, with the offset from UTC.
    pub(crate) local: String,
}

/// A line, or the transformer, over a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct LineOfDay {
    /// Its name.
    pub(crate) line: String,
    /// What it carried in each of the intervals, Wh: positive away from the transformer; none where it was not there.
    pub(crate) flow_wh: Vec<Option<i64>>,
    /// Most that it may carry in each of them, Wh.
    pub(crate) capacity_wh: Vec<Option<u64>>,
}

/// An hour of a line, by the clock on the wall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct WorstHour {
    /// When the first of its intervals that are known begins, UTC.
    pub(crate) start: String,
    /// The same on the community's wall, with the offset from UTC.
    pub(crate) local: String,
    /// The line.
    pub(crate) line: String,
    /// What it carried, whichever way, Wh.
    #[schema(value_type = u64)]
    pub(crate) carried_wh: u128,
    /// Most that it may carry in these intervals, Wh.
    #[schema(value_type = u64)]
    pub(crate) capacity_wh: u128,
}

/// What a line carried, whichever way, of what it may carry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Load {
    carried_wh: u128,
    capacity_wh: u128,
}

impl Load {
    fn add(&mut self, carried: &Carried) {
        self.carried_wh += u128::from(carried.flow_wh.unsigned_abs());
        self.capacity_wh += u128::from(carried.capacity_wh);
    }
}

impl Ord for Load {
    /// By the share that was carried, exactly. A line that may carry nothing comes first where it carried something.
    fn cmp(&self, other: &Load) -> Ordering {
        let share = |of: &Load| match (of.capacity_wh, of.carried_wh) {
            (0, 0) => (0, 1),
            (capacity, carried) => (carried, capacity),
        };
        let ((a, b), (c, d)) = (share(self), share(other));
        a.saturating_mul(d).cmp(&c.saturating_mul(b)).then(self.carried_wh.cmp(&other.carried_wh))
    }
}

impl PartialOrd for Load {
    fn partial_cmp(&self, other: &Load) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What is known of a settled interval's lines.
#[derive(Debug)]
pub(super) enum Flows {
    /// What each bus and the line above it came to.
    Known(Vec<BusUse>),
    /// There is no grid, or none that can be read.
    NoGrid,
    /// Its readings were pruned.
    Pruned,
}

/// A line in one of the intervals whose lines are known.
#[derive(Debug, Clone, Copy)]
struct Carried {
    /// Which interval, by its place among them.
    place: usize,
    flow_wh: i64,
    capacity_wh: u64,
}

/// Takes up the lines of a day, interval by interval: four numbers are kept of each line in each.
#[derive(Debug, Default)]
pub(super) struct Adding {
    intervals: Vec<Known>,
    by_line: BTreeMap<String, Vec<Carried>>,
    settled: usize,
    pruned: usize,
    without_grid: usize,
}

impl Adding {
    /// Takes the next settled interval.
    pub(super) fn add(&mut self, calendar: &Calendar, interval: Interval, flows: Flows) {
        self.settled += 1;
        let buses = match flows {
            Flows::Known(buses) if !buses.is_empty() => buses,
            Flows::Known(_) | Flows::NoGrid => {
                self.without_grid += 1;
                return;
            }
            Flows::Pruned => {
                self.pruned += 1;
                return;
            }
        };
        let place = self.intervals.len();
        self.intervals.push(Known { start: interval.start_text(), local: calendar.text(interval) });
        for LineUse { line, flow_wh, capacity_wh, .. } in buses.into_iter().filter_map(|bus| bus.line) {
            // No community measures as much as such a number can hold.
            let flow_wh = i64::try_from(flow_wh).unwrap_or(i64::MAX);
            self.by_line.entry(line).or_default().push(Carried { place, flow_wh, capacity_wh });
        }
    }

    /// The day, as it was taken up.
    pub(super) fn view(self, calendar: &Calendar, date: Date, range: Range) -> LinesOfDay {
        let mut most: Vec<(Load, &str)> = self.by_line.iter().map(|(line, of)| (peak(of), line.as_str())).collect();
        most.sort_by_key(|(load, line)| (Reverse(*load), *line));
        let line = |(_, line): &(Load, &str)| {
            let mut of = LineOfDay {
                line: (*line).to_owned(),
                flow_wh: vec![None; self.intervals.len()],
                capacity_wh: vec![None; self.intervals.len()],
            };
            for Carried { place, flow_wh, capacity_wh } in &self.by_line[*line] {
                (of.flow_wh[*place], of.capacity_wh[*place]) = (Some(*flow_wh), Some(*capacity_wh));
            }
            of
        };
        LinesOfDay {
            date: date.to_string(),
            time_zone: calendar.zone().to_owned(),
            start: range.first.start_text(),
            end: range.after.start_text(),
            settled: self.settled,
            pruned: self.pruned,
            without_grid: self.without_grid,
            lines_known: self.by_line.len(),
            lines: most.iter().take(LINES_MAX).map(line).collect(),
            worst: worst(&self.intervals, &self.by_line),
            intervals: self.intervals,
        }
    }
}

/// The heaviest load of an interval.
fn peak(of: &[Carried]) -> Load {
    let load = |carried: &Carried| {
        let mut load = Load::default();
        load.add(carried);
        load
    };
    of.iter().map(load).max().unwrap_or_default()
}

fn worst(intervals: &[Known], by_line: &BTreeMap<String, Vec<Carried>>) -> Vec<WorstHour> {
    // An hour by the clock, told from the one of the same name when clocks go back by its offset.
    let hour = |local: &str| (local.get(..13).map(str::to_owned), local.get(19..).map(str::to_owned));
    let mut hours: Vec<(Load, &Known, &str)> = Vec::new();
    for (line, of) in by_line {
        let mut last = None;
        for carried in of {
            let known = &intervals[carried.place];
            let this = hour(&known.local);
            if last.as_ref() != Some(&this) {
                last = Some(this);
                hours.push((Load::default(), known, line));
            }
            if let Some((load, ..)) = hours.last_mut() {
                load.add(carried);
            }
        }
        // No more is kept than is shown.
        hours.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| (&a.1.start, a.2).cmp(&(&b.1.start, b.2))));
        hours.truncate(HOURS_MAX);
    }
    let view = |(Load { carried_wh, capacity_wh }, known, line): (Load, &Known, &str)| WorstHour {
        start: known.start.clone(),
        local: known.local.clone(),
        line: line.to_owned(),
        carried_wh,
        capacity_wh,
    };
    hours.into_iter().map(view).collect()
}

/// The lines of a day as CSV, a line an interval and line of the grid.
pub(crate) fn csv(day: &LinesOfDay) -> Result<Vec<u8>, csv::Error> {
    let rows = day.lines.iter().flat_map(|of| {
        day.intervals.iter().zip(&of.flow_wh).zip(&of.capacity_wh).filter_map(|((known, flow), capacity)| {
            let (flow, capacity) = (flow.as_ref()?.to_string(), capacity.as_ref()?.to_string());
            Some(vec![known.start.clone(), known.local.clone(), of.line.clone(), flow, capacity])
        })
    });
    table(&["start", "local", "line", "flow_wh", "capacity_wh"], rows)
}

/// The worst hours of a day as CSV.
pub(crate) fn worst_csv(day: &LinesOfDay) -> Result<Vec<u8>, csv::Error> {
    let row = |of: &WorstHour| {
        let [carried, capacity] = [of.carried_wh, of.capacity_wh].map(|wh| wh.to_string());
        vec![of.start.clone(), of.local.clone(), of.line.clone(), carried, capacity]
    };
    table(&["start", "local", "line", "carried_wh", "capacity_wh"], day.worst.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn use_of(line: &str, flow_wh: i128, capacity_wh: u64) -> BusUse {
        let line = LineUse { line: line.into(), above: 0, flow_wh, traded_wh: None, capacity_wh };
        BusUse { bus: "b".into(), price: None, line: Some(line) }
    }

    /// The night in which clocks go back, in Zurich, with two lines: the first is loaded more from hour to hour.
    fn day() -> LinesOfDay {
        let first: Interval = "2026-10-01T00:00:00Z/PT15M".parse().unwrap();
        let calendar = Calendar::new(Some("Europe/Zurich"), first);
        let date = calendar.date("2026-10-25").unwrap();
        let range = calendar.day(date).unwrap();
        let mut adding = Adding::default();
        for number in 0..100 {
            let interval = range.first.offset(number).unwrap();
            let flows = match number {
                98 => Flows::Pruned,
                99 => Flows::NoGrid,
                _ => Flows::Known(vec![use_of("=a", i128::from(-10 * number), 2_000), use_of("b", 500, 1_000)]),
            };
            adding.add(&calendar, interval, flows);
        }
        adding.view(&calendar, date, range)
    }

    #[test]
    fn the_worst_hours_are_those_of_the_clock_also_where_one_comes_twice() {
        let day = day();
        assert_eq!((day.settled, day.pruned, day.without_grid, day.lines_known), (100, 1, 1, 2));
        assert_eq!(day.intervals.len(), 98);
        // 970 of 2,000 Wh are less than 500 of 1,000.
        assert_eq!(day.lines.iter().map(|of| of.line.as_str()).collect::<Vec<_>>(), ["b", "=a"]);
        assert_eq!(day.lines[1].flow_wh[97], Some(-970));
        assert_eq!(day.worst.len(), HOURS_MAX);
        assert!(day.worst.iter().all(|of| of.line == "b"), "always half of what it may carry");
        let hour = |local: &str| day.worst.iter().find(|of| of.local == local).unwrap();
        for local in ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"] {
            assert_eq!((hour(local).carried_wh, hour(local).capacity_wh), (2_000, 4_000), "{local}");
        }
    }

    #[test]
    fn the_most_loaded_comes_first_exactly() {
        let load = |carried_wh, capacity_wh| Load { carried_wh, capacity_wh };
        let mut loads = [load(1, 3), load(333_333, 1_000_000), load(5, 0), load(0, 0), load(2, 6), load(0, 9)];
        loads.sort();
        assert_eq!(loads, [load(0, 0), load(0, 9), load(333_333, 1_000_000), load(1, 3), load(2, 6), load(5, 0)]);
    }

    #[test]
    fn a_name_is_no_formula_in_a_table() {
        let text = String::from_utf8(csv(&day()).unwrap()).unwrap();
        let rows: Vec<csv::StringRecord> =
            csv::Reader::from_reader(text.as_bytes()).records().map(|row| row.unwrap()).collect();
        assert_eq!(rows.len(), 2 * 98);
        let last = &rows[2 * 98 - 1];
        assert_eq!([&last[2], &last[3], &last[4]], ["'=a", "-970", "2000"]);
        let text = String::from_utf8(worst_csv(&day()).unwrap()).unwrap();
        assert_eq!(text.lines().count(), 1 + HOURS_MAX);
    }
}
