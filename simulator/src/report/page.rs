//! The page of a run.

use maud::{Markup, html};

use super::{
    Run,
    chart::{Chart, Room},
    charts::{self, lines_by_loading},
    kpis::{self, Compared, Group},
    shell::{NoScript, card, named, shell},
    text,
};

pub(super) fn page(run: &Run<'_>) -> Markup {
    let homes = text::counted(run.members.len(), "home");
    let title = run.scenario.question.clone().unwrap_or_else(|| format!("A run of {homes}"));
    let charts = charts::charts(run);
    let main = html! {
        section.tiles aria-label="The main figures" { (tiles(run)) }
        (comparison(&kpis::compared(run.figures)))
        div.groups { @for group in kpis::groups(run.figures).iter().filter(|group| !group.figures.is_empty()) { (group_card(group)) } }
        (NoScript)
        div.charts { @for chart in &charts { (chart_card(chart, run)) } }
    };
    shell(&title, &facts(run, &homes), &main, &footer(run), &charts)
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
    let all = match chart.room {
        Room::Rows(_) => lines_table(run),
        Room::Half | Room::Full => html! {},
    };
    card(chart, &all)
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
