//! What is drawn of an interval, as CSV.

use super::{
    super::view::{Bus, CurveStep, CurvesView},
    table::table,
};

/// The steps of its curves, and what was paid and received.
pub(crate) fn curves_csv(view: &CurvesView) -> Result<Vec<u8>, csv::Error> {
    let (demand, supply) = view.curves.as_ref().map_or((&[][..], &[][..]), |of| (&of.demand, &of.supply));
    let steps = [("demand", demand), ("supply", supply), ("paid", &view.paid), ("received", &view.received)];
    let rows = steps.into_iter().flat_map(|(curve, steps)| {
        let row =
            move |step: &CurveStep| vec![curve.to_owned(), step.price.to_string(), step.energy_wh.wh().to_string()];
        steps.iter().map(row)
    });
    table(&["curve", "price", "energy_wh"], rows)
}

/// The grid in it, a line a bus.
pub(crate) fn grid_csv(view: &CurvesView) -> Result<Vec<u8>, csv::Error> {
    let row = |bus: &Bus| {
        let line = bus.line.as_ref();
        vec![
            bus.bus.clone(),
            bus.price.map(|price| price.to_string()).unwrap_or_default(),
            line.map(|line| line.line.clone()).unwrap_or_default(),
            line.map(|line| line.flow_wh.to_string()).unwrap_or_default(),
            line.and_then(|line| line.traded_wh).map(|traded| traded.to_string()).unwrap_or_default(),
            line.map(|line| line.capacity_wh.to_string()).unwrap_or_default(),
        ]
    };
    table(&["bus", "price", "line", "flow_wh", "traded_wh", "capacity_wh"], view.grid.iter().map(row))
}
