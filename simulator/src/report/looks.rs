//! How the lines of several runs are told apart.

use serde_json::{Value, json};

/// The colours, again from the first on after the last.
pub(super) const COLOURS: [&str; 5] = ["$demand", "$supply", "$traded", "$battery", "$retail"];
const DASHES: [&str; 3] = ["solid", "dash", "dot"];

/// How the line of this place looks: no two of fifteen alike. `shape` says how it leads from point to point.
pub(super) fn line(place: usize, shape: &str) -> Value {
    let dash = DASHES[place / COLOURS.len() % DASHES.len()];
    json!({"color": COLOURS[place % COLOURS.len()], "width": 2, "shape": shape, "dash": dash})
}
