//! Price and volume over the whole time.

use serde_json::json;

use super::super::{
    Run,
    chart::{Chart, Picture, Room, axis, layout, legend, steps, time_axis, with},
    stretch::{Course, Stretch, millionths},
    text,
};

pub(super) fn chart(run: &Run<'_>, course: &Course) -> Chart {
    let price = steps(course, "Price", "$ink", course.stretches.iter().map(|of| of.paid_micro().map(millionths)));
    let price = with(
        price,
        json!({"connectgaps": false, "legend": "legend", "hovertemplate": "Price %{y:.4f} per kWh<extra></extra>"}),
    );
    let end_s = course.from_s + course.stretches.len() as i64 * course.step_s;
    let tariff = |name: &str, micro: i64, colour: &str| {
        json!({
            "type": "scatter", "mode": "lines", "name": name, "legend": "legend",
            "x": [course.from_s * 1_000, end_s * 1_000], "y": [millionths(micro), millionths(micro)],
            "line": {"color": colour, "width": 1.5, "dash": "dash"}, "hoverinfo": "skip",
        })
    };
    let volume = |name: &str, colour: &str, wh: fn(&Stretch) -> u64| {
        let kw = course.stretches.iter().map(|of| Some(of.kw(wh(of))));
        with(
            steps(course, name, colour, kw),
            json!({
                "yaxis": "y2", "legend": "legend2", "stackgroup": "volume", "fillcolor": colour,
                "line": {"width": 0, "shape": "hv", "color": colour},
                "hovertemplate": format!("{name} %{{y:.2f}} kW<extra></extra>"),
            }),
        )
    };
    let tariffs = &run.scenario.tariffs;
    let data = vec![
        price,
        tariff("Retail", tariffs.retail.micro(), "$retail"),
        tariff("Feed-in", tariffs.feed_in.micro(), "$supply"),
        volume("Traded", "$traded", |of| of.sums.bought_wh),
        volume("From supplier", "$imported", |of| of.sums.imported_wh),
    ];
    let energy = &run.figures.energy;
    let trade = match run.figures.market.paid_micro_per_kwh {
        Some(micro) => format!(
            "{} are traded between neighbours, for {} per kWh on average, in {} of {}",
            text::energy(energy.traded_wh),
            text::price(micro),
            text::number(run.figures.market.intervals_with_trade as u64),
            text::counted(run.figures.intervals, "interval"),
        ),
        None => "Nothing is traded between neighbours".to_owned(),
    };
    let caption = format!(
        "{trade}; {} come from the supplier. A point is the mean of {}. On a wide screen, drag to look closer, and \
         double-click to go back.",
        text::energy(energy.market.imported_wh),
        course.step_text(),
    );
    let layout = layout(json!({
        "hovermode": "x unified",
        "dragmode": "zoom",
        "legend": legend(1.0),
        "legend2": legend(0.46),
        "xaxis": time_axis(json!({"anchor": "y2", "range": [course.from_s * 1_000, end_s * 1_000]})),
        "yaxis": axis("per kWh", json!({"domain": [0.58, 1], "rangemode": "tozero", "tickformat": ".2f", "nticks": 5})),
        "yaxis2": axis("kW", json!({"domain": [0, 0.45], "rangemode": "tozero", "nticks": 5})),
    }));
    Chart {
        id: "time",
        title: "Price and volume over time",
        caption,
        room: Room::Full,
        picture: Picture::Drawn { data, layout },
    }
}
