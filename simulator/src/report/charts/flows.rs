//! Where the energy comes from and where it goes.

use serde_json::json;

use super::super::{
    Run,
    chart::{Chart, Picture, Room, layout},
    text::EnergyUnit,
};
use crate::offline::figures::EnergyFigures;

/// What stands at the ends of flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Roofs,
    Neighbours,
    FromSupplier,
    Battery,
    /// What goes into homes and comes out of them, where it is not known which part goes where.
    Homes,
    Use,
    ToSupplier,
    Kept,
}

const ENDS: [(End, &str, &str); 8] = [
    (End::Roofs, "Roofs", "$supply"),
    (End::Neighbours, "Neighbours", "$traded"),
    (End::FromSupplier, "From supplier", "$imported"),
    (End::Battery, "Batteries", "$battery"),
    (End::Homes, "Homes", "$faint"),
    (End::Use, "Consumption", "$demand"),
    (End::ToSupplier, "To supplier", "$exported"),
    (End::Kept, "Lost or kept", "$faint"),
];

pub(super) fn chart(run: &Run<'_>) -> Chart {
    let energy = &run.figures.energy;
    // One unit for all, so that they can be compared.
    let unit = EnergyUnit::of(i128::from(energy.consumption_wh.max(energy.production_wh)));
    let energy_text = |wh: u64| format!("{} {}", unit.text(wh.into()), unit.name);
    let flows: Vec<(End, End, u64)> = match run.community.follows_prices() {
        // Batteries that follow prices also take from the grid and give to it: the sums do not say whose it was.
        true => through_homes(energy),
        false => from_roofs(energy),
    };
    let flows: Vec<(End, End, u64)> = flows.into_iter().filter(|(_, _, wh)| *wh > 0).collect();
    let used: Vec<(End, &str, &str)> =
        ENDS.into_iter().filter(|(end, ..)| flows.iter().any(|(from, to, _)| from == end || to == end)).collect();
    let place = |end: End| used.iter().position(|(known, ..)| *known == end);
    let through = |end: End| {
        let sum = |side: fn(&(End, End, u64)) -> End| -> u64 {
            flows.iter().filter(|flow| side(flow) == end).map(|(_, _, wh)| wh).sum()
        };
        sum(|flow| flow.0).max(sum(|flow| flow.1))
    };
    let label = |(end, name, _): &(End, &str, &str)| format!("{name}<br>{}", energy_text(through(*end)));
    let colour_of = |end: End| ENDS.into_iter().find(|(known, ..)| *known == end).map_or("$faint", |(_, _, of)| of);
    let data = vec![json!({
        "type": "sankey",
        "arrangement": "snap",
        "valueformat": ".1f",
        "valuesuffix": " kWh",
        "textfont": {"color": "$ink", "size": 12, "shadow": "none"},
        "node": {
            "label": used.iter().map(label).collect::<Vec<_>>(),
            "color": used.iter().map(|(_, _, colour)| *colour).collect::<Vec<_>>(),
            "line": {"width": 0}, "pad": 22, "thickness": 14, "hoverinfo": "none",
        },
        "link": {
            "source": flows.iter().map(|(from, ..)| place(*from)).collect::<Vec<_>>(),
            "target": flows.iter().map(|(_, to, _)| place(*to)).collect::<Vec<_>>(),
            "value": flows.iter().map(|(_, _, wh)| *wh as f64 / 1e3).collect::<Vec<_>>(),
            "color": flows.iter().map(|(from, ..)| format!("{}-soft", colour_of(*from))).collect::<Vec<_>>(),
            "hovertemplate": "%{value:,.1f} kWh<extra></extra>",
        },
    })];
    let used = format!(
        "Homes use {}. {} pass between neighbours, and {} come from the supplier.",
        energy_text(energy.consumption_wh),
        energy_text(energy.traded_wh),
        energy_text(energy.market.imported_wh),
    );
    let made = match energy.production_wh {
        0 => "Nothing is produced.".to_owned(),
        made => {
            let fed_in = energy_text(energy.market.exported_wh);
            format!("Roofs make {}; {fed_in} go to the supplier.", energy_text(made))
        }
    };
    let caption = format!("{used} {made}");
    let picture = match flows.is_empty() {
        true => Picture::Nothing("No energy flows."),
        false => Picture::Drawn {
            data,
            layout: layout(json!({"showlegend": false, "margin": {"l": 4, "r": 4, "t": 10, "b": 14}})),
        },
    };
    Chart { id: "flows", title: "Where the energy goes", caption, room: Room::Half, picture }
}

/// Where batteries only take what a home has to spare, and only give what it lacks: each flow is exact.
fn from_roofs(energy: &EnergyFigures) -> Vec<(End, End, u64)> {
    let EnergyFigures { consumption_wh, production_wh, charged_wh, discharged_wh, traded_wh, market, .. } = energy;
    let own = production_wh.saturating_sub(charged_wh + traded_wh + market.exported_wh);
    vec![
        (End::Roofs, End::Use, own),
        (End::Roofs, End::Battery, *charged_wh),
        (End::Roofs, End::Neighbours, *traded_wh),
        (End::Roofs, End::ToSupplier, market.exported_wh),
        (End::Battery, End::Use, *discharged_wh),
        (End::Battery, End::Kept, charged_wh.saturating_sub(*discharged_wh)),
        (End::Neighbours, End::Use, *traded_wh),
        (End::FromSupplier, End::Use, market.imported_wh.min(*consumption_wh)),
    ]
}

/// What goes into all homes, and what comes out.
fn through_homes(energy: &EnergyFigures) -> Vec<(End, End, u64)> {
    let EnergyFigures { consumption_wh, production_wh, charged_wh, discharged_wh, market, .. } = energy;
    let kept = charged_wh.saturating_sub(*discharged_wh);
    vec![
        (End::Roofs, End::Homes, *production_wh),
        (End::FromSupplier, End::Homes, market.imported_wh),
        (End::Homes, End::Use, *consumption_wh),
        (End::Homes, End::ToSupplier, market.exported_wh),
        (End::Homes, End::Kept, kept),
    ]
}
