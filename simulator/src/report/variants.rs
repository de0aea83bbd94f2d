//! The page of a sweep: the main figures of every variant, each as its mean over the seeds with its 95 % interval.

use maud::{Markup, html};
use serde_json::{Value, json};

use super::{
    chart::{Chart, Picture, Room, axis, layout},
    looks::{COLOURS, line},
    shell::{NoScript, card, named, shell},
    text,
};

/// What a variant came to.
#[derive(Debug, Clone)]
pub(crate) struct Variant {
    /// The values of what is varied, in the order of the keys.
    pub(crate) values: Vec<String>,
    /// How many seeds it was run with.
    pub(crate) seeds: usize,
    /// The mean of each of [`FIGURES`], and half the width of its interval, in the figure's unit; none where no seed
    /// has it.
    pub(crate) means: Vec<Option<(f64, Option<f64>)>>,
}

/// A figure of the page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    /// Its key in the summary, with dots.
    pub(crate) key: &'static str,
    id: &'static str,
    title: &'static str,
    unit: &'static str,
    formula: &'static str,
    /// How many of the summary's units are one here.
    pub(crate) one: f64,
    decimals: usize,
}

const fn shown(
    (key, id): (&'static str, &'static str),
    (title, unit): (&'static str, &'static str),
    formula: &'static str,
    (one, decimals): (f64, usize),
) -> Shown {
    Shown { key, id, title, unit, formula, one, decimals }
}

/// What a sweep shows of the many figures that `means.csv` has.
pub(crate) const FIGURES: [Shown; 8] = [
    shown(
        ("energy.market.self_sufficiency", "sufficiency"),
        ("Self-sufficiency with the market", "%"),
        "Part of the consumption that is made here: (consumption − from supplier) ÷ consumption.",
        (0.01, 2),
    ),
    shown(
        ("energy.market.self_consumption", "consumption"),
        ("Self-consumption with the market", "%"),
        "Part of the production that stays here: (production − to supplier) ÷ production.",
        (0.01, 2),
    ),
    shown(
        ("money.saving_share", "saving"),
        ("Saved, part of the cost alone", "%"),
        "(Cost alone − cost with the market) ÷ cost alone.",
        (0.01, 2),
    ),
    shown(
        ("money.value_tapping", "tapping"),
        ("Value tapping", "%"),
        "The saving as a part of the most that there was: (alone − market) ÷ (alone − as one household).",
        (0.01, 2),
    ),
    shown(
        ("market.paid_micro_per_kwh", "paid"),
        ("Mean price paid to neighbours", "per kWh"),
        "What buyers paid ÷ what they bought.",
        (1e6, 4),
    ),
    shown(
        ("energy.traded_wh", "traded"),
        ("Traded between neighbours", "MWh"),
        "Bought from neighbours, which is what neighbours sold.",
        (1e6, 3),
    ),
    shown(
        ("grid.peak_import_w", "peak"),
        ("Peak drawn from the supplier", "kW"),
        "The largest net import of an interval, on average over it.",
        (1e3, 2),
    ),
    shown(
        ("fairness.gini", "gini"),
        ("Gini coefficient of the savings", ""),
        "0 where all save the same. None where a member loses.",
        (1.0, 3),
    ),
];

/// The page as HTML. `keys` are what is varied.
pub(crate) fn variants(version: &str, question: Option<&str>, keys: &[&str], variants: &[Variant]) -> String {
    let title = match question {
        Some(question) => question.to_owned(),
        None => format!("A sweep over {}", keys.join(", ")),
    };
    let charts: Vec<Chart> = (0..FIGURES.len()).map(|figure| chart(figure, keys, variants)).collect();
    let seeds = variants.iter().map(|variant| variant.seeds).max().unwrap_or(0);
    let facts = html! {
        @for key in keys { span { "Varied " b { (key) } } " " }
        span { "Variants " b { (text::number(variants.len() as u64)) } } " "
        span { "Seeds of each " b { (text::number(seeds as u64)) } }
    };
    let main = html! {
        (table(keys, variants))
        (NoScript)
        div.charts { @for chart in &charts { (card(chart, &html! {})) } }
    };
    let footer = html! {
        footer {
            p {
                "Voisin simulator " (version) ". Intervals are Student's, at 95 %. All figures are in means.csv and "
                "sweep.csv. The same plan and version give this file again, to the byte."
            }
        }
    };
    shell(&title, &facts, &main, &footer, &charts).into_string()
}

/// A mean with its interval, without its unit.
fn written(figure: &Shown, mean: Option<(f64, Option<f64>)>) -> String {
    let decimals = figure.decimals;
    match mean {
        None => text::NONE.to_owned(),
        Some((mean, None)) => format!("{mean:.decimals$}"),
        Some((mean, Some(half_width))) => format!("{mean:.decimals$} ± {half_width:.decimals$}"),
    }
}

fn table(keys: &[&str], variants: &[Variant]) -> Markup {
    html! {
        section.card {
            h2 { "Every variant" }
            p.caption {
                "Means over the seeds, ± half of the 95 % interval. Select a name for its formula. Amounts are in the "
                "currency of the tariffs."
            }
            div.scroll tabindex="0" role="region" aria-label="Every variant" {
                table {
                    thead {
                        tr {
                            @for key in keys { th scope="col" { (key) } }
                            @if keys.is_empty() { th scope="col" { "Variant" } }
                            @for figure in &FIGURES {
                                th.number scope="col" { (named(figure.title, figure.unit, figure.formula)) }
                            }
                        }
                    }
                    tbody {
                        @for variant in variants {
                            tr {
                                @for (place, value) in variant.values.iter().enumerate() {
                                    @if place == 0 { th scope="row" { (value) } } @else { td { (value) } }
                                }
                                @if keys.is_empty() { th scope="row" { "as it is" } }
                                @for (figure, mean) in FIGURES.iter().zip(&variant.means) {
                                    td.number { (written(figure, *mean)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The key along which lines are drawn: the first whose values are three or more different numbers.
fn along(keys: &[&str], variants: &[Variant]) -> Option<usize> {
    (0..keys.len()).find(|key| {
        let mut numbers: Vec<f64> = variants.iter().filter_map(|variant| number(&variant.values[*key])).collect();
        let are_numbers = numbers.len() == variants.len();
        numbers.sort_unstable_by(f64::total_cmp);
        numbers.dedup();
        are_numbers && numbers.len() >= 3
    })
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn chart(figure: usize, keys: &[&str], variants: &[Variant]) -> Chart {
    let of = &FIGURES[figure];
    let present: Vec<&Variant> = variants.iter().filter(|variant| variant.means[figure].is_some()).collect();
    let mean = |variant: &Variant| variant.means[figure].map_or(0.0, |(mean, _)| mean);
    let by_mean = |one: &&&Variant, other: &&&Variant| mean(one).total_cmp(&mean(other));
    let ends = present.iter().min_by(by_mean).zip(present.iter().max_by(by_mean));
    let named = |variant: &Variant| match variant.values.is_empty() {
        true => "as it is".to_owned(),
        false => variant.values.join(", "),
    };
    let caption = ends.map_or_else(String::new, |(least, most)| {
        format!(
            "From {} ({}) to {} ({}), {}.",
            written(of, least.means[figure]),
            named(least),
            written(of, most.means[figure]),
            named(most),
            if of.unit.is_empty() { "of 1" } else { of.unit },
        )
    });
    let picture = match along(keys, variants) {
        _ if present.is_empty() => Picture::Nothing("No variant has this figure."),
        Some(key) => lines(of, figure, keys, key, &present),
        None => bars(of, figure, &present, named),
    };
    Chart { id: of.id, title: of.title, caption, room: Room::Half, picture }
}

/// A line with its band for each variant of the other keys.
fn lines(of: &Shown, figure: usize, keys: &[&str], key: usize, variants: &[&Variant]) -> Picture {
    let others = |variant: &Variant| -> String {
        let values =
            variant.values.iter().enumerate().filter(|(place, _)| *place != key).map(|(_, value)| value.as_str());
        values.collect::<Vec<_>>().join(", ")
    };
    let mut names: Vec<String> = Vec::new();
    for variant in variants {
        let name = others(variant);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut data = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let mut points: Vec<(f64, f64, f64)> = variants
            .iter()
            .filter(|variant| others(variant) == *name)
            .filter_map(|variant| {
                let (mean, half_width) = variant.means[figure]?;
                Some((number(&variant.values[key])?, mean, half_width.unwrap_or(0.0)))
            })
            .collect();
        points.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        let x: Vec<f64> = points.iter().map(|(x, ..)| *x).collect();
        let edge = |sign: f64| points.iter().map(|(_, mean, half)| mean + sign * half).collect::<Vec<_>>();
        let band = |y: Vec<f64>, fill: Value| {
            json!({
                "type": "scatter", "mode": "lines", "x": x, "y": y, "line": {"width": 0}, "showlegend": false,
                "hoverinfo": "skip", "fill": fill, "fillcolor": soft(place), "name": "95 %",
            })
        };
        data.push(band(edge(-1.0), json!("none")));
        data.push(band(edge(1.0), json!("tonexty")));
        data.push(json!({
            "type": "scatter", "mode": "lines+markers", "name": text::plain(name), "showlegend": names.len() > 1,
            "x": x, "y": points.iter().map(|(_, mean, _)| *mean).collect::<Vec<_>>(), "line": line(place, "linear"),
            "hovertemplate": format!("%{{x}}: %{{y:.{}f}} {}<extra>%{{fullData.name}}</extra>", of.decimals, of.unit),
        }));
    }
    let layout = layout(json!({
        "hovermode": "closest",
        "xaxis": axis(keys[key], json!({})),
        "yaxis": axis(of.unit, json!({})),
    }));
    Picture::Drawn { data, layout }
}

/// The band beside a line of this place.
fn soft(place: usize) -> &'static str {
    ["$demand-soft", "$supply-soft", "$traded-soft", "$battery-soft", "$faint-soft"][place % COLOURS.len()]
}

fn bars(of: &Shown, figure: usize, variants: &[&Variant], named: impl Fn(&Variant) -> String) -> Picture {
    let mean = |variant: &&Variant| variant.means[figure].map_or(0.0, |(mean, _)| mean);
    let half_width = |variant: &&Variant| variant.means[figure].and_then(|(_, half_width)| half_width).unwrap_or(0.0);
    let data = vec![json!({
        "type": "bar", "name": of.title,
        "x": variants.iter().map(|variant| text::plain(&named(variant))).collect::<Vec<_>>(),
        "y": variants.iter().map(mean).collect::<Vec<_>>(),
        "marker": {"color": "$demand"},
        "error_y": {
            "type": "data", "array": variants.iter().map(half_width).collect::<Vec<_>>(), "color": "$ink", "thickness": 1.5,
        },
        "hovertemplate": format!("%{{x}}: %{{y:.{}f}} {}<extra></extra>", of.decimals, of.unit),
    })];
    let layout = layout(json!({
        "showlegend": false,
        "xaxis": axis("", json!({"type": "category"})),
        "yaxis": axis(of.unit, json!({})),
    }));
    Picture::Drawn { data, layout }
}
