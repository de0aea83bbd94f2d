//! The mean of all days, by time of day.

use serde_json::{Value, json};

use super::super::{
    Run,
    chart::{Chart, Picture, Room, axis, day_axis, layout, steps, with},
    stretch::{Stretch, mean_day},
    text,
};

pub(super) fn chart(run: &Run<'_>) -> Chart {
    let day = mean_day(run.intervals);
    let line = |name: &str, colour: &str, wh: fn(&Stretch) -> u64| -> Value {
        let kw = day.stretches.iter().map(|stretch| Some(stretch.kw(wh(stretch))));
        let hover = json!({"hovertemplate": format!("{name} %{{y:.2f}} kW<extra></extra>")});
        with(steps(&day, name, colour, kw), hover)
    };
    let mut traded = line("Traded", "$traded", |of| of.sums.bought_wh);
    traded = with(traded, json!({"fill": "tozeroy", "fillcolor": "$traded-soft"}));
    let data = vec![
        traded,
        line("Consumption", "$demand", |of| of.sums.consumption_wh),
        line("Production", "$supply", |of| of.sums.production_wh),
        with(line("Import", "$imported", |of| of.sums.imported_wh), json!({"line": dotted("$imported")})),
        with(line("Export", "$exported", |of| of.sums.exported_wh), json!({"line": dotted("$exported")})),
    ];
    let most = |wh: fn(&Stretch) -> u64| {
        let peak = day.stretches.iter().enumerate().map(|(place, of)| (of.kw(wh(of)), place));
        let (kw, place) = peak.fold((0.0, 0), |most, next| if next.0 > most.0 { next } else { most });
        let minute = (day.from_s + place as i64 * day.step_s) / 60;
        (text::power((kw * 1e3) as i128), format!("{:02}:{:02}", minute / 60, minute % 60))
    };
    let (used, used_at) = most(|of| of.sums.consumption_wh);
    let made = match run.figures.energy.production_wh {
        0 => "nothing is produced".to_owned(),
        _ => {
            let (made, at) = most(|of| of.sums.production_wh);
            format!("production at {at}, {made}")
        }
    };
    let trade = match run.figures.energy.traded_wh {
        0 => "Nothing is traded.".to_owned(),
        _ => {
            let (traded, at) = most(|of| of.sums.bought_wh);
            format!("Most is traded at {at}, {traded}.")
        }
    };
    let caption = format!(
        "Mean power; import and export are with the supplier. Consumption is highest at {used_at} UTC, {used}; {made}. \
         {trade}"
    );
    let layout = layout(json!({
        "hovermode": "x unified",
        "xaxis": day_axis(json!({})),
        "yaxis": axis("kW", json!({"rangemode": "tozero"})),
    }));
    Chart { id: "day", title: "An average day", caption, room: Room::Half, picture: Picture::Drawn { data, layout } }
}

fn dotted(colour: &str) -> Value {
    json!({"color": colour, "width": 2, "shape": "hv", "dash": "dot"})
}
