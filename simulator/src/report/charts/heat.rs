//! Two maps: the hours of the day by months, or by days where the time is short.

use std::collections::BTreeMap;

use protocol::interval::utc_text;
use serde_json::json;

use super::super::{
    Run,
    chart::{Chart, Picture, Room, axis, layout},
    stretch::{DAY_S, Stretch, grouped, millionths},
    text,
};
use crate::offline::figures::Ratio;

/// Up to this many days are rows of their own.
const DAYS_MAX: i64 = 92;
/// Up to this many are rows of months: 400 of them.
const MONTHS_MAX: i64 = 400 * 30;
const HOURS: i64 = 24;

type Cells = BTreeMap<(String, i64), Stretch>;

pub(super) fn charts(run: &Run<'_>) -> [Chart; 2] {
    // As many letters of the date as a row is named by.
    let days = run.days();
    let (row, letters) = match (days <= DAYS_MAX, days <= MONTHS_MAX) {
        (true, _) => ("day", 10),
        (false, true) => ("month", 7),
        (false, false) => ("year", 4),
    };
    let named = |start_s: i64| utc_text(start_s).get(..letters).unwrap_or_default().to_owned();
    let cells = grouped(run.intervals, |start_s| (named(start_s), hour(start_s)));
    [prices(&cells, row), sufficiency(run, &cells, row)]
}

fn hour(start_s: i64) -> i64 {
    start_s.rem_euclid(DAY_S) * HOURS / DAY_S
}

fn prices(cells: &Cells, row: &str) -> Chart {
    let (id, title) = ("price-map", "Prices by hour");
    let paid = || cells.iter().filter_map(|((row, hour), of)| Some((of.paid_micro()?, row, *hour)));
    let (Some(least), Some(most)) = (paid().min_by_key(|found| found.0), paid().max_by_key(|found| found.0)) else {
        let picture = Picture::Nothing("Nothing was traded, so there is no price.");
        return Chart { id, title, caption: String::new(), room: Room::Half, picture };
    };
    let found = |(micro, row, hour): (i64, &String, i64)| format!("{} ({row}, {hour:02}:00)", text::price(micro));
    let caption = format!(
        "What buyers paid for a kWh on average, by {row} and hour (UTC): least {}, most {}. Blank where nothing was \
         traded.",
        found(least),
        found(most),
    );
    let look = Look { unit: "per kWh", format: ".4f", ticks: ".2f", of: "price", most: None };
    let picture = map(cells, &|of| of.paid_micro().map(millionths), &look);
    Chart { id, title, caption, room: Room::Half, picture }
}

/// Part of the consumption that is made here.
fn made_here(of: &Stretch) -> Option<Ratio> {
    let made_here = i128::from(of.sums.consumption_wh) - i128::from(of.sums.imported_wh);
    Ratio::of(made_here, of.sums.consumption_wh)
}

fn sufficiency(run: &Run<'_>, cells: &Cells, row: &str) -> Chart {
    let (id, title) = ("self-map", "Self-sufficiency by hour");
    let hours = grouped(run.intervals, hour);
    let found = || hours.iter().filter_map(|(hour, of)| Some((made_here(of)?.ppm(), *hour)));
    let (Some((low, low_hour)), Some((high, high_hour))) = (found().min(), found().max()) else {
        let picture = Picture::Nothing("Nothing was consumed.");
        return Chart { id, title, caption: String::new(), room: Room::Half, picture };
    };
    let percent = |ppm: i64| format!("{} %", text::fixed(ppm, 10_000, 1));
    let extremes = match low == high {
        true => format!("{} at every hour", percent(low)),
        false => {
            format!("least at {low_hour:02}:00, {}, and most at {high_hour:02}:00, {}", percent(low), percent(high))
        }
    };
    let below = if low < 0 { " It is below 0 where batteries are charged from the supplier." } else { "" };
    let caption = format!(
        "The part of the consumption that is made here, by {row} and hour (UTC): over the whole time {extremes}.{below}"
    );
    let look = Look { unit: "%", format: ".1f", ticks: "d", of: "self", most: Some(100) };
    let picture = map(cells, &|of| made_here(of).map(|part| millionths(part.ppm() * 100)), &look);
    Chart { id, title, caption, room: Room::Half, picture }
}

/// What a map's numbers are.
struct Look {
    unit: &'static str,
    format: &'static str,
    /// How numbers of the scale are written.
    ticks: &'static str,
    /// Which colours, by the first part of their names.
    of: &'static str,
    /// The end of its scale, which begins at 0; without, both are those of the numbers.
    most: Option<u32>,
}

fn map(cells: &Cells, value: &dyn Fn(&Stretch) -> Option<f64>, look: &Look) -> Picture {
    let mut rows: Vec<&String> = cells.keys().map(|(row, _)| row).collect();
    rows.dedup();
    let cell = |row: &String, hour: i64| cells.get(&(row.clone(), hour)).and_then(value);
    let z: Vec<Vec<Option<f64>>> = rows.iter().map(|row| (0..HOURS).map(|hour| cell(row, hour)).collect()).collect();
    let Look { unit, format, ticks, of, most } = look;
    let data = vec![json!({
        "type": "heatmap",
        "x": (0..HOURS).map(|hour| format!("{hour:02}:00")).collect::<Vec<_>>(),
        "y": rows,
        "z": z,
        "zmin": most.map(|_| 0),
        "zmax": most,
        "xgap": 1,
        "ygap": 1,
        "hoverongaps": false,
        "colorscale": [[0, format!("${of}-low")], [1, format!("${of}-high")]],
        "colorbar": {
            "orientation": "h", "x": 0, "xanchor": "left", "xpad": 0, "y": 1, "yanchor": "bottom", "ypad": 6, "len": 0.6,
            "thickness": 9, "outlinewidth": 0, "nticks": 4, "tickangle": 0, "tickformat": ticks,
            "title": {"text": unit, "side": "right", "font": {"size": 12}},
        },
        "hovertemplate": format!("%{{y}}, %{{x}} UTC<br>%{{z:{format}}} {unit}<extra></extra>"),
    })];
    let layout = layout(json!({
        "showlegend": false,
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "xaxis": axis("Hour, UTC", json!({
            "type": "category", "showgrid": false, "tickangle": 0, "tickvals": [0, 6, 12, 18],
        })),
        "yaxis": axis("", json!({"type": "category", "autorange": "reversed", "showgrid": false, "nticks": 14})),
    }));
    Picture::Drawn { data, layout }
}
