//! Supply and demand of an interval as a picture that is drawn here: what a browser shows at once, in a few kilobytes,
//! until the library has come that draws all charts. Colours are those of the page's style, by day and by night; there
//! are no words in it, so that it is of every language.

use plotters::prelude::*;
use public_http::BASE_CSS;

use super::view::{CurveStep, CurveSteps};

const WIDTH: u32 = 480;
const HEIGHT: u32 = 340;
const LABEL_WIDTH: u32 = 44;
const LABEL_HEIGHT: u32 = 26;
const TEXT_SIZE: i32 = 12;
/// Least energy that the axis reaches to, Wh, and least price, millionths: an empty picture has axes, too.
const LEAST_WH: i64 = 100;
const LEAST_MICRO: i64 = 10_000;

/// Colours that the library draws with, each of which stands for one of the style: it knows no others.
const DEMAND: RGBColor = RGBColor(1, 0, 1);
const SUPPLY: RGBColor = RGBColor(1, 0, 2);
const TEXT: RGBColor = RGBColor(1, 0, 3);
const GRID: RGBColor = RGBColor(1, 0, 4);
const NAMES: [(&str, &str); 4] = [
    ("#010001", "var(--demand)"),
    ("#010002", "var(--supply)"),
    ("#010003", "var(--soft)"),
    ("#010004", "var(--grid)"),
];

type Failed = Box<dyn std::error::Error>;

/// The picture, an SVG that stands by itself; none if the library cannot draw it.
pub(super) fn draw(curves: &CurveSteps) -> Option<String> {
    let demand = stepped(&curves.demand, |a, b| b.cmp(&a));
    let supply = stepped(&curves.supply, |a, b| a.cmp(&b));
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        plot(&root, &demand, &supply).and_then(|()| root.present().map_err(Failed::from)).ok()?;
    }
    let named = NAMES.iter().fold(svg, |svg, (colour, name)| svg.replace(colour, name));
    Some(named.replacen('>', &format!("><style>{}</style>", style()), 1))
}

fn plot(
    root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    demand: &[(i64, i64)],
    supply: &[(i64, i64)],
) -> Result<(), Failed> {
    let points = || demand.iter().chain(supply);
    let widest = points().map(|(wh, _)| *wh).max().unwrap_or(0).max(LEAST_WH);
    let highest = points().map(|(_, micro)| *micro).max().unwrap_or(0).max(LEAST_MICRO);
    let lowest = points().map(|(_, micro)| *micro).min().unwrap_or(0).min(0);
    let mut chart = ChartBuilder::on(root)
        .margin(8)
        .x_label_area_size(LABEL_HEIGHT)
        .y_label_area_size(LABEL_WIDTH)
        .build_cartesian_2d(0..widest + widest / 20, lowest..highest + highest / 12)?;
    let energy_decimals = decimals(widest, 1_000, 1);
    let price_decimals = decimals(highest - lowest, 1_000_000, 2);
    let text = ("sans-serif", TEXT_SIZE).into_font().color(&TEXT);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(text)
        .x_labels(5)
        .y_labels(5)
        .x_label_formatter(&|wh| format!("{:.energy_decimals$}", *wh as f64 / 1_000.0))
        .y_label_formatter(&|micro| format!("{:.price_decimals$}", *micro as f64 / 1_000_000.0))
        .draw()?;
    for (curve, colour) in [(demand, DEMAND), (supply, SUPPLY)] {
        chart.draw_series([PathElement::new(curve.to_vec(), colour.stroke_width(3))])?;
    }
    Ok(())
}

/// So many decimals of `unit`, and no fewer than `least`, that the labels of an axis of this length differ: there are
/// at most ten of them.
fn decimals(length: i64, unit: i64, least: usize) -> usize {
    const MOST: usize = 6;
    let (mut decimals, mut scaled) = (0, length);
    while decimals < least || (scaled < 10 * unit && decimals < MOST) {
        (decimals, scaled) = (decimals + 1, scaled.saturating_mul(10));
    }
    decimals
}

/// Steps in an order of prices, added up: the corners of a stepped curve, Wh and millionths.
fn stepped(steps: &[CurveStep], order: impl Fn(i64, i64) -> std::cmp::Ordering) -> Vec<(i64, i64)> {
    let mut steps: Vec<(i64, i64)> = steps
        .iter()
        .map(|step| (step.price.micro(), i64::try_from(step.energy_wh.wh()).unwrap_or(i64::MAX / 8)))
        .collect();
    steps.sort_by(|(a, _), (b, _)| order(*a, *b));
    let mut from = 0_i64;
    let corners = steps.into_iter().flat_map(|(micro, wh)| {
        let to = from.saturating_add(wh);
        [(std::mem::replace(&mut from, to), micro), (to, micro)]
    });
    corners.collect()
}

/// The colours by name, by day and by night, as the page's style has them.
fn style() -> String {
    let blocks = BASE_CSS.split(":root {").skip(1);
    let of = |block: &str| {
        let declared = block.split('}').next().unwrap_or_default().split(';').map(str::trim);
        let wanted = declared.filter(|line| NAMES.iter().any(|(_, name)| line.starts_with(&name[4..name.len() - 1])));
        format!(":root{{{}}}", wanted.collect::<Vec<_>>().join(";"))
    };
    let schemes: Vec<String> = blocks.take(2).map(of).collect();
    match schemes.as_slice() {
        [day, night] => format!("{day}@media (prefers-color-scheme:dark){{{night}}}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use protocol::energy::Energy;

    use super::*;

    fn step(price: &str, wh: u64) -> CurveStep {
        CurveStep { price: price.parse().unwrap(), energy_wh: Energy::from_wh(wh) }
    }

    #[test]
    fn the_steps_of_demand_go_down_and_those_of_supply_up() {
        let steps = [step("0.2", 300), step("0.3", 100)];
        let demand = stepped(&steps, |a, b| b.cmp(&a));
        assert_eq!(demand, [(0, 300_000), (100, 300_000), (100, 200_000), (400, 200_000)]);
        let supply = stepped(&steps, |a, b| a.cmp(&b));
        assert_eq!(supply, [(0, 200_000), (300, 200_000), (300, 300_000), (400, 300_000)]);
    }

    #[test]
    fn the_labels_of_an_axis_differ_however_little_there_is() {
        for (wh, expected) in [(100, 2), (999, 2), (1_000, 1), (1_000_000, 1)] {
            assert_eq!(decimals(wh, 1_000, 1), expected, "{wh}");
        }
        assert_eq!([10_000, 99_999, 100_000].map(|micro| decimals(micro, 1_000_000, 2)), [3, 3, 2]);
        let little = CurveSteps { demand: vec![step("0.3", 100)], supply: vec![step("0.1", 60)] };
        let svg = draw(&little).unwrap();
        let labels = svg.split("<text").skip(1).filter_map(|text| text.split(['>', '<']).nth(1)).map(str::trim);
        let labels: Vec<&str> = labels.collect();
        assert!(labels.len() > 4 && labels.iter().all(|label| label.len() == "0.00".len()), "{labels:?}");
    }

    #[test]
    fn both_curves_are_drawn_in_the_colours_of_the_page_and_none_in_another() {
        let curves = CurveSteps { demand: vec![step("0.3", 100), step("0.2", 300)], supply: vec![step("0.1", 1_000)] };
        let svg = draw(&curves).unwrap();
        for name in ["demand", "supply"] {
            assert_eq!(svg.matches(&format!("stroke=\"var(--{name})\"")).count(), 1, "{svg}");
            assert_eq!(svg.matches(&format!("--{name}: #")).count(), 2, "by day and by night: {svg}");
        }
        assert!(!svg.contains("#0100") && svg.contains("0.30") && svg.len() < 10_000, "{svg}");
        assert!(draw(&CurveSteps::default()).is_some(), "axes are there without a curve");
    }
}
