//! The charts of the report, in their order: one a file.

mod battery;
mod curves;
mod day;
mod duration;
mod flows;
mod heat;
mod lines;
mod savings;
mod time;

pub(super) use self::lines::by_loading as lines_by_loading;
use super::{Run, chart::Chart, stretch::Course};

/// All charts of a run. One that this run has no data for says so; those of batteries and of a grid are there only
/// where the community has some.
pub(super) fn charts(run: &Run<'_>) -> Vec<Chart> {
    let course = Course::of(run.intervals);
    let mut charts = vec![day::chart(run), flows::chart(run)];
    charts.push(time::chart(run, &course));
    charts.extend(heat::charts(run));
    charts.extend([curves::chart(run), duration::chart(run), savings::chart(run)]);
    if run.figures.energy.charged_wh + run.figures.energy.discharged_wh > 0 {
        charts.extend(battery::charts(run, &course));
    }
    if !run.figures.grid.lines.is_empty() {
        charts.push(lines::chart(run));
    }
    charts
}
