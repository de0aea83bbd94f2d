//! The load duration curve: for which part of the time the community draws at least how much.

use serde_json::json;

use super::super::{
    Run,
    chart::{Chart, Picture, Room, axis, layout},
    stretch::{evenly, thousandths},
    text,
};
use crate::offline::figures::Ratio;

const POINTS: usize = 1_000;

pub(super) fn chart(run: &Run<'_>) -> Chart {
    let seconds = run.intervals.first().map_or(3_600, |(interval, _)| interval.length().seconds());
    let net =
        |imported: u64, exported: u64| (i128::from(imported) - i128::from(exported)) * 3_600 / i128::from(seconds);
    let mut watts: Vec<i128> =
        run.intervals.iter().map(|(_, row)| net(row.sums.imported_wh, row.sums.exported_wh)).collect();
    watts.sort_unstable_by(|one, other| other.cmp(one));
    let count = watts.len();
    let places: Vec<usize> = evenly(count, POINTS).collect();
    let share = |place: &usize| (place * 10_000 / count.saturating_sub(1).max(1)) as f64 / 100.0;
    let data = vec![json!({
        "type": "scatter", "mode": "lines", "name": "Net import",
        "x": places.iter().map(share).collect::<Vec<_>>(),
        "y": places.iter().map(|place| thousandths(watts[*place])).collect::<Vec<_>>(),
        "line": {"color": "$demand", "width": 2}, "fill": "tozeroy", "fillcolor": "$demand-soft",
        "hovertemplate": "At least %{y:.2f} kW for %{x:.1f} % of the time<extra></extra>",
    })];
    let drawing = watts.iter().filter(|watts| **watts > 0).count();
    let grid = &run.figures.grid;
    let caption = format!(
        "The community draws from the supplier for {} of the time, up to {}, and feeds in up to {}.",
        text::or_none(Ratio::of(drawing as i128, count as i128), |part| format!(
            "{} %",
            text::fixed(part.ppm(), 10_000, 1)
        )),
        text::power(grid.peak_import_w),
        text::power(grid.peak_export_w),
    );
    let layout = layout(json!({
        "showlegend": false,
        "margin": {"l": 8, "r": 12, "t": 10, "b": 8},
        "hovermode": "x",
        "xaxis": axis("Part of the time, %", json!({"range": [0, 100]})),
        "yaxis": axis("Net import, kW", json!({"zeroline": true})),
    }));
    Chart {
        id: "duration",
        title: "Load duration",
        caption,
        room: Room::Half,
        picture: Picture::Drawn { data, layout },
    }
}
