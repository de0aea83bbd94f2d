//! The page. All that it needs is inside it, and its Content-Security-Policy forbids the browser to load anything.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    Run,
    chart::{Chart, Picture, Room},
    charts::{self, lines_by_loading},
    kpis::{self, Compared, Group},
    text,
};

const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; \
                      base-uri 'none'; form-action 'none'";

pub(super) fn page(run: &Run<'_>) -> Markup {
    let homes = text::counted(run.members.len(), "home");
    let title = run.scenario.question.clone().unwrap_or_else(|| format!("A run of {homes}"));
    let charts = charts::charts(run);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Voisin report" }
                style { (PreEscaped(include_str!("assets/report.css"))) }
            }
            body {
                a.skip href="#main" { "Skip to the figures" }
                header.top {
                    h1 { (title) }
                    p.facts { (facts(run, &homes)) }
                }
                main #main {
                    section.tiles aria-label="The main figures" { (tiles(run)) }
                    (comparison(&kpis::compared(run.figures)))
                    div.groups { @for group in kpis::groups(run.figures) { (group_card(&group)) } }
                    noscript { p.hint { "The charts need JavaScript; what stands above each says the same." } }
                    div.charts { @for chart in &charts { (chart_card(chart, run)) } }
                }
                (footer(run))
                (script(&charts))
            }
        }
    }
}

fn facts(run: &Run<'_>, homes: &str) -> Markup {
    let scenario = run.scenario;
    let roofs = run.community.homes.iter().filter(|home| home.has_roof).count();
    let batteries = (0..run.members.len()).filter(|member| run.community.has_battery(*member)).count();
    let fact = |name: &str, value: &str| html! { span { (name) " " b { (value) } } " " };
    html! {
        @if let (Some((first, _)), Some((last, _))) = (run.intervals.first(), run.intervals.last()) {
            (fact("From", &first.start_text()))
            (fact("to", &last.next().unwrap_or(*last).start_text()))
            (fact("Intervals of", &format!("{} min", first.length().minutes())))
        }
        (fact("Community", homes))
        (fact("Roofs", &text::number(roofs as u64)))
        (fact("Batteries", &text::number(batteries as u64)))
        (fact("Mechanism", &scenario.market.mechanism))
        (fact("Retail", &text::price(scenario.tariffs.retail.micro())))
        (fact("Feed-in", &format!("{} per kWh", text::price(scenario.tariffs.feed_in.micro()))))
        (fact("Seed", &scenario.seed.to_string()))
    }
}

fn tiles(run: &Run<'_>) -> Markup {
    let figures = run.figures;
    let (energy, money) = (&figures.energy, &figures.money);
    let part = |ratio| text::or_none(ratio, text::percent);
    let losers = run.members.iter().filter(|sums| sums.saving_nano() < 0).count();
    let tile = |name: &str, figure: &str, note: &str| {
        html! { div.tile { h2 { (name) } p.figure { (figure) } p.note { (note) } } }
    };
    let between = match (figures.market.low_micro_per_kwh, figures.market.high_micro_per_kwh) {
        (Some(low), Some(high)) => format!("per kWh; mostly {} to {}", text::price(low), text::price(high)),
        _ => "per kWh".to_owned(),
    };
    let paid = figures.market.paid_micro_per_kwh;
    html! {
        (tile(
            "Self-sufficiency",
            &part(energy.market.self_sufficiency),
            &format!("{} alone, {} at most", part(energy.alone.self_sufficiency), part(energy.pooled.self_sufficiency)),
        ))
        (tile("Saved", &text::money(money.saving_nano), &format!("{} of the cost alone", part(money.saving_share))))
        (tile(
            "Traded",
            &text::energy(energy.traded_wh),
            &format!("{} of what members lacked", part(energy.local_share_of_demand)),
        ))
        (tile("Mean price paid", &text::or_none(paid, text::price), if paid.is_some() { &between } else { "No trade" }))
        (tile(
            "Members worse off",
            &text::number(losers as u64),
            &format!("of {}", text::number(run.members.len() as u64)),
        ))
    }
}

/// A figure's name, which says its formula to who asks.
fn named(name: &str, unit: &str, formula: &str) -> Markup {
    html! {
        details.named {
            summary title=(formula) { (name) @if !unit.is_empty() { " " small { (unit) } } }
            p { (formula) }
        }
    }
}

fn comparison(rows: &[Compared]) -> Markup {
    // On a phone the rows are grids, which would lose their roles.
    html! {
        section.card {
            h2 { "What the market changes" }
            p.caption { "Select a name for its formula. Amounts are in the currency of the tariffs." }
            div.scroll tabindex="0" role="region" aria-label="What the market changes" {
                table.compared role="table" {
                    thead role="rowgroup" {
                        tr role="row" {
                            td role="cell" {}
                            th.number scope="col" role="columnheader" title="Each uses what its own roof makes" {
                                "Alone"
                            }
                            th.number scope="col" role="columnheader" { "With the market" }
                            th.number scope="col" role="columnheader"
                                title="As if all were one household: no market reaches more" {
                                "As one household"
                            }
                        }
                    }
                    tbody role="rowgroup" {
                        @for Compared { name, unit, formula, values: [alone, market, pooled] } in rows {
                            tr role="row" {
                                th scope="row" role="rowheader" { (named(name, unit, formula)) }
                                td.number role="cell" { (alone) }
                                td.number.main role="cell" { (market) }
                                td.number role="cell" { (pooled) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn group_card(group: &Group) -> Markup {
    html! {
        section.card {
            h2 { (group.title) }
            dl.list {
                @for figure in &group.figures {
                    div { dt { (named(figure.name, "", figure.formula)) } dd { (figure.value) } }
                }
            }
        }
    }
}

fn chart_card(chart: &Chart, run: &Run<'_>) -> Markup {
    let full = chart.room != Room::Half;
    let height = match chart.room {
        Room::Rows(rows) => Some(format!("height: {}px", 60 + 25 * rows)),
        Room::Half | Room::Full => None,
    };
    html! {
        section.card.full[full] {
            h2 { (chart.title) }
            @if !chart.caption.is_empty() { p.caption #{ (chart.id) "-caption" } { (chart.caption) } }
            @match &chart.picture {
                Picture::Drawn { .. } => figure style=[height] {
                    div.plot #(chart.id) role="img" aria-label=(chart.title)
                        aria-describedby={ (chart.id) "-caption" } {}
                },
                Picture::Nothing(why) => p.empty { (why) },
            }
            @if matches!(chart.room, Room::Rows(_)) { (lines_table(run)) }
        }
    }
}

fn lines_table(run: &Run<'_>) -> Markup {
    let kilo = |watts: u64| text::fixed(watts, 1_000, 2);
    html! {
        details.all {
            summary { "All lines as a table" }
            div.scroll tabindex="0" role="region" aria-label="All lines" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Line" }
                            th.number scope="col" { "To members, kW" }
                            th.number scope="col" { "From members, kW" }
                            th.number scope="col" { "Rating, kVA" }
                            th.number scope="col" { "Loading" }
                        }
                    }
                    tbody {
                        @for line in lines_by_loading(&run.figures.grid.lines) {
                            tr {
                                th scope="row" { (line.line) }
                                td.number { (kilo(line.peak_import_w)) }
                                td.number { (kilo(line.peak_export_w)) }
                                td.number { (kilo(line.rated_va)) }
                                td.number { (text::or_none(line.loading, text::percent)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn footer(run: &Run<'_>) -> Markup {
    let scenario = toml::to_string_pretty(run.scenario).unwrap_or_default();
    html! {
        footer {
            p {
                "Voisin simulator " (run.version) ", seed " (run.scenario.seed)
                ". The same scenario, seed and version give this file again, to the byte. Times are in UTC."
            }
            details {
                summary { "The data it was made from, SHA-256" }
                dl.data {
                    @for data in run.data {
                        div { dt { (data.file) } dd { code { (data.sha256) } } }
                    }
                }
            }
            @if !scenario.is_empty() {
                details {
                    summary { "The scenario, with all defaults" }
                    pre tabindex="0" role="region" aria-label="The scenario" { (scenario) }
                }
            }
        }
    }
}

/// plotly.js, what is to be drawn, and what draws it.
fn script(charts: &[Chart]) -> Markup {
    let charts: Vec<_> = charts.iter().filter_map(Chart::json).collect();
    // No end of a script can be in it, nor the begin of a comment.
    let charts = serde_json::Value::from(charts).to_string().replace('<', "\\u003c");
    html! {
        script { (PreEscaped(plotly())) }
        script #charts type="application/json" { (PreEscaped(charts)) }
        script { (PreEscaped(include_str!("assets/report.js"))) }
    }
}

/// plotly.js as the crate carries it: the first of the scripts that it embeds in a page.
fn plotly() -> String {
    let scripts = plotly::Plot::offline_js_sources();
    let script = scripts.split_once('>').and_then(|(_, rest)| rest.split_once("</script>"));
    script.map_or_else(String::new, |(script, _)| script.to_owned())
}
