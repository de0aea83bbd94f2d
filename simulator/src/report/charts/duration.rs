//! The load duration curve: for which part of the time the community draws at least how much.

use serde_json::json;

use super::super::{
    Run,
    chart::{Chart, Picture, Room, axis, layout},
    load::Load,
    text,
};
use crate::offline::figures::Ratio;

pub(super) fn chart(run: &Run<'_>) -> Chart {
    let load = Load::of(run.intervals);
    let (x, y) = load.points();
    let data = vec![json!({
        "type": "scatter", "mode": "lines", "name": "Net import",
        "x": x, "y": y,
        "line": {"color": "$demand", "width": 2}, "fill": "tozeroy", "fillcolor": "$demand-soft",
        "hovertemplate": "At least %{y:.2f} kW for %{x:.1f} % of the time<extra></extra>",
    })];
    let (count, drawing) = load.drawing();
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
