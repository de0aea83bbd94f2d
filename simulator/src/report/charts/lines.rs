//! How heavily the lines and the transformer are loaded at their peaks.

use serde_json::json;

use super::super::{
    Run,
    chart::{Chart, Picture, Room, axis, layout},
    text,
};
use crate::offline::figures::LinePeak;

/// As many bars as are read at a glance; the table has them all.
const BARS_MAX: usize = 20;
/// From here on a line is nearly full, and full, in millionths.
const NEARLY: i64 = 800_000;
const FULL: i64 = 1_000_000;

pub(super) fn chart(run: &Run<'_>) -> Chart {
    let loaded = by_loading(&run.figures.grid.lines);
    let shown = &loaded[..loaded.len().min(BARS_MAX)];
    let ppm = |line: &&LinePeak| line.loading.map_or(0, |loading| loading.ppm());
    let colour = |line: &&LinePeak| match ppm(line) {
        FULL.. => "$bad",
        NEARLY.. => "$nearly",
        _ => "$traded",
    };
    let loading: Vec<f64> = shown.iter().map(|line| (ppm(line) / 100) as f64 / 100.0).collect();
    let names: Vec<String> = shown.iter().map(|line| text::plain(&line.line)).collect();
    let data = vec![json!({
        "type": "bar", "orientation": "h", "x": loading,
        "y": (0..shown.len()).collect::<Vec<_>>(), "customdata": names,
        "marker": {"color": shown.iter().map(colour).collect::<Vec<_>>(), "line": {"width": 0}},
        "text": shown.iter().map(|line| format!("{} %", text::fixed(ppm(line), 10_000, 1))).collect::<Vec<_>>(),
        "textposition": "outside", "textfont": {"color": "$ink", "size": 11}, "constraintext": "none",
        "cliponaxis": false,
        "hovertemplate": "%{customdata}: %{x:.2f} % of its rating<extra></extra>",
    })];
    let over = |least: i64| loaded.iter().filter(|line| ppm(line) >= least).count();
    let most = loaded.first().map_or_else(String::new, |line| {
        format!("{} is loaded most, {} of its rating. ", line.line, text::or_none(line.loading, text::percent))
    });
    let lines = match loaded.len() {
        1 => "1 line".to_owned(),
        count => format!("{} lines, the transformer included", text::number(count as u64)),
    };
    let reach = match (over(NEARLY), over(FULL)) {
        (0, _) => format!("Of {lines}, none reaches 80 %."),
        (nearly, full) => format!(
            "Of {lines}, {} reach 80 %, and {} of them 100 %.",
            text::number(nearly as u64),
            text::number(full as u64)
        ),
    };
    let drawn = if loaded.len() > shown.len() { " Drawn are the 20 loaded most." } else { "" };
    let caption = format!("{most}{reach}{drawn}");
    let most = loading.first().copied().unwrap_or(0.0);
    let layout = layout(json!({
        "showlegend": false,
        "margin": {"l": 8, "r": 12, "t": 10, "b": 8},
        "bargap": 0.35,
        // Room for the text behind the longest.
        "xaxis": axis("Peak loading, % of the rating", json!({"range": [0, most * 1.18 + 0.01]})),
        "yaxis": axis("", json!({
            "range": [shown.len() as f64 - 0.5, -0.5], "showgrid": false,
            "tickvals": (0..shown.len()).collect::<Vec<_>>(), "ticktext": names,
        })),
    }));
    Chart {
        id: "lines",
        title: "Lines at their peaks",
        caption,
        room: Room::Rows(shown.len()),
        picture: Picture::Drawn { data, layout },
    }
}

/// The most heavily loaded first.
pub(in crate::report) fn by_loading(lines: &[LinePeak]) -> Vec<&LinePeak> {
    let mut loaded: Vec<&LinePeak> = lines.iter().collect();
    loaded.sort_by_key(|line| std::cmp::Reverse(line.loading));
    loaded
}
