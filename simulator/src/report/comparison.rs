//! The page of several runs side by side: their figures in one table, and each chart with a line or a bar of each.

use maud::{Markup, html};
use protocol::interval::Interval;
use serde_json::{Value, json};

use super::{
    chart::{Chart, Picture, Room, axis, day_axis, layout, steps, with},
    kpis,
    load::Load,
    looks::line,
    shell::{NoScript, card, named, shell},
    stretch::{Stretch, mean_day, millionths},
    text,
};
use crate::offline::{
    Figures,
    figures::{EnergyFigures, Money, Ratio, Sufficiency},
    sums::IntervalSums,
};

/// A run among others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side<'a> {
    /// What tells it from the others.
    pub(crate) name: &'a str,
    /// The question that its scenario asks.
    pub(crate) question: Option<&'a str>,
    pub(crate) mechanism: &'a str,
    pub(crate) seed: u64,
    pub(crate) figures: &'a Figures,
    pub(crate) intervals: &'a [(Interval, IntervalSums)],
}

/// The page as HTML.
pub(crate) fn comparison(version: &str, sides: &[Side<'_>]) -> String {
    let names: Vec<&str> = sides.iter().map(|side| side.name).collect();
    let title = format!("{} compared", names.join(", "));
    let charts = [sufficiency(sides), money(sides), import(sides), price(sides), duration(sides)];
    let facts = html! {
        @for side in sides {
            span { (side.name) " " b { (side.mechanism) ", seed " (side.seed) } " " (side.question.unwrap_or_default()) }
        }
    };
    let main = html! {
        (table(sides))
        (NoScript)
        div.charts { @for chart in &charts { (card(chart, &html! {})) } }
    };
    let footer = html! {
        footer {
            p {
                "Voisin simulator " (version)
                ". The same scenarios, seeds and version give this file again, to the byte. Times are in UTC."
            }
        }
    };
    shell(&title, &facts, &main, &footer, &charts).into_string()
}

/// A figure of every side.
struct Row {
    name: String,
    formula: &'static str,
    values: Vec<String>,
}

fn rows(sides: &[Side<'_>]) -> Vec<Row> {
    let of = |name: &str, formula: &'static str, value: &dyn Fn(&Figures) -> String| Row {
        name: name.to_owned(),
        formula,
        values: sides.iter().map(|side| value(side.figures)).collect(),
    };
    let part = |ratio| text::or_none(ratio, text::percent);
    let mut rows = vec![
        of("Self-sufficiency alone", SUFFICIENCY, &|figures| part(figures.energy.alone.self_sufficiency)),
        of("Self-sufficiency with the market", SUFFICIENCY, &|figures| part(figures.energy.market.self_sufficiency)),
        of("Self-consumption alone", CONSUMPTION, &|figures| part(figures.energy.alone.self_consumption)),
        of("Self-consumption with the market", CONSUMPTION, &|figures| part(figures.energy.market.self_consumption)),
        of("Cost alone", COST, &|figures| text::money(figures.money.alone_nano)),
        of("Cost with the market", COST, &|figures| text::money(figures.money.cost_nano)),
    ];
    // Every run has the same groups, and in each the same figures but for those of what not all have.
    let groups: Vec<Vec<kpis::Group>> = sides.iter().map(|side| kpis::groups(side.figures)).collect();
    for (number, group) in groups.first().into_iter().flatten().enumerate() {
        let mut figures: Vec<&kpis::Figure> = Vec::new();
        for figure in groups.iter().flat_map(|groups| &groups[number].figures) {
            if figures.iter().all(|seen| seen.name != figure.name) {
                figures.push(figure);
            }
        }
        for figure in figures {
            let value = |groups: &Vec<kpis::Group>| {
                let found = groups[number].figures.iter().find(|other| other.name == figure.name);
                found.map_or_else(|| text::NONE.to_owned(), |found| found.value.clone())
            };
            let name = format!("{}: {}", group.title, figure.name);
            rows.push(Row { name, formula: figure.formula, values: groups.iter().map(value).collect() });
        }
    }
    rows
}

const SUFFICIENCY: &str = "Part of the consumption that is made here: (consumption − from supplier) ÷ consumption.";
const CONSUMPTION: &str = "Part of the production that stays here: (production − to supplier) ÷ production.";
const COST: &str =
    "Paid to neighbours and supplier − earned from them, of all members, in the currency of the tariffs.";

fn table(sides: &[Side<'_>]) -> Markup {
    html! {
        section.card {
            h2 { "Figures side by side" }
            p.caption { "Select a name for its formula. Amounts are in the currency of the tariffs." }
            div.scroll tabindex="0" role="region" aria-label="Figures side by side" {
                table {
                    thead {
                        tr {
                            td {}
                            @for side in sides { th.number scope="col" { (side.name) } }
                        }
                    }
                    tbody {
                        @for row in rows(sides) {
                            tr {
                                th scope="row" { (named(&row.name, "", row.formula)) }
                                @for value in &row.values { td.number { (value) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn names(sides: &[Side<'_>]) -> Vec<String> {
    sides.iter().map(|side| text::plain(side.name)).collect()
}

/// A list in a sentence: what each side comes to.
fn each(sides: &[Side<'_>], value: impl Fn(&Side<'_>) -> String) -> String {
    sides.iter().map(|side| format!("{} {}", side.name, value(side))).collect::<Vec<_>>().join(", ")
}

fn bars(name: &str, colour: &str, sides: &[Side<'_>], hover: &str, value: impl Fn(&Side<'_>) -> f64) -> Value {
    json!({
        "type": "bar", "name": name, "x": names(sides), "y": sides.iter().map(value).collect::<Vec<_>>(),
        "marker": {"color": colour}, "hovertemplate": hover,
    })
}

/// A chart of bars in groups, one for each side.
fn grouped(
    (id, title): (&'static str, &'static str),
    caption: String,
    unit: &str,
    axis_more: Value,
    data: Vec<Value>,
) -> Chart {
    let layout = layout(json!({
        "barmode": "group",
        "xaxis": axis("", json!({"type": "category"})),
        "yaxis": axis(unit, axis_more),
    }));
    Chart { id, title, caption, room: Room::Half, picture: Picture::Drawn { data, layout } }
}

fn sufficiency(sides: &[Side<'_>]) -> Chart {
    let percent = |ratio: Option<Ratio>| ratio.map_or(0.0, |ratio| ratio.ppm() as f64 / 1e4);
    let hover = "%{x}: %{y:.2f} %<extra>%{fullData.name}</extra>";
    let bars = |name, colour, of: fn(&EnergyFigures) -> &Sufficiency| {
        bars(name, colour, sides, hover, |side| percent(of(&side.figures.energy).self_sufficiency))
    };
    let data = vec![
        bars("Alone", "$imported", |energy| &energy.alone),
        bars("With the market", "$traded", |energy| &energy.market),
        bars("As one household", "$faint-soft", |energy| &energy.pooled),
    ];
    let market = each(sides, |side| text::or_none(side.figures.energy.market.self_sufficiency, text::percent));
    let caption = format!("With the market: {market}.");
    grouped(("sufficiency", "Self-sufficiency"), caption, "%", json!({"rangemode": "tozero"}), data)
}

fn money(sides: &[Side<'_>]) -> Chart {
    let hover = "%{x}: %{y:,.2f}<extra>%{fullData.name}</extra>";
    let bars = |name, colour, of: fn(&Money) -> i128| {
        bars(name, colour, sides, hover, |side| of(&side.figures.money) as f64 / 1e9)
    };
    let data = vec![
        bars("Members save", "$traded", |money| money.saving_nano),
        bars("Grid operator gains", "$supply", |money| money.operator_nano),
        bars("Could be saved", "$faint-soft", |money| money.alone_nano - money.pooled_nano),
    ];
    let saved = each(sides, |side| text::money(side.figures.money.saving_nano));
    let caption = format!("Members save, in the currency of the tariffs: {saved}.");
    grouped(("money", "What the market is worth"), caption, "Over the whole time", json!({}), data)
}

/// A line for each side over its mean day.
fn over_the_day(sides: &[Side<'_>], hover: &str, value: impl Fn(&Stretch) -> Option<f64>) -> Vec<Value> {
    let course = |(number, side): (usize, &Side<'_>)| {
        let day = mean_day(side.intervals);
        let drawn = steps(&day, &text::plain(side.name), "$ink", day.stretches.iter().map(&value));
        with(drawn, json!({"line": line(number, "hv"), "hovertemplate": hover}))
    };
    sides.iter().enumerate().map(course).collect()
}

fn import(sides: &[Side<'_>]) -> Chart {
    let net = |of: &Stretch| Some(of.kw(i128::from(of.sums.imported_wh) - i128::from(of.sums.exported_wh)));
    let data = over_the_day(sides, "%{y:.2f} kW<extra>%{fullData.name}</extra>", net);
    let peaks = each(sides, |side| text::power(side.figures.grid.peak_import_w));
    Chart {
        id: "import",
        title: "Drawn from the supplier on an average day",
        caption: format!("Mean net power, below zero where more is fed in. The highest of any interval: {peaks}."),
        room: Room::Half,
        picture: Picture::Drawn {
            data,
            layout: layout(json!({
                "hovermode": "x unified",
                "xaxis": day_axis(json!({})),
                "yaxis": axis("kW", json!({"zeroline": true})),
            })),
        },
    }
}

fn price(sides: &[Side<'_>]) -> Chart {
    let chart = |caption, picture| Chart {
        id: "price",
        title: "Price between neighbours on an average day",
        caption,
        room: Room::Half,
        picture,
    };
    if sides.iter().all(|side| side.figures.energy.traded_wh == 0) {
        return chart(String::new(), Picture::Nothing("Nothing was traded, so there is no price."));
    }
    let data =
        over_the_day(sides, "%{y:.4f} per kWh<extra>%{fullData.name}</extra>", |of| of.paid_micro().map(millionths));
    let paid = each(sides, |side| text::or_none(side.figures.market.paid_micro_per_kwh, text::price));
    let layout = layout(json!({
        "hovermode": "x unified",
        "xaxis": day_axis(json!({})),
        "yaxis": axis("per kWh", json!({})),
    }));
    chart(format!("What buyers paid for a kWh on average: {paid}."), Picture::Drawn { data, layout })
}

fn duration(sides: &[Side<'_>]) -> Chart {
    let curve = |(number, side): (usize, &Side<'_>)| {
        let (x, y) = Load::of(side.intervals).points();
        json!({
            "type": "scatter", "mode": "lines", "name": text::plain(side.name), "line": line(number, "linear"),
            "x": x, "y": y,
            "hovertemplate": "At least %{y:.2f} kW for %{x:.1f} % of the time<extra>%{fullData.name}</extra>",
        })
    };
    let factors = each(sides, |side| text::or_none(side.figures.grid.load_factor, text::percent));
    Chart {
        id: "duration",
        title: "Load duration",
        caption: format!("For which part of the time how much is drawn. Load factor: {factors}."),
        room: Room::Full,
        picture: Picture::Drawn {
            data: sides.iter().enumerate().map(curve).collect(),
            layout: layout(json!({
                "hovermode": "closest",
                "xaxis": axis("Part of the time, %", json!({"range": [0, 100]})),
                "yaxis": axis("Net import, kW", json!({"zeroline": true})),
            })),
        },
    }
}
