//! What some rules come to, interval by interval: figures, and tables where they are asked for.

use std::path::Path;

use market::{economics::Economics, welfare::Welfare};
use protocol::{genesis::Rules, interval::Interval, reading::Flow};

use super::members::Read;
use crate::{
    offline::{
        Figures, Played, ROWS, Results, Rows, Who,
        figures::{Known, LinePeak},
        pooled_nano,
        sums::{IntervalSums, MemberSums},
    },
    tables::{Encoder, TableError},
};

/// What some rules come to.
pub(super) struct Sheet {
    results: Results,
    encoder: Option<Encoder>,
    /// What is not in the results yet.
    played: Played,
    rows: Rows,
    lines_waiting: usize,
    /// The rules so far; of no use once they changed.
    rules: Option<Rules>,
    rules_changed: bool,
}

impl Default for Sheet {
    fn default() -> Sheet {
        Sheet::of(Results::without_tables(0))
    }
}

impl Sheet {
    /// With tables.
    pub(super) fn create(directory: &Path, lines: bool) -> Result<Sheet, TableError> {
        Results::create(directory, 0, lines).map(Sheet::of)
    }

    fn of(results: Results) -> Sheet {
        Sheet {
            encoder: results.line_encoder(),
            results,
            played: Played::default(),
            rows: Rows::default(),
            lines_waiting: 0,
            rules: None,
            rules_changed: false,
        }
    }

    /// Adds an interval, with one line for each of `members`, in the same order.
    pub(super) fn add(
        &mut self,
        interval: Interval,
        rules: &Rules,
        economics: &Economics,
        welfare: Welfare,
        members: &[Read],
    ) -> Result<(), TableError> {
        match &self.rules {
            Some(before) => self.rules_changed |= before.tariffs() != rules.tariffs(),
            None => self.rules = Some(rules.clone()),
        }
        let day = interval.start_s().div_euclid(86_400) * 86_400;
        if self.played.days.last().is_none_or(|(last, _)| *last != day) {
            self.played.days.push((day, Vec::new()));
        }
        let mut of_day = self.played.days.last_mut().map(|(_, of_day)| of_day);
        let mut sums = MemberSums::default();
        let (mut buyers, mut sellers) = (0, 0);
        let (mut net_wh, mut lacking_wh, mut spare_wh) = (0, 0, 0);
        for (read, line) in members.iter().zip(&economics.lines) {
            let Some(place) = read.place else { continue };
            let of_line = MemberSums::of_line(read.used, line, rules);
            sums.add(&of_line);
            if let Some(of_day) = &mut of_day {
                of_day.resize(of_day.len().max(place + 1), MemberSums::default());
                of_day[place].add(&of_line);
            }
            buyers += u32::from(!line.bought.is_zero());
            sellers += u32::from(!line.sold.is_zero());
            // What came late was not there to be traded, and nobody knows when it flowed.
            let Flow { import, export } = read.measured;
            net_wh += i64::try_from(import.wh()).unwrap_or(i64::MAX) - i64::try_from(export.wh()).unwrap_or(i64::MAX);
            lacking_wh += import.saturating_sub(export).wh();
            spare_wh += export.saturating_sub(import).wh();
            if self.encoder.is_some() {
                // A community has fewer than 2³¹ members.
                self.rows.push_one(interval, place as i32 + 1, read.used, line);
            }
            self.lines_waiting += 1;
        }
        let row = IntervalSums {
            tradable_wh: lacking_wh.min(spare_wh),
            pooled_nano: pooled_nano(rules, lacking_wh, spare_wh, &sums),
            net_wh,
            sums,
            price: economics.price,
            operator_nano: economics.operator.nano(),
            welfare,
            // Nobody knows what is behind the meters.
            stored_wh: 0,
            buyers,
            sellers,
        };
        self.played.intervals.push((interval, row));
        if self.lines_waiting < ROWS { Ok(()) } else { self.append() }
    }

    fn append(&mut self) -> Result<(), TableError> {
        let mut played = std::mem::take(&mut self.played);
        if let Some(encoder) = &self.encoder {
            played.lines = Some(self.rows.encode(encoder)?);
            self.rows.clear();
        }
        self.lines_waiting = 0;
        self.results.append(played)
    }

    /// The figures of all of it; and the tables, if there are any, in their directory.
    pub(super) fn finish(
        mut self,
        directory: Option<&Path>,
        who: &[Who],
        lines: Vec<LinePeak>,
    ) -> Result<Figures, TableError> {
        self.append()?;
        let rules = self.rules.as_ref().filter(|_| !self.rules_changed);
        let figures = self.results.figures(Known { rules, ..Known::default() }, lines);
        match directory {
            Some(directory) => self.results.finish(directory, who).map(|_| figures),
            None => Ok(figures),
        }
    }
}
