//! A chart: what it says in words, and what plotly.js draws of it. A colour is `$` and the name of one in the page's
//! style, so that it follows light and dark; the page's script looks it up.

use serde_json::{Value, json};

use super::stretch::Course;

/// A chart of the report.
#[derive(Debug)]
pub(super) struct Chart {
    /// Its name in the page.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What it comes to, in a sentence with the main numbers: who reads it needs no picture.
    pub(super) caption: String,
    /// How much room it has.
    pub(super) room: Room,
    pub(super) picture: Picture,
}

/// How much room a chart has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// Half of a wide screen.
    Half,
    /// All of it.
    Full,
    /// All of it, and so many rows of bars.
    Rows(usize),
}

/// What is drawn.
#[derive(Debug)]
pub(super) enum Picture {
    /// Traces and layout, as plotly.js takes them.
    Drawn { data: Vec<Value>, layout: Value },
    /// Nothing, and why.
    Nothing(&'static str),
}

impl Chart {
    /// What the page's script draws, if anything.
    pub(super) fn json(&self) -> Option<Value> {
        match &self.picture {
            Picture::Drawn { data, layout } => Some(json!({"id": self.id, "data": data, "layout": layout})),
            Picture::Nothing(_) => None,
        }
    }
}

/// `base` with the keys of `more` added or replaced.
pub(super) fn with(mut base: Value, more: Value) -> Value {
    if let (Value::Object(base), Value::Object(more)) = (&mut base, more) {
        base.extend(more);
    }
    base
}

/// What all charts look like, and `more`.
pub(super) fn layout(more: Value) -> Value {
    let base = json!({
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 12, "color": "$soft"},
        "hoverlabel": {
            "bgcolor": "$card", "bordercolor": "$line", "font": {"family": FONT, "size": 12, "color": "$ink"},
        },
        "legend": legend(1.0),
        "margin": {"l": 8, "r": 12, "t": 26, "b": 8},
        "dragmode": false,
        "showlegend": true,
    });
    with(base, more)
}

const FONT: &str = "system-ui, -apple-system, \"Segoe UI\", Roboto, \"Liberation Sans\", sans-serif";

/// A legend in a row above what begins below `y`.
pub(super) fn legend(y: f64) -> Value {
    json!({
        "orientation": "h", "x": 0, "xanchor": "left", "y": y, "yanchor": "bottom",
        "font": {"size": 12, "color": "$ink"},
    })
}

pub(super) fn axis(title: &str, more: Value) -> Value {
    let titled = match title.is_empty() {
        true => json!({}),
        false => json!({"title": {"text": title, "font": {"size": 12}, "standoff": 8}}),
    };
    let base = json!({
        "gridcolor": "$grid",
        "linecolor": "$line",
        "zeroline": false,
        "zerolinecolor": "$faint",
        "fixedrange": true,
        "automargin": true,
        "separatethousands": true,
    });
    with(with(titled, base), more)
}

/// The axis of a whole course, along which one may zoom.
pub(super) fn time_axis(more: Value) -> Value {
    let base = json!({
        "type": "date", "fixedrange": false, "nticks": 8, "tickangle": 0, "hoverformat": "%Y-%m-%d %H:%M UTC",
        "tickformatstops": [
            {"dtickrange": [null, 86_399_999], "value": "%H:%M\n%Y-%m-%d"},
            {"dtickrange": [86_400_000, 2_678_399_999_u64], "value": "%m-%d\n%Y"},
            {"dtickrange": [2_678_400_000_u64, null], "value": "%Y-%m"},
        ],
    });
    axis("", with(base, more))
}

/// The axis of a day.
pub(super) fn day_axis(more: Value) -> Value {
    let base = json!({
        "type": "date", "tickformat": "%H:%M", "hoverformat": "%H:%M UTC", "range": [0, 86_400_000],
        "dtick": 14_400_000, "tick0": 0, "tickangle": 0,
    });
    axis("Time of day, UTC", with(base, more))
}

/// A stepped line through values of the stretches of a course, each of which holds until the next.
pub(super) fn steps(course: &Course, name: &str, colour: &str, values: impl Iterator<Item = Option<f64>>) -> Value {
    let mut values: Vec<Option<f64>> = values.collect();
    if let Some(last) = values.last().copied() {
        values.push(last);
    }
    json!({
        "type": "scatter", "mode": "lines", "name": name, "y": values,
        "x0": course.from_s * 1_000, "dx": course.step_s * 1_000,
        "line": {"color": colour, "width": 2, "shape": "hv"},
    })
}
