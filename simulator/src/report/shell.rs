//! What all pages are: all that they need is inside, and their Content-Security-Policy forbids the browser to load
//! anything.

use maud::{DOCTYPE, Markup, PreEscaped, Render, html};

use super::chart::{Chart, Picture, Room};

const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; \
                      base-uri 'none'; form-action 'none'";

/// A page with charts in it.
pub(super) fn shell(title: &str, facts: &Markup, main: &Markup, footer: &Markup, charts: &[Chart]) -> Markup {
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
                    p.facts { (facts) }
                }
                main #main { (main) }
                (footer)
                (script(charts))
            }
        }
    }
}

/// What stands above the charts where they cannot be drawn.
pub(super) struct NoScript;

impl Render for NoScript {
    fn render(&self) -> Markup {
        html! { noscript { p.hint { "The charts need JavaScript; what stands above each says the same." } } }
    }
}

/// A figure's name, which says its formula to who asks.
pub(super) fn named(name: &str, unit: &str, formula: &str) -> Markup {
    html! {
        details.named {
            summary title=(formula) { (name) @if !unit.is_empty() { " " small { (unit) } } }
            p { (formula) }
        }
    }
}

/// A chart with its sentence, and what belongs to it.
pub(super) fn card(chart: &Chart, more: &Markup) -> Markup {
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
            (more)
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
