//! The most that passed each line, whoever it was traded with: the same under all rules.

use market::{clearing::Network, grid::Grid};
use protocol::{
    interval::{Interval, IntervalLength},
    parameters::Parameters,
};

use super::members::Read;
use crate::offline::figures::{LinePeak, Ratio, watts};

/// The most that passed each line.
#[derive(Default)]
pub(super) struct Peaks(Vec<Peak>);

struct Peak {
    line: String,
    /// Its last rating, VA.
    rated_va: u64,
    /// Towards the members, Wh of an interval.
    import_wh: u64,
    /// From them.
    export_wh: u64,
}

impl Peaks {
    /// Adds what was measured in an interval. Nobody knows when what came late has flowed.
    pub(super) fn add(&mut self, interval: Interval, grid: &Grid, members: &[Read]) {
        if grid.line_above(1).is_none() {
            return;
        }
        let mut sent = Vec::new();
        for Read { bus, measured, .. } in members {
            let bus = bus.number();
            if bus >= sent.len() {
                sent.resize(bus + 1, 0);
            }
            sent[bus] += i128::from(measured.export.wh()) - i128::from(measured.import.wh());
        }
        // Without fees, no line can be missing.
        let Ok(network) = Network::new(grid, &Parameters::default(), interval, &sent) else { return };
        for (bus, edge) in network.edges.iter().enumerate() {
            let Some(above) = grid.line_above(bus) else { continue };
            let at = match self.0.get(bus.wrapping_sub(1)) {
                // As long as the grid stays the same, each is where it was.
                Some(peak) if peak.line == above.name => bus - 1,
                _ => self.place_of(&above.name),
            };
            let peak = &mut self.0[at];
            peak.rated_va = above.rated_va;
            peak.import_wh = peak.import_wh.max(u64::try_from(-edge.base_wh).unwrap_or(0));
            peak.export_wh = peak.export_wh.max(u64::try_from(edge.base_wh).unwrap_or(0));
        }
    }

    fn place_of(&mut self, line: &str) -> usize {
        self.0.iter().position(|peak| peak.line == line).unwrap_or_else(|| {
            self.0.push(Peak { line: line.to_owned(), rated_va: 0, import_wh: 0, export_wh: 0 });
            self.0.len() - 1
        })
    }

    pub(super) fn into_lines(self, length: IntervalLength) -> Vec<LinePeak> {
        let minutes = length.minutes();
        let peak = |Peak { line, rated_va, import_wh, export_wh }: Peak| {
            let (peak_import_w, peak_export_w) = (watts(import_wh, minutes), watts(export_wh, minutes));
            let loading = Ratio::of(peak_import_w.max(peak_export_w), rated_va);
            LinePeak { line, peak_import_w, peak_export_w, rated_va, loading }
        };
        self.0.into_iter().map(peak).collect()
    }
}
