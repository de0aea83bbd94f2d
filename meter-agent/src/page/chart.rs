//! A day as a picture: what was drawn and fed in by interval, and the price. An SVG whose colours are those of the
//! page's style, by day and by night.

use plotters::{coord::ranged1d::ValueFormatter, prelude::*};

use super::{day::Day, format::Format};

const ENERGY_HEIGHT: u32 = 240;
const PRICE_HEIGHT: u32 = 120;
const LABEL_WIDTH: u32 = 60;
const LABEL_HEIGHT: u32 = 24;
/// Least height of the energy's axis, Wh: an empty day has one, too.
const LEAST_WH: i64 = 100;

/// Colours that the library draws with, each of which stands for one of the style: it knows no others.
const ROOF: RGBColor = RGBColor(1, 0, 1);
const NEIGHBOURS: RGBColor = RGBColor(1, 0, 2);
const SUPPLIER: RGBColor = RGBColor(1, 0, 3);
const PRICE: RGBColor = RGBColor(1, 0, 4);
const TEXT: RGBColor = RGBColor(1, 0, 5);
const GRID: RGBColor = RGBColor(1, 0, 6);
const STYLE: [(&str, &str); 6] = [
    ("#010001", "var(--roof)"),
    ("#010002", "var(--neighbours)"),
    ("#010003", "var(--supplier)"),
    ("#010004", "var(--price)"),
    ("#010005", "var(--soft)"),
    ("#010006", "var(--line)"),
];

type Failed = Box<dyn std::error::Error>;

/// On which screen: letters are as large on both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breadth {
    /// A phone.
    Narrow,
    /// Anything else.
    Wide,
}

impl Breadth {
    pub(super) const BOTH: [Breadth; 2] = [Breadth::Narrow, Breadth::Wide];

    fn width(self) -> u32 {
        match self {
            Breadth::Narrow => 360,
            Breadth::Wide => 720,
        }
    }

    /// Between two marks of the clock, s.
    fn marks_s(self) -> i64 {
        match self {
            Breadth::Narrow => 6 * 3_600,
            Breadth::Wide => 3 * 3_600,
        }
    }

    /// How the style knows it.
    fn class(self) -> &'static str {
        match self {
            Breadth::Narrow => "narrow",
            Breadth::Wide => "wide",
        }
    }
}

/// Energy by interval: above the line what was drawn, below it what was fed in.
pub(super) fn energy(day: &Day, format: &Format<'_>, breadth: Breadth) -> Option<String> {
    let mut bars = Vec::new();
    let (mut most, mut least) = (LEAST_WH, 0);
    for line in &day.lines {
        let span = (line.interval.start_s() - day.begins_s, line.interval.end_s() - day.begins_s);
        let own = day.own_roof.get(&line.interval).copied().unwrap_or(0);
        let mut stack = |parts: [(u64, RGBColor); 3], sign: i64| {
            let mut from = 0;
            for (wh, colour) in parts.into_iter().filter(|(wh, _)| *wh > 0) {
                let to = from + sign * i64::try_from(wh).unwrap_or(i64::MAX / 8);
                bars.push((span, from, to, colour));
                from = to;
            }
            (most, least) = (most.max(from), least.min(from));
        };
        stack([(own, ROOF), (line.bought_wh, NEIGHBOURS), (line.imported_wh, SUPPLIER)], 1);
        stack([(line.sold_wh, NEIGHBOURS), (line.exported_wh, SUPPLIER), (0, ROOF)], -1);
    }
    let range = least + least / 12..most + most / 12;
    let label = |wh: &i64| format.energy_short(*wh);
    svg((breadth, ENERGY_HEIGHT), |root| {
        let mut chart = ChartBuilder::on(root)
            .margin(6)
            .margin_right(24)
            .x_label_area_size(LABEL_HEIGHT)
            .y_label_area_size(LABEL_WIDTH)
            .build_cartesian_2d(hours(day, breadth), range)?;
        let text = ("sans-serif", 13).into_font().color(&TEXT);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style(text)
            .y_labels(5)
            .x_label_formatter(&|at_s| format.time(day.begins_s + at_s))
            .y_label_formatter(&label)
            .draw()?;
        let bars = bars.into_iter().map(|((start, end), from, to, colour)| {
            let gap = (end - start) / 12;
            Rectangle::new([(start + gap, from), (end - gap, to)], colour.filled())
        });
        chart.draw_series(bars)?;
        chart.draw_series([PathElement::new([(0, 0), (day.ends_s - day.begins_s, 0)], TEXT)])?;
        Ok(())
    })
}

/// The price by interval, in millionths; none where nothing was traded at one.
pub(super) fn price(day: &Day, format: &Format<'_>, breadth: Breadth) -> Option<String> {
    let prices: Vec<(i64, i64, i64)> = day
        .lines
        .iter()
        .filter_map(|line| {
            let at = |at_s: i64| at_s - day.begins_s;
            Some((at(line.interval.start_s()), at(line.interval.end_s()), line.price?.micro()))
        })
        .collect();
    let (least, most) = prices.iter().map(|(_, _, micro)| *micro).fold(None, |range: Option<(i64, i64)>, micro| {
        Some(range.map_or((micro, micro), |(least, most)| (least.min(micro), most.max(micro))))
    })?;
    let room = ((most - least) / 8).max(5_000);
    svg((breadth, PRICE_HEIGHT), |root| {
        let mut chart = ChartBuilder::on(root)
            .margin(6)
            .margin_right(24)
            .x_label_area_size(LABEL_HEIGHT)
            .y_label_area_size(LABEL_WIDTH)
            .build_cartesian_2d(hours(day, breadth), least - room..most + room)?;
        let text = ("sans-serif", 13).into_font().color(&TEXT);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style(text)
            .y_labels(3)
            .x_label_formatter(&|at_s| format.time(day.begins_s + at_s))
            .y_label_formatter(&|micro| format.price_short(*micro))
            .draw()?;
        let steps = prices
            .iter()
            .map(|(start, end, micro)| PathElement::new([(*start, *micro), (*end, *micro)], PRICE.stroke_width(3)));
        chart.draw_series(steps)?;
        Ok(())
    })
}

fn hours(day: &Day, breadth: Breadth) -> impl Ranged<ValueType = i64> + ValueFormatter<i64> + use<> {
    let length_s = day.ends_s - day.begins_s;
    let marks: Vec<i64> = (0..=length_s / breadth.marks_s()).map(|mark| mark * breadth.marks_s()).collect();
    (0..length_s).with_key_points(marks)
}

/// What is drawn, as SVG; none if the library cannot draw it.
fn svg(
    (breadth, height): (Breadth, u32),
    draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, plotters::coord::Shift>) -> Result<(), Failed>,
) -> Option<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (breadth.width(), height)).into_drawing_area();
        draw(&root).and_then(|()| root.present().map_err(Failed::from)).ok()?;
    }
    let styled = STYLE.iter().fold(svg, |svg, (colour, style)| svg.replace(colour, style));
    // Beside text that says the same, it is an ornament.
    let class = breadth.class();
    Some(styled.replacen("<svg ", &format!("<svg class=\"{class}\" aria-hidden=\"true\" focusable=\"false\" "), 1))
}

#[cfg(test)]
mod tests {
    use household::local_time::LocalTime;
    use jiff::civil::date;

    use super::{
        super::{
            day::{bounds_s, tests::line},
            words::Language,
        },
        *,
    };

    #[test]
    fn every_part_of_an_interval_is_drawn_in_its_colour_and_none_in_another() {
        let local = LocalTime::default();
        let format = Format { words: Language::English.words(), currency: "EUR", local: &local };
        let (begins_s, ends_s) = bounds_s(&local, date(2026, 6, 1));
        let lines = vec![
            line("2026-06-01T00:00:00Z", [100, 0, 50, 0]),
            line("2026-06-01T12:00:00Z", [0, 300, 0, 40]),
            line("2026-06-01T12:15:00Z", [0, 0, 10, 0]),
        ];
        let own_roof = [(lines[0].interval, 70)].into();
        let day = Day { date: date(2026, 6, 1), begins_s, ends_s, lines, neighbours: Vec::new(), own_roof };
        let svg = energy(&day, &format, Breadth::Wide).unwrap();
        let bars = |colour: &str| svg.matches(&format!("fill=\"{colour}\"")).count();
        assert_eq!(["var(--roof)", "var(--neighbours)", "var(--supplier)"].map(bars), [1, 2, 3]);
        assert!(!svg.contains("#0100"), "{svg}");
        assert!(svg.contains("12:00") && svg.contains("200\u{202f}Wh"), "{svg}");
        assert_eq!(price(&day, &format, Breadth::Narrow).unwrap().matches("var(--price)").count(), 2);
        let nothing = Day { lines: Vec::new(), own_roof: Default::default(), ..day };
        assert!(energy(&nothing, &format, Breadth::Narrow).is_some());
        assert_eq!(price(&nothing, &format, Breadth::Wide), None);
    }
}
