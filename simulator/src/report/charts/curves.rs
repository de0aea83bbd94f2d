//! Demand and supply of the interval in which most was traded.

use market::{
    inputs::MeteredMember,
    settlement::{PriceStep, curves},
};
use serde_json::{Value, json};

use super::super::{
    Run,
    chart::{Chart, Picture, Room, axis, layout},
    stretch::{evenly, millionths, thousandths},
    text,
};

/// Most steps of a curve: a community can have as many prices as members.
const STEPS_MAX: usize = 2_000;

pub(super) fn chart(run: &Run<'_>) -> Chart {
    let (caption, picture) = match run.busiest {
        None => (String::new(), Picture::Nothing("Nothing was traded, so no interval stands out.")),
        Some((at, members)) => drawn(run, at, members),
    };
    Chart { id: "curves", title: "Demand and supply where most was traded", caption, room: Room::Half, picture }
}

/// The curves of the interval of this number, of everyone's energy and bids in it.
fn drawn(run: &Run<'_>, at: usize, members: &[MeteredMember]) -> (String, Picture) {
    let (interval, row) = &run.intervals[at];
    let orders = curves(members, run.community.rules.at(at));
    let (demand, asked_wh) = line("Demand", "$demand", &orders.demand);
    let (supply, offered_wh) = line("Supply", "$supply", &orders.supply);
    let traded_wh = row.sums.bought_wh;
    let quantity = thousandths(traded_wh.into());
    let dotted = json!({"color": "$ink", "width": 1, "dash": "dot"});
    let right = traded_wh.saturating_mul(10) > asked_wh.max(offered_wh).saturating_mul(7);
    let mut data = vec![demand, supply];
    let mut shapes = vec![
        json!({"type": "line", "x0": quantity, "x1": quantity, "y0": 0, "y1": 1, "yref": "paper", "line": dotted}),
    ];
    let mut annotations = vec![json!({
        "x": quantity, "y": 0, "yref": "paper", "yanchor": "bottom", "yshift": 2, "showarrow": false,
        "text": format!("<b>{} kWh</b>", text::fixed(traded_wh, 1_000, 2)), "font": {"color": "$ink", "size": 13},
        "xanchor": if right { "right" } else { "left" }, "xshift": if right { -4 } else { 4 },
    })];
    let mut paid = String::new();
    if let Some(price) = row.price {
        let y = millionths(price.micro());
        shapes.push(json!({"type": "line", "x0": 0, "x1": quantity, "y0": y, "y1": y, "line": dotted}));
        data.push(json!({
            "type": "scatter", "mode": "markers", "name": "Price", "x": [quantity], "y": [y], "showlegend": false,
            "marker": {"size": 11, "color": "$ink", "line": {"color": "$card", "width": 2}}, "hovertemplate": HOVER,
        }));
        annotations.push(json!({
            "x": 0, "y": y, "xanchor": "left", "yanchor": "bottom", "xshift": 4, "showarrow": false,
            "text": format!("<b>{}</b>", text::price(price.micro())), "font": {"color": "$ink", "size": 13},
        }));
        paid = format!(" at {} per kWh", text::price(price.micro()));
    }
    let caption = format!(
        "In the interval from {}, {} kWh are asked for and {} kWh offered; {} kWh are traded{paid}.",
        interval.start_text(),
        text::fixed(asked_wh, 1_000, 2),
        text::fixed(offered_wh, 1_000, 2),
        text::fixed(traded_wh, 1_000, 2),
    );
    let layout = layout(json!({
        "hovermode": "closest",
        "shapes": shapes,
        "annotations": annotations,
        "xaxis": axis("Energy in the interval, kWh", json!({"rangemode": "tozero"})),
        "yaxis": axis("Limit price per kWh", json!({"rangemode": "tozero", "tickformat": ".2f"})),
    }));
    (caption, Picture::Drawn { data, layout })
}

const HOVER: &str = "%{x:.3f} kWh<br>%{y:.4f} per kWh<extra></extra>";

/// Orders added up in their order: the trace, and their energy in all, Wh.
fn line(name: &str, colour: &str, steps: &[PriceStep]) -> (Value, u64) {
    let mut sum = 0_u64;
    let ends: Vec<(u64, f64)> = steps
        .iter()
        .map(|step| {
            sum = sum.saturating_add(step.energy.wh());
            (sum, millionths(step.price.micro()))
        })
        .collect();
    let (mut x, mut y, mut from) = (Vec::new(), Vec::new(), 0);
    for place in evenly(ends.len(), STEPS_MAX) {
        let (to, price) = ends[place];
        x.extend([thousandths(from.into()), thousandths(to.into())]);
        y.extend([price, price]);
        from = to;
    }
    let trace = json!({
        "type": "scatter", "mode": "lines", "name": name, "x": x, "y": y, "line": {"color": colour, "width": 2.5},
        "hovertemplate": HOVER,
    });
    (trace, sum)
}
